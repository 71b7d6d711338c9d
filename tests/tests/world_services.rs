//! When a topic's service starts, what its listeners hear, and when it ends.

use fastws_core::api::Api;
use fastws_core::client::Client;
use fastws_core::config::Config;
use fastws_core::extract::{Clock, Payload};
use fastws_core::frame::Opcode;
use fastws_core::payload;
use fastws_core::respond::{Failure, Fault, Refused};
use fastws_core::router::Router;
use fastws_core::service::Updates;
use fastws_core::time::Duration;
use fastws_core::topic_route::TopicRoute;
use fastws_tests::witness::{Gate, Witness};
use fastws_tests::world::World;
use serde_json::{Value, json};

/// A service does what the request of its first subscriber says.
#[payload]
struct Request {
    symbol: String,
    #[serde(default)]
    start: Vec<String>,
    #[serde(default)]
    run: Vec<String>,
}

#[payload]
struct Bar {
    close: u32,
}

struct Stage {
    world: World,
    witness: Witness,
    gate: Gate,
}

impl Stage {
    fn new(shards: usize) -> Self {
        Self::with(Config::default(), shards)
    }

    fn with(config: Config, shards: usize) -> Self {
        Self::lingering(config, shards, 0)
    }

    /// Its services wait so many milliseconds for somebody to come back.
    fn lingering(config: Config, shards: usize, millis: u64) -> Self {
        let (witness, gate) = (Witness::default(), Gate::default());
        let linger = Duration::from_millis(millis);
        let world = World::with(config, shards, api(&witness, &gate, linger));
        Self { world, witness, gate }
    }

    fn clients(mut self, names: &[&str]) -> Self {
        for name in names {
            self.world.join(0, name);
        }
        self
    }

    fn order(&mut self, order: &'static str) {
        self.gate.order(order);
        self.world.run();
    }

    fn wait(&mut self, millis: u64) {
        self.world.advance(Duration::from_millis(millis));
    }

    /// What a client has heard: `ok`, the message of a refusal, or the value of an update.
    fn heard(&mut self, name: &str) -> Vec<String> {
        let said = |message: &Value| match message["type"].as_str() {
            Some("bars.update") => message["payload"]["close"].to_string(),
            Some("bars.error") => {
                let Value::Object(payload) = &message["payload"] else { unreachable!() };
                assert_eq!(payload["topic"], message["topic"]);
                let lasting = payload["recoverable"] != true;
                let code = payload["code"].as_str().expect("a code");
                format!("{}{code}", if lasting { "!" } else { "?" })
            }
            _ if message["payload"]["status"] == "error" => {
                message["payload"]["message"].as_str().expect("a message").into()
            }
            _ => "ok".into(),
        };
        self.world.messages(name).iter().map(said).collect()
    }

    fn listeners(&self) -> usize {
        self.world.metrics().subscriptions
    }
}

fn api(witness: &Witness, gate: &Gate, linger: Duration) -> Api {
    let (witness, gate) = (witness.clone(), gate.clone());
    let (orders, gate_of_glances) = (gate.clone(), gate.clone());
    let bars = TopicRoute::<Request, Bar>::new("bars")
        .topic(|request| [request.symbol.clone()])
        .linger(linger)
        .service(async move |request: Request, updates: Updates<Bar>| {
            let (life, gate) = (witness.life(&request.symbol), gate.clone());
            play(&request.start, &updates, &gate).await.map_err(Refused::from)?;
            Ok(async move {
                let _life = life;
                match request.run.is_empty() {
                    true => std::future::pending().await,
                    false => play(&request.run, &updates, &gate).await,
                }
            })
        });
    let route = bars.clone();
    let hold = move |Payload(request): Payload<Request>, client: Client| {
        let (route, gate) = (route.clone(), orders.clone());
        async move {
            route.subscribe(&client, &request).await?;
            match gate.wait().await {
                "fail" => Err(Failure::from(std::io::Error::other("as ordered"))),
                order => Ok(order),
            }
        }
    };
    let (route, orders) = (bars.clone(), gate_of_glances);
    let glance = move |Payload(request): Payload<Request>, client: Client| {
        let (route, gate) = (route.clone(), orders.clone());
        async move {
            let started = async { route.subscribe(&client, &request).await.is_ok() };
            let lost_patience = async { gate.wait().await != "go away" };
            smol::future::or(started, lost_patience).await
        }
    };
    let plain = |client: Client| match client.subscribe("bars:A") {
        Ok(()) => "subscribed".into(),
        Err(refused) => refused.to_string(),
    };
    let router = Router::new()
        .send("hold", "hold.response", hold)
        .send("glance", "glance.response", glance)
        .send("plain", "plain.response", plain)
        .include(bars);
    Api::new("Bars", "1").include(router)
}

