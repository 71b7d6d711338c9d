//! A script as it is played: its clients, what they do, and the transcript of what they hear. Knows no ground.

use crate::ear::{Ear, Event, masked};
use crate::ground::{Ground, Line};
use fastws_core::frame::Opcode;
use fastws_core::publisher::Publisher;
use fastws_tests::witness::{Gate, Witness};
use fastws_tests::world::HANDSHAKE;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Display;
use std::pin::pin;
use std::task::{Context, Waker};

/// What a test and the application share.
#[derive(Clone, Default)]
pub(crate) struct Inside {
    pub(crate) witness: Witness,
    /// What handlers and services wait at that start.
    pub(crate) gate: Gate,
    /// What services wait at that run.
    pub(crate) faults: Gate,
}

/// Clients by their names. What they hear is written down in the order in which they are asked to
/// hear it, so that a script is the same whoever is faster.
pub(crate) struct Play<'g> {
    ground: &'g mut dyn Ground,
    inside: Inside,
    clients: Vec<Client>,
    noted: Vec<String>,
}

struct Client {
    name: &'static str,
    /// None after a reset.
    line: Option<Box<dyn Line>>,
    ear: Ear,
    /// It answers neither pings nor closes.
    is_rude: bool,
    said_close: bool,
    has_ended: bool,
    transcript: Vec<String>,
}

impl<'g> Play<'g> {
    pub(crate) fn new(ground: &'g mut dyn Ground, inside: Inside) -> Self {
        Self { ground, inside, clients: Vec::new(), noted: Vec::new() }
    }

    /// A client that has said nothing.
    pub(crate) fn connect(&mut self, name: &'static str) {
        self.arrive(name, false);
    }

    /// A client that has done its handshake.
    pub(crate) fn join(&mut self, name: &'static str) {
        self.arrive(name, false);
        self.shake(name);
    }

    /// The same of a client whose socket takes little that is not heard.
    pub(crate) fn join_narrow(&mut self, name: &'static str) {
        self.arrive(name, true);
        self.shake(name);
    }

    fn arrive(&mut self, name: &'static str, narrow: bool) {
        assert!(self.clients.iter().all(|client| client.name != name), "{name} is there already");
        self.clients.push(Client {
            name,
            line: Some(self.ground.connect(narrow)),
            ear: Ear::default(),
            is_rude: false,
            said_close: false,
            has_ended: false,
            transcript: Vec::new(),
        });
    }

    fn shake(&mut self, name: &str) {
        self.send(name, HANDSHAKE);
        assert!(self.hear(name).starts_with("HTTP/1.1 101 "), "{name} is let in");
    }

    /// The client answers neither pings nor closes from now on.
    pub(crate) fn rude(&mut self, name: &str) {
        self.client(name).is_rude = true;
    }

    /// The client sends bytes.
    pub(crate) fn send(&mut self, name: &str, bytes: impl AsRef<[u8]>) {
        self.client(name).send(bytes.as_ref());
    }

    /// The same in pieces, each of which may be a segment of its own.
    pub(crate) fn send_split(&mut self, name: &str, bytes: impl AsRef<[u8]>, len: usize) {
        for piece in bytes.as_ref().chunks(len) {
            self.send(name, piece);
        }
    }

    /// The client sends a frame whose first byte is this.
    pub(crate) fn frame(&mut self, name: &str, first: u8, payload: impl AsRef<[u8]>) {
        self.send(name, masked(first, payload.as_ref()));
    }

    /// The client sends a text message.
    pub(crate) fn say(&mut self, name: &str, text: impl Display) {
        self.frame(name, 0x81, text.to_string());
    }

    /// The client sends several in one segment.
    pub(crate) fn say_together<const N: usize>(&mut self, name: &str, texts: [Value; N]) {
        let frames = texts.map(|text| masked(0x81, text.to_string().as_bytes()));
        self.send(name, frames.concat());
    }

