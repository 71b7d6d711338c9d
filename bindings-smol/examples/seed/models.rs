//! What the sections import from elsewhere: payloads that several of them share, and a market to show.

use fastws_smol::{Params, payload};
use std::io::{Error, ErrorKind};

#[payload]
pub(crate) struct Subscription {
    pub(crate) symbol: String,
    #[serde(default)]
    pub(crate) params: Params,
}

impl Subscription {
    /// What a response says about its request.
    pub(crate) fn echo(&self) -> Echo {
        Echo { symbol: self.symbol.clone() }
    }
}

#[payload]
pub(crate) struct Echo {
    symbol: String,
}

#[payload]
pub(crate) struct SubscriptionResponse {
    pub(crate) status: &'static str,
    pub(crate) symbol: String,
    pub(crate) message: String,
    pub(crate) topic: String,
}

#[payload]
pub(crate) struct Bar {
    pub(crate) symbol: String,
    pub(crate) resolution: String,
    pub(crate) close: f64,
}

#[payload]
pub(crate) struct Quote {
    pub(crate) bid: f64,
    pub(crate) ask: f64,
}

#[payload]
pub(crate) struct OrderBook {
    pub(crate) bids: Vec<Quote>,
}

/// A real market would be asked here.
pub(crate) async fn fetch_latest_bar(symbol: &str, resolution: &str) -> Bar {
    Bar { symbol: symbol.into(), resolution: resolution.into(), close: 189.5 }
}

/// Buys so many shares.
pub(crate) fn perform_operation(order: &str) -> Result<i64, Error> {
    match order.parse() {
        Ok(shares @ 1..1_000) => Ok(shares),
        Ok(_) => Err(Error::other("the exchange did not answer")),
        Err(error) => Err(Error::new(ErrorKind::InvalidInput, error)),
    }
}