async fn play(steps: &[String], updates: &Updates<Bar>, gate: &Gate) -> Result<(), Fault> {
    for words in steps {
        let words: Vec<&str> = words.split(' ').collect();
        match words[..] {
            ["publish", close] => updates.publish(&Bar { close: close.parse().expect("a number") }),
            ["sleep", millis] => {
                let millis = millis.parse().expect("a number");
                updates.sleep(Duration::from_millis(millis)).await;
            }
            ["refuse"] => return Err(Fault::new("refused", "no such symbol")),
            ["error"] => updates.error(hiccup()),
            ["panic"] => panic!("as the script says"),
            ["wait"] => match gate.wait().await {
                "refuse" => return Err(Fault::new("refused", "as ordered")),
                "error" => updates.error(hiccup()),
                "panic" => panic!("as ordered"),
                _ => {}
            },
            _ => unreachable!("no such step"),
        }
    }
    Ok(())
}

fn hiccup() -> Fault {
    Fault::new("late", "the exchange is late").retry_after(Duration::from_millis(1_500))
}

fn on(symbol: &str) -> Value {
    json!({"type": "bars.subscribe", "payload": {"symbol": symbol}})
}

fn off(symbol: &str) -> Value {
    json!({"type": "bars.unsubscribe", "payload": {"symbol": symbol}})
}

fn starting<const N: usize>(symbol: &str, start: [&str; N]) -> Value {
    json!({"type": "bars.subscribe", "payload": {"symbol": symbol, "start": start[..]}})
}

fn running<const N: usize>(symbol: &str, run: [&str; N]) -> Value {
    json!({"type": "bars.subscribe", "payload": {"symbol": symbol, "run": run[..]}})
}

// protocol: T13
#[test]
fn a_subscription_is_answered_when_the_service_has_started() {
    let mut stage = Stage::new(1).clients(&["ann", "bob"]);
    stage.world.say("ann", starting("A", ["sleep 3000"]));
    stage.wait(2_999);
    assert!(stage.heard("ann").is_empty());
    assert_eq!((stage.listeners(), stage.witness.took()), (0, vec!["start A".into()]));
    stage.wait(1);
    let reply = r#"{"type":"bars.subscribe.response","payload":{"status":"ok","message":"Subscribed to bars:A","topic":"bars:A"}}"#;
    assert_eq!(stage.world.texts("ann"), [reply]);
    stage.world.say("bob", on("A"));
    assert_eq!(stage.world.texts("bob"), [reply]);
    assert_eq!(stage.listeners(), 2);
    stage.world.say("bob", off("A"));
    let reply = r#"{"type":"bars.unsubscribe.response","payload":{"status":"ok","message":"Unsubscribed from bars:A","topic":"bars:A"}}"#;
    assert_eq!(stage.world.texts("bob"), [reply]);
    assert!(stage.witness.took().is_empty());
}

// protocol: T11
#[test]
fn racing_first_subscribers_start_the_service_once() {
    for shards in 1..=3 {
        let mut stage = Stage::new(shards);
        let names = ["ann", "bob", "eve", "joe"];
        for (at, name) in names.into_iter().enumerate() {
            stage.world.join(at % shards, name);
        }
        for name in names {
            let request = starting("A", ["wait"]).to_string();
            let frame = stage.world.frame(name, Opcode::Text, request);
            stage.world.post(name, frame);
        }
        stage.world.run();
        assert_eq!(stage.witness.took(), ["start A"]);
        stage.order("go");
        for name in names {
            assert_eq!(stage.heard(name), ["ok"]);
        }
        assert_eq!(stage.listeners(), 4);
        for name in names {
            assert!(stage.witness.took().is_empty());
            stage.world.say(name, off("A"));
        }
        assert_eq!(stage.witness.took(), ["drop A"]);
    }
}

// protocol: T4 T11
#[test]
fn the_last_leaving_drops_the_service_once_however_it_leaves() {
    for leave in 0..5 {
        let mut stage = Stage::new(2).clients(&["ann"]);
        stage.world.join(1, "bob");
        for name in ["ann", "bob"] {
            stage.world.say(name, on("A"));
        }
        stage.world.reset("ann");
        assert_eq!(stage.witness.took(), ["start A"]);
        match leave {
            0 => stage.world.say("bob", off("A")),
            1 => stage.world.reset("bob"),
            2 => stage.world.close("bob", 1000, ""),
            3 => stage.world.say("bob", "not JSON"),
            _ => stage.world.shutdown(),
        }
        assert_eq!(stage.witness.took(), ["drop A"]);
        assert_eq!(stage.world.metrics().topics, 0);
    }
}

// protocol: T11
#[test]
fn whoever_joins_while_a_service_ends_gets_its_next_life_after_the_first_is_gone() {
    for shard in 0..2 {
        let mut stage = Stage::new(2).clients(&["ann"]);
        stage.world.join(shard, "bob");
        stage.world.say("ann", on("A"));
        // Both in one turn: the leaver first.
        let leave = stage.world.frame("ann", Opcode::Text, off("A").to_string());
        let join = stage.world.frame("bob", Opcode::Text, on("A").to_string());
        stage.world.post("ann", leave);
        stage.world.post("bob", join);
        stage.world.run();
        assert_eq!(stage.heard("bob"), ["ok"]);
        let log = stage.witness.took();
        let lives = log.len() / 2;
        assert_eq!(log[..lives * 2], ["start A", "drop A"].repeat(lives));
        assert_eq!(log[lives * 2..], ["start A"]);
        assert_eq!(stage.listeners(), 1);
    }
}

