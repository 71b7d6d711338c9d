use fastws_smol::send;

//~ write #[send("subscribe")] or #[send("subscribe", reply = "subscribe.response")]
#[send("ping", reply)]
fn ping() -> u32 {
    1
}
