//! What may be a payload, in each direction. Knows types, no message.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What clients may send: it is read from JSON and has a schema. `#[payload]` brings both.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a payload",
    label = "`{Self}` needs `#[payload]`",
    note = "a payload owns what it holds: it has `String` for `&str`"
)]
pub trait Incoming: DeserializeOwned + JsonSchema {}

impl<T: DeserializeOwned + JsonSchema> Incoming for T {}

/// What is handed out more than once. `#[payload]` makes it so.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a payload",
    label = "`{Self}` needs `#[payload]`"
)]
pub trait Cloned: Clone {}

impl<T: Clone> Cloned for T {}

/// What clients may receive: it is written as JSON and has a schema. `#[payload]` brings both.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a payload",
    label = "`{Self}` needs `#[payload]`"
)]
pub trait Outgoing: Serialize + JsonSchema + 'static {}

impl<T: Serialize + JsonSchema + 'static> Outgoing for T {}
