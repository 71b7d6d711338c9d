//! What a real server does over TLS that it would do without, and what is TLS's own.

use crate::binding::{
    Api, App, Client as Guest, Config, Pages, Payload, Place, Router, Server, TopicRoute,
};
use crate::real::server::{close_the_slow_one, short_of_backlog};
use crate::real::{self, Served, TWO, bind};
use fastws_tests::client::Client;
use fastws_tests::identity::Identity;
use fastws_tests::world::HANDSHAKE;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

#[test]
fn messages_of_every_size_are_answered_in_order() {
    let identity = Identity::new();
    let server = start(bind().tls(identity.tls()).shards(TWO));
    let mut clients = [(); 4].map(|()| identity.client(server.address()));
    for len in [0, 1, 1000, 16_300, 16_384, 60_000] {
        for client in &mut clients {
            for text in ["a", "b"] {
                client.say("echo", json!(text.repeat(len)));
            }
        }
        for client in &mut clients {
            for text in ["a", "b"] {
                assert_eq!(client.hear_payload("echoed"), text.repeat(len));
            }
        }
    }
    clients.into_iter().for_each(Client::leave);
}

#[test]
fn what_comes_while_a_handler_waits_is_answered_in_order() {
    let identity = Identity::new();
    let server = start(bind().tls(identity.tls()));
    let mut client = identity.client(server.address());
    let texts = [(); 200].map(|()| "x".repeat(3000));
    client.say_together(
        texts
            .iter()
            .zip(0..)
            .map(|(text, number)| json!({"type": "wait", "payload": format!("{number} {text}")})),
    );
    for number in 0..200 {
        assert_eq!(client.hear_payload("waited"), number);
    }
}

// protocol: E15 D6
#[test]
fn a_client_that_never_reads_is_closed_as_slow_and_the_others_get_everything() {
    let identity = Identity::new();
    let server = start(bind().config(short_of_backlog()).tls(identity.tls()));
    close_the_slow_one(&server, [(); 2].map(|()| identity.client(server.address())));
}

#[test]
fn another_certificate_is_shown_from_now_on_and_connections_go_on() {
    let (old, new) = (Identity::new(), Identity::new());
    let tls = old.tls();
    let server = start(bind().tls(tls.clone()));
    let mut before = old.client(server.address());
    tls.replace(&new.tls());
    let mut after = new.client(server.address());
    assert!(old.try_client(server.address()).is_err());
    for client in [&mut before, &mut after] {
        assert_eq!(client.ask("echo", "echoed", json!("hi")), "hi");
    }
}

#[test]
fn a_closed_connection_ends_as_tls_wants_it() {
    let identity = Identity::new();
    let server = start(bind().tls(identity.tls()));
    let mut stream = identity.stream(server.address());
    let close_of_1000 = [0x88, 0x82, 0, 0, 0, 0, 3, 0xe8];
    stream.write_all(&[HANDSHAKE.as_bytes(), &close_of_1000].concat()).expect("it is open");
    let mut answer = Vec::new();
    // It is an error if the stream ends without a close_notify.
    stream.read_to_end(&mut answer).expect("it is not cut");
    assert!(answer.starts_with(b"HTTP/1.1 101 ") && answer.ends_with(&[0x88, 2, 3, 0xe8]));
}

#[test]
fn pages_are_served_over_tls_and_private_addresses_without() {
    let identity = Identity::new();
    let health = Place::Private("/healthz".into());
    let server = bind().tls(identity.tls()).pages(Pages { health, ..Pages::default() });
    let server = start(server.private("127.0.0.1:0").expect("there is a free port"));
    let mut page = String::new();
    let mut stream = identity.stream(server.address());
    stream.write_all(b"GET /asyncapi HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is open");
    stream.read_to_string(&mut page).expect("it is not cut");
    assert!(page.starts_with("HTTP/1.1 200 ") && page.ends_with("</html>\n"));

    let mut private = TcpStream::connect(server.handle().addresses()[1]).expect("it listens");
    private.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is open");
    let mut health = String::new();
    private.read_to_string(&mut health).expect("it is answered");
    assert!(health.starts_with("HTTP/1.1 200 "), "{health}");
}

#[test]
fn a_page_of_the_same_host_is_let_in_over_https() {
    let identity = Identity::new();
    let server = start(bind().tls(identity.tls()));
    for (host, origin, status) in [
        ("prices.example", "https://prices.example", "101"),
        ("prices.example:8443", "https://prices.example:8443", "101"),
        ("prices.example", "https://evil.example", "403"),
    ] {
        let request = HANDSHAKE.replace("example.org", &format!("{host}\r\nOrigin: {origin}"));
        let mut stream = identity.stream(server.address());
        stream.write_all(request.as_bytes()).expect("it is open");
        let mut line = [0; 12];
        stream.read_exact(&mut line).expect("the server answers");
        assert_eq!(line, *format!("HTTP/1.1 {status}").as_bytes(), "{origin}");
    }
}

#[test]
fn who_does_not_speak_tls_is_answered_and_ended() {
    let server = start(bind().tls(Identity::new().tls()));
    let answer = String::from_utf8(server.answer(HANDSHAKE)).expect("it is text");
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("wss://"), "{answer}");
    // The type of a record with an alert (RFC 8446 section 5.1).
    assert_eq!(server.answer([0; 300])[0], 21);
}

#[test]
fn who_does_not_finish_its_handshake_is_ended_at_its_deadline() {
    let identity = Identity::new();
    let serve = |millis| {
        let config = Config { handshake: Duration::from_millis(millis), ..Config::default() };
        start(bind().config(config).tls(identity.tls()))
    };
    // Nothing, and the head of a record whose rest is missing.
    let server = serve(50);
    assert_eq!(server.answer("")[0], 21);
    assert_eq!(server.answer(b"\x16\x03\x01\x02\x00\x01")[0], 21);
    // A whole handshake without a request; a machine that is too slow for a deadline, and ends a handshake that the
    // client takes to be done, gets a longer one.
    let answer = [50, 500, 5_000, 50_000].into_iter().find_map(|millis| {
        let server = serve(millis);
        let mut answer = String::new();
        let mut stream = identity.stream(server.address());
        stream.read_to_string(&mut answer).ok().filter(|read| *read > 0).map(|_| answer)
    });
    let answer = answer.expect("it is not cut");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[test]
fn a_shutdown_closes_everybody_with_1001() {
    let identity = Identity::new();
    let server = start(bind().tls(identity.tls()));
    let mut client = identity.client(server.address());
    client.ask("echo", "echoed", json!("hi"));
    server.handle().shutdown();
    assert_eq!(client.closed(), (1001, "Server shutting down".into()));
}

fn start(server: Server) -> Served {
    let echo = Router::new()
        .send("echo", "echoed", |Payload(said): Payload<String>| said)
        .send("wait", "waited", async |Payload(said): Payload<String>, _: Guest| {
            futures_lite::future::yield_now().await;
            said.split(' ').next().and_then(|number| number.parse::<u32>().ok())
        })
        .send("subscriptions", "count", |app: App| app.metrics().subscriptions);
    let noise = TopicRoute::<(), String>::new("noise");
    let api = Api::new("Echo", "1.0.0").include(echo).include(noise);
    real::start(server, api)
}
