//! What the handlers and services of one shard share with its driver: time, and what they ask for.
//!
//! Everything here belongs to one thread; nothing is locked and nothing is sent.

use crate::declared::{Declared, Treatment};
use crate::engine::Closes;
use crate::ids::{CallId, ConnectionId};
use crate::respond::{Fault, Refused};
use crate::retained::Retained;
use crate::time::{Duration, Instant};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::cell::{Cell, RefCell};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

/// A future that stays on its shard.
pub type Local<T> = Pin<Box<dyn Future<Output = T>>>;

/// All shards, as one of them or a foreign thread sees them.
///
/// ```
/// use fastws_core::declared::Treatment;
/// use fastws_core::desk::{Metrics, Published, Reach, Shards, Source};
/// use fastws_core::publisher::Publisher;
/// use fastws_core::shelf::Full;
/// use fastws_core::{api::Api, router::Router};
/// use std::sync::{Arc, Mutex};
///
/// /// The only shard: what others publish waits until it takes it.
/// #[derive(Default)]
/// struct Inbox(Mutex<Vec<(Option<String>, Vec<u8>)>>);
///
/// impl Inbox {
///     fn leave(&self, topic: Option<&str>, frame: &[u8]) {
///         self.0.lock().unwrap().push((topic.map(String::from), frame.into()));
///     }
/// }
///
/// impl Shards for Inbox {
///     fn publish(&self, source: Source, topic: &str, frame: &[u8], _: Treatment) -> Published {
///         // What it publishes itself, its listeners have already.
///         if source != Source::Shard(0) {
///             self.leave(Some(topic), frame);
///         }
///         // Nothing is kept for who comes later.
///         Published::default()
///     }
///
///     fn expect(&self, _: &str) {}
///
///     fn reach(&self, topic: Option<&str>, frame: &[u8], _: Treatment) -> Result<Reach, Full> {
///         self.leave(topic, frame);
///         Ok(Reach::new(async { 0 }))
///     }
///
///     fn metrics(&self) -> Metrics {
///         Metrics::default()
///     }
/// }
///
/// let router = Router::new().recv::<f64>("price");
/// let catalog = Api::new("Prices", "1.0.0").include(router).build()?;
/// let inbox = Arc::new(Inbox::default());
/// let publisher = Publisher::new(catalog.declared().clone(), inbox.clone());
/// publisher.publish("prices", "price", &189.5)?;
///
/// let (topic, frame) = inbox.0.lock().unwrap().pop().expect("it waits");
/// assert_eq!(topic.as_deref(), Some("prices"));
/// assert!(frame.ends_with(br#"{"type":"price","topic":"prices","payload":189.5}"#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Shards: Send + Sync {
    /// Queues an encoded frame on the shards. What is to be kept is the topic's last update from now on,
    /// if anybody on any shard is interested in the topic.
    fn publish(&self, source: Source, topic: &str, frame: &[u8], treatment: Treatment)
    -> Published;

    /// Somebody is about to become interested in a topic, and this was told of it before the shard
    /// tells it itself. Each time counts.
    fn expect(&self, topic: &str);

    /// Queues an encoded frame on every shard, for who listens to `topic`, or for everybody.
    fn reach(
        &self,
        topic: Option<&str>,
        frame: &[u8],
        treatment: Treatment,
    ) -> Result<Reach, crate::shelf::Full>;

    /// Sums over all shards, each a moment old.
    fn metrics(&self) -> Metrics;
}

/// No other shards: for a driver that has one, and takes nothing from other threads. What handlers and
/// services publish, its own listeners have already.
///
/// The example is at [`Desk`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alone;

impl Shards for Alone {
    fn publish(&self, _: Source, _: &str, _: &[u8], _: Treatment) -> Published {
        Published::default()
    }

    fn expect(&self, _: &str) {}

