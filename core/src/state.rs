//! The tables of one shard, who comes, stays and goes. Knows no bytes and no application.

use crate::action::{Close, Denied};
use crate::assembly::Assembly;
use crate::changes::Changes;
use crate::config::Config;
use crate::counts::Counts;
use crate::deadlines::Deadlines;
use crate::frame::Role;
use crate::hub::{Hub, Interest, NONE};
use crate::ids::{CallId, ConnectionId};
use crate::marks::Marks;
use crate::outbox::{Outbox, Outgoing};
use crate::session::{Phase, Session};
use crate::shelf::{Full, Shelf};
use crate::time::{Duration, Instant, micros};
use crate::topic;

/// One connection's row. A free row keeps its generation and threads the free list.
pub(crate) struct Seat {
    generation: u32,
    next_free: u32,
    pub(crate) uid: [u8; 16],
    pub(crate) session: Session,
    pub(crate) assembly: Assembly,
    pub(crate) interest: Interest,
    pub(crate) outgoing: Outgoing,
    pub(crate) transmit: bool,
    ready: bool,
    gone: bool,
}

impl Seat {
    const VACANT: Self = Self {
        generation: 0,
        next_free: NONE,
        uid: [0; 16],
        session: Session::new(Instant::ZERO, Phase::Gone),
        assembly: Assembly::new(Role::Server),
        interest: Interest::NOTHING,
        outgoing: Outgoing::NOTHING,
        transmit: false,
        ready: false,
        gone: false,
    };
}

pub(crate) struct State<'m> {
    pub(crate) config: Config,
    pub(crate) seats: Shelf<'m, Seat>,
    pub(crate) free_seat: u32,
    pub(crate) hub: Hub<'m>,
    pub(crate) outbox: Outbox<'m>,
    pub(crate) deadlines: Deadlines<'m>,
    /// Something waits to be written.
    pub(crate) transmit: Marks<'m>,
    /// What was parked may be dispatched.
    pub(crate) ready: Marks<'m>,
    /// The driver is to drop the socket.
    pub(crate) gone: Marks<'m>,
    /// Connections whose handshake is done and whose end has not begun.
    pub(crate) open: u32,
    /// Rows that are not free.
    pub(crate) taken: u32,
    /// Those among the open whose first message is still to say who it is from.
    pub(crate) strangers: u32,
    /// A first message has to say that.
    pub(crate) authenticates: bool,
    pub(crate) counts: Counts,
    pub(crate) changes: Changes,
    pub(crate) drain: Option<Drain>,
}

/// When who leaves: open connections one after the other, in the order of their slots.
#[derive(Clone, Copy)]
pub(crate) struct Drain {
    from: Instant,
    /// The first slot and the number of slots up to the last that were open at the start.
    first: usize,
    count: usize,
}

