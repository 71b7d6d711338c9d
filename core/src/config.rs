//! What an engine allows and how long it waits, and which numbers cannot work. Knows nobody who uses them.

use crate::envelope::MAX_NESTING;
use crate::time::Duration;
use crate::topic::MAX_TOPIC;
use core::fmt;

/// Limits and deadlines of one engine. The defaults are what a careful operator would choose.
///
/// On lent memory a limit is also never more than what was lent. A server refuses to start with numbers
/// that [`check`](Self::check) refuses.
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
    /// Bytes of one message; a longer one closes with 1009. From 12, which is the shortest message, to 1 GiB.
    pub message_bytes: u32,
    /// Objects and arrays inside one another, the message itself among them; more close with 1003. At most
    /// [`MAX_NESTING`].
    pub nesting: u16,
    /// Bytes that may wait for a connection whose socket takes no more. Its buffer holds at most an
    /// eighth and a 512th more, 400 bytes, and the frame that the socket has taken a part of. At least
    /// twice [`topic_bytes`](Self::topic_bytes) and 128, to tell of updates that were dropped; at most 1 GiB.
    pub backlog_bytes: u32,
    /// What becomes of it at that limit, where a topic's route or a publish does not say otherwise.
    pub slow_consumer: SlowConsumer,
    /// Topics of one connection; with 0 nobody subscribes.
    pub topics_per_connection: u32,
    /// Bytes of a topic's name, at most [`MAX_TOPIC`].
    pub topic_bytes: u16,
    /// Time for a topic's service to start; then its subscribers are refused.
    pub start: Duration,
    /// Messages per second, and as many at once after a second of silence; more close with 1008.
    pub messages_per_second: Option<u32>,
    /// The same for bytes of any kind, as they come. A message that is longer never comes through.
    pub bytes_per_second: Option<u32>,
    /// Bytes of a handshake's head, at least 128; more are refused with 431.
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
    /// Time to say a close, and for the peer's part of it; then the connection is reset.
    pub closing: Duration,
    /// Time over which a server that ends closes its connections; zero for all at once.
    pub drain: Duration,
    /// Encoded bytes after which a turn wants to be written before more is dispatched. At most 1 GiB.
    pub turn_bytes: u32,
    /// What becomes of a connection whose request cannot be answered.
    pub on_error: OnError,
}

impl Config {
    /// Finds a number with which no client could be served.
    ///
    /// ```
    /// use fastws_core::config::Config;
    /// assert_eq!(Config::default().check(), Ok(()));
    /// let error = Config { topic_bytes: 2_000, ..Config::default() }.check().unwrap_err();
    /// assert_eq!(error.to_string(), "`topic_bytes` of `Config` is 2000: write at most 1024");
    /// ```
    pub fn check(&self) -> Result<(), ConfigError> {
        let of_second = |rate: Option<u32>| rate.unwrap_or(u32::MAX);
        let gap = 2 * u32::from(self.topic_bytes) + GAP;
        for (setting, value, least, most) in [
            ("connections", self.connections, 1, u32::MAX),
            ("message_bytes", self.message_bytes, SHORTEST.len() as u32, MOST),
            ("nesting", self.nesting.into(), 1, MAX_NESTING as u32),
            ("topic_bytes", self.topic_bytes.into(), 1, MAX_TOPIC as u32),
            ("backlog_bytes", self.backlog_bytes, gap, MOST),
            ("messages_per_second", of_second(self.messages_per_second), 1, u32::MAX),
            ("bytes_per_second", of_second(self.bytes_per_second), 1, u32::MAX),
            ("handshake_bytes", self.handshake_bytes, HANDSHAKE, MOST),
            ("turn_bytes", self.turn_bytes, 1, MOST),
        ] {
            if value < least {
                return Err(ConfigError::TooLittle { setting, value, least });
            }
            if value > most {
                return Err(ConfigError::TooMuch { setting, value, most });
            }
        }
        for (setting, time) in [
            ("start", Some(self.start)),
            ("handshake", Some(self.handshake)),
            ("ping", Some(self.ping)),
            ("pong", Some(self.pong)),
            ("heartbeat", self.heartbeat),
            ("lifespan", self.lifespan),
            ("closing", Some(self.closing)),
        ] {
            if time.is_some_and(|time| time < INSTANT) {
                return Err(ConfigError::NoTime { setting });
            }
        }
        Ok(())
    }
}

/// Which number of a [`Config`] cannot work, by the name of its field.
///
/// The example is at [`Config::check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// With so little no client could be served.
    TooLittle {
        /// The field.
        setting: &'static str,
        /// What it is.
        value: u32,
        /// What it has to be at least.
        least: u32,
    },
    /// So much cannot be counted, or is more than its readers follow.
    TooMuch {
        /// The field.
        setting: &'static str,
        /// What it is.
        value: u32,
        /// What it may be at most.
        most: u32,
    },
    /// Whatever waits for so short a time has waited in vain.
    NoTime {
        /// The field.
        setting: &'static str,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLittle { setting, value, least } => {
                write!(f, "`{setting}` of `Config` is {value}: write at least {least}")
            }
            Self::TooMuch { setting, value, most } => {
                write!(f, "`{setting}` of `Config` is {value}: write at most {most}")
            }
            Self::NoTime { setting } => {
                write!(f, "`{setting}` of `Config` is no time: write a microsecond or more")
            }
        }
    }
}

impl core::error::Error for ConfigError {}

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

/// The shortest message that names an operation.
const SHORTEST: &str = r#"{"type":"a"}"#;
/// No request for a WebSocket is shorter.
const HANDSHAKE: u32 = 128;
/// What tells of updates that were dropped, as it waits, but for the topic that it names twice.
const GAP: u32 = 128;
/// Tables and buffers count bytes in 32 bits, and keep an eighth more than what they are to keep.
const MOST: u32 = 1 << 30;
/// Moments are microseconds.
const INSTANT: Duration = Duration::from_micros(1);
