//! The figures of a server, and the text in which Prometheus reads them.

use crate::real::{TWO, bind, serve, start};
use fastws_core::api::Api;
use fastws_core::config::{Config, SlowConsumer};
use fastws_core::extract::Payload;
use fastws_core::respond::Refused;
use fastws_core::router::Router;
use fastws_core::service::Updates;
use fastws_core::topic_route::TopicRoute;
use fastws_host::test_client::TestClient;
use fastws_tests::client::until;
use fastws_tests::stage::{News, act, stage};
use fastws_tests::witness::{Gate, Witness};
use fastws_tests::world::{HANDSHAKE, World};
use serde_json::json;
use std::collections::BTreeMap;

/// Handlers that do not wait and that do, and a service that is there for one name only.
fn api() -> Api {
    let rooms = TopicRoute::new("rooms").topic(|name: &String| [name.clone()]).service(
        async |name: String, updates: Updates<u64>| match &*name {
            "hall" => Ok(async move {
                updates.publish(&1);
                std::future::pending::<()>().await;
            }),
            _ => Err(Refused::new("there is no such room")),
        },
    );
    let router = Router::new()
        .send("double", "doubled", |Payload(number): Payload<i64>| 2 * number)
        .send("halve", "halved", async |Payload(number): Payload<i64>| number / 2);
    Api::new("Figures", "1").include(router).include(rooms).post("/a\"\\b", || ())
}

/// The samples of a text, by name and labels as they are written. What is no text of OpenMetrics is a
/// panic: each sample stands below the head of its family, and nothing behind the end.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let (mut samples, mut family) = (BTreeMap::new(), ["", ""]);
    let text = text.strip_suffix("# EOF\n").expect("a text tells that it is whole");
    for line in text.lines() {
        match line.strip_prefix("# ").map(|head| head.splitn(3, ' ').collect::<Vec<_>>()) {
            Some(head) => match head[..] {
                ["HELP", name, help] => {
                    assert!(name.starts_with("fastws_") && !help.is_empty(), "{line}");
                    family = [name, ""];
                }
                ["TYPE", name, kind] if name == family[0] => family[1] = kind,
                ["UNIT", name, unit] => assert!(name == family[0] && name.ends_with(unit)),
                _ => panic!("what is this: {line}"),
            },
            None => {
                let (key, value) = line.rsplit_once(' ').expect("a sample has a value");
                let name = key.split('{').next().expect("a split has a first part");
                let end = name.strip_prefix(family[0]).expect("it is of the family above");
                let ends: &[&str] = match family[1] {
                    "gauge" => &[""],
                    "counter" => &["_total"],
                    "histogram" => &["_bucket", "_sum", "_count"],
                    kind => panic!("no family here is of type {kind}"),
                };
                assert!(ends.contains(&end), "{line}");
                let value = value.parse().expect("a value is a number");
                assert!(samples.insert(key.into(), value).is_none(), "{line} is told twice");
            }
        }
    }
    samples
}

// protocol: H4
#[test]
fn prometheus_reads_what_has_happened_on_a_server() {
    let server = start(bind().shards(TWO), api());
    let scrape = || samples(&server.fetch("/metrics").1);
    let [mut ann, mut bob] = [server.client(), server.client()];
    assert_eq!(ann.ask("double", "doubled", json!(21)), 42);
    assert_eq!(bob.ask("double", "doubled", json!(4)), 8);
    assert_eq!(bob.ask("halve", "halved", json!(4)), 2);
    let answer = ann.ask("rooms.subscribe", "rooms.subscribe.response", json!("hall"));
    assert_eq!(answer["status"], "ok");
    assert_eq!(ann.hear_payload("rooms.update"), 1);
    let answer = ann.ask("rooms.subscribe", "rooms.subscribe.response", json!("cellar"));
    assert_eq!(answer["status"], "error");
    let told = scrape();
    for (sample, value) in [
        ("fastws_connections", 2.0),
        ("fastws_subscriptions", 1.0),
        ("fastws_topics", 1.0),
        ("fastws_messages_received_total", 5.0),
        ("fastws_messages_sent_total", 6.0),
        ("fastws_closes_total{code=\"1003\"}", 0.0),
        ("fastws_updates_dropped_total", 0.0),
        ("fastws_updates_lost_total", 0.0),
        ("fastws_calls_total{operation=\"double\"}", 2.0),
        ("fastws_calls_total{operation=\"halve\"}", 1.0),
        ("fastws_calls_total{operation=\"rooms.subscribe\"}", 2.0),
        ("fastws_calls_total{operation=\"POST /a\\\"\\\\b\"}", 0.0),
        ("fastws_handler_seconds_count{operation=\"halve\"}", 1.0),
        ("fastws_handler_seconds_bucket{le=\"+Inf\",operation=\"halve\"}", 1.0),
        ("fastws_service_starts_total{route=\"rooms\"}", 2.0),
        ("fastws_service_stops_total{route=\"rooms\"}", 0.0),
        ("fastws_service_failures_total{route=\"rooms\"}", 1.0),
    ] {
        assert_eq!(told.get(sample), Some(&value), "{sample} in {told:#?}");
    }
    assert!(told["fastws_received_bytes_total"] > 2.0 * HANDSHAKE.len() as f64);
    bob.say("double", json!("a lot"));
    assert_eq!(bob.closed().0, 1003);
    assert_eq!(scrape()["fastws_closes_total{code=\"1003\"}"], 1.0);
    ann.leave();
    until(|| {
        let told = scrape();
        let gauges = ["fastws_connections", "fastws_subscriptions", "fastws_topics"];
        gauges.iter().all(|gauge| told[*gauge] == 0.0)
            && told["fastws_service_stops_total{route=\"rooms\"}"] == 1.0
    });
    let told = scrape();
    let closes = told.iter().filter(|(sample, _)| sample.starts_with("fastws_closes"));
    assert_eq!(closes.map(|(_, value)| value).sum::<f64>(), 2.0);
}

