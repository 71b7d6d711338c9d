//! Who gets which update, and when.

use fastws_core::api::Api;
use fastws_core::config::Config;
use fastws_core::declared::PublishError;
use fastws_core::desk::Reach;
use fastws_core::payload;
use fastws_core::respond::Failure;
use fastws_core::router::Router;
use fastws_tests::stage::{News, act, later, stage};
use fastws_tests::witness::{Gate, Witness};
use fastws_tests::world::World;
use serde_json::{Value, json};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

fn world(shards: usize) -> World {
    World::with(Config::default(), shards, stage(&Witness::default(), &Gate::default()))
}

fn payloads(world: &mut World, name: &str) -> Vec<Value> {
    world.messages(name).into_iter().map(|mut message| message["payload"].take()).collect()
}

// protocol: M17
#[test]
fn an_update_without_a_topic_reaches_every_open_connection_and_tells_how_many() {
    let mut world = world(2).client_on(0, "ann").client_on(1, "bob").client("eve").client("joe");
    world.connect(0, "zoe");
    world.rude("eve");
    world.say("eve", act(["close 4000"]));
    world.say("joe", later(["wait"]));
    let reach = world.publisher().broadcast("news", &News { value: 1 }).expect("it is declared");
    world.publish("a", "news", &News { value: 2 });
    world.run();
    assert_eq!(ready(reach), Some(3));
    let all = r#"{"type":"news","payload":{"value":1}}"#;
    for name in ["ann", "bob", "joe"] {
        assert_eq!(world.texts(name), [all], "{name}");
    }
    assert!(world.texts("eve").is_empty() && world.answer("zoe").is_empty());
    let unknown = world.publisher().broadcast("nope", &News { value: 1 });
    assert!(matches!(unknown, Err(PublishError::Unknown)));
    world.reset("joe");
}

#[test]
fn an_update_tells_how_many_listeners_it_reached_once_every_shard_has_seen_it() {
    let mut world = world(2).client_on(0, "ann").client_on(1, "bob").client_on(1, "eve");
    for name in ["ann", "bob", "eve"] {
        world.say(name, act(["subscribe a"]));
    }
    let (seen, value) = (Arc::new(Seen::default()), News { value: 1 });
    let mut reach = world.publisher().reach("a", "news", &value).expect("it is declared");
    let waker = Waker::from(seen.clone());
    let poll = |reach: &mut Reach| Pin::new(reach).poll(&mut Context::from_waker(&waker));
    world.step(0);
    assert_eq!(poll(&mut reach), Poll::Pending);
    world.step(1);
    assert!(seen.0.load(Ordering::Relaxed), "who waits is woken");
    assert_eq!(poll(&mut reach), Poll::Ready(3));
    let nobody = world.publisher().reach("b", "news", &value).expect("it is declared");
    drop(world.publisher().reach("a", "news", &value));
    world.run();
    assert_eq!(ready(nobody), Some(0));
    assert_eq!(world.heard("ann"), ["act.response", "news", "news"]);
}

#[derive(Default)]
struct Seen(AtomicBool);

impl Wake for Seen {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn ready(mut reach: Reach) -> Option<usize> {
    match Pin::new(&mut reach).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(count) => Some(count),
        Poll::Pending => None,
    }
}

// protocol: M5 T1
#[test]
fn an_update_reaches_the_listeners_of_its_topic_and_nobody_else() {
    let mut world = world(1).client("ann").client("bob").client("eve");
    world.say("ann", act(["subscribe a", "subscribe b"]));
    world.say("bob", act(["subscribe b", "subscribe ba"]));
    world.publish("a", "news", &News { value: 1 });
    world.publish("b", "news", &News { value: 2 });
    world.publish("c", "news", &News { value: 3 });
    world.publish("b\"\\\n", "news", &News { value: 4 });
    let a = r#"{"type":"news","topic":"a","payload":{"value":1}}"#;
    let b = r#"{"type":"news","topic":"b","payload":{"value":2}}"#;
    assert_eq!(world.texts("ann")[1..], [a, b]);
    assert_eq!(world.texts("bob")[1..], [b]);
    assert!(world.texts("eve").is_empty());
    world.say("eve", act(["subscribe b\"\\\n"]));
    world.publish("b\"\\\n", "news", &News { value: 5 });
    assert_eq!(world.messages("eve")[1]["topic"], "b\"\\\n");
}

// protocol: T2
#[test]
fn subscribing_twice_is_one_subscription_and_one_unsubscribe_ends_it() {
    let mut world = world(1).client("ann");
    world.say("ann", act(["subscribe a", "subscribe a"]));
    world.say("ann", act(["subscribe a", "topics"]));
    assert_eq!(payloads(&mut world, "ann")[1], json!(["subscribed", "a"]));
    assert_eq!(world.metrics().subscriptions, 1);
    world.publish("a", "news", &News { value: 1 });
    assert_eq!(world.heard("ann"), ["news"]);
    world.say("ann", act(["unsubscribe a"]));
    world.publish("a", "news", &News { value: 2 });
    assert_eq!(world.heard("ann"), ["act.response"]);
    assert_eq!((world.metrics().subscriptions, world.metrics().topics), (0, 0));
}

