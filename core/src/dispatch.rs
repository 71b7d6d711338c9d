//! What an application is asked, and what it may answer. Knows no bytes of the wire.

use crate::action::{Close, Denied, Unpublished};
use crate::config::SlowConsumer;
use crate::delivery::Audience;
use crate::encode::Outgoing as Message;
use crate::handshake::{Refusal, Request, Response};
use crate::ids::{CallId, ConnectionId, OperationId};
use crate::session::Phase;
use crate::shelf::Full;
use crate::state::State;
use crate::time::Instant;

/// The application behind an engine. It owns the names of the operations and answers their calls.
///
/// An engine hands itself to the application for the time of one call, so that a reply is encoded
/// once, where it is written from. Nothing here blocks, and nothing is left to be drained.
///
/// ```
/// use fastws_core::assembly::{Incoming, Reader};
/// use fastws_core::config::Config;
/// use fastws_core::dispatch::{Admission, Answer, Call, Dispatch, Verdict};
/// use fastws_core::engine::Engine;
/// use fastws_core::frame::{Opcode, Role};
/// use fastws_core::handshake::{Refusal, Request};
/// use fastws_core::ids::{ConnectionId, OperationId};
/// use fastws_core::time::Instant;
///
/// const LISTEN: OperationId = OperationId(0);
/// const SAY: OperationId = OperationId(1);
///
/// /// A room in which everybody hears what is said.
/// struct Room;
///
/// impl Dispatch for Room {
///     fn find(&self, name: &str) -> Option<OperationId> {
///         match name {
///             "room.listen" => Some(LISTEN),
///             "room.say" => Some(SAY),
///             _ => None,
///         }
///     }
///
///     fn call(&mut self, call: Call<'_>, mut answer: Answer<'_, '_>) -> Verdict {
///         if call.operation == LISTEN {
///             let reply: &[u8] = match answer.reserve("room") {
///                 Ok(()) => b"true",
///                 Err(_) => b"false",
///             };
///             let mut effects = answer.reply("room.listen.response", Some(reply));
///             // A place that was not reserved is not there: the reply has said so.
///             let _ = effects.subscribe("room");
///             return effects.done();
///         }
///         let mut effects = answer.silent();
///         let said = call.payload.unwrap_or("null").as_bytes();
///         // With memory of its own an engine has room for every update.
///         let _ = effects.publish("room", "room.said", said, None);
///         effects.done()
///     }
///
///     fn request(&mut self, _: ConnectionId, request: &Request<'_>) -> Admission<'_> {
///         match request.path {
///             "/room" => Admission::Upgrade { protocol: None },
///             _ => Admission::Refuse(Refusal::NotFound),
///         }
///     }
/// }
///
/// let (mut engine, now) = (Engine::new(Config::default(), 0), Instant::ZERO);
/// // A stream that is framed elsewhere needs no handshake, and brings whole messages.
/// let id = engine.open(now, [7; 16])?;
/// for message in [r#"{"type":"room.listen"}"#, r#"{"type":"room.say","payload":"hello"}"#] {
///     let mut message = message.as_bytes().to_vec();
///     assert!(engine.handle_message(now, id, Opcode::Text, &mut message, &mut Room));
/// }
/// let mut written = Vec::new();
/// let transmit = engine.poll_transmit(now).expect("there is a reply and an update");
/// transmit.parts().for_each(|part| written.extend_from_slice(part));
///
/// let mut heard = Vec::new();
/// Reader::new(Role::Client, 1024).read(&mut written, |incoming| match incoming {
///     Incoming::Text(text) => heard.push(text.to_owned()),
///     other => panic!("{other:?}"),
/// })?;
/// let update = r#"{"type":"room.said","topic":"room","payload":"hello"}"#;
/// assert_eq!(heard, [r#"{"type":"room.listen.response","payload":true}"#, update]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Dispatch {
    /// The operation of this full name, such as `bars.subscribe`.
    fn find(&self, name: &str) -> Option<OperationId>;

    /// Answers one call. The payload is valid JSON; whether it fits the operation is decided here.
    fn call(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict;

    /// Who takes the first message of a connection where
    /// [`demand_authentication`](crate::engine::Engine::demand_authentication) was called: its whole text
    /// is the payload, whatever it says. What closes the connection then closes it with
    /// `Not authenticated`; anything else lets it in.
    fn authenticator(&self) -> Option<OperationId> {
        None
    }

    /// Answers a connection's request on the HTTP side, which is its first and only one. By default
    /// `/ws` becomes a WebSocket.
    fn request(&mut self, id: ConnectionId, request: &Request<'_>) -> Admission<'_> {
        let _ = id;
        match request.path {
            "/ws" => Admission::Upgrade { protocol: None },
            _ => Admission::Refuse(Refusal::NotFound),
        }
    }
}

/// What becomes of a request.
///
/// ```
/// use fastws_core::dispatch::Admission;
/// use fastws_core::handshake::{Refusal, Request, Response};
///
/// fn admit(request: &Request<'_>) -> Admission<'static> {
///     match request.path {
///         "/ws" if request.protocols().any(|offered| offered == "v1") => {
///             Admission::Upgrade { protocol: Some("v1") }
///         }
///         "/ws" => Admission::Upgrade { protocol: None },
///         "/healthz" => Admission::Respond(Response {
///             status: 200,
///             headers: "Cache-Control: no-store\r\n",
///             content_type: "text/plain",
///             body: b"ok",
///         }),
///         _ => Admission::Refuse(Refusal::NotFound),
///     }
/// }
///
/// # use fastws_core::handshake::{Headers, read};
/// let mut headers = Headers::new();
/// let request = read(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 0, &mut headers)?.unwrap();
/// assert!(matches!(admit(&request), Admission::Respond(Response { status: 200, .. })));
/// # Ok::<(), Refusal>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Admission<'a> {
    /// It becomes a connection, if its headers ask for one correctly.
    Upgrade {
        /// The subprotocol that was chosen from the request's offers.
        protocol: Option<&'a str>,
    },
    /// Its body, which is JSON or empty, becomes a call of this operation. What is replied is the
    /// response; what would have closed a connection is one too, `{"error": REASON}`.
    Call(OperationId),
    /// It is answered and the socket ends.
    Refuse(Refusal),
    /// It is answered and the socket ends.
    Respond(Response<'a>),
}

/// One message of a client, on its way to its operation.
///
/// [`Dispatch::call`] takes it; the example is at [`Dispatch`].
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Names the call until it is settled.
    pub id: CallId,
    /// Who answers.
    pub operation: OperationId,
    /// Raw JSON; `None` where the member is missing, which means `null`.
    pub payload: Option<&'a str>,
    /// The request's `id` as it was written; the reply carries it back.
    pub echo: Option<&'a str>,
    /// When the message was taken.
    pub now: Instant,
}

