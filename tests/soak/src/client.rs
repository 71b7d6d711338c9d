//! One client, as naively as it can be told: what it has asked, what it must hear, why it may end. Knows no engine.

use crate::hearing::Hearing;
use crate::log::{Guest, Log, Moment};
use crate::rules::{self, Rules, route};
use crate::stage::filling;
use crate::step::Ask;
use fastws_core::config::{OnError, SlowConsumer};
use fastws_core::time::{Duration, Instant};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::{BTreeMap, VecDeque};

/// How far it has come, as it has heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Phase {
    /// Its request has no answer.
    Asking,
    /// It was not let in.
    Refused,
    /// Messages flow.
    Open,
    /// A close frame has come.
    Closed,
}

/// A message that has no answer yet.
#[derive(Debug)]
pub struct Asked {
    pub(crate) ask: Ask,
    id: u32,
    /// When it was sent.
    moment: Moment,
    /// What is older than this cannot be heard where it subscribes.
    since: Moment,
}

/// What all clients of a moment see.
pub struct Present<'w> {
    pub(crate) rules: &'w Rules,
    pub(crate) log: &'w Log,
    pub(crate) now: Instant,
    pub(crate) is_draining: bool,
}

/// What the world has to do about a message.
#[derive(Debug, PartialEq)]
pub enum News {
    /// It listens to a topic from now on.
    Begun(u16),
    /// It does not any more.
    Ended(u16),
    /// It was told of updates that were dropped.
    Told(u64),
}

/// One client.
#[derive(Debug)]
pub struct Client {
    pub(crate) guest: Guest,
    /// What is older than this it cannot hear.
    since: Moment,
    pub(crate) phase: Phase,
    pub(crate) asked: VecDeque<Asked>,
    pub(crate) listens: BTreeMap<u16, Hearing>,
    all: Option<Hearing>,
    asks: u32,
    /// A topic of it has ended last.
    bereft: Moment,
    /// What gaps have told before a topic's last update of an earlier subscription was missing: while a reader
    /// is slow, the first gap of a topic also counts what is dropped when it has subscribed anew.
    carried: BTreeMap<u16, u64>,
    /// It has just been told that it listens to these topics, and may hear their last updates.
    replied: Vec<u16>,
    /// Its socket takes only so many bytes.
    pub(crate) narrow: bool,
    /// It may not have read everything yet.
    pub(crate) behind: bool,
    pub(crate) mute: bool,
    pub(crate) said_close: bool,
    /// It says nothing more.
    pub(crate) hung_up: bool,
    pub(crate) clock: Clock,
}

/// When a client has done what its deadlines count from, as its shard sees it.
#[derive(Debug)]
pub struct Clock {
    pub(crate) arrived: Instant,
    opened: Instant,
    /// Bytes were read.
    heard: Last,
    /// A whole message was.
    message: Last,
    /// One that had to wait was answered: nobody has been silent while it waited.
    answered: Instant,
    /// A ping has come, and nothing was read since.
    pinged: Option<Instant>,
    /// Bytes that it has sent, and that were read.
    pub(crate) sent: u64,
    read: u64,
    /// Where its messages end.
    ends: VecDeque<u64>,
}

/// When something has happened last. What is due comes before what is read at the same time.
#[derive(Clone, Copy, Debug)]
struct Last {
    at: Instant,
    before: Instant,
}

impl Last {
    fn new(at: Instant) -> Self {
        Self { at, before: at }
    }

    fn set(&mut self, now: Instant) {
        if self.at != now {
            *self = Self { at: now, before: self.at };
        }
    }

    fn before(&self, now: Instant) -> Instant {
        if self.at == now { self.before } else { self.at }
    }
}

#[derive(Deserialize)]
struct Head<'m> {
    #[serde(rename = "type")]
    kind: &'m str,
    topic: Option<&'m str>,
    id: Option<u32>,
}

#[derive(Deserialize)]
struct Body<P> {
    payload: P,
}

