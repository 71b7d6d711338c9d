//! A topic's life over all shards: starting, running, ending. Knows shards by number; the lock is outside.

/// Shards by number, at most [`MAX_SHARDS`].
///
/// [`Life::started`] and [`Life::failed`] tell them; the example is at [`Life`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shards([u64; 4]);

/// How many shards a topic's life can be shared by.
pub const MAX_SHARDS: usize = 256;

impl Shards {
    fn insert(&mut self, shard: usize) {
        self.0[shard / 64] |= 1 << (shard % 64);
    }

    fn remove(&mut self, shard: usize) {
        self.0[shard / 64] &= !(1 << (shard % 64));
    }

    /// No shard at all.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }

    /// In rising order.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        (0..MAX_SHARDS).filter(|shard| self.0[shard / 64] >> (shard % 64) & 1 == 1)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Starting,
    Running,
    /// Nobody is interested, as of this moment, and somebody may come back.
    Lingering(u64),
    Ending,
}

/// Who is interested in one topic, and where its service is.
///
/// ```
/// use fastws_core::lives::{Ended, Joined, Left, Life};
///
/// // Whoever holds the lock numbers the lives.
/// let mut life = Life::new();
/// assert_eq!(life.join(0, 1), Joined::Start(1));
/// assert_eq!(life.join(1, 2), Joined::Wait(1));
/// assert!(life.started(1).iter().eq([0, 1]));
///
/// // Shard 0 runs the service until the last listener on any shard has left.
/// assert_eq!(life.leave(0, None), None);
/// assert_eq!(life.leave(1, None), Some(Left::Stop { owner: 0, generation: 1 }));
/// // Somebody comes before that future is gone: the next life is for them to start.
/// assert_eq!(life.join(1, 3), Joined::Wait(3));
/// assert_eq!(life.ended(1, 4), Ended::Restart { shard: 1, generation: 4 });
/// ```
#[derive(Debug)]
pub struct Life {
    phase: Phase,
    generation: u64,
    owner: usize,
    interested: Shards,
}

/// What a shard does that has just become interested. What it is told of a generation below the one
/// that is named here is about a life that does not concern it any more.
///
/// The example is at [`Life`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// It starts the service of this generation.
    Start(u64),
    /// It will be told when the service has started, or that it is to start it.
    Wait(u64),
    /// The service runs.
    Running(u64),
}

impl Joined {
    /// The first generation that concerns the shard.
    pub fn since(self) -> u64 {
        let (Self::Start(generation) | Self::Wait(generation) | Self::Running(generation)) = self;
        generation
    }
}

/// What follows when the last shard's last listener has left.
///
/// ```
/// use fastws_core::lives::{Left, Life};
///
/// let mut life = Life::new();
/// life.join(0, 1);
/// life.started(1);
/// // Its route has it wait a while for somebody to come back.
/// let left = life.leave(0, Some(5));
/// assert_eq!(left, Some(Left::Linger { owner: 0, generation: 1, moment: 5 }));
/// assert!(life.is_wanted());
/// // Nobody has: the owner drops the future.
/// assert!(life.lapse(1, 5) && !life.is_wanted());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// This owner drops the future of this generation.
    Stop {
        /// The owner's number.
        owner: usize,
        /// The life's generation.
        generation: u64,
    },
    /// This owner waits for a while, and then lets the life [`lapse`](Life::lapse).
    Linger {
        /// The owner's number.
        owner: usize,
        /// The life's generation.
        generation: u64,
        /// When it was left.
        moment: u64,
    },
}

/// What follows when a service's future is gone.
///
/// The example is at [`Life`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// That life was over already.
    Late,
    /// Nobody is interested any more.
    Gone,
    /// This shard starts the next life.
    Restart {
        /// The shard's number.
        shard: usize,
        /// The next life's generation.
        generation: u64,
    },
}

impl Life {
    /// A topic nobody is interested in.
    pub const fn new() -> Self {
        Self { phase: Phase::Idle, generation: 0, owner: 0, interested: Shards([0; 4]) }
    }

    /// A shard's first listener or reservation has come. `next` is a generation never used before.
    pub fn join(&mut self, shard: usize, next: u64) -> Joined {
        self.interested.insert(shard);
        match self.phase {
            Phase::Idle => Joined::Start(self.start(shard, next)),
            Phase::Starting => Joined::Wait(self.generation),
            // The one that ends is of no concern, and the one that follows is not numbered yet.
            Phase::Ending => Joined::Wait(next),
            Phase::Running | Phase::Lingering(_) => {
                self.phase = Phase::Running;
                Joined::Running(self.generation)
            }
        }
    }

    fn start(&mut self, shard: usize, generation: u64) -> u64 {
        self.phase = Phase::Starting;
        self.generation = generation;
        self.owner = shard;
        generation
    }

