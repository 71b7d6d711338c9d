//! Laws of requests that are still to end: what they hold, and how many there may be. Knows the engine from outside only.
#![cfg(feature = "alloc")]

use fastws_core::action::Close;
use fastws_core::config::Config;
use fastws_core::dispatch::{Admission, Answer, Call, Dispatch, Verdict};
use fastws_core::engine::{Engine, Sent};
use fastws_core::handshake::Request;
use fastws_core::ids::{CallId, ConnectionId, OperationId};
use fastws_core::memory::{ConnectionMemory, TopicMemory, TurnMemory};
use fastws_core::shelf::Full;
use fastws_core::time::{Duration, Instant};
use proptest::prelude::*;
use std::collections::HashMap;

const NOW: Instant = Instant::from_millis(1);
const ECHO: OperationId = OperationId(0x0102);
const LATER: OperationId = OperationId(1);
const SILENT: OperationId = OperationId(2);

/// `/echo` replies with what it got, `/later` when it is told to, `/silent` not at all.
#[derive(Default)]
struct App {
    calls: Vec<(CallId, Option<String>)>,
}

impl Dispatch for App {
    fn find(&self, _: &str) -> Option<OperationId> {
        None
    }

    fn call(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
        match call.operation {
            ECHO => answer.reply("", call.payload.map(str::as_bytes)).done(),
            LATER => {
                self.calls.push((call.id, call.payload.map(String::from)));
                answer.later()
            }
            _ => answer.silent().done(),
        }
    }

    fn request(&mut self, _: ConnectionId, request: &Request<'_>) -> Admission<'_> {
        match request.path {
            "/echo" => Admission::Call(ECHO),
            "/later" => Admission::Call(LATER),
            "/silent" => Admission::Call(SILENT),
            _ => Admission::Upgrade { protocol: None },
        }
    }
}

fn request(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}").into()
}

/// Takes as many bytes as there is room for, in pieces; how many that were.
fn feed(
    engine: &mut Engine<'_>,
    app: &mut App,
    id: ConnectionId,
    bytes: &[u8],
    cut: usize,
) -> usize {
    let mut fed = 0;
    while fed < bytes.len() {
        let Some(room) = engine.room(id) else { break };
        assert!(room > 0, "a request is never held up");
        let piece = room.min(cut).min(bytes.len() - fed);
        engine.handle_bytes(NOW, id, &mut bytes[fed..fed + piece].to_vec(), app);
        fed += piece;
    }
    fed
}

/// What is written to each, until nothing is left to write.
fn written(engine: &mut Engine<'_>, app: &mut App) -> HashMap<ConnectionId, String> {
    let mut written = HashMap::<_, String>::new();
    loop {
        engine.resume(NOW, app);
        let mut any = false;
        while let Some(transmit) = engine.poll_transmit(NOW) {
            let id = transmit.id();
            let bytes = transmit.parts().collect::<Vec<_>>().concat();
            let sent = engine.handle_sent(NOW, id, bytes.len());
            assert!(sent != Sent::Finished || !bytes.is_empty() || written.contains_key(&id));
            written.entry(id).or_default().push_str(&String::from_utf8_lossy(&bytes));
            any = true;
        }
        if !any && !engine.is_ready() {
            return written;
        }
    }
}

