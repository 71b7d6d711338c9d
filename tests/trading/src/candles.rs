//! Candles: bars for who only wants to know when a price has moved, over canonical topics. Knows the feed, no connection.

use std::{future::Future, time::Duration};

use fastws_core::canonical::Style;
use fastws_core::payload;
use fastws_core::respond::Refused;
use fastws_core::service::Updates;
use fastws_core::topic_route::TopicRoute;

use crate::{
    bars,
    feed::Feed,
    prices::Bar,
    subscription::{Echo, known, resolution},
};

#[payload]
#[schemars(example = Candles { symbol: "AAPL".into(), resolution: "1".into() })]
pub(crate) struct Candles {
    /// A listed symbol, such as `AAPL`.
    symbol: String,
    #[serde(default = "minute")]
    resolution: String,
}

fn minute() -> String {
    "1".into()
}

/// `candles.subscribe`, `candles.unsubscribe` and `candles.update`, over topics such as
/// `candles:{"resolution":"1","symbol":"AAPL"}`.
pub(crate) fn route(feed: Feed, threshold: f64) -> TopicRoute<Candles, Bar> {
    TopicRoute::new("candles")
        .doc(
            "The bar being formed, at once and then whenever its close has moved by a share of it.",
        )
        .canonical(Style::Rfc8785)
        .parameters([("request", "The request, as RFC 8785 writes it")])
        .respond_with(|request: &Candles| Echo { symbol: request.symbol.clone() })
        .retain_last()
        .only_if(move |last: &Bar, new| (new.close - last.close).abs() >= threshold * last.close)
        .service(move |request, updates| stream_candles(feed.clone(), request, updates))
}

/// The bar being formed, every 100 ms; the route lets through what has moved.
async fn stream_candles(
    feed: Feed,
    request: Candles,
    updates: Updates<Bar>,
) -> Result<impl Future<Output = ()>, Refused> {
    known(&feed, &request.symbol)?;
    let resolution = resolution(&request.resolution)?;
    Ok(bars::stream(feed, request.symbol, resolution, Duration::from_millis(100), updates))
}
