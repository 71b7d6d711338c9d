//! What leaves, encoded once for all. Knows slots and bytes, not what the bytes mean to anybody.
//!
//! A frame is encoded once, at the end of the turn's buffer. Frames that follow one another for the
//! same audience are one run; each connection notes the runs that concern it. What a socket does not
//! take is copied into that connection's backlog, frame by frame.

use crate::backlog::{Backlog, Overflow, To};
use crate::encode::Encode;
use crate::frame::{self, Head, Opcode};
use crate::hub::NONE;
use crate::records::{Frames, PONG, Waiting};
use crate::shelf::{Buffers, Full, Shelf, Sink};

#[derive(Clone, Copy)]
pub(crate) struct Run {
    start: u32,
    end: u32,
    to: To,
}

impl Run {
    #[inline]
    fn len(&self) -> usize {
        (self.end - self.start) as usize
    }
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
    /// Bytes of the runs that are noted, but for the last, which may still grow.
    noted: u32,
    waiting: Waiting,
    /// The socket takes nothing until it says so.
    blocked: bool,
}

impl Outgoing {
    pub(crate) const NOTHING: Self =
        Self { first: NONE, last: NONE, noted: 0, waiting: Waiting::NOTHING, blocked: false };

    fn has_notes(&self) -> bool {
        self.first != NONE
    }

    fn forget_notes(&mut self) {
        (self.first, self.last, self.noted) = (NONE, NONE, 0);
    }
}

pub(crate) struct Outbox<'m> {
    pub(crate) turn: Shelf<'m, u8>,
    pub(crate) runs: Shelf<'m, Run>,
    pub(crate) notes: Shelf<'m, Note>,
    pub(crate) backlogs: Buffers<'m>,
    pub(crate) backlog_limit: usize,
    /// Updates that were dropped, by listener.
    pub(crate) dropped: u64,
    /// The last run may still grow: nobody has come, left or been written to since.
    pub(crate) growing: bool,
    /// Bytes of the parts that were handed to the driver last.
    pub(crate) offered: usize,
    /// Whose they are, until the driver tells what became of them.
    pub(crate) asked: u32,
}

/// The longest head of a frame that we send (RFC 6455 section 5.2: unmasked).
pub(crate) const MAX_HEAD: usize = 10;
/// How many slices one write gathers at most.
pub(crate) const PARTS: usize = 64;

