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

mod server;
mod shard;

#[doc(hidden)]
pub use fastws_core::expanded;
#[doc(inline)]
pub use fastws_core::typed::*;
pub use fastws_host::error::Error;
pub use fastws_host::page::Component;
pub use fastws_host::pages::{Pages, Place};
pub use fastws_host::test_client::{TestClient, TestSocket};
pub use fastws_macros::{payload_tokio as payload, recv_tokio as recv, send_tokio as send};
pub use server::{Server, serve};
