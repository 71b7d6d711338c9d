//! An engine and its driver, held against what each peer must hear. Knows the engine from outside only.

use super::operation::{Operation, Outcome, PEERS, TOPICS};
use super::peer::{Due, Opening, Peer};
use super::peers::{Peers, name};
use fastws_core::action::{Close, Denied, Unpublished};
use fastws_core::config::Config;
use fastws_core::engine::{Engine, Life, Sent};
use fastws_core::frame::{Head, Opcode};
use fastws_core::ids::ConnectionId;
use fastws_core::time::{Duration, Instant};
use std::collections::HashSet;

pub(crate) struct World<'m> {
    pub(super) engine: Engine<'m>,
    pub(super) now: Instant,
    pub(super) peers: Peers,
    ids: HashSet<ConnectionId>,
    alive: [bool; TOPICS as usize],
    written: u64,
    /// The engine is also told what is no news, and asked for what it refuses.
    nudged: bool,
}

impl<'m> World<'m> {
    pub(crate) fn new(
        engine: Engine<'m>,
        config: Config,
        mixed: bool,
        tight: bool,
        nudged: bool,
    ) -> Self {
        let now = Instant::from_millis(1);
        Self {
            engine,
            now,
            peers: Peers { all: vec![], count: 0, now, config, mixed, tight, nudged, log: vec![] },
            ids: HashSet::new(),
            alive: [false; TOPICS as usize],
            written: 0,
            nudged,
        }
    }

    /// Does all of it, lets everybody hear what is left, then ends the world. Returns what was seen.
    pub(crate) fn run(mut self, operations: &[Operation], silently: bool) -> Vec<String> {
        for operation in operations {
            self.step(operation);
            self.check();
        }
        self.settle_down();
        self.end(silently);
        self.peers.log
    }

    fn step(&mut self, operation: &Operation) {
        if self.nudged {
            self.nudge();
        }
        match *operation {
            Operation::Accept { upgrade, cut } => self.accept(upgrade, cut),
            Operation::Open { framed } => {
                if self.has_place()
                    && let Ok(id) = self.engine.open(self.now, [2; 16])
                {
                    let peer = self.arrive(id, Opening::Done, true);
                    peer.framed = framed;
                }
            }
            Operation::Say { peer, ref messages, cut } => {
                let Some(at) = self.peer(peer) else { return };
                for &message in messages {
                    self.peers.say(at, message);
                }
                self.feed(at, cut);
            }
            Operation::Settle { peer, outcome } => {
                if let Some(at) = self.peer(peer) {
                    self.settle(at, outcome);
                }
            }
            Operation::Reserve { peer, topic } => {
                if let Some(at) = self.peer(peer) {
                    self.reserve(at, topic % TOPICS);
                }
            }
            Operation::GiveBack { peer, topic } => {
                let topic = topic % TOPICS;
                if let Some(at) = self.peer(peer)
                    && let Some((call, _)) = &self.peers.all[at].calling
                {
                    self.engine.give_back(*call, &name(topic));
                    self.peers.all[at].reserved.remove(&topic);
                }
            }
            Operation::Publish { topic, len, framed } => self.publish(topic % TOPICS, len, framed),
            Operation::Broadcast { len, framed } => self.broadcast(len, framed),
            Operation::EndTopic { topic } => {
                self.engine.end_topic(&name(topic % TOPICS));
                for peer in &mut self.peers.all {
                    peer.listens.remove(&(topic % TOPICS));
                    peer.reserved.remove(&(topic % TOPICS));
                }
            }
            Operation::Narrow { peer, bytes } => {
                if let Some(at) = self.peer(peer) {
                    self.peers.all[at].window = bytes.into();
                    self.peers.all[at].was_narrow = true;
                }
            }
            Operation::Read { peer, bytes } => {
                if let Some(at) = self.peer(peer) {
                    self.read(at, self.peers.all[at].window.saturating_add(bytes.into()));
                }
            }
            Operation::Widen { peer } => {
                if let Some(at) = self.peer(peer) {
                    self.read(at, usize::MAX);
                }
            }
            Operation::Turn => drop(self.turn()),
            Operation::Resume => self.engine.resume(self.now, &mut self.peers),
            Operation::Transmit => self.transmit(),
            Operation::Write => drop(self.write()),
            Operation::Gone => self.bury(),
            Operation::Advance { millis } => self.advance(Duration::from_millis(millis.into())),
            Operation::Hangup { peer } => {
                if let Some(at) = self.peer(peer) {
                    self.hang_up(at);
                }
            }
            Operation::Close { peer } => {
                if let Some(at) = self.peer(peer) {
                    self.engine.close(self.now, self.peers.all[at].id, Close::SHUTDOWN);
                    self.peers.close(at, 1001);
                }
            }
            Operation::CloseAll => {
                self.engine.close_all(self.now, Close::SHUTDOWN);
                for at in 0..self.peers.all.len() {
                    match self.engine.room(self.peers.all[at].id) {
                        Some(_) => self.peers.close(at, 1001),
                        // It had not asked for anything yet.
                        None => self.peers.all[at].hung_up = true,
                    }
                }
            }
        }
        self.reconcile();
    }

