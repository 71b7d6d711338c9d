//! One shard without its sockets: bytes and time in, bytes and ends out. Knows no thread and no runtime.

use crate::action::{Close, Denied, Unpublished};
use crate::assembly::Incoming;
use crate::config::SlowConsumer;
use crate::dispatch::{Answer, Dispatch, Ended, Verdict};
use crate::encode::Outgoing as Message;
use crate::envelope;
use crate::frame::{self, Opcode, Violation};
use crate::handshake::Refusal;
use crate::ids::{CallId, ConnectionId};
use crate::intake::Head;
use crate::outbox::{PARTS, Parts};
use crate::posting;
use crate::session::{Due, Phase};
use crate::shelf::{Buffers, Full};
use crate::state::State;
use crate::time::Instant;
use core::str::from_utf8;

#[cfg(feature = "alloc")]
pub use crate::changes::Change;
pub use crate::counts::{Closes, Counts};
pub use crate::delivery::Audience;
pub use crate::hub::Life;

/// The machine that a driver holds, one for each shard.
///
/// Its methods are of four families. `handle_*` tell what happened. `poll_*` tell what to do or to
/// watch; each is asked once a turn until it has nothing more, and what is not taken is late, never
/// lost. Plain verbs are wishes. Nouns are facts.
///
/// A turn of a driver, which the walk-through [`driver`](crate::driver) explains step by step:
///
/// 1. [`handle_bytes`](Self::handle_bytes) for what sockets have sent, at most [`room`](Self::room)
///    bytes each; [`handle_eof`](Self::handle_eof) and [`handle_end`](Self::handle_end) for those that ended;
///    [`handle_writable`](Self::handle_writable) for those that take bytes again.
/// 2. [`handle_timeout`](Self::handle_timeout), behind what was said in time; [`settle`](Self::settle)
///    for calls whose outcome has come; [`resume`](Self::resume) for messages that waited.
/// 3. [`poll_transmit`](Self::poll_transmit) and [`handle_sent`](Self::handle_sent) until there is
///    nothing more to write.
/// 4. [`poll_life`](Self::poll_life), [`poll_gone`](Self::poll_gone), and a wait until a socket is
///    ready or [`poll_timeout`](Self::poll_timeout) has come, unless [`is_ready`](Self::is_ready).
///
/// A shard by hand, with memory for its socket:
///
/// ```
/// use fastws_core::config::Config;
/// use fastws_core::dispatch::{Answer, Call, Dispatch, Verdict};
/// use fastws_core::engine::{Engine, Sent};
/// use fastws_core::frame::{Head, Opcode, mask};
/// use fastws_core::ids::OperationId;
/// use fastws_core::time::{Duration, Instant};
///
/// /// Says the payload of an `echo` again.
/// struct Echo;
///
/// impl Dispatch for Echo {
///     fn find(&self, name: &str) -> Option<OperationId> {
///         (name == "echo").then_some(OperationId(0))
///     }
///
///     fn call(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
///         answer.reply("echoed", call.payload.map(str::as_bytes)).done()
///     }
/// }
///
/// /// Writes all there is to write. A real socket may take less.
/// fn transmit(engine: &mut Engine<'_>, now: Instant, socket: &mut Vec<u8>) {
///     while let Some(transmit) = engine.poll_transmit(now) {
///         let (id, before) = (transmit.id(), socket.len());
///         transmit.parts().for_each(|part| socket.extend_from_slice(part));
///         match engine.handle_sent(now, id, socket.len() - before) {
///             Sent::Idle => {}
///             Sent::Blocked => { /* watch the socket; when it takes bytes, `handle_writable` */ }
///             Sent::Finished => { /* shut the writing side down, and read on */ }
///         }
///     }
/// }
///
/// // What is random comes from the driver: a seed, and a uid for each connection.
/// let mut engine = Engine::new(Config::default(), 0x5eed);
/// let mut now = Instant::ZERO;
/// let mut socket = Vec::new();
///
/// // A socket was accepted, and has sent its request: at most `room` bytes are read at once.
/// let id = engine.accept(now, [7; 16])?;
/// let mut request = *b"GET /ws HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\n\
///     Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// assert!(request.len() <= engine.room(id).expect("it has not ended"));
/// engine.handle_bytes(now, id, &mut request, &mut Echo);
/// transmit(&mut engine, now, &mut socket);
/// assert!(socket.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
/// assert_eq!(engine.connections(), 1);
///
/// // A message, masked as a client has to.
/// let (key, mut text) = ([1, 2, 3, 4], *br#"{"type":"echo","payload":[1],"id":9}"#);
/// let mut frame = Head::new(Opcode::Text, text.len(), Some(key)).as_slice().to_vec();
/// mask(&mut text, key, 0);
/// frame.extend_from_slice(&text);
/// socket.clear();
/// engine.handle_bytes(now, id, &mut frame, &mut Echo);
/// engine.resume(now, &mut Echo);
/// transmit(&mut engine, now, &mut socket);
/// assert_eq!(socket[2..], *br#"{"type":"echoed","payload":[1],"id":9}"#);
///
/// // It is silent. The wait ends at a moment that the engine tells: a ping is due.
/// now = engine.poll_timeout().expect("every connection has a deadline");
/// assert_eq!(now - Instant::ZERO, Duration::from_secs(25));
/// socket.clear();
/// engine.handle_timeout(now);
/// transmit(&mut engine, now, &mut socket);
/// assert_eq!(socket, [0x89, 0]);
///
/// // Its stream ends; what the driver has for it can be dropped.
/// engine.handle_end(now, id);
/// assert_eq!(engine.poll_gone(), Some(id));
/// assert!(engine.is_empty());
/// # Ok::<(), fastws_core::shelf::Full>(())
/// ```
///
/// How an application answers, subscribes and publishes: [`Dispatch`], [`Answer`],
/// [`Effects`](crate::dispatch::Effects). Without a heap: [`Engine::lent`].
pub struct Engine<'m> {
    /// What has come in and was not taken yet.
    pub(crate) inputs: Buffers<'m>,
    pub(crate) state: State<'m>,
}

