//! What every binding needs besides sockets: a [`Shard`](shard::Shard) is an engine, its handlers and
//! services, and its mail from other threads. No runtime, no clock of its own.
//!
//! ```text
//!            ┌───────────────────────── Shared ─────────────────────────┐
//!            │ catalog   registry of lives   counters   an inbox each   │
//!            └──────┬───────────────────────────────────────┬───────────┘
//!            ┌──────▼──────┐                         ┌──────▼──────┐
//!  bytes ──► │    Shard    │ ──► tasks, bytes        │    Shard    │
//!            │ engine desk │                         │             │
//!            └─────────────┘                         └─────────────┘
//! ```
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)]

pub mod bell;
pub mod cipher;
pub mod descriptors;
pub mod error;
mod front;
mod metrics;
pub mod reach;
pub mod inbox;
pub mod peer;
pub mod page;
pub mod pages;
mod services;
pub mod server;
pub mod settings;
pub mod shard;
pub mod shared;
pub mod simulation;
pub mod socket;
pub mod stream;
mod sync;
pub mod tasks;
pub mod test_client;
pub mod visit;
mod debug;
#[cfg(feature = "tls")]
pub mod tls;

/// What every binding offers beside its server.
pub mod offered {
    pub use crate::error::Error;
    pub use crate::page::Component;
    pub use crate::pages::{Pages, Place};
    pub use crate::test_client::{TestClient, TestSocket};
    #[cfg(feature = "tls")]
    pub use crate::tls::Tls;
    #[doc(hidden)]
    pub use fastws_core::expanded;
    pub use fastws_core::typed::*;
}
