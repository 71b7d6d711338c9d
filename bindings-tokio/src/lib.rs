//! Typed, topic-based JSON APIs over WebSocket, on tokio.
//!
//! ```no_run
//! use fastws_tokio::{Api, Router, Server};
//!
//! fn main() -> Result<(), fastws_tokio::Error> {
//!     let hello = Router::new().send("hello", "hello.response", async || "world");
//!     let api = Api::new("Greetings", "1.0.0").include(hello);
//!     Server::bind("127.0.0.1:8000")?.serve(api)
//! }
//! ```
//!
//! Handlers and services run on the thread of their shard, on a tokio runtime of its own with timers
//! and sockets: they need not be `Send`, and one that blocks holds up the connections of its shard. A
//! program that runs on tokio itself awaits [`serve`].
//!
//! With feature `axum`, the module `axum` mounts an API into an axum application.
#![forbid(unsafe_code)]

#[cfg(feature = "axum")]
pub mod axum;
mod link;
mod server;
mod shard;

#[doc(inline)]
pub use fastws_host::offered::*;
pub use fastws_macros::{payload_tokio as payload, recv_tokio as recv, send_tokio as send};
pub use server::{Handle, Running, Server, serve};
pub use shard::Tokio;
