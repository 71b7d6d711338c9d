//! What a connection has sent: heads of requests are answered, messages dispatched. Knows the application, no driver.

use crate::action::Close;
use crate::assembly::Incoming;
use crate::dispatch::{Admission, Answer, Call, Dispatch, Ended, Verdict};
use crate::envelope::{self, MAX_NAME};
use crate::handshake::{self, Refusal};
use crate::ids::OperationId;
use crate::posting;
use crate::session::Phase;
use crate::shelf::Buffer;
use crate::state::State;
use crate::time::Instant;

/// A head that is complete: where it ends, and the record of the body that follows.
#[derive(PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) end: usize,
    pub(crate) body: Option<[u8; posting::RECORD]>,
}

impl State<'_> {
    /// Answers a head if it is complete. A refusal of what is no head is still to be written.
    pub(crate) fn answer_head<D: Dispatch>(
        &mut self,
        now: Instant,
        slot: usize,
        bytes: &[u8],
        seen: usize,
        dispatch: &mut D,
    ) -> Result<Option<Head>, Refusal> {
        let mut headers = handshake::Headers::new();
        let Some(request) = handshake::read(bytes, seen, &mut headers)? else { return Ok(None) };
        let only_head = request.method == "HEAD";
        let mut body = None;
        match dispatch.request(self.id(slot), &request) {
            Admission::Upgrade { protocol } => match request.upgrade() {
                Ok(_) if !self.takes_more() => {
                    self.refuse(now, slot, Refusal::TooManyConnections, only_head);
                }
                Ok(accept) => {
                    self.open(now, slot);
                    if self.raw(slot, |turn| accept.write(protocol, turn)).is_err() {
                        self.enter(now, slot, Phase::Gone);
                    }
                }
                Err(refusal) => self.refuse(now, slot, refusal, only_head),
            },
            Admission::Call(operation) => match request.body_len() {
                Ok(len) if len > self.config.message_bytes => {
                    self.refuse(now, slot, Refusal::BodyTooLarge, only_head);
                }
                Ok(len) => {
                    body = Some(posting::record(operation, len));
                    self.seats[slot].session.enter(now, Phase::Posting);
                    self.set_deadline(slot);
                    if request.expects_continue() && bytes.len() < request.len + len as usize {
                        // A client that is not asked sends its body in the end.
                        let _ = self.raw(slot, |turn| turn.extend(CONTINUE));
                    }
                }
                Err(refusal) => self.refuse(now, slot, refusal, only_head),
            },
            Admission::Refuse(refusal) => self.refuse(now, slot, refusal, only_head),
            Admission::Respond(response) => {
                // What does not fit is not said; the socket ends in any case.
                let _ = self.raw(slot, |turn| response.write(only_head, turn));
                self.enter(now, slot, Phase::Lingering);
            }
        }
        Ok(Some(Head { end: request.len, body }))
    }

    pub(crate) fn refuse(&mut self, now: Instant, slot: usize, refusal: Refusal, only_head: bool) {
        let _ = self.raw(slot, |turn| refusal.write(only_head, turn));
        self.enter(now, slot, Phase::Lingering);
    }

    /// How many of so many bytes that have come the rate allows.
    #[inline]
    pub(crate) fn take_bytes(&mut self, slot: usize, count: usize) -> usize {
        let session = &mut self.seats[slot].session;
        match session.phase {
            Phase::Open => session.take_bytes(count, &self.config),
            _ => count,
        }
    }

    /// Closes where a message has come that the rate does not allow.
    #[inline]
    pub(crate) fn admit(&mut self, now: Instant, slot: usize, incoming: &Incoming<'_>) {
        if self.config.messages_per_second.is_some()
            && matches!(incoming, Incoming::Text(_) | Incoming::Binary(_))
            && !self.seats[slot].session.take_message(&self.config)
        {
            self.close(now, slot, Close::RATE);
        }
    }

    /// The same for those that were parked behind the first `parked` bytes.
    pub(crate) fn admit_parked(
        &mut self,
        now: Instant,
        slot: usize,
        row: &Buffer<'_>,
        parked: u32,
    ) {
        if self.config.messages_per_second.is_some() {
            let mut assembly = self.seats[slot].assembly.behind(parked);
            while let Some(incoming) = assembly.unpark(row) {
                self.admit(now, slot, &incoming);
            }
        }
    }

    #[inline]
    pub(crate) fn handle_incoming<D: Dispatch>(
        &mut self,
        now: Instant,
        slot: usize,
        incoming: Incoming<'_>,
        dispatch: &mut D,
    ) {
        match incoming {
            Incoming::Text(text) => self.dispatch(now, slot, Some(text), dispatch),
            Incoming::Binary(_) => self.dispatch(now, slot, None, dispatch),
            Incoming::Ping(payload) => self.pong(now, slot, payload),
            Incoming::Pong => {}
            Incoming::Close(close) => self.handle_close(now, slot, close),
        }
    }

    fn dispatch<D: Dispatch>(
        &mut self,
        now: Instant,
        slot: usize,
        text: Option<&str>,
        dispatch: &mut D,
    ) {
        let session = &mut self.seats[slot].session;
        if session.phase != Phase::Open {
            return;
        }
        session.handle_message(now);
        let stranger = session.stranger;
        self.counts.received += 1;
        if stranger {
            let (Some(_), Some(operation)) = (text, dispatch.authenticator()) else {
                return self.close(now, slot, Close::STRANGER);
            };
            return self.call(now, slot, operation, text, None, dispatch);
        }
        let nesting = self.config.nesting as usize;
        let Some(envelope) = text.and_then(|text| envelope::read(text, nesting).ok()) else {
            return self.reject(now, slot, None, None, Close::UNREADABLE);
        };
        let operation = match envelope.kind.plain() {
            Some(name) => dispatch.find(name),
            None => envelope.kind.decode(&mut [0; MAX_NAME]).and_then(|name| dispatch.find(name)),
        };
        let Some(operation) = operation else {
            let kind = Some(envelope.kind.raw());
            return self.reject(now, slot, kind, envelope.id, Close::UNKNOWN);
        };
        self.call(now, slot, operation, envelope.payload, envelope.id, dispatch);
    }

    #[inline]
    pub(crate) fn call<D: Dispatch>(
        &mut self,
        now: Instant,
        slot: usize,
        operation: OperationId,
        payload: Option<&str>,
        echo: Option<&str>,
        dispatch: &mut D,
    ) {
        let id = self.begin_call(slot);
        let call = Call { id, operation, payload, echo, now };
        let Verdict(ended) = dispatch.call(call, Answer { state: self, now, slot, echo });
        if ended == Ended::Now {
            self.end_call(now, slot);
        }
    }
}

/// RFC 9110 section 15.2.1.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
