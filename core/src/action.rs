//! What ends a connection or refuses a wish, and the words that a client reads. Knows no connection.

use crate::frame::Violation;
use crate::shelf::Full;
use core::fmt;

/// A close frame to be sent: a code of RFC 6455 section 7.4 and a reason.
///
/// A reason longer than 123 bytes is cut at a character when it is written.
///
/// ```
/// use fastws_core::action::Close;
/// use fastws_core::config::Config;
/// use fastws_core::engine::Engine;
/// use fastws_core::time::Instant;
///
/// let mut engine = Engine::new(Config::default(), 0);
/// let id = engine.open(Instant::ZERO, [7; 16])?;
/// engine.close(Instant::ZERO, id, Close { code: 4001, reason: "your token has expired" });
/// assert_eq!(engine.connections(), 0);
/// # Ok::<(), fastws_core::shelf::Full>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close<'a> {
    /// 1000 to 1014 as registered, or 3000 to 4999.
    pub code: u16,
    /// Shown to the client.
    pub reason: &'a str,
}

impl Close<'static> {
    /// The message is no JSON object with a string `type`.
    pub const UNREADABLE: Self = Self { code: 1003, reason: "Could not decode message" };
    /// The payload does not fit the operation's type.
    pub const INVALID: Self = Self { code: 1003, reason: "Could not validate payload" };
    /// No operation has this type.
    pub const UNKNOWN: Self = Self { code: 1003, reason: "No matching type" };
    /// The application failed; its log says why.
    pub const INTERNAL: Self = Self { code: 1011, reason: "Internal error" };
    /// More was waiting for this connection than its backlog may hold.
    pub const SLOW: Self = Self { code: 1008, reason: "Slow consumer" };
    /// The first message does not say who it is from, or did not come in time.
    pub const STRANGER: Self = Self { code: 1008, reason: "Not authenticated" };
    /// More messages or bytes came in a second than are allowed.
    pub const RATE: Self = Self { code: 1008, reason: "Rate limit" };
    /// The server ends.
    pub const SHUTDOWN: Self = Self { code: 1001, reason: "Server shutting down" };
}

impl<'a> Close<'a> {
    /// The peer broke RFC 6455; `words` is room for what was violated.
    pub(crate) fn violation(violation: Violation, words: &'a mut Words) -> Self {
        Self { code: violation.close_code(), reason: words.say(format_args!("{violation}")) }
    }
}

/// Room for a close reason that is made up as it is sent.
#[derive(Default)]
pub(crate) struct Words(heapless::String<128>);

impl Words {
    /// What does not fit is cut: a reason has 123 bytes at most.
    pub(crate) fn say(&mut self, words: fmt::Arguments<'_>) -> &str {
        self.0.clear();
        let _ = fmt::Write::write_fmt(&mut self.0, words);
        &self.0
    }
}

/// Why a subscription cannot be had. Nothing has changed.
///
/// [`Answer::reserve`](crate::dispatch::Answer::reserve) tells it before the reply, as the example of
/// [`Dispatch`](crate::dispatch::Dispatch) shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denied {
    /// The topic's name is empty or too long.
    Name,
    /// The connection has as many topics as it may have.
    TooManyTopics,
    /// The shard's tables are full.
    Full,
    /// The connection has ended.
    Gone,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "the topic's name is empty or too long",
            Self::TooManyTopics => "this connection has as many topics as it may have",
            Self::Full => "the server has as many topics as it may have",
            Self::Gone => "the connection has ended",
        })
    }
}

impl core::error::Error for Denied {}

/// Why a frame was not published. Nobody has got it.
///
/// ```
/// use fastws_core::action::Unpublished;
/// use fastws_core::config::Config;
/// use fastws_core::engine::Engine;
/// use fastws_core::frame::{Head, Opcode};
///
/// let mut engine = Engine::new(Config::default(), 0);
/// let text = br#"{"type":"price","topic":"prices","payload":189.5}"#;
/// let frame = [Head::new(Opcode::Text, text.len(), None).as_slice(), text].concat();
/// assert!(engine.publish_frame("prices", &frame, None).is_ok());
/// assert_eq!(engine.publish_frame("prices", text, None), Err(Unpublished::NotAFrame));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unpublished {
    /// The memory that was lent has no room for it.
    Full,
    /// The caller's bytes are not one whole text frame without a mask.
    NotAFrame,
}

impl fmt::Display for Unpublished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => Full.fmt(f),
            Self::NotAFrame => f.write_str("the publisher's bytes are not one whole text frame"),
        }
    }
}

impl core::error::Error for Unpublished {}

impl From<Full> for Unpublished {
    fn from(_: Full) -> Self {
        Self::Full
    }
}