    /// There is nowhere to queue it: [`Full`](crate::shelf::Full).
    fn reach(&self, _: Option<&str>, _: &[u8], _: Treatment) -> Result<Reach, crate::shelf::Full> {
        Err(crate::shelf::Full)
    }

    fn metrics(&self) -> Metrics {
        Metrics::default()
    }
}

/// Who publishes an update.
///
/// The example is at [`Shards`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Anybody, for all listeners.
    Anybody,
    /// This shard, whose own listeners have it already.
    Shard(usize),
    /// The service of this life of the topic, for who listens to that life.
    Life(u64),
}

/// What has become of a frame.
///
/// The example is at [`Shards`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// The moment at which it has become the topic's last update, if it has.
    pub kept: Option<u64>,
    /// Some shard's inbox was full, and its listeners do not get it.
    pub full: bool,
}

/// A future that tells how many connections an update was queued for, once every shard knows. The
/// update goes out also where nobody waits for that.
///
/// ```
/// use fastws_core::api::Api;
/// use fastws_core::declared::PublishError;
/// use fastws_core::extract::Payload;
/// use fastws_core::publisher::App;
/// use fastws_core::router::Router;
/// use fastws_core::send;
///
/// #[send("alert", reply = "alerted")]
/// async fn alert(Payload(text): Payload<String>, app: App) -> Result<usize, PublishError> {
///     let reach = app.publisher().reach("alerts", "alerts.alert", &text)?;
///     Ok(reach.await)
/// }
///
/// let router = Router::new().include(alert).recv::<String>("alerts.alert");
/// assert!(Api::new("Alerts", "1.0.0").include(router).build().is_ok());
/// ```
pub struct Reach(Pin<Box<dyn Future<Output = usize> + Send>>);

impl Reach {
    /// For who counts.
    pub fn new(count: impl Future<Output = usize> + Send + 'static) -> Self {
        Self(Box::pin(count))
    }
}

impl Future for Reach {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<usize> {
        self.0.as_mut().poll(context)
    }
}

/// Sums over all shards.
///
/// The example is at [`App`](crate::publisher::App).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Open connections.
    pub connections: usize,
    /// Subscriptions of all connections.
    pub subscriptions: usize,
    /// Topics with at least one listener.
    pub topics: usize,
    /// Messages that were read since the start.
    pub messages_received: u64,
    /// Replies, and updates once for each listener, since the start.
    pub messages_sent: u64,
    /// Bytes that sockets have sent since the start, with handshakes and frames' heads.
    pub bytes_received: u64,
    /// Bytes that sockets have taken since the start.
    pub bytes_sent: u64,
    /// Updates that gave way in the backlogs of slow consumers, since the start, once for each of them.
    pub updates_dropped: u64,
    /// Updates that a shard's full inbox did not take, since the start, once for each such shard.
    pub updates_lost: u64,
    /// Connections that have ended since the start, by close code.
    pub closes: Closes,
}

/// One shard's desk.
///
/// ```
/// use fastws_core::desk::Desk;
/// use fastws_core::time::{Duration, Instant};
/// use std::pin::pin;
/// use std::task::{Context, Waker};
/// # use fastws_core::{api::Api, desk::Alone};
/// # let catalog = Api::new("Sleepers", "1.0.0").build()?;
/// # let shards = std::sync::Arc::new(Alone);
/// let desk = Desk::new(catalog.declared().clone(), shards, 0);
///
/// // A handler sleeps; its driver wakes it.
/// let unix = Duration::from_secs(1_700_000_000);
/// desk.handle_time(Instant::ZERO, unix);
/// let mut sleep = pin!(desk.sleep(Duration::from_secs(1)));
/// let mut context = Context::from_waker(Waker::noop());
/// assert!(sleep.as_mut().poll(&mut context).is_pending());
///
/// let due = desk.poll_timeout().expect("somebody sleeps");
/// assert_eq!(due, Instant::from_millis(1_000));
/// desk.handle_time(due, unix + Duration::from_secs(1));
/// assert!(sleep.as_mut().poll(&mut context).is_ready());
/// assert_eq!(desk.poll_timeout(), None);
/// # Ok::<(), fastws_core::api::BuildError>(())
/// ```
pub struct Desk {
    pub(crate) declared: Arc<Declared>,
    pub(crate) shards: Arc<dyn Shards>,
    pub(crate) shard: usize,
    now: Cell<Instant>,
    unix: Cell<Duration>,
    timers: RefCell<BTreeMap<(Instant, u64), Waker>>,
    timer: Cell<u64>,
    asks: RefCell<VecDeque<Ask>>,
    returned: RefCell<Vec<(CallId, Rc<str>)>>,
    /// What topics said last.
    pub retained: Retained,
    expected: RefCell<Vec<Rc<str>>>,
    /// By the connections' slots; none where nobody was let in with anything.
    guests: RefCell<Vec<Option<Rc<dyn Any>>>>,
}

