//! What may be a payload, in each direction. Knows types, no message.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What clients may send: it is read from JSON and has a schema. `#[payload]` brings both.
///
/// ```
/// use fastws_core::payload;
/// use fastws_core::payload::{Cloned, Incoming, Outgoing};
///
/// #[payload]
/// struct Quote { symbol: String, price: f64 }
///
/// fn both_ways<T: Incoming + Outgoing + Cloned>() -> usize {
///     size_of::<T>()
/// }
/// assert!(both_ways::<Quote>() > 0);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a payload",
    label = "`{Self}` needs `#[payload]`",
    note = "a payload owns what it holds: it has `String` for `&str`"
)]
pub trait Incoming: DeserializeOwned + JsonSchema {}

impl<T: DeserializeOwned + JsonSchema> Incoming for T {}

/// What is handed out more than once. `#[payload]` makes it so.
///
/// The example is at [`Incoming`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a payload",
    label = "`{Self}` needs `#[payload]`"
)]
pub trait Cloned: Clone {}

impl<T: Clone> Cloned for T {}

/// What clients may receive: it is written as JSON and has a schema. `#[payload]` brings both.
///
/// The example is at [`Incoming`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a payload",
    label = "`{Self}` needs `#[payload]`"
)]
pub trait Outgoing: Serialize + JsonSchema + 'static {}

impl<T: Serialize + JsonSchema + 'static> Outgoing for T {}
