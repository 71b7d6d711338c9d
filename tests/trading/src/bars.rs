//! Bars: prices over spans of time, one topic for each symbol and resolution. Knows the feed, no connection.

use fastws_core::{payload, send};
use std::{
    future::{Future, pending},
    time::Duration,
};

use fastws_core::client::Client;
use fastws_core::extract::{Payload, State};
use fastws_core::respond::Refused;
use fastws_core::router::Router;
use fastws_core::service::Updates;
use fastws_core::topic_route::{Params, SubscriptionResponse, TopicRoute};

use crate::{
    feed::Feed,
    prices::{Bar, Resolution},
    subscription::{SYMBOL, Subscription, known, repeat, resolution},
};

/// `bars.subscribe`, `bars.unsubscribe` and `bars.update`, over topics such as `bars:AAPL:1`.
pub(crate) type Bars = TopicRoute<Subscription, Bar>;

pub(crate) fn route(feed: Feed) -> Bars {
    TopicRoute::new("bars")
        .doc("The bar being formed.")
        .topic(|request: &Subscription| [request.symbol.clone(), request.resolution()])
        .parameters([SYMBOL, ("resolution", "Minutes: `1`, `5`, `15` or `60`, or `1D` for days")])
        .respond_with(Subscription::echo)
        .retain_last()
        .service(move |request, updates| stream_bars(feed.clone(), request, updates))
}

/// `multi_subscribe` and `subscribe_with_fallback`.
pub(crate) fn router() -> Router {
    Router::new().include(multi_subscribe).include(subscribe_with_fallback)
}

/// The bar being formed, the last at once, then at most one a second; in a replay one for each row.
async fn stream_bars(
    feed: Feed,
    request: Subscription,
    updates: Updates<Bar>,
) -> Result<impl Future<Output = ()>, Refused> {
    known(&feed, &request.symbol)?;
    let resolution = resolution(&request.resolution())?;
    Ok(stream(feed, request.symbol, resolution, Duration::from_secs(1), updates))
}

/// A symbol's bars, as often as they are looked for; in a replay one for each row.
pub(crate) async fn stream(
    feed: Feed,
    symbol: String,
    resolution: Resolution,
    pace: Duration,
    updates: Updates<Bar>,
) {
    let Some(bars) = feed.follow(&symbol, resolution) else {
        return repeat(pace, updates, |now| feed.bar(&symbol, resolution, now)).await;
    };
    while let Ok(bar) = bars.recv().await {
        updates.publish(&bar);
    }
    // Nothing follows, which is no fault of the topic.
    pending().await
}

#[payload]
#[schemars(example = MultiSubscribe { symbols: vec!["AAPL".into(), "MSFT".into()], params: Params::default() })]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// Subscribes to multiple symbols, to all of them or to none.
#[send("multi_subscribe", reply = "multi_subscribe.response")]
async fn multi_subscribe(
    Payload(MultiSubscribe { symbols, params }): Payload<MultiSubscribe>,
    client: Client,
    bars: State<Bars>,
) -> MultiSubscribed {
    let each = |symbol| Subscription { symbol, params: params.clone() };
    match bars.subscribe_all(&client, symbols.iter().cloned().map(each)).await {
        Ok(topics) => {
            MultiSubscribed { status: "ok", symbols, count: topics.len(), topics, message: None }
        }
        Err(refused) => MultiSubscribed {
            status: "error",
            symbols,
            topics: Vec::new(),
            count: 0,
            message: Some(refused.to_string()),
        },
    }
}

/// Subscribes, with fallback to the default resolution.
#[send("subscribe_with_fallback", reply = "response")]
async fn subscribe_with_fallback(
    Payload(request): Payload<Subscription>,
    client: Client,
    bars: State<Bars>,
) -> SubscriptionResponse {
    let symbol = &request.symbol;
    let refused = match bars.subscribe(&client, &request).await {
        Ok(_) => return bars.response(&request, Ok(format!("Subscribed to {symbol}"))),
        Err(refused) => refused,
    };
    let fallback = Subscription { params: Params::default(), ..request };
    let subscribed = bars.subscribe(&client, &fallback).await;
    let said = subscribed.map(|_| format!("Subscribed with fallback (error: {refused})"));
    bars.response(&fallback, said)
}
