//! Takes steps, carries bytes between clients and the server, and holds everybody who was touched against the model. Knows
//! no step that is to come.

use crate::client::{Client, News, Phase, Present};
use crate::log::{Guest, Log, Moment, WORLD};
use crate::rules::{self, Rules, route};
use crate::stage::{Stage, filling};
use crate::step::{Ask, Step};
use fastws_core::frame::Opcode;
use fastws_core::time::{Duration, Instant};
use fastws_host::peer::Peer;
use fastws_host::shard::Shard;
use fastws_host::simulation::Simulation;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// A server, its clients, and the model of them.
pub struct World {
    pub(crate) rules: Rules,
    pub(crate) stage: Stage,
    pub(crate) simulation: Simulation,
    pub(crate) places: Vec<Place>,
    pub(crate) shards: Vec<Side>,
    /// When what is under way arrives, and from whom.
    arrivals: BinaryHeap<Reverse<(Instant, u32)>>,
    /// Clients that have connected and are not gone.
    present: u32,
    lives: u32,
    is_draining: bool,
    transcript: DefaultHasher,
    messages: u64,
    /// What has come since the server began.
    pub(crate) heard: Sums,
}

/// What all clients of a world were told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// How many messages.
    pub messages: u64,
    /// A hash of all of them, with who was told and when.
    pub digest: u64,
}

/// Where one client after the other is.
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) client: Option<Client>,
    link: Link,
}

/// What a client has sent and the server's socket has not got.
#[derive(Default)]
struct Link {
    bytes: VecDeque<(Instant, Parcel)>,
    delay: Duration,
    stalled: bool,
}

enum Parcel {
    Bytes(Vec<u8>),
    End,
}

/// One shard, as the model sees it.
pub(crate) struct Side {
    /// All that was published up to then it has taken and written.
    taken: Moment,
    /// Topics of which something was published since.
    dirty: BTreeSet<u16>,
    /// Who listens, by topic.
    pub(crate) audience: Vec<BTreeSet<u32>>,
    /// Who waits to listen, by topic: how many, and what the first of them cannot hear any more.
    waits: Vec<(u32, Moment)>,
    /// Those who have gone and waited.
    left: Vec<u16>,
}

/// What clients have heard.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sums {
    pub(crate) messages: u64,
    pub(crate) gaps: u64,
    pub(crate) told: u64,
    pub(crate) slow: u64,
    pub(crate) opened: u64,
    /// Those who may have been let in, and were gone before they heard of it.
    pub(crate) unopened: u64,
    /// Clients that were gone before they had heard everything.
    pub(crate) unsure: u64,
}

impl World {
    /// A server that nobody has come to.
    pub fn new(rules: Rules) -> Self {
        let stage = Stage::new(Log::new(&rules));
        let place = |who: u32| Place { name: who.to_string(), client: None, link: Link::default() };
        let topics = usize::from(rules.topics);
        let side = |_| Side {
            taken: 0,
            dirty: BTreeSet::new(),
            audience: vec![BTreeSet::new(); topics],
            waits: vec![(0, 0); topics],
            left: Vec::new(),
        };
        Self {
            simulation: serve(&rules, &stage),
            places: (0..rules.clients).map(place).collect(),
            shards: (0..rules.shards).map(side).collect(),
            arrivals: BinaryHeap::new(),
            present: 0,
            lives: 0,
            is_draining: false,
            transcript: DefaultHasher::new(),
            messages: 0,
            heard: Sums::default(),
            rules,
            stage,
        }
    }

    /// The rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether somebody has this client's place.
    pub fn is_there(&self, who: u32) -> bool {
        self.places[who as usize].client.is_some()
    }

