//! Peers that say more than they may. Knows the engine from outside only.
#![cfg(feature = "alloc")]

use fastws_core::action::Close;
use fastws_core::config::Config;
use fastws_core::dispatch::{Answer, Call, Dispatch, Verdict};
use fastws_core::engine::Engine;
use fastws_core::frame::{Head, Opcode};
use fastws_core::ids::{ConnectionId, OperationId};
use fastws_core::time::{Duration, Instant};

/// Echoes at once, or leaves a call open.
#[derive(Default)]
struct App {
    calls: usize,
}

impl Dispatch for App {
    fn find(&self, name: &str) -> Option<OperationId> {
        ["echo", "later"].iter().position(|own| *own == name).map(|at| OperationId(at as u16))
    }

    fn call(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
        self.calls += 1;
        match call.operation.0 {
            0 => answer.reply("echo", None).done(),
            _ => answer.later(),
        }
    }
}

#[test]
fn a_message_more_than_a_second_allows_closes_and_is_not_dispatched() {
    let config = Config { messages_per_second: Some(3), ..Config::default() };
    for opcode in [Opcode::Text, Opcode::Binary] {
        let (mut engine, mut app) = (Engine::new(config.clone(), 1), App::default());
        let id = engine.open(NOW, [1; 16]).expect("there is room");
        let control = [frame(Opcode::Ping, "p"), frame(Opcode::Pong, "p")].concat().repeat(20);
        say(&mut engine, &mut app, id, NOW, &control);
        for calls in 1..=3 {
            say(&mut engine, &mut app, id, NOW, &frame(Opcode::Text, ECHO));
            assert_eq!((app.calls, closed(&engine)), (calls, 0));
        }
        let third = NOW + Duration::from_millis(333);
        say(&mut engine, &mut app, id, third, &frame(opcode, ECHO));
        assert_eq!((app.calls, closed(&engine)), (3, 1));
        assert!(heard(&mut engine).ends_with(Close::RATE.reason.as_bytes()));
    }
}

#[test]
fn messages_that_wait_count_when_they_come() {
    let config = Config { messages_per_second: Some(3), ..Config::default() };
    for (count, ends) in [(2, 0), (3, 1)] {
        let (mut engine, mut app) = (Engine::new(config.clone(), 1), App::default());
        let id = engine.open(NOW, [1; 16]).expect("there is room");
        let later = frame(Opcode::Text, r#"{"type":"later"}"#);
        let all = [later, frame(Opcode::Text, ECHO).repeat(count)].concat();
        say(&mut engine, &mut app, id, NOW, &all);
        assert_eq!((app.calls, closed(&engine)), (1, ends), "{count} wait");
    }
}

#[test]
fn a_byte_more_than_a_second_allows_closes_and_the_peers_close_is_still_read() {
    let echo = frame(Opcode::Text, ECHO);
    let config = Config { bytes_per_second: Some(2 * echo.len() as u32), ..Config::default() };
    for (more, ends) in [(0, 0), (1, 1)] {
        let (mut engine, mut app) = (Engine::new(config.clone(), 1), App::default());
        let id = engine.open(NOW, [1; 16]).expect("there is room");
        say(&mut engine, &mut app, id, NOW, &echo.repeat(2));
        say(&mut engine, &mut app, id, NOW, &frame(Opcode::Close, "")[..more]);
        assert_eq!((app.calls, closed(&engine)), (2, ends));
        if more > 0 {
            say(&mut engine, &mut app, id, NOW, &frame(Opcode::Close, "")[more..]);
            assert!(heard(&mut engine).ends_with(Close::RATE.reason.as_bytes()));
            engine.handle_end(NOW, id);
            assert_eq!(engine.poll_gone(), Some(id));
        }
    }
}

#[test]
fn a_message_that_is_framed_elsewhere_counts_by_its_payload() {
    let config = Config { bytes_per_second: Some(ECHO.len() as u32), ..Config::default() };
    let (mut engine, mut app) = (Engine::new(config, 1), App::default());
    let id = engine.open(NOW, [1; 16]).expect("there is room");
    let mut hand = |engine: &mut Engine<'_>| {
        engine.handle_message(NOW, id, Opcode::Text, &mut ECHO.as_bytes().to_vec(), &mut app);
        closed(engine)
    };
    assert_eq!(hand(&mut engine), 0);
    assert_eq!(hand(&mut engine), 1);
    assert_eq!(app.calls, 1);
}

const NOW: Instant = Instant::from_millis(1);
const ECHO: &str = r#"{"type":"echo"}"#;

fn say(engine: &mut Engine<'_>, app: &mut App, id: ConnectionId, now: Instant, bytes: &[u8]) {
    engine.handle_bytes(now, id, &mut bytes.to_vec(), app);
}

/// How many were closed with 1008.
fn closed(engine: &Engine<'_>) -> u64 {
    let closes = engine.counts().closes;
    closes.iter().find(|(label, _)| *label == "1008").expect("it has a label").1
}

fn heard(engine: &mut Engine<'_>) -> Vec<u8> {
    let mut heard = Vec::new();
    while let Some(transmit) = engine.poll_transmit(NOW) {
        let id = transmit.id();
        let bytes = transmit.parts().collect::<Vec<_>>().concat();
        engine.handle_sent(NOW, id, bytes.len());
        heard.extend(bytes);
    }
    heard
}

fn frame(opcode: Opcode, text: &str) -> Vec<u8> {
    [Head::new(opcode, text.len(), Some([0; 4])).as_slice(), text.as_bytes()].concat()
}