    fn has_place(&self) -> bool {
        self.peers.all.iter().filter(|peer| !peer.gone).count() < 2 * PEERS as usize
    }

    /// A peer that is still there.
    fn peer(&self, number: u8) -> Option<usize> {
        let there: Vec<usize> =
            (0..self.peers.all.len()).filter(|&at| !self.peers.all[at].gone).collect();
        (!there.is_empty()).then(|| there[usize::from(number % PEERS) % there.len()])
    }

    fn arrive(&mut self, id: ConnectionId, head: Opening, upgrades: bool) -> &mut Peer {
        assert!(self.ids.insert(id), "an id names one connection only");
        let alone = self.peers.all.iter().all(|peer| peer.gone || peer.id.slot() != id.slot());
        assert!(alone, "a row is used once at a time");
        self.peers.all.push(Peer::new(id, head, upgrades, self.now));
        self.peers.all.last_mut().expect("it was just pushed")
    }

    fn accept(&mut self, upgrade: bool, cut: u8) {
        if !self.has_place() {
            return;
        }
        let accepted = self.engine.accept(self.now, [1; 16]);
        let Ok(id) = accepted else {
            assert!(self.peers.tight, "there is room for a connection");
            return;
        };
        let peer = self.arrive(id, Opening::Missing, upgrade);
        let path = if upgrade { "/ws" } else { "/elsewhere" };
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        peer.wire.extend(head.bytes());
        if !upgrade && cut.is_multiple_of(4) {
            peer.wire.truncate(40);
        }
        self.feed(self.peers.all.len() - 1, cut);
    }

    /// Gives the engine what a peer has said, as far as it takes that. True if it took anything.
    fn feed(&mut self, at: usize, cut: u8) -> bool {
        let cut = if cut < 100 { usize::MAX } else { usize::from(cut) - 99 };
        let mut any = false;
        loop {
            let taken = if self.peers.all[at].framed { self.hand(at) } else { self.pour(at, cut) };
            if !taken {
                return any;
            }
            any = true;
            self.reconcile();
        }
    }

    fn hand(&mut self, at: usize) -> bool {
        let peer = &mut self.peers.all[at];
        let Some((opcode, payload)) = peer.words.pop_front() else { return false };
        let (id, mut bytes) = (peer.id, payload.clone());
        let before = std::mem::replace(&mut peer.spoke, self.now);
        let taken = self.engine.handle_message(self.now, id, opcode, &mut bytes, &mut self.peers);
        if !taken {
            let peer = &mut self.peers.all[at];
            // What is offered again in every turn is no sign of life.
            peer.spoke = before;
            peer.was_deaf = true;
            peer.words.push_front((opcode, payload));
        }
        taken
    }

    fn pour(&mut self, at: usize, cut: usize) -> bool {
        let peer = &mut self.peers.all[at];
        let Some(room) = self.engine.room(peer.id) else {
            peer.wire.clear();
            return false;
        };
        peer.was_deaf |= room == 0;
        let count = room.min(cut).min(peer.wire.len());
        if count == 0 {
            return false;
        }
        let mut bytes: Vec<u8> = peer.wire.drain(..count).collect();
        peer.spoke = self.now;
        self.engine.handle_bytes(self.now, peer.id, &mut bytes, &mut self.peers);
        true
    }

    fn settle(&mut self, at: usize, outcome: Outcome) {
        if self.peers.tight {
            // What a full turn cannot hold closes the connection, which nobody could see here.
            self.transmit();
        }
        let peer = &mut self.peers.all[at];
        let Some((call, echo)) = peer.calling.clone() else {
            if let Some(call) = peer.late {
                let settled =
                    self.engine.settle(self.now, call, None, |_| panic!("it was settled"));
                assert!(!settled, "a late outcome finds nothing");
                assert_eq!(self.engine.reserve(call, "t0", 0), Err(Denied::Gone));
            }
            return;
        };
        let peers = &mut self.peers;
        let settled = self.engine.settle(self.now, call, Some(&echo), |answer| {
            peers.outcome(at, &echo, answer, outcome)
        });
        if !settled {
            let codes = self.peers.reasons(at);
            assert!(!codes.is_empty(), "a call of an open connection can be settled");
            self.peers.all[at].end(codes);
        }
    }

