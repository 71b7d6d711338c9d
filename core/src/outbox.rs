//! What leaves, and how much may wait. Knows slots and bytes, not what the bytes mean to anybody.
//!
//! A frame is encoded once, at the end of the turn's buffer. Frames that follow one another for the
//! same audience are one run; each connection notes the runs that concern it. What a socket does not
//! take is copied into that connection's backlog, frame by frame.

use crate::frame::{self, Head, Opcode};
use crate::hub::NONE;
use crate::shelf::{Buffer, Buffers, Full, Shelf};

/// For whom a run of the turn's bytes is, which is also how its records are treated in a backlog.
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

#[derive(Clone, Copy)]
pub(crate) struct Run {
    start: u32,
    end: u32,
    to: To,
}

#[derive(Clone, Copy)]
pub(crate) struct Note {
    run: u32,
    next: u32,
}

/// One connection's outbound half.
#[derive(Clone, Copy)]
pub(crate) struct Outgoing {
    first: u32,
    last: u32,
    /// Where the backlog's first record is.
    front: u32,
    /// Bytes of the first record that the socket has taken.
    begun: u32,
    /// The socket takes nothing until it says so.
    blocked: bool,
}

impl Outgoing {
    pub(crate) const NOTHING: Self =
        Self { first: NONE, last: NONE, front: 0, begun: 0, blocked: false };

    fn has_notes(&self) -> bool {
        self.first != NONE
    }
}

/// What is left of the turn was not kept.
pub(crate) enum Overflow {
    /// The backlog's limit was reached.
    Slow,
    /// Lent memory has no room for the rest of something that was begun.
    Cut,
}

pub(crate) struct Outbox<'m> {
    pub(crate) turn: Shelf<'m, u8>,
    pub(crate) runs: Shelf<'m, Run>,
    pub(crate) notes: Shelf<'m, Note>,
    pub(crate) backlogs: Buffers<'m>,
    pub(crate) backlog_limit: usize,
    /// The last run may still grow: nobody has come, left or been written to since.
    pub(crate) growing: bool,
    /// Bytes of the parts that were handed to the driver last.
    pub(crate) offered: usize,
}

/// What one record adds to its bytes: a kind and a length.
const RECORD: usize = 5;
/// A pong's record keeps room for the longest.
const PONG: usize = 2 + 125;
/// Beyond the backlog's limit there is always room for a pong that was begun, a pong and a close frame.
pub(crate) const SLACK: usize = 3 * (RECORD + PONG);
/// The longest head of a frame that we send (RFC 6455 section 5.2: unmasked).
pub(crate) const MAX_HEAD: usize = 10;
/// How many slices one write gathers at most.
const PARTS: usize = 64;

