//! Handshakes and pages of a real server, and the limits that a client meets before and beside its messages.

use crate::binding::{
    Api, App, Config, Failure, Guest, HttpError, Payload, Router, Server, Visitor,
};
use crate::real::{Served, bind, serve, serve_with};
use async_tungstenite::tungstenite::Error;
use fastws_tests::client::Client;
use fastws_tests::stage::stage;
use fastws_tests::witness::{Gate, Witness};
use fastws_tests::world::HANDSHAKE;
use serde_json::json;
use std::time::Duration;

fn start(server: Server) -> Served {
    let api = stage(&Witness::default(), &Gate::default());
    Served::new(server.start(api).expect("the API has no mistake"))
}

/// The status of a handshake with these headers beside the usual ones.
fn status(server: &Served, headers: &str) -> u16 {
    let head = server.head(handshake(headers));
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a head has a status")
}

fn handshake(headers: &str) -> String {
    HANDSHAKE.replace("Upgrade: websocket\r\n", &format!("Upgrade: websocket\r\n{headers}"))
}

// protocol: H1
#[test]
fn a_websocket_is_at_each_of_its_paths_and_wants_an_upgrade() {
    let server = start(bind().path("/a").path("/b/ws"));
    for path in ["/a", "/b/ws"] {
        let mut client = server.client_on(path);
        assert_eq!(client.ask("echo", "echo.response", json!(1)), 1);
        assert_eq!(server.fetch(path).0, 426);
    }
    match Client::try_connect(server.address(), "/ws") {
        Err(Error::Http(response)) => assert_eq!(response.status(), 404),
        other => panic!("there is nothing at /ws, and {:?} came", other.err()),
    }
    let server = start(bind());
    assert_eq!(server.client().ask("echo", "echo.response", json!(1)), 1);
    assert_eq!(server.fetch("/ws").0, 426);
}

// protocol: E18 H7 H8 D9
#[test]
fn a_page_of_another_host_is_refused_and_who_names_no_page_is_not() {
    let server = start(Server::bind("0.0.0.0:0").expect("there is a free port"));
    assert_eq!(status(&server, ""), 101);
    assert_eq!(status(&server, "Origin: https://example.org\r\n"), 101);
    assert_eq!(status(&server, "Origin: https://example.org:8443\r\n"), 101);
    for origin in ["https://evil.example", "https://example.org.evil.example", "null", ""] {
        assert_eq!(status(&server, &format!("Origin: {origin}\r\n")), 403, "{origin}");
    }
}

// protocol: E18 H7 D9
#[test]
fn an_allowlist_says_whose_pages_are_let_in() {
    let server = start(bind().origin("https://app.example.com").origin("https://*.example.net"));
    for origin in ["https://app.example.com", "https://a.b.example.net"] {
        assert_eq!(status(&server, &format!("Origin: {origin}\r\n")), 101, "{origin}");
    }
    for origin in ["http://app.example.com", "https://example.net", "http://localhost:3000"] {
        assert_eq!(status(&server, &format!("Origin: {origin}\r\n")), 403, "{origin}");
    }
    assert_eq!(status(&server, ""), 101);
}

// protocol: H9
#[test]
fn a_server_on_loopback_lets_in_pages_of_this_machine() {
    let server = start(bind());
    for origin in ["http://localhost:3000", "http://127.0.0.1:5173", "http://[::1]:8080"] {
        assert_eq!(status(&server, &format!("Origin: {origin}\r\n")), 101, "{origin}");
    }
    assert_eq!(status(&server, "Origin: http://evil.example\r\n"), 403);
}

// protocol: L8 L13
#[test]
fn a_handshake_of_more_than_16_kib_is_refused_as_soon_as_it_is_too_long() {
    let server = start(bind());
    let padded = |len: usize| {
        let rest = len - HANDSHAKE.len() - "X-Long: \r\n".len();
        handshake(&format!("X-Long: {}\r\n", "x".repeat(rest)))
    };
    assert!(server.head(padded(16 << 10)).starts_with("HTTP/1.1 101 "));
    // It has not ended when it is refused.
    let begun = &padded(17 << 10)[..(16 << 10) + 1];
    assert!(server.head(begun).starts_with("HTTP/1.1 431 "));
}

