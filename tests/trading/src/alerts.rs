//! Alerts to everybody who wants them, on one topic. Never sees the market.

use std::time::Duration;

use fastws_core::payload;
use fastws_core::service::Updates;
use fastws_core::topic_route::{Params, TopicRoute};

#[payload]
pub(crate) struct Alert {
    pub(crate) severity: String,
    pub(crate) message: String,
    /// When, in Unix milliseconds.
    pub(crate) timestamp: i64,
}

/// `alerts.subscribe`, `alerts.unsubscribe` and `alerts.alert`, over the topic `alerts`.
pub(crate) fn route() -> TopicRoute<Params, Alert> {
    TopicRoute::new("alerts")
        .doc("What everybody should know.")
        .update("alert")
        .service(async |_, updates| Ok(send_alerts(updates)))
}

/// An alert at once, then one every 300 seconds.
async fn send_alerts(updates: Updates<Alert>) {
    loop {
        updates.publish(&Alert {
            severity: "warning".into(),
            message: "Prices on this server are not real".into(),
            timestamp: updates.unix_millis(),
        });
        updates.sleep(Duration::from_secs(300)).await;
    }
}
