//! Counts what an engine allocates while it delivers. A binary of its own, because the counter counts for all of it.
#![cfg(feature = "alloc")]

use fastws_core::config::{Config, SlowConsumer};
use fastws_core::dispatch::{Answer, Call, Dispatch, Verdict};
use fastws_core::engine::Engine;
use fastws_core::frame::{Head, Opcode};
use fastws_core::ids::{ConnectionId, OperationId};
use fastws_core::memory::{ConnectionMemory, TopicMemory, TurnMemory};
use fastws_core::time::Instant;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts per thread, because the test harness allocates too.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: everything is left to the system's allocator; counting touches no memory it manages.
unsafe impl GlobalAlloc for Counting {
    // Growing an allocation comes by here, too: `realloc` is the provided one.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

fn allocations(run: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    run();
    ALLOCATIONS.get() - before
}

#[test]
fn owned_memory_allocates_for_no_delivery_once_it_has_grown() {
    let mut engine = Engine::new(Config::default(), 1);
    let mut seats = [None; LISTENERS];
    let grown = allocations(|| {
        listen(&mut engine, &mut seats);
        deliver(&mut engine, 2);
    });
    assert!(grown > LISTENERS, "the counter does not count");
    assert_eq!(allocations(|| deliver(&mut engine, 1_000)), 0);
    assert_eq!(engine.counts().sent, 4 * 1_002 * LISTENERS as u64);
}

#[test]
fn a_reader_that_is_too_slow_costs_no_allocation_once_its_backlog_has_grown() {
    for slow_consumer in [SlowConsumer::Close, SlowConsumer::DropOldest, SlowConsumer::Latest] {
        let config = Config { slow_consumer, backlog_bytes: 4 << 10, ..Config::default() };
        let mut engine = Engine::new(config, 1);
        let mut seats = [None; LISTENERS];
        listen(&mut engine, &mut seats);
        fall_behind(&mut engine, 200);
        let counts = engine.counts();
        assert!(counts.slow + counts.dropped > 0, "{slow_consumer:?} has had nothing to do");
        assert_eq!(allocations(|| fall_behind(&mut engine, 1_000)), 0, "{slow_consumer:?}");
        let sent = engine.counts().bytes_sent;
        assert_eq!(allocations(|| catch_up(&mut engine, &seats)), 0, "{slow_consumer:?}");
        assert!(slow_consumer == SlowConsumer::Close || engine.counts().bytes_sent > sent);
    }
}

#[test]
fn owned_memory_allocates_for_no_call_once_it_has_grown() {
    let mut engine = Engine::new(Config::default(), 1);
    let mut seats = [None; LISTENERS];
    listen(&mut engine, &mut seats);
    call(&mut engine, &seats, 2);
    assert_eq!(allocations(|| call(&mut engine, &seats, 1_000)), 0);
    assert_eq!(engine.counts().sent, 1_002);
}

#[test]
fn lent_memory_allocates_nothing_from_the_first_byte_to_the_last() {
    let mut connections = ConnectionMemory::<LISTENERS, 512, 512>::new();
    let mut topics = TopicMemory::<4, { 2 * LISTENERS }, 16>::new();
    let mut turn = TurnMemory::<16_384, 512>::new();
    let mut seats = [None; LISTENERS];
    let all = allocations(|| {
        let mut engine =
            Engine::lent(Config::default(), 1, &mut connections, &mut topics, &mut turn);
        listen(&mut engine, &mut seats);
        deliver(&mut engine, 1_000);
        call(&mut engine, &seats, 1_000);
        come_and_go(&mut engine, &seats, 100);
        block(&mut engine, &seats);
        for id in seats.into_iter().flatten() {
            engine.handle_end(NOW, id);
        }
        write(&mut engine, usize::MAX);
        assert!(engine.is_empty());
        assert_eq!(engine.counts().sent, 4_001 * LISTENERS as u64 + 1_000);
    });
    assert_eq!(all, 0);
}

const LISTENERS: usize = 100;
const NOW: Instant = Instant::ZERO;

/// Echoes, subscribes to the topic that is the payload, and unsubscribes.
struct Application;

impl Dispatch for Application {
    fn find(&self, name: &str) -> Option<OperationId> {
        Some(OperationId(["echo", "come", "go"].iter().position(|&own| own == name)? as u16))
    }

