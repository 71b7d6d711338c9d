//! What a client may know and change about its connection, and what reaches all of them.

// section: client-info
use fastws_smol::{App, Client, PublishError, Publisher, Router, payload, recv, send};
use std::time::SystemTime;

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

// section: list-subscriptions
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

// section: clear-subscriptions
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

pub(crate) fn router() -> Router {
    Router::new()
        .include(info)
        .include(list_subscriptions)
        .include(clear_subscriptions)
        .include(notification)
}

// section: notify-all
#[payload]
struct Notification {
    message: String,
    timestamp: u128,
}

/// What every connected client receives.
#[recv("system.notification")]
fn notification(notification: Notification) -> Notification {
    notification
}

/// Sends a notification to all connected clients, from any thread.
pub(crate) fn notify_all(publisher: &Publisher, message: String) -> Result<(), PublishError> {
    let timestamp = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
    let notification = Notification { message, timestamp };
    publisher.broadcast("system.notification", &notification).map(drop)
}

// end
/// Each line is a notification.
pub(crate) fn notify_from_stdin(publisher: Publisher) {
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if let Err(error) = notify_all(&publisher, line) {
                eprintln!("{error}");
            }
        }
    });
}
