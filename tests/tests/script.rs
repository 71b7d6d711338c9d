//! Engines of every kind of memory play one script alike, and the script leaves nothing out. Knows its events and the wire.

use fastws_core::assembly::{Incoming, Reader};
use fastws_core::engine::Engine;
use fastws_core::frame::Role;
use fastws_script::player::{Event, play};
use fastws_script::script::{self, SCRIPT, SEED};
use fastws_script::tight::{self, TIGHT};
use fastws_script::transcript::Transcript;
use fastws_script::{CLIENTS, Step};
use std::collections::BTreeMap;

#[test]
fn owned_and_lent_memory_say_the_same_bytes() {
    let owned = transcript(&mut Engine::new(script::config(), SEED), SCRIPT);
    let lent = transcript(&mut script::Memory::new().lend(), SCRIPT);
    for (number, (owned, lent)) in owned.lines().zip(lent.lines()).enumerate() {
        assert_eq!(owned, lent, "they part at line {number}");
    }
    assert_eq!(owned, lent);
}

#[test]
fn memory_that_was_lent_before_says_the_same_bytes_again() {
    let mut memory = tight::Memory::new();
    let first = transcript(&mut memory.lend(), TIGHT);
    assert_eq!(transcript(&mut memory.lend(), TIGHT), first);
}

#[test]
fn the_script_has_at_least_200_steps_and_makes_every_kind_of_them() {
    let steps: Vec<&Step> = SCRIPT.iter().copied().flatten().collect();
    assert!(steps.len() >= 200, "{} steps", steps.len());
    let mut counts = Counts::default();
    for step in steps {
        counts.add(word(&format!("{step:?}")));
    }
    counts.hold(&[
        "Accept",
        "Open",
        "Bytes",
        "Frame",
        "Say",
        "Burst",
        "Message",
        "Takes",
        "Writable",
        "End",
        "Wait",
        "Turn",
        "Publish",
        "PublishFrame",
        "EndTopic",
        "Reserve",
        "GiveBack",
        "Settle",
        "Close",
        "CloseAll",
        "Haunt",
    ]);
}

#[test]
fn the_script_reaches_every_kind_of_event() {
    let counts = counts(&mut Engine::new(script::config(), SEED), SCRIPT);
    counts.hold(&[
        "accepted",
        "deaf",
        "waits",
        "idle",
        "blocked",
        "finished",
        "first",
        "last",
        "gone",
        "published",
        "reserved",
        "settled",
        "not settled",
        "haunted",
        "slow",
    ]);
    for status in [101, 200, 400, 401, 404, 405, 408, 426, 431, 503] {
        counts.hold(&[&format!("status {status}")]);
    }
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 4000, 4001] {
        counts.hold(&[&format!("close {code}")]);
    }
    counts.hold(&[
        "ping",
        "pong",
        "update",
        "shout",
        "flood",
        "echo.response",
        "who.response",
        "subscribe.response",
        "unsubscribe.response",
    ]);
    counts.hold(&[
        "Could not decode message",
        "Could not validate payload",
        "No matching type",
        "Slow consumer",
        "Internal error",
        "Server shutting down",
        "Connection timed out. Heartbeat interval 60. Max connection lifespan 120",
        "the topic's name is empty or too long",
        "this connection has as many topics as it may have",
    ]);
}

#[test]
fn memory_that_is_full_refuses_and_is_free_again_when_everybody_has_gone() {
    let counts = counts(&mut tight::Memory::new().lend(), TIGHT);
    counts.hold(&[
        "not accepted",
        "not published",
        "not reserved",
        "waits",
        "ping",
        "pong",
        "close 1011",
        "the server has as many topics as it may have",
    ]);
    let end = transcript(&mut tight::Memory::new().lend(), TIGHT);
    let facts = end.lines().rev().find(|line| line.starts_with("Facts"));
    assert!(facts.is_some_and(|facts| facts.contains("sizes: [3, 5, 3]")), "{facts:?}");
}

#[test]
fn a_transcript_shows_a_single_other_byte() {
    let one = transcript(&mut script::Memory::new().lend(), &[&[Step::Open(0), PING, Step::Turn]]);
    let other =
        transcript(&mut script::Memory::new().lend(), &[&[Step::Open(0), PONG, Step::Turn]]);
    assert_ne!(one.lines().last(), other.lines().last());
}

