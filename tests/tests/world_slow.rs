//! What becomes of a client that reads too slowly, and of everybody else.

use fastws_core::config::{Config, SlowConsumer};
use fastws_core::frame::Opcode;
use fastws_core::router::Router;
use fastws_core::time::Duration;
use fastws_tests::stage::{News, act, later, stage};
use fastws_tests::witness::{Gate, Witness};
use fastws_tests::world::{HANDSHAKE, World};
use serde_json::{Value, json};

const SLOW: Option<(u16, &str)> = Some((1008, "Slow consumer"));

fn world(backlog_bytes: u32) -> World {
    let config = Config { backlog_bytes, ..Config::default() };
    World::with(config, 1, stage(&Witness::default(), &Gate::default())).client("ann").client("bob")
}

/// A world in which both listen to `a`.
fn listeners(backlog_bytes: u32) -> World {
    let mut world = world(backlog_bytes);
    for name in ["ann", "bob"] {
        world.say(name, act(["subscribe a"]));
        assert_eq!(world.heard(name), ["act.response"]);
    }
    world
}

fn publish(world: &mut World, values: impl IntoIterator<Item = u32>) {
    for value in values {
        world.publish("a", "news", &News { value });
    }
}

fn values(world: &mut World, name: &str) -> Vec<u64> {
    let messages = world.messages(name);
    messages.iter().filter_map(|message| message["payload"]["value"].as_u64()).collect()
}

fn echo(payload: impl Into<Value>) -> Value {
    json!({"type": "echo", "payload": payload.into()})
}

#[test]
fn a_write_may_be_cut_at_any_offset_and_the_bytes_are_the_same() {
    let story = |first: usize, second: usize, gulp: usize| {
        let mut world = world(1 << 20);
        world.gulp("ann", gulp);
        world.window("ann", first);
        world.say_together("ann", [act(["subscribe a"]), echo(1), echo("two")]);
        publish(&mut world, 1..3);
        world.window("ann", second);
        world.say_together("ann", [echo(3), act(["publish a 3", "publish b 4", "publish a 5"])]);
        world.window("ann", usize::MAX);
        world.say("ann", act(["unsubscribe a", "publish a 6"]));
        world.say("ann", act(["close 4000"]));
        assert_eq!(world.closed("ann"), Some((4000, "as the script says")));
        world.bytes("ann").to_vec()
    };
    let whole = story(usize::MAX, usize::MAX, usize::MAX);
    for first in 0..whole.len() {
        assert_eq!(story(first, 0, usize::MAX), whole, "cut after {first} bytes");
    }
    for second in 0..whole.len() {
        assert_eq!(story(0, second, usize::MAX), whole, "cut after {second} bytes of a backlog");
        assert_eq!(story(30, second, usize::MAX), whole, "cut after 30 and {second} bytes");
        assert_eq!(story(100, second, 3), whole, "cut after 100 and {second} bytes");
    }
    for gulp in 1..whole.len() {
        assert_eq!(story(usize::MAX, usize::MAX, gulp), whole, "in writes of {gulp} bytes");
    }
}

#[test]
fn a_write_of_more_slices_than_one_call_takes_may_be_cut_anywhere() {
    // Neighbours of different audiences are different slices.
    let steps: Vec<String> =
        (0..200).map(|n| format!("publish {} {n}", if n % 2 == 0 { "a" } else { "b" })).collect();
    let script = json!({"type": "act", "payload": steps});
    for window in (0..4_000).step_by(37) {
        let mut world = world(1 << 20);
        world.say("ann", act(["subscribe a"]));
        world.say("bob", act(["subscribe b", "subscribe a", "unsubscribe a"]));
        world.window("ann", window);
        world.say("bob", &script);
        world.window("ann", window / 2);
        world.window("ann", usize::MAX);
        assert!(values(&mut world, "ann").into_iter().eq((0..200).step_by(2)));
        assert!(values(&mut world, "bob").into_iter().eq((1..200).step_by(2)));
    }
}

