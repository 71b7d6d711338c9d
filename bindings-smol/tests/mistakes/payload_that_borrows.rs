use fastws_smol::{Payload, payload, send};

#[payload]
//~ a payload owns what it holds: remove the lifetime, and write `String` for `&str`
struct Order<'a> {
    symbol: &'a str,
}

#[send("order", reply = "order.response")]
fn order(Payload(order): Payload<Order<'_>>) -> usize {
    order.symbol.len()
}
