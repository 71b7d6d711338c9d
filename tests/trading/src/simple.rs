//! The simplest operations: a question and its answer. Knows the clock; never sees a topic or the market.

use std::time::Duration;

use fastws_core::extract::{Clock, Now, Payload};
use fastws_core::payload;
use fastws_core::router::Router;

/// `simple.ping` and `slow`.
pub(crate) fn router() -> Router {
    Router::new().include(Router::new().prefix("simple.").send("ping", "pong", ping)).send(
        "slow",
        "slow.response",
        slow,
    )
}

#[payload]
struct Ping {
    timestamp: i64,
}

#[payload]
struct Pong {
    timestamp: i64,
    server_time: i64,
}

/// Client pings, server pongs back.
fn ping(Payload(ping): Payload<Ping>, now: Now) -> Pong {
    Pong { timestamp: ping.timestamp, server_time: now.unix_millis() }
}

#[payload]
struct Wait {
    ms: u32,
}

/// Answers after so many milliseconds; only this client's next message waits for it.
async fn slow(Payload(wait): Payload<Wait>, clock: Clock) -> Wait {
    clock.sleep(Duration::from_millis(wait.ms.into())).await;
    wait
}
