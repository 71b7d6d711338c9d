use fastws_smol::send;

struct Pong {
    time: i64,
}

#[send("ping", reply = "pong")]
//~ `Pong` cannot be a reply
//~ `Pong` needs `#[payload]`
async fn ping() -> Result<Pong, fastws_smol::Close> {
    Ok(Pong { time: 1 })
}
