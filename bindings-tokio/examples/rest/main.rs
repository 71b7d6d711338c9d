//! A REST API for traders, and the topics that FastWS adds to it: one cookie opens both, and what is
//! posted reaches who listens.
//!
//! ```text
//! cargo run -p fastws-tokio --example rest     # then http://127.0.0.1:8000/docs
//! cargo test -p fastws-tokio --example rest    # the tests of tests.rs
//! ```
//!
//! `rest.rs` was there before: it knows of FastWS where it publishes. `live.rs` is the API over
//! WebSocket. This file puts them together.

mod live;
mod rest;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::routing::get;
use fastws_tokio::axum::{Mount, Upgrade};
use fastws_trading::feed::Feed;
use rest::{Desk, User};
use std::error::Error;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let (app, fastws) = app()?;
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8000")).await?;
    println!("read http://{}/docs", listener.local_addr()?);
    let handle = fastws.handle();
    let ended = async move {
        let _ = tokio::signal::ctrl_c().await;
        handle.shutdown();
    };
    axum::serve(listener, app).with_graceful_shutdown(ended).await?;
    Ok(fastws.end().await?)
}

/// Everything under one roof.
fn app() -> Result<(Router, Mount<User>), fastws_tokio::Error> {
    let feed = Feed::walk(1);
    let fastws = Mount::new(live::api(feed.clone()))?;
    let desk = Desk::new(feed, fastws.handle().publisher());
    let live = fastws.clone();
    let app = rest::routes()
        .merge(fastws.resources())
        .route("/ws", get(move |user: User, upgrade: Upgrade| upgrade.serve(&live, user)))
        .with_state(desk);
    Ok((app, fastws))
}
