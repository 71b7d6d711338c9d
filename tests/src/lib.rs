//! Laws, worlds and real servers. What is here serves the tests; no rule of the protocol is in it.

pub mod bare;
pub mod client;
pub mod counting;
pub mod identity;
pub mod lone;
pub mod server;
pub mod stage;
pub mod witness;
pub mod world;
