//! One connection's buffer: records one behind the other, some of them in an index by topic. Knows frames, not
//! what may be dropped.

use crate::frame;
use crate::gap::{self, Labels};
use crate::shelf::Buffer;

/// Where the records of a buffer are.
#[derive(Clone, Copy)]
pub(crate) struct Waiting {
    /// Where the first record is.
    front: u32,
    /// Bytes of the first record's frame that the socket has taken.
    begun: u32,
    /// Bytes of records behind `front` that were dropped.
    holes: u32,
    /// No update before this place may be dropped.
    oldest: u32,
    /// The buffer begins with an index.
    indexed: bool,
}

impl Waiting {
    pub(crate) const NOTHING: Self =
        Self { front: 0, begun: 0, holes: 0, oldest: 0, indexed: false };

    /// How much of a buffer waits, in bytes, with what records add.
    #[inline]
    pub(crate) fn len(&self, buffer: &[u8]) -> usize {
        buffer.len() - self.front as usize - self.holes as usize
    }

    /// The frames that wait, oldest first, without what the socket has taken.
    #[inline]
    pub(crate) fn frames<'b>(&self, buffer: &'b [u8]) -> Frames<'b> {
        Frames { records: &buffer[self.front as usize..], begun: self.begun as usize }
    }
}

/// See [`Waiting::frames`].
pub(crate) struct Frames<'b> {
    records: &'b [u8],
    begun: usize,
}

impl<'b> Iterator for Frames<'b> {
    type Item = &'b [u8];

    #[inline]
    fn next(&mut self) -> Option<&'b [u8]> {
        loop {
            let record = Record::first(self.records)?;
            self.records = &self.records[record.space()..];
            if record.kind != DROPPED {
                return Some(&record.frame()[core::mem::take(&mut self.begun)..]);
            }
        }
    }
}

/// The first byte of a record: what it is. What is dropped leaves its place behind.
const DROPPED: u8 = 0;
pub(crate) const WHOLE: u8 = 1;
/// The socket has taken the frame's first bytes already, and the record holds the rest; or it is HTTP.
pub(crate) const BEGUN: u8 = 2;
/// A pong's record keeps room for the longest.
const NEWEST_PONG: u8 = 3;
/// An update that may be dropped. There is room for its gap, so that dropping it needs none.
pub(crate) const UPDATE: u8 = 4;
/// The same of which only the newest waits: in the index.
pub(crate) const NEWEST: u8 = 5;
/// What is told of updates that were dropped: in the index.
pub(crate) const GAP: u8 = 6;

/// What one record adds to its bytes: a kind and a length.
pub(crate) const RECORD: usize = 5;
/// The longest frame of a pong.
pub(crate) const PONG: usize = 2 + 125;
/// What updates that may be dropped and gaps add besides: their topic's hash, and a link of the index.
pub(crate) const LINK: usize = 8;
/// Where in a record the link is.
const NEXT: usize = RECORD + 4;

pub(crate) struct Record<'b> {
    pub(crate) kind: u8,
    body: &'b [u8],
}

impl<'b> Record<'b> {
    fn first(records: &'b [u8]) -> Option<Self> {
        let (&[kind, ref len @ ..], rest) = records.split_first_chunk::<RECORD>()?;
        Some(Self { kind, body: &rest[..u32::from_le_bytes(*len) as usize] })
    }

    /// What it takes in the buffer.
    pub(crate) fn space(&self) -> usize {
        RECORD + self.body.len()
    }

    /// What is to be sent.
    pub(crate) fn frame(&self) -> &'b [u8] {
        match self.kind {
            WHOLE | BEGUN => return self.body,
            DROPPED => return &[],
            _ => {}
        }
        let room = self.room();
        &room[..frame::split(room).expect("a whole frame was kept").2]
    }

    /// The frame, and what is kept free behind it.
    fn room(&self) -> &'b [u8] {
        if self.kind >= UPDATE { &self.body[LINK..] } else { self.body }
    }

    fn key(&self) -> u32 {
        u32::from_le_bytes(*self.body.first_chunk().expect("its kind has a key"))
    }
}

