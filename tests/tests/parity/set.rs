//! What is served to every script: handlers, topics and services that do what they are told. Knows no script.

use crate::play::Inside;
use fastws_core::api::Api;
use fastws_core::extract::{Clock, Payload, State};
use fastws_core::payload;
use fastws_core::publisher::App;
use fastws_core::router::Router;
use fastws_core::time::Duration;
use fastws_core::topic_route::TopicRoute;
use fastws_tests::stage::{bars, stage};
use fastws_tests::witness::{Gate, Witness};
use serde_json::{Value, json};

#[payload]
struct Order {
    amount: i64,
}

/// The stage, and besides:
///
/// * `order`, whose payload has an `amount`; `nap`, which sleeps so many milliseconds; `heed`, which sleeps and
///   does not reply; `facts`.
/// * topics of [`bars`].
/// * `last`, which keeps its last update, and `noise`.
/// * `POST /double`, `POST /nap`, and `POST /wait`, which waits at the gate.
pub(crate) fn set(inside: &Inside) -> Api {
    let facts = |app: App| {
        let metrics = app.metrics();
        json!({
            "connections": metrics.connections,
            "subscriptions": metrics.subscriptions,
            "dropped": metrics.updates_dropped,
        })
    };
    let nap = async |Payload(ms): Payload<u64>, clock: Clock| {
        clock.sleep(Duration::from_millis(ms)).await;
        ms
    };
    let operations = Router::new()
        .send("order", "ordered", |Payload(order): Payload<Order>| order)
        .send("nap", "nap.response", nap)
        .send("heed", None, async |Payload(_): Payload<String>, clock: Clock| {
            clock.sleep(Duration::from_millis(1)).await;
        })
        .send("facts", "facts.response", facts);
    stage(&inside.witness, &inside.gate)
        .include(operations)
        .include(bars(&inside.witness, &inside.gate, &inside.faults))
        .include(TopicRoute::<(), u32>::new("last").retain_last())
        .include(TopicRoute::<(), String>::new("noise"))
        .post("/double", |Payload(number): Payload<u32>| 2 * u64::from(number))
        .post("/nap", nap)
        .post("/wait", async |witness: State<Witness>, gate: State<Gate>| {
            witness.note("asked");
            let order = gate.wait().await;
            witness.note("answers");
            order.to_owned()
        })
}

/// A request that does not name its payload.
pub(crate) fn bare(kind: &str) -> Value {
    json!({"type": kind})
}

pub(crate) fn echo(payload: impl Into<Value>) -> Value {
    json!({"type": "echo", "payload": payload.into()})
}

pub(crate) fn nap(ms: u64) -> Value {
    json!({"type": "nap", "payload": ms})
}