// protocol: E15
#[test]
fn a_client_over_its_backlog_limit_is_closed_with_1008_and_the_others_are_not_touched() {
    let mut world = listeners(1_000);
    world.window("ann", 0);
    publish(&mut world, 0..1_000);
    assert_eq!(world.slow(), 1);
    assert!(values(&mut world, "bob").into_iter().eq(0..1_000));
    assert_eq!(world.metrics().subscriptions, 1, "a closed client listens to nothing");
    world.window("ann", usize::MAX);
    assert!(values(&mut world, "ann").is_empty(), "what was not begun is dropped");
    assert_eq!(world.closed("ann"), SLOW);
    assert!(world.gone("ann"));
}

// protocol: L3
#[test]
fn a_backlog_holds_a_mebibyte() {
    let long = "x".repeat(1 << 10);
    for (count, closed) in [(960, None), (1_024, SLOW)] {
        let config = Config { turn_bytes: 1, ..Config::default() };
        let stage = stage(&Witness::default(), &Gate::default());
        let mut world = World::with(config, 1, stage.include(Router::new().recv::<String>("long")));
        world.join(0, "ann");
        world.say("ann", act(["subscribe a"]));
        world.window("ann", 0);
        for _ in 0..count {
            world.publish("a", "long", &long);
        }
        world.window("ann", usize::MAX);
        assert_eq!(world.closed("ann"), closed, "{count} messages of a little over 1 KiB each");
    }
}

#[test]
fn a_frame_that_was_begun_is_finished_before_the_close() {
    let frame = r#"{"type":"news","topic":"a","payload":{"value":0}}"#.len() + 2;
    for window in 0..=2 * frame {
        let mut world = listeners(1_000);
        world.window("ann", window);
        publish(&mut world, 0..100);
        world.window("ann", usize::MAX);
        let taken = window.div_ceil(frame) as u64;
        assert!(values(&mut world, "ann").into_iter().eq(0..taken), "after {window} bytes");
        assert_eq!(world.closed("ann"), SLOW);
    }
}

// protocol: E15
#[test]
fn a_client_that_was_closed_for_being_slow_and_never_reads_is_reset_5_seconds_later() {
    let mut world = listeners(1_000);
    world.window("ann", 7);
    publish(&mut world, 0..100);
    world.advance(Duration::from_millis(4_999));
    assert!(!world.gone("ann"));
    world.advance(Duration::from_millis(1));
    assert!(world.gone("ann"));
    assert_eq!(world.closed("ann"), None);
}

#[test]
fn up_to_the_limit_nothing_is_lost() {
    let mut world = listeners(1_000);
    world.window("ann", 0);
    let mut published = 0;
    while world.slow() == 0 {
        published += 1;
        let mut world = listeners(1_000);
        world.window("ann", 0);
        publish(&mut world, 0..published);
        if world.slow() > 0 {
            break;
        }
        world.window("ann", usize::MAX);
        assert!(values(&mut world, "ann").into_iter().eq(0..u64::from(published)));
    }
    assert!(published > 10, "a backlog of 1000 bytes holds more than 10 small updates");
}

#[test]
fn a_message_longer_than_the_backlog_is_finished_once_it_was_begun() {
    let long = "x".repeat(5_000);
    let mut world = world(1_000);
    world.window("ann", 10);
    world.say_together("ann", [echo(long.as_str()), echo(2)]);
    world.window("ann", 2_000);
    world.say("ann", echo(3));
    world.ping("ann", "hello");
    world.window("ann", usize::MAX);
    let said: Vec<Value> =
        world.messages("ann").iter().map(|reply| reply["payload"].clone()).collect();
    assert!(said == [json!(long), json!(2), json!(3)] && world.closed("ann").is_none());
    assert_eq!(world.pongs("ann"), 1);
}

#[test]
fn a_client_that_reads_a_long_message_slowly_is_closed_by_what_comes_meanwhile() {
    let mut world = listeners(1_000);
    world.window("ann", 10);
    world.say("ann", echo("x".repeat(5_000)));
    publish(&mut world, [1]);
    world.window("ann", usize::MAX);
    assert_eq!(world.heard("ann"), ["echo.response"]);
    assert_eq!(world.closed("ann"), SLOW);
}