// protocol: E19
#[test]
fn whom_the_door_does_not_know_is_refused_with_401() {
    let door = |visitor: &Visitor<'_>| match visitor.bearer() {
        Some("secret") => Ok(()),
        _ => Err(HttpError::new(401, "tell your token")),
    };
    let api = stage(&Witness::default(), &Gate::default()).door(door);
    let server = Served::new(bind().start(api).expect("the API has no mistake"));
    assert_eq!(status(&server, "Authorization: Bearer secret\r\n"), 101);
    for headers in ["", "Authorization: Bearer guess\r\n", "Authorization: Basic secret\r\n"] {
        assert_eq!(status(&server, headers), 401, "{headers}");
    }
}

// protocol: L16
#[test]
fn a_subprotocol_is_chosen_from_what_both_know_or_none() {
    let offer = handshake("Sec-WebSocket-Protocol: v3, v2, v1\r\n");
    let chosen = |protocols: &[&str]| {
        let api = stage(&Witness::default(), &Gate::default()).protocols(protocols.to_vec());
        let server = Served::new(bind().start(api).expect("the API has no mistake"));
        let head = server.head(&offer);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let line = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Protocol: "));
        line.map(String::from)
    };
    assert_eq!(chosen(&["v1", "v2"]).as_deref(), Some("v2"));
    assert_eq!(chosen(&["v4"]), None);
    assert_eq!(chosen(&[]), None);
}

// protocol: L17
#[test]
fn compression_is_not_negotiated() {
    let server = start(bind());
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let head = server.head(handshake(offer));
    assert!(head.starts_with("HTTP/1.1 101 ") && !head.contains("Extensions"), "{head}");
    // A compressed frame has a bit set that nobody has agreed on.
    let answer = server.answer([handshake(offer).as_bytes(), b"\xc1\x80\0\0\0\0"].concat());
    assert!(answer.ends_with(b"reserved bits are set"));
}

// protocol: L14
#[test]
fn a_ping_is_answered_with_its_own_bytes() {
    let server = start(bind());
    let close = b"\x88\x80\0\0\0\0";
    let answer = server.answer([HANDSHAKE.as_bytes(), b"\x89\x82\0\0\0\0hi", close].concat());
    assert!(answer.ends_with(b"\x8a\x02hi\x88\x00"));
}

// protocol: L15
#[test]
fn a_peer_that_has_gone_without_a_word_is_noticed() {
    let soon = Duration::from_millis(1);
    let config = Config { ping: soon, pong: soon, ..Config::default() };
    let server = serve_with(config, stage(&Witness::default(), &Gate::default()));
    // It says nothing after its handshake, and does not end its stream.
    assert!(server.answer(HANDSHAKE).windows(2).any(|frame| frame == b"\x89\x00"));
}

#[test]
fn a_door_knows_the_address_of_its_visitor() {
    let door =
        |visitor: &Visitor<'_>| Ok(visitor.peer().expect("a socket has one").ip().to_string());
    let me = Router::new().send("me", "me.response", |name: Guest<String>| name.clone());
    let server = serve(Api::new("", "").door(door).include(me));
    assert_eq!(server.client().ask("me", "me.response", json!(null)), "127.0.0.1");
}

#[test]
fn a_request_is_answered_beside_the_websocket() {
    let notify = async |Payload(text): Payload<String>, app: App| -> Result<usize, Failure> {
        Ok(app.publisher().broadcast("notification", &text)?.await)
    };
    let router = Router::new().recv::<String>("notification");
    let server = serve(Api::new("News", "1").include(router).post("/notify", notify));
    let mut client = server.client();
    let answer = server.answer(
        "POST /notify HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         Content-Length: 4\r\n\r\n\"hi\"",
    );
    assert!(answer.ends_with(b"\r\n\r\n1"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(client.hear_payload("notification"), "hi");
    assert_eq!(server.fetch("/notify").0, 405);
}

#[test]
fn settings_that_could_not_be_served_are_told_before_anybody_connects() {
    let told = |server: Server| match server.start(Api::new("", "")) {
        Ok(_) => panic!("there is a mistake"),
        Err(error) => error.to_string(),
    };
    assert_eq!(
        told(bind().origin("example.org")),
        "`example.org` is no origin of web pages: write `https://example.org`, \
         `https://*.example.org` or `*`"
    );
    assert_eq!(told(bind().path("ws")), "`ws` is no path: write `/ws`");
}
