//! The peers of a world, and the application that serves them. Knows what each has asked and must hear;
//! no engine and no driver.

use super::operation::{Message, Outcome, TOPICS};
use super::peer::{Asked, Due, GAP, Opening, Peer};
use fastws_core::action::{Close, Denied};
use fastws_core::config::{Config, SlowConsumer};
use fastws_core::dispatch::{Answer, Call, Dispatch, Effects, Verdict};
use fastws_core::frame::Opcode;
use fastws_core::ids::{ConnectionId, OperationId};
use fastws_core::time::Instant;

/// The peers, and the application behind the engine.
pub(crate) struct Peers {
    pub(crate) all: Vec<Peer>,
    pub(crate) count: u32,
    pub(crate) now: Instant,
    pub(crate) config: Config,
    /// Topics have policies of their own.
    pub(crate) mixed: bool,
    /// Memory is so small that anything may be refused.
    pub(crate) tight: bool,
    /// Calls also ask for what is refused.
    pub(crate) nudged: bool,
    pub(crate) log: Vec<String>,
}

impl Peers {
    pub(crate) fn find(&self, id: ConnectionId) -> usize {
        let at = self.all.iter().position(|peer| peer.id == id);
        at.filter(|&at| !self.all[at].gone).expect("it is there")
    }

    pub(crate) fn say(&mut self, at: usize, message: Message) {
        self.count += 1;
        let echo = format!("{}", self.count);
        let peer = &mut self.all[at];
        let call = |operation: u16, topic: u8, len: u8| {
            let asked = Asked::Call { operation, topic: topic % TOPICS, len, echo: echo.clone() };
            let text = format!(
                "{{\"type\":\"{}\",\"payload\":\"{}\",\"id\":{echo}}}",
                NAMES[usize::from(operation)],
                filling(len.into())
            );
            (asked, text)
        };
        let (asked, text) = match message {
            Message::Subscribe { topic, silently } => call(0, topic, silently.into()),
            Message::Unsubscribe { topic, silently } => call(1, topic, silently.into()),
            Message::Publish { topic, len } => call(2, topic, len),
            Message::Echo { len } | Message::Fragments { len } => call(3, 0, len),
            Message::Hush => call(4, 0, 0),
            Message::Later { places } => call(5, 0, places),
            Message::Leave => call(6, 0, 0),
            Message::Unreadable => (Asked::End(1003), "{".into()),
            Message::Unknown => (Asked::End(1003), "{\"type\":\"unknown\"}".into()),
            Message::Ping { len } => return self.ping(at, &echo, len),
            Message::Pong => return peer.say(Opcode::Pong, b"unasked"),
            Message::Close => {
                if !peer.said_close {
                    peer.say_close();
                    peer.asked.push_back(Asked::End(1000));
                }
                return;
            }
            Message::Violation => {
                if !peer.framed {
                    peer.violates = true;
                    peer.wire.extend([0xff, 0x80]);
                }
                return;
            }
        };
        peer.asked.push_back(asked);
        if let Message::Fragments { .. } = message
            && !peer.framed
        {
            let (first, second) = text.as_bytes().split_at(text.len() / 2);
            peer.frame(0x01, first);
            self.ping(at, &echo, 9);
            self.all[at].frame(0x80, second);
        } else {
            peer.say(Opcode::Text, text.as_bytes());
        }
    }

    fn ping(&mut self, at: usize, echo: &str, len: u8) {
        let peer = &mut self.all[at];
        let mut payload = echo.as_bytes().to_vec();
        payload.resize(payload.len().max(usize::from(len) % 126), b'.');
        peer.say(Opcode::Ping, &payload);
        peer.pings.push_back(payload);
    }

    /// Codes that the server may have closed this peer with, unseen until now.
    pub(crate) fn reasons(&self, at: usize) -> Vec<u16> {
        let peer = &self.all[at];
        let mut codes = peer.codes.clone();
        if let (None, Some(Asked::End(code))) = (&peer.calling, peer.asked.front()) {
            codes.push(*code);
        }
        codes.extend(peer.violates.then_some(1002));
        codes.extend(peer.over.then_some(1008));
        let due = |limit: Option<_>, from| limit.is_some_and(|limit| self.now >= from + limit);
        let Config { heartbeat, lifespan, .. } = self.config;
        if due(heartbeat, peer.served) || due(lifespan, peer.since) {
            codes.push(1003);
        }
        codes
    }

    /// The driver closes it.
    pub(crate) fn close(&mut self, at: usize, code: u16) {
        let peer = &self.all[at];
        if peer.is_open() && peer.upgrades {
            // If it was closed before, it was for one of these.
            let mut codes = self.reasons(at);
            codes.push(code);
            self.all[at].end(codes);
        }
    }

