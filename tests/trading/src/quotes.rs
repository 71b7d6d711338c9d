//! Quotes: what a symbol costs right now, one topic for each. Knows the feed, no connection.

use std::{future::Future, time::Duration};

use fastws_core::respond::Refused;
use fastws_core::service::Updates;
use fastws_core::topic_route::TopicRoute;

use crate::{
    feed::Feed,
    prices::Quote,
    subscription::{SYMBOL, Subscription, known, repeat},
};

/// `quotes.subscribe`, `quotes.unsubscribe` and `quotes.update`, over topics such as `quotes:AAPL`.
pub(crate) fn route(feed: Feed) -> TopicRoute<Subscription, Quote> {
    TopicRoute::new("quotes")
        .doc("What a symbol costs right now.")
        .topic(|request: &Subscription| [request.symbol.clone()])
        .parameters([SYMBOL])
        .respond_with(Subscription::echo)
        .service(move |request, updates| stream_quotes(feed.clone(), request, updates))
}

/// A quote every 100 ms, if it has changed.
async fn stream_quotes(
    feed: Feed,
    request: Subscription,
    updates: Updates<Quote>,
) -> Result<impl Future<Output = ()>, Refused> {
    known(&feed, &request.symbol)?;
    Ok(repeat(Duration::from_millis(100), updates, move |now| feed.quote(&request.symbol, now)))
}
