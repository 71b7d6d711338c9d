//! Topics of a real server: who listens, how long a topic's service lives, what is said about it.

use crate::binding::{Api, App, Client as Caller, Config, Fault, Router, TopicRoute, Updates};
use crate::real::{Served, bind, serve, serve_with};
use fastws_core::canonical::Style;
use fastws_tests::client::{Client, until};
use fastws_tests::stage::{Bars, act, bars, later, off, on, stage};
use fastws_tests::witness::{Gate, Witness};
use serde_json::{Value, json};
use std::num::NonZeroUsize;

/// What a test sees from inside: what services and handlers did, and the gate that they wait at.
#[derive(Default)]
struct Inside {
    witness: Witness,
    gate: Gate,
    /// What goes wrong with a service.
    faults: Gate,
}

impl Inside {
    /// The stage with topics of [`bars`], and the number of all subscriptions.
    fn api(&self) -> Api {
        let bars = bars(&self.witness, &self.gate, &self.faults)
            .respond_with(|request| json!({"symbol": request.symbol}));
        let count = |app: App| app.metrics().subscriptions;
        stage(&self.witness, &self.gate).include(bars).include(Router::new().send(
            "subscriptions",
            "count",
            count,
        ))
    }

    fn serve(&self, shards: usize) -> Served {
        let shards = NonZeroUsize::new(shards).expect("it is not zero");
        Served::new(bind().shards(shards).start(self.api()).expect("the API has no mistake"))
    }
}

fn did(client: &mut Client, steps: &[&str]) -> Value {
    client.ask("act", "act.response", json!(steps))
}

/// Asks until the server has as many subscriptions.
fn until_subscriptions(client: &mut Client, count: u64) {
    until(|| client.ask("subscriptions", "count", Value::Null) == count);
}

// protocol: T1
#[test]
fn an_update_reaches_the_subscribers_of_its_topic_and_nobody_else() {
    let server = Inside::default().serve(2);
    let [mut ann, mut bob, mut eve] = [(); 3].map(|()| server.client());
    did(&mut ann, &["subscribe a", "subscribe b"]);
    did(&mut bob, &["subscribe b", "subscribe ba"]);
    let said = did(&mut eve, &["publish a 1", "publish c 2", "publish b 3"]);
    assert_eq!(said, json!(["published", "published", "published"]));
    assert_eq!([(); 2].map(|()| ann.hear()["topic"].take()), ["a", "b"]);
    assert_eq!(bob.hear()["topic"], "b");
    for client in [&mut ann, &mut bob, &mut eve] {
        assert_eq!(client.ask("echo", "echo.response", json!("nothing more")), "nothing more");
    }
}

// protocol: T2 T3
#[test]
fn subscribing_twice_is_once_and_unsubscribing_from_nothing_is_no_error() {
    let server = Inside::default().serve(1);
    let mut ann = server.client();
    did(&mut ann, &["unsubscribe never"]);
    did(&mut ann, &["subscribe a", "subscribe a"]);
    did(&mut ann, &["subscribe a", "publish a 1"]);
    assert_eq!(ann.hear_payload("news")["value"], 1);
    assert_eq!(did(&mut ann, &["unsubscribe a", "publish a 2", "topics"])[2], "");
    assert_eq!(ann.ask("subscriptions", "count", Value::Null), 0);
}

// protocol: T4 T6 T11
#[test]
fn a_service_ends_with_its_last_listener_however_that_one_leaves() {
    for way in ["unsubscribe", "close", "vanish", "mistake", "failure"] {
        let inside = Inside::default();
        let server = inside.serve(2);
        let [mut ann, mut bob, mut eve] = [(); 3].map(|()| server.client());
        for client in [&mut ann, &mut bob] {
            // Again and again, as a keep-alive does.
            for _ in 0..3 {
                client.say_text(on("A"));
                assert_eq!(client.hear_but("bars.update")["payload"]["status"], "ok");
            }
        }
        assert_eq!(eve.ask("subscriptions", "count", Value::Null), 2, "a moment old at most");
        ann.leave();
        until_subscriptions(&mut eve, 1);
        assert_eq!(inside.witness.took(), ["start A"]);
        let rest = match way {
            "unsubscribe" => {
                bob.say_text(off("A"));
                assert_eq!(bob.hear_but("bars.update")["payload"]["status"], "ok");
                Some(bob)
            }
            "close" => {
                bob.leave();
                None
            }
            "vanish" => {
                drop(bob);
                None
            }
            "mistake" => {
                bob.say_text("what?");
                Some(bob)
            }
            _ => {
                bob.say_text(act(["panic"]));
                Some(bob)
            }
        };
        until_subscriptions(&mut eve, 0);
        eve.leave();
        drop((rest, server));
        assert_eq!(inside.witness.took(), ["drop A"], "{way}");
    }
}

