//! What all shards of a server share: the catalog, who lives where, counters. The only place with locks.

use crate::error::Error;
use crate::inbox::{End, Inbox, Mail};
use crate::metrics::{Figures, ServiceEvent};
use crate::pages::Texts;
use crate::reach::Tally;
use crate::settings::Settings;
use crate::sync::atomic::{AtomicBool, Ordering, fence};
use crate::sync::{Mutex, MutexGuard};
use fastws_core::catalog::Catalog;
use fastws_core::declared::Treatment;
use fastws_core::desk::{Metrics, Published, Reach, Shards, Source};
use fastws_core::lives::{Ended, Joined, Left, Life};
use fastws_core::publisher::Publisher;
use fastws_core::shelf::Full;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError};
use std::task::Waker;

/// One server's shared part.
///
/// ```
/// use fastws_core::{api::Api, config::Config};
/// use fastws_host::shared::Shared;
/// use std::task::Waker;
///
/// let catalog = Api::new("Nothing", "1.0.0").build()?;
/// // Two shards.
/// let shared = Shared::new(catalog, Config::default(), vec![Waker::noop().clone(); 2])?;
/// assert!(shared.is_empty() && !shared.is_draining());
/// shared.shutdown();
/// assert!(shared.is_draining());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Shared {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) settings: Settings,
    pub(crate) texts: Texts,
    inboxes: Vec<Inbox>,
    pub(crate) figures: Figures,
    registry: Mutex<Registry>,
    draining: AtomicBool,
    /// A shard has ended that was not empty.
    left: AtomicBool,
}

#[derive(Default)]
struct Registry {
    lives: HashMap<Arc<str>, Life>,
    /// How many shards have somebody interested in a topic.
    topics: HashMap<Box<str>, usize>,
    /// The newest number of a life, or of a moment between two.
    newest: u64,
}

impl Shared {
    /// A server of as many shards as there are wakers, each of which wakes one shard's thread.
    pub fn new(
        catalog: impl Into<Arc<Catalog>>,
        settings: impl Into<Settings>,
        wakers: Vec<Waker>,
    ) -> Result<Arc<Self>, Error> {
        let (catalog, settings) = (catalog.into(), settings.into());
        settings.check(&catalog)?;
        let texts = texts(&catalog, &settings, "");
        Ok(Arc::new(Self {
            figures: Figures::new(&catalog, wakers.len()),
            catalog,
            settings,
            texts,
            inboxes: wakers.into_iter().map(Inbox::new).collect(),
            registry: Mutex::default(),
            draining: AtomicBool::new(false),
            left: AtomicBool::new(false),
        }))
    }

    /// What is served to clients that write `base` before every path.
    pub(crate) fn texts_below(&self, base: &str) -> Texts {
        texts(&self.catalog, &self.settings, base)
    }

    /// Publishes from any thread.
    pub fn publisher(self: &Arc<Self>) -> Publisher {
        Publisher::new(self.catalog.declared().clone(), self.clone())
    }

    /// Closes everybody, spread over the drain time, and ends every shard when its last connection has
    /// ended. Once is enough.
    pub fn shutdown(&self) {
        if !self.draining.swap(true, Ordering::AcqRel) {
            for shard in 0..self.inboxes.len() {
                self.tell(shard, Mail::Shutdown);
            }
        }
    }

    /// No new connection is taken any more.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Nobody is there and nothing is left of anybody: no connection, topic, service, reservation or
    /// mail. A moment old while shards run, exact when they have ended.
    pub fn is_empty(&self) -> bool {
        let registry = self.registry();
        registry.lives.is_empty()
            && registry.topics.is_empty()
            && self.inboxes.iter().all(Inbox::is_empty)
            && self.figures.connections() == 0
            && !self.left.load(Ordering::Acquire)
    }

    /// A shard has ended, with this mail: nobody takes any more, and what it was to start is not its
    /// turn any longer.
    pub(crate) fn end(&self, shard: usize, empty: bool, mail: VecDeque<Mail>) {
        self.left.fetch_or(!empty, Ordering::AcqRel);
        for mail in mail.into_iter().chain(self.inboxes[shard].close()) {
            if let Mail::Start(topic, generation) = mail {
                self.ended(&topic, generation);
            }
        }
    }

