//! What the attributes ask of a function's types, so that a mistake is told where it stands. Knows no value.

use crate::extract::Extract;
use crate::handler;
use crate::payload::Incoming;
use crate::respond::{Failure, Respond};
use core::future::Future;

/// The `T` of a `Payload<T>`.
pub fn payload<T: Incoming>() {}

/// Another argument.
pub fn argument<T: Extract>() {}

/// The result of a handler that replies.
pub fn reply<T: Answers<Kind>, Kind>() {}

/// The result of a handler without a reply.
pub fn nothing<T: Nothing<Kind>, Kind>() {}

/// The `E` of a `Result<T, E>`.
pub fn failure<E: Fails>() {}

/// A result, also of an async function that is written as a plain one.
/// [`reply`] asks for it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a reply",
    label = "`{Self}` needs `#[payload]`",
    note = "a handler returns `()`, a `T` that is a `#[payload]`, or a `Result<T, E>` whose `E` is `Failure`, `Close` or an error"
)]
pub trait Answers<Kind> {}

impl<T: Respond<Kind>, Kind> Answers<(handler::Plain, Kind)> for T {}
impl<T: Future<Output: Respond<Kind>>, Kind> Answers<(handler::Async, Kind)> for T {}

/// What there is to say without a reply.
/// [`nothing`] asks for it.
#[diagnostic::on_unimplemented(
    message = "an operation that returns `{Self}` has a reply",
    label = "give it a reply's name, as in `#[send(\"subscribe\", reply = \"subscribe.response\")]`, or return `()`"
)]
pub trait Nothing<Kind> {}

impl Nothing<handler::Plain> for () {}
impl<E: Into<Failure>> Nothing<handler::Plain> for Result<(), E> {}
impl<T: Future<Output: Nothing<Kind>>, Kind> Nothing<(handler::Async, Kind)> for T {}

/// An error.
/// [`failure`] asks for it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a handler's error",
    label = "it is neither `Failure` nor `Close`, and no `std::error::Error`",
    note = "return `Err(Close::new(4000, \"why\"))` to close the connection with a reason, or implement `std::error::Error`"
)]
pub trait Fails: Into<Failure> {}

impl<E: Into<Failure>> Fails for E {}
