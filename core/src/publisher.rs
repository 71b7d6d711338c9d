//! The way to publish from anywhere. Knows all shards as one.

use crate::declared::{Declared, PublishError, Treatment};
use crate::desk::{Metrics, Reach, Shards, Source};
use alloc::sync::Arc;
use serde::Serialize;

/// Publishes at once, from any thread. Cheap to clone.
///
/// ```
/// use fastws_core::api::Api;
/// use fastws_core::declared::PublishError;
/// use fastws_core::publisher::{App, Publisher};
/// use fastws_core::router::Router;
/// use fastws_core::{payload, send};
///
/// #[payload]
/// struct Quote { symbol: String, price: f64 }
///
/// /// Hands on what an exchange says, on whatever thread that comes.
/// fn relay(quotes: impl Iterator<Item = Quote>, publisher: &Publisher) -> Result<(), PublishError> {
///     for quote in quotes {
///         publisher.publish(format!("quotes:{}", quote.symbol), "quote", &quote)?;
///     }
///     publisher.broadcast("closed", &"The market is closed").map(drop)
/// }
///
/// #[send("relay")]
/// fn begin(app: App) {
///     let publisher = app.publisher();
///     std::thread::spawn(move || {
///         let quotes = [Quote { symbol: "AAPL".into(), price: 189.5 }];
///         relay(quotes.into_iter(), &publisher).expect("the shards take a quote")
///     });
/// }
///
/// let router = Router::new().include(begin).recv::<Quote>("quote").recv::<&str>("closed");
/// assert!(Api::new("Quotes", "1.0.0").include(router).build().is_ok());
/// ```
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
    ///
    /// # Errors
    /// What [`PublishError`] says. With its `Full` other shards have got it all the same.
    pub fn publish<T: Serialize + 'static>(
        &self,
        topic: impl AsRef<str>,
        kind: &str,
        payload: &T,
    ) -> Result<(), PublishError> {
        let topic = topic.as_ref();
        let frame = self.declared.update(Some(topic), kind, payload)?;
        let treatment = self.declared.treatment(topic, kind);
        match self.shards.publish(Source::Anybody, topic, &frame, treatment).full {
            true => Err(PublishError::Full),
            false => Ok(()),
        }
    }

    /// The same, and how many connections it was queued for on all shards; who waits for their topic to
    /// start is not among them. Await what comes back, or do not: nothing in here waits. The example is
    /// at [`Reach`].
    ///
    /// # Errors
    /// What [`PublishError`] says. With its `Full` other shards have got it all the same.
    pub fn reach<T: Serialize + 'static>(
        &self,
        topic: impl AsRef<str>,
        kind: &str,
        payload: &T,
    ) -> Result<Reach, PublishError> {
        let topic = topic.as_ref();
        let frame = self.declared.update(Some(topic), kind, payload)?;
        let treatment = self.declared.treatment(topic, kind);
        self.shards.reach(Some(topic), &frame, treatment).map_err(|_| PublishError::Full)
    }

    /// Sends an update without a topic to every open connection of the server, and tells how many those
    /// are. O(shards) here, O(connections) on the shards.
    ///
    /// # Errors
    /// What [`PublishError`] says. With its `Full` other shards have got it all the same.
    pub fn broadcast<T: Serialize + 'static>(
        &self,
        kind: &str,
        payload: &T,
    ) -> Result<Reach, PublishError> {
        let frame = self.declared.update(None, kind, payload)?;
        self.shards.reach(None, &frame, Treatment::default()).map_err(|_| PublishError::Full)
    }
}

/// The whole application, as a handler sees it.
///
/// ```
/// use fastws_core::api::Api;
/// use fastws_core::publisher::App;
/// use fastws_core::router::Router;
/// use fastws_core::{payload, send};
///
/// #[payload]
/// struct Load { connections: usize, topics: usize, dropped: u64 }
///
/// #[send("load", reply = "load.response")]
/// fn load(app: App) -> Load {
///     let sums = app.metrics();
///     Load {
///         connections: app.connections(),
///         topics: sums.topics,
///         dropped: sums.updates_dropped,
///     }
/// }
///
/// assert!(Api::new("Load", "1.0.0").include(Router::new().include(load)).build().is_ok());
/// ```
///
/// What is published from a handler: [`Publisher`].
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