    /// The service has started: the shards to be told. None for a life that is over.
    pub fn started(&mut self, generation: u64) -> Shards {
        if self.generation != generation || self.phase != Phase::Starting {
            return Shards::default();
        }
        self.phase = Phase::Running;
        self.interested
    }

    /// The service has refused to start, or its future has ended by itself: the shards to be told.
    /// Nothing is left of that life; who is interested afterwards joins anew.
    ///
    /// ```
    /// use fastws_core::lives::{Joined, Life};
    /// let mut life = Life::new();
    /// life.join(0, 1);
    /// life.join(1, 2);
    /// assert!(life.failed(1).iter().eq([0, 1]));
    /// assert!(life.is_over());
    /// assert_eq!(life.join(1, 3), Joined::Start(3));
    /// ```
    pub fn failed(&mut self, generation: u64) -> Shards {
        if self.generation != generation || matches!(self.phase, Phase::Idle | Phase::Ending) {
            return Shards::default();
        }
        self.phase = Phase::Idle;
        core::mem::take(&mut self.interested)
    }

    /// A shard's last listener has left. `linger`: a service that has started waits for somebody to come
    /// back; it is a moment never used before.
    pub fn leave(&mut self, shard: usize, linger: Option<u64>) -> Option<Left> {
        self.interested.remove(shard);
        if !self.interested.is_empty() {
            return None;
        }
        let (owner, generation) = (self.owner, self.generation);
        match (self.phase, linger) {
            (Phase::Running, Some(moment)) => {
                self.phase = Phase::Lingering(moment);
                Some(Left::Linger { owner, generation, moment })
            }
            (Phase::Starting | Phase::Running, _) => {
                self.phase = Phase::Ending;
                Some(Left::Stop { owner, generation })
            }
            _ => None,
        }
    }

    /// Nobody has come back. True: the future of this generation is to be dropped.
    pub fn lapse(&mut self, generation: u64, moment: u64) -> bool {
        let lapsed = self.generation == generation && self.phase == Phase::Lingering(moment);
        if lapsed {
            self.phase = Phase::Ending;
        }
        lapsed
    }

    /// Somebody is interested, or may come back to the service that runs.
    pub fn is_wanted(&self) -> bool {
        !self.interested.is_empty() || matches!(self.phase, Phase::Lingering(_))
    }

    /// The future of this generation is gone, or there will be none: nobody waited any more on the
    /// shard whose turn it was. `next` is a generation never used before.
    pub fn ended(&mut self, generation: u64, next: u64) -> Ended {
        if self.generation != generation || self.phase == Phase::Idle {
            return Ended::Late;
        }
        self.phase = Phase::Idle;
        let first = self.interested.iter().next();
        match first {
            Some(shard) => Ended::Restart { shard, generation: self.start(shard, next) },
            None => Ended::Gone,
        }
    }

    /// Nothing would be lost by forgetting this life.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Idle && self.interested.is_empty()
    }
}

impl Default for Life {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    #[test]
    fn racing_shards_start_one_life() {
        let mut life = Life::new();
        assert_eq!(life.join(0, 1), Joined::Start(1));
        assert_eq!(life.join(1, 2), Joined::Wait(1));
        assert!(life.started(1).iter().eq([0, 1]));
        assert_eq!(life.join(2, 3), Joined::Running(1));
    }

    #[test]
    fn the_last_shard_ends_it_and_the_next_life_waits_until_the_future_is_gone() {
        let mut life = Life::new();
        assert_eq!(life.join(3, 1), Joined::Start(1));
        life.started(1);
        assert_eq!(life.leave(3, None), Some(Left::Stop { owner: 3, generation: 1 }));
        assert_eq!(life.join(5, 2), Joined::Wait(2));
        assert_eq!(life.ended(1, 3), Ended::Restart { shard: 5, generation: 3 });
        assert_eq!(life.ended(1, 4), Ended::Late);
        assert!(life.failed(1).is_empty(), "a late failure of an earlier life touches nothing");
    }

    #[test]
    fn a_shard_that_does_not_take_its_turn_passes_it_on() {
        let mut life = Life::new();
        life.join(0, 1);
        life.join(1, 2);
        assert_eq!(life.leave(0, None), None);
        assert_eq!(life.ended(1, 3), Ended::Restart { shard: 1, generation: 3 });
        assert!(life.started(3).iter().eq([1]));
    }

    #[test]
    fn a_failed_start_leaves_nothing_behind() {
        let mut life = Life::new();
        life.join(0, 1);
        life.join(1, 2);
        assert!(life.failed(1).iter().eq([0, 1]));
        assert!(life.is_over());
        assert_eq!(life.join(1, 3), Joined::Start(3));
    }

    // law: 3
    #[test]
    fn leaving_while_it_starts_ends_in_nothing_running() {
        let mut life = Life::new();
        life.join(0, 1);
        assert_eq!(life.leave(0, Some(2)), Some(Left::Stop { owner: 0, generation: 1 }));
        assert!(life.started(1).is_empty());
        assert_eq!(life.ended(1, 2), Ended::Gone);
        assert!(life.is_over());
    }