#[test]
fn leaving_and_joining_again_waits_for_the_next_life() {
    let mut stage = Stage::new(1).clients(&["ann"]);
    stage.world.say("ann", on("A"));
    stage.world.say_together("ann", [off("A"), on("A"), off("A"), on("A")]);
    assert_eq!(stage.heard("ann"), ["ok"; 5]);
    let log = stage.witness.took();
    assert!(
        log.chunks(2)
            .all(|life| life[0] == "start A" && life.get(1).is_none_or(|end| end == "drop A"))
    );
    assert_eq!(log.last().map(String::as_str), Some("start A"));
    assert_eq!(stage.listeners(), 1);
}

// protocol: T15
#[test]
fn requests_that_come_together_while_the_service_starts_are_answered_in_order() {
    let mut stage = Stage::new(1).clients(&["ann"]);
    let first = starting("A", ["wait"]);
    stage.world.say_together("ann", [first, off("A"), starting("A", ["publish 7"])]);
    assert!(stage.heard("ann").is_empty());
    stage.order("go");
    assert_eq!(
        stage.world.heard("ann"),
        [
            "bars.subscribe.response",
            "bars.unsubscribe.response",
            "bars.subscribe.response",
            "bars.update"
        ]
    );
    assert_eq!(stage.listeners(), 1);
    stage.world.say_together("ann", [off("A"), on("A"), off("A")]);
    assert_eq!(stage.heard("ann"), ["ok"; 3]);
    assert_eq!(stage.listeners(), 0);
}

// protocol: T14
#[test]
fn a_start_that_refuses_leaves_nothing_and_the_next_subscriber_tries_again() {
    let mut stage = Stage::new(2).clients(&["ann", "bob"]);
    stage.world.join(1, "eve");
    stage.world.say("ann", starting("A", ["publish 1", "wait"]));
    stage.world.say("bob", on("A"));
    stage.world.say("eve", on("A"));
    stage.order("refuse");
    let reply = r#"{"type":"bars.subscribe.response","payload":{"status":"error","message":"as ordered","topic":"bars:A"}}"#;
    for name in ["ann", "bob", "eve"] {
        assert_eq!(stage.world.texts(name), [reply], "racers share the result");
    }
    assert_eq!(stage.witness.took(), ["start A", "drop A"]);
    assert_eq!((stage.listeners(), stage.world.metrics().topics), (0, 0));
    stage.world.say("eve", starting("A", ["refuse"]));
    assert_eq!(stage.heard("eve"), ["no such symbol"]);
    stage.world.say("bob", on("A"));
    assert_eq!(stage.heard("bob"), ["ok"]);
    assert_eq!(stage.witness.took(), ["start A", "drop A", "start A"]);
}

// protocol: T14
#[test]
fn a_start_that_panics_is_a_refusal() {
    for orders in [false, true] {
        let mut stage = Stage::new(1).clients(&["ann"]);
        stage.world.say("ann", starting("A", [if orders { "wait" } else { "panic" }]));
        if orders {
            stage.order("panic");
        }
        assert_eq!(stage.heard("ann"), ["the topic has failed"]);
        assert_eq!(stage.listeners(), 0);
        stage.world.say("ann", on("A"));
        assert_eq!(stage.heard("ann"), ["ok"]);
        assert_eq!(stage.witness.took(), ["start A", "drop A", "start A"]);
    }
}

// protocol: T14 L9
#[test]
fn a_start_that_takes_longer_than_10_seconds_is_refused_and_dropped() {
    let mut stage = Stage::new(1).clients(&["ann"]);
    stage.world.say("ann", starting("A", ["wait"]));
    stage.wait(9_999);
    assert!(stage.heard("ann").is_empty());
    stage.wait(1);
    assert_eq!(stage.heard("ann"), ["the topic did not start in time"]);
    assert_eq!(stage.witness.took(), ["start A", "drop A"]);
    stage.world.say("ann", starting("A", ["sleep 9999"]));
    stage.wait(9_999);
    assert_eq!(stage.heard("ann"), ["ok"]);
}

// protocol: T17 T19
#[test]
fn a_service_that_ends_or_panics_while_it_runs_has_no_listeners_and_can_start_afresh() {
    for last in ["sleep 1", "panic"] {
        let mut stage = Stage::new(2).clients(&["ann"]);
        stage.world.join(1, "bob");
        stage.world.say("ann", running("A", ["sleep 1000", "publish 1", last]));
        stage.world.say("bob", on("A"));
        stage.wait(1_001);
        let end = if last == "panic" { "!failed" } else { "!ended" };
        assert_eq!(stage.heard("ann"), ["ok", "1", end]);
        assert_eq!(stage.heard("bob"), ["ok", "1", end]);
        assert_eq!((stage.listeners(), stage.world.metrics().topics), (0, 0));
        assert_eq!(stage.witness.took(), ["start A", "drop A"]);
        stage.world.say("bob", on("A"));
        assert_eq!((stage.heard("bob"), stage.listeners()), (vec!["ok".into()], 1));
        assert_eq!(stage.witness.took(), ["start A"]);
    }
}

