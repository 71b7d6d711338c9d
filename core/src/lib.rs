//! The FastWS protocol without I/O: bytes and time go in, bytes and ends come out.
//!
//! Fully deterministic: nothing here opens a socket, asks a clock, or makes a random number.
//!
//! ```text
//!  bytes      frame       envelope       operation        handler        effects        outbox       bytes
//!  ─────►  ┌────────┐   ┌──────────┐   ┌───────────┐   ┌───────────┐   ┌─────────┐    ┌─────────┐  ─────►
//!  socket  │ Frame  │──►│ Envelope │──►│ Operation │──►│  Handler  │──►│ Effects │───►│ Outbox  │  socket
//!          └────────┘   └──────────┘   └───────────┘   └───────────┘   └────┬────┘    └─────────┘
//!              └───────────── Session ──────────┘                           ▼
//!                                                                    Hub: who listens?
//! ```
//!
//! A [driver] holds an [`Engine`](engine::Engine), one for each shard, and an application behind it, a
//! [`Dispatch`](dispatch::Dispatch). With the `alloc` feature the application is an [`Api`](api::Api)
//! of typed handlers; a device without a heap writes a `match` and lends the engine its
//! [memory].
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)]

#[cfg(feature = "alloc")]
extern crate alloc;
// Named, so that nothing leans on its prelude unseen.
#[cfg(test)]
extern crate std;

// The wire: borrows only, knows no connection.
pub mod time;
pub mod ids;
pub mod shelf;
mod sha1;
pub mod handshake;
pub mod origin;
pub mod frame;
pub mod assembly;
pub mod envelope;
mod encode;
pub mod topic;
pub mod action;

#[doc = include_str!("../docs/protocol.md")]
pub mod protocol {}

#[doc = include_str!("../docs/driver.md")]
pub mod driver {}

// The state of one shard: deterministic, on owned or lent memory.
pub mod config;
mod counts;
mod changes;
mod marks;
mod deadlines;
mod session;
mod hub;
mod gap;
mod records;
mod backlog;
mod outbox;
mod state;
mod posting;
mod delivery;
pub mod dispatch;
mod intake;
pub mod engine;
pub mod memory;
pub mod lives;

// The typed layer, for whoever has a heap.
#[cfg(feature = "alloc")]
pub mod canonical;
#[cfg(feature = "alloc")]
mod strict;
#[cfg(feature = "alloc")]
pub mod payload;
#[cfg(feature = "alloc")]
pub mod respond;
#[cfg(feature = "alloc")]
pub mod door;
#[cfg(feature = "alloc")]
pub mod declared;
#[cfg(feature = "alloc")]
pub mod retained;
#[cfg(feature = "alloc")]
pub mod desk;
#[cfg(feature = "alloc")]
mod pace;
#[cfg(feature = "alloc")]
pub mod service;
#[cfg(feature = "alloc")]
pub mod publisher;
#[cfg(feature = "alloc")]
pub mod client;
#[cfg(feature = "alloc")]
pub mod hooks;
#[cfg(feature = "alloc")]
pub mod extract;
#[cfg(feature = "alloc")]
pub mod handler;
#[cfg(feature = "alloc")]
pub mod authenticate;
#[cfg(feature = "alloc")]
pub mod router;
#[cfg(feature = "alloc")]
mod attributes;
#[cfg(feature = "alloc")]
pub mod entrance;
#[cfg(feature = "alloc")]
mod subscription;
#[cfg(feature = "alloc")]
pub mod topic_route;
#[cfg(feature = "alloc")]
mod asyncapi;
#[cfg(feature = "alloc")]
pub mod catalog;
#[cfg(feature = "alloc")]
pub mod api;

mod debug;

/// What a typed application is written with; the bindings hand it on.
#[cfg(feature = "alloc")]
pub mod typed {
    pub use crate::api::{Api, BuildError};
    pub use crate::canonical::Style;
    pub use crate::client::Client;
    pub use crate::config::{Config, OnError, SlowConsumer};
    pub use crate::declared::PublishError;
    pub use crate::desk::{Metrics, Reach};
    pub use crate::door::{HttpError, Visitor};
    pub use crate::engine::Closes;
    pub use crate::extract::{Clock, FirstMessage, Guest, Now, Payload, State};
    pub use crate::hooks::Subscriber;
    pub use crate::publisher::{App, Publisher};
    pub use crate::respond::{Close, Failure, Fault, Refused};
    pub use crate::router::Router;
    pub use crate::service::Updates;
    pub use crate::topic_route::{Params, SubscriptionResponse, TopicRoute};
}

#[cfg(feature = "alloc")]
pub use fastws_macros::{payload_core as payload, recv_core as recv, send_core as send};

/// Keeps the README's example compiling.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// What the attributes' expansions name.
#[cfg(feature = "alloc")]
#[doc(hidden)]
pub mod expanded {
    pub use crate::attributes::*;
    pub use crate::router::Router;
    pub use {schemars, serde};
}
