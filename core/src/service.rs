//! What runs behind a topic while somebody listens. Knows its topic and the driver's clock, no listener.

use crate::desk::{Feed, Local, Sleep};
use crate::respond::Refused;
use crate::time::{Duration, Instant};
use alloc::boxed::Box;
use alloc::rc::Rc;
use core::future::{Future, ready};
use core::marker::PhantomData;
use serde::Serialize;

/// A service's way to the listeners of its topic, and its clock.
///
/// It never blocks. Clones serve the same topic.
pub struct Updates<Update> {
    feed: Feed,
    kind: Rc<str>,
    update: PhantomData<fn(Update)>,
}

impl<Update> Clone for Updates<Update> {
    fn clone(&self) -> Self {
        Self { feed: self.feed.clone(), kind: self.kind.clone(), update: PhantomData }
    }
}

impl<Update: Serialize + 'static> Updates<Update> {
    /// For a topic of a route that the API includes; from another one nothing can be published.
    pub(crate) fn new(feed: Feed) -> Self {
        let service = feed.desk.declared.service(&feed.topic);
        let kind = Rc::from(service.map_or("", |service| &service.update));
        Self { feed, kind, update: PhantomData }
    }

    /// Sends an update to everybody who listens to the topic. What is published while the service
    /// starts reaches the first listener right after its reply. An update that cannot be encoded is
    /// dropped and counts as a bug of `Update`'s `Serialize`.
    pub fn publish(&self, update: &Update) {
        let Feed { desk, topic } = &self.feed;
        match desk.declared.update(Some(topic), &self.kind, update) {
            // A full inbox of some shard is that shard's loss, and counted there.
            Ok(frame) => drop(desk.shards.publish(None, topic, &frame)),
            Err(error) => debug_assert!(false, "{error}"),
        }
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

/// What a service's function yields: `()` where it runs itself, or a `Result` with the future that runs
/// once it has started.
#[diagnostic::on_unimplemented(
    message = "a service cannot yield `{Self}`",
    label = "this function, of a request and its `Updates`",
    note = "a service is an `async fn` without a result that runs while somebody listens",
    note = "one that has to start first returns `Result<impl Future<Output = ()>, Refused>`",
    note = "a closure that loops for ever is written `async |request, updates| Ok(async move {{ .. }})`"
)]
pub trait Begun {
    /// Its first subscriber waits for the function, and then for nothing more.
    const STARTS: bool;

    /// The rest, if there is any.
    fn run(self) -> Result<Local<()>, Refused>;
}

impl Begun for () {
    const STARTS: bool = false;

    fn run(self) -> Result<Local<()>, Refused> {
        Ok(Box::pin(ready(())))
    }
}

impl<R: Future<Output = ()> + 'static> Begun for Result<R, Refused> {
    const STARTS: bool = true;

    fn run(self) -> Result<Local<()>, Refused> {
        self.map(|run| Box::pin(run) as Local<()>)
    }
}
