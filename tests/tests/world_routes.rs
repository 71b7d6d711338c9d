//! What a topic route makes of what is published: the pace of its updates, and what it keeps.

use fastws_core::api::Api;
use fastws_core::canonical::Style;
use fastws_core::client::Client;
use fastws_core::config::Config;
use fastws_core::extract::{Clock, Payload, State};
use fastws_core::frame::Opcode;
use fastws_core::payload;
use fastws_core::respond::Failure;
use fastws_core::router::Router;
use fastws_core::service::Updates;
use fastws_core::time::Duration;
use fastws_core::topic_route::{SubscriptionResponse, TopicRoute};
use fastws_tests::witness::Witness;
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
fn a_topic_that_somebody_may_come_back_to_keeps_its_last_update() {
    let route = bars().retain_last().linger(Duration::from_millis(500));
    let mut world = world(2, playing(route, &[(0, 1), (100, 2), (60_000, 3)])).client("ann");
    world.join(1, "bob");
    for (millis, name, said) in [
        (0, "ann", ["on", "1", "off"]),
        (100, "bob", ["on", "2", "off"]),
        (499, "ann", ["on", "2", "off"]),
        (500, "bob", ["on", "1", "off"]),
    ] {
        world.advance(Duration::from_millis(millis));
        world.say(name, on("A"));
        world.say(name, off("A"));
        assert_eq!(heard(&mut world, name), said, "after {millis} ms");
    }
    world.advance(Duration::from_millis(500));
}

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

#[test]
fn at_the_limit_a_handler_may_leave_a_topic_for_another_or_lose_its_patience_and_take_another() {
    async fn change(
        Payload(patience): Payload<Option<u64>>,
        client: Client,
        bars: State<Bars>,
        clock: Clock,
    ) -> Result<(), Failure> {
        client.unsubscribe("bars:A");
        if let Some(patience) = patience {
            let slow = async { bars.subscribe(&client, &"slow".into()).await.is_ok() };
            let enough = async {
                clock.sleep(Duration::from_millis(patience)).await;
                false
            };
            assert!(!smol::future::or(slow, enough).await);
        }
        bars.subscribe(&client, &"B".into()).await?;
        assert!(bars.subscribe(&client, &"C".into()).await.is_err());
        Ok(())
    }
    let bars = bars().service(async |symbol: String, updates: Updates<Bar>| {
        if symbol == "slow" {
            updates.sleep(Duration::from_secs(5)).await;
        }
        Ok(std::future::pending::<()>())
    });
    let api = Api::new("Bars", "1").include(bars).include(Router::new().send(
        "change",
        "change.response",
        change,
    ));
    let config = Config { topics_per_connection: 1, ..Config::default() };
    let mut world = World::with(config, 1, api).client("ann");
    for patience in [None, Some(0), Some(10)] {
        world.say("ann", on("A"));
        world.say("ann", json!({"type": "change", "payload": patience}));
        world.advance(Duration::from_millis(10));
        assert_eq!(world.heard("ann"), ["bars.subscribe.response", "change.response"]);
        assert_eq!((world.metrics().subscriptions, world.metrics().topics), (1, 1));
        world.say("ann", off("B"));
        world.messages("ann");
    }
}

#[test]
fn to_subscribe_to_all_is_all_or_nothing_and_what_was_there_before_stays() {
    async fn all(
        Payload(symbols): Payload<Vec<String>>,
        client: Client,
        bars: State<Bars>,
    ) -> SubscriptionResponse {
        let topics = bars.subscribe_all(&client, symbols).await;
        bars.response(&"all".into(), topics.map(|topics| topics.join(" ")))
    }
    let api = Api::new("Bars", "1").include(bars()).include(Router::new().send(
        "all",
        "all.response",
        all,
    ));
    let mut world = World::new(api).client("ann");
    world.say("ann", on("A"));
    world.messages("ann");
    for (symbols, said, listening) in [
        (json!(["A", "B", ""]), json!(["error", "part 1 of the topic is empty"]), 1),
        (json!(["A", "B", "C"]), json!(["ok", "bars:A bars:B bars:C"]), 3),
    ] {
        world.say("ann", json!({"type": "all", "payload": symbols}));
        let payload = &world.messages("ann")[0]["payload"];
        assert_eq!(json!([payload["status"], payload["message"]]), said);
        assert_eq!(payload["topic"], "bars:all");
        assert_eq!(world.metrics().subscriptions, listening);
    }
}