#[derive(Deserialize)]
struct Gap<'m> {
    topic: &'m str,
    dropped: u64,
}

#[derive(Deserialize)]
struct Report<'m> {
    topic: &'m str,
    message: &'m str,
    recoverable: bool,
}

#[derive(Deserialize)]
struct Response<'m> {
    status: &'m str,
    message: &'m str,
    topic: &'m str,
}

#[derive(Deserialize)]
struct Failed {
    code: u16,
}

impl Client {
    pub(crate) fn new(guest: Guest, now: Instant, since: Moment) -> Self {
        Self {
            guest,
            since,
            phase: Phase::Asking,
            asked: VecDeque::new(),
            listens: BTreeMap::new(),
            all: None,
            asks: 0,
            bereft: 0,
            carried: BTreeMap::new(),
            replied: Vec::new(),
            narrow: false,
            behind: false,
            mute: false,
            said_close: false,
            hung_up: false,
            clock: Clock {
                arrived: now,
                opened: now,
                heard: Last::new(now),
                message: Last::new(now),
                answered: now,
                pinged: None,
                sent: 0,
                read: 0,
                ends: VecDeque::new(),
            },
        }
    }

    /// It can say something.
    pub(crate) fn speaks(&self) -> bool {
        self.phase == Phase::Open && !self.said_close && !self.hung_up
    }

