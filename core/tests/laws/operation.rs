//! What may happen to an engine, as a list that shrinks or is read from a fuzzer's bytes. Knows no
//! engine.

/// How many peers, topics and settings an operation may name; larger numbers wrap around.
pub(crate) const PEERS: u8 = 3;
pub(crate) const TOPICS: u8 = 3;

/// One step of a driver, of a peer, or of the application.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    /// A socket is accepted, and asks for `/ws` or for something that is refused.
    Accept {
        upgrade: bool,
        cut: u8,
    },
    /// A stream arrives whose handshake is done; its messages come whole if it is `framed` elsewhere.
    Open {
        framed: bool,
    },
    /// A peer sends messages in one segment, which arrives in pieces of `cut` bytes; 0: whole.
    Say {
        peer: u8,
        messages: Vec<Message>,
        cut: u8,
    },
    /// The outcome of a peer's running call comes.
    Settle {
        peer: u8,
        outcome: Outcome,
    },
    /// The application sets a place aside for a running call.
    Reserve {
        peer: u8,
        topic: u8,
    },
    GiveBack {
        peer: u8,
        topic: u8,
    },
    /// The application publishes; `framed`: a frame that was encoded elsewhere.
    Publish {
        topic: u8,
        len: u16,
        framed: bool,
    },
    /// The same to everybody.
    Broadcast {
        len: u16,
        framed: bool,
    },
    EndTopic {
        topic: u8,
    },
    /// From now on the peer's socket takes only so many bytes.
    Narrow {
        peer: u8,
        bytes: u16,
    },
    /// The peer reads, and the driver hears that its socket takes bytes again.
    Read {
        peer: u8,
        bytes: u16,
    },
    /// The peer reads all that comes.
    Widen {
        peer: u8,
    },
    /// A turn of the driver.
    Turn,
    /// Parts of a turn, out of their order.
    Resume,
    Transmit,
    /// One socket is written to.
    Write,
    Gone,
    Advance {
        millis: u16,
    },
    Hangup {
        peer: u8,
    },
    Close {
        peer: u8,
    },
    CloseAll,
}

/// What a peer says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Message {
    Subscribe {
        topic: u8,
        silently: bool,
    },
    Unsubscribe {
        topic: u8,
        silently: bool,
    },
    Publish {
        topic: u8,
        len: u8,
    },
    /// Answered with a payload of this length.
    Echo {
        len: u8,
    },
    /// Not answered at all.
    Hush,
    /// Answered later, with places set aside in so many topics.
    Later {
        places: u8,
    },
    /// The application closes instead of answering.
    Leave,
    /// An `Echo` in two fragments with a ping in between.
    Fragments {
        len: u8,
    },
    /// No JSON.
    Unreadable,
    /// No operation.
    Unknown,
    Ping {
        len: u8,
    },
    Pong,
    Close,
    /// Breaks RFC 6455.
    Violation,
}

/// How a call that was answered later ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Reply {
        len: u8,
    },
    Subscribe {
        topic: u8,
    },
    Silent,
    Close,
    /// Not yet.
    Later,
}

impl Operation {
    /// The next operation of a fuzzer's bytes, until they are used up.
    pub(crate) fn read(bytes: &mut &[u8]) -> Option<Self> {
        let mut next = || {
            let (&first, rest) = bytes.split_first()?;
            *bytes = rest;
            Some(first)
        };
        let wide = |byte: u8| u16::from(byte) * 8;
        Some(match next()? % 40 {
            0 | 1 => Self::Accept { upgrade: next()? % 8 > 0, cut: next()? },
            2 => Self::Open { framed: next()? % 2 == 0 },
            3..=12 => {
                let (peer, cut, count) = (next()?, next()?, next()? % 5 + 1);
                let messages = (0..count).map(|_| Some(Message::read(next()?, next()?)));
                Self::Say { peer, messages: messages.collect::<Option<_>>()?, cut }
            }
            13 | 14 => {
                let (peer, kind, value) = (next()?, next()?, next()?);
                let outcome = match kind % 6 {
                    0 | 1 => Outcome::Reply { len: value },
                    2 => Outcome::Subscribe { topic: value },
                    3 => Outcome::Silent,
                    4 => Outcome::Close,
                    _ => Outcome::Later,
                };
                Self::Settle { peer, outcome }
            }
            15 | 38 => Self::Reserve { peer: next()?, topic: next()? },
            16 => Self::GiveBack { peer: next()?, topic: next()? },
            17..=20 => Self::Publish {
                topic: next()?,
                len: u16::from(next()?) * 4,
                framed: next()? % 2 == 0,
            },
            21 => Self::EndTopic { topic: next()? },
            39 => Self::Broadcast { len: u16::from(next()?) * 4, framed: next()? % 2 == 0 },
            22 | 32 | 33 => Self::Narrow { peer: next()?, bytes: (next()? / 2).into() },
            23 | 34 => Self::Read { peer: next()?, bytes: next()?.into() },
            24 => Self::Widen { peer: next()? },
            25 | 26 => Self::Turn,
            27 => Self::Resume,
            28 => Self::Transmit,
            35..=37 => Self::Write,
            29 => Self::Gone,
            30 => Self::Advance { millis: wide(next()?) * 32 },
            _ => match next()? % 8 {
                0..=3 => Self::Hangup { peer: next()? },
                4..=6 => Self::Close { peer: next()? },
                _ => Self::CloseAll,
            },
        })
    }
}

impl Message {
    fn read(kind: u8, value: u8) -> Self {
        match kind % 32 {
            0..=6 => Self::Subscribe { topic: value, silently: value >= 192 },
            7..=9 => Self::Unsubscribe { topic: value, silently: value >= 192 },
            10..=13 => Self::Publish { topic: value, len: value },
            14..=17 => Self::Echo { len: value },
            18 => Self::Hush,
            19..=21 => Self::Later { places: value % 4 },
            22 => Self::Leave,
            23 => Self::Fragments { len: value },
            24 => Self::Unreadable,
            25 => Self::Unknown,
            26..=28 => Self::Ping { len: value },
            29 => Self::Pong,
            30 => Self::Close,
            _ => Self::Violation,
        }
    }
}
