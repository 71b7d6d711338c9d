//! The connection as its handler sees it: facts, and wishes that take effect when the handler ends.

use crate::action::Denied;
use crate::declared::{PublishError, Treatment};
use crate::desk::{Ask, Desk, Reservation, Source, Starter};
use crate::dispatch::{Answer, Effects};
use crate::ids::CallId;
use crate::respond::Refused;
use crate::retained::Kept;
use crate::topic;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::cell::{Cell, RefCell};
use core::fmt::Write;
use core::future::poll_fn;
use serde::Serialize;

/// The client that sent the message.
///
/// What a handler wishes takes effect when it ends: its reply first, then its wishes in the order of
/// the calls. A handler that fails, or whose client has gone meanwhile, has no effect.
///
/// ```
/// use fastws_core::api::Api;
/// use fastws_core::client::Client;
/// use fastws_core::declared::PublishError;
/// use fastws_core::extract::Payload;
/// use fastws_core::router::Router;
/// use fastws_core::{payload, send};
///
/// #[payload]
/// struct Quote { symbol: String, price: f64, from: String }
///
/// /// Listens to one symbol's quotes, and to no other's any more.
/// #[send("quotes.watch", reply = "quotes.watching")]
/// fn watch(Payload(symbol): Payload<String>, client: Client) -> String {
///     for topic in client.topics() {
///         client.unsubscribe(topic);
///     }
///     match client.subscribe(format!("quotes:{symbol}")) {
///         // The one topic that is left, though none of this has taken effect yet.
///         Ok(()) => client.topics().join(", "),
///         Err(refused) => refused.to_string(),
///     }
/// }
///
/// /// Says a price to everybody who listens.
/// #[send("quotes.say")]
/// fn say(Payload(quote): Payload<Quote>, client: Client) -> Result<(), PublishError> {
///     let quote = Quote { from: client.uid(), ..quote };
///     client.publish(format!("quotes:{}", quote.symbol), "quotes.quote", &quote)
/// }
///
/// let quotes = Router::new().include(watch).include(say).recv::<Quote>("quotes.quote");
/// assert!(Api::new("Quotes", "1.0.0").include(quotes).build().is_ok());
/// ```
#[derive(Clone)]
pub struct Client {
    call: Rc<Visit>,
}

struct Visit {
    call: CallId,
    uid: [u8; 16],
    topics: Vec<String>,
    /// How long a topic's name may be.
    topic_bytes: usize,
    /// Places that are left under the limit of topics per connection.
    places: Cell<u32>,
    wishes: RefCell<Vec<Wish>>,
    /// Topics that the handler waits for.
    waiting: RefCell<Vec<Rc<str>>>,
    desk: Rc<Desk>,
}

/// A handler that waits for a topic.
struct Wait<'c> {
    call: &'c Visit,
    topic: Rc<str>,
    /// The places that it has taken under the limit, unless it has got what it waited for.
    taken: Option<u32>,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let Self { call, topic, taken } = self;
        let mut waiting = call.waiting.borrow_mut();
        let at = waiting.iter().position(|known| known == topic).expect("it was noted");
        waiting.remove(at);
        let Some(taken) = *taken else { return };
        call.places.update(|left| left + taken);
        // Somebody else in the same handler may wait for the same place, or have it.
        if taken > 0 && !waiting.contains(topic) {
            call.desk.give_back(call.call, topic.clone());
        }
    }
}

enum Wish {
    Subscribe(Rc<str>),
    /// Where a place was set aside, if it still is.
    TakePlace(Rc<str>, Rc<Reservation>),
    Hear(Rc<[Arc<[u8]>]>),
    Unsubscribe(Rc<str>),
    Admit(Rc<dyn Any>),
    Publish {
        topic: Rc<str>,
        frame: Vec<u8>,
        treatment: Treatment,
    },
}

impl Wish {
    fn subscribes_to(&self) -> Option<&str> {
        match self {
            Self::Subscribe(topic) | Self::TakePlace(topic, _) => Some(topic),
            _ => None,
        }
    }
}

impl Client {
    pub(crate) fn new(call: CallId, caller: &dyn Caller, desk: &Rc<Desk>) -> Self {
        Self {
            call: Rc::new(Visit {
                call,
                uid: caller.uid(),
                topics: caller.topics(),
                topic_bytes: caller.topic_bytes(),
                places: Cell::new(caller.places_left()),
                wishes: RefCell::default(),
                waiting: RefCell::default(),
                desk: desk.clone(),
            }),
        }
    }