    /// Takes one step, and holds whomever it touches against the model.
    pub fn step(&mut self, step: &Step) {
        self.stage.log().tick();
        match *step {
            Step::Arrive { who, shard } => self.arrive(who, shard % self.rules.shards),
            Step::Say { who, ref asks } => self.say(who, asks),
            Step::Ping(who) => {
                if self.client(who).is_some_and(Client::speaks_or_closes) {
                    let frame = self.peer(who).frame(Opcode::Ping, b"?");
                    self.send(who, Parcel::Bytes(frame));
                }
            }
            Step::Close(who) => {
                if self.client(who).is_some_and(Client::speaks) {
                    let frame = self.peer(who).close_frame(1000, "");
                    self.send(who, Parcel::Bytes(frame));
                    self.client_mut(who).said_close = true;
                }
            }
            Step::HangUp(who) => self.hang_up(who),
            Step::Reset(who) => self.reset(who),
            Step::Mute(who) => {
                if self.is_there(who) {
                    self.client_mut(who).mute = true;
                }
            }
            Step::Narrow { who, bytes } => {
                if self.client(who).is_some_and(|client| client.phase == Phase::Open) {
                    self.peer(who).window = bytes.into();
                    let client = self.client_mut(who);
                    (client.narrow, client.behind) = (true, true);
                }
            }
            Step::Widen(who) => self.widen(who),
            Step::Split { who, bytes } => {
                if self.is_there(who) {
                    let bytes = usize::from(bytes);
                    self.peer(who).split = if bytes == 0 { usize::MAX } else { bytes };
                }
            }
            Step::Delay { who, millis } => {
                self.places[who as usize].link.delay = Duration::from_millis(millis.into());
            }
            Step::Stall(who) => self.places[who as usize].link.stalled = true,
            Step::Flow(who) => self.flow(who),
            Step::Publish { topic, len } => {
                let topic = topic % self.rules.topics;
                let number = self.stage.log().publish(topic, WORLD);
                let kind = format!("{}.update", route(topic).name);
                let update = (WORLD, number, filling(len));
                let publisher = self.simulation.shared().publisher();
                let published = publisher.publish(rules::name(topic), &kind, &update);
                published.expect("an inbox takes more than a world publishes between two turns");
            }
            Step::Broadcast(len) => {
                let number = self.stage.log().publish(self.rules.topics, WORLD);
                let update = (WORLD, number, filling(len));
                let published = self.simulation.shared().publisher().broadcast("all", &update);
                published.map(drop).expect("an inbox takes more than a world publishes");
            }
            Step::Fate { topic, fate } => {
                let topic = usize::from(topic % self.rules.topics);
                self.stage.log().topics[topic].fate = fate;
            }
            Step::Order { topic, order } => {
                let mut log = self.stage.log();
                let topic = &mut log.topics[usize::from(topic % self.rules.topics)];
                if topic.is_alive() {
                    topic.orders.push_back(order);
                    topic.waker.take().into_iter().for_each(|waker| waker.wake());
                }
            }
            Step::Turn(shard) => self.turn(usize::from(shard % self.rules.shards)),
            Step::Rest => self.rest(),
            Step::Lag(millis) => self.simulation.lag(Duration::from_millis(millis.into())),
            Step::Advance(millis) => self.advance(Duration::from_millis(millis.into())),
            Step::Drain => self.drain(),
            Step::Audit => self.audit(),
        }
        self.deliver();
    }

    /// Everybody leaves, and nothing may be left of them.
    pub fn end(mut self) -> Told {
        self.audit();
        for who in 0..self.rules.clients {
            self.reset(who);
        }
        self.advance(LINGER);
        self.check_empty();
        Told { messages: self.messages, digest: self.transcript.finish() }
    }

    fn arrive(&mut self, who: u32, shard: u8) {
        if self.is_there(who) {
            return;
        }
        let Place { name, client, link } = &mut self.places[who as usize];
        if self.simulation.connect(shard.into(), name).is_err() {
            // As many may be about to open or to end as may be open, and 64 in any case.
            assert!(self.present >= 64, "there is room for one more than {}", self.present);
            return;
        }
        self.lives += 1;
        self.present += 1;
        let guest = Guest { who, life: self.lives, shard };
        let since = self.shards[usize::from(shard)].taken;
        *client = Some(Client::new(guest, self.simulation.now(), since));
        *link = Link::default();
        let peer = self.simulation.peer_mut(name);
        (peer.rude, peer.forgetful) = (true, true);
        let request = format!(
            "GET /ws?who={who}&life={}&shard={shard} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            self.lives
        );
        self.send(who, Parcel::Bytes(request.into_bytes()));
    }

