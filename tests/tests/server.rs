//! What a real server does on a real socket: closes, refusals, shards, shutdown, foreign streams.

use async_tungstenite::tungstenite::protocol::Role;
use async_tungstenite::tungstenite::{Error, Message};
use async_tungstenite::{WebSocketStream, accept_async};
use fastws_smol::{Api, App, Config, Handle, Router, Server, TopicRoute};
use fastws_tests::client::{Client, within};
use fastws_tests::server::{Served, bind, serve};
use fastws_trading::feed::Feed;
use serde_json::{Value, json};
use smol::future::try_zip;
use smol::net::unix::UnixStream;
use std::io::{ErrorKind, Read};
use std::num::NonZeroUsize;
use std::time::Duration;

// protocol: E11
#[test]
fn a_rate_over_the_limit_closes_with_1008_also_on_a_foreign_stream() {
    let limits = [(Some(1), None), (None, Some(50))];
    for (messages_per_second, bytes_per_second) in limits {
        let config = Config { messages_per_second, bytes_per_second, ..Config::default() };
        let server = start(bind().config(config), noise());
        let mut foreign = attach(&server.handle());
        let mut client = server.client();
        for _ in 0..4 {
            client.say("subscriptions", Value::Null);
            foreign.say("subscriptions", Value::Null);
        }
        assert_eq!(client.closed(), (1008, "Rate limit".into()));
        assert_eq!(foreign.closed(), (1008, "Rate limit".into()));
    }
}

#[test]
fn limits_with_which_nobody_is_served_are_told_before_anybody_connects() {
    let Err(error) = bind().config(Config { nesting: 0, ..Config::default() }).start(noise())
    else {
        panic!("there is a mistake")
    };
    assert_eq!(error.to_string(), "`nesting` of `Config` is 0: write at least 1");
}

// protocol: M14
#[test]
fn replies_keep_the_order_of_their_requests_also_when_a_handler_is_async() {
    let server = trading();
    let mut client = server.client();
    client.say("slow", json!({"ms": 20}));
    client.say("simple.ping", json!({"timestamp": 1}));
    client.say("slow", json!({"ms": 0}));
    assert_eq!(client.hear()["type"], "slow.response");
    assert_eq!(client.hear()["type"], "simple.pong");
    assert_eq!(client.hear()["type"], "slow.response");
}

// protocol: M15
#[test]
fn another_client_is_answered_while_a_handler_waits() {
    let server = start(bind().shards(NonZeroUsize::MIN), fastws_trading::api(Feed::walk(1)));
    let mut waiting = server.client();
    waiting.say("slow", json!({"ms": 3_600_000}));
    let mut other = server.client();
    other.ask("simple.ping", "simple.pong", json!({"timestamp": 1}));
}

// protocol: T1
#[test]
fn an_update_reaches_the_listeners_on_every_shard_once_and_in_order() {
    let server = start(bind().shards(TWO), noise());
    let mut clients: Vec<_> = (0..8).map(|_| server.client()).collect();
    for client in &mut clients {
        client.ask("noise.subscribe", "noise.subscribe.response", Value::Null);
    }
    let publisher = server.handle().publisher();
    for number in 0..100 {
        publisher.publish("noise", "noise.update", &number.to_string()).expect("inboxes have room");
    }
    for client in &mut clients {
        for number in 0..100 {
            assert_eq!(client.hear_payload("noise.update"), number.to_string());
        }
    }
}

