//! What has to wait in an engine comes through in the end. Knows the wire's bytes, no socket.
#![cfg(feature = "alloc")]

mod listener;

use fastws_core::action::Close;
use fastws_core::config::Config;
use fastws_core::engine::{Engine, Sent};
use fastws_core::frame::{Head, Opcode};
use fastws_core::ids::ConnectionId;
use fastws_core::memory::{ConnectionMemory, TopicMemory, TurnMemory};
use fastws_core::time::Instant;
use listener::Listener;

const NOW: Instant = Instant::ZERO;
/// What comes back is the same.
const ECHO: &str = r#"{"type":"echo","payload":"echo echo echo echo echo echo echo echo echo echo echo echo echo echo 1"}"#;

fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    [Head::new(opcode, payload.len(), Some([0; 4])).as_slice(), payload].concat()
}

fn say(engine: &mut Engine<'_>, app: &mut Listener, id: ConnectionId, message: &str) {
    engine.handle_bytes(NOW, id, &mut frame(Opcode::Text, message.as_bytes()), app);
}

/// Writes as a socket that takes `space` bytes would; tells them, and what the driver does next.
fn write(engine: &mut Engine<'_>, mut space: usize) -> (Vec<u8>, Option<Sent>) {
    let (mut all, mut last) = (Vec::new(), None);
    while let Some(transmit) = engine.poll_transmit(NOW) {
        let id = transmit.id();
        let mut bytes = transmit.parts().collect::<Vec<_>>().concat();
        bytes.truncate(space);
        space -= bytes.len();
        last = Some(engine.handle_sent(NOW, id, bytes.len()));
        all.extend(bytes);
    }
    (all, last)
}

#[test]
fn who_asks_much_and_reads_slowly_is_slowed_down_and_not_cut_off() {
    let config = Config { backlog_bytes: 600, ..Config::default() };
    let (mut engine, mut app) = (Engine::new(config, 1), Listener::default());
    let id = engine.open(NOW, [1; 16]).expect("owned memory grows");
    say(&mut engine, &mut app, id, ECHO);
    write(&mut engine, 0);
    let mut burst = frame(Opcode::Text, ECHO.as_bytes()).repeat(20);
    engine.handle_bytes(NOW, id, &mut burst, &mut app);
    let (mut got, mut reads) = (0, 0);
    while got < 21 * (2 + ECHO.len()) {
        engine.handle_writable(id);
        engine.resume(NOW, &mut app);
        let (bytes, _) = write(&mut engine, 50);
        assert!(!bytes.is_empty(), "it stands still after {got} bytes");
        got += bytes.len();
        reads += 1;
    }
    assert_eq!((engine.counts().slow, engine.counts().received), (0, 21));
    assert!(reads > 21 * 2);
}

