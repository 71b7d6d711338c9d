//! The API over WebSocket: bars as they form, alerts as they are raised, and who is connected. Knows no
//! HTTP.

use crate::rest::User;
use fastws_tokio::{Api, Guest, Refused, Router, TopicRoute, payload, send};
use fastws_trading::feed::Feed;
use fastws_trading::prices::{Bar, Resolution};
use std::time::Duration;

pub(crate) fn api(feed: Feed) -> Api {
    let bars = TopicRoute::<Symbol, Bar>::new("bars")
        .doc("The bar of this minute, once a second.")
        .topic(|request| [request.symbol.clone()])
        .retain_last()
        .service(async move |request, updates| {
            let feed = feed.clone();
            if !feed.knows(&request.symbol) {
                return Err(Refused::new(format!("there is no symbol {}", request.symbol)));
            }
            Ok(async move {
                loop {
                    let now = updates.unix_millis() as u64;
                    if let Some(bar) = feed.bar(&request.symbol, Resolution::Minute, now) {
                        updates.publish(&bar);
                    }
                    updates.sleep(Duration::from_secs(1)).await;
                }
            })
        });
    let alerts = TopicRoute::<(), Alert>::new("alerts")
        .doc("What traders have raised with `POST /api/v1/alerts`.")
        .update("alert");
    Api::new("Trading", "1.0.0")
        .description("Live bars and alerts. The REST API is described at /docs.")
        .include(Router::new().include(whoami))
        .include(bars)
        .include(alerts)
}

#[payload]
struct Symbol {
    /// A listed symbol, such as `AAPL`
    symbol: String,
}

/// Something that everybody should know.
#[payload]
pub(crate) struct Alert {
    pub(crate) symbol: String,
    pub(crate) message: String,
    /// Who has raised it
    pub(crate) by: String,
}

/// Tells the name of whom the cookie belongs to.
#[send("whoami", reply = "whoami.response")]
fn whoami(user: Guest<User>) -> String {
    user.name.clone()
}
