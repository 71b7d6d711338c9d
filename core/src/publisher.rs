//! The way to publish from anywhere. Knows all shards as one.

use crate::catalog::Catalog;
use crate::desk::{Metrics, Shards};
use crate::topic::TopicError;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use serde::Serialize;

/// Publishes at once, from any thread. Cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    catalog: Arc<Catalog>,
    shards: Arc<dyn Shards>,
}

/// Why an update was not published. Nobody has got it, but for [`Full`](Self::Full).
#[derive(Debug)]
#[non_exhaustive]
pub enum PublishError {
    /// No `recv` operation has this full type.
    Unknown,
    /// The `recv` operation is declared with another payload type.
    Type,
    /// The topic's name cannot be one.
    Topic(TopicError),
    /// The payload does not serialize, or its handler does not take it.
    Payload(serde_json::Error),
    /// The `recv` operation's handler refused it, with these words.
    Refused(String),
    /// A shard's inbox is full; its listeners have not got it.
    Full,
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => {
                f.write_str("no `recv` operation has this type: declare it with `Router::recv`")
            }
            Self::Type => f.write_str("the `recv` operation is declared with another payload type"),
            Self::Topic(error) => error.fmt(f),
            Self::Payload(error) => write!(f, "the payload cannot be encoded: {error}"),
            Self::Refused(words) => {
                write!(f, "the `recv` handler refused the payload: {words}")
            }
            Self::Full => f.write_str("a shard takes no more updates at the moment"),
        }
    }
}

impl core::error::Error for PublishError {}

impl Publisher {
    /// A publisher for the shards that serve `catalog`.
    pub fn new(catalog: Arc<Catalog>, shards: Arc<dyn Shards>) -> Self {
        Self { catalog, shards }
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
        let frame = self.catalog.update(topic, kind, payload)?;
        self.shards.publish(None, topic, &frame).map_err(|_| PublishError::Full)
    }
}

/// The whole application, as a handler sees it.
#[derive(Clone)]
pub struct App {
    pub(crate) shards: Arc<dyn Shards>,
    pub(crate) catalog: Arc<Catalog>,
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
        Publisher::new(self.catalog.clone(), self.shards.clone())
    }
}
