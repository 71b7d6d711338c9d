//! Services on several shards against a model of one: who waits, who listens, what each has heard. Knows one
//! world, and what its clients ask for.

use fastws_core::api::Api;
use fastws_core::config::Config;
use fastws_core::frame::Opcode;
use fastws_core::payload;
use fastws_core::respond::{Fault, Refused};
use fastws_core::router::Router;
use fastws_core::service::Updates;
use fastws_core::topic_route::TopicRoute;
use fastws_tests::witness::{Gate, Witness};
use fastws_tests::world::World;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

#[payload]
struct Request {
    symbol: String,
}

#[payload]
struct Bar {
    close: u32,
}

const SYMBOLS: [&str; 2] = ["A", "B"];
const NAMES: [&str; 5] = ["ann", "bob", "eve", "joe", "sue"];
const SHARDS: usize = 3;

/// What one client does in a turn.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Subscribes, or unsubscribes if it listens.
    Toggle,
    Vanish,
}

#[derive(Clone, Debug)]
enum Step {
    /// All in one turn.
    Together(usize, Vec<(usize, Act)>),
    /// Whatever waits at the topic's gate goes on so: a start, or a service that runs.
    Order(usize, &'static str),
    Publish(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let act = prop_oneof![4 => Just(Act::Toggle), 1 => Just(Act::Vanish)];
    let acts = prop::collection::vec((0..NAMES.len(), act), 1..5);
    let order = prop::sample::select(vec!["go", "go", "go", "refuse", "panic"]);
    prop_oneof![
        4 => (0..SYMBOLS.len(), acts).prop_map(|(topic, acts)| Step::Together(topic, acts)),
        3 => (0..SYMBOLS.len(), order).prop_map(|(topic, order)| Step::Order(topic, order)),
        1 => (0..SYMBOLS.len()).prop_map(Step::Publish),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 64,
        ..ProptestConfig::default()
    })]

