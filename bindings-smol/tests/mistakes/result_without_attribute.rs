use fastws_smol::send;

struct Pong {
    time: i64,
}

#[send("ping", reply = "pong")]
//~ `Pong` cannot be a reply
//~ `Pong` needs `#[payload]`
fn ping() -> Pong {
    Pong { time: 1 }
}