#[test]
fn a_service_that_ends_as_soon_as_it_has_started_leaves_no_listener_without_a_service() {
    for (last, end) in [("sleep 0", "!ended"), ("refuse", "!refused"), ("panic", "!failed")] {
        let mut stage = Stage::new(2).clients(&["ann"]);
        stage.world.join(1, "bob");
        stage.world.say(
            "ann",
            json!({"type": "bars.subscribe", "payload": {
                "symbol": "A", "start": ["wait"], "run": ["publish 1", "error", last],
            }}),
        );
        stage.world.say("bob", on("A"));
        stage.order("go");
        assert_eq!(stage.witness.took(), ["start A", "drop A"]);
        assert_eq!((stage.listeners(), stage.world.metrics().topics), (0, 0));
        for name in ["ann", "bob"] {
            assert_eq!(stage.heard(name), ["ok", "1", "?late", end], "{name}");
        }
        stage.world.say("ann", on("A"));
        assert_eq!((stage.heard("ann"), stage.listeners()), (vec!["ok".into()], 1));
        assert_eq!(stage.witness.took(), ["start A"]);
    }
}

// protocol: T17 T18
#[test]
fn a_fault_that_a_service_gets_over_is_told_to_every_listener_and_ends_nothing() {
    let mut stage = Stage::new(2).clients(&["ann", "zoe"]);
    stage.world.join(1, "bob");
    let steps = ["sleep 10", "publish 1", "error", "publish 2", "sleep 10", "refuse"];
    stage.world.say("ann", running("A", steps));
    stage.world.say("bob", on("A"));
    stage.world.say("zoe", on("B"));
    stage.wait(10);
    assert_eq!(
        stage.world.texts("ann")[2],
        r#"{"type":"bars.error","topic":"bars:A","payload":{"topic":"bars:A","code":"late","message":"the exchange is late","recoverable":true,"retry_after_ms":1500}}"#
    );
    assert_eq!(
        (stage.heard("bob"), stage.listeners()),
        (["ok", "1", "?late", "2"].map(String::from).to_vec(), 3)
    );
    stage.wait(10);
    let end = r#"{"type":"bars.error","topic":"bars:A","payload":{"topic":"bars:A","code":"refused","message":"no such symbol","recoverable":false}}"#;
    assert_eq!(stage.world.texts("ann"), [end]);
    assert_eq!(stage.world.texts("bob"), [end]);
    assert_eq!((stage.heard("zoe"), stage.listeners()), (vec!["ok".into()], 1));
}

