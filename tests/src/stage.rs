//! The API that most laws are tried on: handlers that do what their payload says, and services that do
//! as they are ordered. Knows no connection.

use crate::witness::{Gate, Witness};
use fastws_core::api::Api;
use fastws_core::client::Client;
use fastws_core::extract::{Payload, State};
use fastws_core::payload;
use fastws_core::respond::{Close, Failure, Fault};
use fastws_core::router::Router;
use fastws_core::service::Updates;
use fastws_core::time::Duration;
use fastws_core::topic_route::TopicRoute;
use serde_json::{Value, json};

/// An update of every topic here.
#[payload]
#[derive(Copy)]
pub struct News {
    /// What is new.
    pub value: u32,
}

/// Operations `echo` and `note`, and `act` and `act.later`, whose handlers take the steps of a
/// script: `subscribe T`, `unsubscribe T`, `publish T N`, `topics`, `fail`, `panic`, `close N`, and
/// for `act.later` also `wait`, which goes on with the gate's next order as its step.
pub fn stage(witness: &Witness, gate: &Gate) -> Api {
    let router = Router::new()
        .send("echo", "echo.response", |Payload(value): Payload<Value>| value)
        .send("note", None, |Payload(line): Payload<String>, witness: State<Witness>| {
            witness.note(line);
        })
        .send("act", "act.response", acts)
        .send("act.later", "act.later.response", acts_later)
        .recv::<News>("news");
    Api::new("Stage", "1").state(witness.clone()).state(gate.clone()).include(router)
}

/// A request whose plain handler takes these steps.
pub fn act<const N: usize>(steps: [&str; N]) -> Value {
    json!({"type": "act", "payload": steps[..]})
}

/// A request whose async handler takes these steps.
pub fn later<const N: usize>(steps: [&str; N]) -> Value {
    json!({"type": "act.later", "payload": steps[..]})
}

/// What names a topic of [`bars`].
#[payload]
pub struct Bars {
    /// The topic's last part.
    pub symbol: String,
}

/// Topics `bars:SYMBOL`. Their service refuses `NOPE`, does not start `NEVER`, fails to start `BROKEN`,
/// and starts `SLOW` with the gate's next order. Then it publishes 1, and has faults as ordered: it gets
/// over `late`, publishes 2 on `update`, panics on `panic`, and ends on whatever else.
pub fn bars(witness: &Witness, gate: &Gate, faults: &Gate) -> TopicRoute<Bars, u32> {
    let (witness, gate, faults) = (witness.clone(), gate.clone(), faults.clone());
    let start = async move |Bars { symbol }: Bars, updates: Updates<u32>| {
        let life = witness.life(&symbol);
        match symbol.as_str() {
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
    TopicRoute::new("bars").topic(|request: &Bars| [request.symbol.clone()]).service(start)
}

/// A request for one of these topics.
pub fn on(symbol: &str) -> Value {
    json!({"type": "bars.subscribe", "payload": {"symbol": symbol}})
}

/// A request that ends it.
pub fn off(symbol: &str) -> Value {
    json!({"type": "bars.unsubscribe", "payload": {"symbol": symbol}})
}

fn acts(Payload(steps): Payload<Vec<String>>, client: Client) -> Result<Vec<String>, Failure> {
    steps.iter().map(|words| step(&client, words)).collect()
}

async fn acts_later(
    Payload(steps): Payload<Vec<String>>,
    client: Client,
    witness: State<Witness>,
    gate: State<Gate>,
) -> Result<Vec<String>, Failure> {
    let mut said = Vec::new();
    for words in &steps {
        said.push(match words.as_str() {
            "wait" => {
                witness.note("waits");
                let order = gate.wait().await;
                witness.note(format!("goes on with {order}"));
                step(&client, order)?
            }
            words => step(&client, words)?,
        });
    }
    Ok(said)
}

fn step(client: &Client, words: &str) -> Result<String, Failure> {
    let words: Vec<&str> = words.split(' ').collect();
    Ok(match words[..] {
        ["subscribe", topic] => match client.subscribe(topic) {
            Ok(()) => "subscribed".into(),
            Err(refused) => refused.to_string(),
        },
        ["unsubscribe", topic] => {
            client.unsubscribe(topic);
            "unsubscribed".into()
        }
        ["publish", topic, value] => {
            client.publish(topic, "news", &News { value: value.parse()? })?;
            "published".into()
        }
        ["topics"] => client.topics().join(" "),
        ["fail"] => return Err(std::io::Error::other("as the script says").into()),
        ["panic"] => panic!("as the script says"),
        ["close", code] => return Err(Close::new(code.parse()?, "as the script says").into()),
        _ => words.join(" "),
    })
}
