//! What one client must hear of one topic, as numbers that follow one another. Knows no client and no server.

use crate::log::{Moment, SOURCES, Topic};

/// One subscription, from the reply that announced it.
#[derive(Clone, Debug)]
pub struct Hearing {
    /// The first update that comes from a source has a higher number than this.
    low: [u32; SOURCES],
    /// And is not missing up to this one. Both are the number that has come last, once one has.
    high: [u32; SOURCES],
    /// Updates that are missing, at least and at most.
    missing: (u64, u64),
    /// Those that the client was told to be missing.
    told: u64,
    /// Those that it was told before.
    carried: u64,
    since: Moment,
}

impl Hearing {
    /// What a shard had done up to the moment `since` is too old to be heard. What is published after now
    /// must be heard.
    pub fn new(topic: &Topic, since: Moment, carried: u64) -> Self {
        let low = std::array::from_fn(|source| topic.count(source, since));
        let high = std::array::from_fn(|source| topic.published[source].len() as u32);
        Self { low, high, missing: (0, 0), told: 0, carried, since }
    }

    /// An update has come.
    pub fn hear(&mut self, topic: &Topic, source: u8, number: u32) {
        let at = usize::from(source);
        assert!(number as usize <= topic.published[at].len(), "it was never published");
        let low = self.low[at];
        assert!(
            number > low,
            "number {number} of source {source} comes after {low}: again, late or too old"
        );
        self.take(at, number);
        let (least, told) = (self.missing.0, self.told + self.carried);
        assert!(
            least <= told,
            "{least} are missing up to number {number} of source {source}, and {told} were told"
        );
    }

    /// The topic's last update has come, right after the reply.
    pub fn hear_last(&mut self, topic: &Topic, source: u8, number: u32) {
        let at = usize::from(source);
        let published = &topic.published[at];
        assert!(number as usize <= published.len(), "it was never published");
        let newest = topic.newest(self.since);
        assert!(
            published[number as usize - 1] >= newest,
            "number {number} of source {source} is not the last"
        );
        self.take(at, number);
    }

    fn take(&mut self, at: usize, number: u32) {
        let missing = |from: u32| u64::from((number - 1).saturating_sub(from));
        self.missing.0 += missing(self.high[at]);
        self.missing.1 += missing(self.low[at]);
        (self.low[at], self.high[at]) = (number, number);
    }

    /// A gap has come.
    pub fn miss(&mut self, dropped: u64) {
        self.told += dropped;
    }

    /// Nothing of what was published up to a moment is missing, but for what was told.
    pub fn check(&self, topic: &Topic, moment: Moment) {
        let (least, _) = self.missing_up_to(topic, moment);
        let told = self.told + self.carried;
        assert!(least <= told, "{least} are missing at rest, and {told} were told: {self:?}");
    }

    /// The same, and no more was told than is missing.
    pub fn check_exactly(&self, topic: &Topic) {
        self.check(topic, Moment::MAX);
        let (_, most) = self.missing_up_to(topic, Moment::MAX);
        let told = self.told;
        assert!(told <= most, "{told} were told to be missing, and {most} are: {self:?}");
    }

    /// What was told and is not known to be missing.
    pub fn carried(&self) -> u64 {
        (self.told + self.carried).saturating_sub(self.missing.0)
    }

    fn missing_up_to(&self, topic: &Topic, moment: Moment) -> (u64, u64) {
        let (mut least, mut most) = self.missing;
        for source in 0..SOURCES {
            let count = topic.count(source, moment);
            least += u64::from(count.saturating_sub(self.high[source]));
            most += u64::from(count.saturating_sub(self.low[source]));
        }
        (least, most)
    }
}
