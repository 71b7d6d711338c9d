//! The same as `bench_server`, within an axum application: every connection comes by its HTTP server.
//!
//! `cargo run --release -p fastws-tokio --example bench_axum -- PORT [SHARDS]`

use fastws_tokio::Server;
use fastws_tokio::axum::Mount;
use fastws_trading::bench;
use tokio::net::TcpListener;

// One thread for HTTP is enough: it only begins connections.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (port, shards) = bench::arguments()?;
    let fastws = Mount::with(Server::new().path("/").path("/ws").shards(shards), bench::api())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    Ok(axum::serve(listener, fastws.router()).await?)
}
