//! What runs behind a topic while somebody listens. Knows its topic and the driver's clock, no listener.

use crate::declared::Treatment;
use crate::desk::{Feed, Local, Sleep};
use crate::pace::{Pace, Rule};
use crate::respond::{Fault, Refused};
use crate::time::{Duration, Instant};
use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::future::{Future, poll_fn, ready};
use core::pin::Pin;
use core::task::Waker;
use serde::Serialize;

/// A service's way to the listeners of its topic, and its clock.
///
/// It never blocks. Clones serve the same topic.
///
/// ```
/// use fastws_core::respond::Fault;
/// use fastws_core::service::Updates;
/// use fastws_core::time::Duration;
/// use fastws_core::topic_route::TopicRoute;
/// use fastws_core::{api::Api, payload};
///
/// #[payload]
/// struct Symbol { symbol: String }
/// #[payload]
/// struct Bar { close: f64, time: i64 }
///
/// /// Asks for a price.
/// async fn ask(symbol: &str) -> Option<f64> {
///     (symbol == "AAPL").then_some(189.5)
/// }
///
/// async fn bars(request: Symbol, updates: Updates<Bar>) -> Result<(), Fault> {
///     let begun = updates.now();
///     loop {
///         match ask(&request.symbol).await {
///             Some(close) => updates.publish(&Bar { close, time: updates.unix_millis() }),
///             None if updates.now() - begun > Duration::from_secs(60) => {
///                 let fault = Fault::new("upstream", format!("nothing about {}", updates.topic()));
///                 return Err(fault.retry_after(Duration::from_secs(10)));
///             }
///             None => updates.error(Fault::new("late", "the exchange does not answer")),
///         }
///         updates.sleep(Duration::from_secs(1)).await;
///     }
/// }
///
/// let route = TopicRoute::new("bars").topic(|Symbol { symbol }| symbol.clone()).service(bars);
/// assert!(Api::new("Bars", "1.0.0").include(route).build().is_ok());
/// ```
pub struct Updates<Update> {
    feed: Feed,
    kind: Rc<str>,
    pace: Option<Rc<Paced<Update>>>,
}

struct Paced<Update> {
    pace: RefCell<Pace<Update>>,
    /// Of whoever sends what was kept.
    waker: RefCell<Option<Waker>>,
}

impl<Update> Clone for Updates<Update> {
    fn clone(&self) -> Self {
        Self { feed: self.feed.clone(), kind: self.kind.clone(), pace: self.pace.clone() }
    }
}

impl<Update: Serialize + 'static> Updates<Update> {
    /// For a topic of a route that the API includes; from another one nothing can be published.
    pub(crate) fn new(feed: Feed, rule: Option<Rule<Update>>) -> Self {
        let route = feed.desk.declared.route(&feed.topic);
        let kind = Rc::from(route.map_or("", |route| &route.update));
        let pace = rule.map(|rule| {
            Rc::new(Paced { pace: RefCell::new(Pace::new(rule)), waker: RefCell::default() })
        });
        Self { feed, kind, pace }
    }

    /// Sends an update to everybody who listens to the topic. What is published while the service
    /// starts reaches the first listener right after its reply. An update that cannot be encoded is
    /// dropped and counts as a bug of `Update`'s `Serialize`.
    ///
    /// Where the route has a pace, what comes too early waits for its time or for the next.
    pub fn publish(&self, update: &Update) {
        let now = self.now();
        match &self.pace {
            Some(paced) if !paced.pace.borrow_mut().offer(now, update) => {
                if let Some(waker) = paced.waker.take() {
                    waker.wake();
                }
            }
            _ => self.send(update),
        }
    }

    fn send(&self, update: &Update) {
        let Feed { desk, topic, .. } = &self.feed;
        match desk.declared.update(Some(topic), &self.kind, update) {
            Ok(frame) => self.feed.send(&frame, desk.declared.treatment(topic, &self.kind)),
            Err(error) => debug_assert!(false, "{error}"),
        }
    }

    /// Tells everybody who listens to the topic of something that the service gets over: they stay, and
    /// it goes on. One that it does not get over is what its future ends with.
    pub fn error(&self, fault: Fault) {
        let Feed { desk, topic, .. } = &self.feed;
        if let Some(frame) = desk.declared.report(topic, fault, true) {
            self.feed.send(&frame, Treatment::NEVER_DROPPED);
        }
    }

    /// Runs what runs behind the topic, and sends what was kept when it is time, at the latest when the
    /// service ends.
    pub(crate) async fn pace(self, mut run: Local<Fault>) -> Fault {
        let Some(paced) = &self.pace else { return run.await };
        let mut sleep: Option<Sleep> = None;
        poll_fn(|context| {
            let ended = run.as_mut().poll(context);
            paced.waker.replace(Some(context.waker().clone()));
            loop {
                let Some(due) = paced.pace.borrow().poll_timeout() else { return ended };
                let sleep = sleep.insert(self.sleep(due - self.now()));
                if ended.is_pending() && Pin::new(sleep).poll(context).is_pending() {
                    return ended;
                }
                if let Some(update) = paced.pace.borrow_mut().take(self.now()) {
                    self.send(update);
                }
            }
        })
        .await
    }

    /// The topic's full name.
    pub fn topic(&self) -> &str {
        &self.feed.topic
    }

    /// Sleeps on the driver's clock.
    pub fn sleep(&self, time: Duration) -> Sleep {
        self.feed.desk.sleep(time)
    }

    /// The driver's clock, which never goes back, as of this turn.
    pub fn now(&self) -> Instant {
        self.feed.desk.now()
    }

    /// The time since 1970, as of this turn.
    pub fn unix(&self) -> Duration {
        self.feed.desk.unix()
    }

    /// The same in milliseconds.
    pub fn unix_millis(&self) -> i64 {
        self.unix().as_millis() as i64
    }
}

