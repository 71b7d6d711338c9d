//! The command line. Knows the name, the default and the range of every option; never opens a file or a port.

use std::{env, ffi::OsString, net::SocketAddr, num::NonZeroUsize, path::PathBuf, thread};

use clap::{CommandFactory, Parser, error::ErrorKind};
use fastws_core::{config::Config, origin};

use crate::limits::{self, Deadlines, Limits};

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

    /// Path of the WebSocket endpoint; repeatable
    #[arg(long = "path", value_name = "PATH", default_values = ["/ws", "/api/v1/ws"], value_parser = path)]
    pub paths: Vec<String>,

    /// Threads that serve connections; 0 means as many as there are cores
    #[arg(long, value_name = "N", default_value = "0", value_parser = shards)]
    pub shards: NonZeroUsize,

    /// Web pages that are let in, as `https://example.org`, `https://*.example.org` or `*`; repeatable [default: this host's]
    #[arg(long = "origin", value_name = "ORIGIN", value_parser = origin)]
    pub origins: Vec<String>,

    /// Secret that POST /notify and /alerts want as `Authorization: Bearer` [default: none]
    #[arg(long, value_name = "SECRET")]
    pub token: Option<String>,

    /// Serve https:// and wss:// with the certificates in this PEM file, the server's own first; SIGHUP reads it again [default: none]
    #[arg(long, value_name = "FILE.pem", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The key of that certificate, in PEM [default: none]
    #[arg(long, value_name = "FILE.pem", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Print the AsyncAPI document, and serve nothing
    #[arg(long)]
    pub print_asyncapi: bool,

    #[command(flatten)]
    limits: Limits,

    #[command(flatten)]
    deadlines: Deadlines,

    /// Where the random walk begins: the same number gives the same prices
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Prices")]
    pub seed: u64,

    /// Play this file (symbol,time,open,high,low,close,volume) from the first subscriber on, not a random walk
    #[arg(long, value_name = "FILE.csv", help_heading = "Prices")]
    pub replay: Option<PathBuf>,

    /// How many times faster than real time the file is played
    #[arg(long, value_name = "N", default_value = "1", value_parser = speed, requires = "replay", help_heading = "Prices")]
    pub speed: f64,

    /// By which share a price has to move for a new candle
    #[arg(long, value_name = "SHARE", default_value = "0.01", value_parser = share, help_heading = "Prices")]
    pub threshold: f64,
}

impl Options {
    /// Reads the arguments of this process. `--help` prints every option and exits with 0; a bad option prints a sentence on standard error and exits with 2.
    pub fn parse_or_exit() -> Self {
        Self::from_args(env::args_os()).unwrap_or_else(|error| error.exit())
    }

    /// Reads `args`, the first of which is the name of the program.
    ///
    /// # Errors
    /// The sentence that [`parse_or_exit`](Self::parse_or_exit) would print, or the help that was asked for.
    pub fn from_args<A: Into<OsString> + Clone>(
        args: impl IntoIterator<Item = A>,
    ) -> Result<Self, clap::Error> {
        let options = Self::try_parse_from(args)?;
        options.config().check().map_err(|error| {
            let sentence = format!("the limits do not fit together: {error}\n");
            Self::command().error(ErrorKind::ValueValidation, sentence)
        })?;
        Ok(options)
    }

    /// The limits and deadlines of a server.
    pub fn config(&self) -> Config {
        limits::config(&self.limits, &self.deadlines)
    }
}

fn shards(text: &str) -> Result<NonZeroUsize, &'static str> {
    let shards: usize =
        text.parse().map_err(|_| "it must be a whole number, 0 for as many as cores")?;
    Ok(NonZeroUsize::new(shards)
        .or_else(|| thread::available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN))
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

