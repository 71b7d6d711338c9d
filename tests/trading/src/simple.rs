//! The simplest operations: a question and its answer. Knows the clock; never sees a topic or the market.

use std::time::Duration;

use fastws_core::extract::{Clock, Now, Payload};
use fastws_core::router::Router;
use fastws_core::{payload, send};

/// `simple.ping` and `slow`.
pub(crate) fn router() -> Router {
    let simple = Router::new().prefix("simple.").include(ping);
    Router::new().tags(["connection"]).include(simple).include(slow)
}

#[payload]
#[schemars(example = Ping { timestamp: 1_767_225_600_000 })]
struct Ping {
    /// Comes back as it is.
    timestamp: i64,
}

#[payload]
struct Pong {
    timestamp: i64,
    /// The server's clock, in Unix milliseconds.
    server_time: i64,
}

/// Client pings, server pongs back.
#[send("ping", reply = "pong")]
fn ping(Payload(ping): Payload<Ping>, now: Now) -> Pong {
    Pong { timestamp: ping.timestamp, server_time: now.unix_millis() }
}

#[payload]
#[schemars(example = Wait { ms: 250 })]
struct Wait {
    /// How long the answer takes, in milliseconds.
    ms: u32,
}

/// Answers after so many milliseconds; only this client's next message waits for it.
#[send("slow", reply = "slow.response")]
async fn slow(Payload(wait): Payload<Wait>, clock: Clock) -> Wait {
    clock.sleep(Duration::from_millis(wait.ms.into())).await;
    wait
}