/// The right to answer one call: reserve, then reply or not, then act.
///
/// The order is in the types: what takes effect comes after the reply, and a call that fails has had
/// no effect at all.
///
/// The example of a reply is at [`Dispatch`], that of one that takes its time at [`later`](Self::later).
/// What is known before, and how to refuse:
///
/// ```
/// use fastws_core::action::Close;
/// use fastws_core::dispatch::{Answer, Call, Verdict};
///
/// /// Subscribes to one topic more, of ten.
/// fn subscribe(call: Call<'_>, mut answer: Answer<'_, '_>) -> Verdict {
///     let topic = call.payload.unwrap_or_default().trim_matches('"');
///     if topic.len() > answer.topic_bytes() || answer.topics().any(|known| known == topic) {
///         return answer.reject("subscribe", Close::INVALID);
///     }
///     if answer.topic_count() == 10 || answer.places_left() == 0 || answer.reserve(topic).is_err() {
///         return answer.close(Close { code: 4000, reason: "too many topics" });
///     }
///     let mut effects = answer.reply("subscribed", None);
///     let _ = effects.subscribe(topic);
///     effects.done()
/// }
/// # use fastws_core::{config::Config, dispatch::Dispatch, engine::Engine, frame::Opcode};
/// # use fastws_core::{ids::OperationId, time::Instant};
/// # struct App;
/// # impl Dispatch for App {
/// #     fn find(&self, _: &str) -> Option<OperationId> {
/// #         Some(OperationId(0))
/// #     }
/// #     fn call(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
/// #         subscribe(call, answer)
/// #     }
/// # }
/// # let (mut engine, now) = (Engine::new(Config::default(), 0), Instant::ZERO);
/// # let id = engine.open(now, [7; 16])?;
/// # let mut say = |topic: &str| {
/// #     let mut text = format!(r#"{{"type":"subscribe","payload":"{topic}"}}"#).into_bytes();
/// #     engine.handle_message(now, id, Opcode::Text, &mut text, &mut App);
/// #     (engine.subscriptions(), engine.connections())
/// # };
/// // Subscriptions and connections after each of three requests, the last of them in vain.
/// assert_eq!([say("a"), say("b"), say("a")], [(1, 1), (2, 1), (0, 0)]);
/// # Ok::<(), fastws_core::shelf::Full>(())
/// ```
pub struct Answer<'a, 'm> {
    pub(crate) state: &'a mut State<'m>,
    pub(crate) now: Instant,
    pub(crate) slot: usize,
    pub(crate) echo: Option<&'a str>,
}