#[test]
fn a_long_message_to_a_client_that_takes_nothing_closes_it() {
    let mut world = world(1_000);
    world.window("ann", 0);
    world.say("ann", echo("x".repeat(5_000)));
    world.window("ann", usize::MAX);
    assert!(world.heard("ann").is_empty());
    assert_eq!(world.closed("ann"), SLOW);
}

// protocol: L14
#[test]
fn a_ping_is_answered_also_when_the_backlog_is_full_and_the_newest_pong_wins() {
    for window in [0, 1, 20, 60, 200] {
        let mut world = listeners(1_000);
        world.window("ann", window);
        let mut sent = 0;
        while sent < 17 + window as u32 / 50 {
            publish(&mut world, [sent]);
            sent += 1;
        }
        for payload in ["one", "", "three"] {
            world.ping("ann", payload);
        }
        assert_eq!(world.slow(), 0);
        world.window("ann", usize::MAX);
        assert!(values(&mut world, "ann").into_iter().eq(0..u64::from(sent)));
        assert_eq!(world.pongs("ann"), 1);
        assert!(holds(world.bytes("ann"), b"\x8a\x05three"));
        assert_eq!(world.closed("ann"), None);
    }
}

#[test]
fn a_pong_waits_behind_the_frame_that_was_begun_and_before_everything_else() {
    let frame = r#"{"type":"news","topic":"a","payload":{"value":1}}"#.len() + 2;
    for begun in 0..frame {
        let mut world = listeners(10_000);
        let before = world.bytes("ann").len();
        world.window("ann", begun);
        publish(&mut world, 1..10);
        world.ping("ann", "p");
        world.window("ann", usize::MAX);
        let place = before + if begun == 0 { 0 } else { frame };
        assert_eq!(&world.bytes("ann")[place..place + 3], b"\x8a\x01p", "{begun} bytes begun");
        assert!(values(&mut world, "ann").into_iter().eq(1..10));
    }
}

#[test]
fn a_pong_that_was_begun_is_finished_and_a_newer_one_follows() {
    for begun in 0..5 {
        let mut world = listeners(10_000);
        world.window("ann", 0);
        publish(&mut world, 1..4);
        world.ping("ann", "old");
        world.window("ann", begun);
        world.ping("ann", "newer");
        world.ping("ann", "newest");
        world.window("ann", usize::MAX);
        assert_eq!(world.pongs("ann"), if begun == 0 { 1 } else { 2 });
        assert_eq!(holds(world.bytes("ann"), b"\x8a\x03old"), begun > 0);
        assert!(holds(world.bytes("ann"), b"\x8a\x06newest"));
        assert!(values(&mut world, "ann").into_iter().eq(1..4));
    }
}

#[test]
fn a_pong_finds_its_place_in_a_backlog_that_was_read_in_part_and_filled_again() {
    for read in (0..600).step_by(7) {
        let mut world = listeners(1_000);
        world.window("ann", 0);
        publish(&mut world, 0..17);
        world.window("ann", read);
        let mut sent = 17;
        for _ in 0..read / 60 {
            publish(&mut world, [sent]);
            sent += 1;
        }
        world.ping("ann", "hello");
        assert_eq!(world.slow(), 0);
        world.window("ann", usize::MAX);
        assert_eq!(world.pongs("ann"), 1, "after {read} bytes");
        assert!(values(&mut world, "ann").into_iter().eq(0..u64::from(sent)));
    }
}

