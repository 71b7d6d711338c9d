//! Who is told of subscriptions, how often, and when.

use fastws_core::api::{Api, BuildError};
use fastws_core::client::Client;
use fastws_core::config::Config;
use fastws_core::door::HttpError;
use fastws_core::extract::Guest;
use fastws_core::hooks::Subscriber;
use fastws_core::respond::{Fault, Refused};
use fastws_core::router::Router;
use fastws_core::service::Updates;
use fastws_core::time::Duration;
use fastws_core::topic_route::TopicRoute;
use fastws_tests::stage::{News, act, later, stage};
use fastws_tests::witness::{Gate, Witness};
use fastws_tests::world::World;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// How often hooks have told that a subscription begins, less how often that it ends: by topic and uid.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<BTreeMap<(String, String), i64>>>);

impl Ledger {
    fn keep(&self, api: Api) -> Api {
        let (begun, ended) = (self.clone(), self.clone());
        api.on_subscribe(move |who, topic| begun.add(who, topic, 1))
            .on_unsubscribe(move |who, topic| ended.add(who, topic, -1))
    }

    fn add(&self, who: &Subscriber<'_>, topic: &str, count: i64) {
        let mut counts = self.0.lock().expect("nobody panics here");
        *counts.entry((topic.into(), who.uid())).or_default() += count;
    }

    /// How many listen, if each of them has begun once more than it has ended.
    fn audience(&self, is_meant: impl Fn(&str) -> bool) -> Option<usize> {
        let counts = self.0.lock().expect("nobody panics here");
        let counts = counts.iter().filter(|((topic, _), _)| is_meant(topic));
        counts.map(|(_, &count)| usize::try_from(count).ok().filter(|count| *count < 2)).sum()
    }
}

/// A topic `prices:steady` lasts, `prices:short` ends with a fault after a second, `prices:none` refuses,
/// `prices:late` takes a second to start.
fn prices() -> TopicRoute<String, u64> {
    TopicRoute::new("prices").topic(|name: &String| [name.clone()]).service(
        async |name: String, updates: Updates<u64>| {
            match &*name {
                "none" => return Err(Refused::new("there is no such price")),
                "late" => updates.sleep(Duration::from_secs(1)).await,
                _ => {}
            }
            Ok(async move {
                if name != "short" {
                    std::future::pending::<()>().await;
                }
                updates.sleep(Duration::from_secs(1)).await;
                Err(Fault::new("short", "it is over"))
            })
        },
    )
}

const NAMES: [&str; 4] = ["ann", "bob", "eve", "joe"];
const PRICES: [&str; 4] = ["steady", "short", "none", "late"];
const TOPICS: [&str; 6] = ["a", "b", "prices:steady", "prices:short", "prices:none", "prices:late"];

#[derive(Clone, Debug)]
enum Step {
    Act(usize, Vec<(bool, bool)>),
    Later(usize, Vec<(bool, bool)>),
    Fail(usize),
    Price(usize, bool, usize),
    Flood,
    End(usize, u8),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let wishes = || prop::collection::vec(any::<(bool, bool)>(), 1..4);
    prop_oneof![
        3 => (0..4_usize, wishes()).prop_map(|(who, wishes)| Step::Act(who, wishes)),
        1 => (0..4_usize, wishes()).prop_map(|(who, wishes)| Step::Later(who, wishes)),
        1 => (0..4_usize).prop_map(Step::Fail),
        4 => (0..4_usize, any::<bool>(), 0..4_usize)
            .prop_map(|(who, on, price)| Step::Price(who, on, price)),
        1 => Just(Step::Flood),
        1 => (0..4_usize, 0_u8..4).prop_map(|(who, how)| Step::End(who, how)),
        2 => (0_u64..1_500).prop_map(Step::Pass),
    ]
}

fn wishes(wishes: &[(bool, bool)]) -> Vec<String> {
    let word = |on: bool| if on { "subscribe" } else { "unsubscribe" };
    let topic = |first: bool| if first { "a" } else { "b" };
    wishes.iter().map(|&(on, first)| format!("{} {}", word(on), topic(first))).collect()
}

