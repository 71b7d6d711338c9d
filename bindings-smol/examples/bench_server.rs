//! Answers the load generator's three messages, with the public API and default limits.
//!
//! `cargo run --release -p fastws-smol --example bench_server -- PORT [SHARDS]`

use fastws_smol::{Api, Client, Failure, Payload, Router, Server, TopicRoute, payload};
use std::num::NonZeroUsize;

#[payload]
struct Ping {
    timestamp: u64,
}

#[payload]
struct Subscription {
    topic: String,
}

#[payload]
struct Bar {
    topic: String,
    seq: u64,
    data: String,
}

fn ping(Payload(ping): Payload<Ping>) -> Ping {
    ping
}

fn publish(Payload(bar): Payload<Bar>, client: Client) -> Result<(), Failure> {
    Ok(client.publish(format!("bars:{}", bar.topic), "bars.update", &bar)?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::init();
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().ok_or("usage: bench_server PORT [SHARDS]")?.parse()?;
    let shards: NonZeroUsize = arguments.next().as_deref().unwrap_or("1").parse()?;
    let bars =
        TopicRoute::<Subscription, Bar>::new("bars").topic(|request| [request.topic.clone()]);
    let api = Api::new("Bench", "1.0.0")
        .include(Router::new().prefix("simple.").send("ping", "pong", ping))
        .include(Router::new().prefix("bars.").send("publish", None, publish))
        .include(bars);
    // The load generator asks for `/`.
    Server::bind(("127.0.0.1", port))?.shards(shards).path("/").path("/ws").serve(api)?;
    Ok(())
}
