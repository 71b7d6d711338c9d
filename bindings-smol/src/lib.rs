//! Typed, topic-based JSON APIs over WebSocket, on smol.
//!
//! ```no_run
//! use fastws_smol::{Api, Now, Payload, Router, Server};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! struct Ping { timestamp: i64 }
//! #[derive(Serialize)]
//! struct Pong { timestamp: i64, server_time: i64 }
//!
//! fn ping(Payload(ping): Payload<Ping>, now: Now) -> Pong {
//!     Pong { timestamp: ping.timestamp, server_time: now.unix_millis() }
//! }
//!
//! fn main() -> Result<(), fastws_smol::Error> {
//!     let simple = Router::new().prefix("simple.").send("ping", "pong", ping);
//!     let api = Api::new("Trading WebSockets", "1.0.0").include(simple);
//!     Server::bind("127.0.0.1:8000")?.serve(api)
//! }
//! ```
//!
//! Handlers and services run on the thread of their shard, on a smol `LocalExecutor`: they need not
//! be `Send`, and one that blocks holds up the connections of its shard.
#![forbid(unsafe_code)]

mod server;
mod shard;
mod stream;

pub use fastws_core::api::{Api, BuildError};
pub use fastws_core::client::Client;
pub use fastws_core::config::{Config, OnError};
pub use fastws_core::declared::PublishError;
pub use fastws_core::desk::{Metrics, Reach};
pub use fastws_core::extract::{Clock, Now, Payload, State};
pub use fastws_core::publisher::{App, Publisher};
pub use fastws_core::respond::{Close, Failure, Refused};
pub use fastws_core::router::Router;
pub use fastws_core::service::Updates;
pub use fastws_core::topic_route::{Params, TopicRoute};
pub use fastws_host::error::Error;
pub use server::{Handle, Running, Server};

/// Keeps the README's example compiling.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