#[test]
fn past_half_the_backlog_no_request_is_dispatched_until_it_has_drained() {
    let mut world = world(1_000);
    world.window("ann", 0);
    let received = world.metrics().messages_received;
    for value in 0..40 {
        world.say("ann", echo(value));
    }
    let dispatched = world.metrics().messages_received - received;
    // A reply is 38 or 39 bytes and its record 5 more: the one that passes 500 is the last.
    assert_eq!(dispatched, 12);
    world.say("bob", echo(1));
    assert_eq!(world.heard("bob"), ["echo.response"]);
    world.ping("ann", "hello");
    world.window("ann", 5);
    assert_eq!(world.metrics().messages_received - received - 1, dispatched);
    world.window("ann", 40);
    assert_eq!(world.metrics().messages_received - received - 1, dispatched + 1);
    world.window("ann", 200);
    assert!(world.metrics().messages_received - received - 1 < 20);
    world.window("ann", usize::MAX);
    let said: Vec<u64> =
        world.messages("ann").iter().filter_map(|reply| reply["payload"].as_u64()).collect();
    assert!(said.into_iter().eq(0..40));
    assert_eq!((world.closed("ann"), world.pongs("ann")), (None, 1));
}

#[test]
fn a_request_that_comes_with_the_first_room_still_waits() {
    let mut world = world(1_000);
    world.window("ann", 0);
    for value in 0..12 {
        world.say("ann", echo(value));
    }
    let received = world.metrics().messages_received;
    let late = world.frame("ann", Opcode::Text, echo(12).to_string());
    world.post("ann", late);
    world.window("ann", 1);
    assert_eq!(world.metrics().messages_received, received);
    world.window("ann", usize::MAX);
    assert_eq!(world.heard("ann").len(), 13);
}

#[test]
fn a_slow_client_still_gets_the_updates_of_others() {
    let mut world = listeners(1_000);
    world.window("ann", 0);
    for value in 0..12 {
        world.say("ann", echo(value));
    }
    publish(&mut world, 100..105);
    world.window("ann", usize::MAX);
    assert!(values(&mut world, "ann").into_iter().eq(100..105));
}

#[test]
fn a_call_of_a_slow_client_has_no_effect_once_it_was_closed() {
    let (witness, gate) = (Witness::default(), Gate::default());
    let config = Config { backlog_bytes: 1_000, ..Config::default() };
    let mut world = World::with(config, 1, stage(&witness, &gate)).client("ann").client("bob");
    world.say("ann", act(["subscribe a"]));
    world.say("bob", act(["subscribe b"]));
    world.say("ann", later(["subscribe b", "publish b 1", "wait"]));
    world.window("ann", 0);
    publish(&mut world, 0..100);
    assert_eq!(world.slow(), 1);
    gate.order("publish b 2");
    world.run();
    assert_eq!(world.heard("bob"), ["act.response"]);
    assert_eq!(world.metrics().subscriptions, 1);
}

#[test]
fn whoever_is_closed_already_hears_why_though_too_much_waits() {
    let config = Config { backlog_bytes: 1_000, drain: Duration::ZERO, ..Config::default() };
    let api = stage(&Witness::default(), &Gate::default());
    let mut world = World::with(config, 1, api).client("ann").client("bob");
    for name in ["ann", "bob"] {
        world.say(name, act(["subscribe a"]));
        assert_eq!(world.heard(name), ["act.response"]);
    }
    world.window("bob", 0);
    // One turn takes the updates and the shutdown behind them.
    let publisher = world.publisher();
    for value in 0..40 {
        publisher.publish("a", "news", &News { value }).expect("the inbox has room");
    }
    world.shutdown();
    assert_eq!(world.closed("ann"), Some((1001, "Server shutting down")));
    assert!(values(&mut world, "ann").into_iter().eq(0..40));
    world.window("bob", usize::MAX);
    assert!(values(&mut world, "bob").is_empty());
    assert_eq!(world.closed("bob"), Some((1001, "Server shutting down")));
    assert!(world.gone("bob"));
}

#[test]
fn requests_that_come_together_wait_for_one_another_where_their_replies_fill_the_backlog() {
    for window in [0, 100, usize::MAX] {
        let mut world = world(1_000);
        world.window("ann", window);
        world.say_together("ann", (0..100).map(echo));
        world.window("ann", usize::MAX);
        let said: Vec<u64> =
            world.messages("ann").iter().filter_map(|reply| reply["payload"].as_u64()).collect();
        assert!(said.into_iter().eq(0..100));
        assert_eq!((world.closed("ann"), world.slow()), (None, 0));
    }
}

