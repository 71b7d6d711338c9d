//! Holds the frame decoder against itself, fed whole and in parts, and against tungstenite. Knows
//! what a stream of frames says; must not know how it is decoded. The first byte chooses the role,
//! the second the sizes of the parts, the rest is the stream.

#![no_main]

use fastws_core::assembly::{Incoming, Reader};
use fastws_core::frame::{Role, Violation};
use libfuzzer_sys::fuzz_target;
use std::io::{self, Read, Write};
use tungstenite::protocol::{Role as TheirRole, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message};

/// Of one message. Short, so that streams of a few hundred bytes lie on both sides of it, and no
/// shorter than a control frame may be, which tungstenite would hold against it too.
const LIMIT: usize = 256;

fuzz_target!(|data: &[u8]| {
    let [role, sizes, stream @ ..] = data else {
        return;
    };
    let (role, their_role) = match role & 1 {
        0 => (Role::Server, TheirRole::Server),
        _ => (Role::Client, TheirRole::Client),
    };
    let whole = ours(role, [stream.len()].into_iter(), stream);
    let sizes = [1 + usize::from(sizes & 15), 1 + usize::from(sizes >> 4)];
    let parts = ours(role, sizes.into_iter().cycle(), stream);
    assert_eq!(whole, parts, "fed whole, and in parts of {sizes:?} bytes");

    let (heard, verdict) = whole;
    let (heard, (theirs, rejected)) = (heard.map_codes(), theirs(their_role, stream));
    match verdict {
        Ok(()) => {
            assert_eq!(heard, theirs);
            assert!(!rejected, "only tungstenite rejects");
        }
        // Where we are stricter: tungstenite takes lengths in any form, those of control frames
        // too, and passes on a close with a code that must not be sent.
        Err(
            Violation::LongForm | Violation::LongControl | Violation::TopBit | Violation::CloseCode,
        ) => assert!(theirs.0.starts_with(&heard.0)),
        // It may still wait for the rest of a frame that we have rejected by its head.
        Err(violation) => assert_eq!(heard, theirs, "{violation}"),
    }
});

#[derive(Clone, Debug, PartialEq)]
enum Heard {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<(u16, String)>),
}

/// All that a stream says, up to its close or to what it breaks.
#[derive(Debug, PartialEq)]
struct Transcript(Vec<Heard>);

impl Transcript {
    /// 1014 is registered, but tungstenite does not know it, and puts this in its place.
    fn map_codes(mut self) -> Self {
        if let Some(Heard::Close(Some(close))) = self.0.last_mut()
            && close.0 == 1014
        {
            *close = (1002, "Protocol violation".into());
        }
        self
    }
}

fn ours(
    role: Role,
    sizes: impl Iterator<Item = usize>,
    stream: &[u8],
) -> (Transcript, Result<(), Violation>) {
    let mut heard = Vec::new();
    let mut reader = Reader::new(role, LIMIT);
    let mut stream = stream.to_vec();
    let mut rest = &mut stream[..];
    for size in sizes {
        if rest.is_empty() {
            break;
        }
        let (part, others) = rest.split_at_mut(size.min(rest.len()));
        rest = others;
        let read = reader.read(part, |incoming| {
            heard.push(match incoming {
                Incoming::Text(text) => Heard::Text(text.into()),
                Incoming::Binary(payload) => Heard::Binary(payload.into()),
                Incoming::Ping(payload) => Heard::Ping(payload.into()),
                Incoming::Pong => Heard::Pong,
                Incoming::Close(close) => {
                    Heard::Close(close.map(|close| (close.code, close.reason.into())))
                }
            });
        });
        if read.is_err() {
            return (Transcript(heard), read);
        }
    }
    (Transcript(heard), Ok(()))
}

fn theirs(role: TheirRole, stream: &[u8]) -> (Transcript, bool) {
    let config =
        WebSocketConfig::default().max_message_size(Some(LIMIT)).max_frame_size(Some(LIMIT));
    let mut socket = WebSocket::from_raw_socket(Socket(stream), role, Some(config));
    let mut heard = Vec::new();
    loop {
        heard.push(match socket.read() {
            Ok(Message::Text(text)) => Heard::Text(text.as_bytes().into()),
            Ok(Message::Binary(bytes)) => Heard::Binary(bytes.into()),
            Ok(Message::Ping(bytes)) => Heard::Ping(bytes.into()),
            Ok(Message::Pong(_)) => Heard::Pong,
            Ok(Message::Close(close)) => {
                let close = close.map(|close| (close.code.into(), close.reason.to_string()));
                heard.push(Heard::Close(close));
                return (Transcript(heard), false);
            }
            Ok(Message::Frame(frame)) => panic!("reading gave a raw frame: {frame:?}"),
            Err(Error::Io(_)) => return (Transcript(heard), false),
            Err(_) => return (Transcript(heard), true),
        });
    }
}

/// A socket that has received a stream, is not at its end, and takes whatever is written.
struct Socket<'a>(&'a [u8]);

impl Read for Socket<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.read(into)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
