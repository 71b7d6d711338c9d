//! What targets share: how bytes come and go, what JSON says, what memory is used. Knows no room of
//! the core that a target holds.

pub mod json;
pub mod memory;
pub mod wire;