    pub(crate) fn inbox(&self, shard: usize) -> &Inbox {
        &self.inboxes[shard]
    }

    pub(crate) fn tell(&self, shard: usize, mail: Mail) {
        self.inboxes[shard].push(mail).expect("only updates can be refused");
    }

    /// Takes a place for one more connection of a shard, whose [count](Figures::count) will know of it.
    /// False: there is none.
    pub(crate) fn admit(&self, shard: usize) -> bool {
        let own = self.figures.connections_of(shard);
        own.fetch_add(1, Ordering::Relaxed);
        // Two that come at once for the last place may both be refused, never both let in: of two fences
        // the later one's shard sees what the other has added.
        fence(Ordering::SeqCst);
        let fits = self.figures.connections() <= self.settings.config.connections as usize;
        if !fits {
            own.fetch_sub(1, Ordering::Relaxed);
        }
        fits
    }

    /// What Prometheus reads.
    pub(crate) fn text(&self) -> String {
        self.figures.text(self.metrics(), &self.catalog)
    }

    /// The service of a topic has started or ended. One of a route that is not of the API is not counted.
    pub(crate) fn count_service(&self, topic: &str, event: ServiceEvent) {
        if let Some(route) = self.catalog.declared().service(topic) {
            self.figures.count_service(route, event);
        }
    }

    /// A shard's interest in a topic has begun or ended.
    pub(crate) fn count_topic(&self, topic: &str, begun: bool) {
        let mut registry = self.registry();
        let topics = &mut registry.topics;
        match topics.get_mut(topic) {
            Some(shards) if begun => *shards += 1,
            Some(shards) if *shards > 1 => *shards -= 1,
            None => drop(topics.insert(topic.into(), 1)),
            Some(_) => {
                topics.remove(topic);
                self.forget(&mut registry, topic);
            }
        }
    }

    /// Has a topic's last update forgotten, unless somebody is interested or may come back.
    fn forget(&self, registry: &mut Registry, topic: &str) {
        if self.catalog.declared().retains(topic) && !registry.is_interesting(topic) {
            // Told under the lock: what is published later comes later to every shard.
            let (topic, moment): (Arc<str>, _) = (topic.into(), registry.next());
            for shard in 0..self.inboxes.len() {
                self.tell(shard, Mail::Forget(topic.clone(), moment));
            }
        }
    }

    /// What a shard does that has just become interested.
    pub(crate) fn join(&self, topic: &Arc<str>, shard: usize) -> Joined {
        let mut registry = self.registry();
        let next = registry.next();
        registry.lives.entry(topic.clone()).or_default().join(shard, next)
    }

    pub(crate) fn started(&self, topic: &Arc<str>, generation: u64) {
        let shards = self.registry().life(topic, |life| life.started(generation));
        for shard in shards.iter() {
            self.tell(shard, Mail::Started(topic.clone(), generation));
        }
    }

    pub(crate) fn failed(&self, topic: &Arc<str>, generation: u64, end: &End) {
        let mut registry = self.registry();
        let shards = registry.life(topic, |life| life.failed(generation));
        self.forget(&mut registry, topic);
        drop(registry);
        for shard in shards.iter() {
            self.tell(shard, Mail::Failed(topic.clone(), generation, end.clone()));
        }
    }

    pub(crate) fn leave(&self, topic: &Arc<str>, shard: usize) {
        let lingers = !self.catalog.declared().linger(topic).is_zero() && !self.is_draining();
        let mut registry = self.registry();
        let linger = lingers.then(|| registry.next());
        let left = registry.life(topic, |life| life.leave(shard, linger));
        drop(registry);
        match left {
            None => {}
            Some(Left::Stop { owner, generation }) => {
                self.tell(owner, Mail::Stop(topic.clone(), generation));
            }
            Some(Left::Linger { owner, generation, moment }) => {
                self.tell(owner, Mail::Linger(topic.clone(), generation, moment));
            }
        }
    }

