//! The command line. Knows the name, the default and the range of every option; never opens a file or a port.

use std::{
    ffi::OsString, net::SocketAddr, num::NonZeroUsize, path::PathBuf, thread, time::Duration,
};

use clap::Parser;
use fastws_core::config::{Config, OnError, SlowConsumer};

/// What the command line says, every value in its range.
///
/// ```
/// use fastws_trading::options::Options;
///
/// let options = Options::from_args(["trading", "--listen", "127.0.0.1:0", "--seed", "7"]).expect("both exist");
/// assert_eq!(options.paths, ["/ws", "/api/v1/ws"]);
/// assert_eq!(options.seed, 7);
/// ```
#[derive(Clone, Debug, PartialEq, Parser)]
#[command(
    name = "trading",
    about = "A live market-data server: bars, quotes, order books and alerts as JSON over WebSocket",
    long_about = None,
    allow_negative_numbers = true
)]
pub struct Options {
    /// Address and port to serve, as 127.0.0.1:8000; port 0 takes a free one; repeatable
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    pub listen: Vec<SocketAddr>,

    /// Threads that serve connections; 0 means as many as there are cores
    #[arg(long, value_name = "N", default_value = "0", value_parser = shards)]
    pub shards: NonZeroUsize,

    /// Close a connection that sends no message for so many seconds [default: off]
    #[arg(long, value_name = "SECONDS", value_parser = some_seconds)]
    pub heartbeat: Option<Duration>,

    /// Close a connection that is older than so many seconds [default: off]
    #[arg(long, value_name = "SECONDS", value_parser = some_seconds)]
    pub lifespan: Option<Duration>,

    /// Most connections at a time; more are refused with 503
    #[arg(long, value_name = "N", default_value = "100000", value_parser = count)]
    pub max_connections: u32,

    /// Longest message of a client, in bytes
    #[arg(long, value_name = "BYTES", default_value = "65536", value_parser = count)]
    pub max_message_bytes: u32,

    /// Most topics that one connection subscribes to
    #[arg(long, value_name = "N", default_value = "1000", value_parser = count)]
    pub max_topics: u32,

    /// Most bytes that wait for one connection to read them
    #[arg(long, value_name = "BYTES", default_value = "1048576", value_parser = count)]
    pub max_backlog_bytes: u32,

    /// What becomes of who reads too slowly: it is closed, loses its oldest updates, or all but the latest of each topic
    #[arg(long, value_name = "POLICY", default_value = "close", value_parser = ["close", "drop-oldest", "latest"])]
    slow_consumer: String,

    /// What a request gets that cannot be answered: its connection is closed, or a message says so
    #[arg(long, value_name = "POLICY", default_value = "close", value_parser = ["close", "reply"])]
    on_error: String,

    /// Web pages that are let in, as `https://example.org`, `https://*.example.org` or `*`; repeatable [default: this host's]
    #[arg(long = "origin", value_name = "ORIGIN")]
    pub origins: Vec<String>,

    /// Secret that POST /notify and /alerts want as `Authorization: Bearer` [default: none]
    #[arg(long, value_name = "SECRET")]
    pub token: Option<String>,

    /// Serve https:// and wss:// with the certificates in this PEM file, the server's own first; SIGHUP reads it again
    #[arg(long, value_name = "FILE.pem", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The key of that certificate, in PEM
    #[arg(long, value_name = "FILE.pem", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// By which share a price has to move for a new candle
    #[arg(long, value_name = "SHARE", default_value = "0.01", value_parser = share)]
    pub threshold: f64,

    /// Seconds over which clients are closed when the server stops
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub drain: Duration,

    /// Play this file (symbol,time,open,high,low,close,volume) from the first subscriber on, not a random walk
    #[arg(long, value_name = "FILE.csv")]
    pub replay: Option<PathBuf>,

    /// How many times faster than real time the file is played
    #[arg(long, value_name = "N", default_value = "1", value_parser = speed, requires = "replay")]
    pub speed: f64,

    /// Where the random walk begins: the same number gives the same prices
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: u64,

    /// Print the AsyncAPI document, and serve nothing
    #[arg(long)]
    pub print_asyncapi: bool,

    /// Path of the WebSocket endpoint; repeatable
    #[arg(long = "path", value_name = "PATH", default_values = ["/ws", "/api/v1/ws"], value_parser = path)]
    pub paths: Vec<String>,
}

impl Options {
    /// Reads the arguments of this process. `--help` prints every option and exits with 0; a bad option prints a sentence on standard error and exits with 2.
    pub fn parse_or_exit() -> Self {
        Self::parse()
    }

