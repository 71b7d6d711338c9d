//! A world of shards and clients without sockets, threads or a clock of its own. Drives shards as a binding does; knows no rule of the protocol.

use crate::peer::Peer;
use fastws_core::api::Api;
use fastws_core::config::Config;
use fastws_core::desk::{Metrics, Shards};
use fastws_core::engine::Sent;
use fastws_core::frame::Opcode;
use fastws_core::ids::ConnectionId;
use fastws_core::publisher::Publisher;
use fastws_core::time::{Duration, Instant};
use fastws_host::shard::Shard;
use fastws_host::shared::Shared;
use serde::Serialize;
use serde_json::Value;
use smol::LocalExecutor;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::task::Waker;

/// Shards and their clients. Every wish is carried out until the world is at rest; only
/// [`advance`](Self::advance) makes time pass.
///
/// When it is dropped all clients leave, and nothing may be left of them.
///
/// ```
/// use fastws_core::{api::Api, router::Router};
/// use fastws_tests::world::World;
///
/// let greetings = Router::new().send("hello", "hello.response", || "world");
/// let mut world = World::new(Api::new("Greetings", "1").include(greetings)).client("ann");
/// world.say("ann", r#"{"type": "hello"}"#);
/// assert_eq!(world.heard("ann"), ["hello.response"]);
/// world.say("ann", r#"{"type": "goodbye"}"#);
/// assert_eq!(world.closed("ann"), Some((1003, "No matching type")));
/// ```
pub struct World {
    shared: Arc<Shared>,
    places: Vec<Place>,
    peers: BTreeMap<String, Seat>,
    now: Instant,
    restless: Option<Duration>,
    longest: usize,
}

/// One shard and the tasks on it.
struct Place {
    shard: Shard,
    executor: LocalExecutor<'static>,
}

/// A client, and where the server keeps it.
struct Seat {
    place: usize,
    /// `None` once the server has dropped the socket.
    id: Option<ConnectionId>,
    peer: Peer,
}

impl World {
    /// One shard with default limits.
    pub fn new(api: Api) -> Self {
        Self::with(Config::default(), 1, api)
    }

    /// As many shards as asked for, with limits of their own.
    pub fn with(config: Config, shards: usize, api: Api) -> Self {
        let catalog = api.build().expect("the API of a test has no mistake");
        let wakers = vec![Waker::noop().clone(); shards];
        let shared = Shared::new(catalog, config, vec!["/ws".into()], wakers);
        let place = |index| Place {
            shard: Shard::new(shared.clone(), index),
            executor: LocalExecutor::new(),
        };
        let places = (0..shards).map(place).collect();
        Self {
            shared,
            places,
            peers: BTreeMap::new(),
            now: Instant::ZERO,
            restless: None,
            longest: 0,
        }
    }

    /// The driver is woken for nothing this often while time passes.
    pub fn restless(mut self, step: Duration) -> Self {
        self.restless = Some(step);
        self
    }

    /// A client of the first shard that has done its handshake.
    pub fn client(self, name: &str) -> Self {
        self.client_on(0, name)
    }

    /// The same on any shard.
    pub fn client_on(mut self, shard: usize, name: &str) -> Self {
        self.join(shard, name);
        self
    }

    /// The same in a world that goes on already.
    pub fn join(&mut self, shard: usize, name: &str) {
        self.connect(shard, name);
        self.send(name, HANDSHAKE);
        assert!(self.peer(name).is_open(), "{name} is let in: {}", self.answer(name));
    }

    /// A client that has not said anything. A name of somebody who has gone can be used again.
    pub fn connect(&mut self, shard: usize, name: &str) {
        let place = &mut self.places[shard].shard;
        place.handle_time(self.now, UNIX + (self.now - Instant::ZERO));
        let id = place.accept().expect("owned memory has room");
        let seat = Seat { place: shard, id: Some(id), peer: Peer::new() };
        let before = self.peers.insert(name.into(), seat);
        assert!(before.is_none_or(|seat| seat.id.is_none()), "{name} is there already");
    }

    /// The client sends a text message.
    pub fn say(&mut self, name: &str, message: impl Display) {
        self.say_together(name, [message]);
    }

    /// The client sends several in one segment.
    pub fn say_together<M: Display>(&mut self, name: &str, messages: impl IntoIterator<Item = M>) {
        let frames: Vec<u8> = messages
            .into_iter()
            .flat_map(|message| self.frame(name, Opcode::Text, message.to_string()))
            .collect();
        self.send(name, frames);
    }

    /// A masked frame of this client, for [`send`](Self::send).
    pub fn frame(&mut self, name: &str, opcode: Opcode, payload: impl AsRef<[u8]>) -> Vec<u8> {
        self.peer(name).frame(opcode, payload.as_ref())
    }

    /// The client sends bytes.
    pub fn send(&mut self, name: &str, bytes: impl AsRef<[u8]>) {
        self.peer(name).send(bytes.as_ref());
        self.run();
    }