    fn say(&mut self, who: u32, asks: &[Ask]) {
        if !self.client(who).is_some_and(Client::speaks) {
            return;
        }
        let topics = self.rules.topics;
        let mut segment = Vec::new();
        for &ask in asks {
            let ask = match ask {
                Ask::Subscribe(topic) => Ask::Subscribe(topic % topics),
                Ask::Pair(first, second) => {
                    Ask::Pair(first % topics, rules::beside(first % topics, second % topics))
                }
                Ask::Unsubscribe(topic) => Ask::Unsubscribe(topic % topics),
                Ask::Publish(topic) => Ask::Publish(topic % topics),
                ask => ask,
            };
            let moment = self.stage.log().moment;
            let client = self.places[who as usize].client.as_mut().expect("it speaks");
            let side = &mut self.shards[usize::from(client.guest.shard)];
            let mut since = side.taken;
            for topic in waits_for(ask) {
                // What is held for who waits already is heard by who comes meanwhile.
                let waits = &mut side.waits[usize::from(topic)];
                if waits.0 == 0 {
                    waits.1 = side.taken;
                }
                waits.0 += 1;
                since = since.min(waits.1);
            }
            let text = client.ask(ask, moment, since);
            let frame = self.peer(who).frame(Opcode::Text, text.as_bytes());
            segment.extend(frame);
            let end = self.client(who).expect("it speaks").clock.sent + segment.len() as u64;
            self.client_mut(who).ends_message(end);
        }
        self.send(who, Parcel::Bytes(segment));
    }

    fn hang_up(&mut self, who: u32) {
        if self.client(who).is_some_and(|client| !client.hung_up) {
            self.client_mut(who).hung_up = true;
            self.send(who, Parcel::End);
        }
    }

    fn reset(&mut self, who: u32) {
        if self.is_there(who) {
            self.client_mut(who).hung_up = true;
            let Place { name, link, .. } = &mut self.places[who as usize];
            link.bytes.clear();
            self.simulation.reset(name);
        }
    }

    pub(crate) fn widen(&mut self, who: u32) {
        if self.is_there(who) {
            self.peer(who).window = usize::MAX;
            self.client_mut(who).narrow = false;
        }
    }

    /// Bytes go on their way.
    fn send(&mut self, who: u32, parcel: Parcel) {
        let now = self.simulation.now();
        let link = &mut self.places[who as usize].link;
        let due = (now + link.delay).max(link.bytes.back().map_or(now, |(due, _)| *due));
        let sent = if let Parcel::Bytes(bytes) = &parcel { bytes.len() as u64 } else { 0 };
        link.bytes.push_back((due, parcel));
        self.client_mut(who).clock.sent += sent;
        if due > now {
            self.arrivals.push(Reverse((due, who)));
        } else {
            self.receive(who);
        }
    }

    /// What has come to the server's socket by now.
    fn receive(&mut self, who: u32) {
        let now = self.simulation.now();
        let Place { name, link, .. } = &mut self.places[who as usize];
        while !link.stalled
            && let Some((due, _)) = link.bytes.front()
            && *due <= now
        {
            let peer = self.simulation.peer_mut(name);
            match link.bytes.pop_front() {
                Some((_, Parcel::Bytes(bytes))) if !peer.ended => peer.send(&bytes),
                _ => peer.ended = true,
            }
        }
    }

    pub(crate) fn flow(&mut self, who: u32) {
        self.places[who as usize].link.stalled = false;
        self.receive(who);
    }

    /// All that is under way arrives now.
    pub(crate) fn hurry(&mut self, who: u32) {
        let now = self.simulation.now();
        let link = &mut self.places[who as usize].link;
        link.bytes.iter_mut().for_each(|(due, _)| *due = now);
        self.flow(who);
    }

    /// What has become due under way arrives.
    fn deliver(&mut self) {
        let now = self.simulation.now();
        while let Some(Reverse((due, who))) = self.arrivals.peek().copied()
            && due <= now
        {
            self.arrivals.pop();
            self.receive(who);
        }
    }

    fn turn(&mut self, shard: usize) {
        self.simulation.turn(shard);
        self.look(shard..shard + 1);
    }

    /// Until nothing is left to do but wait.
    pub(crate) fn rest(&mut self) {
        let all = 0..self.shards.len();
        // Whom a look has answer wants another turn.
        while {
            self.simulation.run();
            self.look(all.clone())
        } {}
    }

    /// Time passes from one moment at which something is due to the next.
    pub(crate) fn advance(&mut self, time: Duration) {
        let end = self.simulation.now() + time;
        loop {
            self.deliver();
            self.rest();
            let now = self.simulation.now();
            let next = self.arrivals.peek().map(|Reverse((due, _))| *due);
            let next = [self.simulation.poll_timeout(), next].into_iter().flatten().min();
            match next {
                Some(next) if next <= end => self.simulation.lag(next - now),
                _ => break self.simulation.lag(end - now),
            }
        }
        self.deliver();
        self.rest();
    }

