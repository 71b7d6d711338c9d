//! Where an engine's tables lie. The only place where numbers are chosen.
//!
//! A device without a heap sets memory aside once and lends it; the engine's methods are the same.
//!
//! ```
//! use fastws_core::config::Config;
//! use fastws_core::dispatch::{Answer, Call, Dispatch, Verdict};
//! use fastws_core::engine::Engine;
//! use fastws_core::frame::Opcode;
//! use fastws_core::ids::OperationId;
//! use fastws_core::memory::{ConnectionMemory, TopicMemory, TurnMemory};
//! use fastws_core::shelf::Full;
//! use fastws_core::time::Instant;
//!
//! struct Lamp {
//!     is_on: bool,
//! }
//!
//! impl Dispatch for Lamp {
//!     fn find(&self, name: &str) -> Option<OperationId> {
//!         (name == "lamp.switch").then_some(OperationId(0))
//!     }
//!
//!     fn call(&mut self, _: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
//!         self.is_on = !self.is_on;
//!         let is_on: &[u8] = if self.is_on { b"true" } else { b"false" };
//!         answer.reply("lamp.is", Some(is_on)).done()
//!     }
//! }
//!
//! // Two connections, with messages of up to 768 bytes: their inputs keep 256 bytes back.
//! let mut connections = ConnectionMemory::<2, 1024, 1024>::new();
//! let mut topics = TopicMemory::<4, 8, 32>::new();
//! let mut turn = TurnMemory::<1024, 16>::new();
//! let mut engine =
//!     Engine::lent(Config::default(), 1, &mut connections, &mut topics, &mut turn);
//!
//! let (now, mut lamp) = (Instant::ZERO, Lamp { is_on: false });
//! let id = engine.open(now, [7; 16])?;
//! let mut message = *br#"{"type":"lamp.switch"}"#;
//! engine.handle_message(now, id, Opcode::Text, &mut message, &mut lamp);
//! assert!(lamp.is_on);
//!
//! engine.open(now, [8; 16])?;
//! assert_eq!(engine.open(now, [9; 16]), Err(Full));
//! # Ok::<(), Full>(())
//! ```

use crate::backlog::SLACK;
use crate::changes::Changes;
use crate::config::Config;
use crate::counts::Counts;
use crate::deadlines::Deadlines;
use crate::engine::Engine;
use crate::hub::{Hub, Link, NONE, Topic};
use crate::marks::Marks;
use crate::outbox::{Note, Outbox, Run};
use crate::shelf::{Buffers, Shelf};
use crate::state::{Seat, State};
use crate::time::Instant;
use foldhash::fast::FixedState;
use heapless::Vec as Row;

/// Memory for `CONNECTIONS`, each with `INPUT` bytes for a message that is not whole yet or waits,
/// and `BACKLOG` bytes for what its socket has not taken.
///
/// Lent to [`Engine::lent`], where the example is. Of `INPUT`, 256 bytes are kept back from messages; of
/// `BACKLOG`, an eighth and room for pongs and a close.
pub struct ConnectionMemory<const CONNECTIONS: usize, const INPUT: usize, const BACKLOG: usize> {
    seats: Row<Seat, CONNECTIONS>,
    heap: Row<(Instant, u32), CONNECTIONS>,
    places: Row<u32, CONNECTIONS>,
    transmit: Row<u32, CONNECTIONS>,
    ready: Row<u32, CONNECTIONS>,
    gone: Row<u32, CONNECTIONS>,
    inputs: [[u8; INPUT]; CONNECTIONS],
    input_lens: [u32; CONNECTIONS],
    backlogs: [[u8; BACKLOG]; CONNECTIONS],
    backlog_lens: [u32; CONNECTIONS],
}

/// Memory for `TOPICS` with names of at most `NAME` bytes, and for `LINKS` between connections and
/// topics.
///
/// Lent to [`Engine::lent`], where the example is.
pub struct TopicMemory<const TOPICS: usize, const LINKS: usize, const NAME: usize> {
    topics: Row<Topic, TOPICS>,
    links: Row<Link, LINKS>,
    buckets: Row<u32, TOPICS>,
    changed: Row<u32, TOPICS>,
    names: [[u8; NAME]; TOPICS],
    name_lens: [u32; TOPICS],
}

/// Memory for what is encoded between two writes: `BYTES`, in `NOTES` pieces for all connections.
///
/// Lent to [`Engine::lent`], where the example is. Half of `BYTES` is there for the reply to the next
/// message.
pub struct TurnMemory<const BYTES: usize, const NOTES: usize> {
    bytes: Row<u8, BYTES>,
    runs: Row<Run, NOTES>,
    notes: Row<Note, NOTES>,
}

