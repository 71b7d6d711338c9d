use fastws_smol::{Payload, send};

#[send("order", reply = "order.response")]
//~ a handler owns its arguments: write them without `&` and lifetimes, and `String` for `str`
fn order(Payload(symbol): Payload<&str>) -> usize {
    symbol.len()
}
