//! A hub on each kind of memory against a list of who came, in the order of coming. Knows its rows, no engine.

use super::{Hub, Interest, Life};
use crate::config::Config;
use crate::engine::Engine;
use crate::memory::{ConnectionMemory, TopicMemory, TurnMemory};
use crate::shelf::Full;
use proptest::prelude::*;
use std::collections::{BTreeSet, HashMap};
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

const SLOTS: usize = 4;
const TOPICS: usize = 24;

/// What may happen between a connection's slot and a topic.
#[derive(Clone, Copy, Debug)]
enum Step {
    Reserve(usize, usize),
    /// A place that was set aside becomes a subscription.
    Activate(usize, usize),
    Remove(usize, usize),
    /// The call ends: what it set aside and did not use is free.
    GiveBack(usize),
    Leave(usize),
    Poll,
}

fn step() -> impl Strategy<Value = Step> {
    let pair = || (0..SLOTS, prop_oneof![3 => 0..4_usize, 1 => 0..TOPICS]);
    prop_oneof![
        6 => pair().prop_map(|(slot, topic)| Step::Reserve(slot, topic)),
        4 => pair().prop_map(|(slot, topic)| Step::Activate(slot, topic)),
        3 => pair().prop_map(|(slot, topic)| Step::Remove(slot, topic)),
        1 => (0..SLOTS).prop_map(Step::GiveBack),
        1 => (0..SLOTS).prop_map(Step::Leave),
        3 => Just(Step::Poll),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    // law: 1 2 3 9
    #[test]
    fn an_audience_is_who_came_and_has_not_left(steps in prop::collection::vec(step(), 0..120)) {
        World::new(Engine::new(Config::default(), 1).state.hub, [usize::MAX; 3]).run(&steps)?;

        let mut connections = ConnectionMemory::<1, 512, 512>::new();
        let mut turn = TurnMemory::<2, 2>::new();
        let mut topics = TopicMemory::<TOPICS, { SLOTS * TOPICS }, 8>::new();
        let lent = Engine::lent(Config::default(), 1, &mut connections, &mut topics, &mut turn);
        World::new(lent.state.hub, [TOPICS, SLOTS * TOPICS, 8]).run(&steps)?;

        let mut topics = TopicMemory::<3, 5, 2>::new();
        let tight = Engine::lent(Config::default(), 1, &mut connections, &mut topics, &mut turn);
        World::new(tight.state.hub, [3, 5, 2]).run(&steps)?;
    }
}

#[test]
fn topics_are_spread_over_their_buckets() {
    let mut hub = Engine::new(Config::default(), 1).state.hub;
    let mut interest = Interest::NOTHING;
    for topic in 0..1_000 {
        hub.reserve(0, &mut interest, &name(topic)).expect("owned memory grows");
    }
    let next: Vec<u32> = hub.topics.iter().map(|row| row.next).collect();
    let longest = hub.buckets.iter().map(|&first| chain(first, &next)).max();
    assert!(longest < Some(12), "{longest:?} topics are compared to find one");
}

#[test]
fn names_whose_hashes_are_equal_are_two_topics() {
    let mut hub = Engine::new(Config::default(), 1).state.hub;
    let mut seen = HashMap::new();
    let (first, second) = (0..)
        .find_map(|topic| Some((seen.insert(hub.hash(&name(topic)), topic)?, topic)))
        .expect("there are more names than hashes");
    let mut interest = Interest::NOTHING;
    for (count, topic) in [first, second].into_iter().enumerate() {
        assert_eq!(hub.find(&name(topic)), None);
        hub.reserve(0, &mut interest, &name(topic)).expect("owned memory grows");
        assert_eq!(hub.find(&name(topic)), Some(count));
    }
}

/// A hub, and what it must say.
struct World<'m> {
    hub: Hub<'m>,
    interests: [Interest; SLOTS],
    /// Who is interested in what, in the order of coming, and whether that is a subscription.
    came: Vec<(usize, String, bool)>,
    /// Whose beginning was told, and whose end was not.
    told: BTreeSet<String>,
    /// How many topics and links fit, and how many bytes a name may have.
    fits: [usize; 3],
}

impl<'m> World<'m> {
    fn new(hub: Hub<'m>, fits: [usize; 3]) -> Self {
        Self {
            hub,
            interests: [Interest::NOTHING; SLOTS],
            came: Vec::new(),
            told: BTreeSet::new(),
            fits,
        }
    }