    /// It can send a control frame.
    pub(crate) fn speaks_or_closes(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Closed) && !self.said_close && !self.hung_up
    }

    /// What it says for an ask, which is noted.
    pub(crate) fn ask(&mut self, ask: Ask, moment: Moment, since: Moment) -> String {
        self.asks += 1;
        let id = self.asks;
        self.asked.push_back(Asked { ask, id, moment, since });
        let message = |kind: &str, payload: &str| {
            format!(r#"{{"type":"{kind}","payload":{payload},"id":{id}}}"#)
        };
        let of_topic = |topic: u16, wish: &str| {
            message(&format!("{}.{wish}", route(topic).name), &rules::room(topic).to_string())
        };
        match ask {
            Ask::Subscribe(topic) => of_topic(topic, "subscribe"),
            Ask::Pair(first, second) => message("pair", &format!("[{first},{second}]")),
            Ask::Unsubscribe(topic) => of_topic(topic, "unsubscribe"),
            Ask::Echo(len) => message("echo", &format!("\"{}\"", filling(len))),
            Ask::Publish(topic) => message("publish", &topic.to_string()),
            Ask::Later(millis) => message("later", &millis.to_string()),
            Ask::Fail => message("fail", r#""fail""#),
            Ask::Panic => message("fail", r#""panic""#),
            Ask::Leave => message("fail", r#""close""#),
            Ask::Misfit => message("later", r#""soon""#),
            Ask::Unknown => message("nothing", "null"),
            Ask::Unreadable => "nonsense".into(),
        }
    }

    /// The server has let it in.
    pub(crate) fn open(&mut self, present: &Present<'_>) {
        self.phase = Phase::Open;
        let now = present.now;
        let clock = &mut self.clock;
        clock.opened = now;
        (clock.heard, clock.message) = (Last::new(now), Last::new(now));
        self.all = Some(Hearing::new(present.everybody(), self.since, 0));
    }

    /// A message has come.
    pub(crate) fn hear(&mut self, present: &Present<'_>, text: &str) -> Vec<News> {
        let head: Head<'_> = read(text);
        let mut replied = std::mem::take(&mut self.replied);
        if head.kind == "all" {
            assert_eq!(head.topic, None, "a broadcast has no topic");
            let (source, number, _): (u8, u32, IgnoredAny) = body(text);
            let all = self.all.as_mut().expect("it is open");
            all.hear(present.everybody(), source, number);
            return Vec::new();
        }
        let Some(name) = head.topic else { return self.reply(present, &head, text) };
        let topic = rules::topic(name).expect("every topic has a number");
        let (stem, what) = head.kind.split_once('.').expect("updates are of routes");
        assert_eq!(stem, route(topic).name, "an update of another route");
        let hearing = self.listens.get_mut(&topic);
        let hearing = hearing
            .unwrap_or_else(|| panic!("{name} is heard, which was not subscribed to: {text}"));
        let own = &present.log.topics[usize::from(topic)];
        match what {
            "update" => {
                let (source, number, _): (u8, u32, IgnoredAny) = body(text);
                match replied.iter().position(|known| *known == topic) {
                    Some(at) if route(topic).retains => {
                        hearing.hear_last(own, source, number);
                        replied.remove(at);
                        self.replied = replied;
                    }
                    _ => hearing.hear(own, source, number),
                }
                Vec::new()
            }
            "gap" => {
                let gap: Gap<'_> = body(text);
                assert_eq!(gap.topic, name, "a gap names its topic twice");
                let policy = present.rules.policy(topic);
                assert_ne!(policy, SlowConsumer::Close, "nothing of it is dropped");
                assert!(self.narrow || self.behind, "it reads everything, and was told of a gap");
                hearing.miss(gap.dropped);
                vec![News::Told(gap.dropped)]
            }
            "error" => {
                let report: Report<'_> = body(text);
                assert_eq!(report.topic, name, "an error names its topic twice");
                if report.recoverable {
                    let number = report.message.parse().expect("faults are numbered");
                    hearing.hear(own, crate::log::FAULTS, number);
                    return Vec::new();
                }
                let has_ended = own.lives.iter().any(|life| life.fault == Some(report.message));
                assert!(has_ended, "no service has ended so: {}", report.message);
                self.bereft = present.log.moment;
                // What the reply's other topic has said last is still to come.
                replied.retain(|known| *known != topic);
                self.replied = replied;
                vec![self.part(topic)]
            }
            _ => panic!("{} is no message of a topic", head.kind),
        }
    }

    fn reply(&mut self, present: &Present<'_>, head: &Head<'_>, text: &str) -> Vec<News> {
        let asked = self.asked.pop_front();
        let asked = asked.unwrap_or_else(|| panic!("nothing was asked, and heard is {text}"));
        self.clock.answered = present.now;
        let Asked { ask, id, .. } = asked;
        assert!(
            ask == Ask::Unreadable || head.id == Some(id),
            "a reply to {id} is due, not {text}"
        );
        let code = code(ask);
        match (ask, head.kind) {
            (_, "error") => {
                let failed: Failed = body(text);
                assert_eq!(Some(failed.code), code, "for {ask:?}");
                let may = present.rules.config.on_error == OnError::Reply && ask != Ask::Leave;
                assert!(may, "it closes");
            }
            (Ask::Subscribe(topic), kind) => {
                let response = response(topic, kind, "subscribe.response", text);
                let refused = match response.status {
                    "ok" => None,
                    status => {
                        assert_eq!(status, "error");
                        Some(response.message)
                    }
                };
                return self.subscribed(present, &[topic], refused, &asked);
            }
            (Ask::Pair(first, second), "paired") => {
                let refused = Some(body(text)).filter(|said| *said != "ok");
                return self.subscribed(present, &[first, second], refused, &asked);
            }
            (Ask::Unsubscribe(topic), kind) => {
                let response: Response<'_> = response(topic, kind, "unsubscribe.response", text);
                assert_eq!(response.status, "ok");
                if let Some(hearing) = self.listens.get(&topic) {
                    hearing.check(&present.log.topics[usize::from(topic)], asked.since);
                    return vec![self.part(topic)];
                }
            }
            (Ask::Echo(len), "echoed") => {
                assert_eq!(body::<&str>(text).len(), usize::from(len));
            }
            (Ask::Publish(_), "published") => {}
            (Ask::Later(millis), "late") => assert_eq!(body::<u16>(text), millis),
            _ => panic!("{ask:?} is not answered so: {text}"),
        }
        Vec::new()
    }

    /// It listens to all of these topics, or was refused.
    fn subscribed(
        &mut self,
        present: &Present<'_>,
        topics: &[u16],
        refused: Option<&str>,
        asked: &Asked,
    ) -> Vec<News> {
        let lives = |topic: u16| {
            let lives = present.log.topics[usize::from(topic)].lives.iter().rev();
            let since = asked.moment;
            lives.take_while(move |life| life.ended.is_none_or(|at| at >= since))
        };
        let mut new: Vec<u16> = topics.to_vec();
        new.dedup();
        new.retain(|topic| !self.listens.contains_key(topic));
        let most = present.rules.config.topics_per_connection as usize;
        let is_full = self.listens.len() + new.len() > most;
        match refused {
            None => {
                assert!(!is_full, "it has as many topics as it may have, and more");
                for &topic in &new {
                    let runs =
                        !route(topic).serves || lives(topic).any(|life| life.started.is_some());
                    assert!(runs, "no service of {} has started", rules::name(topic));
                    let carried = self.carried.remove(&topic).unwrap_or_default();
                    let own = &present.log.topics[usize::from(topic)];
                    self.listens.insert(topic, Hearing::new(own, asked.since, carried));
                }
                self.replied.clone_from(&new);
                new.into_iter().map(News::Begun).collect()
            }
            Some(FULL) => {
                // A handler that waits was refused before it replies.
                let may_wait = topics.len() > 1 || route(topics[0]).serves;
                let was_full = may_wait && self.bereft >= asked.moment;
                assert!(is_full || was_full, "it has only {} topics", self.listens.len());
                Vec::new()
            }
            Some(message) => {
                let mut lives = new.iter().flat_map(|topic| lives(*topic));
                let fails = lives.any(|life| life.fault == Some(message));
                assert!(fails, "no service of {new:?} has failed so: {message}");
                Vec::new()
            }
        }
    }

    /// It does not listen any more.
    fn part(&mut self, topic: u16) -> News {
        let hearing = self.listens.remove(&topic).expect("it listened");
        if self.behind {
            self.carried.insert(topic, hearing.carried());
        }
        News::Ended(topic)
    }

    /// A close frame has come.
    pub(crate) fn close(&mut self, present: &Present<'_>, code: u16, reason: &str) {
        let Present { rules, now, .. } = *present;
        let front = self.asked.front().map(|asked| asked.ask);
        let clock = &self.clock;
        match (code, reason) {
            (1000, _) => {
                assert!(self.said_close && front.is_none(), "closed in the place of {front:?}");
            }
            (1001, _) => assert!(present.is_draining, "the server does not end"),
            (1003, reason) if reason.starts_with("Connection timed out") => {
                let beats = rules
                    .config
                    .heartbeat
                    .is_some_and(|limit| now >= clock.message.before(now) + limit);
                let lives = rules.config.lifespan.is_some_and(|limit| now >= clock.opened + limit);
                // Nobody knows when a close was made that could not be written.
                assert!(beats || lives || self.behind, "no time is over: {clock:?} at {now:?}");
            }
            (1008, "Slow consumer") => {
                assert!(self.narrow || self.behind, "closed for being slow, and reads everything");
            }
            _ => {
                let ask =
                    front.unwrap_or_else(|| panic!("closed with {code} {reason} for nothing"));
                assert_eq!(
                    self::code(ask),
                    Some(code),
                    "closed with {reason} in the place of {ask:?}"
                );
                let may = rules.config.on_error == OnError::Close || ask == Ask::Leave;
                assert!(may, "closed with {code} {reason} where it is answered");
            }
        }
        self.phase = Phase::Closed;
    }

    /// The server has dropped its socket.
    pub(crate) fn go(&self, present: &Present<'_>) {
        let Present { rules, now, is_draining, .. } = *present;
        let config = &rules.config;
        let may = self.hung_up
            || self.narrow
            || self.behind
            || match self.phase {
                Phase::Asking => is_draining || now >= self.clock.arrived + config.handshake,
                Phase::Refused | Phase::Closed => true,
                Phase::Open => now >= self.clock.heard.before(now) + config.ping + config.pong,
            };
        assert!(may, "dropped without a word at {now:?}: {self:?}");
    }

    /// Of these bytes that it has sent are not read yet; so many pings have come.
    pub(crate) fn tell_time(&mut self, now: Instant, unread: usize, pings: usize) {
        let clock = &mut self.clock;
        if pings > 0 {
            clock.pinged = Some(now);
        }
        let read = clock.sent - unread as u64;
        if read > clock.read {
            clock.read = read;
            clock.heard.set(now);
            clock.pinged = None;
        }
        while clock.ends.front().is_some_and(|end| *end <= read) {
            clock.ends.pop_front();
            clock.message.set(now);
        }
    }

    /// What it sends next ends a message there.
    pub(crate) fn ends_message(&mut self, at: u64) {
        self.clock.ends.push_back(at);
    }

    /// It has read everything, and its shard has had a turn now.
    pub(crate) fn check_deadlines(&self, present: &Present<'_>) {
        let Present { rules, now, .. } = *present;
        let (config, clock) = (&rules.config, &self.clock);
        let over = |since: Instant, limit: Duration| now >= since + limit;
        let late =
            config.heartbeat.is_some_and(|limit| over(clock.message.at.max(clock.answered), limit))
                || config.lifespan.is_some_and(|limit| over(clock.opened, limit))
                || clock.pinged.is_some_and(|at| over(at, config.pong))
                || clock.pinged.is_none() && over(clock.heard.at, config.ping);
        assert!(!late, "a deadline has passed at {now:?}: {clock:?}");
    }

    /// What it hears of a topic, or of broadcasts.
    pub(crate) fn hearing(&self, topic: u16) -> Option<&Hearing> {
        self.listens.get(&topic)
    }

    /// What it hears of everything.
    pub(crate) fn hearings<'c, 'w: 'c>(
        &'c self,
        present: &'c Present<'w>,
    ) -> impl Iterator<Item = (&'c crate::log::Topic, &'c Hearing)> {
        let topics =
            self.listens.iter().map(|(topic, own)| (&present.log.topics[usize::from(*topic)], own));
        topics.chain(self.all.iter().map(|all| (present.everybody(), all)))
    }

    /// Up to when all that was published must have been heard: where the client is about to leave nobody
    /// knows.
    pub(crate) fn certain(&self, log: &Log) -> Moment {
        let leaves = self.asked.iter().any(|asked| matches!(asked.ask, Ask::Unsubscribe(_)));
        if leaves || self.hung_up { 0 } else { log.moment }
    }

    /// Whether it waits for its place in a topic to end.
    pub(crate) fn leaves(&self, topic: u16) -> bool {
        self.asked.iter().any(|asked| asked.ask == Ask::Unsubscribe(topic))
    }
}

impl Present<'_> {
    fn everybody(&self) -> &crate::log::Topic {
        self.log.topics.last().expect("broadcasts are the last topic")
    }
}

fn response<'m>(topic: u16, kind: &str, what: &str, text: &'m str) -> Response<'m> {
    let (stem, kind) = kind.split_once('.').unwrap_or_default();
    assert!(stem == route(topic).name && kind == what, "not answered so: {text}");
    let response: Response<'m> = body(text);
    assert_eq!(rules::topic(response.topic), Some(topic), "another topic: {text}");
    response
}

/// What a request gets that cannot be answered.
fn code(ask: Ask) -> Option<u16> {
    match ask {
        Ask::Fail | Ask::Panic => Some(1011),
        Ask::Leave => Some(4001),
        Ask::Misfit | Ask::Unknown | Ask::Unreadable => Some(1003),
        _ => None,
    }
}

fn read<'m, T: Deserialize<'m>>(text: &'m str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn body<'m, P: Deserialize<'m>>(text: &'m str) -> P {
    read::<Body<P>>(text).payload
}

const FULL: &str = "this connection has as many topics as it may have";