#[test]
fn an_answer_over_http_is_longer_than_a_backlog_and_comes_all_the_same() {
    let config = Config { backlog_bytes: 130, topic_bytes: 1, ..Config::default() };
    let mut world = World::with(config, 1, stage(&Witness::default(), &Gate::default()));
    for (request, end) in
        [(HANDSHAKE, "\r\n\r\n"), ("GET /nowhere HTTP/1.1\r\n\r\n", "served at this path")]
    {
        for window in [0, 1, 100] {
            world.connect(0, "ann");
            world.window("ann", window);
            world.send("ann", request);
            world.window("ann", usize::MAX);
            assert!(world.answer("ann").ends_with(end), "{}", world.answer("ann"));
            assert_eq!(world.slow(), 0);
            world.reset("ann");
        }
    }
}

#[test]
fn a_close_of_the_peer_is_heard_also_while_its_backlog_is_more_than_half_full() {
    let mut world = world(1_000);
    world.rude("ann");
    world.window("ann", 10);
    world.say("ann", echo("x".repeat(800)));
    world.shutdown();
    world.close("ann", 1000, "");
    world.window("ann", usize::MAX);
    assert_eq!(world.closed("ann"), Some((1001, "Server shutting down")));
    assert!(world.finished("ann"));
}

/// A world in which both listen to `a` and `b`, and updates may be dropped.
fn lenient(policy: SlowConsumer) -> World {
    let config = Config { backlog_bytes: 1_000, slow_consumer: policy, ..Config::default() };
    let api = stage(&Witness::default(), &Gate::default());
    let mut world = World::with(config, 1, api).client("ann").client("bob");
    for name in ["ann", "bob"] {
        world.say(name, act(["subscribe a", "subscribe b"]));
        assert_eq!(world.heard(name), ["act.response"]);
    }
    world
}

/// What a client has heard: values, replies and gaps.
fn told(world: &mut World, name: &str) -> Vec<String> {
    let tell = |message: &Value| match message["type"].as_str() {
        Some("news") => format!("{} {}", message["topic"], message["payload"]["value"]),
        Some("gap") => format!("{} misses {}", message["topic"], message["payload"]["dropped"]),
        _ => message["payload"].to_string(),
    };
    world.messages(name).iter().map(|message| tell(message).replace('"', "")).collect()
}

// protocol: E17 E21
#[test]
fn of_each_topic_only_the_newest_is_kept_and_every_reply() {
    let mut world = lenient(SlowConsumer::Latest);
    world.window("ann", 0);
    for (topic, value) in
        [("a", 0), ("b", 1), ("a", 2), ("", 3), ("b", 4), ("a", 5), ("", 6), ("b", 7)]
    {
        match topic {
            "" => world.say("ann", echo(value)),
            _ => world.publish(topic, "news", &News { value }),
        }
    }
    assert_eq!(told(&mut world, "bob"), ["a 0", "b 1", "a 2", "b 4", "a 5", "b 7"]);
    world.window("ann", usize::MAX);
    assert_eq!(told(&mut world, "ann"), ["a misses 2", "b misses 2", "3", "a 5", "6", "b 7"]);
    assert_eq!((world.dropped(), world.slow()), (4, 0));
    assert_eq!(world.metrics().updates_dropped, 4);
    world.publish("a", "news", &News { value: 8 });
    assert_eq!(told(&mut world, "ann"), ["a 8"]);
}

// protocol: E16 E22
#[test]
fn the_oldest_updates_give_way_and_the_client_is_told_how_many() {
    let mut world = lenient(SlowConsumer::DropOldest);
    world.window("ann", 0);
    publish(&mut world, 0..2);
    world.say("ann", echo("a reply"));
    publish(&mut world, 2..1_000);
    assert!(values(&mut world, "bob").into_iter().eq(0..1_000));
    world.window("ann", usize::MAX);
    let dropped = world.dropped();
    assert!((900..1_000).contains(&dropped));
    let mut due = vec![format!("a misses {dropped}"), "a reply".to_owned()];
    due.extend((dropped..1_000).map(|value| format!("a {value}")));
    assert_eq!(told(&mut world, "ann"), due);
    assert_eq!((world.slow(), world.closed("ann")), (0, None));
}