    /// True: nobody has come back, and the future is to be dropped.
    pub(crate) fn lapse(&self, topic: &Arc<str>, generation: u64, moment: u64) -> bool {
        let mut registry = self.registry();
        let lapsed = registry.life(topic, |life| life.lapse(generation, moment));
        self.forget(&mut registry, topic);
        lapsed
    }

    pub(crate) fn ended(&self, topic: &Arc<str>, generation: u64) {
        let mut registry = self.registry();
        let next = registry.next();
        let ended = registry.life(topic, |life| life.ended(generation, next));
        if let Ended::Restart { shard, generation } = ended {
            // Told under the lock: a shard that has left, and may end, has its mail.
            self.tell(shard, Mail::Start(topic.clone(), generation));
        }
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        // Nothing in here runs foreign code, so a poisoned lock is not half changed.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn texts(catalog: &Catalog, settings: &Settings, base: &str) -> Texts {
    let path = settings.websockets().next().expect("there is at least one");
    Texts::new(catalog, &settings.pages, base, path)
}

impl Registry {
    fn next(&mut self) -> u64 {
        self.newest += 1;
        self.newest
    }

    /// Somebody is interested in the topic, or may come back to it.
    fn is_interesting(&self, topic: &str) -> bool {
        self.topics.contains_key(topic) || self.lives.get(topic).is_some_and(Life::is_wanted)
    }

    /// Changes a topic's life, and forgets it when it is over.
    fn life<T>(&mut self, topic: &Arc<str>, change: impl FnOnce(&mut Life) -> T) -> T {
        let life = self.lives.entry(topic.clone()).or_default();
        let changed = change(life);
        if life.is_over() {
            self.lives.remove(topic);
        }
        changed
    }
}

impl Shared {
    fn post(
        &self,
        source: Source,
        topic: &str,
        frame: &[u8],
        Treatment { keep, policy }: Treatment,
        tally: Option<Arc<Tally>>,
    ) -> Published {
        // Held until every shard has its mail, so that they all have the same last update.
        let mut registry = keep.then(|| self.registry());
        let interesting = registry.as_mut().filter(|registry| registry.is_interesting(topic));
        let kept = interesting.map(|registry| registry.next());
        let life = if let Source::Life(generation) = source { Some(generation) } else { None };
        let mut shards =
            (0..self.inboxes.len()).filter(|&shard| source != Source::Shard(shard)).peekable();
        if shards.peek().is_none() {
            return Published { kept, full: false };
        }
        let (topic, frame) = (Arc::from(topic), Arc::from(frame));
        let full = self.push(shards, Mail::Update { topic, frame, life, kept, policy, tally });
        Published { kept, full }
    }

    /// True: some inbox was full. Every shard is tried, whatever became of the one before.
    fn push(&self, shards: impl Iterator<Item = usize>, mail: Mail) -> bool {
        shards.fold(false, |full, shard| self.inboxes[shard].push(mail.clone()).is_err() | full)
    }
}

impl Shards for Shared {
    fn publish(
        &self,
        source: Source,
        topic: &str,
        frame: &[u8],
        treatment: Treatment,
    ) -> Published {
        self.post(source, topic, frame, treatment, None)
    }

    fn expect(&self, topic: &str) {
        self.count_topic(topic, true);
    }

    fn reach(
        &self,
        topic: Option<&str>,
        frame: &[u8],
        treatment: Treatment,
    ) -> Result<Reach, Full> {
        let (tally, reach) = Tally::new();
        let full = match topic {
            Some(topic) => self.post(Source::Anybody, topic, frame, treatment, Some(tally)).full,
            None => self.push(0..self.inboxes.len(), Mail::Broadcast(Arc::from(frame), tally)),
        };
        if full { Err(Full) } else { Ok(reach) }
    }

    fn metrics(&self) -> Metrics {
        let mut metrics = self.figures.sum();
        metrics.topics = self.registry().topics.len();
        metrics.updates_lost = self.inboxes.iter().map(Inbox::lost).sum();
        metrics
    }
}
