//! What handlers and services may answer. Knows JSON, no connection and no operation.

use crate::payload::Outgoing;
use crate::time::Duration;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::any::{TypeId, type_name};
use core::error::Error;
use core::fmt;
use schemars::{Schema, SchemaGenerator};
use serde::Serialize;

/// Why a handler does not reply. Made from any error by `?`, or from a [`Close`].
///
/// ```
/// use fastws_core::respond::{Close, Failure};
///
/// fn parse(quantity: &str) -> Result<u32, Failure> {
///     let quantity = quantity.parse()?;
///     if quantity == 0 {
///         return Err(Close::new(4000, "nothing is no order").into());
///     }
///     Ok(quantity)
/// }
/// assert!(matches!(parse("7"), Ok(7)));
/// assert!(matches!(parse("some"), Err(Failure::Error(_))));
/// assert_eq!(parse("0").unwrap_err().to_string(), "close 4000: nothing is no order");
/// ```
#[derive(Debug)]
pub enum Failure {
    /// The connection is closed with this code and reason.
    Close(Close),
    /// The connection is closed with 1011 `Internal error`; the cause is for the log only.
    Error(Box<dyn Error>),
}

/// A close that a handler asks for.
///
/// ```
/// use fastws_core::respond::{Close, Failure};
/// fn withdraw(amount: u32) -> Result<u32, Failure> {
///     if amount > 100 {
///         return Err(Close::new(4000, "more than there is").into());
///     }
///     Ok(100 - amount)
/// }
/// assert!(withdraw(200).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    pub(crate) code: u16,
    pub(crate) reason: String,
}

impl Close {
    /// A code of RFC 6455 section 7.4 that may be sent, best 3000 to 4999; another one becomes 1011.
    /// The reason is cut at 123 bytes.
    pub fn new(code: u16, reason: impl Into<String>) -> Self {
        let code =
            if matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) { code } else { 1011 };
        Self { code, reason: reason.into() }
    }
}

impl From<Close> for Failure {
    fn from(close: Close) -> Self {
        Self::Close(close)
    }
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(cause: E) -> Self {
        Self::Error(Box::new(cause))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Close(close) => write!(f, "close {}: {}", close.code, close.reason),
            Self::Error(cause) => cause.fmt(f),
        }
    }
}

/// Why a subscription was refused; the client reads it.
///
/// ```
/// use fastws_core::respond::Refused;
///
/// fn check(symbol: &str) -> Result<(), Refused> {
///     match symbol {
///         "" => Err("no symbol".into()),
///         "AAPL" => Ok(()),
///         _ => Err(Refused::new(format!("there is no symbol {symbol}"))),
///     }
/// }
/// assert_eq!(check("").unwrap_err().to_string(), "no symbol");
/// assert_eq!(check("A").unwrap_err().to_string(), "there is no symbol A");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    message: Cow<'static, str>,
}

impl Refused {
    /// A message for the client, such as `no such symbol`.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into() }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for Refused {}

impl From<&'static str> for Refused {
    fn from(message: &'static str) -> Self {
        Self::new(message)
    }
}

impl From<crate::topic::TopicError> for Refused {
    fn from(error: crate::topic::TopicError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<crate::canonical::CanonicalError> for Refused {
    fn from(error: crate::canonical::CanonicalError) -> Self {
        Self::new(error.to_string())
    }
}

/// What is wrong with a topic, from its service to its listeners, who get it as the route's `error`.
///
/// ```
/// use fastws_core::respond::Fault;
/// use fastws_core::time::Duration;
/// let fault = Fault::new("upstream", "the exchange is closed").retry_after(Duration::from_secs(60));
/// assert_eq!(fault.to_string(), "upstream: the exchange is closed");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: Cow<'static, str>,
    pub(crate) retry_after: Option<Duration>,
}

impl Fault {
    /// A code for programs and a message for people.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code.into(), message: message.into(), retry_after: None }
    }

    /// When it is worth a try again, in whole milliseconds.
    pub fn retry_after(self, time: Duration) -> Self {
        Self { retry_after: Some(time), ..self }
    }

    /// A service's future has ended without a word.
    pub const fn ended() -> Self {
        Self::of("ended", "the topic has ended")
    }

    /// A service has panicked.
    pub const fn failed() -> Self {
        Self::of("failed", "the topic has failed")
    }

    const fn of(code: &'static str, message: &'static str) -> Self {
        Self { code: Cow::Borrowed(code), message: Cow::Borrowed(message), retry_after: None }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl core::error::Error for Fault {}

/// Who waits for a topic that fails as it starts is refused with the fault's message.
impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::new(fault.message)
    }
}

/// A handler's result: something that serializes, `()` for a reply without payload, or a `Result`
/// of it whose error is a [`Failure`] or becomes one: a [`Close`], or any error.
///
/// ```
/// use fastws_core::respond::Close;
/// use fastws_core::router::Router;
///
/// fn divide() -> Result<i32, Close> {
///     Err(Close::new(4000, "by what?"))
/// }
/// fn parse() -> Result<i32, std::num::ParseIntError> {
///     "1".parse()
/// }
/// Router::new().send("divide", "divided", divide).send("parse", "parsed", parse);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no reply",
    label = "a handler returns this",
    note = "return `()`, a `T` that is a `#[payload]`, or a `Result<T, E>` whose `E` is `Failure`, `Close` or an error"
)]
pub trait Respond<Kind> {
    /// What there is to reply with.
    const REPLY: fn() -> Reply;

    /// Appends the payload as JSON. False: the reply has none.
    fn respond(self, payload: &mut Vec<u8>) -> Result<bool, Failure>;
}

/// Writes down a type's JSON schema.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What a handler's result is, before it has run.
///
/// [`Handler::reply`](crate::handler::Handler::reply) tells it; [`Respond`] shows results.
#[derive(Clone, Copy, Debug)]
pub enum Reply {
    /// `()`: a reply has no payload.
    Nothing,
    /// A payload of this schema.
    Payload(SchemaOf),
    /// A `Result` whose error nothing is known about.
    Unknown(&'static str),
}

/// Marks results that serialize, for [`Respond`].
#[derive(Debug)]
pub struct Plain;
/// Marks results that may fail, for [`Respond`].
#[derive(Debug)]
pub struct Fallible;

impl<T: Outgoing> Respond<Plain> for T {
    const REPLY: fn() -> Reply = || match type_name::<T>() {
        "()" => Reply::Nothing,
        // `Result` serializes too, as `{"Ok": ..}`, which nobody means.
        name if name.starts_with("core::result::Result<") => Reply::Unknown(name),
        _ => Reply::Payload(SchemaGenerator::subschema_for::<T>),
    };

    fn respond(self, payload: &mut Vec<u8>) -> Result<bool, Failure> {
        if TypeId::of::<T>() == TypeId::of::<()>() {
            return Ok(false);
        }
        encode(&self, payload)?;
        Ok(true)
    }
}

impl<T: Outgoing, E: Into<Failure>> Respond<Fallible> for Result<T, E> {
    const REPLY: fn() -> Reply = <T as Respond<Plain>>::REPLY;

    fn respond(self, payload: &mut Vec<u8>) -> Result<bool, Failure> {
        self.map_err(Into::into)?.respond(payload)
    }
}

/// Appends `value` as JSON.
#[inline]
pub(crate) fn encode(value: &impl Serialize, to: &mut Vec<u8>) -> serde_json::Result<()> {
    #[cfg(feature = "std")]
    return serde_json::to_writer(to, value);
    #[cfg(not(feature = "std"))]
    serde_json::to_vec(value).map(|json| to.extend_from_slice(&json))
}