    /// Whether more waits for it than may.
    pub(crate) fn weigh(&mut self, at: usize) {
        let peer = &mut self.all[at];
        if !peer.was_narrow && !self.tight {
            return;
        }
        // Pings of ours, a pong that was begun and one that waits, the handshake's answer.
        let mut besides = 3 * 7;
        besides += if peer.pings.is_empty() { 0 } else { 2 * 132 };
        besides += if peer.head == Opening::Missing { 140 } else { 0 };
        let limit = self.config.backlog_bytes as usize;
        peer.full |= besides + peer.waiting() > limit;
        // Any of them may be begun and is kept then; a gap that was begun is followed by another.
        let begun = peer.due.iter().map(|due| due.space().max(GAP)).max().unwrap_or(0);
        peer.over |= besides + peer.kept() + begun > limit;
    }

    pub(crate) fn wanted(&self, at: usize, topic: u8) -> Result<(), Denied> {
        let peer = &self.all[at];
        let known = peer.listens.contains(&topic) || peer.reserved.contains(&topic);
        match known || peer.listens.len() + peer.reserved.len() < 2 {
            true => Ok(()),
            false => Err(Denied::TooManyTopics),
        }
    }

    pub(crate) fn reserved(
        &mut self,
        at: usize,
        topic: u8,
        reserved: Result<(), Denied>,
        wanted: Result<(), Denied>,
    ) {
        assert!(reserved == wanted || self.tight && reserved == Err(Denied::Full));
        let peer = &mut self.all[at];
        if reserved.is_ok() && !peer.listens.contains(&topic) {
            peer.reserved.insert(topic);
        }
    }

    pub(crate) fn update(&mut self, topic: Option<u8>, len: u16) -> (String, String) {
        self.count += 1;
        let payload = format!("\"{} {}\"", self.count, filling(len.into()));
        let topic = topic.map(|topic| format!("\"topic\":\"{}\",", name(topic)));
        let text = format!("{{\"type\":\"u\",{}\"payload\":{payload}}}", topic.unwrap_or_default());
        (payload, text)
    }

    /// What is said of a topic when it is published to.
    pub(crate) fn policy(&self, topic: u8) -> Option<SlowConsumer> {
        match topic {
            1 if self.mixed => Some(SlowConsumer::DropOldest),
            2 if self.mixed => Some(SlowConsumer::Latest),
            _ => None,
        }
    }

    /// An update was queued for `count` listeners. Among them are all that cannot have been closed.
    pub(crate) fn deliver(&mut self, topic: u8, text: &str, count: usize) {
        let policy = self.policy(topic).unwrap_or(self.config.slow_consumer);
        let listeners = |peer: &&mut Peer| peer.listens.contains(&topic);
        let all = self.all.iter_mut().filter(listeners).count();
        let unsure = |peer: &Peer| peer.may_have_ended() && count < all;
        let sure = self.all.iter_mut().filter(listeners).filter(|peer| !unsure(peer)).count();
        assert!((sure..=all).contains(&count), "{count} of {sure} to {all}");
        for at in 0..self.all.len() {
            let peer = &mut self.all[at];
            if peer.listens.contains(&topic) {
                let sure = !unsure(peer);
                peer.due.push_back(Due {
                    text: text.to_owned(),
                    sure,
                    update: Some((topic, policy)),
                });
                self.weigh(at);
            }
        }
    }

    /// An update was queued for all who are open, `count` in number.
    pub(crate) fn tell_all(&mut self, text: &str, count: usize) {
        let unsure = |peers: &Self, at: usize| {
            let peer = &peers.all[at];
            peers.tight || peer.head == Opening::Missing || !peers.reasons(at).is_empty()
        };
        let open: Vec<usize> = (0..self.all.len()).filter(|&at| self.all[at].is_open()).collect();
        let sure = open.iter().filter(|&&at| !unsure(self, at)).count();
        assert!((sure..=open.len()).contains(&count), "{count} of {sure} to {}", open.len());
        for at in open.iter().copied() {
            let sure = count == open.len() || !unsure(self, at);
            self.all[at].due.push_back(Due { text: text.to_owned(), sure, update: None });
            self.weigh(at);
        }
    }

    fn replied(&mut self, at: usize, kind: &str, payload: &str, echo: &str) {
        let text = format!("{{\"type\":\"{kind}\",\"payload\":{payload},\"id\":{echo}}}");
        self.all[at].due.push_back(Due { text, sure: true, update: None });
        self.weigh(at);
    }

    fn answer<'a, 'm>(
        &mut self,
        at: usize,
        kind: &str,
        echo: &str,
        answer: Answer<'a, 'm>,
        silently: bool,
    ) -> Effects<'a, 'm> {
        if silently {
            return answer.silent();
        }
        self.replied(at, kind, "1", echo);
        answer.reply(kind, Some(b"1"))
    }

