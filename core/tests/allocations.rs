//! Counts what readers, handshakes and connections allocate. A binary of its own, because the counter counts for all of it.
#![cfg(feature = "alloc")]

mod listener;

use fastws_core::assembly::Reader;
use fastws_core::config::{Config, SlowConsumer};
use fastws_core::dispatch::{Admission, Answer, Call, Dispatch, Verdict};
use fastws_core::engine::Engine;
use fastws_core::frame::{Head, Opcode, Role};
use fastws_core::handshake::Request;
use fastws_core::ids::{CallId, ConnectionId, OperationId};
use fastws_core::time::Instant;
use listener::Listener;
use proptest::prelude::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::iter;

/// Counts per thread, because the test harness allocates too. What another thread had allocated
/// counts below zero when it is freed here.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: everything is left to the system's allocator; counting touches no memory it manages.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.get() + layout.size() as isize;
        HELD.set(held);
        MOST.set(MOST.get().max(held));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.set(HELD.get() - layout.size() as isize);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

/// The most that was held at once while `run` ran, beyond what was held before.
fn most(run: impl FnOnce()) -> isize {
    let before = HELD.get();
    MOST.set(before);
    run();
    MOST.get() - before
}

// law: 10
#[test]
fn a_length_that_was_only_told_allocates_nothing() {
    const GIB: usize = 1 << 30;
    for (len, limit) in [(GIB, GIB), (64 << 10, 64 << 10), (GIB, 64 << 10)] {
        for payload in [0, 10] {
            let mut bytes = [0; 24];
            let head = Head::new(Opcode::Binary, len, Some([0; 4]));
            bytes[..head.as_slice().len()].copy_from_slice(head.as_slice());
            let mut reader = Reader::new(Role::Server, limit);
            let most = most(|| {
                let read = reader.read(&mut bytes[..head.as_slice().len() + payload], |_| {});
                assert_eq!(read.is_ok(), len <= limit);
            });
            assert!(most <= 64, "{most} bytes for {payload} of {len}");
        }
    }
}

