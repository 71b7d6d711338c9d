//! Compares what readers make of random streams with what tungstenite does, and with what was
//! encoded. Every difference that is meant is on a list; any other is a failure.
#![cfg(feature = "alloc")]

#[path = "frames/table.rs"]
#[expect(dead_code, reason = "the rows are for other tests")]
mod table;

use fastws_core::assembly::{Incoming, Reader};
use fastws_core::frame::{Head, Opcode, Role, Violation, close_payload, mask};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;
use std::io::{self, Read, Write};
use table::Said;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{Message, WebSocket, WebSocketConfig};

/// What we do and tungstenite does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Difference {
    /// We refuse at the byte that breaks a rule; tungstenite waits for the rest of the frame, and
    /// then refuses with the same code.
    RefusedEarly,
    /// A length over the limit in a frame that breaks another rule: we refuse in the order of the
    /// bytes, with 1002; tungstenite compares the length first, with 1009. So with the top bit.
    RuleBeforeLimit,
    /// We refuse a length that is not in its shortest form, as RFC 6455 section 5.2 demands, and in
    /// a control frame any longer form at all; tungstenite takes it, and judges what it finds.
    LongForm,
    /// We refuse a close code that must not be sent with 1002; tungstenite reports a close with
    /// 1002 instead, or refuses with 1007 if the reason is wrong too.
    CloseCode,
    /// We take 1014, which is registered ("bad gateway"); tungstenite reports 1002 instead.
    BadGateway,
}

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    said: Vec<Said>,
    refused: Option<u16>,
}

