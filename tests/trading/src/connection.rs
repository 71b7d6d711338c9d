//! What a client may ask about its own connection and about the server. Never sees the market.

use fastws_core::client::Client;
use fastws_core::publisher::App;
use fastws_core::router::Router;
use fastws_core::{payload, send};

/// `info`, `list_subscriptions`, `clear_subscriptions` and `get_metrics`.
pub(crate) fn router() -> Router {
    Router::new()
        .tags(["connection"])
        .include(info)
        .include(list_subscriptions)
        .include(clear_subscriptions)
        .include(metrics)
}

#[payload]
struct Info {
    client_id: String,
    subscriptions: Vec<String>,
    total_connections: usize,
}

/// Information about the current client.
#[send("info", reply = "info.response")]
fn info(client: Client, app: App) -> Info {
    Info {
        client_id: client.uid(),
        subscriptions: client.topics(),
        total_connections: app.connections(),
    }
}

#[payload]
struct Subscriptions {
    client_id: String,
    topics: Vec<String>,
    count: usize,
}

/// All active subscriptions of this client.
#[send("list_subscriptions", reply = "subscriptions")]
fn list_subscriptions(client: Client) -> Subscriptions {
    let topics = client.topics();
    Subscriptions { client_id: client.uid(), count: topics.len(), topics }
}

#[payload]
struct Cleared {
    status: &'static str,
    cleared: Vec<String>,
    count: usize,
}

/// Unsubscribes from all topics.
#[send("clear_subscriptions", reply = "cleared")]
fn clear_subscriptions(client: Client) -> Cleared {
    let cleared = client.topics();
    for topic in &cleared {
        client.unsubscribe(topic);
    }
    Cleared { status: "ok", count: cleared.len(), cleared }
}

#[payload]
struct Metrics {
    total_subscriptions: usize,
    unique_topics: usize,
    messages_received: u64,
    messages_sent: u64,
}

/// Sums over the whole server.
#[send("get_metrics", reply = "metrics")]
fn metrics(app: App) -> Metrics {
    let metrics = app.metrics();
    Metrics {
        total_subscriptions: metrics.subscriptions,
        unique_topics: metrics.topics,
        messages_received: metrics.messages_received,
        messages_sent: metrics.messages_sent,
    }
}
