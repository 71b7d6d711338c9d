//! Reads the table of frames. Knows its notation; does not run it. The parent names the core.

use super::{Incoming, Opcode, Role};
use std::string::{String, ToString};
use std::vec::Vec;

/// One line of `frames.txt`.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) number: usize,
    pub(crate) role: Role,
    pub(crate) limit: usize,
    pub(crate) bytes: Vec<u8>,
    pub(crate) outcome: Outcome,
}

/// What a reader tells, and the close code with which it refuses the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) said: Vec<Said>,
    pub(crate) refused: Option<u16>,
}

/// An [`Incoming`] of its own memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Message(Opcode, Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<(u16, String)>),
}

impl From<Incoming<'_>> for Said {
    fn from(incoming: Incoming<'_>) -> Self {
        match incoming {
            Incoming::Text(text) => Self::Message(Opcode::Text, text.into()),
            Incoming::Binary(payload) => Self::Message(Opcode::Binary, payload.into()),
            Incoming::Ping(payload) => Self::Ping(payload.to_vec()),
            Incoming::Pong => Self::Pong,
            Incoming::Close(close) => {
                Self::Close(close.map(|close| (close.code, close.reason.to_string())))
            }
        }
    }
}

pub(crate) fn rows() -> Vec<Row> {
    let lines = include_str!("../frames.txt").lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(row).collect()
}

impl Row {
    /// Where to cut the input in two: everywhere, but in long payloads only near the ends and at
    /// strides of a prime, since one place far inside is as good as the next.
    pub(crate) fn cuts(&self) -> impl Iterator<Item = usize> + use<> {
        let len = self.bytes.len();
        (1..len).filter(move |&at| len < 2_000 || at < 100 || len - at < 100 || at % 4_099 == 0)
    }
}

fn row(line: &str) -> Row {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let [number, reader, input, outcome, why] = cells[..] else { panic!("five cells: {line}") };
    assert!(!why.is_empty(), "says why: {line}");
    let (role, limit) = reader.split_once('/').unwrap_or((reader, "65536"));
    let role = if role == "server" { Role::Server } else { Role::Client };
    Row {
        number: number.parse().expect("a number"),
        role,
        limit: limit.parse().expect("a limit"),
        bytes: input
            .split(' ')
            .filter(|word| !word.is_empty())
            .flat_map(|w| wire(w, role))
            .collect(),
        outcome: self::outcome(outcome),
    }
}

/// Bytes as they are, or `<payload>`: for a server with a mask and its key before it.
fn wire(word: &str, role: Role) -> Vec<u8> {
    let Some(payload) = word.strip_prefix('<').and_then(|word| word.strip_suffix('>')) else {
        return bytes(word);
    };
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let payload = bytes(payload);
    match role {
        Role::Client => payload,
        Role::Server => {
            let masked = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
            key.into_iter().chain(masked).collect()
        }
    }
}

/// `"text"`, hexadecimal, or hexadecimal`*`times, joined by `+`. `-` is nothing.
fn bytes(word: &str) -> Vec<u8> {
    word.split('+').filter(|part| !matches!(*part, "" | "-")).flat_map(part).collect()
}

fn part(part: &str) -> Vec<u8> {
    if let Some(text) = part.strip_prefix('"') {
        return text.strip_suffix('"').expect("a quote ends").as_bytes().to_vec();
    }
    let (digits, times) = part.split_once('*').unwrap_or((part, "1"));
    let pairs = digits.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).expect("ASCII"));
    let once: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair, 16).expect(pair)).collect();
    once.repeat(times.parse().expect("a count"))
}

fn outcome(cell: &str) -> Outcome {
    let mut outcome = Outcome::default();
    for event in cell.split(',').map(str::trim).filter(|event| !event.is_empty()) {
        let words: Vec<&str> = event.split(' ').collect();
        outcome.said.push(match words[..] {
            ["text", payload] => Said::Message(Opcode::Text, bytes(payload)),
            ["binary", payload] => Said::Message(Opcode::Binary, bytes(payload)),
            ["ping", payload] => Said::Ping(bytes(payload)),
            ["pong"] => Said::Pong,
            ["close"] => Said::Close(None),
            ["close", code, reason] => {
                let reason = String::from_utf8(bytes(reason)).expect("a reason");
                Said::Close(Some((code.parse().expect("a code"), reason)))
            }
            [code] => {
                outcome.refused = Some(code.parse().expect("a code"));
                continue;
            }
            _ => panic!("an event: {event}"),
        });
    }
    outcome
}