impl Outbox<'_> {
    /// Whether a frame of `bytes`, for `listeners`, still fits into this turn.
    #[inline]
    pub(crate) fn fits(&self, bytes: usize, listeners: usize) -> bool {
        self.turn.room() >= bytes && self.runs.room() > 0 && self.notes.room() >= listeners
    }

    /// Writes one frame of `len` payload bytes and returns the run that the audience has to note,
    /// if they do not note it already. The caller has asked whether it fits.
    #[inline]
    pub(crate) fn frame(
        &mut self,
        to: To,
        opcode: Opcode,
        len: usize,
        write: impl FnOnce(&mut Shelf<'_, u8>) -> Result<(), Full>,
    ) -> Result<Option<u32>, Full> {
        let start = self.turn.len();
        self.turn.extend(Head::new(opcode, len, None).as_slice())?;
        write(&mut self.turn)?;
        self.run(to, start)
    }

    /// Appends bytes that are framed already, or are no frame. On `Full` nothing has changed.
    #[inline]
    pub(crate) fn raw(
        &mut self,
        to: To,
        write: impl FnOnce(&mut Shelf<'_, u8>) -> Result<(), Full>,
    ) -> Result<Option<u32>, Full> {
        let start = self.turn.len();
        if write(&mut self.turn).is_err() {
            self.turn.truncate(start);
            return Err(Full);
        }
        self.run(to, start)
    }

    #[inline]
    fn run(&mut self, to: To, start: usize) -> Result<Option<u32>, Full> {
        let end = self.turn.len() as u32;
        if let Some(last) = self.runs.last_mut()
            && self.growing
            && last.to == to
        {
            last.end = end;
            return Ok(None);
        }
        self.runs.push(Run { start: start as u32, end, to })?;
        self.growing = true;
        Ok(Some(self.runs.len() as u32 - 1))
    }

    #[inline]
    pub(crate) fn note(&mut self, out: &mut Outgoing, run: u32) {
        let note = self.notes.len() as u32;
        self.notes.push(Note { run, next: NONE }).expect("the caller has asked whether it fits");
        match self.notes.get_mut(out.last as usize) {
            Some(last) => last.next = note,
            None => out.first = note,
        }
        out.last = note;
    }

    /// Whatever is written next is noted afresh.
    #[inline]
    pub(crate) fn seal(&mut self) {
        self.growing = false;
    }

    /// Everybody has been written to: the turn's memory is free again.
    pub(crate) fn end_turn(&mut self) {
        self.turn.truncate(0);
        self.runs.truncate(0);
        self.notes.truncate(0);
        self.growing = false;
    }

    fn backlog_len(&self, slot: usize, out: &Outgoing) -> usize {
        self.backlogs.bytes(slot).len() - out.front as usize
    }

    /// Whether more than `bytes` wait, of this turn and of earlier ones. O(1) until the turn has so
    /// many, then O(runs noted).
    #[inline]
    pub(crate) fn holds_more_than(&self, bytes: usize, slot: usize, out: &Outgoing) -> bool {
        let backlog = self.backlog_len(slot, out);
        backlog + self.turn.len() > bytes && backlog + self.noted(out) > bytes
    }

    /// What this turn holds for a slot begins with bytes of HTTP.
    pub(crate) fn begins_raw(&self, out: &Outgoing) -> bool {
        let first = self.notes.get(out.first as usize);
        first.is_some_and(|note| matches!(self.runs[note.run as usize].to, To::Raw(_)))
    }

    fn noted(&self, out: &Outgoing) -> usize {
        let (mut bytes, mut at) = (0, out.first);
        while let Some(note) = self.notes.get(at as usize) {
            let run = self.runs[note.run as usize];
            bytes += (run.end - run.start) as usize;
            at = note.next;
        }
        bytes
    }

    /// Nothing waits, neither of this turn nor of an earlier one.
    pub(crate) fn is_idle(&self, slot: usize, out: &Outgoing) -> bool {
        !out.has_notes() && self.backlog_len(slot, out) == 0
    }

    /// The slices to write next, oldest first; neighbours are one slice.
    pub(crate) fn parts(&self, slot: usize, out: &Outgoing) -> Parts<'_> {
        Parts {
            backlog: &self.backlogs.bytes(slot)[out.front as usize..],
            begun: out.begun as usize,
            note: out.first,
            outbox: (&self.turn, &self.runs, &self.notes),
            left: PARTS,
        }
    }

    /// The socket has taken `sent` bytes of what was offered. True when it has taken everything.
    pub(crate) fn sent(
        &mut self,
        slot: usize,
        out: &mut Outgoing,
        sent: usize,
    ) -> Result<bool, Overflow> {
        let short = sent < self.offered;
        let mut sent = sent;
        let mut backlog = self.backlogs.row(slot);
        while let Some(record) = Record::first(&backlog[out.front as usize..]) {
            let left = record.bytes.len() - out.begun as usize;
            if sent < left {
                out.begun += sent as u32;
                sent = 0;
                break;
            }
            sent -= left;
            out.begun = 0;
            out.front += record.space as u32;
        }
        let front = out.front as usize;
        if front == backlog.len() || front > backlog.len() / 2 {
            backlog.discard_front(front);
            out.front = 0;
        }
        while let Some(note) = self.notes.get(out.first as usize).copied() {
            let run = self.runs[note.run as usize];
            let len = (run.end - run.start) as usize;
            if short && sent < len {
                out.blocked = true;
                return self.stash(slot, out, sent).map(|()| false);
            }
            if sent < len {
                break;
            }
            sent -= len;
            out.first = note.next;
        }
        if !out.has_notes() {
            out.last = NONE;
        }
        out.blocked = short;
        Ok(!out.blocked && self.is_idle(slot, out))
    }

    /// Moves what this connection has noted into its backlog, but for the first `sent` bytes.
    pub(crate) fn stash(
        &mut self,
        slot: usize,
        out: &mut Outgoing,
        mut sent: usize,
    ) -> Result<(), Overflow> {
        // What is noted no more must not grow.
        self.seal();
        let mut at = core::mem::replace(&mut out.first, NONE);
        out.last = NONE;
        while let Some(note) = self.notes.get(at as usize).copied() {
            at = note.next;
            let run = self.runs[note.run as usize];
            let mut bytes = &self.turn[run.start as usize..run.end as usize];
            while !bytes.is_empty() {
                let len = match run.to {
                    To::Raw(_) => bytes.len(),
                    _ => frame::split(bytes).expect("a run is made of whole frames").2,
                };
                let (frame, rest) = bytes.split_at(len);
                bytes = rest;
                if sent >= len {
                    sent -= len;
                    continue;
                }
                let mut backlog = self.backlogs.row(slot);
                // Nothing may come before the handshake's answer, and no frame follows half of it.
                let begun = sent > 0 || matches!(run.to, To::Raw(_));
                keep(&mut backlog, out, self.backlog_limit, run.to, &frame[sent..], begun)?;
                sent = 0;
            }
        }
        Ok(())
    }

    /// Puts a control frame straight into the backlog, where there is always room for a pong and a close.
    pub(crate) fn keep_now(
        &mut self,
        slot: usize,
        out: &mut Outgoing,
        to: To,
        opcode: Opcode,
        payload: &[u8],
    ) -> Result<(), Overflow> {
        let mut frame = [0; PONG];
        let head = Head::new(opcode, payload.len(), None);
        let len = head.as_slice().len() + payload.len();
        frame[..len - payload.len()].copy_from_slice(head.as_slice());
        frame[len - payload.len()..len].copy_from_slice(payload);
        keep(&mut self.backlogs.row(slot), out, self.backlog_limit, to, &frame[..len], false)
    }

    /// Forgets what waits, but finishes the frame that was begun.
    pub(crate) fn drop_waiting(&mut self, slot: usize, out: &mut Outgoing) {
        (out.first, out.last) = (NONE, NONE);
        let mut backlog = self.backlogs.row(slot);
        let front = out.front as usize;
        let kept = match Record::first(&backlog[front..]) {
            Some(record) if out.begun > 0 || record.kind & BEGUN != 0 => record.space,
            _ => 0,
        };
        backlog.truncate(front + kept);
        if kept == 0 {
            backlog.truncate(0);
            out.front = 0;
        }
    }

    /// Forgets everything of a slot.
    pub(crate) fn clear(&mut self, slot: usize, out: &mut Outgoing) {
        self.backlogs.row(slot).truncate(0);
        *out = Outgoing::NOTHING;
    }
}

