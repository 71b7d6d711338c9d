//! A live market-data application over FastWS, for any binding. Names no runtime and opens no port.
//!
//! ```
//! use fastws_trading::{api, feed::Feed};
//!
//! assert!(api(Feed::walk(7)).build().is_ok());
//! ```

mod alerts;
mod bars;
mod connection;
mod errors;
pub mod feed;
pub mod market;
pub mod options;
mod orderbook;
mod player;
pub mod prices;
mod quotes;
pub mod replay;
mod simple;
mod subscription;

pub use player::open;

use fastws_core::api::Api;

use crate::feed::Feed;

/// Every operation of the application, over one market.
pub fn api(feed: Feed) -> Api {
    let bars = bars::route(feed.clone());
    Api::new("Trading WebSockets", "1.0.0")
        .state(bars.clone())
        .include(simple::router())
        .include(errors::router())
        .include(connection::router())
        .include(bars)
        .include(bars::router())
        .include(quotes::route(feed.clone()))
        .include(orderbook::route(feed))
        .include(alerts::route())
}