// protocol: T5
#[test]
fn what_a_handler_wishes_after_its_client_has_gone_has_no_effect() {
    let inside = Inside::default();
    let server = inside.serve(1);
    let [mut ann, mut bob] = [(); 2].map(|()| server.client());
    did(&mut ann, &["subscribe a"]);
    did(&mut bob, &["subscribe a"]);
    ann.say_text(later(["subscribe b", "wait"]));
    until(|| inside.witness.took() == ["waits"]);
    drop(ann);
    until_subscriptions(&mut bob, 1);
    inside.gate.order("publish a 7");
    until(|| inside.witness.took() == ["goes on with publish a 7"]);
    assert_eq!(bob.ask("subscriptions", "count", Value::Null), 1, "and no update before it");
}

// protocol: T5
#[test]
fn a_client_that_goes_while_its_topic_starts_leaves_nothing_running() {
    let inside = Inside::default();
    let server = inside.serve(2);
    let mut ann = server.client();
    ann.say_text(on("SLOW"));
    until(|| inside.witness.took() == ["start SLOW"]);
    drop(ann);
    drop(server);
    assert_eq!(inside.witness.took(), ["drop SLOW"]);
}

// protocol: T11
#[test]
fn lives_of_a_topic_never_overlap_also_when_threads_race() {
    let inside = Inside::default();
    let server = inside.serve(4);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let server = &server;
            scope.spawn(move || {
                for round in 0..40 {
                    let mut client = server.client();
                    client.say_text(on("A"));
                    assert_eq!(client.hear_but("bars.update")["payload"]["status"], "ok");
                    match (thread + round) % 3 {
                        0 => client.leave(),
                        1 => drop(client),
                        _ => {
                            client.say_text(off("A"));
                            assert_eq!(client.hear_but("bars.update")["payload"]["status"], "ok");
                        }
                    }
                }
            });
        }
    });
    drop(server);
    let lives = inside.witness.took();
    assert!(lives.len() % 2 == 0 && !lives.is_empty());
    assert!(lives.chunks(2).all(|life| life == ["start A", "drop A"]), "{lives:?}");
}