    /// Reads `args`, the first of which is the name of the program.
    ///
    /// # Errors
    /// The sentence that [`parse_or_exit`](Self::parse_or_exit) would print, or the help that was asked for.
    pub fn from_args<A: Into<OsString> + Clone>(
        args: impl IntoIterator<Item = A>,
    ) -> Result<Self, clap::Error> {
        Self::try_parse_from(args)
    }

    /// The limits and deadlines of a server; what no option names keeps its default.
    pub fn config(&self) -> Config {
        Config {
            connections: self.max_connections,
            message_bytes: self.max_message_bytes,
            backlog_bytes: self.max_backlog_bytes,
            topics_per_connection: self.max_topics,
            heartbeat: self.heartbeat,
            lifespan: self.lifespan,
            drain: self.drain,
            slow_consumer: match &*self.slow_consumer {
                "drop-oldest" => SlowConsumer::DropOldest,
                "latest" => SlowConsumer::Latest,
                _ => SlowConsumer::Close,
            },
            on_error: if self.on_error == "reply" { OnError::Reply } else { OnError::Close },
            ..Config::default()
        }
    }
}

fn shards(text: &str) -> Result<NonZeroUsize, &'static str> {
    let shards: usize =
        text.parse().map_err(|_| "it must be a whole number, 0 for as many as cores")?;
    Ok(NonZeroUsize::new(shards)
        .or_else(|| thread::available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN))
}

fn count(text: &str) -> Result<u32, &'static str> {
    text.parse().ok().filter(|count| *count > 0).ok_or("it must be a whole number, at least 1")
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or("it must be a number of seconds, at least 0")
}

fn some_seconds(text: &str) -> Result<Duration, &'static str> {
    let some = seconds(text).ok().filter(|seconds| !seconds.is_zero());
    some.ok_or("it must be a number of seconds, more than 0")
}

fn speed(text: &str) -> Result<f64, &'static str> {
    let speed = text.parse().ok().filter(|speed: &f64| speed.is_finite() && *speed > 0.0);
    speed.ok_or("it must be a number, more than 0")
}

fn share(text: &str) -> Result<f64, &'static str> {
    let share = text.parse().ok().filter(|share: &f64| share.is_finite() && *share >= 0.0);
    share.ok_or("it must be a number, at least 0")
}

