//! Order books: who would buy and sell at which price, one topic for each symbol and depth. Knows the feed, no connection.

use std::{future::Future, time::Duration};

use fastws_core::respond::Refused;
use fastws_core::service::Updates;
use fastws_core::topic_route::TopicRoute;

use crate::{
    feed::Feed,
    prices::OrderBook,
    subscription::{SYMBOL, Subscription, depth, known, repeat},
};

/// `orderbook.subscribe`, `orderbook.unsubscribe` and `orderbook.update`, over topics such as `orderbook:AAPL:10`.
pub(crate) fn route(feed: Feed) -> TopicRoute<Subscription, OrderBook> {
    TopicRoute::new("orderbook")
        .doc("Who would buy and sell at which price.")
        .topic(|request: &Subscription| [request.symbol.clone(), request.depth()])
        .parameters([SYMBOL, ("depth", "Levels on each side, 1 to 50")])
        .respond_with(Subscription::echo)
        .at_most_every(Duration::from_secs(1))
        .retain_last()
        .service(move |request, updates| stream_books(feed.clone(), request, updates))
}

/// The book every 100 ms, if it has changed; the route keeps the newest of a second.
async fn stream_books(
    feed: Feed,
    request: Subscription,
    updates: Updates<OrderBook>,
) -> Result<impl Future<Output = ()>, Refused> {
    known(&feed, &request.symbol)?;
    let depth = depth(&request.depth())?;
    Ok(repeat(Duration::from_millis(100), updates, move |now| {
        feed.orderbook(&request.symbol, depth, now)
    }))
}
