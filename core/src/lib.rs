//! The FastWS protocol without I/O.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

/// Messages, put together from frames.
pub mod assembly;
pub mod envelope;
pub mod frame;
pub mod handshake;
pub mod ids;
pub mod shelf;
pub mod time;
pub mod topic;