fn origin(text: &str) -> Result<String, &'static str> {
    let known = origin::is_entry(text).then(|| text.into());
    known.ok_or("it must be like `https://example.org`, `https://*.example.org` or `*`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastws_core::config::{OnError, SlowConsumer};
    use std::time::Duration;

    fn options(line: &str) -> Result<Options, clap::Error> {
        Options::from_args(["trading"].into_iter().chain(line.split_whitespace()))
    }

    // trading: S5 S6 S7 S8 S9 S10 S11 S14 S16 S17 S19 S20 S21
    #[test]
    fn without_arguments_every_default_is_the_documented_one() {
        let options = options("").expect("no option is required");
        assert_eq!(options.listen, ["127.0.0.1:8000".parse().expect("it must be an address")]);
        assert_eq!(options.shards.get(), thread::available_parallelism().map_or(1, Into::into));
        assert_eq!((options.replay.as_deref(), options.speed, options.seed), (None, 1.0, 1));
        assert_eq!(options.paths, ["/ws", "/api/v1/ws"]);
        assert_eq!(format!("{:?}", options.config()), format!("{:?}", Config::default()));
    }

    // trading: S5 S6 S7 S12 S13 S15 S16 S17
    #[test]
    fn every_option_is_taken_as_written() {
        let options = options(
            "--listen 127.0.0.1:0 --listen [::1]:8000 --shards 3 --path / --path /api/v2/ws
             --origin https://a.example --origin * --token secret --tls-cert chain.pem --tls-key key.pem
             --replay bars.csv --speed 60 --seed 18446744073709551615 --threshold 0",
        )
        .expect("all are in range");
        let expected = Options {
            listen: ["127.0.0.1:0", "[::1]:8000"].map(|at| at.parse().expect("an address")).into(),
            paths: vec!["/".into(), "/api/v2/ws".into()],
            shards: NonZeroUsize::new(3).expect("3 is not zero"),
            origins: vec!["https://a.example".into(), "*".into()],
            token: Some("secret".into()),
            tls_cert: Some("chain.pem".into()),
            tls_key: Some("key.pem".into()),
            print_asyncapi: false,
            seed: u64::MAX,
            replay: Some("bars.csv".into()),
            speed: 60.0,
            threshold: 0.0,
            ..self::options("").expect("no option is required")
        };
        assert_eq!(options, expected);
    }

    // trading: S8 S9 S10 S11 S14 S19 S20 S21
    #[test]
    fn every_limit_of_the_command_line_is_a_number_of_the_config() {
        let none = Config::default();
        let seconds = Duration::from_secs;
        let cases = [
            ("--max-connections 5", Config { connections: 5, ..none.clone() }),
            ("--max-message-bytes 100", Config { message_bytes: 100, ..none.clone() }),
            ("--max-nesting 3", Config { nesting: 3, ..none.clone() }),
            ("--max-topics 2", Config { topics_per_connection: 2, ..none.clone() }),
            ("--max-topic-bytes 1024", Config { topic_bytes: 1024, ..none.clone() }),
            ("--max-backlog-bytes 4096", Config { backlog_bytes: 4096, ..none.clone() }),
            ("--max-handshake-bytes 128", Config { handshake_bytes: 128, ..none.clone() }),
            ("--messages-per-second 7", Config { messages_per_second: Some(7), ..none.clone() }),
            ("--bytes-per-second 8", Config { bytes_per_second: Some(8), ..none.clone() }),
            ("--turn-bytes 9", Config { turn_bytes: 9, ..none.clone() }),
            ("--slow-consumer close", none.clone()),
            (
                "--slow-consumer drop-oldest",
                Config { slow_consumer: SlowConsumer::DropOldest, ..none.clone() },
            ),
            (
                "--slow-consumer latest",
                Config { slow_consumer: SlowConsumer::Latest, ..none.clone() },
            ),
            ("--on-error close", none.clone()),
            ("--on-error reply", Config { on_error: OnError::Reply, ..none.clone() }),
            ("--heartbeat 10", Config { heartbeat: Some(seconds(10)), ..none.clone() }),
            (
                "--lifespan 0.5",
                Config { lifespan: Some(Duration::from_millis(500)), ..none.clone() },
            ),
            ("--ping 1", Config { ping: seconds(1), ..none.clone() }),
            ("--pong 2", Config { pong: seconds(2), ..none.clone() }),
            ("--handshake 3", Config { handshake: seconds(3), ..none.clone() }),
            ("--start 4", Config { start: seconds(4), ..none.clone() }),
            ("--closing 6", Config { closing: seconds(6), ..none.clone() }),
            ("--drain 0", Config { drain: Duration::ZERO, ..none.clone() }),
        ];
        let mut tried: Vec<_> = cases.iter().map(|(line, _)| line.split(' ').next()).collect();
        for (line, expected) in &cases {
            let config = options(line).expect(line).config();
            assert_eq!(format!("{config:?}"), format!("{expected:?}"), "{line}");
            assert_eq!(config.check(), Ok(()), "{line}");
        }
        tried.dedup();
        let command = Options::command();
        let of_config = |argument: &&clap::Arg| {
            matches!(argument.get_help_heading(), Some("Limits" | "Deadlines"))
        };
        assert_eq!(command.get_arguments().filter(of_config).count(), tried.len());
    }

    // trading: S3
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
            (
                "--max-message-bytes 64k",
                "'--max-message-bytes <BYTES>': it must be a whole number from 12 to 1073741824",
            ),
            ("--max-nesting 129", "'--max-nesting <N>': it must be a whole number from 1 to 128"),
            ("--max-topics 0", "'--max-topics <N>': it must be a whole number, at least 1"),
            (
                "--max-topic-bytes 65537",
                "'--max-topic-bytes <BYTES>': it must be a whole number from 1 to 1024",
            ),
            (
                "--max-backlog-bytes 1.5",
                "'--max-backlog-bytes <BYTES>': it must be a whole number from 130 to 1073741824",
            ),
            (
                "--max-handshake-bytes 1",
                "'--max-handshake-bytes <BYTES>': it must be a whole number from 128 to 1073741824",
            ),
            (
                "--messages-per-second 0",
                "'--messages-per-second <N>': it must be a whole number, at least 1",
            ),
            (
                "--bytes-per-second -1",
                "'-1' for '--bytes-per-second <BYTES>': it must be a whole number, at least 1",
            ),
            (
                "--turn-bytes 0",
                "'--turn-bytes <BYTES>': it must be a whole number from 1 to 1073741824",
            ),
            ("--ping 0", "'--ping <SECONDS>': it must be a number of seconds, more than 0"),
            ("--pong 1e-9", "'--pong <SECONDS>': it must be a number of seconds, more than 0"),
            ("--handshake 10s", "'--handshake <SECONDS>': it must be a number of seconds"),
            ("--start inf", "'--start <SECONDS>': it must be a number of seconds, more than 0"),
            ("--closing 0", "'--closing <SECONDS>': it must be a number of seconds, more than 0"),
            (
                "--origin a.example",
                "'a.example' for '--origin <ORIGIN>': it must be like `https://",
            ),
            ("--max-backlog-bytes 639", "`backlog_bytes` of `Config` is 639: write at least 640"),
            ("--slow-consumer drop", "'drop' for '--slow-consumer <POLICY>'"),
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
        for heading in ["Options:", "Limits:", "Deadlines:", "Prices:"] {
            assert_eq!(text.lines().filter(|line| *line == heading).count(), 1, "{heading}");
        }
    }

    #[test]
    fn the_definition_of_the_command_line_has_no_contradiction() {
        Options::command().debug_assert();
    }
}