    fn drain(&mut self) {
        self.is_draining = true;
        self.simulation.shared().shutdown();
        let config = &self.rules.config;
        self.advance(config.drain + config.closing + config.closing);
        assert!(self.simulation.shards().all(Shard::is_drained), "the server has ended");
        self.check_empty();
        let now = self.simulation.now();
        // What has gone may be checked as it is dropped.
        self.simulation = serve(&self.rules, &self.stage);
        self.simulation.lag(now - Instant::ZERO);
        self.is_draining = false;
        self.heard = Sums::default();
    }

    fn check_empty(&self) {
        let log = self.stage.log();
        assert_eq!(log.wrong, None);
        let left = self.places.iter().find_map(|place| place.client.as_ref());
        assert!(left.is_none(), "somebody is left: {left:?}");
        assert!(log.hooked.is_empty(), "a hook was not told of the end of {:?}", log.hooked);
        let alive = (0..self.rules.topics).find(|topic| log.topics[usize::from(*topic)].is_alive());
        assert_eq!(alive.map(rules::name), None, "no service runs for nobody");
        let Self { shards, simulation, .. } = self;
        assert!(simulation.shards().all(Shard::is_empty), "nothing is left on a shard");
        assert!(simulation.shared().is_empty(), "nothing is left between shards");
        let audiences = shards.iter().flat_map(|side| &side.audience);
        assert!(audiences.into_iter().all(BTreeSet::is_empty), "the model forgets who has gone");
    }

    /// Holds everybody who has moved in a turn of these shards against the model. True: somebody has
    /// answered.
    fn look(&mut self, shards: std::ops::Range<usize>) -> bool {
        let (mut spoke, crowd) = (false, self.present);
        let rested: Vec<usize> = shards.filter(|&shard| self.rested(shard)).collect();
        let stage = self.stage.clone();
        let log = stage.log();
        if let Some(wrong) = &log.wrong {
            panic!("{wrong}");
        }
        while let Some(name) = self.simulation.poll_moved() {
            let who = name.parse().expect("names are numbers");
            spoke |= self.meet(&log, who, &rested, crowd);
        }
        drop(log);
        let mut log = stage.log();
        for topic in std::mem::take(&mut log.fresh) {
            for side in &mut self.shards {
                side.dirty.insert(topic);
            }
        }
        for shard in rested {
            self.shards[shard].taken = log.moment;
            for topic in std::mem::take(&mut self.shards[shard].left) {
                self.shards[shard].waits[usize::from(topic)].0 -= 1;
            }
            for topic in std::mem::take(&mut self.shards[shard].dirty) {
                self.check_audience(&log, shard, topic);
            }
        }
        spoke
    }

    /// Everything that was published is written, as far as sockets take it.
    fn rested(&self, shard: usize) -> bool {
        let shard = self.simulation.shards().nth(shard);
        !shard.expect("it is a shard's number").is_ready()
    }

    /// Who listens to a topic has heard all of it.
    fn check_audience(&self, log: &Log, shard: usize, topic: u16) {
        // Broadcasts are for everybody, whom audits ask.
        let Some(audience) = self.shards[shard].audience.get(usize::from(topic)) else { return };
        for &who in audience {
            let place = &self.places[who as usize];
            let client = place.client.as_ref().expect("who has gone is in no audience");
            if !client.behind && !client.leaves(topic) && !client.hung_up {
                let hearing = client.hearing(topic).expect("audiences are who listens");
                hearing.check(&log.topics[usize::from(topic)], Moment::MAX);
            }
        }
    }