impl Outbox<'_> {
    /// Whether a frame of `bytes`, for `listeners`, still fits into this turn.
    #[inline]
    pub(crate) fn fits(&self, bytes: usize, listeners: usize) -> bool {
        // Every run is noted, so that there is room for one where there is for a note.
        self.turn.room() >= bytes && self.notes.room() >= listeners
    }

    /// Writes one frame of `len` payload bytes and returns the run that the audience has to note,
    /// if they do not note it already. The caller has asked whether it fits.
    #[inline]
    pub(crate) fn frame(
        &mut self,
        to: To,
        opcode: Opcode,
        len: usize,
        payload: &impl Encode,
    ) -> Result<Option<u32>, Full> {
        let start = self.turn.len();
        Frame(Head::new(opcode, len, None), payload).write_to(&mut self.turn)?;
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

    #[inline(always)]
    fn run(&mut self, to: To, start: usize) -> Result<Option<u32>, Full> {
        let end = self.turn.len() as u32;
        if self.growing
            && let Some(last) = self.runs.last_mut()
            && last.to == to
        {
            last.end = end;
            return Ok(None);
        }
        self.begin_run(Run { start: start as u32, end, to })
    }

    fn begin_run(&mut self, run: Run) -> Result<Option<u32>, Full> {
        self.runs.push(run)?;
        self.growing = true;
        Ok(Some(self.runs.len() as u32 - 1))
    }

    #[inline]
    pub(crate) fn note(&mut self, out: &mut Outgoing, run: u32) {
        let note = self.notes.len() as u32;
        self.notes.push(Note { run, next: NONE }).expect("the caller has asked whether it fits");
        match self.notes.get_mut(out.last as usize) {
            Some(last) => {
                last.next = note;
                out.noted += self.runs[last.run as usize].len() as u32;
            }
            None => out.first = note,
        }
        out.last = note;
    }

    /// Nothing will be told of what this slot was offered.
    pub(crate) fn take_back(&mut self, slot: usize) {
        if self.asked == slot as u32 {
            self.asked = NONE;
        }
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

    #[inline]
    fn backlog_len(&self, slot: usize, out: &Outgoing) -> usize {
        out.waiting.len(self.backlogs.bytes(slot))
    }

    /// More than `limit` bytes wait, of this turn and of earlier ones.
    #[inline(always)]
    pub(crate) fn waits_over(&self, limit: usize, slot: usize, out: &Outgoing) -> bool {
        let backlog = self.backlog_len(slot, out);
        // No connection has noted more than everybody together.
        backlog + self.turn.len() > limit && backlog + self.noted(out) > limit
    }

    /// Bytes of this turn that wait.
    fn noted(&self, out: &Outgoing) -> usize {
        let last = self.notes.get(out.last as usize);
        let last = last.map_or(0, |note| self.runs[note.run as usize].len());
        out.noted as usize + last
    }

    /// What this turn holds for a slot begins with bytes of HTTP.
    pub(crate) fn begins_raw(&self, out: &Outgoing) -> bool {
        let first = self.notes.get(out.first as usize);
        first.is_some_and(|note| matches!(self.runs[note.run as usize].to, To::Raw(_)))
    }

    /// Nothing waits, neither of this turn nor of an earlier one.
    pub(crate) fn is_idle(&self, slot: usize, out: &Outgoing) -> bool {
        !out.has_notes() && self.backlog_len(slot, out) == 0
    }

    /// The slices to write next, oldest first; neighbours are one slice.
    pub(crate) fn parts(&self, slot: usize, out: &Outgoing) -> Parts<'_> {
        Parts {
            backlog: out.waiting.frames(self.backlogs.bytes(slot)),
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
        debug_assert_eq!(self.asked, slot as u32, "the driver was offered nothing to be sent");
        debug_assert!(sent <= self.offered, "a socket takes no more than it was offered");
        self.asked = NONE;
        let short = sent < self.offered;
        let mut sent = self.backlog(slot, &mut out.waiting).sent(sent);
        while let Some(note) = self.notes.get(out.first as usize).copied() {
            let len = self.runs[note.run as usize].len();
            if short && sent < len {
                out.blocked = true;
                return self.stash(slot, out, sent).map(|()| false);
            }
            if sent < len {
                break;
            }
            sent -= len;
            out.first = note.next;
            match note.next {
                NONE => out.last = NONE,
                _ => out.noted -= len as u32,
            }
        }
        out.blocked = short;
        Ok(!out.blocked && self.is_idle(slot, out))
    }

    /// Moves what this connection has noted into its backlog, but for the first `sent` bytes. A reader
    /// that is too slow keeps only what was begun, and its close frame if that was noted.
    pub(crate) fn stash(
        &mut self,
        slot: usize,
        out: &mut Outgoing,
        mut sent: usize,
    ) -> Result<(), Overflow> {
        // What is noted no more must not grow.
        self.seal();
        let mut at = out.first;
        out.forget_notes();
        let mut kept = Ok(());
        while let Some(note) = self.notes.get(at as usize).copied() {
            at = note.next;
            let run = self.runs[note.run as usize];
            // Of what is too much only the close frame is left, which has room beyond the limit.
            if kept.is_err() && !matches!(run.to, To::Close(_)) {
                continue;
            }
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
                // Nothing may come before the handshake's answer, and no frame follows half of it.
                let begun = sent > 0 || matches!(run.to, To::Raw(_));
                let (buffer, waiting) = (self.backlogs.row(slot), &mut out.waiting);
                let mut backlog =
                    Backlog::new(buffer, waiting, self.backlog_limit, &mut self.dropped);
                match backlog.keep(run.to, &frame[sent..], begun) {
                    Err(Overflow::Slow) => {
                        backlog.drop_waiting();
                        kept = Err(Overflow::Slow);
                        break;
                    }
                    kept => kept?,
                }
                sent = 0;
            }
        }
        kept
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
        self.backlog(slot, &mut out.waiting).keep(to, &frame[..len], false)
    }

    /// Forgets what waits, but finishes the frame that was begun.
    pub(crate) fn drop_waiting(&mut self, slot: usize, out: &mut Outgoing) {
        out.forget_notes();
        self.backlog(slot, &mut out.waiting).drop_waiting();
    }

    /// Forgets everything of a slot.
    pub(crate) fn clear(&mut self, slot: usize, out: &mut Outgoing) {
        self.backlog(slot, &mut out.waiting).clear();
        *out = Outgoing::NOTHING;
    }

    fn backlog<'b>(&'b mut self, slot: usize, waiting: &'b mut Waiting) -> Backlog<'b> {
        let buffer = self.backlogs.row(slot);
        Backlog::new(buffer, waiting, self.backlog_limit, &mut self.dropped)
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

/// One frame.
struct Frame<'p, P>(Head, &'p P);

impl<P: Encode> Encode for Frame<'_, P> {
    #[inline(always)]
    fn write(&self, sink: &mut impl Sink) -> Result<(), Full> {
        match self.0.as_slice() {
            // Nearly every head; what has a known length is copied without a call.
            &[first, second] => sink.put(&[first, second])?,
            head => sink.put(head)?,
        }
        self.1.write(sink)
    }
}

