//! What becomes of mistakes: the client's, the service's, and those that can be made good.

// section: strict-payload
use crate::datafeed::Bars;
use crate::models::{Subscription, SubscriptionResponse, perform_operation};
use fastws_smol::{Client, Close, Params, Payload, Refused, Router, State, payload, send};
use std::io::ErrorKind;

#[payload]
struct Strict {
    value: i64,
    name: String,
}

#[payload]
struct Received {
    received: Strict,
}

/// A payload that does not match closes with 1003 `Could not validate payload`.
#[send("strict", reply = "strict.response")]
fn strict(Payload(received): Payload<Strict>) -> Received {
    Received { received }
}

// section: risky-operation
#[payload]
#[serde(tag = "status", rename_all = "lowercase")]
enum Outcome {
    Ok { result: i64 },
    Error { message: String },
}

/// An operation that might fail.
#[send("risky_operation", reply = "result")]
fn risky(Payload(order): Payload<String>) -> Result<Outcome, Close> {
    match perform_operation(&order) {
        Ok(result) => Ok(Outcome::Ok { result }),
        // The client reads it, and its connection stays.
        Err(error) if error.kind() == ErrorKind::InvalidInput => {
            Ok(Outcome::Error { message: error.to_string() })
        }
        // Critical: the connection is closed.
        Err(error) => Err(Close::new(1011, format!("Internal error: {error}"))),
    }
}

// section: fallback
/// Subscribes, with fallback to the default resolution.
#[send("subscribe_with_fallback", reply = "response")]
async fn subscribe_with_fallback(
    Payload(request): Payload<Subscription>,
    client: Client,
    bars: State<Bars>,
) -> Result<SubscriptionResponse, Refused> {
    let symbol = request.symbol.clone();
    let (topic, message) = match bars.subscribe(&client, &request).await {
        Ok(topic) => (topic, format!("Subscribed to {symbol}")),
        Err(refused) => {
            let fallback = Subscription { params: Params::default(), ..request };
            let topic = bars.subscribe(&client, &fallback).await?;
            (topic, format!("Subscribed with fallback (error: {refused})"))
        }
    };
    Ok(SubscriptionResponse { status: "ok", symbol, message, topic })
}

pub(crate) fn router() -> Router {
    Router::new().include(strict).include(risky).include(subscribe_with_fallback)
}
