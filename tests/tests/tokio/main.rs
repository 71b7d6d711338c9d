//! Every law of a real server, on tokio.

mod cancel;
#[path = "../real/mod.rs"]
mod real;

use fastws_tokio as binding;
use fastws_tokio::Tokio as Binding;

const BENCH_SERVER: &str = env!("CARGO_BIN_EXE_bench-server-tokio");
const LONE: &str = env!("CARGO_BIN_EXE_lone-tokio");
const TRADING: &str = env!("CARGO_BIN_EXE_trading-tokio");
