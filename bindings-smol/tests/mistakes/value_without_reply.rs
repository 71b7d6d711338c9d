use fastws_smol::send;

#[send("ping")]
//~ an operation that returns `String` has a reply
//~ give it a reply's name, as in `#[send("subscribe", reply = "subscribe.response")]`, or return `()`
fn ping() -> String {
    "pong".into()
}