    // law: 3 4 5
    #[test]
    fn a_service_lives_once_while_anybody_is_interested_and_replies_come_first(
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let mut stage = Stage::new();
        for step in steps {
            match step {
                Step::Together(topic, acts) => stage.together(topic, &acts)?,
                Step::Order(topic, order) => stage.order(topic, order)?,
                Step::Publish(topic) => stage.publish(topic)?,
            }
        }
        for topic in 0..SYMBOLS.len() {
            stage.together(topic, &[0, 1, 2, 3, 4].map(|who| (who, Act::Vanish)))?;
        }
        prop_assert_eq!(stage.world.metrics().topics, 0);
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Phase {
    #[default]
    Over,
    Starting,
    Running,
}

#[test]
fn a_life_that_another_shard_waits_for_begins_before_the_world_rests() {
    let toggle = |who| (who, Act::Toggle);
    let mut stage = Stage::new();
    stage.together(1, &[toggle(2)]).unwrap();
    stage.order(1, "go").unwrap();
    stage.together(1, &[toggle(0)]).unwrap();
    stage.together(1, &[toggle(2)]).unwrap();
    // The service is on the third shard; who listened is on the first, who comes on the second.
    stage.together(1, &[toggle(0), toggle(4)]).unwrap();
}

/// One topic as everybody together sees it.
#[derive(Default)]
struct Topic {
    phase: Phase,
    waiters: BTreeSet<usize>,
    listeners: BTreeSet<usize>,
    /// Published while it starts: whoever's shard has held it hears it behind its reply.
    held: Vec<String>,
}

/// What a client hears next, surely or where its shard has held it.
struct Due(String, bool);

struct Stage {
    world: World,
    witness: Witness,
    gates: [Gate; 2],
    topics: [Topic; 2],
    due: [Vec<Due>; NAMES.len()],
    /// How often services have published.
    said: u32,
    published: u32,
}

impl Stage {
    fn new() -> Self {
        let (witness, gates) = (Witness::default(), [Gate::default(), Gate::default()]);
        let mut world = World::with(Config::default(), SHARDS, api(&witness, &gates));
        for (at, name) in NAMES.into_iter().enumerate() {
            world.join(at % SHARDS, name);
        }
        let (topics, due) = Default::default();
        Self { world, witness, gates, topics, due, said: 0, published: 1_000_000 }
    }

    fn together(&mut self, topic: usize, acts: &[(usize, Act)]) -> Result<(), TestCaseError> {
        let (mut joined, mut left) = (Vec::new(), Vec::new());
        let mut busy = BTreeSet::new();
        for &(who, act) in acts {
            let waits = self.topics.iter().any(|topic| topic.waiters.contains(&who));
            let listens = self.topics[topic].listeners.contains(&who);
            match act {
                _ if !busy.insert(who) => {}
                Act::Vanish => {
                    self.world.vanish(NAMES[who]);
                    left.push(who);
                }
                // Whatever it asked now would wait.
                Act::Toggle if waits => {}
                Act::Toggle => {
                    let kind = if listens { "bars.unsubscribe" } else { "bars.subscribe" };
                    let text = json!({"type": kind, "payload": {"symbol": SYMBOLS[topic]}});
                    let frame = self.world.frame(NAMES[who], Opcode::Text, text.to_string());
                    self.world.post(NAMES[who], frame);
                    match self.topics[topic].listeners.remove(&who) {
                        true => self.due[who].push(Due("ok".into(), true)),
                        false => joined.push(who),
                    }
                }
            }
        }
        self.world.run();
        for &who in &left {
            self.due[who].clear();
            for topic in &mut self.topics {
                topic.listeners.remove(&who);
                topic.waiters.remove(&who);
            }
        }
        let log = self.witness.took();
        for (at, symbol) in SYMBOLS.into_iter().enumerate() {
            self.live(at, &log)?;
            let joined = if at == topic { &joined[..] } else { &[] };
            let Topic { phase, waiters, listeners, .. } = &mut self.topics[at];
            match phase {
                Phase::Running => {
                    joined.iter().for_each(|&who| self.due[who].push(Due("ok".into(), true)));
                    listeners.extend(joined);
                }
                _ => waiters.extend(joined),
            }
            let wanted = !waiters.is_empty() || !listeners.is_empty();
            prop_assert_eq!(*phase != Phase::Over, wanted, "whether {} lives", symbol);
        }
        self.check()?;
        for who in left {
            self.world.join(who % SHARDS, NAMES[who]);
        }
        Ok(())
    }

    /// Lives follow one another: one starts when the one before is gone, and that is when nobody listens.
    fn live(&mut self, at: usize, log: &[String]) -> Result<(), TestCaseError> {
        let topic = &mut self.topics[at];
        for line in log {
            match line.split_once(' ') {
                Some((_, symbol)) if symbol != SYMBOLS[at] => {}
                Some(("start", _)) => {
                    prop_assert_eq!(topic.phase, Phase::Over, "one life at a time");
                    prop_assert!(topic.listeners.is_empty());
                    self.said += 1;
                    (topic.phase, topic.held) = (Phase::Starting, vec![self.said.to_string()]);
                }
                _ => {
                    prop_assert_ne!(topic.phase, Phase::Over, "it ends once");
                    prop_assert!(topic.listeners.is_empty() && topic.waiters.is_empty());
                    topic.phase = Phase::Over;
                }
            }
        }
        Ok(())
    }

    fn order(&mut self, at: usize, order: &'static str) -> Result<(), TestCaseError> {
        let topic = &mut self.topics[at];
        let phase = topic.phase;
        if phase == Phase::Over {
            return Ok(());
        }
        self.gates[at].order(order);
        self.world.run();
        let ended = match (phase, order) {
            (_, "go") => None,
            (Phase::Starting, "refuse") => Some("as ordered"),
            (Phase::Starting, _) => Some("the topic has failed"),
            (_, "refuse") => Some("!refused"),
            _ => Some("!failed"),
        };
        let log = self.witness.took();
        if let Some(last) = ended {
            for who in std::mem::take(&mut topic.waiters).union(&topic.listeners) {
                self.due[*who].push(Due(last.into(), true));
            }
            topic.listeners.clear();
            prop_assert_eq!(log, [format!("drop {}", SYMBOLS[at])]);
            topic.phase = Phase::Over;
            return self.check();
        }
        prop_assert!(log.is_empty(), "it goes on");
        if phase == Phase::Starting {
            topic.phase = Phase::Running;
            for who in std::mem::take(&mut topic.waiters) {
                self.due[who].push(Due("ok".into(), true));
                self.due[who].extend(topic.held.iter().map(|text| Due(text.clone(), false)));
                topic.listeners.insert(who);
            }
        } else {
            self.said += 1;
            self.tell(at, self.said.to_string());
        }
        self.check()
    }

    fn publish(&mut self, at: usize) -> Result<(), TestCaseError> {
        self.published += 1;
        let close = self.published;
        self.world.publish(&format!("bars:{}", SYMBOLS[at]), "bars.update", &Bar { close });
        match self.topics[at].phase {
            Phase::Starting => self.topics[at].held.push(close.to_string()),
            _ => self.tell(at, close.to_string()),
        }
        self.check()
    }

    fn tell(&mut self, at: usize, text: String) {
        for &who in &self.topics[at].listeners {
            self.due[who].push(Due(text.clone(), true));
        }
    }

    /// Everybody has heard what was due, in its order, once, and nothing else.
    fn check(&mut self) -> Result<(), TestCaseError> {
        for (who, name) in NAMES.into_iter().enumerate() {
            let mut heard = self.world.messages(name).into_iter().map(said).peekable();
            let mut due = self.due[who].drain(..);
            for Due(text, sure) in &mut due {
                let next = heard.next_if(|heard| *heard == text);
                prop_assert!(
                    !sure || next.is_some(),
                    "{} has {:?} to hear {}",
                    name,
                    heard.peek(),
                    text
                );
            }
            prop_assert_eq!(heard.next(), None, "{} hears", name);
        }
        let listeners = self.topics.iter().map(|topic| topic.listeners.len()).sum::<usize>();
        prop_assert_eq!(self.world.metrics().subscriptions, listeners);
        Ok(())
    }
}

/// `ok`, what was refused, what a topic has ended with, or the value of an update.
fn said(message: Value) -> String {
    let payload = &message["payload"];
    match message["type"].as_str() {
        Some("bars.update") => payload["close"].to_string(),
        Some("bars.error") => format!("!{}", payload["code"].as_str().expect("a code")),
        _ if payload["status"] == "error" => payload["message"].as_str().expect("a message").into(),
        _ => "ok".into(),
    }
}

fn api(witness: &Witness, gates: &[Gate; 2]) -> Api {
    let (witness, gates, said) = (witness.clone(), gates.clone(), Arc::new(AtomicU32::new(0)));
    let bars = TopicRoute::<Request, Bar>::new("bars")
        .topic(|request| [request.symbol.clone()])
        .service(async move |request: Request, updates: Updates<Bar>| {
            let life = witness.life(&request.symbol);
            let at = SYMBOLS.into_iter().position(|symbol| symbol == request.symbol);
            let gate = gates[at.expect("it is one of ours")].clone();
            let said = said.clone();
            let say = move |updates: &Updates<Bar>| {
                updates.publish(&Bar { close: said.fetch_add(1, Ordering::Relaxed) + 1 });
            };
            say(&updates);
            obey(gate.wait().await).map_err(Refused::from)?;
            Ok(async move {
                let _life = life;
                loop {
                    match obey(gate.wait().await) {
                        Ok(()) => say(&updates),
                        fault => return fault,
                    }
                }
            })
        });
    Api::new("Bars", "1").include(Router::new().include(bars))
}

fn obey(order: &str) -> Result<(), Fault> {
    match order {
        "go" => Ok(()),
        "refuse" => Err(Fault::new("refused", "as ordered")),
        _ => panic!("as ordered"),
    }
}
