//! What holds in one world: how many shards, clients and topics, which limits and deadlines. Knows no step.

use crate::random::Random;
use fastws_core::config::{Config, OnError, SlowConsumer};
use fastws_core::time::Duration;

/// The rules of one world.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Who may be there at once.
    pub clients: u32,
    /// From 1 to 4.
    pub shards: u8,
    /// Topics of all routes.
    pub topics: u16,
    /// Limits and deadlines.
    pub config: Config,
}

/// A family of topics.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Its name.
    pub name: &'static str,
    /// It has a service.
    pub serves: bool,
    /// It keeps the last update.
    pub retains: bool,
    /// What becomes of its updates; where it does not say, what the server's rules say.
    pub policy: Option<SlowConsumer>,
    /// How long its services wait for somebody to come back.
    pub linger: Duration,
}

/// All routes; topic `t` is of route `t % 6`.
pub const ROUTES: [Route; 6] = {
    use SlowConsumer::{DropOldest, Latest};
    let route = Route {
        name: "plain",
        serves: false,
        retains: false,
        policy: None,
        linger: Duration::ZERO,
    };
    [
        route,
        Route { name: "feed", serves: true, ..route },
        Route { name: "tail", policy: Some(DropOldest), ..route },
        Route {
            name: "tape",
            serves: true,
            policy: Some(DropOldest),
            linger: Duration::from_secs(3),
            ..route
        },
        Route { name: "spot", policy: Some(Latest), retains: true, ..route },
        Route { name: "last", serves: true, policy: Some(Latest), retains: true, ..route },
    ]
};

impl Rules {
    /// The rules of a seed's world.
    ///
    /// ```
    /// use fastws_soak::rules::Rules;
    /// let rules = Rules::of(7, 1_000);
    /// assert!((1..=4).contains(&rules.shards));
    /// assert!(rules.config.check().is_ok());
    /// ```
    pub fn of(seed: u64, clients: u32) -> Self {
        let random = &mut Random::new(!seed);
        let seconds = |seconds| Duration::from_secs(seconds);
        let config = Config {
            connections: clients - clients / 10,
            message_bytes: 2_048,
            backlog_bytes: random.one_of(&[1_000, 3_000, 10_000]),
            slow_consumer: random.one_of(&[
                SlowConsumer::Close,
                SlowConsumer::Close,
                SlowConsumer::DropOldest,
                SlowConsumer::Latest,
            ]),
            topics_per_connection: 2 + random.below(6),
            topic_bytes: 16,
            heartbeat: random.one_of(&[None, Some(seconds(70))]),
            lifespan: random.one_of(&[None, Some(seconds(300))]),
            drain: random.one_of(&[seconds(0), seconds(2)]),
            turn_bytes: random.one_of(&[1 << 20, 1 << 20, 4_000]),
            on_error: random.one_of(&[OnError::Close, OnError::Reply]),
            ..Config::default()
        };
        let topics =
            (clients / 10 + 12).min(300) as u16 / ROUTES.len() as u16 * ROUTES.len() as u16;
        Self { clients, shards: 1 + random.below(4) as u8, topics, config }
    }

    /// What becomes of a topic's updates where its reader is slow.
    pub fn policy(&self, topic: u16) -> SlowConsumer {
        route(topic).policy.unwrap_or(self.config.slow_consumer)
    }
}

/// The route of a topic.
pub fn route(topic: u16) -> &'static Route {
    &ROUTES[usize::from(topic) % ROUTES.len()]
}

/// What a client asks for in the topic's route.
pub fn room(topic: u16) -> u16 {
    topic / ROUTES.len() as u16
}

/// A topic of the first one's route, in the second one's room.
pub fn beside(first: u16, second: u16) -> u16 {
    let routes = ROUTES.len() as u16;
    room(second) * routes + first % routes
}

/// A topic's name.
///
/// ```
/// use fastws_soak::rules::{name, topic};
/// assert_eq!(name(13), "feed:2");
/// assert_eq!(topic("feed:2"), Some(13));
/// ```
pub fn name(topic: u16) -> String {
    format!("{}:{}", route(topic).name, room(topic))
}

/// The topic of a name.
pub fn topic(name: &str) -> Option<u16> {
    let (route, room) = name.split_once(':')?;
    let at = ROUTES.iter().position(|known| known.name == route)?;
    Some(room.parse::<u16>().ok()? * ROUTES.len() as u16 + at as u16)
}