// protocol: H4
#[test]
fn the_text_says_what_it_is_and_is_true_only_now() {
    let server = serve(api());
    let head = server.head("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(head.contains(&format!("Content-Type: {kind}\r\n")), "{head}");
    assert!(head.contains("Cache-Control: no-store\r\n"), "{head}");
    assert!(
        server.head("PUT /metrics HTTP/1.1\r\nHost: a\r\n\r\n").contains("Allow: GET, HEAD\r\n")
    );
}

#[test]
fn one_call_in_16_is_timed_unless_the_handler_waits() {
    let server = TestClient::new(api());
    let mut client = server.connect("/ws");
    for call in 0..33 {
        for kind in ["double", "halve"] {
            client.send_json(json!({"type": kind, "payload": call}));
            client.receive_json();
        }
    }
    let told = samples(&server.get("/metrics").1);
    for (operation, timed) in [("double", 3.0), ("halve", 33.0), ("rooms.subscribe", 0.0)] {
        let of = |name: &str| told[&format!("fastws_{name}{{operation=\"{operation}\"}}")];
        assert_eq!(of("handler_seconds_count"), timed);
        assert_eq!(of("handler_seconds_sum") > 0.0, timed > 0.0);
        assert_eq!(of("calls_total"), if timed > 0.0 { 33.0 } else { 0.0 });
        let bucket = |le: &str| {
            let labels = format!("le=\"{le}\",operation=\"{operation}\"");
            told[&format!("fastws_handler_seconds_bucket{{{labels}}}")]
        };
        let bounds =
            ["0.00001", "0.0001", "0.001", "0.01", "0.1", "1.0", "10.0", "+Inf"].map(bucket);
        assert!(bounds.is_sorted() && bounds[7] == timed, "{bounds:?}");
    }
}

// protocol: E21
#[test]
fn every_byte_and_every_end_is_counted_once() {
    let config = Config {
        backlog_bytes: 2_000,
        slow_consumer: SlowConsumer::DropOldest,
        ..Config::default()
    };
    let api = stage(&Witness::default(), &Gate::default());
    let mut world = World::with(config, 2, api);
    let names = ["ann", "bob", "eve", "joe", "zoe"];
    let mut sent = 0;
    for (at, name) in names.into_iter().enumerate() {
        world.join(at % 2, name);
        sent += HANDSHAKE.len();
        for message in [act(["subscribe a"]).to_string(), act(["topics"]).to_string()] {
            let frame = world.frame(name, fastws_core::frame::Opcode::Text, message);
            sent += frame.len();
            world.send(name, frame);
        }
    }
    world.window("ann", 0);
    for value in 0..100 {
        world.publish("a", "news", &News { value });
    }
    assert!(world.metrics().updates_dropped > 0);
    assert_eq!(world.metrics().updates_dropped, world.dropped());
    world.window("ann", usize::MAX);
    let taken = |name: &str| world.answer(name).len() + world.bytes(name).len();
    let taken: usize = names.into_iter().map(taken).sum();
    assert_eq!(
        (world.metrics().bytes_received, world.metrics().bytes_sent),
        (sent as u64, taken as u64)
    );

    world.reset("ann");
    world.close("bob", 4001, "");
    let empty = world.frame("eve", fastws_core::frame::Opcode::Close, "");
    world.send("eve", empty);
    world.say("joe", "no JSON");
    world.say("zoe", act(["close 3000"]));
    let ends = |world: &World| -> Vec<(&'static str, u64)> {
        world.metrics().closes.iter().filter(|(_, count)| *count > 0).collect()
    };
    let told = [("1003", 1), ("1005", 1), ("1006", 1), ("3xxx", 1), ("4xxx", 1)];
    assert_eq!(ends(&world), told);
    assert_eq!((world.metrics().closes.total(), world.metrics().connections), (5, 0));
    world.connect(0, "page");
    world.send("page", "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    world.join(0, "ann");
    world.shutdown();
    world.advance(Config::default().drain);
    assert_eq!(ends(&world), [&[("1001", 1)], &told[..]].concat());
}
