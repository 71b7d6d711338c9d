//! What a real server does on a real socket: closes, refusals, shards, shutdown.

use crate::binding::{Api, Config, Payload, Router, Server, State};
use crate::real::{Served, TWO, bind, noise, serve, serve_with, start, trading};
use async_tungstenite::tungstenite::Error;
use fastws_tests::client::{Client, until, within};
use fastws_tests::witness::Witness;
use fastws_tests::world::HANDSHAKE;
use fastws_trading::feed::Feed;
use futures_lite::{AsyncRead, AsyncWrite};
use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::time::Duration;

// protocol: E11
#[test]
fn a_rate_over_the_limit_closes_with_1008() {
    let limits = [(Some(1), None), (None, Some(50))];
    for (messages_per_second, bytes_per_second) in limits {
        let config = Config { messages_per_second, bytes_per_second, ..Config::default() };
        let server = start(bind().config(config), noise());
        let mut client = server.client();
        for _ in 0..4 {
            client.say("subscriptions", Value::Null);
        }
        assert_eq!(client.closed(), (1008, "Rate limit".into()));
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
fn a_handler_that_never_ends_is_dropped_with_its_server() {
    let witness = Witness::default();
    let wait = async |witness: State<Witness>| {
        let _life = witness.life("handler");
        std::future::pending::<()>().await
    };
    let api = Api::new("Wait", "1").state(witness.clone());
    let server = serve(api.include(Router::new().send("wait", "waited", wait)));
    let [mut gone, mut closed] = [(); 2].map(|()| server.client());
    for client in [&mut gone, &mut closed] {
        client.say("wait", Value::Null);
    }
    let mut noted = Vec::new();
    until(|| {
        noted.extend(witness.took());
        noted == ["start handler", "start handler"]
    });
    drop(gone);
    server.handle().shutdown();
    assert_eq!(closed.closed(), (1001, "Server shutting down".into()));
    drop((closed, server));
    assert_eq!(witness.took(), ["drop handler", "drop handler"]);
}

#[test]
fn who_comes_after_a_long_silence_has_all_the_time_for_its_handshake() {
    let silence = serve_with(limits(600), noise());
    let server = start(bind().config(limits(500)).shards(NonZeroUsize::MIN), noise());
    let mut other = server.client();
    // It ends at its deadline.
    silence.answer("");
    let mut stream = TcpStream::connect(server.address()).expect("the server listens");
    for _ in 0..3 {
        // The server has seen both.
        assert_eq!(other.ask("subscriptions", "count", Value::Null), 0);
    }
    stream.write_all(HANDSHAKE.as_bytes()).expect("it is open");
    let mut line = [0; 12];
    stream.read_exact(&mut line).expect("the server answers");
    assert_eq!(&line, b"HTTP/1.1 101");
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
    let error = Server::bind(server.address()).expect_err("the port is taken");
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
    let server = start(bind().config(short_of_backlog()), noise());
    close_the_slow_one(&server, [(); 2].map(|()| server.client()));
}

/// Little may wait for a client, and the close frame outlasts what the sockets hold already.
pub(crate) fn short_of_backlog() -> Config {
    let closing = Duration::from_secs(600);
    Config { backlog_bytes: 64 << 10, closing, ..Config::default() }
}

/// Makes noise until the first of these, which does not read, is closed; the other one gets all of it.
pub(crate) fn close_the_slow_one<S: AsyncRead + AsyncWrite + Unpin>(
    server: &Served,
    [mut slow, mut fast]: [Client<S>; 2],
) {
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
fn an_async_handler_is_run_by_a_shard_that_was_never_woken_before() {
    let echo = async |Payload(said): Payload<String>| said;
    let server = serve(Api::new("Echo", "1").include(Router::new().send("echo", "echoed", echo)));
    assert_eq!(server.client().ask("echo", "echoed", json!("hi")), "hi");
}

fn limits(millis: u64) -> Config {
    Config { handshake: Duration::from_millis(millis), ..Config::default() }
}