    fn reserve(&mut self, at: usize, topic: u8) {
        let Some((call, _)) = self.peers.all[at].calling else { return };
        let wanted = self.peers.wanted(at, topic);
        match self.engine.reserve(call, &name(topic), 0) {
            Err(Denied::Gone) => {
                let codes = self.peers.reasons(at);
                assert!(!codes.is_empty(), "an open connection's call can reserve");
                self.peers.all[at].end(codes);
            }
            reserved => self.peers.reserved(at, topic, reserved, wanted),
        }
    }

    fn publish(&mut self, topic: u8, len: u16, framed: bool) {
        let (payload, text) = self.peers.update(Some(topic), len);
        let policy = self.peers.policy(topic);
        let published = match framed {
            true => self.engine.publish_frame(&name(topic), &frame(&text), policy),
            false => self
                .engine
                .publish(&name(topic), "u", payload.as_bytes(), policy)
                .map_err(Unpublished::from),
        };
        match published {
            Ok(audience) => {
                self.peers.deliver(topic, &text, audience.listeners);
                let awaited = self.peers.all.iter().any(|peer| peer.reserved.contains(&topic));
                assert_eq!(audience.awaited, awaited);
            }
            Err(_) => assert!(self.peers.tight, "there is room for an update"),
        }
    }

    fn broadcast(&mut self, len: u16, framed: bool) {
        let (payload, text) = self.peers.update(None, len);
        let open = self.engine.connections();
        let told = match framed {
            true => self.engine.broadcast_frame(&frame(&text)),
            false => self.engine.broadcast("u", payload.as_bytes()).map_err(Unpublished::from),
        };
        match told {
            Ok(count) => {
                assert_eq!(count, open, "everybody who is open");
                self.peers.tell_all(&text, count);
            }
            Err(_) => assert!(self.peers.tight, "there is room for an update"),
        }
    }

    fn read(&mut self, at: usize, window: usize) {
        let peer = &mut self.peers.all[at];
        peer.window = window;
        if window > 0 {
            peer.blocked = false;
            self.engine.handle_writable(peer.id);
        }
    }

    fn hang_up(&mut self, at: usize) {
        let peer = &mut self.peers.all[at];
        peer.hung_up = true;
        peer.leave();
        peer.wire.clear();
        self.engine.handle_end(self.now, peer.id);
    }

    /// True if another turn is worth while.
    fn turn(&mut self) -> bool {
        let all = 0..self.peers.all.len();
        let is_framed = |world: &Self, at: usize| world.peers.all[at].framed;
        for at in all.clone().filter(|&at| !is_framed(self, at)).collect::<Vec<_>>() {
            self.feed(at, 0);
        }
        self.engine.resume(self.now, &mut self.peers);
        self.reconcile();
        self.transmit();
        let mut any = false;
        for at in all.filter(|&at| is_framed(self, at)).collect::<Vec<_>>() {
            any |= self.feed(at, 0);
        }
        self.hear_lives();
        self.bury();
        let engine = &mut self.engine;
        any |=
            self.peers.all.iter().any(|peer| {
                !peer.wire.is_empty() && !matches!(engine.room(peer.id), None | Some(0))
            });
        any || engine.is_ready()
    }

    /// Writes until nobody has more to write.
    fn transmit(&mut self) {
        for _ in 0..10_000 {
            if !self.write() {
                self.reconcile();
                return self.check_backlogs();
            }
        }
        panic!("it writes for ever");
    }

    /// Whoever listens was not closed, so that all it has not taken is kept for it.
    fn check_backlogs(&self) {
        for peer in self.peers.all.iter().filter(|peer| !peer.listens.is_empty()) {
            let longest = peer.due.iter().map(Due::space).max().unwrap_or(0);
            assert!(
                peer.kept() <= self.peers.config.backlog_bytes as usize + longest,
                "too much waits for {peer:?}"
            );
        }
    }