impl<const CONNECTIONS: usize, const INPUT: usize, const BACKLOG: usize>
    ConnectionMemory<CONNECTIONS, INPUT, BACKLOG>
{
    /// Fit for a `static`.
    pub const fn new() -> Self {
        Self {
            seats: Row::new(),
            heap: Row::new(),
            places: Row::new(),
            transmit: Row::new(),
            ready: Row::new(),
            gone: Row::new(),
            inputs: [[0; INPUT]; CONNECTIONS],
            input_lens: [0; CONNECTIONS],
            backlogs: [[0; BACKLOG]; CONNECTIONS],
            backlog_lens: [0; CONNECTIONS],
        }
    }

    fn clear(&mut self) {
        self.seats.clear();
        self.heap.clear();
        self.places.clear();
        self.transmit.clear();
        self.ready.clear();
        self.gone.clear();
        self.input_lens.fill(0);
        self.backlog_lens.fill(0);
    }
}

impl<const TOPICS: usize, const LINKS: usize, const NAME: usize> TopicMemory<TOPICS, LINKS, NAME> {
    /// Fit for a `static`.
    pub const fn new() -> Self {
        Self {
            topics: Row::new(),
            links: Row::new(),
            buckets: Row::new(),
            changed: Row::new(),
            names: [[0; NAME]; TOPICS],
            name_lens: [0; TOPICS],
        }
    }

    fn clear(&mut self) {
        self.topics.clear();
        self.links.clear();
        self.buckets.clear();
        self.changed.clear();
        self.name_lens.fill(0);
    }
}

impl<const BYTES: usize, const NOTES: usize> TurnMemory<BYTES, NOTES> {
    /// Fit for a `static`.
    pub const fn new() -> Self {
        Self { bytes: Row::new(), runs: Row::new(), notes: Row::new() }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.runs.clear();
        self.notes.clear();
    }
}

impl<const CONNECTIONS: usize, const INPUT: usize, const BACKLOG: usize> Default
    for ConnectionMemory<CONNECTIONS, INPUT, BACKLOG>
{
    fn default() -> Self {
        Self::new()
    }
}

impl<const TOPICS: usize, const LINKS: usize, const NAME: usize> Default
    for TopicMemory<TOPICS, LINKS, NAME>
{
    fn default() -> Self {
        Self::new()
    }
}

impl<const BYTES: usize, const NOTES: usize> Default for TurnMemory<BYTES, NOTES> {
    fn default() -> Self {
        Self::new()
    }
}

/// Beyond the longest message an input has room for a record's head and a control frame.
const INPUT_SLACK: usize = 256;

#[cfg(feature = "alloc")]
impl Engine<'static> {
    /// An engine on owned memory that grows with its use, up to the limits of `config`. `seed` makes
    /// the hash of topic names unpredictable for clients.
    ///
    /// Numbers are taken as they are: with some that [`Config::check`] refuses nobody is served.
    ///
    /// ```
    /// use fastws_core::config::Config;
    /// use fastws_core::engine::Engine;
    /// let config = Config { connections: 10, ..Config::default() };
    /// assert!(Engine::new(config, 0x5eed).is_empty());
    /// ```
    pub fn new(config: Config, seed: u64) -> Self {
        use alloc::vec::Vec;
        fn row<T>() -> Shelf<'static, T> {
            Shelf::Owned(Vec::new())
        }
        let buffers = |limit| Buffers::Owned { rows: Vec::new(), limit };
        let input =
            (config.message_bytes as usize + INPUT_SLACK).max(config.handshake_bytes as usize);
        let backlog_limit = config.backlog_bytes as usize;
        Self {
            inputs: buffers(input),
            state: State {
                config,
                seats: row(),
                free_seat: NONE,
                hub: Hub {
                    topics: row(),
                    links: row(),
                    buckets: row(),
                    names: buffers(usize::MAX),
                    changed: Marks::new(row()),
                    hasher: FixedState::with_seed(seed),
                    free_topic: NONE,
                    free_link: NONE,
                    live: 0,
                    subscriptions: 0,
                },
                outbox: Outbox {
                    turn: row(),
                    runs: row(),
                    notes: row(),
                    // The outbox keeps the limit itself: what was begun is finished beyond it.
                    backlogs: buffers(usize::MAX),
                    backlog_limit,
                    dropped: 0,
                    growing: false,
                    offered: 0,
                    asked: NONE,
                },
                deadlines: Deadlines { heap: row(), places: row() },
                transmit: Marks::new(row()),
                ready: Marks::new(row()),
                gone: Marks::new(row()),
                open: 0,
                taken: 0,
                strangers: 0,
                authenticates: false,
                counts: Counts::default(),
                changes: Changes::default(),
                drain: None,
            },
        }
    }
}