// protocol: T14
#[test]
fn who_was_refused_one_of_several_topics_hears_nothing_of_the_others() {
    async fn all(
        Payload(symbols): Payload<Vec<String>>,
        client: Client,
        bars: State<Bars>,
    ) -> &'static str {
        let topics = bars.subscribe_all(&client, symbols).await;
        if topics.is_ok() { "all" } else { "none" }
    }
    for route in [bars(), playing(bars(), &[(0, 1), (1_000_000, 2)])] {
        let told = Witness::default();
        let [begun, ended] = [told.clone(), told.clone()];
        let api = Api::new("Bars", "1")
            .on_subscribe(move |_, topic| begun.note(format!("begun {topic}")))
            .on_unsubscribe(move |_, topic| ended.note(format!("ended {topic}")))
            .include(route.retain_last())
            .include(Router::new().send("all", "all.response", all));
        let mut world = World::new(api).client("ann").client("bob");
        world.say("bob", on("A"));
        world.publish("bars:A", "bars.update", &Bar { close: 7 });
        assert_eq!(told.took(), ["begun bars:A"]);
        world.say("ann", json!({"type": "all", "payload": ["A", ""]}));
        let messages = world.messages("ann");
        assert_eq!(messages, [json!({"type": "all.response", "payload": "none"})]);
        assert_eq!(world.metrics().subscriptions, 1);
        assert!(told.took().is_empty(), "no subscription has begun");
    }
}

// protocol: T8 T9
#[test]
fn equal_requests_have_one_canonical_topic_whatever_their_order() {
    let route = TopicRoute::<Value, Bar>::new("candles").canonical(Style::default());
    let mut world = World::new(Api::new("Candles", "1").include(route)).client("ann");
    for payload in
        [r#"{"symbol":"Ö","resolution":1}"#, r#"{ "resolution": 1.0, "symbol": "\u00d6" }"#]
    {
        world.say("ann", format!(r#"{{"type":"candles.subscribe","payload":{payload}}}"#));
        assert_eq!(
            world.messages("ann")[0]["payload"]["topic"],
            r#"candles:{"resolution":1,"symbol":"Ö"}"#
        );
    }
    assert_eq!(world.metrics().subscriptions, 1);
    let topic = r#"candles:{"resolution":1,"symbol":"Ö"}"#;
    world.publish(topic, "candles.update", &Bar { close: 1 });
    assert_eq!(world.messages("ann")[0]["topic"], topic);
    let long = "x".repeat(300);
    world.say("ann", json!({"type": "candles.subscribe", "payload": long}));
    let payload = &world.messages("ann")[0]["payload"];
    assert_eq!(payload["status"], "error");
    let python = TopicRoute::<Value, Bar>::new("candles").canonical(Style::Python);
    let topic = python.topic_of(&json!({"b": "Ö", "a": 1.0})).expect("it is short");
    assert_eq!(topic, r#"candles:{"a":1.0,"b":"\u00d6"}"#);
}

#[test]
fn two_routes_of_one_name_are_a_mistake_whatever_their_prefixes() {
    let api = Api::new("Bars", "1")
        .include(Router::new().prefix("v1.").include(bars()))
        .include(Router::new().prefix("v2.").include(bars()));
    assert_eq!(
        api.build().expect_err("it is a mistake").to_string(),
        "two topic routes are named `bars`, so their topics would be the same: \
         give one of them another name, since a prefix is no part of a topic"
    );
}

#[test]
fn of_two_routes_of_one_type_a_handler_takes_the_one_that_is_shared_explicitly() {
    fn topic(bars: State<Bars>) -> Result<String, Failure> {
        Ok(bars.topic_of(&"A".into())?)
    }
    let quotes = || Bars::new("quotes").topic(String::clone);
    let router = || Router::new().send("topic", "topic.response", topic);
    let api = || Api::new("Bars", "1").include(bars()).include(quotes()).include(router());
    assert!(api().build().is_err());
    let mut world = World::new(api().state(quotes())).client("ann");
    world.say("ann", r#"{"type":"topic"}"#);
    assert_eq!(world.messages("ann")[0]["payload"], "quotes:A");
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
