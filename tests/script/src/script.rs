//! The script that engines of every kind of memory play with the same outcome, and its limits. Knows no expectation.

mod opening;
mod calls;
mod mistakes;
mod topics;
mod later;
mod sockets;
mod clock;

use crate::Step;
use fastws_core::config::Config;
use fastws_core::engine::Engine;
use fastws_core::memory::{ConnectionMemory, TopicMemory, TurnMemory};
use fastws_core::time::Duration;

/// All chapters, in order.
pub const SCRIPT: &[&[Step]] = &[
    opening::OPENING,
    calls::CALLS,
    mistakes::MISTAKES,
    topics::TOPICS,
    later::LATER,
    sockets::SOCKETS,
    clock::CLOCK,
];

/// The limits that the script runs into. Those of [`Memory`] are the same or wider.
pub fn config() -> Config {
    Config {
        connections: 7,
        message_bytes: 512,
        nesting: 4,
        backlog_bytes: 600,
        topics_per_connection: 3,
        handshake_bytes: 512,
        heartbeat: Some(Duration::from_secs(60)),
        lifespan: Some(Duration::from_secs(120)),
        turn_bytes: 1024,
        ..Config::default()
    }
}

/// Seeds the hash of topics' names.
pub const SEED: u64 = 7;

/// What is lent to an engine that plays the script.
pub struct Memory {
    connections: ConnectionMemory<8, 768, 1536>,
    topics: TopicMemory<16, 32, 256>,
    turn: TurnMemory<8192, 256>,
}

impl Memory {
    /// Fit for a `static`.
    pub const fn new() -> Self {
        Self {
            connections: ConnectionMemory::new(),
            topics: TopicMemory::new(),
            turn: TurnMemory::new(),
        }
    }

    /// An engine that plays the script.
    pub fn lend(&mut self) -> Engine<'_> {
        let Self { connections, topics, turn } = self;
        Engine::lent(config(), SEED, connections, topics, turn)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}
