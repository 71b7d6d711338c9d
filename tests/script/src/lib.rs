//! What is played on engines of every kind of memory, and what came of it. Knows no memory, no std and no oracle.
//!
//! A [`script`](script::SCRIPT) is data: the same steps, so the same bytes, wherever it is played.
#![no_std]
#![forbid(unsafe_code)]

pub mod script;
pub mod tight;
pub mod player;
mod words;
mod desk;
mod queue;
pub mod transcript;

use fastws_core::frame::Opcode;

/// Plays one client of a script, from 0 to [`CLIENTS`].
pub type Client = usize;

/// How many clients there are.
pub const CLIENTS: usize = 8;

/// No limit: a whole input at once, or all that is offered.
pub const ALL: usize = usize::MAX;

/// What happens next.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Somebody connects, and its request is still to come.
    Accept(Client),
    /// Somebody connects whose handshake was done elsewhere.
    Open(Client),
    /// Bytes arrive as they are, in pieces of at most so many.
    Bytes(Client, usize, &'static [u8]),
    /// One masked frame arrives: its first byte, its payload, in pieces of at most so many bytes.
    Frame(Client, usize, u8, &'static [u8]),
    /// A text message arrives in one frame and one piece.
    Say(Client, &'static str),
    /// Several text messages arrive in one piece.
    Burst(Client, &'static [&'static str]),
    /// A message arrives that was unmasked and put together elsewhere.
    Message(Client, Opcode, &'static [u8]),
    /// A socket will take so many bytes and then no more.
    Takes(Client, usize),
    /// A socket takes bytes again, at most so many.
    Writable(Client, usize),
    /// A stream has ended.
    End(Client),
    /// Milliseconds pass.
    Wait(u64),
    /// What waits is dispatched and written; lives and ends are told.
    Turn,
    /// The application publishes: topic, payload.
    Publish(&'static str, &'static str),
    /// The application publishes a frame that it has encoded: topic, frame.
    PublishFrame(&'static str, &'static [u8]),
    /// The application ends a topic.
    EndTopic(&'static str),
    /// The application sets the place aside that a running call wants.
    Reserve(Client),
    /// The application gives it back.
    GiveBack(Client),
    /// The outcome of a running call has come.
    Settle(Client),
    /// The application closes a connection: code, reason.
    Close(Client, u16, &'static str),
    /// The application closes every connection.
    CloseAll,
    /// Everything is told to an engine about the client's previous connection, by an id kept too long.
    Haunt(Client),
}
