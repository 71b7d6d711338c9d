use fastws_smol::send;

#[send("order", reply = "order.response")]
//~ `u32` cannot be an argument of a handler
//~ other arguments are `Client`, `App`, `State<S>`, `Guest<S>`, `Now` or `Clock`
fn order(shares: u32) -> u32 {
    shares
}
