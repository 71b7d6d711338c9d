//! What a driver may get wrong without harm to anybody but itself. Knows the engine from outside only.
#![cfg(feature = "alloc")]

use fastws_core::config::Config;
use fastws_core::dispatch::{Answer, Call, Dispatch, Verdict};
use fastws_core::engine::{Engine, Sent};
use fastws_core::frame::Opcode;
use fastws_core::ids::{ConnectionId, OperationId};
use fastws_core::memory::{ConnectionMemory, TopicMemory, TurnMemory};
use fastws_core::time::Instant;

const NOW: Instant = Instant::ZERO;

struct Echo;

impl Dispatch for Echo {
    fn find(&self, _: &str) -> Option<OperationId> {
        Some(OperationId(0))
    }

    fn call(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
        answer.reply("echo", call.payload.map(str::as_bytes)).done()
    }
}

/// Subscribes to the topic that the payload is, and ends that again.
struct Visit;

impl Dispatch for Visit {
    fn find(&self, _: &str) -> Option<OperationId> {
        Some(OperationId(0))
    }

    fn call(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
        let topic = call.payload.expect("the test sends one");
        let mut effects = answer.silent();
        assert_eq!(effects.subscribe(topic), Ok(true));
        effects.unsubscribe(topic);
        effects.done()
    }
}

fn two() -> (Engine<'static>, [ConnectionId; 2]) {
    let mut engine = Engine::new(Config::default(), 0);
    let ids = [1, 2].map(|uid| engine.open(NOW, [uid; 16]).expect("owned memory grows"));
    (engine, ids)
}

fn say(engine: &mut Engine<'_>, id: ConnectionId, payload: u32) {
    let mut text = format!(r#"{{"type":"echo","payload":{payload}}}"#).into_bytes();
    assert!(engine.handle_message(NOW, id, Opcode::Text, &mut text, &mut Echo));
}

/// All that is written until nothing more is offered, by sockets that take everything.
fn write(engine: &mut Engine<'_>) -> Vec<(ConnectionId, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some(transmit) = engine.poll_transmit(NOW) {
        let id = transmit.id();
        let bytes = transmit.parts().collect::<Vec<_>>().concat();
        assert_eq!(engine.handle_sent(NOW, id, bytes.len()), Sent::Idle);
        all.push((id, bytes));
    }
    all
}

fn echoes(payloads: &[u32]) -> Vec<u8> {
    let frame = |payload| {
        let text = format!(r#"{{"type":"echo","payload":{payload}}}"#);
        [&[0x81, text.len() as u8], text.as_bytes()].concat()
    };
    payloads.iter().flat_map(frame).collect()
}

#[test]
fn an_offer_that_nothing_is_told_of_is_late_and_shows_nobody_anothers_bytes() {
    let (mut engine, [ann, bob]) = two();
    say(&mut engine, ann, 1);
    assert!(engine.poll_transmit(NOW).is_some_and(|transmit| transmit.id() == ann));
    assert_eq!(write(&mut engine), []);
    say(&mut engine, bob, 2);
    say(&mut engine, ann, 3);
    assert_eq!(write(&mut engine), [(bob, echoes(&[2]))]);
    engine.handle_writable(ann);
    assert_eq!(write(&mut engine), [(ann, echoes(&[1, 3]))]);
}

#[test]
fn an_offer_to_a_socket_that_has_failed_says_nothing_about_its_rows_next_connection() {
    for buried in [false, true] {
        let (mut engine, [ann, bob]) = two();
        say(&mut engine, ann, 1);
        say(&mut engine, bob, 2);
        assert!(engine.poll_transmit(NOW).is_some_and(|transmit| transmit.id() == ann));
        engine.handle_end(NOW, ann);
        if buried {
            assert_eq!(engine.poll_gone(), Some(ann));
        } else {
            assert_eq!(write(&mut engine), [(bob, echoes(&[2]))]);
            assert_eq!(engine.poll_gone(), Some(ann));
        }
        let cat = engine.open(NOW, [3; 16]).expect("owned memory grows");
        assert_eq!(cat.slot(), ann.slot());
        say(&mut engine, cat, 3);
        assert!(write(&mut engine).contains(&(cat, echoes(&[3]))));
    }
}

#[test]
fn a_topic_that_has_ended_takes_no_room_though_nobody_asks_for_lives() {
    let mut connections = ConnectionMemory::<1, 512, 600>::new();
    let mut topics = TopicMemory::<2, 2, 16>::new();
    let mut turn = TurnMemory::<512, 16>::new();
    let mut engine = Engine::lent(Config::default(), 0, &mut connections, &mut topics, &mut turn);
    let id = engine.open(NOW, [1; 16]).expect("there is a seat");
    for topic in 10..30 {
        let mut text = format!(r#"{{"type":"visit","payload":{topic}}}"#).into_bytes();
        assert!(engine.handle_message(NOW, id, Opcode::Text, &mut text, &mut Visit));
    }
    assert_eq!(engine.poll_life(), None);
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "the driver reads at most as many bytes as there is room for")]
fn more_bytes_than_there_is_room_for_are_noticed_though_this_once_they_would_fit() {
    let mut engine = Engine::new(Config { handshake_bytes: 128, ..Config::default() }, 0);
    let id = engine.accept(NOW, [1; 16]).expect("owned memory grows");
    engine.handle_bytes(NOW, id, &mut [b'x'; 130], &mut Echo);
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "the driver was offered nothing to be sent")]
fn what_was_never_offered_is_not_sent() {
    let (mut engine, [ann, _]) = two();
    say(&mut engine, ann, 1);
    engine.handle_sent(NOW, ann, 5);
}

#[test]
fn a_drain_is_over_when_the_last_socket_is_to_be_dropped_and_not_before_it_begins() {
    let (mut engine, [ann, bob]) = two();
    engine.handle_end(NOW, ann);
    engine.drain(NOW);
    engine.handle_end(NOW, bob);
    while engine.poll_gone().is_some() {
        assert_eq!(engine.is_drained(), engine.is_empty());
    }
    assert!(engine.is_drained() && !Engine::new(Config::default(), 0).is_drained());
}

#[test]
fn the_walk_through_shows_the_lines_of_the_example() {
    let page = include_str!("../docs/driver.md");
    let example = include_str!("../examples/polling/driver.rs");
    let mut shown = 0;
    for block in page.split("```rust\n").skip(1) {
        let block = block.split("```").next().expect("a split has a first part");
        let lines: Vec<&str> = block.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(example.contains(&lines.join("\n")), "not in the example:\n{}", lines.join("\n"));
        shown += lines.len();
    }
    assert!(shown > 50, "the page was read");
    let code = example.lines().map(str::trim).filter(|line| !line.is_empty());
    let count = code.filter(|line| !line.starts_with("//")).count();
    assert!(page.contains(&format!("driver.rs`: {count} lines")), "it has {count} lines of code");
}

#[test]
fn an_engine_goes_to_the_thread_that_drives_it() {
    let (engine, _) = two();
    let driving = std::thread::spawn(move || engine.connections());
    assert_eq!(driving.join().expect("it does not panic"), 2);
}
