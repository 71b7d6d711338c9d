use fastws_smol::{Payload, send};

struct Order {
    shares: u32,
}

#[send("order", reply = "order.response")]
//~ `Order` cannot be a payload
//~ `Order` needs `#[payload]`
fn order(Payload(order): Payload<Order>) -> u32 {
    order.shares
}
