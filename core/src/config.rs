//! What an engine allows and how long it waits. Plain numbers, no behaviour.

use crate::time::Duration;

/// Limits and deadlines of one engine. The defaults are what a careful operator would choose.
///
/// On lent memory a limit is also never more than what was lent.
///
/// ```
/// use fastws_core::config::Config;
/// use fastws_core::time::Duration;
/// let config = Config { heartbeat: Some(Duration::from_secs(10)), ..Config::default() };
/// assert_eq!(config.message_bytes, 64 * 1024);
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// Connections at once; more are refused with 503.
    pub connections: u32,
    /// Bytes of one message; a longer one closes with 1009.
    pub message_bytes: u32,
    /// Objects and arrays inside one another; more close with 1003.
    pub nesting: u16,
    /// Bytes that may wait for a connection whose socket takes no more.
    pub backlog_bytes: u32,
    /// Topics of one connection.
    pub topics_per_connection: u32,
    /// Messages per second, and as many at once after a second of silence; more close with 1008.
    pub messages_per_second: Option<u32>,
    /// The same for bytes of any kind, as they come. A message that is longer never comes through.
    pub bytes_per_second: Option<u32>,
    /// Bytes of a handshake's head; more are refused with 431.
    pub handshake_bytes: u32,
    /// Time for a handshake; then it is refused with 408.
    pub handshake: Duration,
    /// A silent connection is pinged after this time.
    pub ping: Duration,
    /// A pinged connection that sends no frame for this time has ended.
    pub pong: Duration,
    /// A connection that sends no message for this time is closed with 1003.
    pub heartbeat: Option<Duration>,
    /// A connection that is older is closed with 1003.
    pub lifespan: Option<Duration>,
    /// Time for the peer's part of a close; then the connection is reset.
    pub closing: Duration,
    /// Time over which a server that ends closes its connections.
    pub drain: Duration,
    /// Encoded bytes after which a turn wants to be written before more is dispatched.
    pub turn_bytes: u32,
    /// What becomes of a connection whose request cannot be answered.
    pub on_error: OnError,
}

/// What a request gets that cannot be read, that names no operation, whose payload does not fit, or
/// whose handler has failed. Whatever else ends a connection ends it in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// The connection is closed, which is what clients of FastWS expect.
    #[default]
    Close,
    /// A message, and the connection goes on:
    /// `{"type": "error", "payload": {"type": REQUEST, "code": CODE, "message": REASON}, "id": ID}`
    /// with what the close would have said; the inner `type` is null where it could not be read.
    Reply,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connections: 100_000,
            message_bytes: 64 << 10,
            nesting: 128,
            backlog_bytes: 1 << 20,
            topics_per_connection: 1_000,
            messages_per_second: None,
            bytes_per_second: None,
            handshake_bytes: 16 << 10,
            handshake: Duration::from_secs(10),
            ping: Duration::from_secs(25),
            pong: Duration::from_secs(10),
            heartbeat: None,
            lifespan: None,
            closing: Duration::from_secs(5),
            drain: Duration::from_secs(5),
            turn_bytes: 1 << 20,
            on_error: OnError::default(),
        }
    }
}
