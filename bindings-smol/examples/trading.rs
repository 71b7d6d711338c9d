//! A live market-data server.
//!
//! `cargo run --release -p fastws-smol --example trading -- --help`

fn main() -> std::process::ExitCode {
    fastws_trading::program::main::<fastws_smol::Smol>()
}