// law: 7
#[test]
fn readers_agree_with_tungstenite_but_for_the_list() {
    let [accepted, refused] = [const { Cell::new(0) }; 2];
    let cases = Config::default().cases.max(4_000);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let stream = (messages(), damages(), prop::collection::vec(1_usize..80, 1..10));
    TestRunner::new(config)
        .run(&stream, |(messages, damages, parts)| {
            let bytes = damaged(messages, &damages);
            let (ours, violation) = ours(&bytes, &parts);
            let count = if violation.is_some() { &refused } else { &accepted };
            count.set(count.get() + 1);
            differences(&bytes, &ours, violation).map(drop).map_err(TestCaseError::fail)
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    let all = accepted.get() + refused.get();
    assert!(accepted.get() * 5 >= all, "{} of {all} are accepted", accepted.get());
    assert!(refused.get() * 5 >= all, "{} of {all} are refused", refused.get());
}

// law: 7
#[test]
fn every_difference_on_the_list_is_there() {
    for (bytes, difference) in [
        (&b"\xc1"[..], Difference::RefusedEarly),
        (b"\x81\xfe\x01\x00\0\0\0\0\xff", Difference::RefusedEarly),
        (b"\xc1\xfe\xff\xff\0\0\0\0", Difference::RuleBeforeLimit),
        (b"\x81\xff\x80\0\0\0\0\0\0\0\0\0\0\0", Difference::RuleBeforeLimit),
        (b"\x81\xfe\x00\x01\0\0\0\0a", Difference::LongForm),
        (b"\x89\xfe\x00\x01\0\0\0\0a", Difference::LongForm),
        (b"\x88\x82\0\0\0\0\x03\xec", Difference::CloseCode),
        (b"\x88\x82\0\0\0\0\x03\xf6", Difference::BadGateway),
    ] {
        let (ours, violation) = ours(bytes, &[bytes.len()]);
        assert_eq!(differences(bytes, &ours, violation), Ok(Some(difference)));
    }
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    // law: 7
    #[test]
    fn what_was_encoded_is_read(
        messages in messages(),
        parts in prop::collection::vec(1_usize..80, 1..10),
        role in prop_oneof![Just(Role::Server), Just(Role::Client)],
    ) {
        let mut bytes = Vec::new();
        let mut said = Vec::new();
        for message in &messages {
            let key = (role == Role::Server).then_some(message.key);
            let payload = &message.payload;
            bytes.extend(frame(message.opcode, payload, key));
            said.push(match message.opcode {
                Opcode::Ping => Said::Ping(payload.clone()),
                Opcode::Pong => Said::Pong,
                Opcode::Close => Said::Close(Some((
                    u16::from_be_bytes([payload[0], payload[1]]),
                    String::from_utf8(payload[2..].to_vec()).expect("a reason is text"),
                ))),
                data => Said::Message(data, payload.clone()),
            });
            if message.opcode == Opcode::Close {
                break;
            }
        }
        prop_assert_eq!(read(role, &bytes, &parts), (said, None));
    }
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    // law: 7
    #[test]
    fn any_split_of_the_input_gives_the_same_frames(
        messages in messages(),
        damages in damages(),
        parts in prop::collection::vec(1_usize..80, 1..10),
        role in prop_oneof![Just(Role::Server), Just(Role::Client)],
    ) {
        let bytes = damaged(messages, &damages);
        let whole = read(role, &bytes, &[bytes.len()]);
        prop_assert_eq!(read(role, &bytes, &parts), whole);
    }
}

/// The difference between ours and tungstenite's reading of `bytes`, if it is on the list.
fn differences(
    bytes: &[u8],
    ours: &Outcome,
    violation: Option<Violation>,
) -> Result<Option<Difference>, String> {
    let theirs = theirs(bytes);
    if *ours == theirs {
        return Ok(None);
    }
    // What the frame that they still wait for would have come to.
    let later = self::theirs(&[bytes, &[0; 2 * LIMIT]].concat());
    let same_before = theirs.said.starts_with(&ours.said);
    let in_place_of_code = Said::Close(Some((1002, "Protocol violation".to_string())));
    let replaced = theirs.said.len() == ours.said.len() + 1
        && theirs.said.last() == Some(&in_place_of_code)
        && theirs.refused.is_none();
    let longer_form = match violation {
        Some(Violation::LongForm) => same_before,
        Some(Violation::LongControl) => {
            same_before && (later.said.len() > ours.said.len() || later.refused == Some(1007))
        }
        _ => false,
    };
    match violation {
        _ if longer_form => Ok(Some(Difference::LongForm)),
        Some(Violation::CloseCode) if same_before && (replaced || theirs.refused == Some(1007)) => {
            Ok(Some(Difference::CloseCode))
        }
        Some(_) if theirs.said == ours.said && theirs.refused.is_none() => {
            match (ours.refused, later.refused) {
                _ if later.said != ours.said => Err(format!("they hear more: {later:?}")),
                (ours, later) if ours == later => Ok(Some(Difference::RefusedEarly)),
                (Some(1002), Some(1009)) => Ok(Some(Difference::RuleBeforeLimit)),
                (ours, later) => Err(format!("we refuse with {ours:?}, they with {later:?}")),
            }
        }
        Some(_)
            if theirs.said == ours.said
                && (ours.refused, theirs.refused) == (Some(1002), Some(1009)) =>
        {
            Ok(Some(Difference::RuleBeforeLimit))
        }
        None if matches!(ours.said.last(), Some(Said::Close(Some((1014, _)))))
            && theirs.said.last() == Some(&in_place_of_code)
            && theirs.refused.is_none()
            && theirs.said[..theirs.said.len() - 1] == ours.said[..ours.said.len() - 1] =>
        {
            Ok(Some(Difference::BadGateway))
        }
        _ => Err(format!("we: {ours:?}, they: {theirs:?}")),
    }
}

fn ours(bytes: &[u8], parts: &[usize]) -> (Outcome, Option<Violation>) {
    let (said, violation) = read(Role::Server, bytes, parts);
    (Outcome { said, refused: violation.map(Violation::close_code) }, violation)
}

fn read(role: Role, bytes: &[u8], parts: &[usize]) -> (Vec<Said>, Option<Violation>) {
    let mut reader = Reader::new(role, LIMIT);
    let mut bytes = bytes.to_vec();
    let mut rest = &mut bytes[..];
    let mut said = Vec::new();
    for part in parts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (input, after) = rest.split_at_mut((*part).min(rest.len()));
        rest = after;
        if let Err(violation) = reader.read(input, |incoming| said.push(Said::from(incoming))) {
            return (said, Some(violation));
        }
    }
    (said, None)
}

fn theirs(bytes: &[u8]) -> Outcome {
    let config = WebSocketConfig::default()
        .max_message_size(Some(LIMIT))
        .max_frame_size(Some(LIMIT))
        .read_buffer_size(4 * LIMIT);
    let role = tungstenite::protocol::Role::Server;
    let mut socket = WebSocket::from_raw_socket(Wire(bytes), role, Some(config));
    let mut said = Vec::new();
    let refused = loop {
        said.push(match socket.read() {
            Ok(Message::Text(text)) => Said::Message(Opcode::Text, text.as_bytes().to_vec()),
            Ok(Message::Binary(bytes)) => Said::Message(Opcode::Binary, bytes.to_vec()),
            Ok(Message::Ping(payload)) => Said::Ping(payload.to_vec()),
            Ok(Message::Pong(_)) => Said::Pong,
            Ok(Message::Close(close)) => {
                Said::Close(close.map(|close| (close.code.into(), close.reason.to_string())))
            }
            Ok(Message::Frame(frame)) => panic!("reading tells no raw frames: {frame}"),
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                break None;
            }
            Err(tungstenite::Error::ConnectionClosed) => break None,
            Err(tungstenite::Error::Protocol(_)) => break Some(CloseCode::Protocol),
            Err(tungstenite::Error::Utf8(_)) => break Some(CloseCode::Invalid),
            Err(tungstenite::Error::Capacity(_)) => break Some(CloseCode::Size),
            Err(error) => panic!("not about what was read: {error}"),
        });
    };
    Outcome { said, refused: refused.map(u16::from) }
}

