//! What the application has done itself, and what it is to do: the model's only source besides the clients. Knows no
//! server.

use crate::rules::{self, Rules};
use crate::step::{Fate, Order};
use std::collections::{BTreeSet, VecDeque};
use std::task::Waker;

/// Counts everything that the model has to put in order.
pub type Moment = u32;

/// The application's log.
#[derive(Debug, Default)]
pub struct Log {
    /// The present.
    pub moment: Moment,
    /// By topic; the last is of broadcasts.
    pub topics: Vec<Topic>,
    /// Subscriptions that a hook was told have begun, and none that they have ended.
    pub hooked: BTreeSet<(Guest, u16)>,
    /// Topics of which something was published that the world has not looked at.
    pub fresh: Vec<u16>,
    /// What can never be right, noted where a panic would be caught.
    pub wrong: Option<String>,
}

/// Who a connection belongs to: the client, and which of those that had its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Guest {
    /// The client.
    pub who: u32,
    /// Counts those that had its place.
    pub life: u32,
    /// Its shard.
    pub shard: u8,
}

/// One topic.
#[derive(Debug, Default)]
pub struct Topic {
    /// For each source when it has published its first, second, ... update.
    pub published: [Vec<Moment>; SOURCES],
    /// How the next service starts.
    pub fate: Fate,
    /// What the service is to do.
    pub orders: VecDeque<Order>,
    /// Of the service that waits for orders.
    pub waker: Option<Waker>,
    /// The services that there have been; those before are forgotten when nobody remembers them.
    pub lives: Vec<Life>,
}

/// One service.
#[derive(Clone, Debug)]
pub struct Life {
    /// When it has started.
    pub started: Option<Moment>,
    /// When it was gone.
    pub ended: Option<Moment>,
    /// The fault that it ends with, if it is not dropped.
    pub fault: Option<&'static str>,
}

/// Whose updates keep their order among themselves: the world's, a service's, those of the handlers on each
/// of four shards, and faults that a service gets over.
pub const SOURCES: usize = 7;
/// The world.
pub const WORLD: u8 = 0;
/// The topic's service.
pub const SERVICE: u8 = 1;
/// The handlers of the first shard.
pub const HANDLERS: u8 = 2;
/// Faults.
pub const FAULTS: u8 = 6;

impl Log {
    /// Nothing has happened.
    pub fn new(rules: &Rules) -> Self {
        let topics = (0..=rules.topics).map(|_| Topic::default()).collect();
        Self { topics, ..Self::default() }
    }

    /// The next moment.
    pub fn tick(&mut self) -> Moment {
        self.moment += 1;
        self.moment
    }

    /// A source publishes: the number of its update.
    pub fn publish(&mut self, topic: u16, source: u8) -> u32 {
        let moment = self.tick();
        self.fresh.push(topic);
        let published = &mut self.topics[usize::from(topic)].published[usize::from(source)];
        published.push(moment);
        published.len() as u32
    }

    /// A service begins.
    pub fn begin(&mut self, topic: u16) -> Fate {
        let one = &mut self.topics[usize::from(topic)];
        if one.is_alive() {
            self.wrong = Some(format!("two services of {} at once", rules::name(topic)));
        }
        one.orders.clear();
        one.lives.push(Life { started: None, ended: None, fault: None });
        std::mem::take(&mut one.fate)
    }

    /// A subscription has begun or ended.
    pub fn hook(&mut self, guest: Guest, topic: u16, begun: bool) {
        let new = match begun {
            true => self.hooked.insert((guest, topic)),
            false => self.hooked.remove(&(guest, topic)),
        };
        if !new {
            let what = if begun { "begins" } else { "ends" };
            let topic = rules::name(topic);
            self.wrong = Some(format!("{guest:?}'s subscription to {topic} {what} twice"));
        }
    }
}

impl Topic {
    /// A service of it runs or starts.
    pub fn is_alive(&self) -> bool {
        self.lives.last().is_some_and(|life| life.ended.is_none())
    }

    /// How many updates of a source were published up to a moment.
    pub fn count(&self, source: usize, moment: Moment) -> u32 {
        let published = &self.published[source];
        match published.last() {
            Some(&last) if last > moment => published.partition_point(|&at| at <= moment) as u32,
            _ => published.len() as u32,
        }
    }

    /// When the newest update was published up to a moment.
    pub fn newest(&self, moment: Moment) -> Moment {
        let newest = |source: usize| match self.count(source, moment) {
            0 => 0,
            count => self.published[source][count as usize - 1],
        };
        // Faults are not kept.
        (0..usize::from(FAULTS)).map(newest).max().unwrap_or_default()
    }
}