// protocol: T20
#[test]
fn what_an_earlier_life_says_late_does_not_touch_the_present_one() {
    thread_local! {
        static KEPT: std::cell::RefCell<Vec<Updates<Bar>>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    let bars = TopicRoute::<Request, Bar>::new("bars")
        .topic(|request| [request.symbol.clone()])
        .service(async |_: Request, updates: Updates<Bar>| {
            KEPT.with_borrow_mut(|kept| kept.push(updates));
            std::future::pending::<()>().await
        });
    let mut world = World::with(Config::default(), 2, Api::new("Bars", "1").include(bars));
    world.join(0, "ann");
    world.join(1, "bob");
    world.say_together("ann", [on("A"), off("A"), on("A")]);
    world.say("bob", on("A"));
    for life in [0, 1] {
        KEPT.with_borrow(|kept| {
            assert_eq!(kept.len(), 2);
            kept[life].publish(&Bar { close: 1 });
            kept[life].error(hiccup());
        });
        world.run();
        for (name, replies) in [("ann", 3), ("bob", 1)] {
            let heard = world.heard(name);
            match life {
                0 => assert_eq!(heard.len(), replies, "{name} hears nothing of an earlier life"),
                _ => assert_eq!(heard, ["bars.update", "bars.error"]),
            }
        }
    }
    KEPT.take();
}

#[test]
fn a_handler_that_holds_its_place_while_the_service_ends_gets_no_subscription() {
    let mut stage = Stage::new(1).clients(&["ann", "bob"]);
    stage.world.say("bob", running("A", ["sleep 1000"]));
    stage.world.say("ann", json!({"type": "hold", "payload": {"symbol": "A"}}));
    stage.wait(1_000);
    assert_eq!(stage.witness.took(), ["start A", "drop A"]);
    stage.order("go");
    assert_eq!((stage.heard("ann"), stage.listeners()), (vec!["ok".into(), "!ended".into()], 0));
    stage.world.say("bob", on("A"));
    assert_eq!(stage.heard("bob"), ["ok", "!ended", "ok"]);
    assert_eq!(stage.witness.took(), ["start A"]);
}

#[test]
fn a_topic_that_ends_before_a_handler_that_has_subscribed_twice_says_so_once() {
    let second = Duration::from_secs(1);
    let bars = TopicRoute::<String, Bar>::new("bars")
        .topic(String::clone)
        .service(async move |_: String, updates: Updates<Bar>| updates.sleep(second).await);
    let route = bars.clone();
    let twice = move |Payload(symbol): Payload<String>, client: Client, clock: Clock| {
        let route = route.clone();
        async move {
            for _ in 0..2 {
                route.subscribe(&client, &symbol).await?;
            }
            clock.sleep(second + second).await;
            Ok::<_, Refused>(())
        }
    };
    let router = Router::new().send("twice", "twice.response", twice).include(bars);
    let mut world = World::new(Api::new("Bars", "1").include(router)).client("ann");
    world.say("ann", r#"{"type":"twice","payload":"A"}"#);
    world.advance(second + second);
    assert_eq!(world.heard("ann"), ["twice.response", "bars.error"]);
}

#[test]
fn a_place_that_is_held_keeps_the_service_alive_until_the_handler_ends() {
    for order in ["go", "fail"] {
        let mut stage = Stage::new(1).clients(&["ann"]);
        stage.world.say("ann", json!({"type": "hold", "payload": {"symbol": "A"}}));
        stage.wait(60_000);
        assert_eq!((stage.witness.took(), stage.listeners()), (vec!["start A".into()], 0));
        stage.order(order);
        let (listeners, log) = (stage.listeners(), stage.witness.took());
        match order {
            "go" => assert_eq!((listeners, log.len()), (1, 0)),
            _ => assert_eq!((listeners, log), (0, vec!["drop A".into()])),
        }
    }
}

#[test]
fn a_subscription_that_nobody_waits_for_any_more_is_none() {
    let mut stage = Stage::new(1).clients(&["ann"]);
    let glance = json!({"type": "glance", "payload": {"symbol": "A", "start": ["sleep 1000"]}});
    stage.world.say("ann", &glance);
    stage.wait(999);
    assert_eq!(stage.witness.took(), ["start A"]);
    stage.order("go away");
    assert_eq!(stage.world.messages("ann")[0]["payload"], false);
    assert_eq!((stage.witness.took(), stage.listeners()), (vec!["drop A".into()], 0));
    stage.world.say("ann", &glance);
    stage.wait(1_000);
    assert_eq!(stage.world.messages("ann")[0]["payload"], true);
    assert_eq!((stage.witness.took(), stage.listeners()), (vec!["start A".into()], 1));
}

// protocol: T5
#[test]
fn disconnecting_while_a_service_starts_leaves_nothing_running() {
    for vanish in [false, true] {
        for start in ["wait", "sleep 1000"] {
            let mut stage = Stage::new(1).clients(&["ann"]);
            stage.world.say("ann", starting("A", [start]));
            stage.gate.order("go");
            match vanish {
                true => stage.world.vanish("ann"),
                false => stage.world.close("ann", 1000, ""),
            }
            if !vanish && start == "wait" {
                // The close waits in its place: the call ends first.
                assert_eq!(stage.heard("ann"), ["ok"]);
            }
            stage.wait(5_000);
            assert!(stage.world.gone("ann"));
            assert_eq!(stage.witness.took(), ["start A", "drop A"]);
            assert_eq!(stage.world.metrics().topics, 0);
        }
    }
}

#[test]
fn one_racer_may_leave_while_the_service_starts_and_the_others_get_it() {
    for leaver in ["ann", "bob"] {
        let mut stage = Stage::new(1).clients(&["ann", "bob"]);
        for name in ["ann", "bob"] {
            stage.world.say(name, starting("A", ["sleep 1000"]));
        }
        stage.world.reset(leaver);
        stage.wait(1_000);
        let stayer = if leaver == "ann" { "bob" } else { "ann" };
        assert_eq!((stage.heard(stayer), stage.listeners()), (vec!["ok".into()], 1));
        assert_eq!(stage.witness.took(), ["start A"]);
    }
}

#[test]
fn the_owner_may_leave_while_another_shard_listens() {
    let mut stage = Stage::new(2).clients(&["ann"]);
    stage.world.join(1, "bob");
    stage.world.say("ann", starting("A", ["sleep 1000"]));
    stage.world.say("bob", on("A"));
    stage.world.reset("ann");
    stage.wait(1_000);
    assert_eq!(stage.heard("bob"), ["ok"]);
    assert_eq!(stage.witness.took(), ["start A"]);
    stage.world.say("bob", off("A"));
    assert_eq!(stage.witness.took(), ["drop A"]);
}

// protocol: M16
#[test]
fn no_update_overtakes_the_reply_also_when_the_service_publishes_in_its_start() {
    for shards in 1..=2 {
        let mut stage = Stage::new(shards).clients(&["ann", "bob"]);
        stage.world.join(shards - 1, "eve");
        let request = json!({"type": "bars.subscribe", "payload": {
            "symbol": "A",
            "start": ["publish 1", "sleep 500", "publish 2", "sleep 500", "publish 3"],
            "run": ["publish 4", "sleep 500", "publish 5", "wait"],
        }});
        for name in ["ann", "bob", "eve"] {
            let frame = stage.world.frame(name, Opcode::Text, request.to_string());
            stage.world.post(name, frame);
        }
        stage.wait(1_500);
        for name in ["ann", "bob", "eve"] {
            assert_eq!(stage.heard(name), ["ok", "1", "2", "3", "4", "5"], "{name}");
        }
    }
}

#[test]
fn what_is_held_for_a_start_is_bounded_and_the_newest_stays() {
    let mut stage = Stage::new(1).clients(&["ann"]);
    let mut start: Vec<String> = (0..1_500).map(|close| format!("publish {close}")).collect();
    start.push("wait".into());
    let request = json!({"type": "bars.subscribe", "payload": {"symbol": "A", "start": start}});
    stage.world.say("ann", request);
    stage.order("go");
    let heard = stage.heard("ann");
    assert_eq!(heard.len(), 1 + 1_024);
    assert_eq!(heard.last().map(String::as_str), Some("1499"));
}

// protocol: T1
#[test]
fn updates_of_a_service_reach_the_listeners_of_its_topic_and_nobody_else() {
    let mut stage = Stage::new(1).clients(&["ann", "bob", "eve"]);
    stage
        .world
        .say("ann", running("A", ["sleep 1000", "publish 1", "sleep 1000", "publish 2", "wait"]));
    stage.world.say("bob", running("B", ["sleep 1000", "publish 3", "wait"]));
    stage.wait(1_000);
    stage.world.say("eve", on("A"));
    stage.wait(1_000);
    assert_eq!(stage.heard("ann"), ["ok", "1", "2"]);
    assert_eq!(stage.heard("bob"), ["ok", "3"]);
    assert_eq!(stage.heard("eve"), ["ok", "2"]);
}

// protocol: T14 E13
#[test]
fn more_topics_than_allowed_are_refused_and_start_nothing() {
    let config = Config { topics_per_connection: 1, ..Config::default() };
    let mut stage = Stage::with(config, 1).clients(&["ann"]);
    stage.world.say_together("ann", [on("A"), on("B"), on("A"), off("A"), on("B")]);
    let full = "this connection has as many topics as it may have";
    assert_eq!(stage.heard("ann"), ["ok", full, "ok", "ok", "ok"]);
    assert_eq!(stage.witness.took(), ["start A", "drop A", "start B"]);
}

#[test]
fn a_topic_with_a_service_is_subscribed_to_through_its_route_only() {
    let mut stage = Stage::new(1).clients(&["ann"]);
    stage.world.say("ann", r#"{"type":"plain"}"#);
    let reply = &stage.world.messages("ann")[0]["payload"];
    assert_eq!(*reply, "the topic has a service: subscribe through its route");
    assert_eq!(stage.listeners(), 0);
    stage.world.say("ann", on("A:B"));
    stage.world.say("ann", on(""));
    assert_eq!(
        stage.heard("ann"),
        ["part 1 of the topic contains `:`, which separates parts", "part 1 of the topic is empty"]
    );
    assert!(stage.witness.took().is_empty());
}

// protocol: T20
#[test]
fn a_late_failure_of_an_earlier_life_does_not_touch_the_present_one() {
    // In one turn the service ends, its last listener leaves, and two others ask.
    let mut stage = Stage::new(1).clients(&["ann", "bob", "eve"]);
    stage.world.say("ann", running("A", ["wait"]));
    for (name, request) in [("bob", on("B")), ("eve", on("A"))] {
        let frame = stage.world.frame(name, Opcode::Text, request.to_string());
        stage.world.post(name, frame);
    }
    stage.gate.order("end");
    stage.world.vanish("ann");
    stage.world.run();
    let eve = stage.heard("eve");
    let lives = stage.witness.took();
    let alive = lives.iter().filter(|line| *line == "start A").count()
        - lives.iter().filter(|line| *line == "drop A").count();
    assert_eq!(stage.listeners(), 1 + alive, "a listener for each service that runs");
    assert_eq!(eve, ["ok"]);
    assert_eq!(alive, 1, "{lives:?}");
}

#[test]
fn a_shard_whose_turn_came_when_nobody_waited_any_more_passes_it_on() {
    for others in [false, true] {
        let mut stage = Stage::new(3).clients(&["ann"]);
        stage.world.join(1, "bob");
        stage.world.join(2, "eve");
        stage.world.say("ann", on("A"));
        let requests = [("ann", off("A")), ("bob", on("A")), ("eve", on("A"))];
        for (name, request) in &requests[..if others { 3 } else { 2 }] {
            let frame = stage.world.frame(name, Opcode::Text, request.to_string());
            stage.world.post(name, frame);
        }
        for shard in [0, 1, 2, 0] {
            stage.world.step(shard);
        }
        // This mail comes before the one that tells bob's shard to start the next life.
        let update = Bar { close: 1 };
        stage.world.publisher().publish("bars:A", "bars.update", &update).expect("there is room");
        stage.world.step(0);
        assert_eq!(stage.witness.took(), ["start A", "drop A"]);
        stage.world.vanish("bob");
        stage.world.run();
        let lives = stage.witness.took();
        match others {
            true => {
                assert_eq!(lives, ["start A"]);
                assert_eq!(stage.heard("eve"), ["ok", "1"]);
            }
            false => assert!(lives.is_empty()),
        }
    }
}

#[test]
fn a_service_that_panics_as_it_is_dropped_harms_nobody_and_can_start_afresh() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("as it is dropped");
        }
    }
    let bars = TopicRoute::<Request, Bar>::new("bars")
        .topic(|request| [request.symbol.clone()])
        .service(async |request: Request, updates: Updates<Bar>| {
            let bomb = Bomb;
            if request.symbol == "slow" {
                updates.sleep(Duration::from_secs(60)).await;
            }
            Ok(async move {
                let _bomb = bomb;
                std::future::pending::<()>().await
            })
        });
    let mut world = World::new(Api::new("Bars", "1").include(bars)).client("ann");
    for _ in 0..2 {
        world.say_together("ann", [on("A"), off("A"), on("slow")]);
        world.advance(Duration::from_secs(10));
        let said = world.messages("ann");
        assert_eq!(said.len(), 3);
        assert_eq!(said[2]["payload"]["status"], "error");
        assert_eq!(world.metrics().topics, 0);
    }
}

