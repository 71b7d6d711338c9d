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
    /// Bytes that may wait for a connection whose socket takes no more. Its buffer holds at most an
    /// eighth and a 512th more, 400 bytes, and the frame that the socket has taken a part of.
    pub backlog_bytes: u32,
    /// What becomes of it at that limit, where a publish does not say otherwise.
    pub slow_consumer: SlowConsumer,
    /// Topics of one connection.
    pub topics_per_connection: u32,
    /// Bytes of a topic's name, at most [`MAX_TOPIC`](crate::topic::MAX_TOPIC).
    pub topic_bytes: u16,
    /// Time for a topic's service to start; then its subscribers are refused.
    pub start: Duration,
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
///
/// ```
/// use fastws_core::config::{Config, OnError};
/// let config = Config { on_error: OnError::Reply, ..Config::default() };
/// assert_eq!(Config::default().on_error, OnError::Close);
/// # assert_eq!(config.on_error, OnError::Reply);
/// ```
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
            slow_consumer: SlowConsumer::Close,
            topics_per_connection: 1_000,
            topic_bytes: 256,
            start: Duration::from_secs(10),
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

/// What becomes of an update that a reader is too slow for.
///
/// Replies, and what the socket has taken a part of, are never dropped. Where updates are, a message
/// stands in the place of the first of them, and says how many of its topic are missing there:
/// `{"type":"bars.gap","topic":"bars:AAPL:1","payload":{"topic":"bars:AAPL:1","dropped":3}}` for
/// updates of type `bars.update`. A reader for which not even that fits is closed.
///
/// ```
/// use fastws_core::config::{Config, SlowConsumer};
/// let config = Config { slow_consumer: SlowConsumer::Latest, ..Config::default() };
/// assert_eq!(Config::default().slow_consumer, SlowConsumer::Close);
/// # assert_eq!(config.slow_consumer, SlowConsumer::Latest);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowConsumer {
    /// Nothing is dropped: the connection is closed with 1008.
    #[default]
    Close,
    /// The oldest waiting updates that may be dropped give way, else the new one is dropped.
    DropOldest,
    /// Only the newest update of the topic waits; at the limit like [`DropOldest`](Self::DropOldest).
    Latest,
}
