//! What a client hears, made of the bytes that it gets. Knows RFC 6455 from a client's side, no socket.

use fastws_core::frame::{Head, Opcode, mask};
use std::fmt;

/// The bytes that have come and were not heard yet.
#[derive(Default)]
pub(crate) struct Ear {
    bytes: Vec<u8>,
    is_open: bool,
    has_ended: bool,
}

/// One thing that a client hears.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The head that opens a WebSocket, or the whole of another answer.
    Answer(String),
    Frame(Opcode, Vec<u8>),
    /// The stream has ended or was reset: a client's system tells one from the other only by chance.
    End,
}

impl Ear {
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Nothing more comes.
    pub(crate) fn end(&mut self) {
        self.has_ended = true;
    }

    /// What is heard next; `None` asks for more bytes.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let end = match (self.is_open, self.has_ended) {
            (true, _) => self.frame_len(),
            (false, true) => Some(self.bytes.len()),
            (false, false) => self.head_len(),
        };
        match end.filter(|end| (1..=self.bytes.len()).contains(end)) {
            None if !self.has_ended => None,
            None => {
                assert!(self.bytes.is_empty(), "the stream ends in a frame: {:?}", self.bytes);
                Some(Event::End)
            }
            Some(end) => {
                let rest = self.bytes.split_off(end);
                let bytes = std::mem::replace(&mut self.bytes, rest);
                Some(match self.is_open {
                    true => frame(&bytes),
                    false => {
                        self.is_open = bytes.starts_with(b"HTTP/1.1 101 ");
                        Event::Answer(String::from_utf8(bytes).expect("an answer is text"))
                    }
                })
            }
        }
    }

    /// The end of a head after which the stream goes on.
    fn head_len(&self) -> Option<usize> {
        let goes_on = [&b"HTTP/1.1 101 "[..], b"HTTP/1.1 100 "];
        let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        goes_on.iter().any(|status| self.bytes.starts_with(status)).then_some(end)
    }

    fn frame_len(&self) -> Option<usize> {
        let (head, length) = length(&self.bytes)?;
        Some(head + length)
    }
}

/// Bytes of a frame's head, and of its payload.
fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    Some(match bytes.get(1)? {
        126 => (4, u16::from_be_bytes(bytes.get(2..4)?.try_into().expect("two")).into()),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().expect("eight")) as usize),
        short => (2, usize::from(*short)),
    })
}

fn frame(bytes: &[u8]) -> Event {
    let opcode = match bytes[0] {
        0x81 => Opcode::Text,
        0x88 => Opcode::Close,
        0x89 => Opcode::Ping,
        0x8a => Opcode::Pong,
        other => panic!("a server sends no frame that begins with {other:#x}"),
    };
    let (head, _) = length(bytes).expect("it is whole");
    Event::Frame(opcode, bytes[head..].to_vec())
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(answer) => f.write_str(&answer.trim_end().replace("\r\n", " | ")),
            Self::Frame(Opcode::Close, payload) if payload.is_empty() => f.write_str("close"),
            Self::Frame(Opcode::Close, payload) => {
                let (code, reason) = payload.split_at(2);
                let code = u16::from_be_bytes(code.try_into().expect("a code has two bytes"));
                write!(f, "close {code} {}", String::from_utf8_lossy(reason))
            }
            Self::Frame(opcode, payload) => {
                let name = format!("{opcode:?}").to_lowercase();
                write!(f, "{name} {}", String::from_utf8_lossy(payload))
            }
            Self::End => f.write_str("end"),
        }
    }
}

/// A masked frame as a client sends it.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Head::new(Opcode::Text, payload.len(), Some(KEY)).as_slice().to_vec();
    frame[0] = first;
    let start = frame.len();
    frame.extend_from_slice(payload);
    mask(&mut frame[start..], KEY, 0);
    frame
}

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
