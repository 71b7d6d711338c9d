//! The server that the load generator measures: its three messages, with the public API and default
//! limits. Never sees the market, and names no runtime.

use fastws_core::api::Api;
use fastws_core::client::Client;
use fastws_core::extract::Payload;
use fastws_core::payload;
use fastws_core::respond::Failure;
use fastws_core::router::Router;
use fastws_core::topic_route::TopicRoute;
use fastws_host::server::{Binding, Server};
use std::error::Error;
use std::num::NonZeroUsize;

/// Serves on threads of a binding, as the arguments of this process say.
///
/// # Errors
/// A port in use, or arguments that are no numbers.
pub fn main<B: Binding>() -> Result<(), Box<dyn Error>> {
    let (port, shards) = arguments()?;
    // The load generator asks for `/`.
    let server = Server::<B>::bind(("127.0.0.1", port))?.path("/").path("/ws");
    Ok(server.shards(shards).serve(api())?)
}

/// The port and the number of threads that the arguments of this process name.
///
/// # Errors
/// They are no numbers.
pub fn arguments() -> Result<(u16, NonZeroUsize), Box<dyn Error>> {
    env_logger::init();
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().ok_or("usage: bench_server PORT [SHARDS]")?.parse()?;
    Ok((port, arguments.next().as_deref().unwrap_or("1").parse()?))
}

/// `simple.ping`, `bars.subscribe` and `bars.publish`.
pub fn api() -> Api {
    let bars =
        TopicRoute::<Subscription, Bar>::new("bars").topic(|request| [request.topic.clone()]);
    Api::new("Bench", "1.0.0")
        .include(Router::new().prefix("simple.").send("ping", "pong", ping))
        .include(Router::new().prefix("bars.").send("publish", None, publish))
        .include(bars)
}

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