impl State<'_> {
    /// The row of a connection that has not ended.
    #[inline]
    pub(crate) fn slot(&self, id: ConnectionId) -> Option<usize> {
        let seat = self.seats.get(id.slot as usize)?;
        (seat.generation == id.generation && seat.session.phase < Phase::Gone)
            .then_some(id.slot as usize)
    }

    /// The row of a connection whose call is still running.
    pub(crate) fn calling(&self, call: CallId) -> Option<usize> {
        let slot = self.slot(call.connection)?;
        let session = &self.seats[slot].session;
        (session.calling && session.call == call.number).then_some(slot)
    }

    pub(crate) fn id(&self, slot: usize) -> ConnectionId {
        ConnectionId { slot: slot as u32, generation: self.seats[slot].generation }
    }

    pub(crate) fn seat(
        &mut self,
        now: Instant,
        uid: [u8; 16],
        phase: Phase,
    ) -> Result<usize, Full> {
        let slot = match self.seats.get(self.free_seat as usize) {
            Some(_) => self.free_seat as usize,
            None => {
                self.seats.push(Seat::VACANT)?;
                self.deadlines.grow().expect("there is a deadline for each seat");
                self.seats.len() - 1
            }
        };
        let seat = &mut self.seats[slot];
        self.free_seat = seat.next_free;
        // Marks outlive the connection that left them, so that a row is never queued twice.
        *seat = Seat {
            generation: seat.generation,
            transmit: seat.transmit,
            ready: seat.ready,
            uid,
            session: Session::new(now, phase),
            ..Seat::VACANT
        };
        self.taken += 1;
        if phase == Phase::Open {
            self.count_in(slot);
        }
        self.set_deadline(slot);
        Ok(slot)
    }

    pub(crate) fn open(&mut self, now: Instant, slot: usize) {
        self.seats[slot].session.open(now);
        self.count_in(slot);
        self.set_deadline(slot);
    }

    fn count_in(&mut self, slot: usize) {
        self.open += 1;
        self.seats[slot].session.stranger = self.authenticates;
        self.strangers += u32::from(self.authenticates);
        // It does not note what was said to all before.
        self.outbox.seal();
    }

    /// The peer has sent something.
    #[inline]
    pub(crate) fn hear(&mut self, now: Instant, slot: usize) {
        if self.seats[slot].session.handle_frame(now, &self.config) {
            self.set_deadline(slot);
        }
    }

    /// The deadline of a phase that has just begun, or whose time has come.
    pub(crate) fn set_deadline(&mut self, slot: usize) {
        let at = self.seats[slot].session.poll_timeout(&self.config);
        self.deadlines.set(slot, at.into_iter().chain(self.leaves_at(slot)).min());
    }

    /// Nobody begins a handshake any more, and everybody leaves in time.
    pub(crate) fn drain(&mut self, now: Instant) {
        let open = |seat: &Seat| seat.session.phase == Phase::Open;
        let first = self.seats.iter().position(open).unwrap_or(0);
        let count = self.seats.iter().rposition(open).map_or(0, |last| last + 1 - first);
        self.drain = Some(Drain { from: now, first, count });
        for slot in 0..self.seats.len() {
            match self.seats[slot].session.phase {
                Phase::Handshake => self.enter(now, slot, Phase::Gone),
                Phase::Posting => self.close(now, slot, Close::SHUTDOWN),
                Phase::Open => self.set_deadline(slot),
                _ => {}
            }
        }
    }

    /// One more connection may be opened.
    pub(crate) fn takes_more(&self) -> bool {
        self.open < self.config.connections && self.drain.is_none()
    }

    /// The end of a drain, for who asks for a page meanwhile.
    pub(crate) fn drained_at(&self) -> Option<Instant> {
        self.drain.map(|drain| drain.from + self.config.drain)
    }

    /// When a drain comes to this connection.
    pub(crate) fn leaves_at(&self, slot: usize) -> Option<Instant> {
        match self.seats[slot].session.phase {
            Phase::Handshake => self.drained_at(),
            Phase::Open => self.drain.map(|Drain { from, first, count }| {
                let micros = micros(self.config.drain).saturating_mul((slot - first) as u64);
                from + Duration::from_micros(micros / count as u64)
            }),
            _ => None,
        }
    }

    /// Ends the connection's part in everything but what is still to be written.
    pub(crate) fn enter(&mut self, now: Instant, slot: usize, phase: Phase) {
        let seat = &mut self.seats[slot];
        if seat.session.phase == Phase::Open {
            self.open -= 1;
            self.strangers -= u32::from(core::mem::take(&mut seat.session.stranger));
            if self.changes.is_watched() {
                let id = ConnectionId { slot: slot as u32, generation: seat.generation };
                for topic in self.hub.topics_of(seat.interest) {
                    self.changes.note(id, seat.uid, topic, false);
                }
            }
            self.hub.leave(&mut seat.interest);
            if phase == Phase::Gone {
                self.counts.closes.count(ABNORMAL);
            }
        }
        // Neither those who stay nor the row's next connection note what this one did.
        self.outbox.seal();
        seat.session.enter(now, phase);
        if phase == Phase::Gone {
            self.outbox.take_back(slot);
            self.gone.mark(slot, &mut seat.gone);
        } else {
            self.transmit.mark(slot, &mut seat.transmit);
            // Among what waited may be the peer's close.
            self.mark_ready(slot);
        }
        self.set_deadline(slot);
    }

    /// Sets a subscription's place aside for the call that runs.
    pub(crate) fn reserve(
        &mut self,
        slot: usize,
        topic: &str,
        leaving: u32,
    ) -> Result<usize, Denied> {
        topic::check(topic, self.config.topic_bytes.into()).map_err(|_| Denied::Name)?;
        let seat = &mut self.seats[slot];
        if seat.session.phase != Phase::Open {
            return Err(Denied::Gone);
        }
        let known =
            self.hub.find(topic).and_then(|topic| self.hub.link(slot, seat.interest, topic));
        if let Some(link) = known {
            return Ok(link);
        }
        if seat.interest.places().saturating_sub(leaving) >= self.config.topics_per_connection {
            return Err(Denied::TooManyTopics);
        }
        self.hub.reserve(slot, &mut seat.interest, topic).map_err(|Full| Denied::Full)
    }

    /// True: it did not listen before.
    pub(crate) fn subscribe(&mut self, slot: usize, topic: &str) -> Result<bool, Denied> {
        let link = self.reserve(slot, topic, 0)?;
        let new = self.hub.activate(&mut self.seats[slot].interest, link);
        if new {
            self.changes.note(self.id(slot), self.seats[slot].uid, topic, true);
            self.outbox.seal();
        }
        Ok(new)
    }

    /// `reserved`: only a place that was set aside, not a subscription.
    pub(crate) fn unsubscribe(&mut self, slot: usize, topic: &str, reserved: bool) {
        let interest = self.seats[slot].interest;
        if let Some(at) = self.hub.find(topic)
            && let Some(link) = self.hub.link(slot, interest, at)
            && !(reserved && self.hub.listens(link))
        {
            self.remove(slot, link, topic);
            self.outbox.seal();
        }
    }

    /// Ends every subscription to a topic, and takes back what was set aside.
    pub(crate) fn end_topic(&mut self, topic: &str) {
        let Some(at) = self.hub.find(topic) else { return };
        while let Some((slot, link)) = self.hub.first(at) {
            self.remove(slot, link, topic);
        }
        self.outbox.seal();
    }

    fn remove(&mut self, slot: usize, link: usize, topic: &str) {
        if self.hub.listens(link) {
            self.changes.note(self.id(slot), self.seats[slot].uid, topic, false);
        }
        self.hub.remove(&mut self.seats[slot].interest, link);
    }

    #[inline]
    pub(crate) fn begin_call(&mut self, slot: usize) -> CallId {
        let Seat { generation, session, .. } = &mut self.seats[slot];
        session.call = session.call.wrapping_add(1);
        session.calling = true;
        let connection = ConnectionId { slot: slot as u32, generation: *generation };
        CallId { connection, number: session.call }
    }

    /// The call has ended; what it set aside and did not use is free again.
    #[inline]
    pub(crate) fn end_call(&mut self, now: Instant, slot: usize) {
        let Seat { interest, session, .. } = &mut self.seats[slot];
        self.hub.give_back(interest);
        session.calling = false;
        let is_posting = session.phase == Phase::Posting;
        if core::mem::take(&mut session.stranger) {
            self.strangers -= 1;
            // It does not note what was said to all before.
            self.outbox.seal();
        }
        if is_posting {
            self.respond(now, slot, None);
        }
    }

    #[inline]
    pub(crate) fn mark_ready(&mut self, slot: usize) {
        let seat = &mut self.seats[slot];
        if seat.assembly.has_parked() {
            self.ready.mark(slot, &mut seat.ready);
        }
    }

    /// A body waits for the turn to end.
    pub(crate) fn mark_posted(&mut self, slot: usize) {
        self.ready.mark(slot, &mut self.seats[slot].ready);
    }

    pub(crate) fn poll_ready(&mut self) -> Option<usize> {
        let slot = self.ready.poll()?;
        self.seats[slot].ready = false;
        Some(slot)
    }

    /// The next connection whose socket the driver drops; its row is free from now on.
    pub(crate) fn poll_gone(&mut self) -> Option<ConnectionId> {
        let slot = self.gone.poll()?;
        let id = self.id(slot);
        let seat = &mut self.seats[slot];
        self.outbox.clear(slot, &mut seat.outgoing);
        seat.gone = false;
        self.taken -= 1;
        // Ids that are still in flight must miss the next connection of this row.
        seat.generation = seat.generation.wrapping_add(1);
        seat.next_free = self.free_seat;
        self.free_seat = slot as u32;
        Some(id)
    }
}

/// What is said of an end without a close frame (RFC 6455 section 7.1.5).
const ABNORMAL: u16 = 1006;
