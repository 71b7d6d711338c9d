//! Messages that the server sends without having been asked, and the service that makes them.

// section: recv-alert
use fastws_smol::{TopicRoute, Updates, payload};
use std::time::Duration;

#[payload]
pub(crate) struct Alert {
    severity: &'static str,
    message: &'static str,
    timestamp: i64,
}

/// `alerts.alert`, to all who have sent `alerts.subscribe`.
pub(crate) fn alerts() -> TopicRoute<(), Alert> {
    TopicRoute::new("alerts").update("alert").service(send_alerts)
}

// section: alert-service
/// Runs while somebody listens.
async fn send_alerts((): (), updates: Updates<Alert>) {
    loop {
        updates.publish(&Alert {
            severity: "warning",
            message: "System maintenance in 5 minutes",
            timestamp: updates.unix_millis(),
        });
        updates.sleep(Duration::from_secs(300)).await;
    }
}
