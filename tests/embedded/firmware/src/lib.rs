//! What both firmwares share: the board, its line to the host, and the loop around an engine. Knows no application.
#![no_std]

#[cfg(target_os = "none")]
pub mod board;
pub mod driver;
pub mod line;
