//! Streams whose handshake somebody else has done.

use crate::binding::{
    Api, Close, Config, FirstMessage, Guest, Handle, HttpError, Payload, Router, Visitor,
};
use crate::real::{TWO, bind, noise, serve, serve_with, start, trading};
use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::protocol::Role;
use async_tungstenite::{WebSocketStream, accept_async};
use fastws_tests::client::{Client, within};
use fastws_trading::feed::Feed;
use serde_json::{Value, json};
use smol::future::try_zip;
use smol::net::unix::UnixStream;
use std::io::Read;
use std::num::NonZeroUsize;
use std::time::Duration;

#[test]
fn a_foreign_stream_is_served_like_any_other() {
    let server = start(bind().shards(TWO), fastws_trading::api(Feed::walk(1)));
    // One for each shard.
    let mut clients = [(); 2].map(|()| attach(&server.handle()));
    for client in &mut clients {
        client.ask("simple.ping", "simple.pong", json!({"timestamp": 1}));
        let payload = json!({"symbol": "AAPL"});
        let response = client.ask("quotes.subscribe", "quotes.subscribe.response", payload);
        assert_eq!(response["topic"], "quotes:AAPL");
    }
    let [first, second] = &mut clients;
    let live = second.hear();
    assert_eq!(live["type"], "quotes.update");
    while first.hear() != live {}
    server.handle().shutdown();
    for client in &mut clients {
        assert_eq!(client.closed(), (1001, "Server shutting down".into()));
    }
}

#[test]
fn a_foreign_stream_that_breaks_the_rules_is_closed_like_any_other() {
    let server = trading();
    let mut client = attach(&server.handle());
    client.send(Message::binary("{}"));
    assert_eq!(client.closed(), (1003, "Could not decode message".into()));
}

#[test]
fn a_foreign_stream_comes_with_what_the_door_would_have_yielded_or_not_at_all() {
    let door = |_: &Visitor<'_>| Err::<User, _>(HttpError::new(401, "nobody comes by the door"));
    let me = Router::new().send("me", "me.response", |user: Guest<User>| user.name.clone());
    let server = serve(Api::new("", "").door(door).include(me));
    let (mut ann, socket) = pair();
    server.handle().attach_guest(socket, user("ann"));
    assert_eq!(ann.ask("me", "me.response", Value::Null), "ann");
    let (bob, socket) = pair();
    server.handle().attach(socket);
    bob.dropped();
    let (cat, socket) = pair();
    server.handle().attach_guest(socket, "cat");
    cat.dropped();
}

// protocol: E14
#[test]
fn a_foreign_stream_says_who_it_is_like_any_other() {
    let known = |FirstMessage(name): FirstMessage| match name.as_str() {
        "mallory" => Err(Close::new(1008, "for the log only")),
        _ => Ok(user(name)),
    };
    let me = Router::new().send("me", "me.response", |user: Guest<User>| user.name.clone());
    let server = serve(Api::new("", "").authenticate(known).include(me));
    let (mut ann, socket) = pair();
    server.handle().attach(socket);
    ann.send(Message::text("ann"));
    assert_eq!(ann.ask("me", "me.response", Value::Null), "ann");
    let (mut mallory, socket) = pair();
    server.handle().attach(socket);
    mallory.send(Message::text("mallory"));
    assert_eq!(mallory.closed(), (1008, "Not authenticated".into()));
}

// protocol: E11
#[test]
fn a_rate_over_the_limit_closes_a_foreign_stream_with_1008() {
    let limits = [(Some(1), None), (None, Some(50))];
    for (messages_per_second, bytes_per_second) in limits {
        let config = Config { messages_per_second, bytes_per_second, ..Config::default() };
        let server = serve_with(config, noise());
        let mut client = attach(&server.handle());
        for _ in 0..4 {
            client.say("subscriptions", Value::Null);
        }
        assert_eq!(client.closed(), (1008, "Rate limit".into()));
    }
}

#[test]
fn a_foreign_stream_is_heard_without_another_event() {
    let echo = async |Payload(said): Payload<String>| said;
    let api = Api::new("Echo", "1").include(Router::new().send("echo", "echoed", echo));
    let server = start(bind().shards(NonZeroUsize::MIN), api);
    let mut client = attach(&server.handle());
    // The second waits for the first, which is async.
    for word in ["one", "two"] {
        client.say("echo", json!(word));
    }
    for word in ["one", "two"] {
        assert_eq!(client.hear_payload("echoed"), word);
    }
}

#[test]
fn a_foreign_stream_that_was_slow_is_heard_when_it_has_caught_up() {
    let server = start(bind().shards(NonZeroUsize::MIN), noise());
    let mut client = attach(&server.handle());
    client.ask("noise.subscribe", "noise.subscribe.response", Value::Null);
    let (publisher, noise) = (server.handle().publisher(), "x".repeat(60 << 10));
    // Less than the backlog's limit; what the sockets do not hold is more than half of it.
    for _ in 0..16 {
        publisher.publish("noise", "noise.update", &noise).expect("the inbox has room");
    }
    client.say("subscriptions", Value::Null);
    assert_eq!(client.hear_but("noise.update"), json!({"type": "count", "payload": 1}));
}

#[test]
fn a_foreign_stream_is_dropped_also_where_its_peer_says_nothing() {
    let soon = Duration::from_millis(20);
    let config = Config { lifespan: Some(soon), closing: soon, ..Config::default() };
    let server = start(bind().config(config), noise());
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().expect("there are descriptors");
    let theirs = smol::Async::new(theirs).expect("it is a socket");
    let stream = within(WebSocketStream::from_raw_socket(theirs, Role::Server, None));
    server.handle().attach(stream);
    ours.set_read_timeout(Some(Duration::from_secs(20))).expect("it is not zero");
    let mut heard = Vec::new();
    ours.read_to_end(&mut heard).expect("the stream ends");
    assert_eq!(heard[0], 0x88, "it was told why");
}

#[test]
fn a_foreign_stream_that_comes_as_others_are_taken_is_not_overlooked() {
    /// Brings the stream where it is dropped.
    struct Late(Handle, Option<WebSocketStream<UnixStream>>);

    impl Drop for Late {
        fn drop(&mut self) {
            self.0.attach(self.1.take().expect("it is dropped once"));
        }
    }

    let server = start(bind().shards(NonZeroUsize::MIN), noise());
    let (first, refused) = pair();
    let (mut second, late) = pair();
    // Dropped by the shard as it takes what has come, since the API has no door that yields it.
    server.handle().attach_guest(refused, Late(server.handle(), Some(late)));
    first.dropped();
    assert_eq!(second.ask("subscriptions", "count", Value::Null), 0);
}

struct User {
    name: String,
}

fn user(name: impl Into<String>) -> User {
    User { name: name.into() }
}

fn attach(handle: &Handle) -> Client<UnixStream> {
    let (client, socket) = pair();
    handle.attach(socket);
    client
}

/// A client and its stream at the server's end, which have shaken hands elsewhere.
fn pair() -> (Client<UnixStream>, WebSocketStream<UnixStream>) {
    let (ours, theirs) = UnixStream::pair().expect("there are descriptors");
    let shake = Client::shake("ws://localhost/ws", ours);
    within(try_zip(shake, accept_async(theirs))).expect("both are polite")
}