    pub(crate) fn outcome(
        &mut self,
        at: usize,
        echo: &str,
        mut answer: Answer<'_, '_>,
        outcome: Outcome,
    ) -> Verdict {
        let (call, _) = self.all[at].calling.take().expect("its call runs");
        let verdict = match outcome {
            Outcome::Reply { len } => {
                let payload = format!("\"{}\"", filling(len.into()));
                self.replied(at, "late", &payload, echo);
                answer.reply("late", Some(payload.as_bytes())).done()
            }
            Outcome::Subscribe { topic } => {
                return self.subscribe(at, topic % TOPICS, echo, answer, false);
            }
            Outcome::Silent => answer.silent().done(),
            Outcome::Close => {
                self.all[at].end(vec![4001]);
                answer.close(Close { code: 4001, reason: "late" })
            }
            Outcome::Later => {
                self.all[at].calling = Some((call, echo.to_owned()));
                assert_eq!(answer.topic_count(), self.all[at].listens.len());
                assert_eq!(answer.reserve(""), Err(Denied::Name));
                return answer.later();
            }
        };
        self.all[at].reserved.clear();
        self.all[at].late = Some(call);
        verdict
    }

    fn subscribe(
        &mut self,
        at: usize,
        topic: u8,
        echo: &str,
        mut answer: Answer<'_, '_>,
        silently: bool,
    ) -> Verdict {
        let wanted = self.wanted(at, topic);
        let reserved = answer.reserve(&name(topic));
        assert!(reserved == wanted || self.tight && reserved == Err(Denied::Full));
        let kind = if reserved.is_ok() { "ok" } else { "denied" };
        let mut effects = self.answer(at, kind, echo, answer, silently);
        if reserved.is_ok() {
            assert!(effects.subscribe(&name(topic)).is_ok(), "its place was set aside");
            self.all[at].listens.insert(topic);
        }
        self.all[at].reserved.clear();
        effects.done()
    }
}

impl Dispatch for Peers {
    fn find(&self, name: &str) -> Option<OperationId> {
        NAMES.iter().position(|known| *known == name).map(|at| OperationId(at as u16))
    }

    fn call(&mut self, call: Call<'_>, mut answer: Answer<'_, '_>) -> Verdict {
        let at = Peers::find(self, call.id.connection());
        let said = call.echo.expect("all have one").to_owned();
        self.log.push(format!("{at} asks {said}"));
        let peer = &mut self.all[at];
        assert!(peer.codes.is_empty() && !peer.hung_up, "a closed peer is not served");
        assert!(peer.calling.is_none(), "one call at a time");
        peer.served = self.now;
        let Some(Asked::Call { operation, topic, len, echo }) = peer.asked.pop_front() else {
            panic!("nothing was asked");
        };
        assert_eq!((OperationId(operation), &echo), (call.operation, &said), "in their order");
        if self.nudged {
            assert_eq!(answer.reserve(""), Err(Denied::Name));
        }
        match operation {
            0 => self.subscribe(at, topic, &echo, answer, len > 0),
            1 => {
                let mut effects = self.answer(at, "ok", &echo, answer, len > 0);
                effects.unsubscribe(&name(topic));
                self.all[at].listens.remove(&topic);
                effects.done()
            }
            2 => {
                self.replied(at, "ok", "1", &echo);
                let mut effects = answer.reply("ok", Some(b"1"));
                let (payload, text) = self.update(Some(topic), len.into());
                match effects.publish(&name(topic), "u", payload.as_bytes(), self.policy(topic)) {
                    Ok(audience) => self.deliver(topic, &text, audience.listeners),
                    Err(_) => assert!(self.tight, "there is room for an update"),
                }
                effects.done()
            }
            3 => {
                let payload = call.payload.expect("it has one");
                self.replied(at, "echo", payload, &echo);
                answer.reply("echo", Some(payload.as_bytes())).done()
            }
            4 => answer.silent().done(),
            5 => {
                for topic in 0..len {
                    let wanted = self.wanted(at, topic);
                    let reserved = answer.reserve(&name(topic));
                    self.reserved(at, topic, reserved, wanted);
                }
                self.all[at].calling = Some((call.id, echo));
                answer.later()
            }
            _ => {
                self.all[at].end(vec![4000]);
                answer.close(Close { code: 4000, reason: "as asked" })
            }
        }
    }
}

pub(crate) fn name(topic: u8) -> String {
    format!("t{topic}")
}

fn filling(len: usize) -> String {
    "x".repeat(len)
}

const NAMES: [&str; 7] = ["subscribe", "unsubscribe", "publish", "echo", "hush", "later", "leave"];