#[test]
fn a_reply_without_a_payload_and_no_reply_at_all_are_a_204() {
    let (mut engine, mut app) = (Engine::new(Config::default(), 1), App::default());
    for (path, body) in [("/echo", ""), ("/silent", "1")] {
        let id = engine.accept(NOW, [0; 16]).expect("there is room");
        feed(&mut engine, &mut app, id, &request(path, body), usize::MAX);
        let written = written(&mut engine, &mut app);
        assert_eq!(written[&id], "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        assert_eq!(engine.connections(), 0);
    }
}

// law: 7
#[test]
fn what_comes_behind_a_head_makes_it_no_longer_however_it_is_split() {
    let body = format!("{:>300}", 7);
    let whole = request("/echo", &body);
    let head = whole.len() - body.len();
    for (most, status) in [(head, "200"), (head - 1, "431")] {
        let config = Config { handshake_bytes: most as u32, ..Config::default() };
        for first in 1..=whole.len() {
            let (mut engine, mut app) = (Engine::new(config.clone(), 1), App::default());
            let id = engine.accept(NOW, [0; 16]).expect("there is room");
            for part in [&whole[..first], &whole[first..]] {
                feed(&mut engine, &mut app, id, part, usize::MAX);
            }
            let written = &written(&mut engine, &mut app)[&id];
            let expected = format!("HTTP/1.1 {status} ");
            assert!(written.starts_with(&expected), "{most} of {head}, {first} first: {written}");
        }
    }
}

#[test]
fn what_would_close_a_connection_has_a_status() {
    for (code, status) in
        [(1001, 503), (1003, 422), (1008, 400), (1011, 500), (1012, 503), (1013, 503), (4000, 400)]
    {
        let (mut engine, mut app) = (Engine::new(Config::default(), 1), App::default());
        let id = engine.accept(NOW, [0; 16]).expect("there is room");
        feed(&mut engine, &mut app, id, &request("/later", "7"), 1);
        let (call, payload) = app.calls.pop().expect("it was called");
        assert_eq!(payload.as_deref(), Some("7"));
        assert_eq!(engine.room(id), Some(usize::MAX));
        assert!(
            engine.settle(NOW, call, None, |answer| answer.close(Close { code, reason: "r\"" }))
        );
        assert!(!engine.settle(NOW, call, None, |answer| answer.silent().done()));
        let written = &written(&mut engine, &mut app)[&id];
        assert!(written.starts_with(&format!("HTTP/1.1 {status} ")), "{code}: {written}");
        assert!(written.ends_with("\r\n\r\n{\"error\":\"r\\\"\"}"));
    }
}

#[test]
fn a_body_that_has_not_come_when_the_server_ends_is_answered_at_once() {
    let (mut engine, mut app) = (Engine::new(Config::default(), 1), App::default());
    let id = engine.accept(NOW, [0; 16]).expect("there is room");
    let whole = request("/echo", "[1]");
    feed(&mut engine, &mut app, id, &whole[..whole.len() - 1], usize::MAX);
    engine.drain(NOW);
    assert!(written(&mut engine, &mut app)[&id].starts_with("HTTP/1.1 503 "));
}

#[test]
fn who_has_said_all_gets_the_answer_that_it_still_waits_for() {
    let new = |path: &str, missing: usize, turn_bytes| {
        let config = Config { turn_bytes, ..Config::default() };
        let (mut engine, mut app) = (Engine::new(config, 1), App::default());
        let ids = [1, 2].map(|uid| engine.accept(NOW, [uid; 16]).expect("there is room"));
        feed(&mut engine, &mut app, ids[0], &request("/echo", "1"), usize::MAX);
        let whole = request(path, "[7]");
        feed(&mut engine, &mut app, ids[1], &whole[..whole.len() - missing], usize::MAX);
        engine.handle_eof(NOW, ids[1]);
        (engine, app, ids[1])
    };
    // Its call runs.
    let (mut engine, mut app, id) = new("/later", 0, 1 << 20);
    assert_eq!((engine.poll_gone(), engine.room(id)), (None, Some(0)));
    let (call, _) = app.calls.pop().expect("it was called");
    engine.settle(NOW, call, None, |answer| answer.reply("", Some(b"8")).done());
    assert!(written(&mut engine, &mut app)[&id].ends_with("\r\n\r\n8"));
    assert_eq!(engine.poll_gone(), Some(id));
    // Its body waits for a turn.
    let (mut engine, mut app, id) = new("/echo", 0, 1);
    assert_eq!(engine.poll_gone(), None);
    assert!(written(&mut engine, &mut app)[&id].ends_with("\r\n\r\n[7]"));
    // Its answer waits for its socket.
    let (mut engine, _, id) = new("/echo", 0, 1 << 20);
    assert_eq!((engine.poll_gone(), engine.is_empty()), (None, false));
    while let Some(transmit) = engine.poll_transmit(NOW) {
        let to = transmit.id();
        let bytes = transmit.parts().map(<[u8]>::len).sum();
        engine.handle_sent(NOW, to, bytes);
    }
    assert_eq!(engine.poll_gone(), Some(id));
    // It is no request.
    let (mut engine, _, id) = new("/echo", 1, 1 << 20);
    assert_eq!(engine.poll_gone(), Some(id));
}

#[test]
fn a_body_is_asked_for_where_it_is_awaited_and_refused_where_it_is_too_long() {
    let head = |length: usize| {
        format!("POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n")
    };
    let config = Config { message_bytes: 12, ..Config::default() };
    for (bytes, start) in [
        (head(2), "HTTP/1.1 100 Continue\r\n\r\n"),
        (head(2) + "1", "HTTP/1.1 100 Continue\r\n\r\n"),
        (head(2) + "12", "HTTP/1.1 200 OK\r\n"),
        (head(2) + "12 ", "HTTP/1.1 200 OK\r\n"),
        (head(12), "HTTP/1.1 100 Continue\r\n\r\n"),
        (head(13), "HTTP/1.1 413 "),
    ] {
        let (mut engine, mut app) = (Engine::new(config.clone(), 1), App::default());
        let id = engine.accept(NOW, [0; 16]).expect("there is room");
        engine.handle_bytes(NOW, id, &mut bytes.clone().into_bytes(), &mut app);
        let written = &written(&mut engine, &mut app)[&id];
        assert!(written.starts_with(start), "{bytes}: {written}");
    }
}

#[test]
fn a_call_over_http_subscribes_to_nothing() {
    let (mut engine, mut app) = (Engine::new(Config::default(), 1), App::default());
    let id = engine.accept(NOW, [0; 16]).expect("there is room");
    feed(&mut engine, &mut app, id, &request("/later", ""), usize::MAX);
    let (call, _) = app.calls.pop().expect("it was called");
    assert!(engine.reserve(call, "bars", 0).is_err());
    engine.settle(NOW, call, None, |answer| {
        let mut effects = answer.reply("", Some(b"1"));
        assert!(effects.subscribe("bars").is_err());
        effects.unsubscribe("bars");
        effects.send_frame(b"\x81\x01x");
        effects.done()
    });
    assert!(written(&mut engine, &mut app)[&id].ends_with("\r\n\r\n1"));
    assert_eq!((engine.subscriptions(), engine.topics()), (0, 0));
}

#[test]
fn lent_memory_answers_a_body_of_the_longest_message() {
    let mut connections = ConnectionMemory::<2, 512, 600>::new();
    let (mut topics, mut turn) = (TopicMemory::<1, 1, 8>::new(), TurnMemory::<1024, 16>::new());
    let mut engine = Engine::lent(Config::default(), 1, &mut connections, &mut topics, &mut turn);
    let mut app = App::default();
    let ids = [1, 2].map(|uid| engine.accept(NOW, [uid; 16]).expect("there are two seats"));
    // 512 bytes of input, of which 256 are for what is no payload.
    let body = format!("{:>256}", 7);
    for id in ids {
        feed(&mut engine, &mut app, id, &request("/echo", &body), 100);
    }
    let written = written(&mut engine, &mut app);
    for id in ids {
        assert!(written[&id].starts_with("HTTP/1.1 200 ") && written[&id].ends_with("\r\n\r\n7"));
    }
    let id = engine.accept(NOW, [3; 16]);
    assert_eq!(id, Err(Full), "both linger until their peers have ended");
}

#[test]
fn as_many_may_be_about_to_open_or_to_end_as_may_be_open() {
    let config = Config { connections: 100, ..Config::default() };
    let (mut engine, mut app) = (Engine::new(config, 1), App::default());
    let open: Vec<_> =
        (0..100).map(|_| engine.open(NOW, [0; 16]).expect("100 may be open")).collect();
    let about = [(); 100].map(|()| engine.accept(NOW, [0; 16]).expect("100 may be about to open"));
    let [late, post, ..] = about;
    feed(&mut engine, &mut app, post, &request("/later", "1")[..30], usize::MAX);
    assert_eq!(engine.accept(NOW, [0; 16]), Err(Full));
    // One that has ended makes room, and one that begins to end takes it.
    engine.handle_end(NOW, post);
    assert_eq!(engine.poll_gone(), Some(post));
    engine.close(NOW, open[0], Close::SHUTDOWN);
    assert_eq!(engine.accept(NOW, [0; 16]), Err(Full));
    engine.handle_timeout(NOW + Duration::from_secs(60));
    while engine.poll_transmit(NOW).is_some() {}
    engine.handle_end(NOW, late);
    assert!(engine.poll_gone().is_some());
    assert!(engine.accept(NOW, [0; 16]).is_ok());
}

proptest! {
    /// Whatever the pieces, and however full the turn, each request has the one response that it has alone.
    #[test]
    fn requests_of_all_kinds_are_answered_alike_however_they_come(
        requests in proptest::collection::vec(
            (0..3_usize, prop_oneof![Just(""), Just(" 7 "), Just("[1,{}]"), Just("nope"), Just("\"\u{e9}\"")], 1..80_usize, 0..9_u8),
            1..8,
        ),
        turn_bytes in prop_oneof![Just(1_u32), Just(1 << 20)],
    ) {
        let config = Config { turn_bytes, ..Config::default() };
        let (mut engine, mut app) = (Engine::new(config, 1), App::default());
        let mut expected = HashMap::new();
        for &(path, body, cut, lost) in &requests {
            let whole = request(["/echo", "/later", "/silent"][path], body);
            let id = engine.accept(NOW, [0; 16]).expect("there is room");
            // Some lose their last bytes.
            let sent = whole.len() - usize::from(lost == 0 && !body.is_empty());
            prop_assert_eq!(feed(&mut engine, &mut app, id, &whole[..sent], cut), sent);
            let trimmed = body.trim();
            expected.insert(id, match (path, trimmed) {
                _ if sent < whole.len() => None,
                (_, "nope") => Some("400"),
                (2, _) | (_, "") => Some("204"),
                _ => Some("200"),
            });
        }
        let mut said = written(&mut engine, &mut app);
        for (call, payload) in std::mem::take(&mut app.calls) {
            engine.settle(NOW, call, None, |answer| {
                answer.reply("", payload.as_deref().map(str::as_bytes)).done()
            });
            for (id, bytes) in written(&mut engine, &mut app) {
                said.entry(id).or_default().push_str(&bytes);
            }
        }
        for (id, status) in expected {
            let answer = said.get(&id).map_or("", String::as_str);
            match status {
                None => prop_assert_eq!(answer, ""),
                Some(status) => {
                    prop_assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
                    prop_assert_eq!(answer.matches("HTTP/1.1").count(), 1);
                }
            }
        }
    }
}