/// A subscription that a running handler waits for.
///
/// [`Desk::poll_ask`] hands it out. Its driver sets a place aside with
/// [`Engine::reserve`](crate::engine::Engine::reserve), starts the topic's service if it is the first, and
/// says in the [`Reservation`] what came of it.
pub struct Ask {
    /// The handler's call.
    pub call: CallId,
    /// The topic.
    pub topic: Rc<str>,
    /// How many subscriptions the handler has wished to end: their places are free when it ends.
    pub leaving: u32,
    /// Starts the topic's service, if this is its first listener.
    pub start: Starter,
    /// Where the answer goes.
    pub answer: Rc<Reservation>,
}

/// Starts a service: a future that, when it has started, yields the future that runs, and that one
/// the fault with which the topic ends.
pub type Starter = Box<dyn FnOnce(Feed) -> Local<Result<Local<Fault>, Refused>>>;

/// Where a service's updates go, before their type is known.
///
/// A [`Starter`] makes [`Updates`](crate::service::Updates) of it.
#[derive(Clone)]
pub struct Feed {
    /// The shard that the service runs on.
    pub desk: Rc<Desk>,
    /// The topic that it serves.
    pub topic: Rc<str>,
    /// The generation of the topic's life.
    pub life: u64,
}

impl Feed {
    /// Sends a frame to who listens to this life. A shard's full inbox is counted there.
    pub(crate) fn send(&self, frame: &[u8], treatment: Treatment) {
        self.desk.shards.publish(Source::Life(self.life), &self.topic, frame, treatment);
    }
}

impl Desk {
    /// The desk of shard number `shard`.
    pub fn new(declared: Arc<Declared>, shards: Arc<dyn Shards>, shard: usize) -> Rc<Self> {
        Rc::new(Self {
            declared,
            shards,
            shard,
            now: Cell::default(),
            unix: Cell::default(),
            timers: RefCell::default(),
            timer: Cell::default(),
            asks: RefCell::default(),
            returned: RefCell::default(),
            retained: Retained::default(),
            expected: RefCell::default(),
            guests: RefCell::default(),
        })
    }

    /// Tells the time: the driver's clock, and the time since 1970. Wakes who has slept long enough.
    pub fn handle_time(&self, now: Instant, unix: Duration) {
        self.now.set(now);
        self.unix.set(unix);
        let mut timers = self.timers.borrow_mut();
        while let Some(first) = timers.first_entry()
            && first.key().0 <= now
        {
            first.remove().wake();
        }
    }

