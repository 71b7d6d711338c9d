//! Typed, topic-based JSON APIs over WebSocket, on tokio.
//!
//! One shard on the thread that awaits [`serve`]; handlers and services run there, with tokio's timers
//! and sockets at hand.
//!
//! ```
//! use fastws_tokio::{Api, Config, Router, serve};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), fastws_tokio::Error> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let hello = Router::new().send("hello", "hello.response", async || "world");
//! let api = Api::new("Greetings", "1.0.0").include(hello);
//! let end = async { /* a signal, a message, or whatever ends your server */ };
//! serve(listener, api, Config::default(), end).await
//! # }
//! ```
#![forbid(unsafe_code)]

mod shard;

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
pub use shard::serve;