const PING: Step = Step::Frame(0, 1, 0x89, b"a");
const PONG: Step = Step::Frame(0, 1, 0x89, b"b");

fn transcript(engine: &mut Engine<'_>, script: &[&[Step]]) -> String {
    let mut transcript = Transcript::new(String::new());
    play(engine, script, &mut |event| transcript.add(event).expect("a String grows"));
    transcript.end().expect("a String grows")
}

/// How often each thing happened.
#[derive(Default)]
struct Counts(BTreeMap<String, usize>);

impl Counts {
    fn add(&mut self, what: &str) {
        *self.0.entry(what.to_owned()).or_default() += 1;
    }

    fn hold(&self, all: &[&str]) {
        for &what in all {
            let count = self.0.get(what).copied().unwrap_or_default();
            assert!(count > 0, "`{what}` never happens, but {:?} do", self.0.keys());
        }
    }
}

fn counts(engine: &mut Engine<'_>, script: &[&[Step]]) -> Counts {
    let mut counts = Counts::default();
    let mut streams: [Vec<u8>; CLIENTS] = Default::default();
    play(engine, script, &mut |event| match event {
        Event::Step(_) => {}
        Event::Accepted(_, Ok(())) => counts.add("accepted"),
        Event::Accepted(_, Err(_)) => counts.add("not accepted"),
        Event::Deaf(_) => counts.add("deaf"),
        Event::Waits(_) => counts.add("waits"),
        Event::Wrote(client, bytes) => streams[client].extend(bytes.0),
        Event::Sent(_, sent) => counts.add(&format!("{sent:?}").to_lowercase()),
        Event::Life(life) => counts.add(&word(&format!("{life:?}")).to_lowercase()),
        Event::Gone(client) => {
            counts.add("gone");
            hear(std::mem::take(&mut streams[client]), &mut counts);
        }
        Event::Published(published) => {
            counts.add(if published.is_ok() { "published" } else { "not published" });
        }
        Event::Reserved(reserved) => {
            counts.add(if reserved.is_ok() { "reserved" } else { "not reserved" });
        }
        Event::Settled(settled) => counts.add(if settled { "settled" } else { "not settled" }),
        Event::Haunted(room) => {
            assert_eq!(room, None, "an id kept too long names somebody");
            counts.add("haunted");
        }
        Event::Facts { counts: facts, .. } if facts.slow > 0 => counts.add("slow"),
        Event::Facts { .. } => {}
    });
    for stream in streams {
        hear(stream, &mut counts);
    }
    counts
}

/// Reads, as a client would, all that one connection was sent, however it was cut.
fn hear(mut stream: Vec<u8>, counts: &mut Counts) {
    let mut frames = &mut stream[..];
    if frames.starts_with(b"HTTP") {
        let end = frames.windows(4).position(|four| four == b"\r\n\r\n").expect("a head ends") + 4;
        let status = String::from_utf8_lossy(&frames[9..12]).into_owned();
        counts.add(&format!("status {status}"));
        if status != "101" {
            return;
        }
        frames = &mut frames[end..];
    }
    let mut closed = false;
    let read = Reader::new(Role::Client, 4096).read(frames, |incoming| {
        assert!(!closed, "something follows a close frame");
        match incoming {
            Incoming::Text(text) => {
                counts.add(text.split('"').nth(3).unwrap_or_default());
                if let Some((_, message)) = text.split_once("\"message\":\"") {
                    counts.add(message.split('"').next().unwrap_or_default());
                }
            }
            Incoming::Binary(_) => panic!("nothing binary is ever said"),
            Incoming::Ping(_) => counts.add("ping"),
            Incoming::Pong => counts.add("pong"),
            Incoming::Close(close) => {
                closed = true;
                if let Some(close) = close {
                    counts.add(&format!("close {}", close.code));
                    counts.add(close.reason);
                }
            }
        }
    });
    assert_eq!(read, Ok(()));
}

/// The name of a variant, of its `Debug` text.
fn word(text: &str) -> &str {
    text.split('(').next().unwrap_or_default()
}