#[test]
fn a_close_that_waits_for_a_call_is_taken_when_we_close_first() {
    let (mut engine, mut app) = (Engine::new(Config::default(), 1), Listener::default());
    let id = engine.open(NOW, [1; 16]).expect("owned memory grows");
    say(&mut engine, &mut app, id, r#"{"type":"later"}"#);
    engine.handle_bytes(NOW, id, &mut frame(Opcode::Close, b""), &mut app);
    engine.close(NOW, id, Close::SHUTDOWN);
    engine.resume(NOW, &mut app);
    assert_eq!(write(&mut engine, 1_000).1, Some(Sent::Finished));
}

#[test]
fn who_is_cut_off_with_messages_waiting_still_closes_in_order() {
    let config = Config {
        handshake_bytes: 256,
        message_bytes: 256,
        backlog_bytes: 300,
        ..Config::default()
    };
    let (mut engine, mut app) = (Engine::new(config, 1), Listener::default());
    let id = engine.open(NOW, [1; 16]).expect("owned memory grows");
    say(&mut engine, &mut app, id, r#"{"type":"listen"}"#);
    for _ in 0..2 {
        say(&mut engine, &mut app, id, ECHO);
        write(&mut engine, 0);
    }
    let mut burst = frame(Opcode::Text, ECHO.as_bytes()).repeat(10);
    let mut rest = &mut burst[..];
    while let Some(room @ 1..) = engine.room(id) {
        let (taken, left) = rest.split_at_mut(room.min(rest.len()));
        engine.handle_bytes(NOW, id, taken, &mut app);
        rest = left;
    }
    engine.publish("news", "update", ECHO.as_bytes(), None).expect("owned memory grows");
    write(&mut engine, 0);
    assert_eq!((engine.counts().slow, engine.connections()), (1, 0));
    engine.resume(NOW, &mut app);
    assert!(engine.room(id) > Some(100), "there is no room for the peer's close frame");
    assert_eq!(engine.counts().received, 3, "messages that waited are not dispatched any more");
}

/// Queues updates for whoever listens until the turn's memory is full to the last byte.
fn fill(engine: &mut Engine<'_>) -> usize {
    let mut queued = 0;
    while engine.publish("news", "update", ECHO.as_bytes(), None).is_ok() {
        queued += 1;
    }
    while engine.publish_frame("news", b"\x81\x00", None).is_ok() {}
    queued
}

fn updates(bytes: &[u8]) -> usize {
    bytes.windows(8).filter(|window| window == b"\"update\"").count()
}

#[test]
fn a_ping_takes_nothing_from_whoever_sends_it_while_lent_memory_is_full() {
    let mut connections = ConnectionMemory::<2, 512, 600>::new();
    let mut topics = TopicMemory::<2, 2, 16>::new();
    let mut turn = TurnMemory::<1024, 16>::new();
    let mut engine = Engine::lent(Config::default(), 1, &mut connections, &mut topics, &mut turn);
    let mut app = Listener::default();
    let id = engine.open(NOW, [1; 16]).expect("there are two seats");
    say(&mut engine, &mut app, id, r#"{"type":"listen"}"#);
    let queued = fill(&mut engine);
    for payload in [&b"first"[..], &[b'p'; 125]] {
        engine.handle_bytes(NOW, id, &mut frame(Opcode::Ping, payload), &mut app);
    }
    let (bytes, sent) = write(&mut engine, usize::MAX);
    assert_eq!((updates(&bytes), sent), (queued, Some(Sent::Idle)));
    assert_eq!(bytes[..2], [0x8a, 125], "only the newest pong waits, and goes first");
}

#[test]
fn a_ping_of_ours_takes_nothing_from_anybody_while_lent_memory_is_full() {
    let mut connections = ConnectionMemory::<2, 512, 600>::new();
    let mut topics = TopicMemory::<2, 2, 16>::new();
    let mut turn = TurnMemory::<1024, 16>::new();
    let config = Config::default();
    let late = NOW + config.ping;
    let mut engine = Engine::lent(config, 1, &mut connections, &mut topics, &mut turn);
    let mut app = Listener::default();
    let id = engine.open(NOW, [1; 16]).expect("there are two seats");
    say(&mut engine, &mut app, id, r#"{"type":"listen"}"#);
    let queued = fill(&mut engine);
    engine.handle_timeout(late);
    let (bytes, sent) = write(&mut engine, usize::MAX);
    assert_eq!((updates(&bytes), sent, &bytes[..2]), (queued, Some(Sent::Idle), &b"\x89\x00"[..]));
}

#[test]
fn a_pong_never_overtakes_the_answer_to_the_handshake() {
    let mut request =
        b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            .to_vec();
    request.extend(frame(Opcode::Ping, b"early"));
    let (mut engine, mut app) = (Engine::new(Config::default(), 1), Listener::default());
    let id = engine.accept(NOW, [1; 16]).expect("owned memory grows");
    engine.handle_bytes(NOW, id, &mut request.clone(), &mut app);
    write(&mut engine, 0);
    engine.handle_bytes(NOW, id, &mut frame(Opcode::Ping, b"again"), &mut app);
    write(&mut engine, 0);
    engine.handle_writable(id);
    let (bytes, _) = write(&mut engine, usize::MAX);
    assert!(bytes.starts_with(b"HTTP/1.1 101 ") && bytes.ends_with(b"\r\n\r\n\x8a\x05again"));

    // A turn of lent memory may hold nothing beside the answer.
    let mut connections = ConnectionMemory::<2, 512, 600>::new();
    let mut topics = TopicMemory::<2, 2, 16>::new();
    let mut turn = TurnMemory::<130, 16>::new();
    let mut engine = Engine::lent(Config::default(), 1, &mut connections, &mut topics, &mut turn);
    let id = engine.accept(NOW, [1; 16]).expect("there are two seats");
    engine.handle_bytes(NOW, id, &mut request, &mut app);
    let (bytes, _) = write(&mut engine, usize::MAX);
    assert!(bytes.starts_with(b"HTTP/1.1 101 ") && bytes.ends_with(b"\r\n\r\n\x8a\x05early"));
}