// protocol: T3
#[test]
fn unsubscribing_from_what_was_never_subscribed_is_no_error() {
    let mut world = world(1).client("ann");
    world.say("ann", act(["unsubscribe a", "subscribe a", "unsubscribe b"]));
    world.say("ann", act(["unsubscribe a", "unsubscribe a"]));
    assert_eq!(world.heard("ann"), ["act.response"; 2]);
    assert_eq!(world.metrics().topics, 0);
}

// protocol: T15
#[test]
fn requests_that_come_together_get_a_reply_each_and_the_last_one_decides() {
    let mut world = world(1).client("ann");
    let [on, off] = [act(["subscribe a"]), act(["unsubscribe a"])];
    world.say_together("ann", [&on, &off, &on]);
    assert_eq!(world.heard("ann").len(), 3);
    assert_eq!(world.metrics().subscriptions, 1);
    world.say_together("ann", [&off, &on, &off]);
    assert_eq!(world.heard("ann").len(), 3);
    assert_eq!(world.metrics().subscriptions, 0);
}

// protocol: M16 T16
#[test]
fn wishes_take_effect_behind_the_reply_and_in_their_order() {
    let cases: [(&[&str], &[u64]); 6] = [
        (&["publish a 1", "subscribe a"], &[]),
        (&["subscribe a", "publish a 1"], &[1]),
        (&["subscribe a", "publish a 1", "unsubscribe a"], &[1]),
        (&["subscribe a", "unsubscribe a", "publish a 1"], &[]),
        (&["publish a 1", "subscribe a", "publish a 2", "unsubscribe a", "publish a 3"], &[2]),
        (&["subscribe a", "publish a 1", "unsubscribe a", "subscribe a", "publish a 2"], &[1, 2]),
    ];
    for kind in ["act", "act.later"] {
        for (steps, updates) in cases {
            let mut world = world(1).client("ann");
            world.say("ann", json!({"type": kind, "payload": steps}));
            let said = world.messages("ann");
            assert_eq!(said[0]["type"], format!("{kind}.response"));
            let got: Vec<u64> =
                said[1..].iter().filter_map(|news| news["payload"]["value"].as_u64()).collect();
            assert_eq!(got, updates, "{steps:?}");
        }
    }
}

#[test]
fn an_update_that_was_published_before_an_unsubscribe_arrives() {
    let mut world = world(1).client("ann").client("bob");
    world.say("ann", act(["subscribe a"]));
    world.window("ann", 0);
    world.say("bob", act(["publish a 1"]));
    world.say("ann", act(["publish a 2", "unsubscribe a"]));
    world.say("bob", act(["publish a 3"]));
    world.window("ann", usize::MAX);
    assert_eq!(world.heard("ann"), ["act.response", "news", "act.response", "news"]);
}

#[test]
fn a_handler_sees_the_topics_as_its_wishes_leave_them() {
    let mut world = world(1).client("ann");
    world.say("ann", act(["topics", "subscribe a", "subscribe b", "topics"]));
    world.say("ann", act(["topics", "unsubscribe a", "topics", "subscribe c", "topics"]));
    world.say("ann", later(["topics", "unsubscribe x", "unsubscribe b", "subscribe a", "topics"]));
    let said = payloads(&mut world, "ann");
    assert_eq!([&said[0][0], &said[0][3]], ["", "a b"]);
    assert_eq!([&said[1][0], &said[1][2], &said[1][4]], ["a b", "b", "b c"]);
    assert_eq!([&said[2][0], &said[2][4]], ["b c", "c a"]);
}

#[test]
fn updates_reach_all_shards_each_listener_once_and_in_order() {
    let mut world = world(3).client_on(0, "ann").client_on(1, "bob").client_on(2, "eve");
    for name in ["ann", "bob", "eve"] {
        world.say(name, act(["subscribe a"]));
        world.heard(name);
    }
    for value in 0..50 {
        world.say("bob", json!({"type": "act", "payload": [format!("publish a {value}")]}));
    }
    for name in ["ann", "bob", "eve"] {
        let messages = world.messages(name);
        let values = messages.iter().filter_map(|message| message["payload"]["value"].as_u64());
        assert!(values.eq(0..50), "{name}");
    }
}

