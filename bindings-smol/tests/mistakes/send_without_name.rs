use fastws_smol::send;

//~ write #[send("subscribe")] or #[send("subscribe", reply = "subscribe.response")]
#[send]
fn ping() {}
