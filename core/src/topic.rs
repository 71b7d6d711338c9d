//! Names of topics and how they are made of parts. Knows strings; never who listens.

#[cfg(feature = "alloc")]
use alloc::string::String;
use core::fmt;

/// The longest name of a topic that a [`Config`](crate::config::Config) can allow, in bytes.
pub const MAX_TOPIC: usize = 1024;

/// Whether `name` can name a topic: it is not empty and has at most `limit` bytes. O(1).
///
/// ```
/// use fastws_core::topic::{TopicError, check};
/// assert_eq!(check("bars:AAPL:1", 256), Ok(()));
/// assert_eq!(check("bars:AAPL:1", 4), Err(TopicError::TooLong { limit: 4 }));
/// ```
pub fn check(name: &str, limit: usize) -> Result<(), TopicError> {
    if name.is_empty() {
        return Err(TopicError::Empty);
    }
    if name.len() > limit {
        return Err(TopicError::TooLong { limit });
    }
    Ok(())
}

/// Joins parts by colons to a name of at most [`MAX_TOPIC`] bytes, in one allocation or a few.
///
/// Different rows of parts make different names, which is why a part may neither be empty nor
/// contain a colon. What is too long is not formatted to its end.
///
/// ```
/// use fastws_core::topic::{TopicError, join};
/// assert_eq!(join(["bars", "AAPL", "1"]).as_deref(), Ok("bars:AAPL:1"));
/// assert_eq!(join(["bars", "AAPL:1"]), Err(TopicError::Separator { part: 1 }));
/// ```
///
/// # Panics
///
/// As [`ToString`](alloc::string::ToString) does, where a part's `Display` fails of its own accord.
#[cfg(feature = "alloc")]
pub fn join<I>(parts: I) -> Result<String, TopicError>
where
    I: IntoIterator,
    I::Item: fmt::Display,
{
    let mut topic = Joined { name: String::new(), part: 0, fault: None };
    for (part, shown) in parts.into_iter().enumerate() {
        topic.part = part;
        if part > 0 {
            topic.push(":")?;
        }
        let start = topic.name.len();
        let written = fmt::write(&mut topic, format_args!("{shown}"));
        if let Some(fault) = topic.fault {
            return Err(fault);
        }
        written.expect("a part's Display fails only where it is refused");
        if topic.name.len() == start {
            return Err(TopicError::EmptyPart { part });
        }
    }
    check(&topic.name, MAX_TOPIC)?;
    Ok(topic.name)
}

/// Why a name is not one of a topic. The fault is whose parts or parameters they are.
///
/// ```
/// use fastws_core::topic::join;
/// let error = join(["bars", ""]).unwrap_err();
/// assert_eq!(error.to_string(), "part 1 of the topic is empty");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicError {
    /// There is no name, or there are no parts.
    Empty,
    /// A part, counted from zero, is empty.
    EmptyPart {
        /// Its place.
        part: usize,
    },
    /// A part, counted from zero, contains a colon.
    Separator {
        /// Its place.
        part: usize,
    },
    /// The name has more bytes than are allowed.
    TooLong {
        /// How many are allowed.
        limit: usize,
    },
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the topic is empty"),
            Self::EmptyPart { part } => write!(f, "part {part} of the topic is empty"),
            Self::Separator { part } => {
                write!(f, "part {part} of the topic contains `:`, which separates parts")
            }
            Self::TooLong { limit } => write!(f, "the topic is longer than {limit} bytes"),
        }
    }
}

impl core::error::Error for TopicError {}

/// A name in the making. It stops a part's formatting at the first fault.
#[cfg(feature = "alloc")]
struct Joined {
    name: String,
    part: usize,
    fault: Option<TopicError>,
}

#[cfg(feature = "alloc")]
impl Joined {
    fn push(&mut self, text: &str) -> Result<(), TopicError> {
        if self.name.len() + text.len() > MAX_TOPIC {
            return Err(TopicError::TooLong { limit: MAX_TOPIC });
        }
        self.name.push_str(text);
        Ok(())
    }
}

#[cfg(feature = "alloc")]
impl fmt::Write for Joined {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let pushed = if text.contains(':') {
            Err(TopicError::Separator { part: self.part })
        } else {
            self.push(text)
        };
        pushed.map_err(|fault| {
            self.fault.get_or_insert(fault);
            fmt::Error
        })
    }
}
