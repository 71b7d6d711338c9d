//! Who listens to what. Knows names and slots; never sees a payload, a socket or a clock.

use crate::marks::Marks;
use crate::shelf::{Buffers, Full, Shelf};
use core::hash::BuildHasher;
use foldhash::fast::FixedState;

/// No row: the end of a chain.
pub(crate) const NONE: u32 = u32::MAX;

/// A topic with listeners, with reservations, or whose end has not been told yet.
#[derive(Clone, Copy)]
pub(crate) struct Topic {
    hash: u32,
    /// The next topic of the same bucket, or the next free row.
    next: u32,
    first: u32,
    last: u32,
    listeners: u32,
    /// Links that are reserved and not yet listeners.
    reserved: u32,
    /// The driver has been told that somebody is interested.
    told: bool,
    marked: bool,
}

/// One connection's interest in one topic.
#[derive(Clone, Copy)]
pub(crate) struct Link {
    topic: u32,
    slot: u32,
    /// Neighbours among the topic's links.
    next: u32,
    previous: u32,
    /// The next link of the same connection, or the next free row.
    sibling: u32,
    /// Not merely reserved.
    listens: bool,
}

/// A connection's end of its links.
#[derive(Clone, Copy)]
pub(crate) struct Interest {
    first: u32,
    pub(crate) topics: u32,
    reserved: u32,
}

impl Interest {
    pub(crate) const NOTHING: Self = Self { first: NONE, topics: 0, reserved: 0 };

    /// Topics that it listens to, and places that are set aside for it.
    pub(crate) fn places(&self) -> u32 {
        self.topics + self.reserved
    }
}

/// Whether anybody on this shard is interested in a topic, told once per change.
///
/// ```
/// # use fastws_core::config::Config;
/// # use fastws_core::dispatch::{Answer, Call, Dispatch, Verdict};
/// # use fastws_core::engine::{Engine, Life};
/// # use fastws_core::frame::Opcode;
/// # use fastws_core::ids::OperationId;
/// # use fastws_core::time::Instant;
/// # struct App;
/// # impl Dispatch for App {
/// #     fn find(&self, _: &str) -> Option<OperationId> {
/// #         Some(OperationId(0))
/// #     }
/// #     fn call(&mut self, _: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
/// #         let mut effects = answer.reply("listening", None);
/// #         let _ = effects.subscribe("prices");
/// #         effects.done()
/// #     }
/// # }
/// # let (now, app) = (Instant::ZERO, &mut App);
/// # let mut engine = Engine::new(Config::default(), 0);
/// # let id = engine.open(now, [7; 16])?;
/// # engine.handle_message(now, id, Opcode::Text, &mut br#"{"type":"listen"}"#.to_vec(), app);
/// // A connection has subscribed to `prices`, and ends.
/// assert_eq!(engine.poll_life(), Some(Life::First("prices")));
/// assert_eq!(engine.poll_life(), None);
/// engine.handle_end(now, id);
/// assert_eq!(engine.poll_life(), Some(Life::Last("prices")));
/// # Ok::<(), fastws_core::shelf::Full>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life<'e> {
    /// The first listener, or the first reservation, is there.
    First(&'e str),
    /// The last one has left.
    Last(&'e str),
}

pub(crate) struct Hub<'m> {
    pub(crate) topics: Shelf<'m, Topic>,
    pub(crate) links: Shelf<'m, Link>,
    /// The first topic of each hash bucket.
    pub(crate) buckets: Shelf<'m, u32>,
    pub(crate) names: Buffers<'m>,
    pub(crate) changed: Marks<'m>,
    pub(crate) hasher: FixedState,
    pub(crate) free_topic: u32,
    pub(crate) free_link: u32,
    /// Topics with at least one listener.
    pub(crate) live: u32,
    /// Listeners over all topics.
    pub(crate) subscriptions: u32,
}

