//! Plays a script on an engine, as a driver would, and tells what came of it. Knows no memory and no socket.

use crate::desk::Desk;
use crate::queue::Queue;
use crate::{CLIENTS, Client, Step};
use core::fmt;
use fastws_core::action::{Close, Denied, Unpublished};
use fastws_core::engine::{Audience, Counts, Engine, Life, Sent};
use fastws_core::frame::Opcode;
use fastws_core::ids::ConnectionId;
use fastws_core::shelf::Full;
use fastws_core::time::{Duration, Instant};

/// What can be seen from outside an engine. Its `Debug` text holds all of it, on one line.
#[derive(Clone, Copy, Debug)]
pub enum Event<'e> {
    /// The step of this number begins.
    Step(usize),
    /// There was room for a connection, or not.
    Accepted(Client, Result<(), Full>),
    /// Bytes have come that there is no room for yet.
    Deaf(Client),
    /// A message that was put together elsewhere has to be offered again.
    Waits(Client),
    /// These bytes leave.
    Wrote(Client, Bytes<'e>),
    /// What the driver does after a write.
    Sent(Client, Sent),
    /// Somebody came to a topic, or the last one left.
    Life(Life<'e>),
    /// The socket is dropped.
    Gone(Client),
    /// Who got an update.
    Published(Result<Audience, Unpublished>),
    /// Whether a place was set aside for a running call.
    Reserved(Result<(), Denied>),
    /// Whether the outcome of a call still had somebody to go to.
    Settled(bool),
    /// How many bytes there is room for, according to an id kept too long.
    Haunted(Option<usize>),
    /// What an engine says about itself, after each step.
    Facts {
        /// Connections, subscriptions, topics.
        sizes: [usize; 3],
        /// Since the engine began.
        counts: &'e Counts,
        /// When the clock matters next, in microseconds.
        timeout: Option<u64>,
        /// Messages wait for the next turn.
        ready: bool,
        /// Nobody is left.
        empty: bool,
    },
}

/// Bytes whose `Debug` text is their escaped text.
#[derive(Clone, Copy)]
pub struct Bytes<'e>(pub &'e [u8]);

impl fmt::Debug for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// Plays every step and tells `say` every event, in order.
///
/// # Panics
/// If the script is wrong: a client that is not there acts, or nobody made the call that is settled.
pub fn play(engine: &mut Engine<'_>, script: &[&[Step]], say: &mut dyn FnMut(Event<'_>)) {
    let mut stage = Stage {
        engine,
        say,
        desk: Desk::new(),
        now: Instant::from_millis(1),
        peers: [const { Peer::NOBODY }; CLIENTS],
    };
    for (number, &step) in script.iter().copied().flatten().enumerate() {
        (stage.say)(Event::Step(number));
        stage.step(step);
        stage.tell_facts();
    }
}

struct Stage<'e, 'm> {
    engine: &'e mut Engine<'m>,
    say: &'e mut dyn FnMut(Event<'_>),
    desk: Desk,
    now: Instant,
    peers: [Peer; CLIENTS],
}

/// The other end of a connection, with the two sockets in between.
struct Peer {
    id: Option<ConnectionId>,
    previous: Option<ConnectionId>,
    /// Its bytes arrive in pieces of at most so many.
    cut: usize,
    queue: Queue,
    /// How many bytes the socket takes before it is full.
    space: usize,
}

impl Peer {
    const NOBODY: Self =
        Self { id: None, previous: None, cut: usize::MAX, queue: Queue::EMPTY, space: usize::MAX };
}

impl Stage<'_, '_> {
    fn step(&mut self, step: Step) {
        match step {
            Step::Accept(client) => {
                let accepted = self.engine.accept(self.now, [client as u8; 16]);
                self.seat(client, accepted);
            }
            Step::Open(client) => {
                let accepted = self.engine.open(self.now, [client as u8; 16]);
                self.seat(client, accepted);
            }
            Step::Bytes(client, cut, bytes) => {
                self.receive(client, cut, |queue| queue.put(bytes));
            }
            Step::Frame(client, cut, first, payload) => {
                self.receive(client, cut, |queue| queue.put_frame(first, payload));
            }
            Step::Say(client, text) => self.receive(client, usize::MAX, |queue| {
                queue.put_frame(TEXT, text.as_bytes());
            }),
            Step::Burst(client, texts) => self.receive(client, usize::MAX, |queue| {
                texts.iter().for_each(|text| queue.put_frame(TEXT, text.as_bytes()));
            }),
            Step::Message(client, opcode, payload) => self.message(client, opcode, payload),
            Step::Takes(client, bytes) => self.peers[client].space = bytes,
            Step::Writable(client, bytes) => {
                self.peers[client].space = bytes;
                self.engine.handle_writable(self.id(client));
            }
            Step::End(client) => self.engine.handle_end(self.now, self.id(client)),
            Step::Wait(millis) => {
                self.now = self.now + Duration::from_millis(millis);
                self.engine.handle_timeout(self.now);
            }
            Step::Turn => self.turn(),
            Step::Publish(topic, payload) => {
                let published = self.engine.publish(topic, "update", payload.as_bytes(), None);
                (self.say)(Event::Published(published.map_err(Unpublished::from)));
            }
            Step::PublishFrame(topic, frame) => {
                let published = self.engine.publish_frame(topic, frame, None);
                (self.say)(Event::Published(published));
            }
            Step::EndTopic(topic) => self.engine.end_topic(topic),
            Step::Reserve(client) => {
                let later = self.desk.later(self.id(client));
                let reserved = self.engine.reserve(later.call, later.topic(), 0);
                (self.say)(Event::Reserved(reserved));
            }
            Step::GiveBack(client) => {
                let later = self.desk.later(self.id(client));
                self.engine.give_back(later.call, later.topic());
            }
            Step::Settle(client) => {
                let peer = &self.peers[client];
                let id = peer.id.or(peer.previous).expect("the script has accepted it");
                let later = self.desk.later(id);
                let settled = self
                    .engine
                    .settle(self.now, later.call, later.echo(), |answer| later.outcome(answer));
                (self.say)(Event::Settled(settled));
            }
            Step::Close(client, code, reason) => {
                self.engine.close(self.now, self.id(client), Close { code, reason });
            }
            Step::CloseAll => self.engine.close_all(self.now, Close::SHUTDOWN),
            Step::Haunt(client) => self.haunt(client),
        }
    }