    fn run(mut self, steps: &[Step]) -> Result<(), TestCaseError> {
        for &step in steps {
            self.step(step)?;
            self.check()?;
        }
        for slot in 0..SLOTS {
            self.step(Step::Leave(slot))?;
        }
        while !self.told.is_empty() {
            self.step(Step::Poll)?;
        }
        self.check()?;
        let Hub { topics, links, buckets, free_topic, free_link, .. } = &self.hub;
        prop_assert!(buckets.iter().all(|&first| topics.get(first as usize).is_none()));
        let free: Vec<u32> = topics.iter().map(|row| row.next).collect();
        prop_assert_eq!(chain(*free_topic, &free), free.len(), "every topic's row is free");
        let free: Vec<u32> = links.iter().map(|row| row.sibling).collect();
        prop_assert_eq!(chain(*free_link, &free), free.len(), "every link's row is free");
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Reserve(slot, topic) => self.reserve(slot, &name(topic))?,
            Step::Activate(slot, topic) => {
                let Some((at, link)) = self.link(slot, &name(topic))? else { return Ok(()) };
                let new = self.hub.activate(&mut self.interests[slot], link);
                prop_assert_eq!(new, !std::mem::replace(&mut self.came[at].2, true));
            }
            Step::Remove(slot, topic) => {
                let Some((at, link)) = self.link(slot, &name(topic))? else { return Ok(()) };
                self.hub.remove(&mut self.interests[slot], link);
                self.came.remove(at);
            }
            Step::GiveBack(slot) => {
                self.hub.give_back(&mut self.interests[slot]);
                self.came.retain(|(who, _, listens)| *who != slot || *listens);
            }
            Step::Leave(slot) => {
                self.hub.leave(&mut self.interests[slot]);
                self.came.retain(|(who, ..)| *who != slot);
            }
            Step::Poll => self.poll()?,
        }
        Ok(())
    }

    fn reserve(&mut self, slot: usize, name: &str) -> Result<(), TestCaseError> {
        let known = self.came.iter().any(|(who, of, _)| (*who, &**of) == (slot, name));
        let rows = self.rows();
        let [topics, links, bytes] = self.fits;
        let fits = known
            || self.came.len() < links
                && (rows.contains(name) || rows.len() < topics && name.len() <= bytes);
        let reserved = self.hub.reserve(slot, &mut self.interests[slot], name);
        prop_assert_eq!(reserved.map(drop), if fits { Ok(()) } else { Err(Full) });
        if fits && !known {
            self.came.push((slot, name.to_string(), false));
        }
        Ok(())
    }

    /// Where it stands in the list, and its link.
    fn link(&self, slot: usize, name: &str) -> Result<Option<(usize, usize)>, TestCaseError> {
        let at = self.came.iter().position(|(who, of, _)| (*who, &**of) == (slot, name));
        let link =
            self.hub.find(name).and_then(|topic| self.hub.link(slot, self.interests[slot], topic));
        prop_assert_eq!(link.is_some(), at.is_some(), "a link of {} to {}", slot, name);
        Ok(at.zip(link))
    }

    /// Names that take a row: whoever is interested in them or not, where their end is to be told.
    fn rows(&self) -> BTreeSet<String> {
        self.came.iter().map(|(_, name, _)| name).chain(&self.told).cloned().collect()
    }

    /// Something is told wherever what was told last is not so any more, and nothing else.
    fn poll(&mut self) -> Result<(), TestCaseError> {
        let lives: BTreeSet<String> = self.came.iter().map(|(_, name, _)| name.clone()).collect();
        match self.hub.poll_life() {
            None => prop_assert_eq!(&self.told, &lives),
            Some(Life::First(name)) => {
                prop_assert!(lives.contains(name) && self.told.insert(name.to_string()));
            }
            Some(Life::Last(name)) => {
                prop_assert!(!lives.contains(name) && self.told.remove(name));
            }
        }
        Ok(())
    }

    /// All that can be asked.
    fn check(&self) -> Result<(), TestCaseError> {
        let listens = |(_, _, listens): &&(usize, String, bool)| *listens;
        let rows = self.rows();
        for name in (0..TOPICS).map(name) {
            let of = || self.came.iter().filter(|(_, of, _)| *of == name);
            let Some(topic) = self.hub.find(&name) else {
                prop_assert!(!rows.contains(&name), "{} has a row", name);
                continue;
            };
            prop_assert!(rows.contains(&name), "{} has no row", name);
            prop_assert_eq!(self.hub.name(topic), &name);
            let audience: Vec<usize> = of().filter(listens).map(|(slot, ..)| *slot).collect();
            prop_assert_eq!(self.hub.audience(topic).collect::<Vec<_>>(), &audience[..]);
            prop_assert_eq!(self.hub.listeners(topic), audience.len());
            prop_assert_eq!(self.hub.is_awaited(topic), audience.len() < of().count());
            let first = self.hub.first(topic).map(|(slot, _)| slot);
            prop_assert_eq!(first, of().next().map(|(slot, ..)| *slot));
            for slot in 0..SLOTS {
                if let Some((at, link)) = self.link(slot, &name)? {
                    prop_assert_eq!(self.hub.listens(link), self.came[at].2);
                }
            }
        }
        for (slot, interest) in self.interests.iter().enumerate() {
            let own = || self.came.iter().rev().filter(|(who, ..)| *who == slot);
            let topics: Vec<&str> = own().filter(listens).map(|(_, of, _)| &**of).collect();
            prop_assert_eq!(self.hub.topics_of(*interest).collect::<Vec<_>>(), &topics[..]);
            prop_assert_eq!(interest.topics as usize, topics.len());
            prop_assert_eq!(interest.places() as usize, own().count());
        }
        let all: Vec<&str> = self.came.iter().filter(listens).map(|(_, of, _)| &**of).collect();
        prop_assert_eq!(self.hub.subscriptions as usize, all.len());
        prop_assert_eq!(self.hub.live as usize, all.iter().collect::<BTreeSet<_>>().len());
        Ok(())
    }
}

/// How many rows hang one behind the other.
fn chain(first: u32, next: &[u32]) -> usize {
    let rows = std::iter::successors(Some(first), |&at| next.get(at as usize).copied());
    rows.take(next.len() + 2).count() - 1
}

fn name(topic: usize) -> String {
    format!("t{topic}")
}
