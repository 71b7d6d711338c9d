//! An operation that clients send, and its reply.

// section: ping-pong
use fastws_smol::{Now, Payload, Router, payload, send};

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
#[send("ping", reply = "pong")]
fn ping(Payload(ping): Payload<Ping>, now: Now) -> Pong {
    Pong { timestamp: ping.timestamp, server_time: now.unix_millis() }
}

pub(crate) fn router() -> Router {
    Router::new().prefix("simple.").include(ping)
}
