//! What the shards have counted and timed, and the text that Prometheus reads. Knows no connection and no message.

use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use fastws_core::catalog::Catalog;
use fastws_core::desk::Metrics;
use fastws_core::engine::{Closes, Counts};
use fastws_core::ids::OperationId;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelValue, EncodeMetric, LabelValueEncoder, MetricEncoder,
    NoLabelSet, text::encode,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use std::array;
use std::fmt::{self, Write};
use std::time::Duration;

/// All figures of a server.
pub(crate) struct Figures {
    shards: Box<[Counters]>,
    /// What has become of services, by [`ServiceEvent`], for each route with a service of the catalog.
    services: Box<[[AtomicU64; SERVICES.len()]]>,
}

/// One shard's figures. It alone writes them, so nothing is locked and no addition has to be atomic.
struct Counters {
    connections: AtomicUsize,
    subscriptions: AtomicUsize,
    received: AtomicU64,
    sent: AtomicU64,
    bytes_received: AtomicU64,
    bytes_sent: AtomicU64,
    dropped: AtomicU64,
    closes: [AtomicU64; Closes::LABELS.len()],
    /// By operation.
    calls: Box<[Calls]>,
}

/// The calls of one operation on one shard.
pub(crate) struct Calls {
    count: AtomicU64,
    nanos: AtomicU64,
    /// Those that were timed, by the first bound that they were within; the last were within none.
    timed: [AtomicU64; BOUNDS.len() + 1],
}

/// What becomes of a service. Each that starts stops or fails in the end.
#[derive(Clone, Copy)]
pub(crate) enum ServiceEvent {
    Start,
    Stop,
    Failure,
}

impl Figures {
    pub(crate) fn new(catalog: &Catalog, shards: usize) -> Self {
        let operations = catalog.operations().len();
        Self {
            shards: (0..shards).map(|_| Counters::new(operations)).collect(),
            services: catalog.declared().services().map(|_| Default::default()).collect(),
        }
    }

    /// A shard tells what is there and what it has counted.
    pub(crate) fn count(
        &self,
        shard: usize,
        connections: usize,
        subscriptions: usize,
        counts: &Counts,
    ) {
        let own = &self.shards[shard];
        own.connections.store(connections, Ordering::Relaxed);
        own.subscriptions.store(subscriptions, Ordering::Relaxed);
        own.received.store(counts.received, Ordering::Relaxed);
        own.sent.store(counts.sent, Ordering::Relaxed);
        own.bytes_received.store(counts.bytes_received, Ordering::Relaxed);
        own.bytes_sent.store(counts.bytes_sent, Ordering::Relaxed);
        own.dropped.store(counts.dropped, Ordering::Relaxed);
        for (own, count) in own.closes.iter().zip(counts.closes.0) {
            own.store(count, Ordering::Relaxed);
        }
    }

    /// The calls of an operation, for its shard to count.
    #[inline]
    pub(crate) fn calls(&self, shard: usize, operation: OperationId) -> &Calls {
        &self.shards[shard].calls[usize::from(operation.0)]
    }

