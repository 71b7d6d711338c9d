//! What runs behind a topic while somebody listens. Knows its topic and the driver's clock, no listener.

use crate::desk::{Desk, Local, Sleep};
use crate::time::Duration;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::rc::Rc;
use core::fmt;
use core::marker::PhantomData;
use serde::Serialize;

/// Why a subscription was refused; the client reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    message: Cow<'static, str>,
}

impl Refused {
    /// A message for the client, such as `no such symbol`.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into() }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for Refused {}

impl From<&'static str> for Refused {
    fn from(message: &'static str) -> Self {
        Self::new(message)
    }
}

impl From<crate::topic::TopicError> for Refused {
    fn from(error: crate::topic::TopicError) -> Self {
        use alloc::string::ToString;
        Self::new(error.to_string())
    }
}

/// Starts a service: a future that, when it has started, yields the future that runs.
pub type Starter = Box<dyn FnOnce(Feed) -> Local<Result<Local<()>, Refused>>>;

/// Where a service's updates go, before their type is known.
#[derive(Clone)]
pub struct Feed {
    /// The shard that the service runs on.
    pub desk: Rc<Desk>,
    /// The topic that it serves.
    pub topic: Rc<str>,
}

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
        let service = feed.desk.catalog.service(&feed.topic);
        let kind = Rc::from(service.map_or("", |service| &service.update));
        Self { feed, kind, update: PhantomData }
    }

    /// Sends an update to everybody who listens to the topic. What is published while the service
    /// starts reaches the first listener right after its reply. An update that cannot be encoded is
    /// dropped and counts as a bug of `Update`'s `Serialize`.
    pub fn publish(&self, update: &Update) {
        let Feed { desk, topic } = &self.feed;
        match desk.catalog.update(topic, &self.kind, update) {
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

    /// The time since 1970, as of this turn.
    pub fn unix(&self) -> Duration {
        self.feed.desk.unix()
    }

    /// The same in milliseconds.
    pub fn unix_millis(&self) -> i64 {
        self.unix().as_millis() as i64
    }
}
