//! Market data: topics that are made of requests, and the service behind them.

// section: topic-builders
use crate::models::{Bar, OrderBook, Quote, Subscription, fetch_latest_bar};
use fastws_smol::{Router, TopicRoute, Updates};
use std::time::Duration;

/// `bars:SYMBOL:RESOLUTION`
pub(crate) fn bars_topic(request: &Subscription) -> [String; 2] {
    [request.symbol.clone(), request.params.text("resolution", "1")]
}

/// `quotes:SYMBOL`
fn quotes_topic(request: &Subscription) -> [String; 1] {
    [request.symbol.clone()]
}

/// `orderbook:SYMBOL:DEPTH`
fn orderbook_topic(request: &Subscription) -> [String; 2] {
    [request.symbol.clone(), request.params.text("depth", "10")]
}

pub(crate) fn router() -> Router {
    Router::new()
        .include(bars())
        .include(TopicRoute::<_, Quote>::new("quotes").topic(quotes_topic))
        .include(TopicRoute::<_, OrderBook>::new("orderbook").topic(orderbook_topic))
}

// section: subscribe-with-builder
pub(crate) type Bars = TopicRoute<Subscription, Bar>;

/// `bars.subscribe`, `bars.unsubscribe` and their responses, and `bars.update`.
pub(crate) fn bars() -> Bars {
    TopicRoute::new("bars").topic(bars_topic).respond_with(Subscription::echo).service(market_data)
}

// section: market-data-service
/// A bar at once, then one a minute, while somebody listens to this topic.
async fn market_data(request: Subscription, updates: Updates<Bar>) {
    let resolution = request.params.text("resolution", "1");
    loop {
        let bar = fetch_latest_bar(&request.symbol, &resolution).await;
        updates.publish(&bar);
        updates.sleep(Duration::from_secs(60)).await;
    }
}
