//! What clients ask for when they subscribe, and what they are told. Knows the feed's symbols, no topic.

use std::time::Duration;

use fastws_core::payload;
use fastws_core::respond::Refused;
use fastws_core::service::Updates;
use fastws_core::topic_route::Params;
use serde::Serialize;

use crate::{feed::Feed, market::MAX_DEPTH, prices::Resolution};

/// A symbol and free parameters, such as `resolution` or `depth`.
#[payload]
#[schemars(example = Subscription { symbol: "AAPL".into(), params: Params::default() })]
pub(crate) struct Subscription {
    /// A listed symbol, such as `AAPL`.
    pub(crate) symbol: String,
    #[serde(default)]
    pub(crate) params: Params,
}

/// How the documentation describes the part of a topic that is its symbol.
pub(crate) const SYMBOL: (&str, &str) = ("symbol", "A listed symbol, such as `AAPL`");

impl Subscription {
    pub(crate) fn resolution(&self) -> String {
        self.params.text("resolution", "1")
    }

    pub(crate) fn depth(&self) -> String {
        self.params.text("depth", "10")
    }

    /// What responses carry besides status, message and topic.
    pub(crate) fn echo(&self) -> Echo {
        Echo { symbol: self.symbol.clone() }
    }
}

#[payload]
pub(crate) struct Echo {
    pub(crate) symbol: String,
}

/// Refuses a symbol that does not exist.
pub(crate) fn known(feed: &Feed, symbol: &str) -> Result<(), Refused> {
    match feed.knows(symbol) {
        true => Ok(()),
        false => Err(Refused::new(format!("there is no symbol {symbol}"))),
    }
}

/// Refuses a resolution that no bar has.
pub(crate) fn resolution(name: &str) -> Result<Resolution, Refused> {
    name.parse().map_err(|error: crate::prices::UnknownResolution| Refused::new(error.to_string()))
}

/// Refuses a depth that no book has, and a second way to write one: it would be a second topic.
pub(crate) fn depth(text: &str) -> Result<usize, Refused> {
    (1..=MAX_DEPTH)
        .find(|depth| depth.to_string() == text)
        .ok_or_else(|| Refused::new(format!("a depth is a whole number from 1 to {MAX_DEPTH}")))
}

/// Publishes what `read` finds, at once and then every `pace`, but nothing twice in a row.
pub(crate) async fn repeat<Update: PartialEq + Serialize + 'static>(
    pace: Duration,
    updates: Updates<Update>,
    read: impl Fn(u64) -> Option<Update>,
) {
    let mut last = None;
    loop {
        let update = read(updates.unix_millis() as u64);
        if update != last {
            update.iter().for_each(|update| updates.publish(update));
            last = update;
        }
        updates.sleep(pace).await;
    }
}