/// How a call ended; only an [`Answer`] makes one.
///
/// [`Effects::done`] is the usual one, [`Answer::later`] the one of a call that goes on.
#[derive(Debug)]
#[must_use]
pub struct Verdict(pub(crate) Ended);

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Now,
    Later,
}

impl<'a, 'm> Answer<'a, 'm> {
    /// Random, unique, and the same for all calls of the connection.
    pub fn uid(&self) -> [u8; 16] {
        self.state.seats[self.slot].uid
    }

    /// The topics that the connection listens to. O(their number).
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.state.hub.topics_of(self.state.seats[self.slot].interest)
    }

    /// How many topics that is. O(1).
    pub fn topic_count(&self) -> usize {
        self.state.seats[self.slot].interest.topics as usize
    }

    /// How long a topic's name may be.
    pub fn topic_bytes(&self) -> usize {
        self.state.config.topic_bytes.into()
    }

    /// How many more topics the connection may have.
    pub fn places_left(&self) -> u32 {
        let places = self.state.seats[self.slot].interest.places();
        self.state.config.topics_per_connection.saturating_sub(places)
    }

    /// Sets a place in `topic` aside, so that the reply can say whether the subscription succeeds.
    /// It is given back if the call ends without subscribing. On an error nothing has changed.
    pub fn reserve(&mut self, topic: &str) -> Result<(), Denied> {
        self.state.reserve(self.slot, topic, 0).map(drop)
    }

    /// Replies with raw JSON. `kind` is written as it is, so it must not need escaping in JSON.
    /// A reply that lent memory cannot hold closes the connection with 1011. To a request over HTTP only
    /// the payload is sent.
    #[inline]
    pub fn reply(self, kind: &str, payload: Option<&[u8]>) -> Effects<'a, 'm> {
        if self.state.seats[self.slot].session.phase == Phase::Posting {
            self.state.respond(self.now, self.slot, payload);
            return self.silent();
        }
        let message = Message { kind, topic: None, payload, id: self.echo };
        if self.state.send(self.slot, &message).is_err() {
            self.state.close(self.now, self.slot, Close::INTERNAL);
        }
        self.silent()
    }

    /// Replies with nothing.
    pub fn silent(self) -> Effects<'a, 'm> {
        Effects { state: self.state, now: self.now, slot: self.slot }
    }

    /// The outcome comes with [`Engine::settle`](crate::engine::Engine::settle); until then the
    /// connection's next message waits.
    ///
    /// ```
    /// use fastws_core::config::Config;
    /// use fastws_core::dispatch::{Answer, Call, Dispatch, Verdict};
    /// use fastws_core::engine::Engine;
    /// use fastws_core::frame::Opcode;
    /// use fastws_core::ids::{CallId, OperationId};
    /// use fastws_core::time::Instant;
    ///
    /// /// Notes calls that somebody else answers.
    /// struct Queue(Vec<CallId>);
    ///
    /// impl Dispatch for Queue {
    ///     fn find(&self, name: &str) -> Option<OperationId> {
    ///         (name == "sum").then_some(OperationId(0))
    ///     }
    ///
    ///     fn call(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
    ///         self.0.push(call.id);
    ///         answer.later()
    ///     }
    /// }
    ///
    /// let (mut engine, mut queue) = (Engine::new(Config::default(), 0), Queue(Vec::new()));
    /// let now = Instant::ZERO;
    /// let id = engine.open(now, [7; 16])?;
    /// let mut message = *br#"{"type":"sum","payload":[1,2]}"#;
    /// assert!(engine.handle_message(now, id, Opcode::Text, &mut message, &mut queue));
    /// // The next one waits, and is offered again when this one is settled.
    /// assert!(!engine.handle_message(now, id, Opcode::Text, &mut message.clone(), &mut queue));
    ///
    /// let call = queue.0.pop().expect("it was called");
    /// assert_eq!(call.connection(), id);
    /// let is_there = engine.settle(now, call, None, |answer| answer.reply("sum", Some(b"3")).done());
    /// assert!(is_there);
    /// // It is settled once.
    /// assert!(!engine.settle(now, call, None, |answer| answer.silent().done()));
    /// # Ok::<(), fastws_core::shelf::Full>(())
    /// ```
    pub fn later(self) -> Verdict {
        Verdict(Ended::Later)
    }

    /// Closes the connection instead of replying, or says the same in an error message and goes on, as
    /// [`Config::on_error`](crate::config::Config::on_error) has it. `kind` is the request's type; it is
    /// written as it is.
    pub fn reject(self, kind: &str, close: Close<'_>) -> Verdict {
        self.state.reject(self.now, self.slot, Some(kind), self.echo, close);
        self.silent().done()
    }

    /// Closes the connection instead of replying.
    pub fn close(self, close: Close<'_>) -> Verdict {
        self.silent().close(close)
    }
}