#[test]
fn a_publisher_on_another_thread_reaches_all_shards_in_its_order() {
    let mut world = world(2).client_on(0, "ann").client_on(1, "bob");
    for name in ["ann", "bob"] {
        world.say(name, act(["subscribe a"]));
        world.heard(name);
    }
    let publisher = world.publisher();
    let thread = std::thread::spawn(move || {
        (0..1_000).try_for_each(|value| publisher.publish("a", "news", &News { value }))
    });
    thread.join().expect("the thread ends").expect("the inboxes have room");
    world.run();
    for name in ["ann", "bob"] {
        let messages = world.messages(name);
        let values = messages.iter().filter_map(|message| message["payload"]["value"].as_u64());
        assert!(values.eq(0..1_000), "{name}");
    }
}

#[test]
fn a_burst_from_other_threads_is_written_in_turns_of_a_bounded_size_and_in_its_order() {
    let config = Config { turn_bytes: 1_000, ..Config::default() };
    let api = stage(&Witness::default(), &Gate::default());
    let mut world = World::with(config, 1, api).client("ann").client("bob");
    world.say("ann", act(["subscribe a"]));
    world.say("bob", act(["subscribe a"]));
    let publisher = world.publisher();
    for value in 0..500 {
        publisher.publish("a", "news", &News { value }).expect("the inbox has room");
    }
    world.run();
    assert!(world.longest_write() < 1_100, "{} bytes at once", world.longest_write());
    for name in ["ann", "bob"] {
        let messages = world.messages(name);
        let values = messages.iter().filter_map(|message| message["payload"]["value"].as_u64());
        assert!(values.eq(0..500), "{name}");
    }
}

#[test]
fn a_publisher_is_told_when_an_inbox_is_full_and_what_was_taken_arrives() {
    let mut world = world(1).client("ann");
    // A long name fills the inbox sooner.
    let topic = "a".repeat(256);
    world.say("ann", act([format!("subscribe {topic}").as_str()]));
    let publisher = world.publisher();
    let mut taken = 0;
    let refused = loop {
        match publisher.publish(&topic, "news", &News { value: taken }) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused.to_string(), "a shard takes no more updates at the moment");
    world.advance(fastws_core::time::Duration::ZERO);
    assert_eq!(world.heard("ann").len(), 1 + taken as usize);
    world.publish(&topic, "news", &News { value: 0 });
}

// protocol: M12
#[test]
fn what_cannot_be_published_is_told_and_reaches_nobody() {
    #[payload]
    struct Price {
        cents: i64,
    }
    let check = |price: Price| match price.cents {
        ..0 => Err(Failure::from(std::io::Error::other("negative"))),
        cents => Ok(Price { cents: cents * 2 }),
    };
    let router = Router::new().prefix("prices.").recv_with::<Price, _, _, _>("update", check).send(
        "join",
        None,
        |client: fastws_core::client::Client| client.subscribe("gold").expect("there is room"),
    );
    let mut world = World::new(Api::new("Prices", "1").include(router)).client("ann");
    world.say("ann", r#"{"type":"prices.join"}"#);
    let publisher = world.publisher();
    let told = |result: Result<(), PublishError>| result.err().map(|error| error.to_string());
    let price = Price { cents: 5 };
    assert_eq!(
        told(publisher.publish("gold", "update", &price)).as_deref(),
        Some("no `recv` operation has this type: declare it with `Router::recv`")
    );
    assert_eq!(
        told(publisher.publish("gold", "prices.update", &5_i64)).as_deref(),
        Some("the `recv` operation is declared with another payload type")
    );
    assert_eq!(
        told(publisher.publish("", "prices.update", &price)).as_deref(),
        Some("the topic is empty")
    );
    assert_eq!(
        told(publisher.publish("gold", "prices.update", &Price { cents: -1 })).as_deref(),
        Some("the `recv` handler refused the payload: negative")
    );
    world.run();
    assert!(world.heard("ann").is_empty());
    world.publish("gold", "prices.update", &price);
    let update = r#"{"type":"prices.update","topic":"gold","payload":{"cents":10}}"#;
    assert_eq!(world.texts("ann"), [update]);
}

// protocol: T4
#[test]
fn a_client_that_leaves_is_in_no_audience_and_its_place_is_a_stranger_to_its_topics() {
    let mut world = world(1).client("ann").client("bob");
    for round in 0..20 {
        world.say("ann", act(["subscribe a", "subscribe b"]));
        world.say("bob", act(["subscribe a"]));
        assert_eq!(world.metrics().subscriptions, 3);
        match round % 3 {
            0 => world.reset("ann"),
            1 => world.hang_up("ann"),
            _ => world.close("ann", 1000, ""),
        }
        assert!(world.gone("ann"));
        assert_eq!((world.metrics().subscriptions, world.metrics().topics), (1, 1));
        world.join(0, "ann");
        world.publish("a", "news", &News { value: round });
        assert!(world.heard("ann").is_empty());
        assert_eq!(world.heard("bob"), ["act.response", "news"]);
    }
}