/// Shard 1 leaves mail for its next turn behind an update of `B`, to which eve listens there; bob waits
/// for `A` there.
fn stage_with_late_mail() -> Stage {
    let mut stage = Stage::with(Config { turn_bytes: 1, ..Config::default() }, 2).clients(&["ann"]);
    stage.world.join(1, "bob");
    stage.world.join(1, "eve");
    stage.world.say("eve", on("B"));
    stage
}

fn bob_leaves_and_eve_joins_before_the_mail_is_read(stage: &mut Stage) {
    stage.world.vanish("bob");
    let request = stage.world.frame("eve", Opcode::Text, starting("A", ["wait"]).to_string());
    stage.world.post("eve", request);
    stage.world.step(1);
    stage.world.run();
    assert_eq!(stage.heard("eve"), ["ok", "1"], "nobody has started the life that she waits for");
    stage.order("go");
    assert_eq!(stage.heard("eve"), ["ok"]);
    assert_eq!(stage.listeners(), 2);
}

fn publish_to_eve(stage: &mut Stage) {
    let publisher = stage.world.publisher();
    publisher.publish("bars:B", "bars.update", &Bar { close: 1 }).expect("there is room");
}

#[test]
fn news_of_an_earlier_start_does_not_answer_who_waits_for_the_next() {
    let mut stage = stage_with_late_mail();
    stage.world.say("ann", starting("A", ["wait"]));
    stage.world.say("bob", on("A"));
    publish_to_eve(&mut stage);
    stage.gate.order("go");
    stage.world.step(0);
    stage.world.vanish("ann");
    stage.world.step(0);
    bob_leaves_and_eve_joins_before_the_mail_is_read(&mut stage);
    assert_eq!(stage.witness.took(), ["start B", "start A", "drop A", "start A"]);
}

