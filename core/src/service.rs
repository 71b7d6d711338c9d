//! What runs behind a topic while somebody listens. Knows its topic and the driver's clock, no listener.

use crate::desk::{Feed, Sleep};
use crate::time::{Duration, Instant};
use alloc::rc::Rc;
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
    pub(crate) fn new(feed: Feed, kind: &str) -> Self {
        Self { feed, kind: Rc::from(kind), update: PhantomData }
    }

    /// Sends an update to everybody who listens to the topic. What is published while the service
    /// starts reaches the first listener right after its reply. An update that cannot be encoded is
    /// dropped and counts as a bug of `Update`'s `Serialize`.
    pub fn publish(&self, update: &Update) {
        let Feed { desk, topic } = &self.feed;
        match desk.declared.update(topic, &self.kind, update) {
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