/// What follows a reply, in the order in which it is said.
///
/// Made by [`Answer::reply`] or [`Answer::silent`]; the example is at [`Dispatch`].
pub struct Effects<'a, 'm> {
    state: &'a mut State<'m>,
    now: Instant,
    slot: usize,
}

impl Effects<'_, '_> {
    /// The connection listens to `topic` or has a place set aside in it.
    pub fn has_place(&self, topic: &str) -> bool {
        let interest = self.state.seats[self.slot].interest;
        let topic = self.state.hub.find(topic);
        topic.and_then(|topic| self.state.hub.link(self.slot, interest, topic)).is_some()
    }

    /// Subscribes; it cannot fail where a place was reserved. Subscribing twice is one subscription:
    /// true if it is new. On an error nothing has changed.
    pub fn subscribe(&mut self, topic: &str) -> Result<bool, Denied> {
        self.state.subscribe(self.slot, topic)
    }

    /// Ends a subscription, or gives a reserved place back. No error where there was none.
    pub fn unsubscribe(&mut self, topic: &str) {
        if self.state.seats[self.slot].session.phase == Phase::Open {
            self.state.unsubscribe(self.slot, topic, false);
        }
    }

    /// Sends an update to everybody who listens to `topic` on this shard. O(listeners), once a turn
    /// for updates that follow one another. `policy` is the topic's own for readers that are too slow.
    /// On `Full` nobody has got it.
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

    /// The same with a whole text frame that was encoded before. On an error nobody has got it.
    pub fn publish_frame(
        &mut self,
        topic: &str,
        frame: &[u8],
        policy: Option<SlowConsumer>,
    ) -> Result<Audience, Unpublished> {
        self.state.publish_frame(topic, frame, policy)
    }

    /// Sends a whole text frame that was encoded before to this connection alone. One that lent memory
    /// cannot hold, and what is no whole text frame, closes the connection with 1011.
    pub fn send_frame(&mut self, frame: &[u8]) {
        if self.state.send_frame(self.slot, frame).is_err() {
            self.state.close(self.now, self.slot, Close::INTERNAL);
        }
    }

    /// Sends an update without a topic to every open connection of this shard, this one among them, and
    /// tells how many that are. O(connections). On `Full` nobody has got it.
    pub fn broadcast(&mut self, kind: &str, payload: &[u8]) -> Result<usize, Full> {
        self.state.broadcast(&Message { kind, topic: None, payload: Some(payload), id: None })
    }

    /// The same with a whole text frame that was encoded before. On an error nobody has got it.
    pub fn broadcast_frame(&mut self, frame: &[u8]) -> Result<usize, Unpublished> {
        self.state.broadcast_frame(frame)
    }

    /// Closes this connection, after what was said so far.
    pub fn close(self, close: Close<'_>) -> Verdict {
        let stranger = self.state.seats[self.slot].session.stranger;
        let close = if stranger { Close::STRANGER } else { close };
        self.state.close(self.now, self.slot, close);
        self.done()
    }

    /// That was all.
    pub fn done(self) -> Verdict {
        Verdict(Ended::Now)
    }
}