/// How many connections an update of a topic is queued for, as the hubs know it.
fn audience(world: &mut World, topic: &str) -> usize {
    let reach = world.publisher().reach(topic, "news", &News { value: 1 });
    let mut reach = pin!(reach.expect("it is declared"));
    world.run();
    match reach.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(count) => count,
        Poll::Pending => panic!("all shards have seen it"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 64,
        ..ProptestConfig::default()
    })]

    // law: 1 2
    #[test]
    fn hooks_know_who_listens_after_every_step_and_nobody_in_the_end(
        steps in prop::collection::vec(step(), 0..50),
        drains in any::<bool>(),
    ) {
        let (ledger, gate) = (Ledger::default(), Gate::default());
        let config = Config { backlog_bytes: 4_000, ..Config::default() };
        let api = ledger.keep(stage(&Witness::default(), &gate).include(prices()));
        let mut world = World::with(config, 2, api);
        for (at, name) in NAMES.into_iter().enumerate() {
            world.join(at % 2, name);
        }
        for step in steps {
            match step {
                Step::Act(who, steps) => {
                    world.say(NAMES[who], json!({"type": "act", "payload": wishes(&steps)}));
                }
                Step::Later(who, steps) => {
                    let mut steps = wishes(&steps);
                    steps.insert(0, "topics".into());
                    world.say(NAMES[who], json!({"type": "act.later", "payload": steps}));
                }
                Step::Fail(who) => world.say(NAMES[who], later(["subscribe a", "fail"])),
                Step::Price(who, on, price) => {
                    let kind = if on { "prices.subscribe" } else { "prices.unsubscribe" };
                    world.say(NAMES[who], json!({"type": kind, "payload": PRICES[price]}));
                }
                Step::Flood => {
                    world.window("eve", 0);
                    for value in 0..100 {
                        world.publish("a", "news", &News { value });
                    }
                }
                Step::End(who, 0) => world.reset(NAMES[who]),
                Step::End(who, 1) => {
                    world.hang_up(NAMES[who]);
                    // Who does not read still has its close frame to come.
                    if !world.gone(NAMES[who]) {
                        world.reset(NAMES[who]);
                    }
                }
                Step::End(who, 2) => world.close(NAMES[who], 1000, ""),
                Step::End(who, _) => world.say(NAMES[who], act(["close 4000"])),
                Step::Pass(millis) => world.advance(Duration::from_millis(millis)),
            }
            world.run();
            prop_assert_eq!(ledger.audience(|_| true), Some(world.metrics().subscriptions));
            for topic in TOPICS {
                let told = ledger.audience(|known| known == topic);
                prop_assert_eq!(told, Some(audience(&mut world, topic)), "{}", topic);
            }
            for (at, name) in NAMES.into_iter().enumerate() {
                if world.gone(name) {
                    world.join(at % 2, name);
                }
            }
        }
        if drains {
            world.shutdown();
            world.advance(Duration::from_secs(60));
        } else {
            drop(world);
        }
        prop_assert_eq!(ledger.audience(|_| true), Some(0));
    }
}

#[test]
fn a_place_that_is_given_back_is_no_subscription_and_one_that_is_repeated_begins_once() {
    let told = Witness::default();
    let note = told.clone();
    let api = stage(&Witness::default(), &Gate::default())
        .include(prices())
        .on_subscribe(move |_, topic| note.note(topic));
    let mut world = World::new(api).client("ann").client("bob");
    world.say("ann", json!({"type": "prices.subscribe", "payload": "none"}));
    world.say("ann", json!({"type": "prices.subscribe", "payload": "late"}));
    world.reset("ann");
    world.say("bob", act(["subscribe a", "subscribe a"]));
    world.say("bob", act(["subscribe a"]));
    world.say("bob", later(["subscribe b", "fail"]));
    assert_eq!(told.took(), ["a"]);
}

#[test]
fn a_hook_that_panics_closes_nobody_and_is_told_of_the_next() {
    let told = Witness::default();
    let note = told.clone();
    let api = stage(&Witness::default(), &Gate::default())
        .on_subscribe(|_, topic| assert_ne!(topic, "a", "as the test says"))
        .on_unsubscribe(move |_, topic| {
            note.note(topic);
            panic!("as the test says");
        });
    let mut world = World::new(api).client("ann");
    world.say("ann", act(["subscribe a", "subscribe b"]));
    world.publish("a", "news", &News { value: 1 });
    world.say("ann", act(["unsubscribe a", "unsubscribe b"]));
    assert_eq!(world.heard("ann"), ["act.response", "news", "act.response"]);
    assert_eq!(world.closed("ann"), None);
    assert_eq!(told.took(), ["a", "b"]);
}

#[test]
fn a_hook_knows_the_connection_and_what_it_was_let_in_with_also_when_it_ends() {
    let told = Witness::default();
    let (begun, ended) = (told.clone(), told.clone());
    let name = |who: &Subscriber<'_>| who.guest::<String>().expect("everybody is let in with one");
    let router = Router::new().send("join", "joined", |client: Client, _: Guest<String>| {
        client.subscribe("a").map(|()| client.uid()).unwrap_or_default()
    });
    let api = Api::new("Members", "1")
        .door(|_| Ok::<_, HttpError>(String::from("a member")))
        .include(router)
        .on_subscribe(move |who, topic| begun.note(format!("{} {} {topic}", who.uid(), name(who))))
        .on_unsubscribe(move |who, topic| {
            assert!(who.guest::<u8>().is_none());
            ended.note(format!("{} {} {topic}", who.uid(), name(who)));
        });
    let mut world = World::new(api).client("ann");
    world.say("ann", json!({"type": "join"}));
    let uid = world.messages("ann")[0]["payload"].as_str().expect("it is a text").to_owned();
    world.reset("ann");
    let line = format!("{uid} a member a");
    assert_eq!(told.took(), [line.clone(), line]);
}

#[test]
fn a_second_hook_of_a_kind_is_a_mistake() {
    let api = Api::new("News", "1").on_subscribe(|_, _| {}).on_unsubscribe(|_, _| {});
    let again = |api: Api| api.build().err();
    assert_eq!(
        again(api.on_subscribe(|_, _| {})),
        Some(BuildError::Again { method: "Api::on_subscribe" })
    );
    let api = Api::new("News", "1").on_unsubscribe(|_, _| {});
    assert_eq!(
        again(api.on_unsubscribe(|_, _| {})),
        Some(BuildError::Again { method: "Api::on_unsubscribe" })
    );
}
