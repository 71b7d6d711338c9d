//! Many topics at once, updates that are held back, and figures.

// section: multi-subscribe
use crate::datafeed::{Bars, bars_topic};
use crate::models::{Bar, Subscription, fetch_latest_bar};
use fastws_smol::{
    App, Client, Params, Payload, Refused, Router, State, TopicRoute, Updates, payload, send,
};
use std::time::Duration;

#[payload]
struct MultiSubscribe {
    symbols: Vec<String>,
    #[serde(default)]
    params: Params,
}

#[payload]
struct MultiSubscribed {
    status: &'static str,
    symbols: Vec<String>,
    topics: Vec<String>,
    count: usize,
}

/// Subscribes to multiple symbols at once, to all or to none.
#[send("multi_subscribe", reply = "multi_subscribe.response")]
async fn multi_subscribe(
    Payload(MultiSubscribe { symbols, params }): Payload<MultiSubscribe>,
    client: Client,
    bars: State<Bars>,
) -> Result<MultiSubscribed, Refused> {
    let mut topics = Vec::new();
    for symbol in symbols.clone() {
        let request = Subscription { symbol, params: params.clone() };
        topics.push(bars.subscribe(&client, &request).await?);
    }
    Ok(MultiSubscribed { status: "ok", symbols, count: topics.len(), topics })
}

// section: threshold
/// Only broadcasts if the price has changed by one percent; the first update always does.
fn candles() -> TopicRoute<Subscription, Bar> {
    TopicRoute::new("candles")
        .topic(bars_topic)
        .service(latest_bars)
        .only_if(|last, new| (new.close - last.close).abs() / last.close >= 0.01)
}

// section: rate-limited
/// Broadcasts at most once a second, and always the newest.
fn ticks() -> TopicRoute<Subscription, Bar> {
    TopicRoute::new("ticks")
        .topic(bars_topic)
        .service(latest_bars)
        .at_most_every(Duration::from_secs(1))
}

/// A bar at once, and then ten each second.
async fn latest_bars(request: Subscription, updates: Updates<Bar>) {
    loop {
        updates.publish(&fetch_latest_bar(&request.symbol, "1").await);
        updates.sleep(Duration::from_millis(100)).await;
    }
}

// section: connection-metrics
#[payload]
struct ConnectionMetrics {
    total_subscriptions: usize,
    unique_topics: usize,
    messages_received: u64,
    messages_sent: u64,
}

/// What the server has counted, over all connections.
#[send("get_metrics", reply = "metrics")]
fn metrics(app: App) -> ConnectionMetrics {
    let metrics = app.metrics();
    ConnectionMetrics {
        total_subscriptions: metrics.subscriptions,
        unique_topics: metrics.topics,
        messages_received: metrics.messages_received,
        messages_sent: metrics.messages_sent,
    }
}

pub(crate) fn router() -> Router {
    Router::new().include(multi_subscribe).include(metrics).include(candles()).include(ticks())
}
