//! A live market-data application over FastWS, for any binding. Names no runtime.
//!
//! ```
//! use fastws_trading::{api, feed::Feed};
//!
//! assert!(api(Feed::walk(7)).build().is_ok());
//! ```
#![doc = include_str!("../README.md")]

mod alerts;
mod bars;
pub mod bench;
mod candles;
mod connection;
mod errors;
pub mod feed;
mod limits;
pub mod market;
pub mod options;
mod orderbook;
mod player;
mod posts;
pub mod program;
pub mod prices;
mod quotes;
pub mod replay;
mod simple;
mod subscription;

pub use player::open;

use fastws_core::api::{Api, BuildError};
use fastws_core::catalog::ASYNCAPI;
use fastws_core::router::Router;

use crate::feed::Feed;
use crate::options::Options;

/// Every operation of the application, over one market.
pub fn api(feed: Feed) -> Api {
    api_with(feed, &Options::from_args(["trading"]).expect("no option is required"))
}

/// The same as the command line says.
pub fn api_with(feed: Feed, options: &Options) -> Api {
    let market_data = Router::new()
        .tags(["market data"])
        .include(bars::route(feed.clone()))
        .include(bars::router())
        .include(candles::route(feed.clone(), options.threshold))
        .include(quotes::route(feed.clone()))
        .include(orderbook::route(feed))
        .include(alerts::route());
    let api = Api::new("Trading WebSockets", "1.0.0")
        .description("Live market data: bars, quotes, order books and alerts.")
        .license("MIT OR Apache-2.0", "https://github.com/fastws/fastws/blob/main/LICENSE-MIT")
        .tag("market data", "Topics with prices of listed symbols")
        .tag("connection", "The client's own connection, and the server's figures")
        .tag("mistakes", "What becomes of mistakes, the client's and the server's")
        .include(simple::router())
        .include(errors::router())
        .include(connection::router())
        .include(market_data)
        .include(posts::notifications())
        .post("/notify", posts::notify)
        .post("/alerts", posts::raise);
    match &options.token {
        Some(token) => api.bearer(token),
        None => api,
    }
}

/// The AsyncAPI document of the application, served at the first path of the options.
///
/// # Errors
/// A mistake in the application, as a sentence.
pub fn document(options: &Options) -> Result<String, BuildError> {
    let catalog = api_with(Feed::walk(options.seed), options).build()?;
    let path = options.paths.first().expect("there is a default");
    Ok(catalog.asyncapi(ASYNCAPI[0], path).expect("it is a version that there is"))
}
