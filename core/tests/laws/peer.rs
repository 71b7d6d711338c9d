//! One peer, as naively as it can be told: what it has asked, what it must hear, why it may be closed.
//! Knows no engine.

use fastws_core::config::SlowConsumer;
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

/// A text that a peer must hear, in its order.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) text: String,
    /// Or that it may hear, where nobody can tell whether it was closed before.
    pub(crate) sure: bool,
    /// Its topic, if it is an update, and what becomes of it where it is too much.
    pub(crate) update: Option<(u8, SlowConsumer)>,
}

impl Due {
    fn may_go(&self) -> bool {
        self.update.is_some_and(|(_, policy)| policy != SlowConsumer::Close)
    }

    /// What its record takes at most.
    pub(crate) fn space(&self) -> usize {
        let space = 5 + self.text.len() + if self.text.len() > 125 { 4 } else { 2 };
        if self.may_go() { (space + 8).max(GAP) } else { space }
    }
}

/// What the record of a gap takes at most: what is too little for a record of its own is part of it.
pub(crate) const GAP: usize = 5
    + 8
    + 2
    + r#"{"type":"gap","topic":"t0","payload":{"topic":"t0","dropped":               1}}"#.len()
    + 4;

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
    pub(crate) due: VecDeque<Due>,
    /// Updates that it was told it has missed.
    pub(crate) missed: u64,
    /// Heard, and not a whole frame yet.
    pub(crate) heard: Vec<u8>,
    pub(crate) pings: VecDeque<Vec<u8>>,
    /// What its socket still takes.
    pub(crate) window: usize,
    pub(crate) was_narrow: bool,
    pub(crate) blocked: bool,
    /// More waited for it than may.
    pub(crate) full: bool,
    /// More waited than may, and nothing of that may be dropped.
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
            missed: 0,
            heard: Vec::new(),
            pings: VecDeque::new(),
            window: usize::MAX,
            was_narrow: false,
            blocked: false,
            full: false,
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
        self.due.iter().any(|due| due.sure)
    }

    /// Whether the server may have come to something that it closes for.
    pub(crate) fn may_have_ended(&self) -> bool {
        self.calling.is_none() && matches!(self.asked.front(), Some(Asked::End(_)))
    }

    /// Bytes of records that it has not taken whole.
    pub(crate) fn waiting(&self) -> usize {
        self.due.iter().map(Due::space).sum()
    }

    /// The least that is kept of them, but for a frame and a gap that were begun.
    pub(crate) fn kept(&self) -> usize {
        let (dropping, kept): (Vec<&Due>, Vec<&Due>) =
            self.due.iter().partition(|due| due.may_go());
        let topics: BTreeSet<_> =
            dropping.iter().filter_map(|due| due.update).map(|(of, _)| of).collect();
        kept.into_iter().map(Due::space).sum::<usize>() + topics.len() * GAP
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
                    if let Some(gap) = text.strip_prefix(r#"{"type":"gap","topic":"t"#) {
                        self.miss(gap);
                        continue;
                    }
                    while self.due.front().is_some_and(|due| !due.sure && due.text != text) {
                        self.due.pop_front();
                    }
                    let due = self.due.pop_front().map(|due| due.text);
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

    /// It is told how many updates of a topic are missing here. The first would be the next to be heard.
    fn miss(&mut self, gap: &str) {
        let (topic, rest) = gap.split_at(1);
        let number = rest.strip_prefix(&format!(r#"","payload":{{"topic":"t{topic}","dropped":"#));
        let number = number.and_then(|rest| rest.strip_suffix("}}")).map(str::trim_start);
        let number: u64 = number.and_then(|number| number.parse().ok()).expect("a number");
        let topic: u8 = topic.parse().expect("a topic");
        let is_of_topic = |due: &Due| {
            due.update.is_some_and(|(of, policy)| {
                of == topic && (policy == SlowConsumer::Latest || self.full && due.may_go())
            })
        };
        let first = self.due.iter().position(is_of_topic).expect("what is missing may be dropped");
        assert!(self.due.drain(..first).all(|due| !due.sure), "a gap stands in its place");
        let mut left = number;
        self.due.retain(|due| {
            let missing = left > 0 && due.update.is_some_and(|(of, _)| of == topic);
            left -= u64::from(missing);
            !missing
        });
        assert_eq!(left, 0, "no more is missing than was published");
        self.missed += number;
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