fn path(text: &str) -> Result<String, &'static str> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'?' && byte != b'#');
    if !text.starts_with('/') || !plain {
        return Err("it must begin with `/` and have no space, `?` or `#`");
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, error::ErrorKind};

    fn options(line: &str) -> Result<Options, clap::Error> {
        Options::from_args(["trading"].into_iter().chain(line.split_whitespace()))
    }

    // trading: S5 S6 S7 S8 S9 S14 S16 S17
    #[test]
    fn without_arguments_every_default_is_the_documented_one() {
        let options = options("").expect("no option is required");
        assert_eq!(options.listen, ["127.0.0.1:8000".parse().expect("it must be an address")]);
        assert_eq!(options.shards.get(), thread::available_parallelism().map_or(1, Into::into));
        assert_eq!((options.heartbeat, options.lifespan), (None, None));
        assert_eq!((options.max_connections, options.max_topics), (100_000, 1_000));
        assert_eq!((options.max_message_bytes, options.max_backlog_bytes), (64 << 10, 1 << 20));
        assert_eq!(options.drain, Duration::from_secs(5));
        assert_eq!((options.replay, options.speed, options.seed), (None, 1.0, 1));
        assert_eq!(options.paths, ["/ws", "/api/v1/ws"]);
    }

    // trading: S5 S6 S7 S8 S9 S11 S12 S14 S16 S17
    #[test]
    fn every_option_is_taken_as_written() {
        let options = options(
            "--listen 127.0.0.1:0 --listen [::1]:8000 --shards 3 --heartbeat 10 --lifespan 0.5 --max-connections 5
             --max-message-bytes 100 --max-topics 2 --max-backlog-bytes 4096 --drain 0
             --replay bars.csv --speed 60 --seed 18446744073709551615 --path / --path /api/v2/ws
             --tls-cert chain.pem --tls-key key.pem
             --slow-consumer latest --on-error reply --origin https://a.example --origin * --token secret --threshold 0",
        )
        .expect("all are in range");
        let expected = Options {
            listen: ["127.0.0.1:0", "[::1]:8000"].map(|at| at.parse().expect("an address")).into(),
            shards: NonZeroUsize::new(3).expect("3 is not zero"),
            heartbeat: Some(Duration::from_secs(10)),
            lifespan: Some(Duration::from_millis(500)),
            max_connections: 5,
            max_message_bytes: 100,
            max_topics: 2,
            max_backlog_bytes: 4096,
            drain: Duration::ZERO,
            replay: Some("bars.csv".into()),
            speed: 60.0,
            seed: u64::MAX,
            print_asyncapi: false,
            slow_consumer: "latest".into(),
            on_error: "reply".into(),
            origins: vec!["https://a.example".into(), "*".into()],
            token: Some("secret".into()),
            tls_cert: Some("chain.pem".into()),
            tls_key: Some("key.pem".into()),
            threshold: 0.0,
            paths: vec!["/".into(), "/api/v2/ws".into()],
        };
        assert_eq!(options, expected);
    }

    // trading: S3
    // trading: S10
    #[test]
    fn a_slow_consumer_gets_what_the_command_line_says() {
        for (policy, meant) in [
            ("close", SlowConsumer::Close),
            ("drop-oldest", SlowConsumer::DropOldest),
            ("latest", SlowConsumer::Latest),
        ] {
            let options = options(&format!("--slow-consumer {policy}")).expect("it is a policy");
            assert_eq!(options.config().slow_consumer, meant);
        }
    }

    #[test]
    fn a_bad_option_is_a_sentence_that_names_it_and_code_2() {
        for (line, sentence) in [
            ("--listen 8000", "'8000' for '--listen <ADDRESS>': invalid socket address syntax"),
            (
                "--shards -1",
                "'-1' for '--shards <N>': it must be a whole number, 0 for as many as cores",
            ),
            (
                "--heartbeat 0",
                "'--heartbeat <SECONDS>': it must be a number of seconds, more than 0",
            ),
            (
                "--lifespan nan",
                "'--lifespan <SECONDS>': it must be a number of seconds, more than 0",
            ),
            (
                "--drain -1",
                "'-1' for '--drain <SECONDS>': it must be a number of seconds, at least 0",
            ),
            (
                "--max-connections 0",
                "'--max-connections <N>': it must be a whole number, at least 1",
            ),
            ("--max-message-bytes 1k", "'--max-message-bytes <BYTES>': it must be a whole number"),
            ("--max-topics 0", "'--max-topics <N>': it must be a whole number, at least 1"),
            ("--max-backlog-bytes 1.5", "'--max-backlog-bytes <BYTES>': it must be a whole number"),
            ("--replay a.csv --speed 0", "'0' for '--speed <N>': it must be a number, more than 0"),
            (
                "--replay a.csv --speed NaN",
                "'NaN' for '--speed <N>': it must be a number, more than 0",
            ),
            (
                "--replay a.csv --speed -2",
                "'-2' for '--speed <N>': it must be a number, more than 0",
            ),
            ("--speed 2", "--replay <FILE.csv>"),
            ("--on-error ignore", "'ignore' for '--on-error <POLICY>'"),
            ("--threshold -1", "'--threshold <SHARE>': it must be a number, at least 0"),
            ("--seed x", "'x' for '--seed <N>': invalid digit"),
            ("--path ws", "'ws' for '--path <PATH>': it must begin with `/`"),
            ("--path /ws?a", "'/ws?a' for '--path <PATH>': it must begin with `/`"),
            ("--replay", "a value is required for '--replay <FILE.csv>'"),
            ("--seed 1 --seed 2", "'--seed <N>' cannot be used multiple times"),
            ("--tls-cert chain.pem", "--tls-key <FILE.pem>"),
            ("--tls-key key.pem", "--tls-cert <FILE.pem>"),
            ("--fast", "unexpected argument '--fast' found"),
            ("bars.csv", "unexpected argument 'bars.csv' found"),
        ] {
            let error = options(line).expect_err(line);
            assert!(error.to_string().contains(sentence), "{line}: {error}");
            assert!(error.use_stderr() && error.exit_code() == 2, "{line}");
        }
    }

    // trading: S2
    #[test]
    fn help_explains_every_option_with_its_default() {
        let help = options("--help").expect_err("help is no set of options");
        assert_eq!((help.kind(), help.exit_code()), (ErrorKind::DisplayHelp, 0));
        let text = help.to_string();
        assert!(text.starts_with("A live market-data server"), "{text}");
        for argument in Options::command().get_arguments() {
            let name = format!("--{}", argument.get_long().expect("every option has a long name"));
            let line = text.lines().find(|line| line.split_whitespace().any(|word| word == name));
            let line = line.unwrap_or_else(|| panic!("{name} is not in the help"));
            let explained = line.contains("[default: ")
                || !argument.get_action().takes_values()
                || name == "--replay";
            assert!(explained && argument.get_help().is_some(), "{line}");
        }
    }

    #[test]
    fn the_definition_of_the_command_line_has_no_contradiction() {
        Options::command().debug_assert();
    }
}