    /// The client pings and hears the pong, before which the server has had all that it has sent, also
    /// where a handler of it waits.
    pub(crate) fn ping(&mut self, name: &str) {
        self.frame(name, 0x89, "");
        assert_eq!(self.hear(name), "pong ");
    }

    /// The client sends a close frame.
    pub(crate) fn close(&mut self, name: &str, payload: impl AsRef<[u8]>) {
        self.client(name).said_close = true;
        self.frame(name, 0x88, payload);
    }

    /// The client says nothing more, and hears on.
    pub(crate) fn half_close(&mut self, name: &str) {
        self.client(name).line().finish();
    }

    /// The client has gone without a word.
    pub(crate) fn reset(&mut self, name: &str) {
        let client = self.client(name);
        client.has_ended = true;
        client.line.take().expect("it is there").reset();
    }

    /// What the client hears next, which is written down. Pings of the server are passed over.
    pub(crate) fn hear(&mut self, name: &str) -> String {
        let client = self.client(name);
        let heard = loop {
            match client.next() {
                Event::Frame(Opcode::Ping, _) => {}
                event => break event.to_string(),
            }
        };
        client.transcript.push(heard.clone());
        heard
    }

    /// The same with pings.
    pub(crate) fn hear_ping(&mut self, name: &str) {
        let client = self.client(name);
        let heard = client.next().to_string();
        client.transcript.push(heard);
    }

    /// The same without messages of this type, of which nobody can say how many there are.
    pub(crate) fn hear_but(&mut self, name: &str, kind: &str) {
        let kind = format!("{{\"type\":\"{kind}\"");
        let client = self.client(name);
        let heard = loop {
            match client.next() {
                Event::Frame(Opcode::Text, text) if text.starts_with(kind.as_bytes()) => {}
                event => break event.to_string(),
            }
        };
        client.transcript.push(heard);
    }

    /// The client says something and hears what comes next.
    pub(crate) fn ask(&mut self, name: &str, text: impl Display) -> String {
        self.say(name, text);
        self.hear(name)
    }

    /// What the client hears until its stream ends.
    pub(crate) fn end(&mut self, name: &str) {
        while self.hear(name) != "end" {}
    }

