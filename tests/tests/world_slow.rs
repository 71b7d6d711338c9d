//! What becomes of a client that reads too slowly, and of everybody else.

use fastws_core::config::Config;
use fastws_core::time::Duration;
use fastws_tests::stage::{News, act, later, stage};
use fastws_tests::witness::{Gate, Witness};
use fastws_tests::world::World;
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
fn a_long_message_to_a_client_that_takes_nothing_closes_it() {
    let mut world = world(1_000);
    world.window("ann", 0);
    world.say("ann", echo("x".repeat(5_000)));
    world.window("ann", usize::MAX);
    assert!(world.heard("ann").is_empty());
    assert_eq!(world.closed("ann"), SLOW);
}

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

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
