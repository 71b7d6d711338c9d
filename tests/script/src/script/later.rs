//! Calls whose outcome comes later. Every socket takes everything.

use crate::ALL;
use crate::Step::{self, *};
use crate::words::{BOB, DAN, ECHO};
use fastws_core::frame::Opcode;

pub(super) const LATER: &[Step] = &[
    // Outcomes that come later: what follows waits, in order; pings do not.
    Say(DAN, r#"{"type":"later","payload":"late","id":"x"}"#),
    Turn,
    Say(DAN, ECHO),
    Frame(DAN, ALL, 0x89, b"still there?"),
    Message(DAN, Opcode::Text, b"{}"),
    Turn,
    Reserve(DAN),
    Publish("late", "0"),
    Turn,
    GiveBack(DAN),
    Turn,
    Reserve(DAN),
    Reserve(DAN),
    Turn,
    Settle(DAN),
    Settle(DAN),
    Turn,
    Publish("late", "1"),
    Turn,
    // Whoever leaves while a call runs takes everything along.
    Open(BOB),
    Say(BOB, r#"{"type":"later","payload":"lost"}"#),
    Reserve(BOB),
    Turn,
    End(BOB),
    Turn,
    Settle(BOB),
    Turn,
    Haunt(BOB),
    Turn,
    // The peer closes while its call runs: the outcome is said first.
    Open(BOB),
    Say(BOB, r#"{"type":"later","payload":"lost"}"#),
    Frame(BOB, ALL, 0x88, b"\x03\xe8"),
    Turn,
    Settle(BOB),
    Turn,
    End(BOB),
    Turn,
    // Both close while its call runs: the outcome is not said any more.
    Open(BOB),
    Say(BOB, r#"{"type":"later","payload":"lost"}"#),
    Frame(BOB, ALL, 0x88, b"\x03\xe8"),
    Turn,
    Close(BOB, 4001, "enough"),
    Turn,
    Settle(BOB),
    End(BOB),
    Turn,
];