    /// Publishes, and waits until the update has reached its listeners.
    pub(crate) fn publish(
        &mut self,
        topic: &str,
        kind: &str,
        payload: &(impl Serialize + 'static),
    ) {
        let reach = self.publisher().reach(topic, kind, payload).expect("inboxes have room");
        let mut reach = pin!(reach);
        let mut context = Context::from_waker(Waker::noop());
        self.ground.wait(&mut || reach.as_mut().poll(&mut context).is_ready());
    }

    pub(crate) fn publisher(&self) -> Publisher {
        self.ground.publisher()
    }

    /// The server is told to end.
    pub(crate) fn shutdown(&mut self) {
        self.ground.shutdown();
    }

    /// Whoever waits at the gate goes on with this.
    pub(crate) fn order(&mut self, order: &'static str) {
        self.inside.gate.order(order);
    }

    /// The same of services that run.
    pub(crate) fn fault(&mut self, order: &'static str) {
        self.inside.faults.order(order);
    }

    /// Waits until the application has noted this.
    pub(crate) fn noted(&mut self, line: &str) {
        let Self { ground, inside, noted, .. } = self;
        ground.wait(&mut || {
            noted.extend(inside.witness.took());
            noted.iter().any(|noted| noted == line)
        });
        noted.retain(|noted| noted != line);
    }

    /// Asks until the server's `facts` have this member; nothing of it is written down.
    pub(crate) fn until(&mut self, name: &str, member: &str, value: impl Into<Value>) {
        let value = value.into();
        while self.fact(name, member) != value {
            // On the simulated clock this is the next moment at which anything is due.
            let mut later = false;
            self.ground.wait(&mut || std::mem::replace(&mut later, true));
        }
    }

    /// One of the server's `facts`, which is not written down.
    fn fact(&mut self, name: &str, member: &str) -> Value {
        self.say(name, json!({"type": "facts"}));
        loop {
            if let Event::Frame(Opcode::Text, text) = self.client(name).next() {
                let mut reply: Value = serde_json::from_slice(&text).expect("a server says JSON");
                assert_eq!(reply["type"], "facts.response", "{reply}");
                return reply["payload"][member].take();
            }
        }
    }

    /// Publishes noise, which `name` does not hear, until the server's `facts` have a member as `bob`
    /// asks.
    pub(crate) fn flood(&mut self, member: &str, bob: &str, holds: impl Fn(&Value) -> bool) {
        for number in 0..8_192_u32 {
            if holds(&self.fact(bob, member)) {
                return;
            }
            self.publish("noise", "noise.update", &format!("{number:0>8}{}", "x".repeat(16 << 10)));
        }
        panic!("no socket holds so much");
    }

    /// What the client hears next that is no noise, and what it has made of the noise before: how much
    /// that is only the sockets know.
    pub(crate) fn hear_noise(&mut self, name: &str) {
        let client = self.client(name);
        let (mut next, mut gaps, mut since) = (0, 0, 0);
        let heard = loop {
            let event = client.next();
            let text = match &event {
                Event::Frame(Opcode::Ping, _) => continue,
                Event::Frame(Opcode::Text, text) => text,
                _ => break event,
            };
            let message: Value = serde_json::from_slice(text).expect("a server says JSON");
            match message["type"].as_str() {
                Some("noise.update") => {
                    let number =
                        message["payload"].as_str().and_then(|text| text[..8].parse().ok());
                    assert_eq!(number, Some(next), "no noise is missing unseen");
                    (next, since) = (next + 1, since + 1);
                }
                Some("noise.gap") => {
                    next += message["payload"]["dropped"].as_u64().expect("it is a number");
                    (gaps, since) = (gaps + 1, 0);
                }
                _ => break event,
            }
        };
        // What was not dropped is as much as the sockets hold, or nothing.
        if gaps > 0 {
            client.transcript.push(match since {
                1 => "noise, a gap, the newest noise".into(),
                _ => "noise, a gap, more noise".into(),
            });
        }
        client.transcript.push(heard.to_string());
    }

    /// Everybody leaves. What all have heard, in the order in which they came.
    pub(crate) fn finish(mut self) -> Vec<String> {
        for place in 0..self.clients.len() {
            let name = self.clients[place].name;
            if !self.clients[place].has_ended && self.clients[place].is_rude {
                self.reset(name);
            } else if !self.clients[place].has_ended {
                if !self.clients[place].said_close {
                    self.close(name, 1000_u16.to_be_bytes());
                }
                self.end(name);
            }
        }
        let told = |client: Client| {
            client.transcript.into_iter().map(move |line| format!("{}: {line}", client.name))
        };
        self.clients.into_iter().flat_map(told).collect()
    }

    fn client(&mut self, name: &str) -> &mut Client {
        let mut clients = self.clients.iter_mut();
        clients.find(|client| client.name == name).expect("there is a client of this name")
    }
}

impl Client {
    fn line(&mut self) -> &mut dyn Line {
        &mut **self.line.as_mut().expect("it was not reset")
    }

    fn send(&mut self, bytes: &[u8]) {
        self.line().send(bytes);
    }

    fn next(&mut self) -> Event {
        loop {
            let Some(event) = self.ear.next() else {
                match self.line().receive() {
                    Some(bytes) => self.ear.take(&bytes),
                    None => self.ear.end(),
                }
                continue;
            };
            match &event {
                Event::Frame(Opcode::Ping, payload) if !self.is_rude && !self.said_close => {
                    self.send(&masked(0x8a, payload));
                }
                Event::Frame(Opcode::Close, payload) if !self.is_rude && !self.said_close => {
                    self.said_close = true;
                    self.send(&masked(0x88, &payload[..payload.len().min(2)]));
                }
                Event::End if !self.has_ended => {
                    self.has_ended = true;
                    self.line().finish();
                }
                _ => {}
            }
            return event;
        }
    }
}