    /// 32 random hexadecimal digits, the same for all calls of a connection.
    pub fn uid(&self) -> String {
        uid_text(self.call.uid)
    }

    /// The topics that the client is subscribed to, as the wishes made so far leave them, oldest
    /// first. O(topics).
    pub fn topics(&self) -> Vec<String> {
        let mut topics = self.call.topics.clone();
        for wish in self.call.wishes.borrow().iter() {
            match wish {
                Wish::Subscribe(topic) | Wish::TakePlace(topic, _)
                    if !topics.iter().any(|known| **known == **topic) =>
                {
                    topics.push(topic.to_string());
                }
                Wish::Unsubscribe(topic) => topics.retain(|known| **known != **topic),
                _ => {}
            }
        }
        topics
    }

    /// Subscribes to a topic without a service. A topic of a
    /// [`TopicRoute`](crate::topic_route::TopicRoute) with a service is subscribed to through its route.
    /// O(topics).
    ///
    /// # Errors
    /// A name that cannot be a topic's, a topic with a service, or one topic more than the connection may
    /// have. Nothing is wished then.
    pub fn subscribe(&self, topic: impl AsRef<str>) -> Result<(), Refused> {
        let topic = topic.as_ref();
        topic::check(topic, self.call.topic_bytes)?;
        if self.call.desk.declared.route(topic).is_some_and(|route| route.serves) {
            return Err("the topic has a service: subscribe through its route".into());
        }
        self.take_place(topic)?;
        self.wish(Wish::Subscribe(Rc::from(topic)));
        Ok(())
    }

    /// Has a place reserved, and the service started if this is the first. Who does not wait any longer
    /// gives the place back.
    pub(crate) async fn subscribe_with(&self, topic: &str, start: Starter) -> Result<(), Refused> {
        let before = self.call.places.get();
        self.take_place(topic)?;
        let taken = before - self.call.places.get();
        let topic: Rc<str> = Rc::from(topic);
        self.call.waiting.borrow_mut().push(topic.clone());
        let mut wait = Wait { call: &self.call, topic: topic.clone(), taken: Some(taken) };
        let answer = Rc::new(Reservation::default());
        self.call.desk.ask(Ask {
            call: self.call.call,
            topic: topic.clone(),
            leaving: self.leaving(),
            start,
            answer: answer.clone(),
        });
        poll_fn(|context| answer.poll(context)).await?;
        wait.taken = None;
        self.wish(Wish::TakePlace(topic, answer));
        Ok(())
    }

    /// How many subscriptions the wishes made so far end, at most.
    fn leaving(&self) -> u32 {
        let wishes = self.call.wishes.borrow();
        wishes.iter().filter(|wish| matches!(wish, Wish::Unsubscribe(_))).count() as u32
    }

    /// A place under the limit, unless the topic has one already.
    fn take_place(&self, topic: &str) -> Result<(), Refused> {
        if !self.listens(topic) {
            let left = self.call.places.get().checked_sub(1);
            let left = left.ok_or_else(|| Refused::new(Denied::TooManyTopics.to_string()))?;
            self.call.places.set(left);
        }
        Ok(())
    }

    /// Ends a subscription. No error where there is none.
    pub fn unsubscribe(&self, topic: impl AsRef<str>) {
        let topic = topic.as_ref();
        if self.listens(topic) {
            self.call.places.update(|left| left + 1);
        }
        self.wish(Wish::Unsubscribe(Rc::from(topic)));
    }

    /// Takes the last wish to subscribe to a topic back, as if it had not been made.
    pub(crate) fn withdraw(&self, topic: &str) {
        let Visit { call, places, wishes, waiting, desk, .. } = &*self.call;
        let last = wishes.borrow().iter().rposition(|wish| wish.subscribes_to() == Some(topic));
        last.map(|at| wishes.borrow_mut().remove(at));
        if self.listens(topic) {
            return;
        }
        places.update(|left| left + 1);
        if !waiting.borrow().iter().any(|known| **known == *topic) {
            desk.give_back(*call, Rc::from(topic));
        }
    }

