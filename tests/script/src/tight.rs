//! A script for lent memory only: every table of it is full once. Owned memory, which grows, cannot play it.

use crate::ALL;
use crate::Step::{self, *};
use crate::words::{
    ANN, BIG, BOB, CAT, DAN, ECHO, EVE, SUBSCRIBE_A, SUBSCRIBE_B, SUBSCRIBE_C, SUBSCRIBE_D, UPGRADE,
};
use fastws_core::config::Config;
use fastws_core::engine::Engine;
use fastws_core::frame::Opcode;
use fastws_core::memory::{ConnectionMemory, TopicMemory, TurnMemory};

/// What is refused, and that nothing is lost by it.
pub const TIGHT: &[&[Step]] = &[CONNECTIONS, TABLES, BYTES, NOTES, RUINS];

const CONNECTIONS: &[Step] = &[
    Open(ANN),
    Open(BOB),
    Accept(CAT),
    Accept(DAN),
    Open(DAN),
    Turn,
    // A seat is free once its end was told.
    End(CAT),
    Accept(DAN),
    Turn,
    Accept(DAN),
    Turn,
];

const TABLES: &[Step] = &[
    // No name has more than 24 bytes here.
    Say(ANN, r#"{"type":"subscribe","payload":"a name of 25 bytes, or so"}"#),
    // Three topics.
    Burst(ANN, &[SUBSCRIBE_A, SUBSCRIBE_B, SUBSCRIBE_C, SUBSCRIBE_D]),
    Turn,
    // Five links.
    Burst(BOB, &[SUBSCRIBE_A, SUBSCRIBE_B, SUBSCRIBE_C]),
    Turn,
    // A topic's row is free once its end was told.
    Burst(ANN, &[r#"{"type":"unsubscribe","payload":"c"}"#, SUBSCRIBE_D]),
    Turn,
    Say(ANN, SUBSCRIBE_D),
    Say(ANN, r#"{"type":"who"}"#),
    Turn,
];

const BYTES: &[Step] = &[
    // 1024 bytes of a turn; a pong and a ping find room beside them.
    Publish("a", BIG),
    Publish("a", BIG),
    Publish("a", BIG),
    Publish("a", BIG),
    Publish("a", BIG),
    PublishFrame("a", &[b' '; 300]),
    Publish("a", BIG_ENOUGH),
    PublishFrame("a", FILLER),
    Publish("a", "1"),
    Frame(ANN, ALL, 0x89, &[b'p'; 125]),
    Frame(BOB, 1, 0x89, b"1"),
    Frame(BOB, 1, 0x89, b"2"),
    // Messages wait for the turn to end.
    Say(BOB, ECHO),
    Message(ANN, Opcode::Text, b"{}"),
    Turn,
    Publish("a", BIG),
    Publish("a", BIG),
    Publish("a", BIG),
    Publish("a", BIG),
    Publish("a", BIG_ENOUGH),
    PublishFrame("a", FILLER),
    Wait(25_000),
    Turn,
    End(DAN),
    Frame(ANN, ALL, 0x8a, b""),
    Say(BOB, ECHO),
    Turn,
];

const NOTES: &[Step] = &[
    // 16 notes, two for each update whose audience differs from that of the last.
    Publish("a", "1"),
    Publish("b", "2"),
    Publish("a", "3"),
    Publish("b", "4"),
    Publish("a", "5"),
    Publish("b", "6"),
    Publish("a", "7"),
    Publish("b", "8"),
    Publish("a", "9"),
    Frame(BOB, ALL, 0x89, b"3"),
    Say(BOB, ECHO),
    Turn,
];

const RUINS: &[Step] = &[
    // A handshake whose answer does not fit.
    Accept(DAN),
    Publish("a", BIG),
    Publish("a", BIG),
    Publish("a", BIG),
    Publish("a", BIG),
    Publish("a", BIG_ENOUGH),
    PublishFrame("a", FILLER),
    Bytes(DAN, ALL, UPGRADE),
    Turn,
    // An outcome that does not fit.
    Open(EVE),
    Say(EVE, r#"{"type":"later","payload":"b"}"#),
    Reserve(EVE),
    Publish("a", BIG),
    Publish("a", BIG),
    Publish("a", BIG),
    Publish("a", BIG),
    Publish("a", BIG_ENOUGH),
    PublishFrame("a", FILLER),
    Settle(EVE),
    Turn,
    Frame(EVE, ALL, 0x88, b""),
    Turn,
    End(EVE),
    Turn,
    // A close that does not fit: what waits for BOB fits into a backlog of 336 bytes and is said
    // before, what waits for ANN is cut off.
    Publish("b", "1"),
    Publish("d", BIG),
    Publish("d", BIG),
    Publish("d", BIG),
    Publish("d", BIG),
    Publish("d", r#""filler""#),
    PublishFrame("d", FILLER),
    PublishFrame("d", b"\x81\x06unsaid"),
    Close(BOB, 1000, "the end"),
    Close(ANN, 1000, "the end"),
    Turn,
    End(ANN),
    End(BOB),
    Turn,
    // Everything is free again.
    Accept(ANN),
    Bytes(ANN, 1, UPGRADE),
    Open(BOB),
    Open(CAT),
    Burst(ANN, &[SUBSCRIBE_A, SUBSCRIBE_B, SUBSCRIBE_C]),
    Burst(BOB, &[SUBSCRIBE_A, SUBSCRIBE_B]),
    Turn,
    Publish("a", BIG),
    Turn,
];

/// Hardly any memory.
pub struct Memory {
    connections: ConnectionMemory<3, 512, 784>,
    topics: TopicMemory<3, 5, 24>,
    turn: TurnMemory<1024, 16>,
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
        Engine::lent(Config::default(), 7, connections, topics, turn)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

/// With [`FILLER`], fills what four of `BIG` leave of a turn, to the last byte.
const BIG_ENOUGH: &str = "\"01234567890123456789012345678901234567890123456789012345\"";
const FILLER: &[u8] =
    b"\x81\x00\x81\x00\x81\x00\x81\x00\x81\x00\x81\x00\x81\x00\x81\x00\x81\x00\x81\x00";
