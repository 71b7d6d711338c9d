//! Typed, topic-based JSON APIs over WebSocket, on smol.
//!
//! ```no_run
//! use fastws_smol::{Api, Now, Payload, Router, Server, payload, send};
//!
//! #[payload]
//! struct Ping { timestamp: i64 }
//! #[payload]
//! struct Pong { timestamp: i64, server_time: i64 }
//!
//! /// Client pings, server pongs back.
//! #[send("ping", reply = "pong")]
//! fn ping(Payload(ping): Payload<Ping>, now: Now) -> Pong {
//!     Pong { timestamp: ping.timestamp, server_time: now.unix_millis() }
//! }
//!
//! fn main() -> Result<(), fastws_smol::Error> {
//!     let simple = Router::new().prefix("simple.").include(ping);
//!     let api = Api::new("Trading WebSockets", "1.0.0").include(simple);
//!     Server::bind("127.0.0.1:8000")?.serve(api)
//! }
//! ```
//!
//! Handlers and services run on the thread of their shard, on a smol `LocalExecutor`: they need not
//! be `Send`, and one that blocks holds up the connections of its shard.
#![forbid(unsafe_code)]

mod shard;

#[doc(inline)]
pub use fastws_host::offered::*;
pub use fastws_macros::{payload_smol as payload, recv_smol as recv, send_smol as send};
pub use shard::Smol;

/// A server that listens already and does not accept yet; [`start`](Server::start) and
/// [`serve`](Server::serve) do.
pub type Server = fastws_host::server::Server<Smol>;

/// A server that serves; [`wait`](Running::wait) tells how it has ended.
pub type Running = fastws_host::server::Running<Smol>;

/// A running server, for any thread; [`shutdown`](Handle::shutdown) ends it.
pub type Handle = fastws_host::server::Handle<Smol>;

#[doc = include_str!("../docs/guide.md")]
pub mod guide {}

#[doc = include_str!("../docs/from-fastws.md")]
pub mod from_fastws {}

/// Keeps the README's example compiling.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
