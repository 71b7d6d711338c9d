//! Handshakes and whatever is none. Knows requests only.

use crate::ALL;
use crate::Step::{self, *};
use crate::words::{ANN, BOB, CAT, DAN, EVE, FAY, GUS, HAL, UPGRADE};

pub(super) const OPENING: &[Step] = &[
    // Handshakes: in one piece, byte by byte, with a subprotocol and a first message behind it.
    Accept(ANN),
    Bytes(ANN, ALL, UPGRADE),
    Turn,
    Accept(BOB),
    Bytes(BOB, 1, UPGRADE),
    Turn,
    Accept(CAT),
    Bytes(CAT, 7, OFFER),
    Bytes(CAT, ALL, b"\r\n\x81\x8f\0\0\0\0{\"type\":\"echo\"}"),
    Turn,
    // A socket that takes a handshake's answer in parts.
    Accept(DAN),
    Takes(DAN, 20),
    Bytes(DAN, ALL, UPGRADE),
    Turn,
    Writable(DAN, 9),
    Turn,
    Writable(DAN, ALL),
    Turn,
    // Whatever is no handshake is answered and ends.
    Accept(HAL),
    Bytes(HAL, ALL, b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"),
    Turn,
    End(HAL),
    Turn,
    Accept(HAL),
    Bytes(HAL, ALL, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
    Turn,
    End(HAL),
    Turn,
    Accept(HAL),
    Bytes(HAL, ALL, b"GET /secret HTTP/1.1\r\nHost: a\r\n\r\n"),
    Turn,
    End(HAL),
    Turn,
    Accept(HAL),
    Bytes(HAL, ALL, b"POST /ws HTTP/1.1\r\nHost: a\r\n\r\n"),
    Turn,
    End(HAL),
    Turn,
    Accept(HAL),
    Bytes(HAL, ALL, b"GET /ws HTTP/1.1\r\nHost: a\r\n\r\n"),
    Turn,
    End(HAL),
    Turn,
    Accept(HAL),
    Bytes(
        HAL,
        ALL,
        b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ),
    Turn,
    End(HAL),
    Turn,
    Accept(HAL),
    Bytes(HAL, ALL, KEYLESS),
    Turn,
    End(HAL),
    Turn,
    Accept(HAL),
    Bytes(HAL, ALL, HOSTLESS),
    Turn,
    End(HAL),
    Turn,
    Accept(HAL),
    Bytes(HAL, ALL, b"\x16\x03\x01"),
    Turn,
    End(HAL),
    Turn,
    // A head that never ends, and one that takes too long.
    Accept(HAL),
    Bytes(HAL, 100, ENDLESS),
    Turn,
    Bytes(HAL, ALL, b"more of it"),
    End(HAL),
    Turn,
    Accept(HAL),
    Bytes(HAL, ALL, b"GET /ws"),
    Wait(9_999),
    Turn,
    Wait(1),
    Turn,
    Wait(5_000),
    Turn,
    // More connections than the configuration allows.
    Accept(EVE),
    Bytes(EVE, 50, UPGRADE),
    Accept(FAY),
    Bytes(FAY, ALL, UPGRADE),
    Turn,
    Accept(GUS),
    Bytes(GUS, ALL, UPGRADE),
    Turn,
    End(GUS),
    Turn,
    Haunt(GUS),
    Turn,
];

/// Without the empty line at its end.
const OFFER: &[u8] = b"GET /ws?token=7 HTTP/1.1\r\nhost: a\r\nupgrade: WebSocket\r\n\
    connection: keep-alive, Upgrade\r\nsec-websocket-protocol: other, script\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

const KEYLESS: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n";

const HOSTLESS: &[u8] = b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const ENDLESS: &[u8] = &[b'G'; 600];