impl Hub<'_> {
    /// O(1) expected.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.find_hashed(name, self.hash(name))
    }

    pub(crate) fn name(&self, topic: usize) -> &str {
        core::str::from_utf8(self.names.bytes(topic)).expect("names are written from a str")
    }

    pub(crate) fn listeners(&self, topic: usize) -> usize {
        self.topics[topic].listeners as usize
    }

    /// Somebody waits to become a listener.
    pub(crate) fn is_awaited(&self, topic: usize) -> bool {
        self.topics[topic].reserved > 0
    }

    /// The slot and the link of whoever came first and is still there, listening or not.
    pub(crate) fn first(&self, topic: usize) -> Option<(usize, usize)> {
        let link = self.topics[topic].first as usize;
        self.links.get(link).map(|row| (row.slot as usize, link))
    }

    /// The slots that listen, in the order in which they came.
    #[inline]
    pub(crate) fn audience(&self, topic: usize) -> impl Iterator<Item = usize> {
        let mut at = self.topics[topic].first;
        core::iter::from_fn(move || {
            loop {
                let link = self.links.get(at as usize)?;
                at = link.next;
                if link.listens {
                    return Some(link.slot as usize);
                }
            }
        })
    }

    /// The topics that a connection listens to, the newest first.
    pub(crate) fn topics_of(&self, interest: Interest) -> impl Iterator<Item = &str> {
        let mut at = interest.first;
        core::iter::from_fn(move || {
            loop {
                let link = self.links.get(at as usize)?;
                at = link.sibling;
                if link.listens {
                    return Some(self.name(link.topic as usize));
                }
            }
        })
    }

    /// Whether a link of this connection to this topic exists, and listens.
    /// O(the smaller of the connection's topics and the topic's listeners).
    pub(crate) fn link(&self, slot: usize, interest: Interest, topic: usize) -> Option<usize> {
        let row = &self.topics[topic];
        let mine = interest.places() <= row.listeners + row.reserved;
        let mut at = if mine { interest.first } else { row.first };
        while let Some(link) = self.links.get(at as usize) {
            if link.slot as usize == slot && link.topic as usize == topic {
                return Some(at as usize);
            }
            at = if mine { link.sibling } else { link.next };
        }
        None
    }

    pub(crate) fn listens(&self, link: usize) -> bool {
        self.links[link].listens
    }

    /// Sets a place aside, or finds the one that is there. On `Full` nothing has changed.
    pub(crate) fn reserve(
        &mut self,
        slot: usize,
        interest: &mut Interest,
        name: &str,
    ) -> Result<usize, Full> {
        let hash = self.hash(name);
        let found = self.find_hashed(name, hash);
        if let Some(link) = found.and_then(|topic| self.link(slot, *interest, topic)) {
            return Ok(link);
        }
        if self.free_link == NONE && self.links.room() == 0 {
            return Err(Full);
        }
        let topic = match found {
            Some(topic) => topic,
            None => self.open_topic(name, hash)?,
        };
        let row = &mut self.topics[topic];
        let fresh = Link {
            topic: topic as u32,
            slot: slot as u32,
            next: NONE,
            previous: row.last,
            sibling: interest.first,
            listens: false,
        };
        let link = match self.links.get(self.free_link as usize).copied() {
            Some(free) => {
                let link = self.free_link as usize;
                self.links[link] = fresh;
                self.free_link = free.sibling;
                link
            }
            None => {
                self.links.push(fresh)?;
                self.links.len() - 1
            }
        };
        match self.links.get_mut(row.last as usize) {
            Some(last) => last.next = link as u32,
            None => row.first = link as u32,
        }
        row.last = link as u32;
        row.reserved += 1;
        interest.first = link as u32;
        interest.reserved += 1;
        self.changed.mark(topic, &mut row.marked);
        Ok(link)
    }

    /// Makes a reserved link listen. True if it did not before.
    pub(crate) fn activate(&mut self, interest: &mut Interest, link: usize) -> bool {
        let link = &mut self.links[link];
        if link.listens {
            return false;
        }
        link.listens = true;
        let row = &mut self.topics[link.topic as usize];
        row.reserved -= 1;
        row.listeners += 1;
        self.live += u32::from(row.listeners == 1);
        self.subscriptions += 1;
        interest.reserved -= 1;
        interest.topics += 1;
        true
    }

    /// O(1) but for finding the link among the connection's own.
    pub(crate) fn remove(&mut self, interest: &mut Interest, link: usize) {
        let Link { topic, next, previous, sibling, listens, .. } = self.links[link];
        let row = &mut self.topics[topic as usize];
        match self.links.get_mut(previous as usize) {
            Some(before) => before.next = next,
            None => row.first = next,
        }
        match self.links.get_mut(next as usize) {
            Some(after) => after.previous = previous,
            None => row.last = previous,
        }
        if listens {
            row.listeners -= 1;
            self.live -= u32::from(row.listeners == 0);
            self.subscriptions -= 1;
            interest.topics -= 1;
        } else {
            row.reserved -= 1;
            interest.reserved -= 1;
        }
        let ends = row.listeners + row.reserved == 0;
        let told = row.told;
        if ends && told {
            self.changed.mark(topic as usize, &mut row.marked);
        }
        if interest.first as usize == link {
            interest.first = sibling;
        } else {
            let mut at = interest.first as usize;
            while self.links[at].sibling as usize != link {
                at = self.links[at].sibling as usize;
            }
            self.links[at].sibling = sibling;
        }
        self.links[link].sibling = self.free_link;
        self.links[link].slot = NONE;
        self.free_link = link as u32;
        // Nobody has heard of it: its row is free for another topic, also where nobody ever asks.
        if ends && !told {
            self.close_topic(topic as usize);
        }
    }

    /// Gives back what was reserved and did not become a subscription. O(own links).
    pub(crate) fn give_back(&mut self, interest: &mut Interest) {
        let mut at = interest.first;
        while interest.reserved > 0 {
            let Link { sibling, listens, .. } = self.links[at as usize];
            if !listens {
                self.remove(interest, at as usize);
            }
            at = sibling;
        }
    }

    /// Ends every link of a connection. O(own links).
    pub(crate) fn leave(&mut self, interest: &mut Interest) {
        while interest.first != NONE {
            self.remove(interest, interest.first as usize);
        }
    }

    /// The next topic that somebody came to, or that the last one left. Nothing is told of a change
    /// that was undone before it was asked for.
    pub(crate) fn poll_life(&mut self) -> Option<Life<'_>> {
        while let Some(topic) = self.changed.poll() {
            let row = &mut self.topics[topic];
            row.marked = false;
            let interesting = row.listeners + row.reserved > 0;
            let told = core::mem::replace(&mut row.told, interesting);
            match (told, interesting) {
                (false, true) => return Some(Life::First(self.name(topic))),
                (true, false) => {
                    self.close_topic(topic);
                    // The name stays written until the row is used again.
                    return Some(Life::Last(self.name(topic)));
                }
                _ => {}
            }
        }
        None
    }

    fn hash(&self, name: &str) -> u32 {
        self.hasher.hash_one(name) as u32
    }

    fn bucket(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.buckets.len() as u64) >> 32) as usize
    }

    fn find_hashed(&self, name: &str, hash: u32) -> Option<usize> {
        let mut at = *self.buckets.get(self.bucket(hash))?;
        while let Some(row) = self.topics.get(at as usize) {
            if row.hash == hash && self.names.bytes(at as usize) == name.as_bytes() {
                return Some(at as usize);
            }
            at = row.next;
        }
        None
    }

    fn open_topic(&mut self, name: &str, hash: u32) -> Result<usize, Full> {
        let reused = self.topics.get(self.free_topic as usize).map(|row| (row.next, row.marked));
        let topic = reused.map_or(self.topics.len(), |_| self.free_topic as usize);
        if reused.is_none() && self.topics.room() == 0 {
            return Err(Full);
        }
        let mut written = self.names.row(topic);
        written.truncate(0);
        written.extend(name.as_bytes())?;
        if reused.is_none() && self.topics.len() >= self.buckets.len() {
            self.spread();
        }
        let bucket = self.bucket(hash);
        let fresh = Topic {
            hash,
            next: self.buckets[bucket],
            first: NONE,
            last: NONE,
            listeners: 0,
            reserved: 0,
            told: false,
            // A mark outlives the topic that left it, so that a row is never queued twice.
            marked: reused.is_some_and(|(_, marked)| marked),
        };
        match reused {
            Some((next, _)) => {
                self.free_topic = next;
                self.topics[topic] = fresh;
            }
            None => self.topics.push(fresh)?,
        }
        self.buckets[bucket] = topic as u32;
        Ok(topic)
    }

    fn close_topic(&mut self, topic: usize) {
        let bucket = self.bucket(self.topics[topic].hash);
        let after = self.topics[topic].next;
        let mut at = self.buckets[bucket] as usize;
        if at == topic {
            self.buckets[bucket] = after;
        } else {
            while self.topics[at].next as usize != topic {
                at = self.topics[at].next as usize;
            }
            self.topics[at].next = after;
        }
        self.topics[topic].next = self.free_topic;
        self.free_topic = topic as u32;
    }

    /// Doubles the buckets of owned memory; lent memory has one for each topic that fits.
    fn spread(&mut self) {
        for _ in 0..self.buckets.len().max(8) {
            self.buckets.push(NONE).expect("lent memory has as many buckets as topics");
        }
        self.buckets.fill(NONE);
        debug_assert_eq!(self.free_topic, NONE, "rows are added only where none is free");
        for topic in 0..self.topics.len() {
            let bucket = self.bucket(self.topics[topic].hash);
            self.topics[topic].next = self.buckets[bucket];
            self.buckets[bucket] = topic as u32;
        }
    }
}

#[cfg(all(test, feature = "alloc"))]
#[path = "../tests/hub/model.rs"]
mod tests;
