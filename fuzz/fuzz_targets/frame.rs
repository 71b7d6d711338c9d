//! Holds the frame decoder against itself, fed whole and in parts, against tungstenite, and against
//! engines on owned and lent memory. Knows what a stream of frames says; must not know how it is
//! decoded. The first byte chooses the role, the second the sizes of the parts, the rest is the
//! stream.

#![no_main]

use fastws_core::assembly::{Incoming, Reader};
use fastws_core::config::{Config, OnError};
use fastws_core::dispatch::{Answer, Call, Dispatch, Verdict};
use fastws_core::engine::Engine;
use fastws_core::envelope;
use fastws_core::frame::{Role, Violation};
use fastws_core::ids::{CallId, OperationId};
use fastws_core::memory::{ConnectionMemory, TopicMemory, TurnMemory};
use fastws_fuzz::memory::most;
use fastws_fuzz::wire::{NOW, Said, Socket, feed, parts, splits, transmit};
use libfuzzer_sys::fuzz_target;
use std::iter::once;
use tungstenite::protocol::{Role as TheirRole, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message};

/// Of one message. Short, so that streams of a few hundred bytes lie on both sides of it, and no
/// shorter than a control frame may be, which tungstenite would hold against it too.
const LIMIT: usize = 256;

fuzz_target!(|data: &[u8]| {
    let [setting, sizes, stream @ ..] = data else {
        return;
    };
    let (role, their_role) = match setting & 1 {
        0 => (Role::Server, TheirRole::Server),
        _ => (Role::Client, TheirRole::Client),
    };
    let whole = ours(role, &[stream.len()], stream);
    for sizes in splits(stream.len(), *sizes) {
        assert_eq!(whole, ours(role, &sizes, stream), "fed whole, and in parts of {sizes:?}");
        if role == Role::Server {
            agree(&whole, &sizes, stream, usize::from(*setting >> 1));
        }
    }
    // A length that is only told costs nothing.
    let (_, held) = most(|| Reader::new(role, 1 << 30).read(&mut stream.to_vec(), |_| {}).is_ok());
    assert!(held <= 3 * stream.len() + 512, "{held} bytes of {}", stream.len());

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

type Reading = (Transcript, Result<(), Violation>);

fn ours(role: Role, sizes: &[usize], stream: &[u8]) -> Reading {
    let mut heard = Vec::new();
    let mut reader = Reader::new(role, LIMIT);
    for part in parts(stream, sizes) {
        let read = reader.read(&mut part.to_vec(), |incoming| {
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

/// Panics where an engine that is sent a stream answers something else than was heard in it. Every
/// call but each `patience`-th ends at once.
fn agree(heard: &Reading, sizes: &[usize], stream: &[u8], patience: usize) {
    let config =
        Config { message_bytes: LIMIT as u32, on_error: OnError::Reply, ..Config::default() };
    let engine = Engine::new(config.clone(), 1);
    answers(engine, heard, sizes, stream, patience);
    let mut connections = ConnectionMemory::<1, { LIMIT + 256 }, 4_096>::new();
    let mut topics = TopicMemory::<1, 1, 8>::new();
    let mut turn = Box::new(TurnMemory::<8_192, 256>::new());
    let engine = Engine::lent(config, 1, &mut connections, &mut topics, &mut turn);
    answers(engine, heard, sizes, stream, patience);
}

fn answers(
    mut engine: Engine<'_>,
    (heard, verdict): &Reading,
    sizes: &[usize],
    stream: &[u8],
    patience: usize,
) {
    let id = engine.open(NOW, [7; 16]).expect("there is room for one");
    let (mut app, mut written) = (App { patience, count: 0, later: None }, Vec::new());
    for part in parts(stream, sizes) {
        let mut rest = part;
        while !rest.is_empty() {
            let Some(room) = engine.room(id) else { break };
            let now;
            (now, rest) = rest.split_at(room.min(rest.len()));
            feed(&mut engine, &mut app, id, now, &mut written);
            if engine.room(id) == Some(0) {
                app.settle(&mut engine, &mut written);
            }
        }
    }
    while app.later.is_some() {
        app.settle(&mut engine, &mut written);
    }

    let (mut texts, mut pongs, mut closed) = (Vec::new(), Vec::new(), None);
    for heard in &heard.0 {
        match heard {
            Heard::Text(text) => texts.push(reply(str::from_utf8(text).expect("it is text"))),
            Heard::Binary(_) => texts.push(None),
            Heard::Ping(payload) => pongs.push(payload.clone()),
            Heard::Pong => {}
            Heard::Close(close) => {
                let code = close.as_ref().map(|(code, _)| code.to_be_bytes().to_vec());
                closed = Some(code.unwrap_or_default());
            }
        }
    }
    let said = Said::read(&written);
    match verdict {
        Ok(()) => {
            assert_eq!(said.closed, closed);
            assert_eq!(said.texts.len(), texts.len(), "every message has one answer");
            assert_eq!(said.pongs, pongs);
        }
        // It closes at once, and does not wait for what waits.
        Err(violation) => {
            assert_eq!(said.code(), Some(violation.close_code()));
            assert!(said.texts.len() <= texts.len() && pongs.starts_with(&said.pongs));
            assert!(patience > 0 || said.texts.len() == texts.len());
        }
    }
    for (said, expected) in said.texts.iter().zip(texts) {
        match expected {
            Some(expected) => assert_eq!(*said, expected),
            None => assert!(said.starts_with(r#"{"type":"error","payload":"#), "{said}"),
        }
    }
    engine.handle_end(NOW, id);
    transmit(&mut engine, &mut app, &mut Vec::new());
    assert_eq!(engine.poll_gone(), Some(id));
    assert!(engine.is_empty());
}

/// What [`App`] replies. `None`: there is no such call, and it is told so.
fn reply(text: &str) -> Option<String> {
    let envelope = envelope::read(text, Config::default().nesting.into()).ok()?;
    envelope.kind.decode(&mut [0; envelope::MAX_NAME])?;
    let members = [("payload", envelope.payload), ("id", envelope.id)];
    let members =
        members.iter().filter_map(|(name, value)| Some(format!(r#""{name}":{}"#, (*value)?)));
    Some(format!(
        "{{{}}}",
        once(r#""type":"r""#.to_string()).chain(members).collect::<Vec<_>>().join(",")
    ))
}

/// Replies with the payload, to each `patience`-th call later.
struct App {
    patience: usize,
    count: usize,
    later: Option<(CallId, Option<String>, Option<String>)>,
}

impl App {
    fn settle(&mut self, engine: &mut Engine<'_>, written: &mut Vec<u8>) {
        if let Some((call, payload, echo)) = self.later.take() {
            engine.settle(NOW, call, echo.as_deref(), |answer| {
                answer.reply("r", payload.as_deref().map(str::as_bytes)).done()
            });
        }
        transmit(engine, self, written);
    }
}

impl Dispatch for App {
    fn find(&self, _: &str) -> Option<OperationId> {
        Some(OperationId(0))
    }

    fn call(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
        self.count += 1;
        if self.patience > 0 && self.count.is_multiple_of(self.patience) {
            assert!(self.later.is_none(), "one call runs at a time");
            self.later = Some((call.id, call.payload.map(Into::into), call.echo.map(Into::into)));
            return answer.later();
        }
        answer.reply("r", call.payload.map(str::as_bytes)).done()
    }
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
