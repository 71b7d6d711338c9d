//! What tests against real servers share.

pub mod client;