/// Gives what there is, then nothing for now; swallows what is written.
struct Wire<'a>(&'a [u8]);

impl Read for Wire<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.0.read(out)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One message as its sender means it.
#[derive(Clone, Debug)]
struct Sent {
    opcode: Opcode,
    payload: Vec<u8>,
    key: [u8; 4],
    /// Data is cut into fragments here, with a ping between them.
    cuts: Vec<Index>,
}

/// What happens to the bytes on the way.
#[derive(Clone, Debug)]
enum Damage {
    /// A byte of a head: most rules are about these.
    Head {
        frame: Index,
        at: usize,
        flip: u8,
    },
    /// Any byte.
    Byte {
        at: Index,
        flip: u8,
    },
    /// A frame is told longer than it is.
    Length {
        frame: Index,
        len: u64,
    },
    Lost {
        frame: Index,
    },
    Cut {
        at: Index,
    },
}

fn messages() -> impl Strategy<Value = Vec<Sent>> {
    prop::collection::vec(message(), 1..6)
}

fn message() -> impl Strategy<Value = Sent> {
    let text =
        prop_oneof!["[a-z ]{0,20}", "[aé€𝄞\u{d7ff}\u{e000}\u{10ffff}]{0,20}", "[a-z]{120,130}"];
    let code = prop_oneof![
        6 => prop::sample::select(&[1000, 1001, 1003, 1007, 1011, 1012, 1013, 3000, 4999][..]),
        1 => Just(1014),
    ];
    let close = (code, "[a-zé]{0,70}").prop_map(|(code, reason)| {
        let mut out = [0; 125];
        let len = close_payload(code, &reason, &mut out);
        (Opcode::Close, out[..len].to_vec())
    });
    let control = prop::collection::vec(any::<u8>(), 0..=125);
    let said = prop_oneof![
        8 => text.prop_map(|text| (Opcode::Text, text.into_bytes())),
        4 => prop::collection::vec(any::<u8>(), 0..LIMIT).prop_map(|bytes| (Opcode::Binary, bytes)),
        2 => control.clone().prop_map(|payload| (Opcode::Ping, payload)),
        2 => control.prop_map(|payload| (Opcode::Pong, payload)),
        1 => close,
    ];
    let cuts = prop_oneof![Just(vec![]), prop::collection::vec(any::<Index>(), 0..4)];
    (said, any::<[u8; 4]>(), cuts).prop_map(|((opcode, payload), key, cuts)| Sent {
        opcode,
        payload,
        key,
        cuts,
    })
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let bit = || (0_u32..8).prop_map(|bit| 1 << bit);
    let len = prop_oneof![0_u64..400, any::<u64>(), any::<u16>().prop_map(u64::from)];
    let damage = prop_oneof![
        4 => (any::<Index>(), 0_usize..2, prop_oneof![bit(), any::<u8>()])
            .prop_map(|(frame, at, flip)| Damage::Head { frame, at, flip }),
        2 => (any::<Index>(), prop_oneof![bit(), any::<u8>()])
            .prop_map(|(at, flip)| Damage::Byte { at, flip }),
        1 => (any::<Index>(), len).prop_map(|(frame, len)| Damage::Length { frame, len }),
        1 => any::<Index>().prop_map(|frame| Damage::Lost { frame }),
        1 => any::<Index>().prop_map(|at| Damage::Cut { at }),
    ];
    prop_oneof![
        1 => Just(vec![]),
        2 => prop::collection::vec(damage, 1..4),
    ]
}

