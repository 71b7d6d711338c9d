use fastws_smol::{Payload, payload, send};

#[payload]
struct Order {
    symbol: &'static str,
}

//~ it takes a message's payload as `Payload<T>`, whose `T` is a `#[payload]` and has `String` for `&str`
#[send("order", reply = "order.response")]
fn order(Payload(order): Payload<Order>) -> usize {
    order.symbol.len()
}
