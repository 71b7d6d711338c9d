//! Every law of a real server, on smol.

mod real;

#[path = "real/foreign.rs"]
mod foreign;

use fastws_smol as binding;

/// A server in a process of its own.
const LONE: &str = env!("CARGO_BIN_EXE_lone-smol");