    /// Writes to one socket. False: nobody has more to write.
    fn write(&mut self) -> bool {
        let Some(transmit) = self.engine.poll_transmit(self.now) else { return false };
        let id = transmit.id();
        let at = self.peers.find(id);
        let parts: Vec<&[u8]> = transmit.parts().collect();
        assert!(parts.len() <= 64);
        let bytes = parts.concat();
        let peer = &mut self.peers.all[at];
        assert!(!peer.blocked || bytes.is_empty(), "nothing is written to a blocked socket");
        let taken = bytes.len().min(peer.window);
        if peer.window < usize::MAX {
            peer.window -= taken;
        }
        self.peers.log.push(format!("{at} hears {:?}", &bytes[..taken]));
        self.written += taken as u64;
        let reasons = self.peers.reasons(at);
        let tight = self.peers.tight;
        let peer = &mut self.peers.all[at];
        peer.hear(&bytes[..taken], &reasons, tight);
        let sent = self.engine.handle_sent(self.now, id, taken);
        let peer = &mut self.peers.all[at];
        if self.engine.room(id).is_some() {
            assert_eq!(sent == Sent::Blocked, taken < bytes.len());
        }
        peer.blocked = sent == Sent::Blocked;
        if sent == Sent::Finished {
            assert!(!peer.finished, "a side ends once");
            peer.finished = true;
        }
        true
    }

    fn hear_lives(&mut self) {
        while let Some(life) = self.engine.poll_life() {
            let (topic, begins) = match life {
                Life::First(topic) => (topic, true),
                Life::Last(topic) => (topic, false),
            };
            let topic = usize::from(topic.as_bytes()[1] - b'0');
            assert_ne!(self.alive[topic], begins, "first and last alternate");
            self.alive[topic] = begins;
            self.peers.log.push(format!("topic {topic}: {begins}"));
        }
        for topic in 0..TOPICS {
            let wanted = self
                .peers
                .all
                .iter()
                .any(|peer| peer.listens.contains(&topic) || peer.reserved.contains(&topic));
            assert_eq!(self.alive[usize::from(topic)], wanted, "topic {topic} lives");
        }
    }

    fn bury(&mut self) {
        while let Some(id) = self.engine.poll_gone() {
            let at = self.peers.find(id);
            let (silent, closing) =
                (self.peers.config.ping + self.peers.config.pong, self.peers.config.closing);
            let may_close = !self.peers.reasons(at).is_empty();
            let peer = &mut self.peers.all[at];
            let why = peer.hung_up
                || self.now >= peer.spoke + silent
                || (!peer.codes.is_empty() || may_close || !peer.upgrades)
                    && self.now >= peer.since + closing
                || self.peers.tight && (!peer.heard.is_empty() || peer.head == Opening::Missing);
            assert!(why, "{peer:?} is gone without a reason");
            peer.gone = true;
            peer.leave();
            self.peers.log.push(format!("{at} is gone"));
        }
    }

    fn advance(&mut self, by: Duration) {
        for at in 0..self.peers.all.len() {
            let peer = &mut self.peers.all[at];
            peer.was_deaf |= self.engine.room(peer.id) == Some(0);
            // Not pinged since it spoke, so that it is to be pinged in time.
            if peer.is_open()
                && peer.head == Opening::Done
                && !peer.was_deaf
                && self.peers.reasons(at).is_empty()
            {
                let spoke = self.peers.all[at].spoke;
                if self.now < spoke + self.peers.config.ping {
                    let told = self.engine.poll_timeout().expect("somebody is there");
                    assert!(
                        told <= spoke + self.peers.config.ping,
                        "the next timeout is told too late"
                    );
                }
            }
        }
        if self.nudged {
            self.wake_early(self.now + by);
        }
        self.now = self.now + by;
        self.peers.now = self.now;
        self.engine.handle_timeout(self.now);
        assert!(self.engine.poll_timeout().is_none_or(|at| at > self.now));
    }

    /// Finds out who was closed meanwhile, and demands a reason.
    fn reconcile(&mut self) {
        for at in 0..self.peers.all.len() {
            let peer = &self.peers.all[at];
            if !peer.is_open() {
                continue;
            }
            let left = match (peer.listens.first(), peer.reserved.first(), &peer.calling) {
                (Some(&topic), ..) => !self.engine.listens(peer.id, &name(topic)),
                (None, Some(&topic), &Some((call, _))) => {
                    self.engine.reserve(call, &name(topic), 0) == Err(Denied::Gone)
                }
                _ => false,
            };
            if self.engine.room(peer.id).is_none() || left {
                let codes = self.peers.reasons(at);
                let silent =
                    self.now >= peer.spoke + self.peers.config.ping + self.peers.config.pong;
                let cut = self.peers.tight && self.engine.room(peer.id).is_none();
                let peer = &mut self.peers.all[at];
                assert!(!codes.is_empty() || silent || cut, "{peer:?} has ended without a reason");
                match codes.is_empty() {
                    true => {
                        peer.hung_up = true;
                        peer.leave();
                    }
                    false => peer.end(codes),
                }
            }
        }
    }