    /// What one client has read and heard, since so many were there. True: it has answered.
    fn meet(&mut self, log: &Log, who: u32, rested: &[usize], crowd: u32) -> bool {
        let Self { places, simulation, shards, rules, heard: sums, .. } = self;
        let (now, is_draining) = (simulation.now(), self.is_draining);
        let Place { name, client: Some(client), link } = &mut places[who as usize] else {
            return false;
        };
        let side = &mut shards[usize::from(client.guest.shard)];
        let has_rested = rested.contains(&usize::from(client.guest.shard));
        let is_gone = simulation.is_gone(name);
        let peer = simulation.peer_mut(name);
        let present = Present { rules, log, now, is_draining };
        let unread = link.bytes.iter().map(|(_, parcel)| parcel.len()).sum::<usize>()
            + peer.unread.iter().map(Vec::len).sum::<usize>();
        let pings = std::mem::take(&mut peer.pings);
        client.tell_time(now, unread, pings);
        if client.phase == Phase::Asking {
            if peer.is_open() {
                client.open(&present);
                sums.opened += 1;
            } else if let Some(status) = status(peer) {
                let is_right = match status {
                    503 => is_draining || crowd >= rules.config.connections,
                    408 => now >= client.clock.arrived + rules.config.handshake,
                    _ => false,
                };
                assert!(is_right, "refused with {status}, while {crowd} are there");
                client.phase = Phase::Refused;
            }
        }
        for text in std::mem::take(&mut peer.heard) {
            (who, &text, (now - Instant::ZERO).as_micros()).hash(&mut self.transcript);
            let asked = client.asked.front().map(|asked| asked.ask);
            let before = client.asked.len();
            let news = client.hear(&present, &text);
            if client.asked.len() < before {
                for topic in asked.into_iter().flat_map(waits_for) {
                    side.waits[usize::from(topic)].0 -= 1;
                }
            }
            sums.messages += 1;
            self.messages += 1;
            for news in news {
                match news {
                    News::Begun(topic) => _ = side.audience[usize::from(topic)].insert(who),
                    News::Ended(topic) => _ = side.audience[usize::from(topic)].remove(&who),
                    News::Told(dropped) => {
                        sums.gaps += 1;
                        sums.told += dropped;
                    }
                }
            }
        }
        let mut frames = Vec::new();
        if let Some((code, reason)) = peer.closed.clone()
            && client.phase == Phase::Open
        {
            (who, code, &reason).hash(&mut self.transcript);
            client.close(&present, code, &reason);
            sums.slow += u64::from(reason == "Slow consumer");
            sums.unsure += u64::from(client.behind || !client.said_close);
            leave(client, side);
            if !client.mute && client.speaks_or_closes() {
                client.said_close = true;
                frames.push(Parcel::Bytes(peer.close_frame(code, "")));
            }
        }
        if pings > 0 && !client.mute && client.speaks_or_closes() {
            frames.push(Parcel::Bytes(peer.frame(Opcode::Pong, b"")));
        }
        if peer.finished && !client.mute && !client.hung_up {
            client.hung_up = true;
            frames.push(Parcel::End);
        }
        if client.phase == Phase::Open && !is_gone && has_rested && !client.narrow && !peer.blocked
        {
            if std::mem::take(&mut client.behind) {
                for (topic, hearing) in client.hearings(&present) {
                    hearing.check(topic, client.certain(log));
                }
            }
            if peer.unread.is_empty() && client.asked.is_empty() {
                client.check_deadlines(&present);
            }
        }
        if is_gone {
            client.go(&present);
            sums.unsure += u64::from(client.phase == Phase::Open);
            sums.unopened += u64::from(client.phase == Phase::Asking);
            leave(client, side);
            let left = client.asked.iter().flat_map(|asked| waits_for(asked.ask));
            side.left.extend(left);
            self.present -= 1;
            link.bytes.clear();
            places[who as usize].client = None;
            return false;
        }
        let spoke = !frames.is_empty();
        frames.into_iter().for_each(|frame| self.send(who, frame));
        spoke
    }

    pub(crate) fn client(&self, who: u32) -> Option<&Client> {
        self.places[who as usize].client.as_ref()
    }

    fn client_mut(&mut self, who: u32) -> &mut Client {
        self.places[who as usize].client.as_mut().expect("it is there")
    }

    fn peer(&mut self, who: u32) -> &mut Peer {
        self.simulation.peer_mut(&self.places[who as usize].name)
    }
}

impl Parcel {
    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::End => 0,
        }
    }
}

/// A new server.
fn serve(rules: &Rules, stage: &Stage) -> Simulation {
    let catalog = stage.api().build().expect("the API has no mistake");
    Simulation::new(catalog, rules.config.clone(), rules.shards.into())
}

/// The topics whose services an ask may wait for.
pub(crate) fn waits_for(ask: Ask) -> impl Iterator<Item = u16> {
    let topics = match ask {
        Ask::Subscribe(topic) => [Some(topic), None],
        Ask::Pair(first, second) => [Some(first), Some(second)],
        _ => [None; 2],
    };
    topics.into_iter().flatten().filter(|&topic| route(topic).serves)
}

/// It listens to nothing any more.
fn leave(client: &mut Client, side: &mut Side) {
    for (topic, _) in std::mem::take(&mut client.listens) {
        side.audience[usize::from(topic)].remove(&client.guest.who);
    }
}

/// What a whole answer that opens no WebSocket begins with.
fn status(peer: &Peer) -> Option<u16> {
    let answer = std::str::from_utf8(&peer.answer).ok()?;
    answer.contains("\r\n\r\n").then(|| answer.get(9..12)?.parse().ok())?
}

/// Longer than any route's services wait for somebody to come back.
const LINGER: Duration = Duration::from_secs(4);