    fn call(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
        let payload = call.payload.unwrap_or_default();
        match call.operation.0 {
            0 => answer.reply("echo.response", Some(payload.as_bytes())).done(),
            1 => {
                let mut effects = answer.silent();
                effects.subscribe(payload).expect("there is room for four topics");
                effects.done()
            }
            _ => {
                let mut effects = answer.silent();
                effects.unsubscribe(payload);
                effects.done()
            }
        }
    }
}

/// Everybody shakes hands, and listens.
fn listen(engine: &mut Engine<'_>, seats: &mut [Option<ConnectionId>]) {
    for seat in seats {
        let id = engine.accept(NOW, [1; 16]).expect("there is a seat for each listener");
        let mut request = *b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        for part in request.chunks_mut(50) {
            engine.handle_bytes(NOW, id, part, &mut Application);
        }
        say(engine, id, r#"{"type":"come","payload":1}"#);
        write(engine, usize::MAX);
        *seat = Some(id);
    }
    assert_eq!(engine.subscriptions(), LISTENERS);
}

fn deliver(engine: &mut Engine<'_>, times: usize) {
    for _ in 0..times {
        let audience = engine.publish("1", "update", br#"{"price":"100.25"}"#, None);
        assert_eq!(audience.map(|audience| audience.listeners), Ok(LISTENERS));
        write(engine, usize::MAX);
        let frame = b"\x81\x0f{\"type\":\"told\"}";
        let audience = engine.publish_frame("1", frame, None);
        assert_eq!(audience.map(|audience| audience.listeners), Ok(LISTENERS));
        assert_eq!(engine.broadcast_frame(frame), Ok(LISTENERS));
        assert_eq!(engine.broadcast("told", b"1"), Ok(LISTENERS));
        write(engine, usize::MAX);
    }
}

fn call(engine: &mut Engine<'_>, seats: &[Option<ConnectionId>], times: usize) {
    for id in seats.iter().flatten().cycle().take(times) {
        say(engine, *id, r#"{"type":"echo","payload":{"a":[1,2,3]},"id":7}"#);
        write(engine, usize::MAX);
    }
}

fn come_and_go(engine: &mut Engine<'_>, seats: &[Option<ConnectionId>], times: usize) {
    for id in seats.iter().flatten().cycle().take(times) {
        say(engine, *id, r#"{"type":"come","payload":2}"#);
        write(engine, usize::MAX);
        say(engine, *id, r#"{"type":"go","payload":2}"#);
        write(engine, usize::MAX);
    }
}

/// The sockets of every other listener take nothing of so many updates.
fn fall_behind(engine: &mut Engine<'_>, times: usize) {
    for _ in 0..times {
        engine.publish("1", "update", br#"{"price":"100.25"}"#, None).expect("memory grows");
        transmit(engine, |id| if id.slot() % 2 == 0 { 0 } else { usize::MAX });
    }
}

/// They take what waits, and read of the gaps in it.
fn catch_up(engine: &mut Engine<'_>, seats: &[Option<ConnectionId>]) {
    for id in seats.iter().flatten() {
        engine.handle_writable(*id);
    }
    write(engine, usize::MAX);
}

/// Nobody's socket takes more than a few bytes for a while.
fn block(engine: &mut Engine<'_>, seats: &[Option<ConnectionId>]) {
    engine.publish("1", "update", br#"{"price":"100.25"}"#, None).expect("the turn has just begun");
    write(engine, 10);
    catch_up(engine, seats);
}

fn say(engine: &mut Engine<'_>, id: ConnectionId, message: &str) {
    let head = Head::new(Opcode::Text, message.len(), Some([0; 4]));
    let mut bytes = [0; 128];
    let (front, back) = bytes.split_at_mut(head.as_slice().len());
    front.copy_from_slice(head.as_slice());
    back[..message.len()].copy_from_slice(message.as_bytes());
    let len = head.as_slice().len() + message.len();
    engine.handle_bytes(NOW, id, &mut bytes[..len], &mut Application);
}

/// A turn, or a few, in which each socket takes at most `space` bytes at a time.
fn write(engine: &mut Engine<'_>, space: usize) {
    transmit(engine, |_| space);
}

fn transmit(engine: &mut Engine<'_>, space: impl Fn(ConnectionId) -> usize) {
    loop {
        engine.resume(NOW, &mut Application);
        while let Some(transmit) = engine.poll_transmit(NOW) {
            let id = transmit.id();
            let sent = transmit.parts().map(<[u8]>::len).sum::<usize>().min(space(id));
            engine.handle_sent(NOW, id, sent);
        }
        while engine.poll_life().is_some() {}
        while engine.poll_gone().is_some() {}
        if !engine.is_ready() {
            return;
        }
    }
}