#[test]
fn a_request_holds_what_has_come_of_it() {
    struct App;
    impl Dispatch for App {
        fn find(&self, _: &str) -> Option<OperationId> {
            None
        }

        fn call(&mut self, _: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
            answer.silent().done()
        }

        fn request(&mut self, _: ConnectionId, _: &Request<'_>) -> Admission<'_> {
            Admission::Call(OperationId(0))
        }
    }
    let mut head = *b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n[";
    for begun in [20, head.len()] {
        let mut engine = Engine::new(Config::default(), 1);
        // The tables and the turn's buffer grow for the first connection of an engine.
        let first = engine.accept(Instant::ZERO, [0; 16]).expect("there is room");
        engine.handle_bytes(Instant::ZERO, first, &mut head[..begun], &mut App);
        let most = most(|| {
            engine.handle_bytes(Instant::ZERO, first, &mut [b' '; 100], &mut App);
        });
        assert!(most <= 256, "{most} bytes for 100 behind {begun}");
    }
}

#[test]
fn a_message_that_lies_whole_in_the_input_allocates_nothing() {
    let mut bytes = *b"\x81\x05hello\x89\x01!\x8a\x00\x82\x00\x88\x02\x03\xe8";
    let mut reader = Reader::new(Role::Client, 10);
    let mut count = 0;
    let most = most(|| reader.read(&mut bytes, |_| count += 1).expect("a valid stream"));
    assert_eq!((count, most), (5, 0));
}

#[test]
fn a_message_that_is_told_leaves_nothing_behind() {
    let before = HELD.get();
    let mut reader = Reader::new(Role::Client, 10);
    let mut count = 0;
    for mut byte in *b"\x81\x05hello\x01\x01a\x89\x01!\x80\x01b" {
        reader.read(std::slice::from_mut(&mut byte), |_| count += 1).expect("a valid stream");
    }
    assert_eq!((count, HELD.get() - before), (3, 0));
    drop(reader);
}

#[test]
fn memory_grows_with_what_came() {
    let len = 100_000;
    let mut reader = Reader::new(Role::Client, len);
    let head = Head::new(Opcode::Binary, len, None);
    let most = most(|| {
        reader.read(&mut head.as_slice().to_vec(), |_| {}).expect("a valid head");
        for _ in 0..100 {
            reader.read(&mut [0; 10], |_| {}).expect("a part of the payload");
        }
    });
    assert!((1_000..8_000).contains(&most), "{most} bytes for 1000 of {len}");
}

// protocol: L13
// law: 2 6
#[test]
fn a_handshake_costs_its_bytes_until_it_ends_at_its_limit() {
    let config = Config::default();
    let limit = config.handshake_bytes as usize;
    let mut engine = Engine::new(config, 1);
    // The first one makes the tables grow.
    shake(&mut engine, 100);
    for len in [100, 1_000, limit, limit + 1, 10 * limit] {
        let before = HELD.get();
        let most = most(|| shake(&mut engine, len)) as usize;
        // A buffer doubles, and is there twice while it moves.
        assert!((1..=len.min(limit) * 3).contains(&most), "{most} bytes for {len}");
        assert_eq!(HELD.get(), before, "{len} bytes leave something behind");
    }
}

/// So many bytes of a head that does not end, a few at a time, and then nothing for as long as it may take.
fn shake(engine: &mut Engine<'_>, len: usize) {
    let id = engine.accept(Instant::ZERO, [1; 16]).expect("owned memory has room");
    let mut head = b"GET /ws HTTP/1.1\r\nX: ".iter().copied().chain(iter::repeat(b'x')).take(len);
    loop {
        let room = engine.room(id).expect("nobody has dropped it");
        let mut piece = [0; 10];
        let len = piece.iter_mut().take(room).zip(&mut head).map(|(to, from)| *to = from).count();
        if len == 0 {
            break;
        }
        engine.handle_bytes(Instant::ZERO, id, &mut piece[..len], &mut Nobody);
    }
    let config = Config::default();
    let late = Instant::ZERO + config.handshake;
    engine.handle_timeout(late);
    while let Some(transmit) = engine.poll_transmit(late) {
        let (id, answer) = (transmit.id(), transmit.parts().map(<[u8]>::len).sum());
        engine.handle_sent(late, id, answer);
    }
    engine.handle_timeout(late + config.closing);
    assert_eq!(engine.poll_gone(), Some(id));
}

struct Nobody;

impl Dispatch for Nobody {
    fn find(&self, _: &str) -> Option<OperationId> {
        None
    }

    fn call(&mut self, _: Call<'_>, _: Answer<'_, '_>) -> Verdict {
        unreachable!("no operation has a name")
    }
}

/// What happens to one connection.
#[derive(Clone, Debug)]
enum Step {
    /// A frame that announces `len` bytes, of which `come` come.
    Frame {
        first: u8,
        len: usize,
        come: usize,
    },
    Say(&'static str),
    /// The application publishes, for a reader that is treated so.
    Publish {
        len: usize,
        policy: SlowConsumer,
    },
    Settle,
    /// The peer's socket takes bytes.
    Read(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let first = prop::sample::select(vec![0x01, 0x02, 0x80, 0x81, 0x00, 0x89, 0x8a, 0x88]);
    let say = prop::sample::select(vec![
        r#"{"type":"later"}"#,
        r#"{"type":"listen"}"#,
        r#"{"type":"echo","payload":"as long as may be"}"#,
    ]);
    let policy = prop::sample::select(vec![
        SlowConsumer::DropOldest,
        SlowConsumer::Latest,
        SlowConsumer::Close,
    ]);
    prop_oneof![
        3 => (first, 0..MESSAGE + 2, 0..MESSAGE)
            .prop_map(|(first, len, come)| Step::Frame { first, len, come }),
        3 => say.prop_map(Step::Say),
        3 => (0..MESSAGE - 60, policy).prop_map(|(len, policy)| Step::Publish { len, policy }),
        1 => Just(Step::Settle),
        2 => (0..MESSAGE).prop_map(Step::Read),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    // law: 2 6 10
    #[test]
    fn a_connection_holds_no_more_than_its_limits_and_a_message_whatever_its_peer_does(
        steps in prop::collection::vec(step(), 0..100),
    ) {
        let config = Config {
            message_bytes: MESSAGE as u32,
            backlog_bytes: BACKLOG as u32,
            topic_bytes: 64,
            ..Config::default()
        };
        let mut engine = Engine::new(config, 1);
        // The first one makes the tables and the turn's buffer grow.
        play(&mut engine, &steps, isize::MAX);
        let before = HELD.get();
        // What came and was not taken, and what waits with what was begun: each in a buffer that doubles.
        let input = MESSAGE + 256;
        let output = BACKLOG + BACKLOG / 8 + BACKLOG / 512 + 400 + MESSAGE;
        let most = before + 2 * (input + output + size_of::<Vec<u8>>()) as isize;
        play(&mut engine, &steps, most);
        prop_assert_eq!(HELD.get(), before, "something is left behind");
    }
}

/// One connection, from its beginning to its end. Never more is held than `most`.
fn play(engine: &mut Engine<'static>, steps: &[Step], most: isize) {
    let now = Instant::ZERO;
    let mut app = Listener { later: Vec::with_capacity(1) };
    let id = engine.open(now, [1; 16]).expect("there is room for one");
    let mut bytes = Vec::with_capacity(2 * MESSAGE);
    for step in steps {
        bytes.clear();
        match *step {
            Step::Frame { first, len, come } => {
                bytes.extend_from_slice(Head::new(Opcode::Text, len, Some([0; 4])).as_slice());
                bytes[0] = first;
                bytes.resize(bytes.len() + come.min(len), b' ');
            }
            Step::Say(text) => {
                bytes.extend_from_slice(
                    Head::new(Opcode::Text, text.len(), Some([0; 4])).as_slice(),
                );
                bytes.extend_from_slice(text.as_bytes());
            }
            Step::Publish { len, policy } => {
                bytes.resize(len, b'1');
                engine.publish("news", "news", &bytes, Some(policy)).expect("it may grow");
                bytes.clear();
            }
            Step::Settle => {
                if let Some(call) = app.later.pop() {
                    engine.settle(now, call, None, |answer| answer.silent().done());
                }
            }
            Step::Read(_) => engine.handle_writable(id),
        }
        let room = engine.room(id).unwrap_or(0).min(bytes.len());
        engine.handle_bytes(now, id, &mut bytes[..room], &mut app);
        let mut takes = if let Step::Read(bytes) = *step { bytes } else { 0 };
        engine.resume(now, &mut app);
        while let Some(transmit) = engine.poll_transmit(now) {
            let sent = transmit.parts().map(<[u8]>::len).sum::<usize>().min(takes);
            takes -= sent;
            engine.handle_sent(now, id, sent);
        }
        while engine.poll_life().is_some() {}
        let own = bytes.capacity() + app.later.capacity() * size_of::<CallId>();
        let held = HELD.get() - own as isize;
        assert!(held <= most, "{held} bytes are held, at most {most} may be");
    }
    engine.handle_end(now, id);
    while engine.poll_life().is_some() {}
    engine.poll_gone();
}

const MESSAGE: usize = 500;
const BACKLOG: usize = 2_000;
