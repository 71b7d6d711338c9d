//! One peer, as naively as it can be told: what it has asked, what it must hear, why it may be closed.
//! Knows no engine.

use fastws_core::frame::{Head, Opcode, mask};
use fastws_core::ids::{CallId, ConnectionId};
use fastws_core::time::Instant;
use std::collections::{BTreeSet, VecDeque};

/// What a peer has asked for and the server has not come to yet.
#[derive(Debug, PartialEq)]
pub(crate) enum Asked {
    Call {
        operation: u16,
        topic: u8,
        len: u8,
        echo: String,
    },
    /// The server closes with this code when it comes to it.
    End(u16),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Opening {
    Missing,
    Refused,
    Done,
}

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: ConnectionId,
    /// What its request has come to, as far as this peer has heard.
    pub(crate) head: Opening,
    /// Its head asks for something that is not refused.
    pub(crate) upgrades: bool,
    /// Its messages are framed elsewhere.
    pub(crate) framed: bool,
    /// Said, and not taken by the driver yet.
    pub(crate) wire: VecDeque<u8>,
    pub(crate) words: VecDeque<(Opcode, Vec<u8>)>,
    pub(crate) asked: VecDeque<Asked>,
    pub(crate) calling: Option<(CallId, String)>,
    pub(crate) late: Option<CallId>,
    pub(crate) listens: BTreeSet<u8>,
    pub(crate) reserved: BTreeSet<u8>,
    /// Texts that it must hear, in order; or may, where nobody can tell whether it was closed before.
    pub(crate) due: VecDeque<(String, bool)>,
    /// Heard, and not a whole frame yet.
    pub(crate) heard: Vec<u8>,
    pub(crate) pings: VecDeque<Vec<u8>>,
    /// What its socket still takes.
    pub(crate) window: usize,
    pub(crate) was_narrow: bool,
    pub(crate) blocked: bool,
    /// More waited for it than may.
    pub(crate) over: bool,
    pub(crate) violates: bool,
    pub(crate) said_close: bool,
    /// Codes one of which it is closed with; empty while it is open.
    pub(crate) codes: Vec<u16>,
    pub(crate) closed: Option<u16>,
    pub(crate) finished: bool,
    pub(crate) hung_up: bool,
    pub(crate) gone: bool,
    pub(crate) since: Instant,
    pub(crate) spoke: Instant,
    pub(crate) served: Instant,
    /// The driver was asked not to read.
    pub(crate) was_deaf: bool,
}

impl Peer {
    pub(crate) fn new(id: ConnectionId, head: Opening, upgrades: bool, now: Instant) -> Self {
        Self {
            id,
            head,
            upgrades,
            framed: false,
            wire: VecDeque::new(),
            words: VecDeque::new(),
            asked: VecDeque::new(),
            calling: None,
            late: None,
            listens: BTreeSet::new(),
            reserved: BTreeSet::new(),
            due: VecDeque::new(),
            heard: Vec::new(),
            pings: VecDeque::new(),
            window: usize::MAX,
            was_narrow: false,
            blocked: false,
            over: false,
            violates: false,
            said_close: false,
            codes: Vec::new(),
            closed: None,
            finished: false,
            hung_up: false,
            gone: false,
            since: now,
            spoke: now,
            served: now,
            was_deaf: false,
        }
    }

    /// As far as anybody outside can be sure.
    pub(crate) fn is_open(&self) -> bool {
        self.upgrades && self.codes.is_empty() && !self.hung_up && !self.gone
    }

    pub(crate) fn end(&mut self, codes: Vec<u16>) {
        self.codes = codes;
        self.leave();
    }

    pub(crate) fn leave(&mut self) {
        self.listens.clear();
        self.reserved.clear();
        self.late = self.calling.take().map(|(call, _)| call).or(self.late);
    }

    /// It must hear more.
    pub(crate) fn is_due(&self) -> bool {
        self.due.iter().any(|(_, sure)| *sure)
    }

