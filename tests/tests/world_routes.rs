//! What a topic route makes of what is published: the pace of its updates, and what it keeps.

use fastws_core::api::Api;
use fastws_core::client::Client;
use fastws_core::config::Config;
use fastws_core::frame::Opcode;
use fastws_core::payload;
use fastws_core::respond::Failure;
use fastws_core::router::Router;
use fastws_core::service::Updates;
use fastws_core::time::Duration;
use fastws_core::topic_route::TopicRoute;
use fastws_tests::world::World;
use serde_json::{Value, json};

#[payload]
struct Bar {
    close: i64,
}

type Bars = TopicRoute<String, Bar>;

/// Topics such as `bars:A`.
fn bars() -> Bars {
    TopicRoute::new("bars").topic(|symbol: &String| [symbol.clone()])
}

/// Its service publishes these closes, each after so many milliseconds, and ends with the last.
fn playing(route: Bars, closes: &'static [(u64, i64)]) -> Bars {
    route.service(async move |_: String, updates: Updates<Bar>| {
        for &(millis, close) in closes {
            updates.sleep(Duration::from_millis(millis)).await;
            updates.publish(&Bar { close });
        }
    })
}

fn world(shards: usize, route: Bars) -> World {
    World::with(Config::default(), shards, Api::new("Bars", "1").include(route))
}

fn on(symbol: &str) -> Value {
    json!({"type": "bars.subscribe", "payload": symbol})
}

fn off(symbol: &str) -> Value {
    json!({"type": "bars.unsubscribe", "payload": symbol})
}

/// `on` and `off` for replies, the value of an update, or the code of an error.
fn heard(world: &mut World, name: &str) -> Vec<String> {
    let said = |message: &Value| match message["type"].as_str() {
        Some("bars.subscribe.response") => "on".into(),
        Some("bars.unsubscribe.response") => "off".into(),
        Some("bars.update") => message["payload"]["close"].to_string(),
        _ => message["payload"]["code"].as_str().expect("an error has a code").into(),
    };
    world.messages(name).iter().map(said).collect()
}

#[test]
fn a_paced_topic_sends_the_first_at_once_and_the_newest_when_its_time_has_come() {
    let closes = &[(0, 1), (300, 2), (300, 3), (900, 4), (0, 5), (2_500, 6), (10_000, 7)];
    let route = playing(bars().at_most_every(Duration::from_secs(1)), closes);
    let mut world = world(1, route).client("ann");
    world.say("ann", on("A"));
    // 3 waits from 600 until 1000, 5 from 1500 until 2000; for 6, at 4000, it is time.
    for (millis, said) in [
        (0, &["on", "1"][..]),
        (999, &[]),
        (1, &["3"]),
        (999, &[]),
        (1, &["5"]),
        (1_999, &[]),
        (1, &["6"]),
        (9_999, &[]),
        (1, &["7", "ended"]),
    ] {
        world.advance(Duration::from_millis(millis));
        assert_eq!(heard(&mut world, "ann"), said);
    }
}

#[test]
fn each_life_of_each_topic_has_a_pace_of_its_own() {
    let closes = &[(0, 1), (60_000, 2)];
    let route = playing(bars().at_most_every(Duration::from_secs(60)), closes);
    let mut world = world(1, route).client("ann");
    world.say_together("ann", [on("A"), on("B"), off("A"), on("A")]);
    assert_eq!(heard(&mut world, "ann"), ["on", "1", "on", "1", "off", "on", "1"]);
}

#[test]
fn what_waits_for_its_time_is_said_before_the_topic_ends() {
    let route = bars().at_most_every(Duration::from_secs(1));
    let mut world = world(1, playing(route, &[(0, 5), (100, 7), (100, 6)])).client("ann");
    world.say("ann", on("A"));
    world.advance(Duration::from_millis(200));
    assert_eq!(heard(&mut world, "ann"), ["on", "5", "6", "ended"]);
}

#[test]
fn what_is_not_worth_it_is_not_sent_and_the_next_is_measured_by_what_was() {
    let route = bars().only_if(|last, new| (new.close - last.close).abs() >= 10);
    let closes = &[(0, 100), (10, 105), (10, 109), (10, 110), (10, 101), (10, 100)];
    let mut world = world(1, playing(route, closes)).client("ann");
    world.say("ann", on("A"));
    world.advance(Duration::from_secs(1));
    assert_eq!(heard(&mut world, "ann"), ["on", "100", "110", "100", "ended"]);
}

