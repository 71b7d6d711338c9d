//! The trading API that FastWS for Python is introduced with, section by section, in Rust.
//!
//! ```text
//! cargo run -p fastws-smol --example seed     # serves ws://127.0.0.1:8000/ws
//! cargo test -p fastws-smol --example seed    # the tests of tests.rs
//! ```
//!
//! | section | file |
//! |---|---|
//! | Minimal FastWS application; custom FastWS adapter | setup.rs |
//! | Simple SEND operation | simple.rs |
//! | RECEIVE operation; broadcasting via service generator | alerts.rs |
//! | Dynamic topic builder; subscribe with topic builder; broadcasting via service generators | datafeed.rs |
//! | Accessing client information; managing subscriptions; broadcasting to all clients | clients.rs |
//! | Validation errors; custom error handling; graceful degradation | errors.rs |
//! | Basic operation test; subscription test; broadcasting test | tests.rs |
//! | Multi-channel subscription; conditional and rate-limited updates; connection metrics | advanced.rs |
//! | Type hints; prefixes; documentation; graceful errors | practices.rs |
//!
//! `models.rs` holds what the sections import from elsewhere. Lines that are typed on the server's
//! standard input go to every client.

mod setup;
mod simple;
mod alerts;
mod datafeed;
mod clients;
mod errors;
mod advanced;
mod practices;
mod models;
#[cfg(test)]
mod tests;

fn main() -> Result<(), fastws_smol::Error> {
    env_logger::init();
    setup::serve()
}
