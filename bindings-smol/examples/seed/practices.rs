//! How to write operations that read well and fail well.

// section: type-hints
use crate::models::{Subscription, SubscriptionResponse, perform_operation};
use fastws_smol::{Client, Payload, Refused, Router, payload, send};

/// Every argument says what it is, and the compiler checks that it can be had.
#[send("subscribe", reply = "subscribe.response")]
fn subscribe(
    Payload(Subscription { symbol, .. }): Payload<Subscription>,
    client: Client,
) -> Result<SubscriptionResponse, Refused> {
    let topic = format!("trades:{symbol}");
    client.subscribe(&topic)?;
    let message = format!("Subscribed to {symbol}");
    Ok(SubscriptionResponse { status: "ok", symbol, message, topic })
}

// section: prefix-routers
pub(crate) fn router() -> Router {
    Router::new()
        .prefix("trades.")
        .tags(["market_data"])
        // `trades.subscribe`, which is answered by `trades.subscribe.response`
        .include(subscribe)
        .include(unsubscribe)
        .include(place)
}

// section: document-operations
/// Ends the updates of a symbol's trades.
///
/// It is no error where there was no subscription: the confirmation is the same.
///
/// Takes the symbol as `trades.subscribe` does, and confirms the topic's name.
#[send("unsubscribe", reply = "unsubscribe.response")]
fn unsubscribe(Payload(request): Payload<Subscription>, client: Client) -> String {
    let topic = format!("trades:{}", request.symbol);
    client.unsubscribe(&topic);
    topic
}

// section: handle-errors
#[payload]
#[serde(tag = "status", rename_all = "lowercase")]
enum Placed {
    Ok { data: i64 },
    Error { message: String },
}

/// Places an order. A client reads what went wrong, and goes on.
#[send("place", reply = "placed")]
fn place(Payload(order): Payload<String>) -> Placed {
    match perform_operation(&order) {
        Ok(data) => Placed::Ok { data },
        Err(error) => Placed::Error { message: error.to_string() },
    }
}