#[test]
fn a_turn_to_start_an_earlier_life_does_not_start_the_next_twice() {
    let mut stage = stage_with_late_mail();
    stage.world.say("ann", on("A"));
    for (name, request) in [("ann", off("A")), ("bob", on("A"))] {
        let frame = stage.world.frame(name, Opcode::Text, request.to_string());
        stage.world.post(name, frame);
    }
    for shard in [0, 1, 0] {
        stage.world.step(shard);
    }
    publish_to_eve(&mut stage);
    stage.world.step(0);
    bob_leaves_and_eve_joins_before_the_mail_is_read(&mut stage);
    assert_eq!(stage.witness.took(), ["start B", "start A", "drop A", "start A"]);
}

#[test]
fn a_shutdown_drops_every_service() {
    let mut stage = Stage::new(2).clients(&["ann"]);
    stage.world.join(1, "bob");
    stage.world.say("ann", on("A"));
    stage.world.say("bob", starting("B", ["wait"]));
    stage.world.shutdown();
    assert!(stage.world.is_drained());
    let log = stage.witness.took();
    assert_eq!(log[..2], ["start A", "start B"]);
    assert!(log.contains(&"drop A".into()) && log.contains(&"drop B".into()));
}

#[test]
fn a_topic_route_keeps_its_updates_within_the_routers_that_include_it() {
    let bars = TopicRoute::<Request, Bar>::new("bars")
        .topic(|request| [request.symbol.clone()])
        .service(async |_: Request, updates: Updates<Bar>| {
            updates.publish(&Bar { close: 1 });
            Ok(std::future::pending::<()>())
        });
    let router = Router::new().prefix("v1.").include(Router::new().prefix("eu.").include(bars));
    let mut world = World::new(Api::new("Bars", "1").include(router)).client("ann");
    world.say("ann", r#"{"type":"v1.eu.bars.subscribe","payload":{"symbol":"A"}}"#);
    assert_eq!(world.heard("ann"), ["v1.eu.bars.subscribe.response", "v1.eu.bars.update"]);
}

#[test]
fn who_comes_back_in_time_finds_the_service_that_was_left() {
    let mut stage = Stage::lingering(Config::default(), 2, 500).clients(&["ann"]);
    stage.world.join(1, "bob");
    let steps = ["sleep 100", "publish 1", "sleep 600", "publish 2", "wait"];
    stage.world.say("ann", running("A", steps));
    stage.world.say_together("ann", [off("A"), on("A"), off("A")]);
    stage.wait(499);
    stage.world.say("bob", on("A"));
    stage.wait(400);
    assert_eq!(stage.heard("bob"), ["ok", "2"]);
    stage.world.vanish("bob");
    stage.wait(499);
    assert_eq!((stage.witness.took(), stage.world.metrics().topics), (vec!["start A".into()], 0));
    stage.wait(1);
    assert_eq!(stage.witness.took(), ["drop A"]);
}

#[test]
fn a_start_that_is_left_and_a_server_that_ends_wait_for_nobody() {
    let mut stage = Stage::lingering(Config::default(), 2, 60_000).clients(&["ann", "bob"]);
    stage.world.say("ann", starting("A", ["wait"]));
    stage.world.reset("ann");
    assert_eq!(stage.witness.took(), ["start A", "drop A"]);
    stage.world.say_together("bob", [on("A"), off("A"), on("B")]);
    assert_eq!(stage.witness.took(), ["start A", "start B"]);
    stage.world.shutdown();
    stage.wait(10_000);
    assert!(stage.world.is_drained());
    assert_eq!(stage.witness.took(), ["drop A", "drop B"]);
}

#[test]
fn a_service_that_ends_while_nobody_listens_starts_afresh_for_who_comes_back() {
    let mut stage = Stage::lingering(Config::default(), 1, 1_000).clients(&["ann"]);
    stage.world.say("ann", running("A", ["sleep 500"]));
    stage.world.say("ann", off("A"));
    stage.wait(500);
    assert_eq!(stage.witness.took(), ["start A", "drop A"]);
    stage.world.say("ann", on("A"));
    stage.wait(1_000);
    assert_eq!(stage.heard("ann"), ["ok", "ok", "ok"]);
    assert_eq!(stage.witness.took(), ["start A"]);
    stage.world.say("ann", off("A"));
    stage.wait(1_000);
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit) as usize
    }
}

