//! The limits on the command line. Knows which number of a server's config each sets, and its range.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use fastws_core::config::{Config, OnError, SlowConsumer};
use fastws_core::envelope::MAX_NESTING;
use fastws_core::topic::MAX_TOPIC;
use std::time::Duration;

/// What a server and a connection may have at most.
#[derive(Args, Clone, Debug, PartialEq)]
#[command(next_help_heading = "Limits")]
pub(crate) struct Limits {
    /// Most connections at a time; more are refused with 503
    #[arg(long, value_name = "N", default_value = "100000", value_parser = whole::<u32, 1, MOST>)]
    max_connections: u32,

    /// Longest message of a client, in bytes
    #[arg(long, value_name = "BYTES", default_value = "65536", value_parser = whole::<u32, 12, GIB>)]
    max_message_bytes: u32,

    /// Most objects and arrays inside one another, the message among them
    #[arg(long, value_name = "N", default_value = "128", value_parser = whole::<u16, 1, { MAX_NESTING as u32 }>)]
    max_nesting: u16,

    /// Most topics that one connection subscribes to
    #[arg(long, value_name = "N", default_value = "1000", value_parser = whole::<u32, 1, MOST>)]
    max_topics: u32,

    /// Longest name of a topic, in bytes
    #[arg(long, value_name = "BYTES", default_value = "256", value_parser = whole::<u16, 1, { MAX_TOPIC as u32 }>)]
    max_topic_bytes: u16,

    /// Most bytes that wait for one connection to read them: twice --max-topic-bytes and 128, or more
    #[arg(long, value_name = "BYTES", default_value = "1048576", value_parser = whole::<u32, 130, GIB>)]
    max_backlog_bytes: u32,

    /// Most bytes of the head of a request
    #[arg(long, value_name = "BYTES", default_value = "16384", value_parser = whole::<u32, 128, GIB>)]
    max_handshake_bytes: u32,

    /// Most messages of one connection in a second [default: off]
    #[arg(long, value_name = "N", value_parser = whole::<u32, 1, MOST>)]
    messages_per_second: Option<u32>,

    /// Most bytes of one connection in a second, which is also its longest message [default: off]
    #[arg(long, value_name = "BYTES", value_parser = whole::<u32, 1, MOST>)]
    bytes_per_second: Option<u32>,

    /// Bytes of answers after which they are written before more is read
    #[arg(long, value_name = "BYTES", default_value = "1048576", value_parser = whole::<u32, 1, GIB>)]
    turn_bytes: u32,

    /// What becomes of who reads too slowly: it is closed, loses its oldest updates, or all but the latest of each topic
    #[arg(long, value_name = "POLICY", default_value = "close", value_parser = policy([
        ("close", SlowConsumer::Close),
        ("drop-oldest", SlowConsumer::DropOldest),
        ("latest", SlowConsumer::Latest),
    ]))]
    slow_consumer: SlowConsumer,

    /// What a request gets that cannot be answered: its connection is closed, or a message says so
    #[arg(long, value_name = "POLICY", default_value = "close", value_parser = policy([
        ("close", OnError::Close),
        ("reply", OnError::Reply),
    ]))]
    on_error: OnError,
}

/// How long a server waits.
#[derive(Args, Clone, Debug, PartialEq)]
#[command(next_help_heading = "Deadlines")]
pub(crate) struct Deadlines {
    /// Close a connection that sends no message for so many seconds [default: off]
    #[arg(long, value_name = "SECONDS", value_parser = some_seconds)]
    heartbeat: Option<Duration>,

    /// Close a connection that is older than so many seconds [default: off]
    #[arg(long, value_name = "SECONDS", value_parser = some_seconds)]
    lifespan: Option<Duration>,

    /// Ping a connection that is silent for so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "25", value_parser = some_seconds)]
    ping: Duration,

    /// Drop a connection that does not answer a ping for so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = some_seconds)]
    pong: Duration,

    /// Refuse a request that is not whole after so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = some_seconds)]
    handshake: Duration,

    /// Refuse the subscribers of a service that has not started after so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = some_seconds)]
    start: Duration,

    /// Reset a connection that has not ended so many seconds after its close
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = some_seconds)]
    closing: Duration,

    /// Seconds over which clients are closed when the server stops
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    drain: Duration,
}

/// Both as a server takes them.
pub(crate) fn config(limits: &Limits, deadlines: &Deadlines) -> Config {
    Config {
        connections: limits.max_connections,
        message_bytes: limits.max_message_bytes,
        nesting: limits.max_nesting,
        backlog_bytes: limits.max_backlog_bytes,
        slow_consumer: limits.slow_consumer,
        topics_per_connection: limits.max_topics,
        topic_bytes: limits.max_topic_bytes,
        start: deadlines.start,
        messages_per_second: limits.messages_per_second,
        bytes_per_second: limits.bytes_per_second,
        handshake_bytes: limits.max_handshake_bytes,
        handshake: deadlines.handshake,
        ping: deadlines.ping,
        pong: deadlines.pong,
        heartbeat: deadlines.heartbeat,
        lifespan: deadlines.lifespan,
        closing: deadlines.closing,
        drain: deadlines.drain,
        turn_bytes: limits.turn_bytes,
        on_error: limits.on_error,
    }
}

fn whole<N: TryFrom<u32>, const LEAST: u32, const MOST: u32>(text: &str) -> Result<N, String> {
    let number = text.parse().ok().filter(|number| (LEAST..=MOST).contains(number));
    number.and_then(|number| N::try_from(number).ok()).ok_or_else(|| match MOST {
        u32::MAX => format!("it must be a whole number, at least {LEAST}"),
        _ => format!("it must be a whole number from {LEAST} to {MOST}"),
    })
}

fn some_seconds(text: &str) -> Result<Duration, &'static str> {
    let some = seconds(text).ok().filter(|seconds| seconds.as_micros() > 0);
    some.ok_or("it must be a number of seconds, more than 0")
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or("it must be a number of seconds, at least 0")
}

fn policy<P: Copy + Send + Sync + 'static, const N: usize>(
    policies: [(&'static str, P); N],
) -> impl TypedValueParser<Value = P> {
    PossibleValuesParser::new(policies.map(|(name, _)| name)).map(move |chosen| {
        let policy = policies.iter().find(|(name, _)| *name == chosen);
        policy.expect("only these names are taken").1
    })
}

const MOST: u32 = u32::MAX;
const GIB: u32 = 1 << 30;
