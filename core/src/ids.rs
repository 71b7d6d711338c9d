//! Names for things whose owner is elsewhere. Copies of an id never keep anything alive.

/// One connection of one engine. A slot is used again with a new generation, so that an id kept
/// too long names nobody instead of a stranger.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationId(pub u16);

/// One dispatched message of one connection, until it is settled.
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