    /// The client sends bytes that the shard learns of in its next turn, together with others'.
    pub fn post(&mut self, name: &str, bytes: impl AsRef<[u8]>) {
        self.peer(name).send(bytes.as_ref());
    }

    /// The client sends a ping.
    pub fn ping(&mut self, name: &str, payload: &str) {
        let frame = self.frame(name, Opcode::Ping, payload);
        self.send(name, frame);
    }

    /// The client sends a close frame.
    pub fn close(&mut self, name: &str, code: u16, reason: &str) {
        let frame = self.peer(name).close_frame(code, reason);
        self.send(name, frame);
    }

    /// The client's stream ends behind what it has sent.
    pub fn hang_up(&mut self, name: &str) {
        self.peer(name).ended = true;
        self.run();
    }

    /// The client's stream is reset: what it has sent and was not read is lost.
    pub fn reset(&mut self, name: &str) {
        self.vanish(name);
        self.run();
    }

    /// A reset that the shard learns of in its next turn, together with whatever comes then.
    pub fn vanish(&mut self, name: &str) {
        let seat = self.peers.get_mut(name).expect("a client of this name");
        seat.peer.unread.clear();
        seat.peer.ended = true;
        if let Some(id) = seat.id {
            self.places[seat.place].shard.handle_end(id);
        }
    }

    /// The client answers neither pings nor closes any more.
    pub fn rude(&mut self, name: &str) {
        self.peer(name).rude = true;
    }

    /// How many bytes the client's socket takes from now on.
    pub fn window(&mut self, name: &str, bytes: usize) {
        self.peer(name).window = bytes;
        self.run();
    }

    /// How many bytes the client's socket takes in one write.
    pub fn gulp(&mut self, name: &str, bytes: usize) {
        self.peer(name).gulp = bytes;
    }

    /// What the client sends comes in segments of at most this many bytes.
    pub fn split(&mut self, name: &str, bytes: usize) {
        self.peer(name).split = bytes;
    }

    /// The application publishes.
    pub fn publish(&mut self, topic: &str, kind: &str, payload: &(impl Serialize + 'static)) {
        self.publisher().publish(topic, kind, payload).expect("the update can be published");
        self.run();
    }

    /// For publishing without a turn, or from another thread.
    pub fn publisher(&self) -> Publisher {
        self.shared.publisher()
    }

    /// The server is told to end.
    pub fn shutdown(&mut self) {
        self.shared.shutdown();
        self.run();
    }

    /// Time passes; what is due is done when it is due.
    pub fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        self.run();
        while self.now < end {
            let due = self.places.iter().filter_map(|place| place.shard.poll_timeout());
            let step = self.restless.map(|step| self.now + step);
            self.now = due.chain(step).chain([end]).min().expect("the end is one of them");
            self.run();
        }
    }

    /// The types of what the client has heard since it was asked last.
    pub fn heard(&mut self, name: &str) -> Vec<String> {
        let messages = self.messages(name);
        messages.iter().map(|message| message["type"].as_str().unwrap_or_default().into()).collect()
    }

    /// The same as whole messages.
    pub fn messages(&mut self, name: &str) -> Vec<Value> {
        let texts = self.texts(name);
        texts.iter().map(|text| serde_json::from_str(text).expect("a server sends JSON")).collect()
    }

    /// The same as they were written.
    pub fn texts(&mut self, name: &str) -> Vec<String> {
        std::mem::take(&mut self.peer(name).heard)
    }

    /// Code and reason of the close frame that the client has got; 1005 where there is no code.
    pub fn closed(&self, name: &str) -> Option<(u16, &str)> {
        self.peers[name].peer.closed.as_ref().map(|(code, reason)| (*code, reason.as_str()))
    }

    /// The server has ended its side of the stream.
    pub fn finished(&self, name: &str) -> bool {
        self.peers[name].peer.finished
    }

    /// The server has dropped the client's socket.
    pub fn gone(&self, name: &str) -> bool {
        self.peers[name].id.is_none()
    }

    /// How many pings the client has got.
    pub fn pings(&self, name: &str) -> usize {
        self.peers[name].peer.pings
    }

    /// How many pongs the client has got.
    pub fn pongs(&self, name: &str) -> usize {
        self.peers[name].peer.pongs
    }

    /// All frames that the client has got, as bytes.
    pub fn bytes(&self, name: &str) -> &[u8] {
        &self.peers[name].peer.bytes
    }

    /// Bytes that the client has sent and the server has not read.
    pub fn unread(&self, name: &str) -> usize {
        self.peers[name].peer.unread.iter().map(Vec::len).sum()
    }

    /// What the server has said to the client's request, head and body.
    pub fn answer(&self, name: &str) -> String {
        String::from_utf8_lossy(&self.peers[name].peer.answer).into()
    }

    /// All that the client has got, with its time.
    pub fn transcript(&self, name: &str) -> &[String] {
        &self.peers[name].peer.transcript
    }

    /// Bytes of the longest write that a shard has offered.
    pub fn longest_write(&self) -> usize {
        self.longest
    }

