use fastws_smol::{payload, send};

#[payload]
struct Order {
    shares: u32,
}

#[send("order", reply = "order.response")]
//~ `Order` cannot be an argument of a handler
//~ if it is the message's payload, write `Payload<Order>`
fn order(order: Order) -> u32 {
    order.shares
}