    #[test]
    fn who_comes_back_in_time_finds_the_same_life_and_an_old_wait_does_not_end_a_new_one() {
        let mut life = Life::new();
        life.join(0, 1);
        life.started(1);
        let left = |moment| Some(Left::Linger { owner: 0, generation: 1, moment });
        assert_eq!(life.leave(0, Some(2)), left(2));
        assert_eq!(life.join(1, 3), Joined::Running(1));
        assert!(!life.lapse(1, 2), "somebody is there");
        assert_eq!(life.leave(1, Some(4)), left(4));
        assert!(!life.lapse(1, 2), "that wait was over");
        assert!(life.lapse(1, 4));
        assert_eq!(life.join(0, 5), Joined::Wait(5));
        assert_eq!(life.ended(1, 6), Ended::Restart { shard: 0, generation: 6 });
    }

    /// What the shards know: the future that lives, whether it has started and was told to end, who is
    /// interested, and which waits go on.
    #[derive(Default)]
    struct Naive {
        future: Option<u64>,
        started: bool,
        told: bool,
        interested: BTreeSet<usize>,
        waits: Vec<(u64, u64)>,
    }

    proptest! {
        // law: 3
        #[test]
        fn one_future_lives_while_anybody_is_interested_and_none_for_ever_without(
            steps in prop::collection::vec((0..6u8, 0..3usize, any::<bool>()), 0..100),
        ) {
            let (mut life, mut naive, mut newest) = (Life::new(), Naive::default(), 0);
            let mut next = || { newest += 1; newest };
            for (step, shard, linger) in steps {
                match (step, naive.future) {
                    (0, _) if naive.interested.insert(shard) => match life.join(shard, next()) {
                        Joined::Start(generation) => {
                            prop_assert_eq!(naive.future, None);
                            (naive.future, naive.started, naive.told) = (Some(generation), false, false);
                        }
                        Joined::Running(generation) => {
                            prop_assert_eq!((naive.future, naive.started), (Some(generation), true));
                            prop_assert!(!naive.told);
                        }
                        joined @ Joined::Wait(since) => {
                            prop_assert_eq!(joined.since(), since);
                            prop_assert!(naive.future.is_some());
                            prop_assert_eq!(Some(since) == naive.future, !naive.told);
                        }
                    },
                    (1, _) if naive.interested.remove(&shard) => {
                        match life.leave(shard, linger.then(&mut next)) {
                            Some(Left::Stop { generation, .. }) => {
                                prop_assert_eq!(naive.future, Some(generation));
                                naive.told = true;
                            }
                            Some(Left::Linger { generation, moment, .. }) => {
                                prop_assert!(naive.started && linger);
                                naive.waits.push((generation, moment));
                            }
                            None => prop_assert!(naive.told || !naive.interested.is_empty()),
                        }
                    }
                    (2, Some(generation)) => {
                        let told = life.started(generation);
                        let all = told.iter().eq(naive.interested.iter().copied());
                        prop_assert!(told.is_empty() || all);
                        naive.started |= !naive.told;
                    }
                    (3, Some(generation)) => {
                        for shard in life.failed(generation).iter() {
                            prop_assert!(naive.interested.remove(&shard));
                        }
                        naive.future = None;
                        end(&mut life, &mut naive, generation, next())?;
                    }
                    (4, Some(generation)) if naive.told => {
                        naive.future = None;
                        end(&mut life, &mut naive, generation, next())?;
                    }
                    (5, _) if !naive.waits.is_empty() => {
                        let (generation, moment) = naive.waits.swap_remove(shard % naive.waits.len());
                        if life.lapse(generation, moment) {
                            prop_assert!(naive.interested.is_empty());
                            prop_assert_eq!(naive.future, Some(generation));
                            naive.told = true;
                        }
                    }
                    _ => {}
                }
                let Naive { future, told, interested, waits, .. } = &naive;
                prop_assert!(future.is_some() || interested.is_empty(), "nobody starts it");
                prop_assert!(future.is_none() || *told || !interested.is_empty() || !waits.is_empty());
                prop_assert_eq!(life.is_over(), future.is_none());
                prop_assert!(life.is_wanted() || interested.is_empty() && (future.is_none() || *told));
                prop_assert!(!life.is_wanted() || !interested.is_empty() || !*told);
            }
        }
    }

    fn end(
        life: &mut Life,
        naive: &mut Naive,
        generation: u64,
        next: u64,
    ) -> Result<(), TestCaseError> {
        match life.ended(generation, next) {
            Ended::Restart { shard, generation } => {
                prop_assert!(naive.interested.contains(&shard));
                (naive.future, naive.started, naive.told) = (Some(generation), false, false);
            }
            Ended::Gone | Ended::Late => prop_assert!(naive.interested.is_empty()),
        }
        Ok(())
    }
}
