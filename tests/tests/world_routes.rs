//! What a topic route makes of what is published: the pace of its updates, and what it keeps.

use fastws_core::api::Api;
use fastws_core::config::Config;
use fastws_core::payload;
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
    world.say_together("ann", [off("A"), off("B")]);
}

#[test]
fn what_waits_for_its_time_is_said_before_the_topic_ends() {
    let route =
        bars().at_most_every(Duration::from_secs(1)).only_if(|last, new| new.close > last.close);
    let mut world = world(1, playing(route, &[(0, 5), (100, 7), (100, 6)])).client("ann");
    world.say_together("ann", [on("A"), on("B")]);
    world.advance(Duration::from_millis(200));
    let mut said = heard(&mut world, "ann");
    said.sort();
    assert_eq!(said, ["5", "5", "6", "6", "ended", "ended", "on", "on"]);
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