#[test]
fn what_a_client_reads_and_what_it_was_told_of_is_all_there_was() {
    for policy in [SlowConsumer::DropOldest, SlowConsumer::Latest] {
        for step in 1..40 {
            let mut world = lenient(policy);
            world.window("ann", 0);
            for round in 0..10 {
                publish(&mut world, 30 * round..30 * (round + 1));
                world.window("ann", step * 11);
            }
            world.window("ann", usize::MAX);
            let mut next = 0;
            for message in world.messages("ann") {
                match message["payload"]["dropped"].as_u64() {
                    Some(dropped) => next += dropped,
                    None => {
                        assert_eq!(message["payload"]["value"].as_u64(), Some(next));
                        next += 1;
                    }
                }
            }
            assert_eq!((next, world.slow()), (300, 0), "{policy:?} {step}");
        }
    }
}

#[test]
fn a_ping_is_answered_while_updates_are_dropped() {
    for policy in [SlowConsumer::DropOldest, SlowConsumer::Latest] {
        for window in [0, 1, 20, 60, 200] {
            let mut world = lenient(policy);
            world.window("ann", window);
            for round in 0..10 {
                publish(&mut world, 20 * round..20 * (round + 1));
                world.ping("ann", &format!("ping {round}"));
            }
            assert_eq!(world.slow(), 0);
            world.window("ann", usize::MAX);
            assert!(holds(world.bytes("ann"), b"\x8a\x06ping 9"));
            publish(&mut world, [200]);
            assert_eq!(values(&mut world, "ann").last(), Some(&200));
        }
    }
}

#[test]
fn a_reply_that_does_not_fit_closes_though_updates_may_be_dropped() {
    for policy in [SlowConsumer::DropOldest, SlowConsumer::Latest] {
        let mut world = lenient(policy);
        world.window("ann", 0);
        publish(&mut world, 0..5);
        world.say("ann", echo("x".repeat(5_000)));
        world.window("ann", usize::MAX);
        assert!(world.heard("ann").is_empty());
        assert_eq!(world.closed("ann"), SLOW);
    }
}

// protocol: L15
#[test]
fn a_peer_that_has_gone_without_a_word_is_noticed_and_delays_nobody() {
    let mut world = listeners(1 << 20);
    world.rude("ann");
    world.window("ann", 0);
    for second in 0..35 {
        assert!(!world.gone("ann"));
        publish(&mut world, [second]);
        assert_eq!(values(&mut world, "bob"), [u64::from(second)]);
        world.say("bob", echo(second));
        assert_eq!(world.heard("bob"), ["echo.response"]);
        world.advance(Duration::from_secs(1));
    }
    assert!(world.gone("ann"));
    assert_eq!(world.metrics().subscriptions, 1);
}

// protocol: L15
#[test]
fn a_peer_that_has_gone_is_noticed_also_while_its_requests_wait_for_its_replies() {
    let config = Config {
        backlog_bytes: 1_000,
        message_bytes: 500,
        handshake_bytes: 500,
        ..Config::default()
    };
    let stage = stage(&Witness::default(), &Gate::default());
    let mut world = World::with(config, 1, stage).client("ann");
    world.rude("ann");
    world.window("ann", 0);
    world.say_together("ann", (0..100).map(echo));
    assert!(world.unread("ann") > 0, "the server has stopped reading");
    // As long as it takes anything it is there.
    for _ in 0..10 {
        world.advance(Duration::from_secs(20));
        world.window("ann", 1);
    }
    assert!(world.unread("ann") > 0 && world.closed("ann").is_none());
    world.advance(Duration::from_secs(35));
    assert!(!world.gone("ann"));
    world.advance(Duration::from_secs(25));
    assert!(world.gone("ann"));
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
