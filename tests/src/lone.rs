//! A server in a process of its own, for tests of what a process has. Knows no protocol.

use fastws_core::config::Config;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

/// A server that runs in a process of its own. When it is dropped it ends, and then nothing may be left of anybody. Its
/// clients go first.
pub struct Lone {
    child: Child,
    input: Option<ChildStdin>,
    address: SocketAddr,
}

impl Lone {
    /// Starts the program, with its arguments.
    pub fn start(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        let command = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program is built");
        let input = child.stdin.take();
        let mut line = String::new();
        let output = child.stdout.take().expect("it is a pipe");
        BufReader::new(output).read_line(&mut line).expect("the server says where it listens");
        let address = line.trim().parse().expect("the server listens");
        Self { child, input, address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Publishes to the topic `noise`.
    pub fn publish(&mut self, text: &str) {
        let input = self.input.as_mut().expect("it is there until the end");
        writeln!(input, "{text}").expect("the server reads on");
    }

    /// Bytes of its memory that are resident: `VmRSS` now, `VmHWM` at most since its start.
    pub fn resident(&self, line: &str) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .expect("resident memory is read from /proc, which only Linux has");
        let mut words =
            status.split_whitespace().skip_while(|word| word.trim_end_matches(':') != line);
        let kib = words.nth(1).expect("Linux tells it");
        kib.parse::<usize>().expect("a number of KiB") << 10
    }
}

impl Drop for Lone {
    fn drop(&mut self) {
        drop(self.input.take());
        let status = self.child.wait().expect("it is our child");
        if !std::thread::panicking() {
            assert!(status.success(), "nothing is left on the server");
        }
    }
}

/// The limits of such a server: low, and without pings, so that all that is said is what was asked for.
pub fn config() -> Config {
    let long = Duration::from_secs(3_600);
    Config {
        backlog_bytes: 256 << 10,
        message_bytes: 1 << 10,
        handshake_bytes: 1 << 10,
        ping: long,
        // A close frame has to outlast what the sockets hold already.
        closing: long,
        ..Config::default()
    }
}
