//! A live market-data server.
//!
//! `cargo run --release -p fastws-tokio --example trading -- --help`

fn main() -> std::process::ExitCode {
    fastws_trading::program::main::<fastws_tokio::Tokio>()
}