// protocol: T21
#[test]
fn who_comes_gets_the_last_update_right_after_the_reply_and_nothing_twice() {
    let silent = async |_: String, _: Updates<Bar>| std::future::pending::<()>().await;
    for route in [bars().retain_last(), bars().retain_last().service(silent)] {
        for shards in 1..=2 {
            let mut world = world(shards, route.clone()).client("ann");
            for name in ["bob", "eve"] {
                world.join(shards - 1, name);
            }
            world.say("ann", on("A"));
            world.publish("bars:A", "bars.update", &Bar { close: 1 });
            world.publish("bars:A", "bars.update", &Bar { close: 2 });
            world.say("bob", on("A"));
            world.say_together("bob", [on("A"), on("B")]);
            world.publish("bars:A", "bars.update", &Bar { close: 3 });
            world.say("eve", on("A"));
            assert_eq!(heard(&mut world, "ann"), ["on", "1", "2", "3"]);
            assert_eq!(heard(&mut world, "bob"), ["on", "2", "on", "on", "3"]);
            assert_eq!(heard(&mut world, "eve"), ["on", "3"]);
            for name in ["ann", "bob", "eve"] {
                world.say(name, off("A"));
            }
            world.say("eve", on("A"));
            assert_eq!(heard(&mut world, "eve"), ["off", "on"], "nobody was interested meanwhile");
        }
    }
}

// protocol: T21
#[test]
fn the_first_listener_of_a_topic_gets_what_was_held_once_and_the_next_only_the_last() {
    let closes = &[(0, 1), (0, 2), (1_000, 3)];
    for shards in 1..=2 {
        let mut world = world(shards, playing(bars().retain_last(), closes)).client("ann");
        world.join(shards - 1, "bob");
        world.say("ann", on("A"));
        world.say("bob", on("A"));
        assert_eq!(heard(&mut world, "ann"), ["on", "1", "2"]);
        assert_eq!(heard(&mut world, "bob"), ["on", "2"]);
        // The error is no update, and what the life has said that it ends is over.
        world.advance(Duration::from_secs(1));
        world.say("bob", on("A"));
        assert_eq!(heard(&mut world, "bob"), ["3", "ended", "on", "1", "2"]);
    }
}

// protocol: T21
#[test]
fn what_a_handler_publishes_is_kept_for_all_shards_also_before_anybody_has_heard_of_its_client() {
    let publish = |client: Client| client.publish("bars:A", "bars.update", &Bar { close: 1 });
    let api = Api::new("Bars", "1").include(bars().retain_last()).include(Router::new().send(
        "publish",
        None,
        move |client: Client| publish(client).map_err(Failure::from),
    ));
    let mut world = World::with(Config::default(), 2, api).client("ann").client("bob");
    world.join(1, "eve");
    let publish = json!({"type": "publish"});
    world.say_together("ann", [publish.clone(), on("A"), publish]);
    world.say("bob", on("A"));
    world.say("eve", on("A"));
    for name in ["ann", "bob", "eve"] {
        assert_eq!(heard(&mut world, name), ["on", "1"], "{name}");
    }
}

#[test]
fn on_racing_shards_nobody_hears_an_update_twice_or_one_before_another() {
    for seed in 1..=100u64 {
        let mut dice = Dice(seed);
        let shards = 1 + dice.below(3);
        let mut world = world(shards, bars().retain_last());
        let publisher = world.publisher();
        let names = ["ann", "bob", "eve", "joe"];
        for name in names {
            world.join(dice.below(shards), name);
        }
        let mut close = 0;
        let mut publish = || {
            close += 1;
            publisher.publish("bars:A", "bars.update", &Bar { close }).expect("there is room");
            close.to_string()
        };
        for _ in 0..100 {
            let name = names[dice.below(4)];
            let message = [on("A"), off("A")][dice.below(2)].to_string();
            match dice.below(4) {
                0 => drop(publish()),
                1 => world.step(dice.below(shards)),
                _ => {
                    let frame = world.frame(name, Opcode::Text, message);
                    world.post(name, frame);
                }
            }
        }
        world.run();
        for name in names {
            let mut last = 0;
            for word in heard(&mut world, name) {
                match word.parse() {
                    Ok(close) => {
                        assert!(close > last, "seed {seed}: {name} heard {close} after {last}");
                        last = close;
                    }
                    Err(_) if word == "off" => last = 0,
                    Err(_) => {}
                }
            }
        }
        world.say("ann", on("A"));
        world.messages("ann");
        let last = publish();
        world.run();
        for shard in 0..shards {
            let name = format!("new {shard}");
            world.join(shard, &name);
            world.say(&name, on("A"));
            assert_eq!(heard(&mut world, &name), ["on", &last], "seed {seed}");
            world.say(&name, off("A"));
        }
        for name in names {
            world.say(name, off("A"));
        }
        world.join(0, "late");
        world.say("late", on("A"));
        assert_eq!(heard(&mut world, "late"), ["on"], "seed {seed}");
    }
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}