#[test]
fn an_update_without_a_topic_reaches_everybody_and_is_counted() {
    let server = start(bind().shards(TWO), noise());
    let mut clients: Vec<_> = (0..4).map(|_| server.client()).collect();
    for client in &mut clients {
        client.ask("subscriptions", "count", Value::Null);
    }
    let news = server.handle().publisher().broadcast("noise.update", &"to all".to_string());
    assert_eq!(within(news.expect("inboxes have room")), 4);
    for client in &mut clients {
        assert_eq!(client.hear(), json!({"type": "noise.update", "payload": "to all"}));
    }
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

// protocol: E20
#[test]
fn a_shutdown_closes_everybody_with_1001_and_the_server_ends() {
    let config = Config { drain: Duration::ZERO, ..Config::default() };
    let server = start(bind().config(config).shards(TWO), fastws_trading::api(Feed::walk(1)));
    let mut clients: Vec<_> = (0..4).map(|_| server.client()).collect();
    let payload = json!({"symbol": "AAPL"});
    clients[0].ask("bars.subscribe", "bars.subscribe.response", payload);
    clients[1].say("slow", json!({"ms": 3_600_000}));
    server.handle().shutdown();
    for client in &mut clients {
        assert_eq!(client.closed(), (1001, "Server shutting down".into()));
    }
}

// protocol: E20 H5
#[test]
fn a_server_that_drains_serves_who_stays_and_tells_that_it_is_not_healthy() {
    let config = Config { drain: Duration::from_secs(3600), ..Config::default() };
    let server = start(bind().config(config).shards(NonZeroUsize::MIN), noise());
    let mut clients = [(); 2].map(|()| server.client());
    for client in &mut clients {
        client.ask("subscriptions", "count", Value::Null);
    }
    server.handle().shutdown();
    let [mut first, mut last] = clients;
    assert_eq!(first.closed(), (1001, "Server shutting down".into()));
    last.ask("subscriptions", "count", Value::Null);
    assert_eq!(server.fetch("/healthz"), (503, "draining\n".into()));
    match Client::try_connect(server.address(), "/ws") {
        Err(Error::Http(response)) => assert_eq!(response.status(), 503),
        other => panic!("a refusal was due, and {:?} came", other.err()),
    }
}

#[test]
fn a_server_without_connections_ends_at_once() {
    drop(trading());
}

// protocol: H1 H5
#[test]
fn health_a_request_without_upgrade_and_an_unknown_path_are_answered_over_http() {
    let server = trading();
    assert_eq!(server.fetch("/healthz"), (200, "ok\n".into()));
    assert_eq!(server.fetch("/ws").0, 426);
    assert_eq!(server.fetch("/nope").0, 404);
}

#[test]
fn a_port_in_use_is_an_error() {
    let server = trading();
    let error = Server::bind(server.address()).err().expect("the port is taken");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

// protocol: E12
#[test]
fn a_connection_more_than_allowed_is_refused_with_503_until_one_ends() {
    let config = Config { connections: 1, ..Config::default() };
    let server = start(bind().shards(TWO).config(config), noise());
    let mut client = server.client();
    assert_eq!(client.ask("subscriptions", "count", Value::Null), 0);
    match Client::try_connect(server.address(), "/ws") {
        Err(Error::Http(response)) => assert_eq!(response.status(), 503),
        other => panic!("a refusal was due, and {:?} came", other.err()),
    }
    client.leave();
    server.client();
}

// protocol: E15 D6
#[test]
fn a_client_that_never_reads_is_closed_as_slow_and_the_others_get_everything() {
    // The close frame has to outlast what the sockets hold already.
    let closing = Duration::from_secs(600);
    let config = Config { backlog_bytes: 64 << 10, closing, ..Config::default() };
    let server = start(bind().config(config), noise());
    let [mut slow, mut fast] = [(); 2].map(|()| server.client());
    for client in [&mut slow, &mut fast] {
        client.ask("noise.subscribe", "noise.subscribe.response", Value::Null);
    }
    let publisher = server.handle().publisher();
    let mut number = 0;
    while fast.ask("subscriptions", "count", Value::Null) != 1 {
        let noise = format!("{number} {}", "x".repeat(16 << 10));
        publisher.publish("noise", "noise.update", &noise).expect("inboxes have room");
        assert_eq!(fast.hear_payload("noise.update"), noise);
        number += 1;
    }
    assert_eq!(slow.closed(), (1008, "Slow consumer".into()));
}

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

fn start(server: Server, api: Api) -> Served {
    Served::new(server.start(api).expect("the API has no mistake"))
}

fn trading() -> Served {
    serve(fastws_trading::api(Feed::walk(1)))
}

/// One topic that only the test publishes to, and a count of its listeners.
fn noise() -> Api {
    let subscriptions = |app: App| app.metrics().subscriptions;
    Api::new("Noise", "1.0.0")
        .include(TopicRoute::<(), String>::new("noise"))
        .include(Router::new().send("subscriptions", "count", subscriptions))
}

fn attach(handle: &Handle) -> Client<UnixStream> {
    let (ours, theirs) = UnixStream::pair().expect("there are descriptors");
    let shake = Client::shake("ws://localhost/ws", ours);
    let (client, socket) = within(try_zip(shake, accept_async(theirs))).expect("both are polite");
    handle.attach(socket);
    client
}

const TWO: NonZeroUsize = NonZeroUsize::new(2).expect("it is not zero");
