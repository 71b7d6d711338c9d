//! Who plays, and what is said in more than one chapter. Knows no step.

use crate::Client;

pub(crate) const ANN: Client = 0;
pub(crate) const BOB: Client = 1;
pub(crate) const CAT: Client = 2;
pub(crate) const DAN: Client = 3;
pub(crate) const EVE: Client = 4;
pub(crate) const FAY: Client = 5;
pub(crate) const GUS: Client = 6;
pub(crate) const HAL: Client = 7;

pub(crate) const ECHO: &str = r#"{"type":"echo"}"#;

pub(crate) const LONG: &str = r#"{"type":"echo","payload":"012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"}"#;

pub(crate) const UPGRADE: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

pub(crate) const BIG: &str = concat!(
    "\"",
    "012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
    "012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
    "\""
);

pub(crate) const SUBSCRIBE_A: &str = r#"{"type":"subscribe","payload":"a"}"#;

pub(crate) const SUBSCRIBE_B: &str = r#"{"type":"subscribe","payload":"b"}"#;

pub(crate) const SUBSCRIBE_C: &str = r#"{"type":"subscribe","payload":"c"}"#;

pub(crate) const SUBSCRIBE_D: &str = r#"{"type":"subscribe","payload":"d"}"#;