impl Outgoing {
    #[inline]
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked
    }

    pub(crate) fn unblock(&mut self) {
        self.blocked = false;
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

fn keep(
    backlog: &mut Buffer<'_>,
    out: &mut Outgoing,
    limit: usize,
    to: To,
    frame: &[u8],
    begun: bool,
) -> Result<(), Overflow> {
    if matches!(to, To::Pong(_)) && !begun {
        keep_pong(backlog, out, limit, frame);
        return Ok(());
    }
    let space = RECORD + frame.len();
    let waiting = backlog.len() - out.front as usize;
    let is_limited = !begun && matches!(to, To::Reply(_) | To::Pong(_) | To::Update(_) | To::All);
    if is_limited && waiting + space > limit {
        return Err(Overflow::Slow);
    }
    make_room(backlog, out, limit, space);
    // A close frame comes last; whatever else comes leaves room for it.
    let kept_back = if matches!(to, To::Close(_)) { 0 } else { SLACK };
    if !is_limited && backlog.room() < space + kept_back {
        return Err(Overflow::Cut);
    }
    let kind = if begun { DATA | BEGUN } else { DATA };
    backlog.extend(&head(kind, frame.len())).expect("there is room up to the limit");
    backlog.extend(frame).expect("there is room up to the limit");
    Ok(())
}

/// Gives the memory of what was sent back before more is taken.
fn make_room(backlog: &mut Buffer<'_>, out: &mut Outgoing, limit: usize, space: usize) {
    if backlog.len() + space > limit + SLACK {
        backlog.discard_front(core::mem::take(&mut out.front) as usize);
    }
}

/// One pong waits at most, right after the frame that was begun; a newer one takes its place.
fn keep_pong(backlog: &mut Buffer<'_>, out: &mut Outgoing, limit: usize, frame: &[u8]) {
    make_room(backlog, out, limit, RECORD + PONG);
    let mut at = out.front as usize;
    if let Some(record) = Record::first(&backlog[at..])
        && (out.begun > 0 || record.kind & BEGUN != 0)
    {
        at += record.space;
    }
    let waits = backlog.get(at) == Some(&PONG_KIND);
    if !waits {
        let end = backlog.len();
        backlog.extend(&[0; RECORD + PONG]).expect("the limit leaves room");
        backlog.copy_within(at..end, at + RECORD + PONG);
    }
    backlog[at..at + RECORD].copy_from_slice(&head(PONG_KIND, frame.len()));
    backlog[at + RECORD..][..frame.len()].copy_from_slice(frame);
}

/// The slices of one write.
pub(crate) struct Parts<'e> {
    backlog: &'e [u8],
    begun: usize,
    note: u32,
    outbox: (&'e [u8], &'e [Run], &'e [Note]),
    left: usize,
}

impl<'e> Iterator for Parts<'e> {
    type Item = &'e [u8];

    #[inline]
    fn next(&mut self) -> Option<&'e [u8]> {
        self.left = self.left.checked_sub(1)?;
        if let Some(record) = Record::first(self.backlog) {
            let bytes = &record.bytes[core::mem::take(&mut self.begun)..];
            self.backlog = &self.backlog[record.space..];
            return Some(bytes);
        }
        let (turn, runs, notes) = self.outbox;
        let note = notes.get(self.note as usize)?;
        let Run { start, mut end, .. } = runs[note.run as usize];
        self.note = note.next;
        while let Some(note) = notes.get(self.note as usize)
            && runs[note.run as usize].start == end
        {
            end = runs[note.run as usize].end;
            self.note = note.next;
        }
        Some(&turn[start as usize..end as usize])
    }
}
