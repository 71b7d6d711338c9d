//! One script on every kind of memory. Serves the property tests and the fuzzer alike.

mod nudge;
pub(crate) mod operation;
mod peer;
mod peers;
mod world;

use fastws_core::config::{Config, SlowConsumer};
use fastws_core::engine::Engine;
use fastws_core::memory::{ConnectionMemory, TopicMemory, TurnMemory};
use fastws_core::time::Duration;
use nudge::{BYTES, LINKS, ROOMS, SEATS};
use operation::Operation;
use world::World;

/// Panics where the engine breaks a law. `setting` chooses limits, and how the world ends.
pub(crate) fn hold(setting: u8, operations: &[Operation]) {
    let config = &config(setting);
    let run = Run { config, operations, silently: setting >= 128, mixed: setting & 64 > 0 };
    let owned = run.on(Engine::new(config.clone(), 1), false, false);
    assert_eq!(owned, run.on(Engine::new(config.clone(), 1), false, true), "nudged");

    let mut connections = Box::new(ConnectionMemory::<8, 640, 2_400>::new());
    let mut topics = TopicMemory::<8, 32, 8>::new();
    let mut turn = Box::new(TurnMemory::<60_000, 1_000>::new());
    let engine = Engine::lent(config.clone(), 1, &mut connections, &mut topics, &mut turn);
    assert_eq!(owned, run.on(engine, false, false), "on lent memory");

    let mut connections = Box::new(ConnectionMemory::<SEATS, 640, 1_100>::new());
    let mut topics = TopicMemory::<ROOMS, LINKS, 2>::new();
    let mut turn = TurnMemory::<BYTES, 8>::new();
    let [spared, nudged] = [false, true].map(|nudged| {
        let config = config.clone();
        let engine = Engine::lent(config, 1, &mut connections, &mut topics, &mut turn);
        run.on(engine, true, nudged)
    });
    assert_eq!(spared, nudged, "nudged on small memory");
}

struct Run<'r> {
    config: &'r Config,
    operations: &'r [Operation],
    silently: bool,
    /// Topics have policies of their own.
    mixed: bool,
}

impl Run<'_> {
    fn on(&self, engine: Engine<'_>, tight: bool, nudged: bool) -> Vec<String> {
        let mixed = self.mixed;
        World::new(engine, self.config.clone(), mixed, tight, nudged)
            .run(self.operations, self.silently)
    }
}

/// Limits that are soon reached.
fn config(setting: u8) -> Config {
    let bit = |bit: u8| setting >> bit & 1 == 1;
    let (ping, pong) = if bit(0) { (5, 30) } else { (25, 10) };
    Config {
        connections: 100,
        message_bytes: 384,
        backlog_bytes: 600,
        slow_consumer: match setting >> 4 & 3 {
            0 | 1 => SlowConsumer::Close,
            2 => SlowConsumer::DropOldest,
            _ => SlowConsumer::Latest,
        },
        topics_per_connection: 2,
        handshake_bytes: 384,
        ping: Duration::from_secs(ping),
        pong: Duration::from_secs(pong),
        heartbeat: bit(1).then_some(Duration::from_secs(40)),
        lifespan: bit(2).then_some(Duration::from_secs(120)),
        turn_bytes: if bit(3) { 200 } else { 1 << 20 },
        ..Config::default()
    }
}