/// The hash of a topic, FNV-1a: a client whose topics collide makes only its own backlog slower.
pub(crate) fn key(topic: &[u8]) -> u32 {
    topic.iter().fold(0x811c_9dc5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// One connection's buffer, to be changed.
pub(crate) struct Records<'b> {
    pub(crate) buffer: Buffer<'b>,
    pub(crate) waiting: &'b mut Waiting,
    /// How large the index is, in chains.
    pub(crate) chains: usize,
}

impl Records<'_> {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len(&self.buffer)
    }

    pub(crate) fn record(&self, at: usize) -> Option<Record<'_>> {
        Record::first(&self.buffer[at..])
    }

    /// The oldest update that may be dropped.
    pub(crate) fn oldest(&mut self) -> Option<usize> {
        let front = self.waiting.front as usize + self.begun();
        let mut at = front.max(self.waiting.oldest as usize);
        // Without an index there is none.
        while self.waiting.indexed
            && let Some(record) = self.record(at)
        {
            let (kind, space) = (record.kind, record.space());
            self.waiting.oldest = at as u32;
            if matches!(kind, UPDATE | NEWEST) {
                return Some(at);
            }
            at += space;
        }
        None
    }

    /// What the record takes whose first bytes the socket has taken, if there is one.
    fn begun(&self) -> usize {
        match self.record(self.waiting.front as usize) {
            Some(record) if self.waiting.begun > 0 || record.kind == BEGUN => record.space(),
            _ => 0,
        }
    }

    /// Adds a record with `room` for its frame, and says where it is. The caller has made room.
    pub(crate) fn push(&mut self, kind: u8, frame: &[u8], room: usize) -> usize {
        let at = self.buffer.len();
        let link = if kind >= UPDATE { LINK } else { 0 };
        self.buffer.pad(RECORD + link).expect("there is room");
        self.write_head(at, kind, link + room);
        self.buffer.extend(frame).expect("there is room");
        self.buffer.pad(room - frame.len()).expect("there is room");
        at
    }

    /// Puts the newest pong right behind the frame that was begun, in the place of an older one if that
    /// waits. The caller has made room.
    pub(crate) fn put_pong(&mut self, frame: &[u8]) {
        let at = self.waiting.front as usize + self.begun();
        if self.buffer.get(at) != Some(&NEWEST_PONG) {
            let end = self.buffer.len();
            self.buffer.pad(RECORD + PONG).expect("there is room");
            self.buffer.copy_within(at..end, at + RECORD + PONG);
            self.write_head(at, NEWEST_PONG, PONG);
            self.renew_index();
        }
        self.buffer[at + RECORD..][..frame.len()].copy_from_slice(frame);
    }

    /// Adds an update that may be dropped, and room for more, or for its gap. The caller has made room.
    pub(crate) fn push_update(&mut self, kind: u8, key: u32, frame: &[u8], room: usize) -> usize {
        let at = self.push(kind, frame, room);
        self.write(at + RECORD, key as usize);
        if kind == NEWEST {
            self.link(at);
        }
        at
    }

    /// Makes of an update the gap of its topic. What is left of its room is free.
    pub(crate) fn make_gap(&mut self, at: usize, labels: &Labels) {
        let record = self.record(at).expect("an update waits there");
        let (kind, end) = (record.kind, at + record.space());
        if kind == UPDATE {
            self.link(at);
        }
        self.buffer[at] = GAP;
        let frame = at + RECORD + LINK;
        labels.make_gap(&mut self.buffer[frame..end]);
        let rest = frame + labels.gap_len();
        if end - rest >= RECORD {
            self.write_head(at, GAP, rest - at - RECORD);
            self.write_head(rest, DROPPED, end - rest - RECORD);
            self.waiting.holes += (end - rest) as u32;
        }
    }

    /// Counts one update more in a gap.
    pub(crate) fn add_to_gap(&mut self, at: usize) {
        let len = self.record(at).expect("a gap waits there").frame().len();
        gap::add_one(&mut self.buffer[at + RECORD + LINK..][..len]);
    }

    /// Drops an update.
    pub(crate) fn drop(&mut self, at: usize) {
        let record = self.record(at).expect("an update waits there");
        let (kind, space) = (record.kind, record.space());
        if kind == NEWEST {
            self.unlink(at);
        }
        self.buffer[at] = DROPPED;
        self.waiting.holes += space as u32;
    }

    /// The socket has taken `sent` bytes. Returns those that were not of what waits here.
    pub(crate) fn sent(&mut self, mut sent: usize) -> usize {
        if self.buffer.is_empty() {
            return sent;
        }
        while let Some(record) = self.record(self.waiting.front as usize) {
            let (kind, space) = (record.kind, record.space());
            let left = record.frame().len() - self.waiting.begun as usize;
            if sent < left {
                self.waiting.begun += sent as u32;
                sent = 0;
                break;
            }
            sent -= left;
            self.waiting.begun = 0;
            match kind {
                DROPPED => self.waiting.holes -= space as u32,
                NEWEST | GAP => self.unlink(self.waiting.front as usize),
                _ => {}
            }
            self.waiting.front += space as u32;
        }
        let (first, front) = (self.index_len(), self.waiting.front as usize);
        if front == self.buffer.len() {
            self.clear();
        } else if front - first > self.buffer.len() - front {
            self.compact();
        }
        sent
    }

    /// Forgets all but the frame that was begun.
    pub(crate) fn drop_waiting(&mut self) {
        let kept = self.begun();
        if kept == 0 {
            return self.clear();
        }
        self.buffer.truncate(self.waiting.front as usize + kept);
        self.waiting.holes = 0;
        self.renew_index();
    }

    pub(crate) fn clear(&mut self) {
        self.buffer.truncate(0);
        *self.waiting = Waiting::NOTHING;
    }

    /// Gives the memory of what was sent and dropped back. O(bytes).
    pub(crate) fn compact(&mut self) {
        let (mut to, mut from) = (self.index_len(), self.waiting.front as usize);
        // Where nothing was dropped all is one piece.
        let mut at = if self.waiting.holes == 0 { self.buffer.len() } else { from };
        self.waiting.front = to as u32;
        self.waiting.holes = 0;
        loop {
            let record = self.record(at).map(|record| (record.kind, record.space()));
            if record.is_none_or(|(kind, _)| kind == DROPPED) {
                self.buffer.copy_within(from..at, to);
                to += at - from;
            }
            let Some((kind, space)) = record else { break };
            at += space;
            if kind == DROPPED {
                from = at;
            }
        }
        self.buffer.truncate(to);
        self.renew_index();
    }

    fn write_head(&mut self, at: usize, kind: u8, len: usize) {
        self.buffer[at] = kind;
        self.write(at + 1, len);
    }

    fn read(&self, at: usize) -> usize {
        let number = self.buffer[at..].first_chunk().expect("a number is there");
        u32::from_le_bytes(*number) as usize
    }

    fn write(&mut self, at: usize, number: usize) {
        self.buffer[at..at + 4].copy_from_slice(&(number as u32).to_le_bytes());
    }
}