    /// Whether the server may have come to something that it closes for.
    pub(crate) fn may_have_ended(&self) -> bool {
        self.calling.is_none() && matches!(self.asked.front(), Some(Asked::End(_)))
    }

    /// Bytes of frames that it has not taken whole.
    pub(crate) fn waiting(&self) -> usize {
        let frames =
            self.due.iter().map(|(text, _)| text.len() + if text.len() > 125 { 4 } else { 2 });
        frames.sum()
    }

    pub(crate) fn say(&mut self, opcode: Opcode, payload: &[u8]) {
        match self.framed {
            true => self.words.push_back((opcode, payload.to_vec())),
            false => self.frame(opcode as u8 | 0x80, payload),
        }
    }

    pub(crate) fn say_close(&mut self) {
        if !self.said_close {
            self.said_close = true;
            self.say(Opcode::Close, &[0x03, 0xe8]);
        }
    }

    pub(crate) fn frame(&mut self, first: u8, payload: &[u8]) {
        let key = [first, 7, payload.len() as u8, 13];
        let mut head = Head::new(Opcode::Binary, payload.len(), Some(key)).as_slice().to_vec();
        head[0] = first;
        let mut payload = payload.to_vec();
        mask(&mut payload, key, 0);
        self.wire.extend(head);
        self.wire.extend(payload);
    }

    /// Takes what came from the socket apart. Whatever does not have to come now is an error.
    pub(crate) fn hear(&mut self, bytes: &[u8], may_end: &[u16], tight: bool) {
        self.heard.extend_from_slice(bytes);
        if self.head == Opening::Missing {
            let Some(end) = self.heard.windows(4).position(|at| at == b"\r\n\r\n") else { return };
            let opened = self.heard.starts_with(b"HTTP/1.1 101 ");
            assert!(opened || self.heard.starts_with(b"HTTP/1.1 4"), "{}", self.shown());
            if !opened {
                assert!(!self.upgrades, "refused: {}", self.shown());
                self.head = Opening::Refused;
                return;
            }
            assert!(self.upgrades, "opened: {}", self.shown());
            self.head = Opening::Done;
            self.heard.drain(..end + 4);
        }
        while self.head == Opening::Done
            && let Some((opcode, payload)) = self.next_frame()
        {
            assert_eq!(self.closed, None, "a frame after the close frame");
            match opcode {
                0x81 => {
                    let text = String::from_utf8(payload).unwrap();
                    while self.due.front().is_some_and(|(due, sure)| !sure && *due != text) {
                        self.due.pop_front();
                    }
                    let due = self.due.pop_front().map(|(due, _)| due);
                    assert_eq!(Some(text), due, "in its order");
                }
                0x89 => assert!(payload.is_empty(), "a ping of the server"),
                0x8a => {
                    let at = self.pings.iter().position(|ping| *ping == payload);
                    let at = at.expect("a pong that answers a ping, once");
                    // On small memory it may have overtaken another.
                    self.pings.drain(if tight { at } else { 0 }..=at);
                }
                0x88 => {
                    let code = u16::from_be_bytes([payload[0], payload[1]]);
                    let codes = if self.codes.is_empty() { may_end } else { &self.codes };
                    // What was too much takes the place of whatever else was to be said.
                    let may_be = codes.contains(&code) || self.over && code == 1008;
                    assert!(may_be, "closed with {code}, but for {codes:?}");
                    assert!(self.over || !self.is_due(), "{code} before {:?}", self.due);
                    self.closed = Some(code);
                    self.due.clear();
                    self.end(vec![code]);
                }
                _ => panic!("no frame of a server begins with {opcode:#x}"),
            }
        }
    }

    fn next_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (&[first, len], rest) = self.heard.split_first_chunk()?;
        let (len, at) = match len {
            126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
            len => {
                assert!(len < 126, "no frame here is that long");
                (usize::from(len), 2)
            }
        };
        let payload = self.heard.get(at..at + len)?.to_vec();
        self.heard.drain(..at + len);
        Some((first, payload))
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.heard).into_owned()
    }
}