    /// Sums over all shards.
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics()
    }

    /// Connections that were closed for being slow, on all shards.
    pub fn slow(&self) -> u64 {
        self.places.iter().map(|place| place.shard.engine().counts().slow).sum()
    }

    /// Updates that were dropped for slow readers, on all shards.
    pub fn dropped(&self) -> u64 {
        self.places.iter().map(|place| place.shard.engine().counts().dropped).sum()
    }

    /// Every shard has ended after a [`shutdown`](Self::shutdown).
    pub fn is_drained(&self) -> bool {
        self.places.iter().all(|place| place.shard.is_drained())
    }

    /// Turns of all shards until nothing is left to do but wait.
    pub fn run(&mut self) {
        for _ in 0..MAX_TURNS {
            let mut moved = false;
            for place in 0..self.places.len() {
                moved |= self.turn(place);
            }
            if !moved {
                let due = self.places.iter().filter_map(|place| place.shard.poll_timeout()).min();
                assert!(due.is_none_or(|due| due > self.now), "what was due has been done");
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    /// One turn of one shard, while the others rest.
    pub fn step(&mut self, shard: usize) {
        self.turn(shard);
    }

    /// True: it wants another turn.
    fn turn(&mut self, index: usize) -> bool {
        let Self { places, peers, now, longest, .. } = self;
        let Place { shard, executor } = &mut places[index];
        shard.handle_time(*now, UNIX + (*now - Instant::ZERO));
        let mut moved = false;
        for Seat { id, peer, place } in peers.values_mut() {
            if let Some(id) = *id
                && *place == index
            {
                moved |= read(shard, id, peer);
            }
        }
        while let Some(task) = shard.poll_task() {
            executor.spawn(task).detach();
        }
        for _ in 0..MAX_TURNS {
            if !executor.try_tick() {
                break;
            }
            moved = true;
        }
        shard.turn();
        moved |= transmit(shard, peers, index, *now, longest);
        while let Some(gone) = shard.poll_gone() {
            seat(peers, index, gone).id = None;
            moved = true;
        }
        // A task that the turn has woken wants a turn for what it says.
        moved || executor.try_tick() || shard.is_ready()
    }

    fn peer(&mut self, name: &str) -> &mut Peer {
        &mut self.peers.get_mut(name).expect("a client of this name").peer
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for name in self.peers.keys().cloned().collect::<Vec<_>>() {
            self.vanish(&name);
        }
        self.run();
        assert!(
            self.places.iter().all(|place| place.shard.is_empty()),
            "nothing is left on a shard"
        );
        assert!(self.shared.is_empty(), "nothing is left between shards");
    }
}

/// What the client has sent, as far as the shard has room for it.
fn read(shard: &mut Shard, id: ConnectionId, peer: &mut Peer) -> bool {
    let mut moved = false;
    if peer.blocked && peer.window > 0 {
        peer.blocked = false;
        shard.handle_writable(id);
        moved = true;
    }
    while let Some(mut segment) = peer.unread.pop_front() {
        let Some(room) = shard.room(id) else { break };
        if room < segment.len() {
            peer.unread.push_front(segment.split_off(room));
        }
        if room == 0 {
            return moved;
        }
        shard.handle_bytes(id, &mut segment);
        moved = true;
    }
    if peer.ended {
        shard.handle_end(id);
    }
    moved
}

/// Writes what there is to be written, as far as sockets take it.
fn transmit(
    shard: &mut Shard,
    peers: &mut BTreeMap<String, Seat>,
    index: usize,
    now: Instant,
    longest: &mut usize,
) -> bool {
    let mut moved = false;
    while let Some(transmit) = shard.poll_transmit() {
        let id = transmit.id();
        let parts: Vec<&[u8]> = transmit.parts().collect();
        assert!(parts.len() <= 64 && parts.iter().all(|part| !part.is_empty()));
        let mut bytes = parts.concat();
        *longest = bytes.len().max(*longest);
        let peer = &mut seat(peers, index, id).peer;
        bytes.truncate(peer.window.min(peer.gulp));
        if peer.window != usize::MAX {
            peer.window -= bytes.len();
        }
        if !bytes.is_empty() {
            peer.read(now, &bytes);
        }
        moved = true;
        match shard.handle_sent(id, bytes.len()) {
            Sent::Idle => {}
            Sent::Blocked => peer.blocked = true,
            Sent::Finished => peer.finish(),
        }
    }
    moved
}

fn seat(peers: &mut BTreeMap<String, Seat>, index: usize, id: ConnectionId) -> &mut Seat {
    let mut seats = peers.values_mut();
    seats
        .find(|seat| seat.place == index && seat.id == Some(id))
        .expect("every connection is a client's")
}

/// The zero of the world's clock, since 1970.
const UNIX: Duration = Duration::from_secs(1_700_000_000);
/// More turns than any test needs between two moments.
const MAX_TURNS: usize = 100_000;
/// What opens a connection.
pub const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