/// The index: chains of gaps and [`NEWEST`] updates, by the remainders of their keys. No record is at place
/// 0, which ends a chain.
impl Records<'_> {
    pub(crate) fn is_indexed(&self) -> bool {
        self.waiting.indexed
    }

    fn index_len(&self) -> usize {
        if self.waiting.indexed { 4 * self.chains } else { 0 }
    }

    pub(crate) fn begin_index(&mut self) {
        self.compact();
        let end = self.buffer.len();
        self.waiting.indexed = true;
        let size = self.index_len();
        self.buffer.pad(size).expect("there is room");
        self.buffer.copy_within(..end, size);
        self.waiting.front = size as u32;
        self.renew_index();
    }

    /// The gap, or the one update, of a topic. What was begun is left alone.
    pub(crate) fn find(&self, kind: u8, key: u32, topic: &[u8]) -> Option<usize> {
        let begun = if self.waiting.begun > 0 { self.waiting.front as usize } else { 0 };
        let mut at = self.read(self.chain(key));
        while at != 0 {
            let record = self.record(at).expect("links lead to records");
            let is_of_topic =
                |frame| Labels::of(frame).is_some_and(|labels| labels.topic(frame) == topic);
            if record.kind == kind
                && record.key() == key
                && at != begun
                && is_of_topic(record.frame())
            {
                return Some(at);
            }
            at = self.read(at + NEXT);
        }
        None
    }

    fn link(&mut self, at: usize) {
        let chain = self.chain(self.record(at).expect("a record is linked").key());
        self.write(at + NEXT, self.read(chain));
        self.write(chain, at);
    }

    fn unlink(&mut self, at: usize) {
        let mut link = self.chain(self.record(at).expect("a record is unlinked").key());
        while self.read(link) != at {
            link = self.read(link) + NEXT;
        }
        self.write(link, self.read(at + NEXT));
    }

    fn chain(&self, key: u32) -> usize {
        4 * (key as usize % self.chains)
    }

    /// After records have moved. O(records).
    fn renew_index(&mut self) {
        self.waiting.oldest = 0;
        let size = self.index_len();
        self.buffer[..size].fill(0);
        let mut at = self.waiting.front as usize;
        while size > 0
            && let Some(record) = self.record(at)
        {
            let (kind, space) = (record.kind, record.space());
            if matches!(kind, NEWEST | GAP) {
                self.link(at);
            }
            at += space;
        }
    }
}