/// The slices of one write.
pub(crate) struct Parts<'e> {
    backlog: Frames<'e>,
    note: u32,
    outbox: (&'e [u8], &'e [Run], &'e [Note]),
    left: usize,
}

impl<'e> Iterator for Parts<'e> {
    type Item = &'e [u8];

    #[inline]
    fn next(&mut self) -> Option<&'e [u8]> {
        self.left = self.left.checked_sub(1)?;
        if let Some(frame) = self.backlog.next() {
            return Some(frame);
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

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use crate::config::SlowConsumer;
    use proptest::prelude::*;
    use std::vec::Vec;

    #[derive(Clone, Debug)]
    enum Step {
        Reply { slot: usize, len: usize },
        Update { len: usize },
        Write { slot: usize, most: usize },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0_usize..2, 0_usize..200).prop_map(|(slot, len)| Step::Reply { slot, len }),
            (0_usize..200).prop_map(|len| Step::Update { len }),
            (0_usize..2, 0_usize..2_000).prop_map(|(slot, most)| Step::Write { slot, most }),
        ]
    }

    proptest! {
        #[test]
        fn what_waits_is_known_without_a_walk(steps in prop::collection::vec(step(), 0..60)) {
            let mut outbox = Outbox {
                turn: Shelf::Owned(Vec::new()),
                runs: Shelf::Owned(Vec::new()),
                notes: Shelf::Owned(Vec::new()),
                backlogs: Buffers::Owned { rows: Vec::new(), limit: usize::MAX },
                backlog_limit: 100_000,
                dropped: 0,
                growing: false,
                offered: 0,
                asked: NONE,
            };
            let mut outs = [Outgoing::NOTHING; 2];
            for step in steps {
                match step {
                    Step::Reply { slot, len } => {
                        let to = To::Reply(slot as u32);
                        let run = outbox.frame(to, Opcode::Text, len, &&[b'x'; 200][..len]).unwrap();
                        run.into_iter().for_each(|run| outbox.note(&mut outs[slot], run));
                    }
                    Step::Update { len } => {
                        let to = To::Update(0, SlowConsumer::Close);
                        let run = outbox.frame(to, Opcode::Text, len, &&[b'x'; 200][..len]).unwrap();
                        for out in &mut outs {
                            run.into_iter().for_each(|run| outbox.note(out, run));
                        }
                    }
                    Step::Write { slot, most } => {
                        outbox.seal();
                        outbox.offered = outbox.parts(slot, &outs[slot]).map(<[u8]>::len).sum();
                        outbox.asked = slot as u32;
                        let sent = most.min(outbox.offered);
                        prop_assert!(outbox.sent(slot, &mut outs[slot], sent).is_ok());
                    }
                }
                for (slot, out) in outs.iter().enumerate() {
                    let mut parts = outbox.parts(slot, out);
                    parts.left = usize::MAX;
                    let kept = out.waiting.frames(outbox.backlogs.bytes(slot));
                    let noted = parts.map(<[u8]>::len).sum::<usize>() - kept.map(<[u8]>::len).sum::<usize>();
                    prop_assert_eq!(outbox.noted(out), noted);
                    let waiting = outbox.backlog_len(slot, out) + noted;
                    prop_assert!(!outbox.waits_over(waiting, slot, out));
                    prop_assert!(waiting == 0 || outbox.waits_over(waiting - 1, slot, out));
                }
            }
        }
    }
}
