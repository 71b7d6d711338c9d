//! What other programs tell clients over HTTP. Never sees the market.

use fastws_core::declared::PublishError;
use fastws_core::extract::{Now, Payload};
use fastws_core::payload;
use fastws_core::publisher::App;
use fastws_core::router::Router;

use crate::alerts::Alert;

/// What `system.notification` carries, to every connection.
#[payload]
pub(crate) struct Notification {
    message: String,
    /// When, in Unix milliseconds.
    timestamp: i64,
}

pub(crate) fn notifications() -> Router {
    let all = Router::new().tags(["connection"]).recv::<Notification>("system.notification");
    all.doc("What everybody who is connected should know.")
}

#[payload]
pub(crate) struct Notify {
    message: String,
}

#[payload]
pub(crate) struct Raise {
    severity: String,
    message: String,
}

/// For how many connections, on all shards, it was queued.
#[payload]
pub(crate) struct Delivered {
    delivered: usize,
}

/// `POST /notify`: tells every connection.
pub(crate) async fn notify(
    Payload(notify): Payload<Notify>,
    now: Now,
    app: App,
) -> Result<Delivered, PublishError> {
    let news = Notification { message: notify.message, timestamp: now.unix_millis() };
    let delivered = app.publisher().broadcast("system.notification", &news)?.await;
    Ok(Delivered { delivered })
}

/// `POST /alerts`: tells who listens to alerts.
pub(crate) async fn raise(
    Payload(Raise { severity, message }): Payload<Raise>,
    now: Now,
    app: App,
) -> Result<Delivered, PublishError> {
    let alert = Alert { severity, message, timestamp: now.unix_millis() };
    let delivered = app.publisher().reach("alerts", "alerts.alert", &alert)?.await;
    Ok(Delivered { delivered })
}