impl<'m> Engine<'m> {
    /// An engine on lent memory: it never allocates, and what does not fit is refused. Memory that
    /// was lent before is as good as new.
    ///
    /// ```
    /// use fastws_core::config::Config;
    /// use fastws_core::engine::Engine;
    /// use fastws_core::memory::{ConnectionMemory, TopicMemory, TurnMemory};
    ///
    /// let mut connections = ConnectionMemory::<4, 1024, 1024>::new();
    /// let mut topics = TopicMemory::<16, 32, 64>::new();
    /// let mut turn = TurnMemory::<2048, 64>::new();
    /// let engine = Engine::lent(Config::default(), 1, &mut connections, &mut topics, &mut turn);
    /// assert_eq!(engine.connections(), 0);
    /// ```
    pub fn lent<
        const CONNECTIONS: usize,
        const INPUT: usize,
        const BACKLOG: usize,
        const TOPICS: usize,
        const LINKS: usize,
        const NAME: usize,
        const BYTES: usize,
        const NOTES: usize,
    >(
        config: Config,
        seed: u64,
        connections: &'m mut ConnectionMemory<CONNECTIONS, INPUT, BACKLOG>,
        topics: &'m mut TopicMemory<TOPICS, LINKS, NAME>,
        turn: &'m mut TurnMemory<BYTES, NOTES>,
    ) -> Self {
        const {
            assert!(INPUT > INPUT_SLACK, "INPUT is too small for any message");
            assert!(BACKLOG > SLACK, "BACKLOG is too small for pongs and a close frame");
            assert!(BYTES >= 2 && NOTES >= 2, "a turn is too small for any reply");
        }
        let config = Config {
            connections: config.connections.min(CONNECTIONS as u32),
            message_bytes: config.message_bytes.min((INPUT - INPUT_SLACK) as u32),
            handshake_bytes: config.handshake_bytes.min(INPUT as u32),
            // What was sent and dropped keeps its place until it is an eighth.
            backlog_bytes: config.backlog_bytes.min(((BACKLOG - SLACK) / 8 * 7) as u32),
            // Half of the turn's memory is always there for the reply to the next message.
            turn_bytes: config.turn_bytes.min(BYTES as u32 / 2),
            ..config
        };
        // Whatever an earlier engine has left there.
        connections.clear();
        topics.clear();
        turn.clear();
        topics.buckets.resize(TOPICS, NONE).expect("there is a bucket for each topic");
        Self {
            inputs: Buffers::Lent {
                block: connections.inputs.as_flattened_mut(),
                lens: &mut connections.input_lens,
            },
            state: State {
                seats: Shelf::Lent(&mut connections.seats),
                free_seat: NONE,
                hub: Hub {
                    topics: Shelf::Lent(&mut topics.topics),
                    links: Shelf::Lent(&mut topics.links),
                    buckets: Shelf::Lent(&mut topics.buckets),
                    names: Buffers::Lent {
                        block: topics.names.as_flattened_mut(),
                        lens: &mut topics.name_lens,
                    },
                    changed: Marks::new(Shelf::Lent(&mut topics.changed)),
                    hasher: FixedState::with_seed(seed),
                    free_topic: NONE,
                    free_link: NONE,
                    live: 0,
                    subscriptions: 0,
                },
                outbox: Outbox {
                    turn: Shelf::Lent(&mut turn.bytes),
                    runs: Shelf::Lent(&mut turn.runs),
                    notes: Shelf::Lent(&mut turn.notes),
                    backlogs: Buffers::Lent {
                        block: connections.backlogs.as_flattened_mut(),
                        lens: &mut connections.backlog_lens,
                    },
                    backlog_limit: config.backlog_bytes as usize,
                    dropped: 0,
                    growing: false,
                    offered: 0,
                    asked: NONE,
                },
                deadlines: Deadlines {
                    heap: Shelf::Lent(&mut connections.heap),
                    places: Shelf::Lent(&mut connections.places),
                },
                transmit: Marks::new(Shelf::Lent(&mut connections.transmit)),
                ready: Marks::new(Shelf::Lent(&mut connections.ready)),
                gone: Marks::new(Shelf::Lent(&mut connections.gone)),
                open: 0,
                taken: 0,
                strangers: 0,
                authenticates: false,
                counts: Counts::default(),
                changes: Changes::default(),
                drain: None,
                config,
            },
        }
    }
}