    /// When somebody wants to be woken.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.borrow().first_key_value().map(|(&(at, _), _)| at)
    }

    /// The next subscription that a handler waits for.
    pub fn poll_ask(&self) -> Option<Ask> {
        self.asks.borrow_mut().pop_front()
    }

    /// Keeps what a connection was let in with, for its handlers.
    pub fn admit(&self, id: ConnectionId, guest: Rc<dyn Any>) {
        let mut guests = self.guests.borrow_mut();
        if guests.len() <= id.slot() {
            guests.resize(id.slot() + 1, None);
        }
        guests[id.slot()] = Some(guest);
    }

    /// Drops what a connection was let in with; its slot may be given to another one.
    pub fn forget(&self, id: ConnectionId) {
        // Its destructor may come back here.
        let guest = self.guests.borrow_mut().get_mut(id.slot()).and_then(Option::take);
        drop(guest);
    }

    pub(crate) fn guest<S: 'static>(&self, id: ConnectionId) -> Option<Rc<S>> {
        self.guests.borrow().get(id.slot())?.clone()?.downcast().ok()
    }

    /// The next place that a handler gives back, since it does not wait for it any longer.
    pub fn poll_returned(&self) -> Option<(CallId, Rc<str>)> {
        self.returned.borrow_mut().pop()
    }

    pub(crate) fn give_back(&self, call: CallId, topic: Rc<str>) {
        self.returned.borrow_mut().push((call, topic));
    }

    /// The driver's time, as of this turn.
    pub fn now(&self) -> Instant {
        self.now.get()
    }

    /// The time since 1970, as of this turn.
    pub fn unix(&self) -> Duration {
        self.unix.get()
    }

    /// Sleeps on the driver's clock.
    pub fn sleep(self: &Rc<Self>, time: Duration) -> Sleep {
        self.timer.set(self.timer.get() + 1);
        Sleep { desk: self.clone(), key: (self.now() + time, self.timer.get()) }
    }

    pub(crate) fn ask(&self, ask: Ask) {
        self.asks.borrow_mut().push_back(ask);
    }

    /// Has a topic's interest told ahead, so that what is published from now on is kept.
    pub(crate) fn expect(&self, topic: &Rc<str>) {
        self.shards.expect(topic);
        self.expected.borrow_mut().push(topic.clone());
    }

    /// The next topic whose interest was told ahead; by now the shard has told it.
    pub fn poll_expected(&self) -> Option<Rc<str>> {
        self.expected.borrow_mut().pop()
    }

    /// Some handler waits for a subscription, or does not any longer.
    pub fn is_ready(&self) -> bool {
        !self.asks.borrow().is_empty() || !self.returned.borrow().is_empty()
    }
}

/// Ends when the driver's clock has come to its time. Dropping it forgets it.
///
/// Made by [`Clock::sleep`](crate::extract::Clock::sleep) for handlers, where the example is, and by
/// [`Updates::sleep`](crate::service::Updates::sleep) for services.
#[must_use = "it sleeps only while it is awaited"]
pub struct Sleep {
    desk: Rc<Desk>,
    key: (Instant, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.key.0 <= self.desk.now() {
            return Poll::Ready(());
        }
        self.desk.timers.borrow_mut().insert(self.key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.desk.timers.borrow_mut().remove(&self.key);
    }
}

/// The answer to an [`Ask`], until it is there, and what the topic said if it has ended before the
/// handler.
#[derive(Default)]
pub struct Reservation {
    answer: RefCell<Option<Result<(), Refused>>>,
    waker: RefCell<Option<Waker>>,
    last_words: RefCell<Rc<[Arc<[u8]>]>>,
}

impl Reservation {
    /// Answers; the first answer counts.
    pub fn answer(&self, answer: Result<(), Refused>) {
        self.answer.borrow_mut().get_or_insert(answer);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// The topic has ended with these frames, and the place that was granted is gone.
    pub fn leave(&self, last_words: Rc<[Arc<[u8]>]>) {
        self.last_words.replace(last_words);
    }

    pub(crate) fn last_words(&self) -> Rc<[Arc<[u8]>]> {
        self.last_words.borrow().clone()
    }

    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        match self.answer.borrow_mut().take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                *self.waker.borrow_mut() = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