// protocol: T11
#[test]
fn lives_of_a_topic_never_overlap_and_nobody_listens_to_a_dead_one() {
    const STARTS: [&[&str]; 6] = [
        &[],
        &["sleep 10"],
        &["publish 1", "sleep 50"],
        &["sleep 5", "refuse"],
        &["refuse"],
        &["panic"],
    ];
    const RUNS: [&[&str]; 5] =
        [&[], &[], &["publish 3"], &["sleep 30"], &["publish 2", "sleep 20", "panic"]];
    for seed in 1..=150 {
        let mut dice = Dice(seed);
        let shards = 1 + dice.below(3);
        let linger = [0, 20][dice.below(2)];
        let mut stage = Stage::lingering(Config::default(), shards, linger);
        let publisher = stage.world.publisher();
        let names = ["ann", "bob", "eve", "joe", "zoe"];
        for name in names {
            stage.world.join(dice.below(shards as u64), name);
        }
        for _ in 0..120 {
            let name = names[dice.below(5)];
            let symbol = ["A", "B"][dice.below(2)];
            let request = match dice.below(8) {
                0..=3 => json!({"type": "bars.subscribe", "payload": {
                    "symbol": symbol, "start": STARTS[dice.below(6)], "run": RUNS[dice.below(5)],
                }}),
                4 | 5 => off(symbol),
                6 => {
                    json!({"type": "glance", "payload": {"symbol": symbol, "start": ["sleep 10"]}})
                }
                _ => {
                    stage.world.vanish(name);
                    if dice.below(2) == 0 {
                        stage.world.run();
                    }
                    stage.world.run();
                    stage.world.join(dice.below(shards as u64), name);
                    continue;
                }
            };
            let frame = stage.world.frame(name, Opcode::Text, request.to_string());
            stage.world.post(name, frame);
            match dice.below(8) {
                0 => stage.wait(dice.below(40) as u64),
                1 => stage.world.run(),
                2 => publisher.publish("bars:A", "bars.update", &Bar { close: 4 }).expect("room"),
                _ => stage.world.step(dice.below(shards as u64)),
            }
        }
        stage.wait(60_000);
        let log = stage.witness.took();
        let mut alive = 0;
        for symbol in ["A", "B"] {
            let lives: Vec<&str> =
                log.iter().filter_map(|line| line.strip_suffix(symbol)).map(str::trim).collect();
            let proper = lives
                .iter()
                .enumerate()
                .all(|(at, word)| *word == if at % 2 == 0 { "start" } else { "drop" });
            assert!(proper, "seed {seed}: lives of {symbol} overlap: {lives:?}");
            alive += lives.len() % 2;
        }
        assert_eq!(stage.world.metrics().topics, alive, "seed {seed}: a topic for each service");
        for name in names {
            stage.world.say_together(name, [off("A"), off("B")]);
        }
        stage.wait(linger);
        assert_eq!(stage.witness.took().len(), alive, "seed {seed}: the last leaving drops it");
    }
}