    /// Whether the wishes made so far leave a subscription. O(wishes + topics).
    fn listens(&self, topic: &str) -> bool {
        let wishes = self.call.wishes.borrow();
        let wished = wishes.iter().rev().find_map(|wish| match wish {
            Wish::Unsubscribe(known) if **known == *topic => Some(false),
            wish => (wish.subscribes_to() == Some(topic)).then_some(true),
        });
        wished.unwrap_or_else(|| self.call.topics.iter().any(|known| known == topic))
    }

    /// Sends an update to all subscribers of `topic`, on all shards. `kind` is the full type of a `recv`
    /// operation of this payload's type. It is encoded now, and takes effect with the other wishes.
    ///
    /// # Errors
    /// What [`PublishError`] says, but for its `Full`: who does not get it then is counted in
    /// [`Metrics`](crate::desk::Metrics).
    pub fn publish<T: Serialize + 'static>(
        &self,
        topic: impl AsRef<str>,
        kind: &str,
        payload: &T,
    ) -> Result<(), PublishError> {
        let topic = topic.as_ref();
        let frame = self.call.desk.declared.update(Some(topic), kind, payload)?;
        let treatment = self.call.desk.declared.treatment(topic, kind);
        self.wish(Wish::Publish { topic: Rc::from(topic), frame, treatment });
        Ok(())
    }

    /// What the connection is let in with.
    pub(crate) fn admit(&self, guest: Rc<dyn Any>) {
        self.wish(Wish::Admit(guest));
    }

    fn wish(&self, wish: Wish) {
        self.call.wishes.borrow_mut().push(wish);
    }

    /// Carries the wishes out, in their order.
    pub(crate) fn apply(&self, effects: &mut Effects<'_, '_>) {
        let Visit { call, wishes, desk, .. } = &*self.call;
        let mut wishes = wishes.take();
        let mut ended: Vec<Rc<str>> = Vec::new();
        for wish in &mut wishes {
            // A topic that has ended meanwhile has taken its places back, and its last words are due, once.
            if let Wish::TakePlace(topic, reservation) = wish
                && !effects.has_place(topic)
            {
                let is_told = ended.contains(topic);
                ended.push(topic.clone());
                let words = if is_told { Rc::default() } else { reservation.last_words() };
                *wish = Wish::Hear(words);
            }
        }
        for wish in wishes {
            match wish {
                // It was checked or reserved when it was wished; the client may have left meanwhile.
                Wish::Subscribe(topic) => {
                    if desk.declared.retains(&topic) {
                        desk.expect(&topic);
                    }
                    listen(effects, desk, &topic);
                }
                Wish::TakePlace(topic, _) => listen(effects, desk, &topic),
                Wish::Hear(frames) => frames.iter().for_each(|frame| effects.send_frame(frame)),
                Wish::Unsubscribe(topic) => effects.unsubscribe(&topic),
                Wish::Admit(guest) => desk.admit(call.connection(), guest),
                Wish::Publish { topic, frame, treatment } => {
                    // Owned memory has room; another shard's full inbox is counted there.
                    let _ = effects.publish_frame(&topic, &frame, treatment.policy);
                    let source = Source::Shard(desk.shard);
                    let published = desk.shards.publish(source, &topic, &frame, treatment);
                    if let Some(moment) = published.kept {
                        let kept = Kept { moment, life: None, frame: frame.into() };
                        desk.retained.keep(&topic, kept);
                    }
                }
            }
        }
    }
}

/// Subscribes, and says what the topic said last to who comes anew.
fn listen(effects: &mut Effects<'_, '_>, desk: &Desk, topic: &str) {
    if effects.subscribe(topic) == Ok(true)
        && let Some(frame) = desk.retained.last(topic)
    {
        effects.send_frame(&frame);
    }
}

pub(crate) fn uid_text(uid: [u8; 16]) -> String {
    uid.iter().fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Facts about the connection that calls.
pub(crate) trait Caller {
    fn uid(&self) -> [u8; 16];
    fn topics(&self) -> Vec<String>;
    fn topic_bytes(&self) -> usize;
    fn places_left(&self) -> u32;
}

impl Caller for Answer<'_, '_> {
    fn uid(&self) -> [u8; 16] {
        Answer::uid(self)
    }

    fn topics(&self) -> Vec<String> {
        let mut topics: Vec<String> = Answer::topics(self).map(String::from).collect();
        topics.reverse();
        topics
    }

    fn topic_bytes(&self) -> usize {
        Answer::topic_bytes(self)
    }

    fn places_left(&self) -> u32 {
        Answer::places_left(self)
    }
}
