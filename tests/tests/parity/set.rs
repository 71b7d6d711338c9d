//! What is served to every script: handlers, topics and services that do what they are told. Knows no script.

use crate::play::Inside;
use fastws_core::api::Api;
use fastws_core::extract::{Clock, Payload, State};
use fastws_core::payload;
use fastws_core::publisher::App;
use fastws_core::respond::Fault;
use fastws_core::router::Router;
use fastws_core::service::Updates;
use fastws_core::time::Duration;
use fastws_core::topic_route::TopicRoute;
use fastws_tests::stage::stage;
use fastws_tests::witness::{Gate, Witness};
use serde_json::{Value, json};

#[payload]
struct Request {
    symbol: String,
}

#[payload]
struct Order {
    amount: i64,
}

/// The stage, and besides:
///
/// * `order`, whose payload has an `amount`; `nap`, which sleeps so many milliseconds; `heed`, which sleeps and
///   does not reply; `facts`.
/// * topics `bars:SYMBOL`. Their service refuses `NOPE`, does not start `NEVER`, starts `SLOW` when
///   the gate opens, fails to start `BROKEN`, and then has faults as ordered.
/// * `last`, which keeps its last update, and `noise`.
/// * `POST /double`, `POST /nap`, and `POST /wait`, which waits at the gate.
pub(crate) fn set(inside: &Inside) -> Api {
    let (witness, gate, faults) =
        (inside.witness.clone(), inside.gate.clone(), inside.faults.clone());
    let start = async move |request: Request, updates: Updates<u32>| {
        let life = witness.life(&request.symbol);
        match request.symbol.as_str() {
            "NOPE" => return Err("there is no symbol NOPE".into()),
            "NEVER" => std::future::pending().await,
            "BROKEN" => panic!("as the symbol says"),
            "SLOW" => drop(gate.wait().await),
            _ => {}
        }
        let faults = faults.clone();
        Ok(async move {
            let _life = life;
            updates.publish(&1);
            loop {
                match faults.wait().await {
                    "late" => {
                        let late = Fault::new("late", "the exchange is late");
                        updates.error(late.retry_after(Duration::from_millis(1500)));
                    }
                    "update" => updates.publish(&2),
                    "panic" => panic!("as ordered"),
                    _ => break Err(Fault::new("closed", "the exchange is closed")),
                }
            }
        })
    };
    let bars = TopicRoute::<Request, u32>::new("bars")
        .topic(|request| [request.symbol.clone()])
        .service(start);
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
        .include(bars)
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

pub(crate) fn on(symbol: &str) -> Value {
    json!({"type": "bars.subscribe", "payload": {"symbol": symbol}})
}

pub(crate) fn off(symbol: &str) -> Value {
    json!({"type": "bars.unsubscribe", "payload": {"symbol": symbol}})
}

pub(crate) fn nap(ms: u64) -> Value {
    json!({"type": "nap", "payload": ms})
}
