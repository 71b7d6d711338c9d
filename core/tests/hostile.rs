//! What peers may do that mean no good: it costs themselves their connection, and nobody else anything. Knows the
//! engine from outside only.
#![cfg(feature = "alloc")]

mod listener;

use fastws_core::config::Config;
use fastws_core::engine::{Engine, Sent};
use fastws_core::frame::{Head, Opcode, mask};
use fastws_core::ids::ConnectionId;
use fastws_core::memory::{ConnectionMemory, TopicMemory, TurnMemory};
use fastws_core::time::{Duration, Instant};
use listener::Listener;
use proptest::prelude::*;

/// What one of them does.
#[derive(Clone, Debug)]
enum Step {
    Accept,
    Open,
    /// Bytes as they are.
    Bytes(usize, Vec<u8>),
    /// A frame with any first byte, of which a part comes; what it says has this length.
    Frame(usize, u8, Vec<u8>, usize),
    /// A message that is framed elsewhere.
    Message(usize, Opcode, Vec<u8>),
    Eof(usize),
    Reset(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..3_usize;
    let first = prop_oneof![4 => Just(0x81), 1 => Just(0x01), 1 => Just(0x80), 3 => any::<u8>()];
    let opcode = prop::sample::select(vec![
        Opcode::Text,
        Opcode::Binary,
        Opcode::Ping,
        Opcode::Pong,
        Opcode::Close,
    ]);
    let head = prop_oneof![Just(UPGRADE), Just("POST /echo HTTP/1.1\r\nContent-Length: 9\r\n\r\n")];
    prop_oneof![
        1 => Just(Step::Accept),
        1 => Just(Step::Open),
        2 => (who(), head).prop_map(|(who, head)| Step::Bytes(who, head.into())),
        2 => (who(), prop::collection::vec(any::<u8>(), 0..200))
            .prop_map(|(who, bytes)| Step::Bytes(who, bytes)),
        6 => (who(), first, text(), prop_oneof![3 => Just(0), 1 => any::<usize>()])
            .prop_map(|(who, first, text, more)| Step::Frame(who, first, text, more)),
        2 => (who(), opcode, text()).prop_map(|(who, opcode, text)| Step::Message(who, opcode, text)),
        1 => who().prop_map(Step::Eof),
        1 => who().prop_map(Step::Reset),
        1 => (0..20_000_u64).prop_map(Step::Pass),
    ]
}

/// What may be a message of ours, or nearly one.
fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => prop::sample::select(vec![
            r#"{"type":"echo","payload":[1],"id":7}"#,
            r#"{"type":"later"}"#,
            r#"{"type":"unknown"}"#,
            "[[[[[[[[[[[[[[[[[[[[[[[[",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..150),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    // law: 9 10
    #[test]
    fn no_bytes_of_a_peer_panic_or_cost_another_anything(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let config = Config {
            message_bytes: 300,
            handshake_bytes: 300,
            backlog_bytes: 2_000,
            turn_bytes: 2_000,
            ping: Duration::from_secs(1_000),
            ..Config::default()
        };
        let owned = World::new(Engine::new(config.clone(), 1)).run(&steps);

        let mut connections = Box::new(ConnectionMemory::<16, 556, 4_000>::new());
        let mut topics = TopicMemory::<4, 16, 16>::new();
        let mut turn = Box::new(TurnMemory::<8_000, 100>::new());
        let lent = Engine::lent(config, 1, &mut connections, &mut topics, &mut turn);
        prop_assert_eq!(owned, World::new(lent).run(&steps));
    }
}

/// An engine with a peer that means well, and some that do not.
struct World<'m> {
    engine: Engine<'m>,
    app: Listener,
    now: Instant,
    good: ConnectionId,
    bad: Vec<ConnectionId>,
    log: Vec<(ConnectionId, Vec<u8>)>,
}

impl<'m> World<'m> {
    fn new(mut engine: Engine<'m>) -> Self {
        let now = Instant::from_millis(1);
        let good = engine.open(now, [1; 16]).expect("nobody is there yet");
        let app = Listener::default();
        Self { engine, app, now, good, bad: vec![], log: vec![] }
    }

