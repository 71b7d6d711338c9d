//! Packets on the one serial line between board and host. Knows no engine, no board and no emulator.
//!
//! The emulated board has no network, so this is its transport: each packet belongs to one of a few
//! sockets, whose client is on the host. A packet of the host is answered with what it causes, and then
//! with [`Kind::Done`]; so whoever has read that knows that nothing else comes, and waits for no clock.

/// How many sockets a line has.
pub const SOCKETS: usize = 8;

/// How many bytes follow a head at most.
pub const LONGEST: usize = 1024;

/// What a packet says. A number has four bytes, the lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// To the board: somebody connects.
    Connect,
    /// To the board: the socket takes so many bytes from now on, and then no more. It begins with all.
    Takes,
    /// To the board: the socket has ended.
    End,
    /// To the board: so many milliseconds have passed. No socket.
    Clock,
    /// To the board: print figures and switch off. No socket.
    Off,
    /// To either: bytes of the socket.
    Bytes,
    /// To the host: the board writes no more and reads on.
    Finished,
    /// To the host: the board has dropped the socket.
    Gone,
    /// To the host: that was all. Of the bytes so many were taken; the others are to be sent again later.
    Done,
}

/// What stands before the bytes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// What the packet says.
    pub kind: Kind,
    /// Of which socket.
    pub socket: u8,
    /// How many bytes follow.
    pub len: u16,
}

impl Head {
    /// As it is sent.
    pub fn encode(self) -> [u8; 4] {
        let [low, high] = self.len.to_le_bytes();
        [self.kind as u8, self.socket, low, high]
    }

    /// As it was sent; `None` for a kind that is none.
    pub fn decode([kind, socket, low, high]: [u8; 4]) -> Option<Self> {
        let kind = *KINDS.get(usize::from(kind))?;
        Some(Self { kind, socket, len: u16::from_le_bytes([low, high]) })
    }
}

const KINDS: [Kind; 9] = [
    Kind::Connect,
    Kind::Takes,
    Kind::End,
    Kind::Clock,
    Kind::Off,
    Kind::Bytes,
    Kind::Finished,
    Kind::Gone,
    Kind::Done,
];