    fn id(&self, client: Client) -> ConnectionId {
        self.peers[client].id.expect("the script has accepted it")
    }

    fn seat(&mut self, client: Client, accepted: Result<ConnectionId, Full>) {
        (self.say)(Event::Accepted(client, accepted.map(drop)));
        let peer = &mut self.peers[client];
        assert!(peer.id.is_none(), "the script accepts nobody twice");
        *peer = Peer { id: accepted.ok(), previous: peer.previous, ..Peer::NOBODY };
    }

    fn receive(&mut self, client: Client, cut: usize, put: impl FnOnce(&mut Queue)) {
        let peer = &mut self.peers[client];
        peer.cut = cut;
        put(&mut peer.queue);
        self.read(client);
    }

    /// Hands over what the socket has received, as far as there is room for it.
    fn read(&mut self, client: Client) {
        let peer = &mut self.peers[client];
        while !peer.queue.is_empty() {
            let Some(id) = peer.id else { return peer.queue.clear() };
            let Some(room) = self.engine.room(id) else { return peer.queue.clear() };
            if room == 0 {
                return (self.say)(Event::Deaf(client));
            }
            let bytes = peer.queue.take(room.min(peer.cut));
            self.engine.handle_bytes(self.now, id, bytes, &mut self.desk);
        }
    }

    fn message(&mut self, client: Client, opcode: Opcode, payload: &[u8]) {
        let mut copy = [0; 256];
        let copy = &mut copy[..payload.len()];
        copy.copy_from_slice(payload);
        let id = self.id(client);
        if !self.engine.handle_message(self.now, id, opcode, copy, &mut self.desk) {
            (self.say)(Event::Waits(client));
        }
    }

    /// Until nothing more can be done without an event from outside.
    fn turn(&mut self) {
        loop {
            self.engine.resume(self.now, &mut self.desk);
            (0..CLIENTS).for_each(|client| self.read(client));
            self.write();
            while let Some(life) = self.engine.poll_life() {
                (self.say)(Event::Life(life));
            }
            while let Some(id) = self.engine.poll_gone() {
                let client = self.client(id);
                let peer = &mut self.peers[client];
                peer.previous = peer.id.take();
                (self.say)(Event::Gone(client));
            }
            if !self.engine.is_ready() {
                return;
            }
        }
    }

    fn write(&mut self) {
        while let Some(transmit) = self.engine.poll_transmit(self.now) {
            let id = transmit.id();
            // Not `self.client`: the slices still borrow the engine.
            let client = client(&self.peers, id);
            let space = &mut self.peers[client].space;
            let mut sent = 0;
            for part in transmit.parts() {
                let taken = &part[..part.len().min(*space - sent)];
                if !taken.is_empty() {
                    (self.say)(Event::Wrote(client, Bytes(taken)));
                }
                sent += taken.len();
            }
            if *space != usize::MAX {
                *space -= sent;
            }
            let outcome = self.engine.handle_sent(self.now, id, sent);
            (self.say)(Event::Sent(client, outcome));
        }
    }

    fn client(&self, id: ConnectionId) -> Client {
        client(&self.peers, id)
    }

    fn haunt(&mut self, client: Client) {
        let id = self.peers[client].previous.expect("it was here before");
        (self.say)(Event::Haunted(self.engine.room(id)));
        self.engine.handle_bytes(self.now, id, &mut [0xff; 8], &mut self.desk);
        self.engine.handle_message(self.now, id, Opcode::Text, &mut [0xff; 8], &mut self.desk);
        self.engine.handle_writable(id);
        self.engine.close(self.now, id, Close::INTERNAL);
        (self.say)(Event::Sent(client, self.engine.handle_sent(self.now, id, 0)));
        self.engine.handle_end(self.now, id);
    }

    fn tell_facts(&mut self) {
        let engine = &self.engine;
        (self.say)(Event::Facts {
            sizes: [engine.connections(), engine.subscriptions(), engine.topics()],
            counts: &engine.counts(),
            timeout: engine.poll_timeout().map(Instant::micros),
            ready: engine.is_ready(),
            empty: engine.is_empty(),
        });
    }
}

fn client(peers: &[Peer], id: ConnectionId) -> Client {
    peers.iter().position(|peer| peer.id == Some(id)).expect("an engine names only who is there")
}

/// A final text frame.
const TEXT: u8 = 0x81;
