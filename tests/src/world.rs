//! A world of shards and clients without sockets, threads or a clock of its own. Knows how laws are told, no rule of the protocol.

use fastws_core::api::Api;
use fastws_core::config::Config;
use fastws_core::desk::{Metrics, Shards};
use fastws_core::frame::Opcode;
use fastws_core::publisher::Publisher;
use fastws_core::time::Duration;
use fastws_host::peer::Peer;
use fastws_host::shard::Shard;
use fastws_host::simulation::Simulation;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Display;

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
    simulation: Simulation,
    restless: Option<Duration>,
}

impl World {
    /// One shard with default limits.
    pub fn new(api: Api) -> Self {
        Self::with(Config::default(), 1, api)
    }

    /// As many shards as asked for, with limits of their own.
    pub fn with(config: Config, shards: usize, api: Api) -> Self {
        let catalog = api.build().expect("the API of a test has no mistake");
        let simulation = Simulation::new(catalog, config, shards);
        Self { simulation, restless: None }
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
        self.simulation.connect(shard, name).expect("owned memory has room");
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
        self.simulation.reset(name);
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
        self.simulation.shared().publisher()
    }

    /// The server is told to end.
    pub fn shutdown(&mut self) {
        self.simulation.shared().shutdown();
        self.run();
    }

    /// Time passes; what is due is done when it is due.
    pub fn advance(&mut self, time: Duration) {
        let mut left = time;
        while let Some(step) = self.restless.filter(|step| *step < left) {
            self.simulation.advance(step);
            left -= step;
        }
        self.simulation.advance(left);
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
        self.peer(name).heard.drain(..).collect()
    }

    /// Code and reason of the close frame that the client has got; 1005 where there is no code.
    pub fn closed(&self, name: &str) -> Option<(u16, &str)> {
        self.simulation.peer(name).closed.as_ref().map(|(code, reason)| (*code, reason.as_str()))
    }

    /// The server has ended its side of the stream.
    pub fn finished(&self, name: &str) -> bool {
        self.simulation.peer(name).finished
    }

    /// The server has dropped the client's socket.
    pub fn gone(&self, name: &str) -> bool {
        self.simulation.is_gone(name)
    }

    /// How many pings the client has got.
    pub fn pings(&self, name: &str) -> usize {
        self.simulation.peer(name).pings
    }

    /// How many pongs the client has got.
    pub fn pongs(&self, name: &str) -> usize {
        self.simulation.peer(name).pongs
    }

    /// All frames that the client has got, as bytes.
    pub fn bytes(&self, name: &str) -> &[u8] {
        &self.simulation.peer(name).bytes
    }

    /// Bytes that the client has sent and the server has not read.
    pub fn unread(&self, name: &str) -> usize {
        self.simulation.peer(name).unread.iter().map(Vec::len).sum()
    }

    /// What the server has said to the client's request, head and body.
    pub fn answer(&self, name: &str) -> String {
        String::from_utf8_lossy(&self.simulation.peer(name).answer).into()
    }

    /// All that the client has got, with its time.
    pub fn transcript(&self, name: &str) -> &[String] {
        &self.simulation.peer(name).transcript
    }

    /// Bytes of the longest write that a shard has offered.
    pub fn longest_write(&self) -> usize {
        self.simulation.peers().map(|peer| peer.longest).max().unwrap_or_default()
    }

    /// Sums over all shards.
    pub fn metrics(&self) -> Metrics {
        self.simulation.shared().metrics()
    }

    /// Connections that were closed for being slow, on all shards.
    pub fn slow(&self) -> u64 {
        self.simulation.shards().map(|shard| shard.engine().counts().slow).sum()
    }

    /// Updates that were dropped for slow readers, on all shards.
    pub fn dropped(&self) -> u64 {
        self.simulation.shards().map(|shard| shard.engine().counts().dropped).sum()
    }

    /// Every shard has ended after a [`shutdown`](Self::shutdown).
    pub fn is_drained(&self) -> bool {
        self.simulation.shards().all(Shard::is_drained)
    }

    /// Turns of all shards until nothing is left to do but wait.
    pub fn run(&mut self) {
        self.simulation.run();
    }

    /// One turn of one shard, while the others rest.
    pub fn step(&mut self, shard: usize) {
        self.simulation.turn(shard);
    }

    fn peer(&mut self, name: &str) -> &mut Peer {
        self.simulation.peer_mut(name)
    }
}

/// What opens a connection.
pub const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