    /// A service of a route has started or ended, by the route's place in the catalog.
    pub(crate) fn count_service(&self, route: usize, event: ServiceEvent) {
        self.services[route][event as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A shard's open connections, for it to change ahead of its [`count`](Self::count).
    pub(crate) fn connections_of(&self, shard: usize) -> &AtomicUsize {
        &self.shards[shard].connections
    }

    /// Open connections of all shards.
    pub(crate) fn connections(&self) -> usize {
        self.shards.iter().map(|shard| shard.connections.load(Ordering::Relaxed)).sum()
    }

    /// What shards count, as sums.
    pub(crate) fn sum(&self) -> Metrics {
        let mut metrics = Metrics::default();
        metrics.connections = self.connections();
        for shard in &self.shards {
            metrics.subscriptions += shard.subscriptions.load(Ordering::Relaxed);
            metrics.messages_received += load(&shard.received);
            metrics.messages_sent += load(&shard.sent);
            metrics.bytes_received += load(&shard.bytes_received);
            metrics.bytes_sent += load(&shard.bytes_sent);
            metrics.updates_dropped += load(&shard.dropped);
            for (sum, own) in metrics.closes.0.iter_mut().zip(&shard.closes) {
                *sum += load(own);
            }
        }
        metrics
    }

    /// All figures in the text format of OpenMetrics 1.0.
    pub(crate) fn text(&self, metrics: Metrics, catalog: &Catalog) -> String {
        let operations = catalog.operations().enumerate().map(|(at, name)| {
            let shards = self.shards.iter().map(|shard| &shard.calls[at]);
            (name.to_owned(), shards.fold(Timed::default(), Timed::and))
        });
        let services = catalog
            .declared()
            .services()
            .zip(&self.services)
            .map(|(name, own)| (name.to_owned(), array::from_fn(|event| load(&own[event]))));
        let snapshot =
            Snapshot { metrics, operations: operations.collect(), services: services.collect() };
        let mut registry = Registry::with_prefix("fastws");
        registry.register_collector(Box::new(snapshot));
        let mut text = String::new();
        encode(&mut text, &registry).expect("a String takes everything");
        text
    }
}

/// What a response with this text says that it is.
pub(crate) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Counters {
    fn new(operations: usize) -> Self {
        Self {
            connections: AtomicUsize::default(),
            subscriptions: AtomicUsize::default(),
            received: AtomicU64::default(),
            sent: AtomicU64::default(),
            bytes_received: AtomicU64::default(),
            bytes_sent: AtomicU64::default(),
            dropped: AtomicU64::default(),
            closes: array::from_fn(|_| AtomicU64::default()),
            calls: (0..operations).map(|_| Calls::new()).collect(),
        }
    }
}

impl Calls {
    fn new() -> Self {
        Self {
            count: AtomicU64::default(),
            nanos: AtomicU64::default(),
            timed: array::from_fn(|_| AtomicU64::default()),
        }
    }

    /// Counts a call. True: it is the first, or one in [`SAMPLE`] after it, and is to be timed.
    #[inline]
    pub(crate) fn is_timed(&self) -> bool {
        add(&self.count, 1).is_multiple_of(SAMPLE)
    }

    /// A call's handler has taken so long.
    pub(crate) fn time(&self, took: Duration) {
        add(&self.nanos, took.as_nanos() as u64);
        let within = BOUNDS.iter().position(|bound| took.as_secs_f64() <= *bound);
        add(&self.timed[within.unwrap_or(BOUNDS.len())], 1);
    }
}

/// Adds to what nobody else adds to, and tells what it was.
#[inline]
fn add(own: &AtomicU64, count: u64) -> u64 {
    let before = load(own);
    own.store(before + count, Ordering::Relaxed);
    before
}

#[inline]
fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// The calls of an operation on all shards.
#[derive(Debug, Default)]
struct Timed {
    count: u64,
    seconds: f64,
    timed: [u64; BOUNDS.len() + 1],
}

impl Timed {
    fn and(mut self, calls: &Calls) -> Self {
        self.count += load(&calls.count);
        self.seconds += Duration::from_nanos(load(&calls.nanos)).as_secs_f64();
        for (sum, own) in self.timed.iter_mut().zip(&calls.timed) {
            *sum += load(own);
        }
        self
    }
}

/// What one text says.
#[derive(Debug)]
struct Snapshot {
    metrics: Metrics,
    operations: Vec<(String, Timed)>,
    services: Vec<(String, [u64; SERVICES.len()])>,
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self { metrics, operations, services } = self;
        for (name, help, value) in [
            ("connections", "Open connections", metrics.connections),
            ("subscriptions", "Subscriptions of all connections", metrics.subscriptions),
            ("topics", "Topics that somebody listens to or waits for", metrics.topics),
        ] {
            let gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value as u64).encode(gauge)?;
        }
        for (name, help, unit, value) in [
            ("messages_received", "Messages that were read", None, metrics.messages_received),
            (
                "messages_sent",
                "Replies, and updates once for each listener",
                None,
                metrics.messages_sent,
            ),
            (
                "received",
                "Bytes that sockets have sent",
                Some(&Unit::Bytes),
                metrics.bytes_received,
            ),
            ("sent", "Bytes that sockets have taken", Some(&Unit::Bytes), metrics.bytes_sent),
            (
                "updates_dropped",
                "Updates that gave way in the backlogs of slow consumers, once for each of them",
                None,
                metrics.updates_dropped,
            ),
            (
                "updates_lost",
                "Updates that the full inbox of a shard did not take, once for each such shard",
                None,
                metrics.updates_lost,
            ),
        ] {
            let counter = encoder.encode_descriptor(name, help, unit, MetricType::Counter)?;
            ConstCounter::new(value).encode(counter)?;
        }
        let closes = metrics.closes.iter();
        counters(&mut encoder, "closes", CLOSES, "code", closes)?;
        let calls = operations.iter().map(|(name, calls)| (&**name, calls.count));
        counters(&mut encoder, "calls", "Calls of an operation", "operation", calls)?;
        let (unit, kind) = (Some(&Unit::Seconds), MetricType::Histogram);
        let mut handlers = encoder.encode_descriptor("handler", HANDLER, unit, kind)?;
        for (name, Timed { seconds, timed, .. }) in operations {
            let bounds = BOUNDS.into_iter().chain([f64::MAX]);
            let buckets: Vec<(f64, u64)> = bounds.zip(*timed).collect();
            let labels = [("operation", Label(name))];
            let mut handler = handlers.encode_family(&labels)?;
            let count = timed.iter().sum();
            handler.encode_histogram::<NoLabelSet>(*seconds, count, &buckets, None)?;
        }
        for (at, (name, help)) in SERVICES.into_iter().enumerate() {
            let services = services.iter().map(|(route, counts)| (&**route, counts[at]));
            counters(&mut encoder, name, help, "route", services)?;
        }
        Ok(())
    }
}

/// One counter for each label.
fn counters<'l>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    key: &str,
    counts: impl Iterator<Item = (&'l str, u64)>,
) -> fmt::Result {
    let mut family: MetricEncoder<'_> =
        encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (label, count) in counts {
        ConstCounter::new(count).encode(family.encode_family(&[(key, Label(label))])?)?;
    }
    Ok(())
}

/// A value of a label, whatever it is: a path of a `POST` may have quotes.
struct Label<'l>(&'l str);

impl EncodeLabelValue for Label<'_> {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' | '"' => write!(encoder, "\\{c}")?,
                '\n' => encoder.write_str("\\n")?,
                c => encoder.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// One of so many calls is timed where the handler does not wait: a look at the clock costs as much as a
/// small handler.
const SAMPLE: u64 = 16;
/// Seconds.
const BOUNDS: [f64; 7] = [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0];
const CLOSES: &str = "Connections that have ended, by the code of the close frame that came first, \
    the server's or the client's: 1005 where that has none, 1006 where there was no close frame";
const HANDLER: &str = "Time from a handler's begin until it has ended and replied. Of an operation whose handler does not \
    wait the first call of a shard and one in 16 after it are timed";
/// By [`ServiceEvent`].
const SERVICES: [(&str, &str); 3] = [
    ("service_starts", "Services of a route that were started"),
    ("service_stops", "Services of a route that were stopped since nobody listened any more"),
    ("service_failures", "Services of a route that refused to start, were late, failed or ended"),
];