/// What a service's function yields: how it has ended, where it runs itself, or a `Result` with the
/// future that runs once it has started.
///
/// ```
/// use fastws_core::respond::{Fault, Refused};
/// use fastws_core::service::Updates;
/// use fastws_core::topic_route::TopicRoute;
///
/// // It runs itself, until nobody listens any more.
/// async fn ticks((): (), updates: Updates<u32>) {
///     updates.publish(&1);
/// }
/// // It starts first, and may refuse.
/// async fn bars(
///     symbol: String,
///     updates: Updates<f64>,
/// ) -> Result<impl Future<Output = Result<(), Fault>>, Refused> {
///     if symbol != "AAPL" {
///         return Err("no such symbol".into());
///     }
///     Ok(async move {
///         updates.publish(&189.5);
///         Err(Fault::new("closed", "the market is closed"))
///     })
/// }
///
/// let ticks = TopicRoute::new("ticks").service(ticks);
/// assert_eq!(ticks.topic_of(&()).as_deref(), Ok("ticks"));
/// let bars = TopicRoute::new("bars").topic(String::clone).service(bars);
/// assert_eq!(bars.topic_of(&"AAPL".into()).as_deref(), Ok("bars:AAPL"));
/// ```
#[diagnostic::on_unimplemented(
    message = "a service cannot yield `{Self}`",
    label = "this function, of a request and its `Updates`",
    note = "a service is an `async fn` that runs while somebody listens, and returns `()` or `Result<(), Fault>`",
    note = "one that has to start first returns `Result<F, Refused>`, whose `F` is a future of one of these"
)]
pub trait Begun {
    /// Its first subscriber waits for the function, and then for nothing more.
    const STARTS: bool;

    /// The rest, if there is any.
    fn run(self) -> Result<Local<Fault>, Refused>;
}

impl<O: Outcome> Begun for O {
    const STARTS: bool = false;

    fn run(self) -> Result<Local<Fault>, Refused> {
        Ok(Box::pin(ready(self.fault())))
    }
}

impl<R: Future<Output: Outcome> + 'static> Begun for Result<R, Refused> {
    const STARTS: bool = true;

    fn run(self) -> Result<Local<Fault>, Refused> {
        self.map(|run| Box::pin(async { run.await.fault() }) as Local<Fault>)
    }
}

/// How a service's future ends: by itself, with a [`Fault`], or never.
///
/// The example is at [`Begun`].
#[diagnostic::on_unimplemented(
    message = "a service cannot end with `{Self}`",
    note = "it ends with `()`, or with `Result<(), Fault>`"
)]
pub trait Outcome {
    /// What the listeners are told.
    fn fault(self) -> Fault;
}

impl Outcome for () {
    fn fault(self) -> Fault {
        Fault::ended()
    }
}

impl Outcome for Result<(), Fault> {
    fn fault(self) -> Fault {
        self.err().unwrap_or(const { Fault::ended() })
    }
}

impl Outcome for Never {
    fn fault(self) -> Fault {
        self
    }
}

/// The type of a loop without an end, which has no name of its own yet.
type Never = <fn() -> ! as Returns>::Output;

/// What a function returns: by it [`Outcome`] knows the type of a loop without an end.
pub trait Returns {
    /// Its type.
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}