    fn run(mut self, steps: &[Step]) -> Vec<(ConnectionId, Vec<u8>)> {
        self.say(r#"{"type":"listen"}"#);
        self.turn();
        for step in steps {
            self.step(step);
            self.turn();
            let before = self.log.len();
            self.say(r#"{"type":"echo","payload":1}"#);
            assert_eq!(self.engine.publish("news", "news", b"2", None).unwrap().listeners, 1);
            self.turn();
            let heard = self.log[before..].iter().filter(|(id, _)| *id == self.good);
            let heard: Vec<u8> = heard.flat_map(|(_, bytes)| bytes.iter().copied()).collect();
            let echo = frame(0x81, br#"{"type":"echo","payload":1}"#, None);
            let news = frame(0x81, br#"{"type":"news","topic":"news","payload":2}"#, None);
            assert_eq!(heard, [echo, news].concat(), "who means well is served as ever");
        }
        self.log
    }

    fn step(&mut self, step: &Step) {
        let (now, app) = (self.now, &mut self.app);
        match step {
            Step::Accept if self.bad.len() < 8 => self.bad.extend(self.engine.accept(now, [2; 16])),
            Step::Open if self.bad.len() < 8 => self.bad.extend(self.engine.open(now, [3; 16])),
            Step::Accept | Step::Open => {}
            Step::Bytes(who, bytes) => self.pour(*who, bytes),
            Step::Frame(who, first, text, more) => {
                let mut bytes = frame(*first, text, Some([5, 6, 7, 8]));
                if *more > 0 {
                    let told = Head::new(Opcode::Text, *more, Some([0; 4]));
                    bytes.splice(1..2, told.as_slice()[1..].iter().copied());
                }
                self.pour(*who, &bytes);
            }
            Step::Message(who, opcode, text) => {
                if let Some(&id) = self.bad.get(*who) {
                    self.engine.handle_message(now, id, *opcode, &mut text.clone(), app);
                }
            }
            Step::Eof(who) => {
                self.bad.get(*who).into_iter().for_each(|id| self.engine.handle_eof(now, *id));
            }
            Step::Reset(who) => {
                self.bad.get(*who).into_iter().for_each(|id| self.engine.handle_end(now, *id));
            }
            Step::Pass(millis) => {
                self.now = now + Duration::from_millis(*millis);
                self.engine.handle_timeout(self.now);
                while let Some(call) = self.app.later.pop() {
                    self.engine.settle(self.now, call, None, |answer| answer.silent().done());
                }
            }
        }
    }

    /// As much of it as the engine takes.
    fn pour(&mut self, who: usize, bytes: &[u8]) {
        let Some(&id) = self.bad.get(who) else { return };
        let taken = self.engine.room(id).unwrap_or(usize::MAX).min(bytes.len());
        self.engine.handle_bytes(self.now, id, &mut bytes[..taken].to_vec(), &mut self.app);
    }

    fn say(&mut self, text: &str) {
        let mut bytes = frame(0x81, text.as_bytes(), Some([1, 2, 3, 4]));
        self.engine.handle_bytes(self.now, self.good, &mut bytes, &mut self.app);
    }

    fn turn(&mut self) {
        loop {
            self.engine.resume(self.now, &mut self.app);
            while let Some(transmit) = self.engine.poll_transmit(self.now) {
                let id = transmit.id();
                let bytes = transmit.parts().collect::<Vec<_>>().concat();
                let sent = self.engine.handle_sent(self.now, id, bytes.len());
                assert_ne!(sent, Sent::Blocked, "everybody reads");
                self.log.push((id, bytes));
            }
            while self.engine.poll_life().is_some() {}
            while let Some(gone) = self.engine.poll_gone() {
                self.bad.retain(|id| *id != gone);
                assert_ne!(gone, self.good);
            }
            if !self.engine.is_ready() {
                return;
            }
        }
    }
}

fn frame(first: u8, payload: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
    let mut frame = Head::new(Opcode::Text, payload.len(), key).as_slice().to_vec();
    frame[0] = first;
    let at = frame.len();
    frame.extend_from_slice(payload);
    mask(&mut frame[at..], key.unwrap_or_default(), 0);
    frame
}

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
