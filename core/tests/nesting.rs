//! Whoever reads JSON of a client, however deep that nests: on the stack of a small thread, and with an answer.
#![cfg(feature = "alloc")]

use fastws_core::api::Api;
use fastws_core::canonical::{Style, canonical};
use fastws_core::catalog::Catalog;
use fastws_core::config::{Config, OnError};
use fastws_core::desk::{Alone, Desk};
use fastws_core::dispatch::{Admission, Answer, Call, Dispatch, Verdict};
use fastws_core::engine::Engine;
use fastws_core::envelope;
use fastws_core::extract::{FirstMessage, Payload};
use fastws_core::frame::Opcode;
use fastws_core::handshake::{Refusal, Request};
use fastws_core::ids::{ConnectionId, OperationId};
use fastws_core::payload;
use fastws_core::respond::Close;
use fastws_core::router::Router;
use fastws_core::time::Instant;
use fastws_core::topic_route::{Params, TopicRoute};
use serde_json::Value;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

const NOW: Instant = Instant::ZERO;
const DEEP: usize = 200_000;
/// The deepest JSON that `serde_json` reads.
const DEEPEST: usize = 127;

/// For what follows nesting with a counter.
const SMALL: usize = 64 << 10;
/// For what follows it with calls, up to `serde_json`'s limit: twice what builds take that are not optimized.
const TYPED: usize = 512 << 10;

/// What is read of an API on a stack of so many bytes. A test whose stack overflows aborts.
fn on_stack(bytes: usize, door: Option<Door>, work: fn(Arc<Catalog>)) {
    // Building one is no reading.
    let catalog = catalog(door);
    let thread = thread::Builder::new().stack_size(bytes);
    thread.spawn(move || work(catalog)).unwrap().join().unwrap();
}

