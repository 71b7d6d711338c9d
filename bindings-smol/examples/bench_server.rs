//! Answers the load generator's three messages, with the public API and default limits.
//!
//! `cargo run --release -p fastws-smol --example bench_server -- PORT [SHARDS]`

fn main() -> Result<(), Box<dyn std::error::Error>> {
    fastws_trading::bench::main::<fastws_smol::Smol>()
}
