//! The way to publish from anywhere. Knows all shards as one.

use crate::declared::{Declared, PublishError};
use crate::desk::{Metrics, Shards, Source};
use alloc::sync::Arc;
use serde::Serialize;

/// Publishes at once, from any thread. Cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    declared: Arc<Declared>,
    shards: Arc<dyn Shards>,
}

impl Publisher {
    /// A publisher for the shards of an application.
    pub fn new(declared: Arc<Declared>, shards: Arc<dyn Shards>) -> Self {
        Self { declared, shards }
    }

    /// Sends an update to all subscribers of `topic`. `kind` is the full type of a `recv` operation.
    /// Encodes once; O(shards). Updates of one publisher to one topic keep their order.
    pub fn publish<T: Serialize + 'static>(
        &self,
        topic: impl AsRef<str>,
        kind: &str,
        payload: &T,
    ) -> Result<(), PublishError> {
        let topic = topic.as_ref();
        let frame = self.declared.update(topic, kind, payload)?;
        self.shards.publish(Source::Anybody, topic, &frame).map_err(|_| PublishError::Full)
    }
}

/// The whole application, as a handler sees it.
#[derive(Clone)]
pub struct App {
    pub(crate) shards: Arc<dyn Shards>,
    pub(crate) declared: Arc<Declared>,
}

impl App {
    /// Sums over all shards. O(shards).
    pub fn metrics(&self) -> Metrics {
        self.shards.metrics()
    }

    /// Open connections on all shards.
    pub fn connections(&self) -> usize {
        self.metrics().connections
    }

    /// For threads and tasks that outlive the handler.
    pub fn publisher(&self) -> Publisher {
        Publisher::new(self.declared.clone(), self.shards.clone())
    }
}