fn damaged(messages: Vec<Sent>, damages: &[Damage]) -> Vec<u8> {
    let mut frames: Vec<Vec<u8>> = messages.iter().flat_map(Sent::frames).collect();
    for damage in damages {
        match *damage {
            Damage::Head { frame, at, flip } => frame.get_mut(&mut frames)[at] ^= flip,
            Damage::Length { frame, len } => {
                let frame = frame.get_mut(&mut frames);
                let mut told = vec![frame[0], 0x80 | 127];
                told.extend(len.to_be_bytes());
                if len <= 0xffff {
                    told = vec![frame[0], 0x80 | 126];
                    told.extend((len as u16).to_be_bytes());
                }
                frame.splice(..2, told);
            }
            Damage::Lost { frame } if frames.len() > 1 => {
                frames.remove(frame.index(frames.len()));
            }
            _ => {}
        }
    }
    let mut bytes = frames.concat();
    for damage in damages {
        match damage {
            Damage::Byte { at, flip } => *at.get_mut(&mut bytes) ^= flip,
            Damage::Cut { at } => bytes.truncate(at.index(bytes.len()).max(1)),
            _ => {}
        }
    }
    bytes
}

impl Sent {
    fn frames(&self) -> Vec<Vec<u8>> {
        let mut cuts: Vec<usize> =
            self.cuts.iter().map(|cut| cut.index(self.payload.len() + 1)).collect();
        if !matches!(self.opcode, Opcode::Text | Opcode::Binary) {
            cuts.clear();
        }
        cuts.sort_unstable();
        let starts = [0].into_iter().chain(cuts.iter().copied());
        let ends = cuts.iter().copied().chain([self.payload.len()]);
        let mut frames = Vec::new();
        for (at, (start, end)) in starts.zip(ends).enumerate() {
            let mut frame = frame(self.opcode, &self.payload[start..end], Some(self.key));
            if at > 0 {
                frame[0] &= 0xf0;
                frames.push(self::frame(Opcode::Ping, b"?", Some(self.key)));
            }
            if at < cuts.len() {
                frame[0] &= 0x0f;
            }
            frames.push(frame);
        }
        frames
    }
}

fn frame(opcode: Opcode, payload: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
    let mut frame = Head::new(opcode, payload.len(), key).as_slice().to_vec();
    let head_len = frame.len();
    frame.extend_from_slice(payload);
    mask(&mut frame[head_len..], key.unwrap_or_default(), 0);
    frame
}

const LIMIT: usize = 300;