/// JSON of this depth: arrays, objects, and both in turn.
fn nested(depth: usize) -> [String; 3] {
    [0, 1, 2].map(|kind| {
        let is_array = |level: usize| if kind == 2 { level.is_multiple_of(2) } else { kind == 0 };
        let opening = (0..depth).map(|level| if is_array(level) { "[" } else { r#"{"a":"# });
        let closing = (0..depth).rev().map(|level| if is_array(level) { "]" } else { "}" });
        opening.chain(["0"]).chain(closing).collect()
    })
}

/// The same, and as a peer may cut it.
fn deep() -> impl Iterator<Item = String> {
    nested(DEEP).into_iter().flat_map(|text| [text[..text.len() / 2].to_string(), text])
}

#[payload]
struct Chain {
    #[serde(default)]
    a: Option<Box<Chain>>,
}

#[payload]
#[serde(untagged)]
enum Loose {
    List(Vec<Loose>),
    Link { a: Box<Loose> },
    Leaf(u8),
}

/// An API that takes JSON in every way, as its driver sees it.
struct Front {
    catalog: Arc<Catalog>,
    desk: Rc<Desk>,
    payload: Vec<u8>,
}

/// Who reads first messages.
type Door = fn(Api) -> Api;

fn known() -> Result<(), Close> {
    Ok(())
}

fn catalog(door: Option<Door>) -> Arc<Catalog> {
    let route = TopicRoute::<Params, u8>::new("bars").canonical(Style::Python);
    let router = Router::new()
        .send("value", "value.answer", |Payload(value): Payload<Value>| value)
        .send("chain", "chain.answer", |Payload(_): Payload<Chain>| true)
        .send("loose", "loose.answer", |Payload(_): Payload<Loose>| true)
        .send("none", "none.answer", || true);
    let mut api = Api::new("Nesting", "1.0.0")
        .include(router)
        .include(route)
        .post("/value", |Payload(value): Payload<Value>| value);
    if let Some(door) = door {
        api = door(api);
    }
    Arc::new(api.build().expect("it has no mistake"))
}

impl Dispatch for Front {
    fn find(&self, name: &str) -> Option<OperationId> {
        self.catalog.find(name)
    }

    fn authenticator(&self) -> Option<OperationId> {
        self.catalog.entrance().authenticator()
    }

    fn call(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
        let outcome = self.catalog.run(&call, &answer, &self.desk, &mut self.payload);
        self.catalog.finish(&call, answer, &self.payload, outcome).0
    }

    fn request(&mut self, _: ConnectionId, request: &Request<'_>) -> Admission<'_> {
        let operation = self.catalog.entrance().post(request.path);
        operation.map_or(Admission::Refuse(Refusal::NotFound), Admission::Call)
    }
}

/// An engine that takes messages which are longer than any here, and what it writes.
struct Server {
    engine: Engine<'static>,
    front: Front,
}

impl Server {
    fn new(catalog: Arc<Catalog>, on_error: OnError) -> Self {
        let config = Config { message_bytes: 16 << 20, on_error, ..Config::default() };
        let mut engine = Engine::new(config, 1);
        if catalog.entrance().authenticator().is_some() {
            engine.demand_authentication();
        }
        let desk = Desk::new(catalog.declared().clone(), Arc::new(Alone), 0);
        Self { engine, front: Front { catalog, desk, payload: Vec::new() } }
    }

    /// What a new connection hears that says this.
    fn answer(&mut self, message: &str) -> String {
        let id = self.engine.open(NOW, [7; 16]).expect("owned memory grows");
        let mut bytes = message.as_bytes().to_vec();
        self.engine.handle_message(NOW, id, Opcode::Text, &mut bytes, &mut self.front);
        self.written()
    }

    /// What is answered to a body.
    fn post(&mut self, path: &str, body: &str) -> String {
        let id = self.engine.accept(NOW, [7; 16]).expect("owned memory grows");
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
        for part in [head.as_bytes(), body.as_bytes()] {
            self.engine.handle_bytes(NOW, id, &mut part.to_vec(), &mut self.front);
        }
        self.written()
    }

    fn written(&mut self) -> String {
        let mut written = Vec::new();
        while let Some(transmit) = self.engine.poll_transmit(NOW) {
            let (id, before) = (transmit.id(), written.len());
            transmit.parts().for_each(|part| written.extend_from_slice(part));
            self.engine.handle_sent(NOW, id, written.len() - before);
        }
        String::from_utf8_lossy(&written).into()
    }
}

/// A message whose member is this.
fn message(kind: &str, member: &str, value: &str) -> String {
    format!(r#"{{"type":"{kind}","{member}":{value}}}"#)
}

// law: 10
#[test]
fn a_message_that_nests_too_deep_is_no_message_wherever_it_nests() {
    on_stack(SMALL, None, |catalog| {
        for on_error in [OnError::Close, OnError::Reply] {
            let mut server = Server::new(catalog.clone(), on_error);
            for value in deep() {
                for member in ["payload", "id", "other"] {
                    let message = message("value", member, &value);
                    assert!(envelope::read(&message, usize::MAX).is_err());
                    assert!(server.answer(&message).contains("Could not decode message"));
                }
                for message in [value.clone(), format!(r#"{{"type":{value}}}"#)] {
                    assert!(server.answer(&message).contains("Could not decode message"));
                }
            }
        }
    });
}

// law: 10
#[test]
fn a_body_that_nests_too_deep_is_no_message() {
    on_stack(SMALL, None, |catalog| {
        let mut server = Server::new(catalog, OnError::Close);
        for value in deep().chain(nested(DEEPEST + 1)) {
            let answer = server.post("/value", &value);
            assert!(
                answer.starts_with("HTTP/1.1 400 ") && answer.contains("Could not decode message")
            );
        }
    });
}

// law: 10
#[test]
fn the_deepest_payload_is_read_as_every_type_and_answered() {
    on_stack(TYPED, None, |catalog| {
        let mut server = Server::new(catalog, OnError::Close);
        for value in nested(DEEPEST) {
            let replied = server.answer(&message("value", "payload", &value));
            assert!(replied.ends_with(&message("value.answer", "payload", &value)), "{replied}");
            let ignored = format!(r#"{{"b":{}}}"#, &nested(DEEPEST - 1)[0]);
            for (kind, value) in [("chain", &ignored), ("loose", &value), ("none", &value)] {
                let replied = server.answer(&message(kind, "payload", value));
                assert!(replied.ends_with(r#".answer","payload":true}"#), "{kind}: {replied}");
            }
            let replied = server.post("/value", &value);
            assert!(replied.starts_with("HTTP/1.1 200 ") && replied.ends_with(&value), "{replied}");
        }
        let chain = nested(DEEPEST)[1].replace('0', "null");
        let replied = server.answer(&message("chain", "payload", &chain));
        assert!(replied.ends_with(r#".answer","payload":true}"#), "{replied}");
        let params = &nested(DEEPEST)[1];
        let replied = server.answer(&message("bars.subscribe", "payload", params));
        assert!(
            replied.contains(r#""status":"error""#) && replied.contains("longer than"),
            "{replied}"
        );
    });
}

// law: 10
#[test]
fn a_first_message_that_nests_too_deep_says_not_who_it_is_from() {
    let value: Door = |api| api.authenticate(|Payload(_): Payload<Value>| known());
    let loose: Door = |api| api.authenticate(|Payload(_): Payload<Loose>| known());
    for door in [value, loose] {
        on_stack(TYPED, Some(door), |catalog| {
            let mut server = Server::new(catalog, OnError::Close);
            for first in deep().chain(nested(DEEPEST + 1)) {
                assert!(server.answer(&first).ends_with("Not authenticated"));
            }
            for first in nested(DEEPEST) {
                assert_eq!(server.answer(&first), "", "it is let in");
            }
        });
    }
}

// law: 10
#[test]
fn what_nobody_wants_of_a_first_message_may_nest() {
    let text: Door = |api| api.authenticate(|FirstMessage(_): FirstMessage| known());
    let chain: Door = |api| api.authenticate(|Payload(_): Payload<Chain>| known());
    for door in [text, chain] {
        on_stack(SMALL, Some(door), |catalog| {
            let mut server = Server::new(catalog, OnError::Close);
            for value in nested(DEEP) {
                assert_eq!(server.answer(&format!(r#"{{"b":{value}}}"#)), "", "it is let in");
            }
        });
    }
}

// law: 10
#[test]
fn parameters_that_nest_too_deep_do_not_validate() {
    on_stack(TYPED, None, |_| {
        for value in deep().chain(nested(DEEPEST + 1)) {
            assert!(serde_json::from_str::<Params>(&value).is_err());
        }
        for value in &nested(DEEPEST)[1..2] {
            let params: Params = serde_json::from_str(value).expect("they are parameters");
            for style in [Style::Rfc8785, Style::Python] {
                assert_eq!(canonical(style, &params).map(|text| text.len()), Ok(value.len()));
            }
        }
    });
}
