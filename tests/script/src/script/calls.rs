//! Calls and the frames that they come in. Nobody does anything wrong.

use crate::ALL;
use crate::Step::{self, *};
use crate::words::{ANN, BOB, CAT, ECHO, LONG};
use fastws_core::frame::Opcode;

pub(super) const CALLS: &[Step] = &[
    // Calls: with an id, with a payload, with neither, without a reply, several at once.
    Say(ANN, r#"{"type":"echo","payload":{"a":[1,2]},"id":7}"#),
    Say(ANN, r#"{"type":"echo","id":"seven"}"#),
    Turn,
    Say(ANN, r#" { "id" : 1.5, "payload" : null , "type" : "\u0065cho" } "#),
    Turn,
    Say(BOB, r#"{"type":"silent"}"#),
    Turn,
    Say(BOB, r#"{"type":"double","payload":21,"id":-3}"#),
    Turn,
    Say(BOB, r#"{"type":"who"}"#),
    Turn,
    Burst(BOB, &[ECHO, r#"{"type":"double","payload":4294967295}"#, ECHO]),
    Turn,
    // A turn that is full is written before more is dispatched.
    Burst(BOB, &[LONG, LONG, LONG, LONG, LONG, LONG, LONG, LONG, LONG]),
    Turn,
    // Fragments, down to empty ones, with control frames in between; single bytes.
    Frame(ANN, ALL, 0x01, b"{\"type\":"),
    Frame(ANN, 1, 0x89, b"between"),
    Turn,
    Frame(ANN, ALL, 0x00, b""),
    Frame(ANN, 2, 0x8a, b"unasked"),
    Frame(ANN, 3, 0x00, b"\"echo\",\"payload\":\"\xe2"),
    Frame(ANN, ALL, 0x80, b"\x82\xac\"}"),
    Turn,
    Frame(ANN, 1, 0x81, ECHO.as_bytes()),
    Turn,
    Frame(ANN, 13, 0x81, LONG.as_bytes()),
    Turn,
    Frame(ANN, ALL, 0x89, b""),
    Frame(ANN, ALL, 0x89, &[b'p'; 125]),
    Turn,
    // Messages that were put together elsewhere.
    Message(CAT, Opcode::Text, br#"{"type":"echo","payload":1}"#),
    Message(CAT, Opcode::Ping, b"hm"),
    Message(CAT, Opcode::Pong, b""),
    Turn,
];
