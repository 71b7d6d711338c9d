//! Names for things whose owner is elsewhere. Copies of an id never keep anything alive.

/// One connection of one engine. A slot is used again with a new generation, so that an id kept
/// too long names nobody instead of a stranger.
///
/// ```
/// use fastws_core::config::Config;
/// use fastws_core::engine::Engine;
/// use fastws_core::time::Instant;
///
/// let (mut engine, now) = (Engine::new(Config::default(), 0), Instant::ZERO);
/// let first = engine.open(now, [1; 16])?;
/// engine.handle_end(now, first);
/// assert_eq!(engine.poll_gone(), Some(first));
/// let second = engine.open(now, [2; 16])?;
/// assert_eq!(first.slot(), second.slot());
/// assert_ne!(first, second);
/// assert_eq!(engine.room(first), None);
/// # Ok::<(), fastws_core::shelf::Full>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl ConnectionId {
    /// The row of the driver's own table: small, dense, unique among open connections.
    pub const fn slot(self) -> usize {
        self.slot as usize
    }
}

/// An operation's place in the application's table of names.
///
/// [`Dispatch::find`](crate::dispatch::Dispatch::find) gives it, where the example is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationId(pub u16);

/// One dispatched message of one connection, until it is settled.
///
/// The example is at [`Answer::later`](crate::dispatch::Answer::later).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId {
    pub(crate) connection: ConnectionId,
    pub(crate) number: u32,
}

impl CallId {
    /// The connection that made the call.
    pub const fn connection(self) -> ConnectionId {
        self.connection
    }
}