// protocol: T10 T12 T13
#[test]
fn a_route_brings_three_operations_and_both_responses_say_what_became_of_it() {
    let server = Inside::default().serve(2);
    let mut client = server.client();
    client.say_text(on("A"));
    let said = json!({"status": "ok", "symbol": "A", "message": "Subscribed to bars:A", "topic": "bars:A"});
    assert_eq!(client.hear(), json!({"type": "bars.subscribe.response", "payload": said}));
    assert_eq!(client.hear_text(), r#"{"type":"bars.update","topic":"bars:A","payload":1}"#);
    client.say_text(off("A"));
    let said = json!({"status": "ok", "symbol": "A", "message": "Unsubscribed from bars:A", "topic": "bars:A"});
    assert_eq!(client.hear(), json!({"type": "bars.unsubscribe.response", "payload": said}));
}

// protocol: T7 T13 T14 E13
#[test]
fn a_subscription_that_is_refused_says_why_and_leaves_nothing() {
    let config = Config { topics_per_connection: 1, ..Config::default() };
    let server = serve_with(config, Inside::default().api());
    let mut client = server.client();
    let mut refused = |symbol: &str, topic: &str, message: &str| {
        client.say_text(on(symbol));
        let said = json!({"status": "error", "symbol": symbol, "message": message, "topic": topic});
        assert_eq!(client.hear_but("bars.update")["payload"], said);
    };
    refused("NOPE", "bars:NOPE", "there is no symbol NOPE");
    refused("A:B", "", "part 1 of the topic contains `:`, which separates parts");
    assert_eq!(did(&mut client, &["topics", "subscribe a"]), json!(["", "subscribed"]));
    let mut refused = |symbol: &str, topic: &str, message: &str| {
        client.say_text(on(symbol));
        let said = json!({"status": "error", "symbol": symbol, "message": message, "topic": topic});
        assert_eq!(client.hear()["payload"], said);
    };
    refused("A", "bars:A", "this connection has as many topics as it may have");
    assert_eq!(did(&mut client, &["topics", "subscribe b"])[0], "a");
    assert_eq!(client.ask("subscriptions", "count", Value::Null), 1);
}

// protocol: T21
#[test]
fn a_listener_of_a_route_that_keeps_its_last_update_gets_it_right_after_the_reply() {
    let last = TopicRoute::<(), u32>::new("last").retain_last();
    let shards = NonZeroUsize::new(2).expect("it is not zero");
    let server = bind().shards(shards).start(Api::new("Last", "1").include(last));
    let server = Served::new(server.expect("the API has no mistake"));
    let publisher = server.handle().publisher();
    let mut clients = Vec::new();
    for number in 0..8_u32 {
        let mut client = server.client();
        let said = client.ask("last.subscribe", "last.subscribe.response", Value::Null);
        assert_eq!(said["status"], "ok");
        if number > 0 {
            assert_eq!(client.hear_payload("last.update"), number - 1);
        }
        clients.push(client);
        publisher.publish("last", "last.update", &number).expect("the inboxes have room");
        for client in &mut clients {
            assert_eq!(client.hear_payload("last.update"), number);
        }
    }
}

// protocol: T8 T9 T10
#[test]
fn equal_parameters_are_one_topic_in_whatever_order_they_come() {
    for (style, topic) in [
        (Style::Rfc8785, r#"candles:{"deep":{"a":[1,""],"b":9007199254740993},"symbol":"Ö"}"#),
        (
            Style::Python,
            r#"candles:{"deep":{"a":[1.0,""],"b":9007199254740993},"symbol":"\u00d6"}"#,
        ),
    ] {
        let route = TopicRoute::<Value, u32>::new("candles").canonical(style);
        let count = |app: App| app.metrics().subscriptions;
        let count = Router::new().send("subscriptions", "count", count);
        let server = serve(Api::new("Candles", "1").include(route).include(count));
        let mut client = server.client();
        for payload in [
            r#"{"symbol":"Ö","deep":{"b":9007199254740993,"a":[1.0,null]}}"#,
            r#"{ "deep": {"a": [1.0, ""], "b": 9007199254740993}, "symbol": "\u00d6" }"#,
        ] {
            client.say_text(format!(r#"{{"type":"candles.subscribe","payload":{payload}}}"#));
            assert_eq!(client.hear_payload("candles.subscribe.response")["topic"], topic);
        }
        assert_eq!(client.ask("subscriptions", "count", Value::Null), 1);
        server
            .handle()
            .publisher()
            .publish(topic, "candles.update", &7_u32)
            .expect("there is room");
        assert_eq!(client.hear()["topic"], topic);
    }
}

// protocol: T17 T18 T19
#[test]
fn a_service_says_what_is_wrong_with_its_topic_and_ends_it_where_it_must() {
    let inside = Inside::default();
    let server = inside.serve(2);
    let mut clients = [(); 4].map(|()| server.client());
    for (number, client) in clients.iter_mut().enumerate() {
        client.say_text(on("A"));
        assert_eq!(client.hear()["payload"]["status"], "ok");
        if number == 0 {
            // The only update comes before the others do.
            assert_eq!(client.hear_payload("bars.update"), 1);
        }
    }
    let error = |code: &str, message: &str, recoverable: bool| json!({"topic": "bars:A", "code": code, "message": message, "recoverable": recoverable});
    inside.faults.order("late");
    for client in &mut clients {
        let mut late = error("late", "the exchange is late", true);
        late["retry_after_ms"] = json!(1500);
        let message = json!({"type": "bars.error", "topic": "bars:A", "payload": late});
        assert_eq!(client.hear(), message);
        assert_eq!(client.ask("subscriptions", "count", Value::Null), 4);
    }
    inside.faults.order("end");
    for client in &mut clients {
        let closed = error("closed", "the exchange is closed", false);
        assert_eq!(client.hear_payload("bars.error"), closed);
    }
    let client = &mut clients[0];
    until_subscriptions(client, 0);
    client.say_text(on("A"));
    assert_eq!(client.hear()["payload"]["status"], "ok");
    assert_eq!(client.hear_payload("bars.update"), 1);
    assert_eq!(inside.witness.took(), ["start A", "drop A", "start A"]);
}

// protocol: T15
#[test]
fn requests_that_come_together_get_a_reply_each_and_the_last_decides() {
    for (requests, count) in [([on("A"), off("A"), on("A")], 1), ([off("A"), on("A"), off("A")], 0)]
    {
        let inside = Inside::default();
        let server = inside.serve(2);
        let mut client = server.client();
        client.say_together(&requests);
        for request in &requests {
            let reply = client.hear_but("bars.update");
            let kind = request["type"].as_str().expect("it is text");
            assert_eq!(reply["type"], format!("{kind}.response"));
            assert_eq!(reply["payload"]["status"], "ok");
        }
        client.say("subscriptions", Value::Null);
        assert_eq!(client.hear_but("bars.update")["payload"], count);
    }
}

// protocol: T15
#[test]
fn requests_wait_for_a_topic_that_starts_and_the_last_decides() {
    let inside = Inside::default();
    let server = inside.serve(2);
    let mut client = server.client();
    client.say_together([on("SLOW"), off("SLOW"), on("SLOW"), off("SLOW")]);
    until(|| inside.witness.took() == ["start SLOW"]);
    inside.gate.order("go");
    inside.gate.order("go");
    let kinds = [(); 4].map(|()| client.hear_but("bars.update")["type"].take());
    let [on, off] = ["bars.subscribe.response", "bars.unsubscribe.response"];
    assert_eq!(kinds, [on, off, on, off]);
    assert_eq!(client.ask("subscriptions", "count", Value::Null), 0);
}

// protocol: T16
#[test]
fn wishes_take_effect_in_the_order_of_their_calls() {
    let server = Inside::default().serve(1);
    let mut client = server.client();
    did(
        &mut client,
        &["publish a 1", "subscribe a", "publish a 2", "unsubscribe a", "publish a 3"],
    );
    assert_eq!(client.hear_payload("news")["value"], 2);
    assert_eq!(client.ask("echo", "echo.response", json!("nothing more")), "nothing more");
}

// protocol: M6
#[test]
fn a_route_may_name_the_topic_inside_the_payload_whoever_publishes() {
    let service = async |request: Bars, updates: Updates<u32>| {
        updates.publish(&1);
        if request.symbol == "ENDS" {
            return Err(Fault::new("closed", "the exchange is closed"));
        }
        std::future::pending().await
    };
    let bars = TopicRoute::<Bars, u32>::new("bars")
        .topic(|request| [request.symbol.clone()])
        .topic_in_payload()
        .retain_last()
        .service(service);
    let publish = Router::new()
        .send("publish", None, |client: Caller| client.publish("bars:A\"", "bars.update", &2_u32));
    let server = serve(Api::new("Bars", "1").include(bars).include(publish));
    let mut client = server.client();
    let response = |kind: &str| format!("bars.{kind}.response");
    client.ask("bars.subscribe", &response("subscribe"), json!({"symbol": "A\""}));
    let update = |value| {
        let topic = json!("bars:A\"");
        format!(r#"{{"type":"bars.update","payload":{{"topic":{topic},"payload":{value}}}}}"#)
    };
    assert_eq!(client.hear_text(), update(1));
    client.say("publish", json!(null));
    assert_eq!(client.hear_text(), update(2));
    let publisher = server.handle().publisher();
    publisher.publish("bars:A\"", "bars.update", &3_u32).expect("it is declared");
    assert_eq!(client.hear_text(), update(3));
    // What the topic said last is said the same way.
    let mut late = server.client();
    late.ask("bars.subscribe", &response("subscribe"), json!({"symbol": "A\""}));
    assert_eq!(late.hear_text(), update(3));
    // Its errors have a topic in their payload in any case.
    late.ask("bars.subscribe", &response("subscribe"), json!({"symbol": "ENDS"}));
    late.hear_payload("bars.update");
    assert_eq!(late.hear_payload("bars.error")["topic"], "bars:ENDS");
    let nobody = publisher.broadcast("bars.update", &4_u32).err().map(|error| error.to_string());
    assert_eq!(nobody.as_deref(), Some("the topic is empty"));
}
