//! Every law of a real server, on smol.

mod real;

use fastws_smol as binding;
use fastws_smol::Smol as Binding;

const BENCH_SERVER: &str = env!("CARGO_BIN_EXE_bench-server-smol");
const LONE: &str = env!("CARGO_BIN_EXE_lone-smol");
const TRADING: &str = env!("CARGO_BIN_EXE_trading-smol");