/// What can be written to one socket now. [`Engine::poll_transmit`] offers one until there is no more; the
/// loop is in the example of [`Engine`].
pub struct Transmit<'e> {
    id: ConnectionId,
    parts: Parts<'e>,
}

impl<'e> Transmit<'e> {
    /// As many slices there are at most: memory for one gathering write.
    pub const PARTS: usize = PARTS;

    /// Whose bytes these are.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// The bytes in order, at most [`PARTS`](Self::PARTS) slices. There may be none: then nothing is written,
    /// and [`Engine::handle_sent`] is told so.
    pub fn parts(self) -> impl Iterator<Item = &'e [u8]> {
        self.parts
    }
}

/// What a socket's driver does next.
///
/// [`Engine::handle_sent`] tells it; the loop is in the example of [`Engine`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Nothing, until there is more to write.
    Idle,
    /// Wait until the socket takes bytes again, then call [`Engine::handle_writable`].
    Blocked,
    /// Shut the writing side down, and read on until the peer ends too.
    Finished,
}

impl Engine<'_> {
    /// A new connection whose request is still to come. `uid` is random. On [`Full`] the driver drops
    /// the socket: as many may be about to open or to end as may be open, and 64 in any case.
    pub fn accept(&mut self, now: Instant, uid: [u8; 16]) -> Result<ConnectionId, Full> {
        let full = self.state.taken - self.state.open >= self.state.config.connections.max(64);
        if full || self.state.drained_at().is_some_and(|end| end <= now) {
            return Err(Full);
        }
        let slot = self.state.seat(now, uid, Phase::Handshake)?;
        Ok(self.state.id(slot))
    }

    /// A new connection whose handshake somebody else has done. On [`Full`] the driver drops the
    /// stream.
    pub fn open(&mut self, now: Instant, uid: [u8; 16]) -> Result<ConnectionId, Full> {
        if !self.state.takes_more() {
            return Err(Full);
        }
        let slot = self.state.seat(now, uid, Phase::Open)?;
        Ok(self.state.id(slot))
    }

    /// From now on a new connection is a stranger until the application's
    /// [`authenticator`](Dispatch::authenticator) has taken its first message: it gets no broadcast, and
    /// closes with 1008 after the time for a handshake.
    ///
    /// ```
    /// use fastws_core::config::Config;
    /// use fastws_core::dispatch::{Answer, Call, Dispatch, Verdict};
    /// use fastws_core::engine::Engine;
    /// use fastws_core::frame::Opcode;
    /// use fastws_core::ids::OperationId;
    /// use fastws_core::time::Instant;
    ///
    /// struct Guarded;
    ///
    /// impl Dispatch for Guarded {
    ///     fn find(&self, _: &str) -> Option<OperationId> {
    ///         None
    ///     }
    ///
    ///     fn authenticator(&self) -> Option<OperationId> {
    ///         Some(OperationId(0))
    ///     }
    ///
    ///     fn call(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
    ///         match call.payload {
    ///             Some("secret") => answer.silent().done(),
    ///             // Whatever it says, the peer reads 1008 `Not authenticated`.
    ///             _ => answer.close(fastws_core::action::Close::INTERNAL),
    ///         }
    ///     }
    /// }
    ///
    /// let (mut engine, now) = (Engine::new(Config::default(), 0), Instant::ZERO);
    /// engine.demand_authentication();
    /// for first in ["secret", "guess"] {
    ///     let id = engine.open(now, [7; 16])?;
    ///     engine.handle_message(now, id, Opcode::Text, &mut first.as_bytes().to_vec(), &mut Guarded);
    /// }
    /// assert_eq!(engine.connections(), 1);
    /// # Ok::<(), fastws_core::shelf::Full>(())
    /// ```
    pub fn demand_authentication(&mut self) {
        self.state.authenticates = true;
    }

    /// How many bytes of this connection can be taken now. Zero: do not read until
    /// [`resume`](Self::resume) has made room. `None`: it has ended. Only bytes and an end of its own make it
    /// less.
    #[inline]
    pub fn room(&mut self, id: ConnectionId) -> Option<usize> {
        let slot = self.state.slot(id)?;
        let seat = &self.state.seats[slot];
        Some(match seat.session.phase {
            _ if seat.session.ended => 0,
            Phase::Handshake => {
                self.state.config.handshake_bytes as usize + 1 - self.inputs.bytes(slot).len()
            }
            Phase::Posting => match posting::missing(self.inputs.bytes(slot)) {
                0 => usize::MAX,
                missing => missing,
            },
            Phase::Open | Phase::Closing => seat.assembly.room(&self.inputs.row(slot)),
            Phase::Lingering | Phase::Gone => usize::MAX,
        })
    }

    /// Takes what a socket has sent, at most [`room`](Self::room) bytes, and dispatches the messages
    /// that are complete. `bytes` is working memory: frames are unmasked in place.
    ///
    /// # Panics
    /// Where there are more bytes than room. A build without debug assertions may only do so when a peer
    /// fills the room.
    pub fn handle_bytes<D: Dispatch>(
        &mut self,
        now: Instant,
        id: ConnectionId,
        bytes: &mut [u8],
        dispatch: &mut D,
    ) {
        debug_assert!(
            self.room(id).is_none_or(|room| bytes.len() <= room),
            "the driver reads at most as many bytes as there is room for"
        );
        if let Some(slot) = self.state.slot(id) {
            self.state.counts.bytes_received += bytes.len() as u64;
            self.take(now, slot, bytes, dispatch);
        }
    }

    #[inline]
    fn take<D: Dispatch>(&mut self, now: Instant, slot: usize, bytes: &mut [u8], dispatch: &mut D) {
        match self.state.seats[slot].session.phase {
            Phase::Handshake => self.handle_head(now, slot, bytes, dispatch),
            Phase::Posting => self.handle_body(now, slot, bytes, dispatch),
            Phase::Open | Phase::Closing => self.handle_frames(now, slot, bytes, dispatch),
            Phase::Lingering | Phase::Gone => {}
        }
    }

    fn handle_head<D: Dispatch>(
        &mut self,
        now: Instant,
        slot: usize,
        bytes: &mut [u8],
        dispatch: &mut D,
    ) {
        let mut row = self.inputs.row(slot);
        let kept = row.len();
        // What comes behind a head makes it no longer.
        let fits = bytes.len().min(self.state.config.handshake_bytes as usize - kept);
        let part = &bytes[..fits];
        let answered = if kept == 0 {
            self.state.answer_head(now, slot, part, 0, dispatch)
        } else {
            row.extend(part).expect(HOLDS_A_HEAD);
            self.state.answer_head(now, slot, &row, kept, dispatch)
        };
        match answered {
            Ok(None) if fits < bytes.len() => {
                row.truncate(0);
                self.state.refuse(now, slot, Refusal::HeadTooLarge, false);
            }
            Ok(None) if kept == 0 => row.extend(part).expect(HOLDS_A_HEAD),
            Ok(None) => {}
            Ok(Some(Head { end, body })) => {
                row.truncate(0);
                if let Some(body) = body {
                    row.extend(&body).expect("there is room for a message, and more");
                }
                self.take(now, slot, &mut bytes[end - kept..], dispatch);
            }
            Err(refusal) => {
                row.truncate(0);
                self.state.refuse(now, slot, refusal, false);
            }
        }
    }

    /// What comes behind a body is not read.
    fn handle_body<D: Dispatch>(
        &mut self,
        now: Instant,
        slot: usize,
        bytes: &[u8],
        dispatch: &mut D,
    ) {
        let mut row = self.inputs.row(slot);
        let missing = posting::missing(&row).min(bytes.len());
        row.extend(&bytes[..missing]).expect("a body is no longer than a message may be");
        self.post(now, slot, dispatch);
    }

    /// Makes a body a call once it is whole and there is room for the reply.
    fn post<D: Dispatch>(&mut self, now: Instant, slot: usize, dispatch: &mut D) {
        let mut row = self.inputs.row(slot);
        let Some((operation, body)) = posting::whole(&row) else { return };
        if self.state.turn_is_full() {
            return self.state.mark_posted(slot);
        }
        let nesting = self.state.config.nesting as usize;
        match from_utf8(body).map(str::trim_ascii) {
            Ok("") => self.state.call(now, slot, operation, None, None, dispatch),
            Ok(text) if envelope::is_value(text, nesting) => {
                self.state.call(now, slot, operation, Some(text), None, dispatch)
            }
            _ => self.state.fail(now, slot, Close::UNREADABLE),
        }
        row.truncate(0);
    }

    #[inline]
    fn handle_frames<D: Dispatch>(
        &mut self,
        now: Instant,
        slot: usize,
        bytes: &mut [u8],
        dispatch: &mut D,
    ) {
        self.state.hear(now, slot);
        let allowed = self.state.take_bytes(slot, bytes.len());
        let (bytes, over) = bytes.split_at_mut(allowed);
        self.take_frames(now, slot, bytes, dispatch);
        if !over.is_empty() {
            self.state.close(now, slot, Close::RATE);
            // The peer's close may be among it.
            self.take_frames(now, slot, over, dispatch);
        }
        self.state.seats[slot].assembly.reclaim(&mut self.inputs.row(slot));
        if !self.state.is_held(slot) {
            self.state.mark_ready(slot);
        }
    }

    #[inline]
    fn take_frames<D: Dispatch>(
        &mut self,
        now: Instant,
        slot: usize,
        mut bytes: &mut [u8],
        dispatch: &mut D,
    ) {
        let Self { inputs, state } = self;
        let limit = state.config.message_bytes as usize;
        let parked = state.seats[slot].assembly.parked_len();
        let mut row = inputs.row(slot);
        loop {
            let park = state.must_wait(slot);
            match state.seats[slot].assembly.next(&mut bytes, &mut row, limit, park) {
                Ok(Some(incoming)) => {
                    state.admit(now, slot, &incoming);
                    state.handle_incoming(now, slot, incoming, dispatch);
                }
                Ok(None) => break,
                Err(violation) => {
                    state.violate(now, slot, violation);
                    break;
                }
            }
            if state.seats[slot].session.phase > Phase::Closing {
                break;
            }
        }
        if state.seats[slot].assembly.parked_len() > parked {
            // It has come, though it is dispatched later.
            state.seats[slot].session.handle_message(now);
            state.admit_parked(now, slot, &row, parked);
        }
    }

    /// A whole message of a stream that is framed elsewhere. False: it has to wait, and the driver
    /// offers it again after every turn's writes; pings and pongs never have to.
    pub fn handle_message<D: Dispatch>(
        &mut self,
        now: Instant,
        id: ConnectionId,
        opcode: Opcode,
        payload: &mut [u8],
        dispatch: &mut D,
    ) -> bool {
        let Some(slot) = self.state.slot(id) else { return true };
        // A sign of life has no place in the order of messages.
        if !matches!(opcode, Opcode::Ping | Opcode::Pong) {
            let refused = self.state.must_wait(slot);
            self.state.seats[slot].session.refused = refused;
            if refused {
                return false;
            }
        }
        self.state.hear(now, slot);
        let payload_len = payload.len();
        self.state.counts.bytes_received += payload_len as u64;
        if opcode.is_control() && payload_len > 125 {
            // No frame holds it, and none would hold the pong.
            self.state.violate(now, slot, Violation::LongControl);
            return true;
        }
        let incoming = match opcode {
            Opcode::Text => match from_utf8(payload) {
                Ok(text) => Incoming::Text(text),
                Err(_) => Incoming::Binary(payload),
            },
            Opcode::Binary => Incoming::Binary(payload),
            Opcode::Ping => Incoming::Ping(payload),
            Opcode::Pong => Incoming::Pong,
            Opcode::Close => Incoming::Close(frame::Close::read(payload).ok().flatten()),
        };
        if self.state.take_bytes(slot, payload_len) < payload_len {
            self.state.close(now, slot, Close::RATE);
        }
        self.state.admit(now, slot, &incoming);
        self.state.handle_incoming(now, slot, incoming, dispatch);
        true
    }

    /// Dispatches messages that had to wait: for the outcome of a call, for a socket to take bytes,
    /// or for a turn to end.
    pub fn resume<D: Dispatch>(&mut self, now: Instant, dispatch: &mut D) {
        while !self.state.turn_is_full()
            && let Some(slot) = self.state.poll_ready()
        {
            if self.state.seats[slot].session.phase == Phase::Posting {
                self.post(now, slot, dispatch);
                continue;
            }
            // A connection that closes takes the peer's close; its messages are discarded.
            while matches!(self.state.seats[slot].session.phase, Phase::Open | Phase::Closing)
                && !self.state.must_wait(slot)
            {
                let row = self.inputs.row(slot);
                match self.state.seats[slot].assembly.unpark(&row) {
                    Some(incoming) => self.state.handle_incoming(now, slot, incoming, dispatch),
                    None => break,
                }
            }
            self.state.seats[slot].assembly.reclaim(&mut self.inputs.row(slot));
            if self.state.turn_is_full() {
                self.state.mark_ready(slot);
            }
        }
    }

    /// Messages wait that [`resume`](Self::resume) would dispatch.
    pub fn is_ready(&self) -> bool {
        !self.state.ready.is_empty()
    }

    /// Bytes that were queued since the last write, each once for all its receivers.
    pub fn queued(&self) -> usize {
        self.state.outbox.turn.len()
    }

    /// Brings the outcome of a call that was answered [`later`](Answer::later). False, and `outcome`
    /// is not asked, if the connection has ended meanwhile.
    ///
    /// The example is at [`Answer::later`].
    pub fn settle(
        &mut self,
        now: Instant,
        call: CallId,
        echo: Option<&str>,
        outcome: impl FnOnce(Answer<'_, '_>) -> Verdict,
    ) -> bool {
        let Some(slot) = self.state.calling(call) else { return false };
        let Verdict(ended) = outcome(Answer { state: &mut self.state, now, slot, echo });
        if ended == Ended::Now {
            self.state.end_call(now, slot);
            self.state.mark_ready(slot);
        }
        true
    }

    /// Sets a place in `topic` aside for a running call that is going to end `leaving` subscriptions first.
    /// On an error nothing has changed.
    pub fn reserve(&mut self, call: CallId, topic: &str, leaving: u32) -> Result<(), Denied> {
        let slot = self.state.calling(call).ok_or(Denied::Gone)?;
        self.state.reserve(slot, topic, leaving).map(drop)
    }

    /// Gives back the place that a running call had set aside in `topic`, if it had.
    pub fn give_back(&mut self, call: CallId, topic: &str) {
        if let Some(slot) = self.state.calling(call) {
            self.state.unsubscribe(slot, topic, true);
        }
    }

    /// Whether the connection listens to `topic`.
    pub fn listens(&self, id: ConnectionId, topic: &str) -> bool {
        let link = |slot: usize| {
            let topic = self.state.hub.find(topic)?;
            self.state.hub.link(slot, self.state.seats[slot].interest, topic)
        };
        self.state.slot(id).and_then(link).is_some_and(|link| self.state.hub.listens(link))
    }

    /// Queues an update for everybody who listens to `topic` on this shard. `payload` is raw JSON;
    /// `kind` must not need escaping in JSON. `policy` is the topic's own for readers that are too slow.
    /// O(listeners). On [`Full`] nobody has got it.
    ///
    /// ```
    /// # use fastws_core::config::Config;
    /// # use fastws_core::dispatch::{Answer, Call, Dispatch, Verdict};
    /// # use fastws_core::engine::Engine;
    /// # use fastws_core::frame::Opcode;
    /// # use fastws_core::ids::OperationId;
    /// # use fastws_core::time::Instant;
    /// # struct App;
    /// # impl Dispatch for App {
    /// #     fn find(&self, _: &str) -> Option<OperationId> {
    /// #         Some(OperationId(0))
    /// #     }
    /// #     fn call(&mut self, _: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
    /// #         let mut effects = answer.reply("listening", None);
    /// #         let _ = effects.subscribe("prices");
    /// #         effects.done()
    /// #     }
    /// # }
    /// # fn transmit(engine: &mut Engine<'_>, now: Instant) -> String {
    /// #     let mut all = Vec::new();
    /// #     while let Some(transmit) = engine.poll_transmit(now) {
    /// #         let (id, before) = (transmit.id(), all.len());
    /// #         transmit.parts().for_each(|part| all.extend_from_slice(part));
    /// #         engine.handle_sent(now, id, all.len() - before);
    /// #     }
    /// #     String::from_utf8_lossy(&all).into_owned()
    /// # }
    /// # let (now, app) = (Instant::ZERO, &mut App);
    /// # let mut engine = Engine::new(Config::default(), 0);
    /// # let id = engine.open(now, [7; 16])?;
    /// # engine.handle_message(now, id, Opcode::Text, &mut br#"{"type":"listen"}"#.to_vec(), app);
    /// # transmit(&mut engine, now);
    /// // One connection listens to `prices`.
    /// let audience = engine.publish("prices", "price", b"189.5", None)?;
    /// assert_eq!((audience.listeners, audience.awaited), (1, false));
    /// let written = transmit(&mut engine, now);
    /// assert!(written.ends_with(r#"{"type":"price","topic":"prices","payload":189.5}"#));
    /// assert_eq!(engine.publish("rates", "rate", b"0.5", None)?.listeners, 0);
    /// # Ok::<(), fastws_core::shelf::Full>(())
    /// ```
    pub fn publish(
        &mut self,
        topic: &str,
        kind: &str,
        payload: &[u8],
        policy: Option<SlowConsumer>,
    ) -> Result<Audience, Full> {
        let message = Message { kind, topic: Some(topic), payload: Some(payload), id: None };
        self.state.publish(topic, &message, policy)
    }

    /// The same with a whole text frame that was encoded before, perhaps on another thread. On
    /// an error nobody has got it; the example is at [`Unpublished`].
    pub fn publish_frame(
        &mut self,
        topic: &str,
        frame: &[u8],
        policy: Option<SlowConsumer>,
    ) -> Result<Audience, Unpublished> {
        self.state.publish_frame(topic, frame, policy)
    }

    /// Queues an update without a topic for every open connection of this shard, and tells how many
    /// that are. `kind` must not need escaping in JSON. O(connections). On [`Full`] nobody has got it.
    pub fn broadcast(&mut self, kind: &str, payload: &[u8]) -> Result<usize, Full> {
        self.state.broadcast(&Message { kind, topic: None, payload: Some(payload), id: None })
    }

    /// The same with a whole text frame that was encoded before, perhaps on another thread. On
    /// an error nobody has got it; the example is at [`Unpublished`].
    pub fn broadcast_frame(&mut self, frame: &[u8]) -> Result<usize, Unpublished> {
        self.state.broadcast_frame(frame)
    }

    /// Sends a close frame after what is queued, and waits for the peer's.
    pub fn close(&mut self, now: Instant, id: ConnectionId, close: Close<'_>) {
        if let Some(slot) = self.state.slot(id) {
            self.state.close(now, slot, close);
        }
    }

    /// Closes everybody; who has not finished its handshake is dropped.
    ///
    /// ```
    /// use fastws_core::action::Close;
    /// use fastws_core::config::Config;
    /// use fastws_core::engine::Engine;
    /// use fastws_core::time::Instant;
    ///
    /// let (mut engine, now) = (Engine::new(Config::default(), 0), Instant::ZERO);
    /// let visitor = engine.accept(now, [1; 16])?;
    /// engine.open(now, [2; 16])?;
    /// engine.close_all(now, Close::SHUTDOWN);
    /// assert_eq!(engine.poll_gone(), Some(visitor));
    /// // The other one's close frame is to be written, and answered.
    /// assert!(engine.queued() > 0 && engine.connections() == 0 && !engine.is_empty());
    /// # Ok::<(), fastws_core::shelf::Full>(())
    /// ```
    pub fn close_all(&mut self, now: Instant, close: Close<'_>) {
        for slot in 0..self.state.seats.len() {
            match self.state.seats[slot].session.phase {
                Phase::Handshake => self.state.enter(now, slot, Phase::Gone),
                _ => self.state.close(now, slot, close),
            }
        }
    }

    /// The server ends: unfinished handshakes are dropped, no new one succeeds, requests over HTTP are
    /// answered with 503, and open connections are
    /// closed with 1001, spread evenly over [`Config::drain`](crate::config::Config::drain). The first
    /// is closed now, and what is said before still reaches the others. Pages are served until the end.
    ///
    /// ```
    /// use fastws_core::config::Config;
    /// use fastws_core::engine::Engine;
    /// use fastws_core::time::Instant;
    ///
    /// let mut engine = Engine::new(Config::default(), 0);
    /// let mut now = Instant::ZERO;
    /// engine.open(now, [1; 16])?;
    /// engine.open(now, [2; 16])?;
    /// engine.drain(now);
    /// assert_eq!(engine.connections(), 1);
    /// assert!(engine.open(now, [3; 16]).is_err());
    /// while engine.connections() > 0 {
    ///     now = engine.poll_timeout().expect("somebody is still to be closed");
    ///     engine.handle_timeout(now);
    /// }
    /// assert!(now <= Instant::ZERO + Config::default().drain);
    /// // Their close frames are still to be written, and answered.
    /// assert!(!engine.is_drained());
    /// # Ok::<(), fastws_core::shelf::Full>(())
    /// ```
    pub fn drain(&mut self, now: Instant) {
        if self.state.drain.is_none() {
            self.state.drain(now);
            self.handle_timeout(now);
        }
    }

    /// The next socket to write to, and what. What came of it follows before anything else:
    /// [`handle_sent`](Self::handle_sent), or [`handle_end`](Self::handle_end) where the socket has failed.
    /// Where neither does, the socket has taken nothing.
    #[inline]
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit<'_>> {
        let slot = self.state.poll_transmit(now)?;
        let parts = self.state.outbox.parts(slot, &self.state.seats[slot].outgoing);
        Some(Transmit { id: self.state.id(slot), parts })
    }

    /// The socket has taken the first `sent` bytes of what [`poll_transmit`](Self::poll_transmit)
    /// offered; fewer than all means that it takes no more now.
    #[inline]
    pub fn handle_sent(&mut self, now: Instant, id: ConnectionId, sent: usize) -> Sent {
        let Some(slot) = self.state.slot(id) else { return Sent::Idle };
        self.state.counts.bytes_sent += sent as u64;
        let idle = self.state.handle_sent(now, slot, sent);
        let seat = &self.state.seats[slot];
        match seat.session.phase {
            Phase::Lingering if idle && seat.session.ended => {
                self.state.enter(now, slot, Phase::Gone);
                Sent::Idle
            }
            Phase::Lingering if idle => Sent::Finished,
            _ if seat.outgoing.is_blocked() => Sent::Blocked,
            _ => Sent::Idle,
        }
    }

    /// A socket takes bytes again.
    pub fn handle_writable(&mut self, id: ConnectionId) {
        if let Some(slot) = self.state.slot(id) {
            self.state.unblock(slot);
        }
    }

    /// A socket's peer says nothing more, and may still read: what it has asked for over HTTP is answered,
    /// and an answer or a close frame that waits is written. Then, or if there is none, as
    /// [`handle_end`](Self::handle_end).
    pub fn handle_eof(&mut self, now: Instant, id: ConnectionId) {
        let Some(slot) = self.state.slot(id) else { return };
        let seat = &self.state.seats[slot];
        let answers = match seat.session.phase {
            Phase::Posting => {
                seat.session.calling || posting::whole(self.inputs.bytes(slot)).is_some()
            }
            Phase::Lingering => !self.state.outbox.is_idle(slot, &seat.outgoing),
            _ => false,
        };
        match answers {
            true => self.state.seats[slot].session.ended = true,
            false => self.handle_end(now, id),
        }
    }

    /// A socket's stream has ended or was reset. All of the connection's subscriptions end, also while
    /// a call of it runs; the outcome of that call will have no effect.
    pub fn handle_end(&mut self, now: Instant, id: ConnectionId) {
        if let Some(slot) = self.state.slot(id) {
            self.state.enter(now, slot, Phase::Gone);
        }
    }

    /// Does what the clock demands. Handled early it does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(slot) = self.state.deadlines.due(now) {
            let seat = &self.state.seats[slot];
            let stopped = seat.session.phase == Phase::Open
                && (seat.session.refused || seat.assembly.room(&self.inputs.row(slot)) == 0);
            let deaf = stopped && self.state.is_excused(slot);
            if self.state.handle_timeout(now, slot, deaf) == Due::Handshake {
                self.inputs.row(slot).truncate(0);
                self.state.refuse(now, slot, Refusal::TimedOut, false);
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; earlier does no harm.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.state.deadlines.first()
    }

    /// The next topic that somebody came to, or that the last one left.
    pub fn poll_life(&mut self) -> Option<Life<'_>> {
        self.state.hub.poll_life()
    }

    /// From now on every subscription that begins or ends is noted for [`poll_change`](Self::poll_change).
    #[cfg(feature = "alloc")]
    pub fn watch(&mut self) {
        self.state.changes.watch();
    }

    /// The next subscription that has begun or ended since [`watch`](Self::watch), for whatever cause; a
    /// place that was set aside and given back is none. What is noted is kept until it is asked for.
    #[cfg(feature = "alloc")]
    pub fn poll_change(&mut self) -> Option<Change> {
        self.state.changes.poll()
    }

    /// The next connection whose socket is to be dropped. Its [slot](ConnectionId::slot) may be given
    /// to a new connection from now on.
    pub fn poll_gone(&mut self) -> Option<ConnectionId> {
        let id = self.state.poll_gone()?;
        self.inputs.row(id.slot()).truncate(0);
        Some(id)
    }

    /// Ends every subscription to a topic, and takes back the places that calls have set aside in it.
    /// O(listeners).
    ///
    /// ```
    /// # use fastws_core::config::Config;
    /// # use fastws_core::dispatch::{Answer, Call, Dispatch, Verdict};
    /// # use fastws_core::engine::Engine;
    /// # use fastws_core::frame::Opcode;
    /// # use fastws_core::ids::OperationId;
    /// # use fastws_core::time::Instant;
    /// # struct App;
    /// # impl Dispatch for App {
    /// #     fn find(&self, _: &str) -> Option<OperationId> {
    /// #         Some(OperationId(0))
    /// #     }
    /// #     fn call(&mut self, _: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
    /// #         let mut effects = answer.reply("listening", None);
    /// #         let _ = effects.subscribe("prices");
    /// #         effects.done()
    /// #     }
    /// # }
    /// # let (now, app) = (Instant::ZERO, &mut App);
    /// # let mut engine = Engine::new(Config::default(), 0);
    /// # let id = engine.open(now, [7; 16])?;
    /// # engine.handle_message(now, id, Opcode::Text, &mut br#"{"type":"listen"}"#.to_vec(), app);
    /// // One connection listens to `prices`.
    /// assert!(engine.listens(id, "prices"));
    /// assert_eq!((engine.topics(), engine.subscriptions()), (1, 1));
    /// engine.end_topic("prices");
    /// assert!(!engine.listens(id, "prices"));
    /// assert_eq!((engine.topics(), engine.connections()), (0, 1));
    /// # Ok::<(), fastws_core::shelf::Full>(())
    /// ```
    pub fn end_topic(&mut self, topic: &str) {
        self.state.end_topic(topic);
    }

    /// Connections that are open: their handshake is done, and no close has begun.
    pub fn connections(&self) -> usize {
        self.state.open as usize
    }

    /// No connection is left, in whatever phase.
    pub fn is_empty(&self) -> bool {
        self.state.taken == 0
    }

    /// A [`drain`](Self::drain) has begun and nobody is left: the driver's loop is over.
    pub fn is_drained(&self) -> bool {
        self.state.drain.is_some() && self.is_empty()
    }

    /// Subscriptions of all connections.
    pub fn subscriptions(&self) -> usize {
        self.state.hub.subscriptions as usize
    }

    /// Topics with at least one listener.
    pub fn topics(&self) -> usize {
        self.state.hub.live as usize
    }

    /// What has happened since the engine began.
    pub fn counts(&self) -> Counts {
        Counts { dropped: self.state.outbox.dropped, ..self.state.counts }
    }
}

/// Every input buffer is made so.
const HOLDS_A_HEAD: &str = "a buffer is no smaller than a head may be";