    /// What holds after every step.
    fn check(&mut self) {
        let mut subscriptions = 0;
        for at in 0..self.peers.all.len() {
            self.peers.weigh(at);
            let peer = &self.peers.all[at];
            subscriptions += peer.listens.len();
            for topic in 0..TOPICS {
                let listens = self.engine.listens(peer.id, &name(topic));
                assert_eq!(listens, peer.listens.contains(&topic), "{at} listens to {topic}");
            }
        }
        assert_eq!(self.engine.subscriptions(), subscriptions);
        let topics = (0..TOPICS)
            .filter(|topic| self.peers.all.iter().any(|peer| peer.listens.contains(topic)));
        assert_eq!(self.engine.topics(), topics.count());
        assert_eq!(self.engine.is_empty(), self.peers.all.iter().all(|peer| peer.gone));
        assert_eq!(self.engine.counts().bytes_sent, self.written);
    }

    /// Everybody reads, every call is settled, and every closed peer closes: then nothing may be left.
    fn settle_down(&mut self) {
        for at in 0..self.peers.all.len() {
            self.read(at, usize::MAX);
        }
        let mut turns = 0;
        loop {
            turns += 1;
            assert!(turns < 2_000, "it never comes to rest");
            let mut busy = self.turn();
            self.check();
            for at in 0..self.peers.all.len() {
                let peer = &mut self.peers.all[at];
                if peer.gone {
                    continue;
                }
                if peer.calling.is_some() {
                    self.settle(at, Outcome::Reply { len: 1 });
                    busy = true;
                } else if peer.closed.is_some() && !peer.said_close {
                    peer.say_close();
                    busy = true;
                }
            }
            if !busy {
                break;
            }
        }
        let missed = self.peers.all.iter().map(|peer| peer.missed).sum::<u64>();
        let all_live = self.peers.all.iter().all(|peer| peer.is_open());
        let dropped = self.engine.counts().dropped;
        assert!(missed == dropped || missed < dropped && !all_live, "{missed} of {dropped}");
        for peer in self.peers.all.iter().filter(|peer| !peer.gone && !peer.hung_up) {
            assert!(peer.wire.is_empty() && peer.words.is_empty(), "unread: {peer:?}");
            if !peer.upgrades {
                continue;
            }
            match peer.closed {
                Some(_) => assert!(peer.finished, "closed, but not finished: {peer:?}"),
                None => assert!(
                    peer.asked.is_empty()
                        && !peer.is_due()
                        && peer.heard.is_empty()
                        && (peer.pings.is_empty() || self.peers.tight)
                        && peer.codes.is_empty(),
                    "{peer:?} waits for ever"
                ),
            }
        }
    }

    fn end(&mut self, silently: bool) {
        match silently {
            true => {
                for _ in 0..4 {
                    self.advance(Duration::from_secs(1_000));
                    self.reconcile();
                    self.turn();
                }
            }
            false => {
                for at in 0..self.peers.all.len() {
                    self.hang_up(at);
                }
            }
        }
        self.hear_lives();
        self.bury();
        assert!(self.peers.all.iter().all(|peer| peer.gone), "somebody is left");
        let engine = &mut self.engine;
        assert!(engine.is_empty() && engine.connections() == 0);
        assert_eq!((engine.subscriptions(), engine.topics()), (0, 0));
        let opened = self.peers.all.iter().filter(|peer| peer.upgrades).count();
        assert_eq!(engine.counts().closes.total(), opened as u64, "everybody ends once");
        assert!(engine.poll_timeout().is_none() && engine.poll_life().is_none());
        assert!(engine.poll_transmit(self.now).is_none() && engine.poll_gone().is_none());
        engine.resume(self.now, &mut self.peers);
        assert!(!engine.is_ready());
        self.peers.log.push(format!("{:?}", engine.counts()));
        if self.peers.tight {
            self.refill();
        }
    }
}

fn frame(text: &str) -> Vec<u8> {
    [Head::new(Opcode::Text, text.len(), None).as_slice(), text.as_bytes()].concat()
}
