//! What is said to whom, and what becomes of those who do not listen. Knows the tables of one shard, no bytes that came in
//! and no application.

use crate::action::{Close, Unpublished, Words};
use crate::backlog::{Overflow, To};
use crate::config::{OnError, SlowConsumer};
use crate::encode::{Encode, Failed, Outgoing as Message};
use crate::frame::{self, Opcode, Violation};
use crate::hub::NONE;
use crate::outbox::{MAX_HEAD, Outbox, Outgoing};
use crate::posting;
use crate::session::{Due, Phase, TimedOut};
use crate::shelf::{Full, Shelf};
use crate::state::State;
use crate::time::Instant;

/// Who got an update.
///
/// Told by [`Engine::publish`](crate::engine::Engine::publish), where its example is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// Connections that it was queued for.
    pub listeners: usize,
    /// A subscription to the topic is set aside and has not taken effect yet.
    pub awaited: bool,
}

impl State<'_> {
    /// Sends a close frame and waits for the peer's.
    pub(crate) fn close(&mut self, now: Instant, slot: usize, close: Close<'_>) {
        match self.seats[slot].session.phase {
            Phase::Open => {
                self.send_close(slot, Some(close));
                self.enter(now, slot, Phase::Closing);
            }
            Phase::Posting => self.fail(now, slot, close),
            _ => {}
        }
    }

    /// Closes, or answers instead where the policy says so; `kind` is the request's type as JSON
    /// writes it.
    #[cold]
    pub(crate) fn reject(
        &mut self,
        now: Instant,
        slot: usize,
        kind: Option<&str>,
        id: Option<&str>,
        close: Close<'_>,
    ) {
        let Close { code, reason } = close;
        let session = &self.seats[slot].session;
        if session.stranger {
            self.close(now, slot, Close::STRANGER);
        } else if session.phase == Phase::Posting || self.config.on_error == OnError::Close {
            self.close(now, slot, close);
        } else if self.send(slot, &Failed { kind, code, reason, id }).is_err() {
            self.close(now, slot, Close::INTERNAL);
        }
    }

    /// The peer broke the protocol: nothing that it says any more would be understood.
    pub(crate) fn violate(&mut self, now: Instant, slot: usize, violation: Violation) {
        let phase = self.seats[slot].session.phase;
        if phase == Phase::Open {
            let mut words = Words::default();
            self.send_close(slot, Some(Close::violation(violation, &mut words)));
        }
        if phase <= Phase::Closing {
            self.enter(now, slot, Phase::Lingering);
        }
    }

    /// The peer closes, or answers our close frame.
    pub(crate) fn handle_close(
        &mut self,
        now: Instant,
        slot: usize,
        close: Option<frame::Close<'_>>,
    ) {
        let phase = self.seats[slot].session.phase;
        if phase == Phase::Open {
            self.send_close(slot, close.map(|close| Close { code: close.code, reason: "" }));
        }
        if phase <= Phase::Closing {
            self.enter(now, slot, Phase::Lingering);
        }
    }

    /// The end of an open connection begins.
    fn send_close(&mut self, slot: usize, close: Option<Close<'_>>) {
        self.counts.closes.count(close.map_or(NO_CODE, |close| close.code));
        let mut payload = [0; 125];
        let len =
            close.map_or(0, |close| frame::close_payload(close.code, close.reason, &mut payload));
        // There is always room for it, unless a longer frame has to be finished first.
        let _ = self.control(slot, To::Close(slot as u32), Opcode::Close, &payload[..len]);
    }

    pub(crate) fn pong(&mut self, now: Instant, slot: usize, payload: &[u8]) {
        if self.seats[slot].session.phase == Phase::Open {
            let pong = self.control(slot, To::Pong(slot as u32), Opcode::Pong, payload);
            pong.unwrap_or_else(|overflow| self.overflow(now, slot, overflow));
        }
    }

    fn control(
        &mut self,
        slot: usize,
        to: To,
        opcode: Opcode,
        payload: &[u8],
    ) -> Result<(), Overflow> {
        if self.outbox.fits(payload.len() + 2, 1) {
            let run = self.outbox.frame(to, opcode, payload.len(), &payload);
            self.note(slot, run.expect("it fits"));
            return Ok(());
        }
        // The turn's memory is lent and full: the frame goes to the backlog, ahead of what the turn
        // holds for this slot. Only a close comes last, and nothing before the handshake's answer.
        if opcode == Opcode::Close {
            self.keep_or_cut(slot);
        }
        let seat = &mut self.seats[slot];
        if self.outbox.begins_raw(&seat.outgoing) {
            self.outbox.stash(slot, &mut seat.outgoing, 0)?;
        }
        self.transmit.mark(slot, &mut seat.transmit);
        self.outbox.keep_now(slot, &mut seat.outgoing, to, opcode, payload)
    }

    fn keep_or_cut(&mut self, slot: usize) {
        let out = &mut self.seats[slot].outgoing;
        if self.outbox.stash(slot, out, 0).is_err() {
            self.outbox.drop_waiting(slot, out);
        }
    }

    #[inline]
    pub(crate) fn note(&mut self, slot: usize, run: Option<u32>) {
        if let Some(run) = run {
            let seat = &mut self.seats[slot];
            self.outbox.note(&mut seat.outgoing, run);
            self.transmit.mark(slot, &mut seat.transmit);
        }
    }

    /// Bytes of HTTP.
    pub(crate) fn raw(
        &mut self,
        slot: usize,
        write: impl FnOnce(&mut Shelf<'_, u8>) -> Result<(), Full>,
    ) -> Result<(), Full> {
        if !self.outbox.fits(0, 1) {
            return Err(Full);
        }
        let run = self.outbox.raw(To::Raw(slot as u32), write)?;
        self.note(slot, run);
        Ok(())
    }

    /// A message for one connection. On `Full` nothing has changed.
    #[inline]
    pub(crate) fn send(&mut self, slot: usize, message: &impl Encode) -> Result<(), Full> {
        let len = message.len();
        if !self.outbox.fits(len + MAX_HEAD, 1) {
            return Err(Full);
        }
        let run = self.outbox.frame(To::Reply(slot as u32), Opcode::Text, len, message)?;
        self.note(slot, run);
        self.counts.sent += 1;
        Ok(())
    }

    /// The same with a whole frame that was encoded elsewhere. Nothing for a connection that ends.
    pub(crate) fn send_frame(&mut self, slot: usize, frame: &[u8]) -> Result<(), Unpublished> {
        check_frame(frame)?;
        if self.seats[slot].session.phase != Phase::Open {
            return Ok(());
        }
        if !self.outbox.fits(frame.len(), 1) {
            return Err(Unpublished::Full);
        }
        let run = self.outbox.raw(To::Reply(slot as u32), |turn| turn.extend(frame))?;
        self.note(slot, run);
        self.counts.sent += 1;
        Ok(())
    }

    /// A message for everybody who listens to `topic`. On `Full` nothing has changed.
    pub(crate) fn publish(
        &mut self,
        topic: &str,
        message: &Message<'_>,
        policy: Option<SlowConsumer>,
    ) -> Result<Audience, Full> {
        let len = message.len();
        self.fan_out(topic, len + MAX_HEAD, policy, |outbox, to| {
            outbox.frame(to, Opcode::Text, len, message)
        })
    }

    /// The same with a whole frame that was encoded elsewhere.
    pub(crate) fn publish_frame(
        &mut self,
        topic: &str,
        frame: &[u8],
        policy: Option<SlowConsumer>,
    ) -> Result<Audience, Unpublished> {
        check_frame(frame)?;
        Ok(self.fan_out(topic, frame.len(), policy, |outbox, to| {
            outbox.raw(to, |turn| turn.extend(frame))
        })?)
    }

    fn fan_out(
        &mut self,
        topic: &str,
        bytes: usize,
        policy: Option<SlowConsumer>,
        write: impl FnOnce(&mut Outbox<'_>, To) -> Result<Option<u32>, Full>,
    ) -> Result<Audience, Full> {
        let Some(topic) = self.hub.find(topic) else { return Ok(Audience::default()) };
        let audience =
            Audience { listeners: self.hub.listeners(topic), awaited: self.hub.is_awaited(topic) };
        if audience.listeners == 0 {
            return Ok(audience);
        }
        if !self.outbox.fits(bytes, audience.listeners) {
            return Err(Full);
        }
        let to = To::Update(topic as u32, policy.unwrap_or(self.config.slow_consumer));
        if let Some(run) = write(&mut self.outbox, to)? {
            for slot in self.hub.audience(topic) {
                let seat = &mut self.seats[slot];
                self.outbox.note(&mut seat.outgoing, run);
                self.transmit.mark(slot, &mut seat.transmit);
            }
        }
        self.counts.sent += audience.listeners as u64;
        Ok(audience)
    }

    /// A message for every open connection. O(connections). On `Full` nothing has changed.
    pub(crate) fn broadcast(&mut self, message: &Message<'_>) -> Result<usize, Full> {
        let len = message.len();
        self.tell_all(len + MAX_HEAD, |outbox| outbox.frame(To::All, Opcode::Text, len, message))
    }

    /// The same with a whole frame that was encoded elsewhere.
    pub(crate) fn broadcast_frame(&mut self, frame: &[u8]) -> Result<usize, Unpublished> {
        check_frame(frame)?;
        Ok(self.tell_all(frame.len(), |outbox| outbox.raw(To::All, |turn| turn.extend(frame)))?)
    }

    fn tell_all(
        &mut self,
        bytes: usize,
        write: impl FnOnce(&mut Outbox<'_>) -> Result<Option<u32>, Full>,
    ) -> Result<usize, Full> {
        let all = (self.open - self.strangers) as usize;
        if all == 0 {
            return Ok(0);
        }
        if !self.outbox.fits(bytes, all) {
            return Err(Full);
        }
        if let Some(run) = write(&mut self.outbox)? {
            for (slot, seat) in self.seats.iter_mut().enumerate() {
                if seat.session.phase == Phase::Open && !seat.session.stranger {
                    self.outbox.note(&mut seat.outgoing, run);
                    self.transmit.mark(slot, &mut seat.transmit);
                }
            }
        }
        self.counts.sent += all as u64;
        Ok(all)
    }

    pub(crate) fn unblock(&mut self, slot: usize) {
        let seat = &mut self.seats[slot];
        if seat.outgoing.is_blocked() {
            seat.outgoing.unblock();
            seat.session.moved = true;
            self.transmit.mark(slot, &mut seat.transmit);
        }
    }

    /// Messages of this connection have to wait.
    #[inline]
    pub(crate) fn must_wait(&self, slot: usize) -> bool {
        self.is_held(slot) || self.turn_is_full()
    }

    /// They wait for an event of this connection: the outcome of its call, or a write.
    #[inline(always)]
    pub(crate) fn is_held(&self, slot: usize) -> bool {
        let seat = &self.seats[slot];
        seat.session.phase == Phase::Open
            && (seat.session.calling || self.is_slow(slot, &seat.outgoing))
    }

    /// The turn wants to be written before more is dispatched.
    #[inline]
    pub(crate) fn turn_is_full(&self) -> bool {
        let limit = self.config.turn_bytes.max(1) as usize;
        self.outbox.turn.len() >= limit || !self.outbox.fits(0, 2)
    }

    /// Another reply might not fit into its backlog, should the socket take nothing.
    #[inline]
    fn is_slow(&self, slot: usize, out: &Outgoing) -> bool {
        self.outbox.waits_over(self.config.backlog_bytes as usize / 2, slot, out)
    }

    /// Its messages wait for us, or for a socket that takes what is before them.
    pub(crate) fn is_excused(&mut self, slot: usize) -> bool {
        let moved = core::mem::take(&mut self.seats[slot].session.moved);
        let seat = &self.seats[slot];
        moved || seat.session.calling || !self.is_slow(slot, &seat.outgoing)
    }

    /// The next connection whose socket can be written to; its parts are in the outbox.
    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<usize> {
        self.outbox.seal();
        if self.outbox.asked != NONE {
            // The driver has told nothing of it; what was noted may not outlive its turn.
            self.handle_sent(now, self.outbox.asked as usize, 0);
        }
        while let Some(slot) = self.transmit.poll() {
            let seat = &mut self.seats[slot];
            seat.transmit = false;
            if seat.session.phase == Phase::Gone {
                continue;
            }
            if !seat.outgoing.is_blocked() {
                self.outbox.offered =
                    self.outbox.parts(slot, &seat.outgoing).map(<[u8]>::len).sum();
                self.outbox.asked = slot as u32;
                return Some(slot);
            }
            if let Err(overflow) = self.outbox.stash(slot, &mut seat.outgoing, 0) {
                self.overflow(now, slot, overflow);
            }
        }
        self.outbox.end_turn();
        None
    }

    /// True when everything is written.
    pub(crate) fn handle_sent(&mut self, now: Instant, slot: usize, sent: usize) -> bool {
        let seat = &mut self.seats[slot];
        match self.outbox.sent(slot, &mut seat.outgoing, sent) {
            Ok(true) => {}
            Ok(false) if !seat.outgoing.is_blocked() => {
                self.transmit.mark(slot, &mut seat.transmit)
            }
            Ok(false) => {}
            Err(overflow) => self.overflow(now, slot, overflow),
        }
        if !self.is_slow(slot, &self.seats[slot].outgoing) {
            self.mark_ready(slot);
        }
        self.outbox.is_idle(slot, &self.seats[slot].outgoing)
    }

    fn overflow(&mut self, now: Instant, slot: usize, overflow: Overflow) {
        match overflow {
            Overflow::Slow => {
                self.counts.slow += 1;
                // Whoever is closed already gets the close frame that waits for it.
                if self.seats[slot].session.phase == Phase::Open {
                    self.outbox.drop_waiting(slot, &mut self.seats[slot].outgoing);
                    self.close(now, slot, Close::SLOW);
                }
            }
            Overflow::Cut => self.enter(now, slot, Phase::Gone),
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, slot: usize, deaf: bool) -> Due {
        if self.leaves_at(slot).is_some_and(|at| at <= now) {
            match self.seats[slot].session.phase {
                Phase::Open => self.close(now, slot, Close::SHUTDOWN),
                _ => self.enter(now, slot, Phase::Gone),
            }
            return Due::Nothing;
        }
        let due = self.seats[slot].session.handle_timeout(now, &self.config, deaf);
        match due {
            Due::Nothing | Due::Handshake => {}
            Due::Ping => {
                let ping = self.control(slot, To::Reply(slot as u32), Opcode::Ping, &[]);
                ping.unwrap_or_else(|overflow| self.overflow(now, slot, overflow));
            }
            Due::TimedOut => {
                let mut words = Words::default();
                let reason = TimedOut(&self.config);
                let reason = words.say(format_args!("{reason}"));
                self.close(now, slot, Close { code: 1003, reason });
            }
            Due::Posting => self.fail(now, slot, posting::LATE),
            Due::Stranger => self.close(now, slot, Close::STRANGER),
            Due::Gone => self.enter(now, slot, Phase::Gone),
        }
        self.set_deadline(slot);
        due
    }
}

/// What is no frame could not be parted from the next when a socket does not take all.
fn check_frame(bytes: &[u8]) -> Result<(), Unpublished> {
    if frame::is_text(bytes) { Ok(()) } else { Err(Unpublished::NotAFrame) }
}

/// What is said of a close frame without a code (RFC 6455 section 7.1.5).
const NO_CODE: u16 = 1005;
