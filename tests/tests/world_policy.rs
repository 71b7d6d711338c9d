//! Slow readers of routes that each say what becomes of their updates, on simulated sockets.

use fastws_core::api::Api;
use fastws_core::client::Client;
use fastws_core::config::{Config, SlowConsumer};
use fastws_core::declared::PublishError;
use fastws_core::extract::Payload;
use fastws_core::payload;
use fastws_core::respond::Fault;
use fastws_core::router::Router;
use fastws_core::service::Updates;
use fastws_core::time::Duration;
use fastws_core::topic_route::TopicRoute;
use fastws_tests::world::World;
use serde_json::json;
use std::collections::BTreeMap;
use std::future::pending;

/// Of an order none may be missing, of a trade the oldest, and of a price all but the newest, as the
/// server has it where a route says nothing.
const ROUTES: [(&str, Option<SlowConsumer>); 3] = [
    ("orders", Some(SlowConsumer::Close)),
    ("trades", Some(SlowConsumer::DropOldest)),
    ("prices", None),
];
const PUBLISHED: u32 = 60;

#[payload]
#[derive(Copy)]
struct Count {
    number: u32,
}

/// Who publishes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Service,
    Publisher,
    /// A handler that a client on this shard calls.
    Handler(usize),
}

async fn count(_: (), updates: Updates<Count>) {
    for number in 0..PUBLISHED {
        updates.sleep(Duration::from_millis(1)).await;
        updates.publish(&Count { number });
        if number % 20 == 10 {
            updates.error(Fault::new("late", "something is late"));
        }
    }
    pending().await
}

fn publish(Payload(number): Payload<u32>, client: Client) -> Result<(), PublishError> {
    ROUTES.into_iter().try_for_each(|(route, _)| {
        client.publish(route, &format!("{route}.update"), &Count { number })
    })
}

/// Two shards; Ann on the first, who takes nothing yet, and Bob on the second listen to every topic.
fn world(backlog_bytes: u32, serves: bool, wraps: bool) -> World {
    let slow_consumer = SlowConsumer::Latest;
    let config = Config { backlog_bytes, slow_consumer, ..Config::default() };
    let mut api = Api::new("Policies", "1").include(Router::new().send("publish", None, publish));
    for (name, policy) in ROUTES {
        let mut route = TopicRoute::<(), Count>::new(name);
        if let Some(policy) = policy {
            route = route.slow_consumer(policy);
        }
        if wraps {
            route = route.topic_in_payload();
        }
        api = api.include(if serves { route.service(count) } else { route });
    }
    let mut world = World::with(config, 2, api).client("ann").client_on(1, "bob");
    for name in ["ann", "bob"] {
        for (route, _) in ROUTES {
            world.say(name, json!({"type": format!("{route}.subscribe")}));
        }
        assert_eq!(world.heard(name).len(), ROUTES.len());
    }
    world.window("ann", 0);
    world
}

/// What a client was told of a topic: updates, how many are missing, and errors.
#[derive(Debug, Default)]
struct Told {
    numbers: Vec<u64>,
    missed: u64,
    errors: u64,
}

fn told(world: &mut World, name: &str) -> BTreeMap<String, Told> {
    let mut told: BTreeMap<String, Told> = BTreeMap::new();
    for message in world.messages(name) {
        let payload = &message["payload"];
        let (route, kind) = message["type"].as_str().and_then(|kind| kind.split_once('.')).unwrap();
        let topic = told.entry(route.into()).or_default();
        match kind {
            "update" => {
                let wrapped = message["topic"].is_null();
                let (named, count) = match wrapped {
                    true => (&payload["topic"], &payload["payload"]),
                    false => (&message["topic"], payload),
                };
                assert_eq!(named, route, "{message}");
                topic.numbers.push(count["number"].as_u64().unwrap());
            }
            "gap" => topic.missed += payload["dropped"].as_u64().unwrap(),
            "error" => topic.errors += 1,
            _ => panic!("{message}"),
        }
        assert!(kind == "update" || payload["topic"] == *route, "{message}");
    }
    told
}

// protocol: E16 E17 E22
#[test]
fn each_topic_obeys_its_own_policy_on_one_slow_connection() {
    for way in [Way::Service, Way::Publisher, Way::Handler(0), Way::Handler(1)] {
        for wraps in [false, true] {
            let mut world = world(8_000, way == Way::Service, wraps);
            if let Way::Handler(shard) = way {
                world.join(shard, "eve");
            }
            for number in 0..PUBLISHED {
                match way {
                    Way::Service => world.advance(Duration::from_millis(1)),
                    Way::Handler(_) => {
                        world.say("eve", json!({"type": "publish", "payload": number}));
                    }
                    Way::Publisher => {
                        for (route, _) in ROUTES {
                            let kind = format!("{route}.update");
                            world.publish(route, &kind, &Count { number });
                        }
                    }
                }
            }
            world.window("ann", usize::MAX);
            let (ann, bob) = (told(&mut world, "ann"), told(&mut world, "bob"));
            for (route, _) in ROUTES {
                let Told { numbers, missed, errors } = &ann[route];
                let case = format!("{way:?} {wraps}: {route} {numbers:?}, {missed} missed");
                assert_eq!(numbers.len() as u64 + missed, u64::from(PUBLISHED), "{case}");
                // Whatever is missing is older than all that has come.
                assert!(numbers.iter().copied().eq(*missed..u64::from(PUBLISHED)), "{case}");
                match route {
                    "orders" => assert_eq!(*missed, 0, "{case}"),
                    "trades" => assert!(*missed > 0 && numbers.len() > 1, "{case}"),
                    _ => assert_eq!(numbers.len(), 1, "{case}"),
                }
                assert_eq!(*errors, if way == Way::Service { 3 } else { 0 }, "{case}");
                assert_eq!(bob[route].numbers.len(), PUBLISHED as usize, "{case}");
                assert_eq!((bob[route].missed, bob[route].errors), (0, *errors), "{case}");
            }
            assert_eq!(ann.values().map(|told| told.missed).sum::<u64>(), world.dropped());
            assert_eq!((world.slow(), world.closed("ann")), (0, None));
        }
    }
}

// protocol: T17 E15
#[test]
fn a_reader_that_has_no_room_for_the_error_of_a_topic_is_closed_whatever_becomes_of_updates() {
    let late = async |_: (), updates: Updates<Count>| {
        loop {
            updates.sleep(Duration::from_secs(1)).await;
            updates.error(Fault::new("late", "something is late"));
        }
    };
    let route = TopicRoute::<(), Count>::new("prices").slow_consumer(SlowConsumer::Latest);
    let config = Config {
        backlog_bytes: 500,
        topic_bytes: 64,
        slow_consumer: SlowConsumer::DropOldest,
        ..Config::default()
    };
    let api = Api::new("Late", "1").include(route.service(late));
    let mut world = World::with(config, 1, api).client("ann");
    world.say("ann", json!({"type": "prices.subscribe"}));
    world.window("ann", 0);
    world.advance(Duration::from_secs(3));
    assert_eq!((world.slow(), world.dropped()), (0, 0));
    world.advance(Duration::from_secs(3));
    world.window("ann", usize::MAX);
    assert_eq!(world.closed("ann"), Some((1008, "Slow consumer")));
    assert_eq!(world.dropped(), 0);
}
