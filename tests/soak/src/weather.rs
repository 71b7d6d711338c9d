//! Which steps a seed makes of a world. Knows who is there, nothing of what they heard.

use crate::random::Random;
use crate::step::{Ask, Fate, Order, Step};
use crate::world::World;

/// The steps of one seed.
pub struct Weather {
    random: Random,
    steps: u32,
}

impl Weather {
    /// The same seed, the same steps.
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), steps: 0 }
    }

    /// What comes next.
    pub fn next(&mut self, world: &World) -> Step {
        self.steps += 1;
        if self.steps.is_multiple_of(AUDIT) {
            return if self.random.once_in(60) { Step::Drain } else { Step::Audit };
        }
        let rules = world.rules();
        let random = &mut self.random;
        let who = random.below(rules.clients);
        if !world.is_there(who) {
            return Step::Arrive { who, shard: random.below(4) as u8 };
        }
        let topic = random.skewed(rules.topics.into()) as u16;
        match random.below(1_000) {
            0..350 => {
                let count = if random.once_in(3) { 1 + random.below(4) } else { 1 };
                let asks = (0..count).map(|_| ask(random, rules.topics)).collect();
                Step::Say { who, asks }
            }
            350..560 => Step::Publish { topic, len: len(random) },
            560..780 => Step::Turn(random.below(4) as u8),
            780..810 => Step::Rest,
            810..825 => Step::Lag(random.skewed(500) as u16),
            825 => Step::Advance(random.skewed(30_000) as u16),
            826..850 => Step::Advance(random.skewed(800) as u16),
            850..870 => Step::Narrow { who, bytes: random.skewed(400) as u16 },
            870..880 => Step::Widen(who),
            880..890 => Step::Split { who, bytes: random.skewed(40) as u8 },
            890..900 => Step::Delay { who, millis: random.skewed(3_000) as u16 },
            900..903 => Step::Stall(who),
            903..910 => Step::Flow(who),
            910..918 => Step::Ping(who),
            918..921 => Step::Close(who),
            921..923 => Step::HangUp(who),
            923..925 => Step::Reset(who),
            925..927 => Step::Mute(who),
            927..929 => Step::Broadcast(len(random)),
            929..945 => Step::Fate { topic, fate: fate(random) },
            _ => Step::Order { topic, order: order(random) },
        }
    }
}

fn ask(random: &mut Random, topics: u16) -> Ask {
    let topic = random.skewed(topics.into()) as u16;
    match random.below(200) {
        0..75 => Ask::Subscribe(topic),
        75..90 => Ask::Pair(topic, random.skewed(topics.into()) as u16),
        90..130 => Ask::Unsubscribe(topic),
        130..160 => Ask::Echo(len(random)),
        160..185 => Ask::Publish(topic),
        185..194 => Ask::Later(random.skewed(2_000) as u16),
        194 => Ask::Fail,
        195 => Ask::Panic,
        196 => Ask::Leave,
        197 => Ask::Misfit,
        198 => Ask::Unknown,
        _ => Ask::Unreadable,
    }
}

fn fate(random: &mut Random) -> Fate {
    match random.below(10) {
        0..5 => Fate::Slow(random.skewed(4_000) as u16),
        5..7 => Fate::Refuse,
        7 | 8 => Fate::Panic,
        _ => Fate::Never,
    }
}

fn order(random: &mut Random) -> Order {
    match random.below(40) {
        0..34 => Order::Publish(len(random)),
        34..37 => Order::Stumble,
        37 | 38 => Order::End,
        _ => Order::Panic,
    }
}

/// Mostly short.
fn len(random: &mut Random) -> u16 {
    let most = random.one_of(&[10, 10, 10, 60, 60, 400]);
    random.below(most) as u16
}

/// Steps from one audit to the next.
const AUDIT: u32 = 1_000;
