//! What may happen, as a list that can be cut anywhere: a step about somebody who is not there does nothing. Knows no world.

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A client connects and asks for the WebSocket, where its predecessor has gone.
    Arrive {
        /// Whose place it takes.
        who: u32,
        /// Wraps around.
        shard: u8,
    },
    /// A client sends messages in one segment.
    Say {
        /// Who.
        who: u32,
        /// What.
        asks: Vec<Ask>,
    },
    /// It sends a ping.
    Ping(u32),
    /// It sends a close frame.
    Close(u32),
    /// Its stream ends behind what it has sent.
    HangUp(u32),
    /// Its stream is reset.
    Reset(u32),
    /// It answers neither pings nor closes any more.
    Mute(u32),
    /// Its socket takes so many bytes and then none, until it is widened.
    Narrow {
        /// Who.
        who: u32,
        /// Bytes.
        bytes: u16,
    },
    /// It reads everything.
    Widen(u32),
    /// What it sends arrives in segments of at most so many bytes.
    Split {
        /// Who.
        who: u32,
        /// Bytes; 0 for all.
        bytes: u8,
    },
    /// What it sends arrives so much later.
    Delay {
        /// Who.
        who: u32,
        /// Milliseconds.
        millis: u16,
    },
    /// What it sends does not arrive until it flows.
    Stall(u32),
    /// It arrives.
    Flow(u32),
    /// The application publishes.
    Publish {
        /// Wraps around.
        topic: u16,
        /// Bytes of filling.
        len: u16,
    },
    /// The application tells everybody.
    Broadcast(u16),
    /// How the next service of a topic starts.
    Fate {
        /// Wraps around.
        topic: u16,
        /// How.
        fate: Fate,
    },
    /// A running service is told what to do.
    Order {
        /// Wraps around.
        topic: u16,
        /// What.
        order: Order,
    },
    /// A turn of one shard; wraps around.
    Turn(u8),
    /// Turns of all shards until nothing is left to do.
    Rest,
    /// Time passes in which nobody has a turn, in milliseconds.
    Lag(u16),
    /// Time passes in which everything is done when it is due, in milliseconds.
    Advance(u16),
    /// The server ends, and another one begins.
    Drain,
    /// All that is under way arrives, and everything is checked.
    Audit,
}

/// What a client says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ask {
    /// To a topic; wraps around.
    Subscribe(u16),
    /// To both topics or to none, in one handler; the second is of the first one's route.
    Pair(u16, u16),
    /// From a topic.
    Unsubscribe(u16),
    /// Answered with a payload of this length.
    Echo(u16),
    /// The handler publishes to the topic.
    Publish(u16),
    /// Answered after so many milliseconds.
    Later(u16),
    /// The handler fails.
    Fail,
    /// The handler panics.
    Panic,
    /// The handler closes.
    Leave,
    /// Its payload does not fit.
    Misfit,
    /// No operation.
    Unknown,
    /// No JSON.
    Unreadable,
}

/// How a service starts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Fate {
    /// At once.
    #[default]
    Run,
    /// It publishes, and is ready after so many milliseconds.
    Slow(u16),
    /// It refuses.
    Refuse,
    /// It panics.
    Panic,
    /// It never starts.
    Never,
}

/// What a running service does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Order {
    /// Publishes.
    Publish(u16),
    /// Has a fault that it gets over.
    Stumble,
    /// Ends with a fault.
    End,
    /// Panics.
    Panic,
}
