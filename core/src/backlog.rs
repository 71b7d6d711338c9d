//! What waits for one connection, and how much may. Knows whole frames and how each is treated, not
//! whose they are.

use crate::shelf::Buffer;

/// For whom a run of the turn's bytes is, which is also how its frames are treated in a backlog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum To {
    /// Bytes of HTTP.
    Raw(u32),
    /// Replies and control frames of one slot.
    Reply(u32),
    /// The pong of one slot: only the newest waits.
    Pong(u32),
    /// The last frame of one slot.
    Close(u32),
    /// Updates of a topic.
    Update(u32),
    /// Updates for every open connection.
    All,
}

/// Where the records of one connection's buffer are.
#[derive(Clone, Copy)]
pub(crate) struct Waiting {
    /// Where the first record is.
    front: u32,
    /// Bytes of the first record that the socket has taken.
    begun: u32,
}

impl Waiting {
    pub(crate) const NOTHING: Self = Self { front: 0, begun: 0 };

    /// How much of a buffer waits, in bytes, with what records add.
    #[inline]
    pub(crate) fn len(&self, buffer: &[u8]) -> usize {
        buffer.len() - self.front as usize
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
        let record = Record::first(self.records)?;
        self.records = &self.records[record.space..];
        Some(&record.bytes[core::mem::take(&mut self.begun)..])
    }
}

/// What is left was not kept.
pub(crate) enum Overflow {
    /// The limit was reached.
    Slow,
    /// Lent memory has no room for the rest of something that was begun.
    Cut,
}

/// One connection's buffer, in which a record is added or taken away.
pub(crate) struct Backlog<'b> {
    pub(crate) buffer: Buffer<'b>,
    pub(crate) waiting: &'b mut Waiting,
    pub(crate) limit: usize,
}

/// What one record adds to its bytes: a kind and a length.
const RECORD: usize = 5;
/// A pong's record keeps room for the longest.
pub(crate) const PONG: usize = 2 + 125;
/// Beyond the limit there is always room for a pong that was begun, a pong and a close frame.
pub(crate) const SLACK: usize = 3 * (RECORD + PONG);

impl Backlog<'_> {
    /// Keeps a frame, or the rest of one that was begun.
    pub(crate) fn keep(&mut self, to: To, frame: &[u8], begun: bool) -> Result<(), Overflow> {
        if matches!(to, To::Pong(_)) && !begun {
            self.keep_pong(frame);
            return Ok(());
        }
        let space = RECORD + frame.len();
        let is_limited = !begun && matches!(to, To::Reply(_) | To::Update(_) | To::All);
        if is_limited && self.waiting.len(&self.buffer) + space > self.limit {
            return Err(Overflow::Slow);
        }
        self.make_room(space);
        // A close frame comes last; whatever else comes leaves room for it.
        let kept_back = if matches!(to, To::Close(_)) { 0 } else { SLACK };
        if !is_limited && self.buffer.room() < space + kept_back {
            return Err(Overflow::Cut);
        }
        let kind = if begun { DATA | BEGUN } else { DATA };
        self.buffer.extend(&head(kind, frame.len())).expect("there is room up to the limit");
        self.buffer.extend(frame).expect("there is room up to the limit");
        Ok(())
    }

    /// One pong waits at most, right after the frame that was begun; a newer one takes its place.
    fn keep_pong(&mut self, frame: &[u8]) {
        self.make_room(RECORD + PONG);
        let at = self.waiting.front as usize + self.begun();
        if self.buffer.get(at) != Some(&PONG_KIND) {
            let end = self.buffer.len();
            self.buffer.extend(&[0; RECORD + PONG]).expect("the limit leaves room");
            self.buffer.copy_within(at..end, at + RECORD + PONG);
        }
        self.buffer[at..at + RECORD].copy_from_slice(&head(PONG_KIND, frame.len()));
        self.buffer[at + RECORD..][..frame.len()].copy_from_slice(frame);
    }

    /// The socket has taken `sent` bytes. Returns those that were not of what waits here.
    pub(crate) fn sent(&mut self, mut sent: usize) -> usize {
        while let Some(record) = Record::first(&self.buffer[self.waiting.front as usize..]) {
            let left = record.bytes.len() - self.waiting.begun as usize;
            if sent < left {
                self.waiting.begun += sent as u32;
                sent = 0;
                break;
            }
            sent -= left;
            self.waiting.begun = 0;
            self.waiting.front += record.space as u32;
        }
        let front = self.waiting.front as usize;
        if front == self.buffer.len() || front > self.buffer.len() / 2 {
            self.discard_front();
        }
        sent
    }

    /// Forgets what waits, but finishes the frame that was begun.
    pub(crate) fn drop_waiting(&mut self) {
        let kept = self.begun();
        self.buffer.truncate(self.waiting.front as usize + kept);
        if kept == 0 {
            self.clear();
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.buffer.truncate(0);
        *self.waiting = Waiting::NOTHING;
    }

    /// What the record takes whose first bytes the socket has taken, if there is one.
    fn begun(&self) -> usize {
        match Record::first(&self.buffer[self.waiting.front as usize..]) {
            Some(record) if self.waiting.begun > 0 || record.kind & BEGUN != 0 => record.space,
            _ => 0,
        }
    }

    /// Gives the memory of what was sent back before more is taken.
    fn make_room(&mut self, space: usize) {
        if self.buffer.len() + space > self.limit + SLACK {
            self.discard_front();
        }
    }

    fn discard_front(&mut self) {
        self.buffer.discard_front(core::mem::take(&mut self.waiting.front) as usize);
    }
}

/// The first byte of a record: what it is.
const DATA: u8 = 0;
const PONG_KIND: u8 = 1;
/// The socket has taken the frame's first bytes already, and the record holds the rest; or it is HTTP.
const BEGUN: u8 = 0x80;

struct Record<'b> {
    kind: u8,
    bytes: &'b [u8],
    /// What it takes in the backlog.
    space: usize,
}

impl<'b> Record<'b> {
    fn first(backlog: &'b [u8]) -> Option<Self> {
        let (&[kind, ref len @ ..], bytes) = backlog.split_first_chunk::<RECORD>()?;
        let len = u32::from_le_bytes(*len) as usize;
        let space = RECORD + if kind == PONG_KIND { PONG } else { len };
        Some(Self { kind, bytes: &bytes[..len], space })
    }
}

fn head(kind: u8, len: usize) -> [u8; RECORD] {
    let [a, b, c, d] = (len as u32).to_le_bytes();
    [kind, a, b, c, d]
}
