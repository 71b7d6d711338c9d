//! Which heads open a WebSocket, and what the others are told.

use fastws_core::handshake::{Headers, MAX_HEADERS, Refusal, read};
use proptest::prelude::*;

/// The example of RFC 6455 section 1.2, without its last empty line.
const HEAD: &str = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Origin: http://example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\n\
    Sec-WebSocket-Version: 13\r\n";

/// What becomes of a head: nothing yet, the answer to its key, or a refusal.
fn outcome(head: &[u8]) -> Option<Result<String, Refusal>> {
    let mut headers = Headers::new();
    match read(head, 0, &mut headers) {
        Ok(None) => None,
        Ok(Some(request)) => Some(request.upgrade().map(|accept| accept.as_str().to_owned())),
        Err(refusal) => Some(Err(refusal)),
    }
}

const ANSWER: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Number, what is replaced in the example, by what, and the refusal if any.
type Row = (u32, &'static str, &'static str, Option<Refusal>);

const ROWS: &[Row] = &[
    (1, "", "", None),
    (2, "\r\n", "\n", None),
    (3, "Upgrade: websocket", "upgrade:WebSocket", None),
    (4, "Upgrade: websocket", "UPGRADE: h2c, \t websocket ,", None),
    (5, "Upgrade: websocket", "Upgrade: h2c\r\nUpgrade: WEBSOCKET", None),
    (6, "Connection: Upgrade", "Connection: keep-alive, Upgrade", None),
    (7, "Connection: Upgrade", "Connection: keep-alive\r\nconnection: upgrade", None),
    (8, "Connection: Upgrade", "Connection:Upgrade,keep-alive", None),
    (9, "GET /chat", "GET http://server.example.com/chat", None),
    (10, "Origin: http://example.com\r\n", "", None),
    (11, "Sec-WebSocket-Protocol: chat, superchat\r\n", "", None),
    (12, "Host: server.example.com", "Host:", None),
    (13, "Sec-WebSocket-Version: 13", "sec-websocket-version:13 ", None),
    (14, "Origin", "Sec-WebSocket-Extensions: permessage-deflate\r\nX", None),
    (15, "GET /chat", "GET /chät", None),
    (21, "GET", "POST", Some(Refusal::MethodNotAllowed)),
    (22, "GET", "get", Some(Refusal::MethodNotAllowed)),
    (23, "GET", "HEAD", Some(Refusal::MethodNotAllowed)),
    (24, "GET", "OPTIONS", Some(Refusal::MethodNotAllowed)),
    (31, "Upgrade: websocket\r\n", "", Some(Refusal::UpgradeRequired)),
    (32, "Upgrade: websocket", "Upgrade: h2c", Some(Refusal::UpgradeRequired)),
    (33, "Upgrade: websocket", "Upgrade: websockets", Some(Refusal::UpgradeRequired)),
    (34, "Upgrade: websocket", "Upgrade: web socket", Some(Refusal::UpgradeRequired)),
    (35, "Connection: Upgrade\r\n", "", Some(Refusal::UpgradeRequired)),
    (36, "Connection: Upgrade", "Connection: close", Some(Refusal::UpgradeRequired)),
    (37, "Connection: Upgrade", "Connection: keep-alive", Some(Refusal::UpgradeRequired)),
    (41, "Sec-WebSocket-Version: 13\r\n", "", Some(Refusal::UnsupportedVersion)),
    (42, "Version: 13", "Version: 8", Some(Refusal::UnsupportedVersion)),
    (43, "Version: 13", "Version: 013", Some(Refusal::UnsupportedVersion)),
    (44, "Version: 13", "Version: 13, 8", Some(Refusal::UnsupportedVersion)),
    (45, "Origin", "Sec-WebSocket-Version: 13\r\nX", Some(Refusal::UnsupportedVersion)),
    (51, "Host: server.example.com\r\n", "", Some(Refusal::BadHost)),
    (52, "Origin", "Host: other.example.com\r\nX", Some(Refusal::BadHost)),
    (61, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", Some(Refusal::BadKey)),
    (62, "dGhlIHNhbXBsZSBub25jZQ==", "", Some(Refusal::BadKey)),
    (63, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ", Some(Refusal::BadKey)),
    (64, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j", Some(Refusal::BadKey)),
    (65, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZWU=", Some(Refusal::BadKey)),
    (66, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZWVl", Some(Refusal::BadKey)),
    (67, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZ_==", Some(Refusal::BadKey)),
    (68, "dGhlIHNhbXBsZSBub25jZQ==", "dGhl IHNhbXBsZSBub25jZQ==", Some(Refusal::BadKey)),
    (69, "Origin", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX", Some(Refusal::BadKey)),
    (
        70,
        "dGhlIHNhbXBsZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub25jZWVlZWVlZWVlZWVlZWVlZWVl",
        Some(Refusal::BadKey),
    ),
    (81, "HTTP/1.1", "HTTP/1.0", Some(Refusal::Malformed)),
    (82, "HTTP/1.1", "HTTP/2.0", Some(Refusal::Malformed)),
    (83, "HTTP/1.1", "HTTP/1.1 ", Some(Refusal::Malformed)),
    (84, " HTTP/1.1", "", Some(Refusal::Malformed)),
    (85, "GET /chat", "GET  /chat", Some(Refusal::Malformed)),
    (86, "GET", "G T", Some(Refusal::Malformed)),
    (87, "GET", "\r\nGET", Some(Refusal::Malformed)),
    (88, "GET", "\nGET", Some(Refusal::Malformed)),
    (89, "GET", " GET", Some(Refusal::Malformed)),
    (90, "Origin:", "Origin :", Some(Refusal::Malformed)),
    (91, "Origin:", " folded", Some(Refusal::Malformed)),
    (92, "Origin:", "Origin", Some(Refusal::Malformed)),
    (93, "Origin:", ":", Some(Refusal::Malformed)),
    (94, "example.com\r\nUpgrade", "example.com\0\r\nUpgrade", Some(Refusal::Malformed)),
    (95, "example.com\r\nUpgrade", "example.com\rUpgrade", Some(Refusal::Malformed)),
    (96, "GET", "\x16\x03\x01\x02\0\x01", Some(Refusal::Malformed)),
];

#[test]
fn every_head_of_the_table_gets_its_answer() {
    for &(number, from, to, refusal) in ROWS {
        let head = (HEAD.to_owned() + "\r\n").replace(from, to);
        let expected = refusal.map_or_else(|| Ok(ANSWER.to_owned()), Err);
        assert_eq!(outcome(head.as_bytes()), Some(expected), "row {number}");
    }
}

#[test]
fn refusals_have_their_status() {
    let rows = [
        (Refusal::Malformed, 400),
        (Refusal::BadHost, 400),
        (Refusal::BadKey, 400),
        (Refusal::Unauthorized, 401),
        (Refusal::Forbidden, 403),
        (Refusal::NotFound, 404),
        (Refusal::MethodNotAllowed, 405),
        (Refusal::TimedOut, 408),
        (Refusal::UpgradeRequired, 426),
        (Refusal::UnsupportedVersion, 426),
        (Refusal::HeadTooLarge, 431),
        (Refusal::TooManyConnections, 503),
    ];
    for (refusal, status) in rows {
        assert_eq!(refusal.status(), status, "{refusal}");
    }
}

#[test]
fn a_head_has_not_ended_before_its_end_however_it_is_split() {
    for head in [HEAD.to_owned() + "\r\n", (HEAD.to_owned() + "\r\n").replace("\r\n", "\n")] {
        let bytes = (head.clone() + "frames").into_bytes();
        for first in 0..head.len() {
            let mut headers = Headers::new();
            assert!(matches!(read(&bytes[..first], 0, &mut headers), Ok(None)), "at {first}");
            for second in first..=bytes.len() {
                let mut headers = Headers::new();
                let request = read(&bytes[..second], first, &mut headers).unwrap();
                assert_eq!(request.is_some(), second >= head.len(), "at {first} and {second}");
                if let Some(request) = request {
                    assert_eq!(request.len, head.len());
                    assert_eq!(request.upgrade().unwrap().as_str(), ANSWER);
                }
            }
        }
    }
}

#[test]
fn what_is_no_request_need_not_end_to_be_refused() {
    for start in
        ["\r", "\n", "\x16\x03\x01\x02", "GET / HTTP/3", "{\"type\":\"a\"}", "GET / HTTP/1.1\r\n x"]
    {
        assert_eq!(outcome(start.as_bytes()), Some(Err(Refusal::Malformed)), "{start:?}");
    }
}

#[test]
fn more_headers_than_fit_are_too_large_a_head() {
    for (count, expected) in [(MAX_HEADERS, None), (MAX_HEADERS + 1, Some(Refusal::HeadTooLarge))] {
        let head = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(count));
        let mut headers = Headers::new();
        assert_eq!(read(head.as_bytes(), 0, &mut headers).err(), expected);
    }
}

#[test]
fn a_target_is_split_into_path_and_query() {
    let rows = [
        ("/", "/", None),
        ("/ws", "/ws", None),
        ("/ws?", "/ws", Some("")),
        ("/ws?a=1?b", "/ws", Some("a=1?b")),
        ("/ws?u=http://x/y", "/ws", Some("u=http://x/y")),
        ("/a://b/c", "/a://b/c", None),
        ("/%77s", "/%77s", None),
        ("http://example.org", "/", None),
        ("http://example.org/ws", "/ws", None),
        ("wss://example.org:1/ws/x?q", "/ws/x", Some("q")),
        ("http://example.org?q=/x", "/", Some("q=/x")),
        ("*", "*", None),
    ];
    for (target, path, query) in rows {
        let head = format!("GET {target} HTTP/1.1\r\n\r\n");
        let mut headers = Headers::new();
        let request = read(head.as_bytes(), 0, &mut headers).unwrap().unwrap();
        assert_eq!((request.path, request.query), (path, query), "{target}");
    }
}

#[test]
fn headers_are_found_in_any_case_and_listed_in_order() {
    let head =
        b"GET / HTTP/1.1\r\nA: 1\r\nb:  2 \r\nSec-WebSocket-Protocol: x,\xff, y z\r\na: 3\r\n\
        sec-websocket-protocol: ,w\r\n\r\n";
    let mut headers = Headers::new();
    let request = read(head, 0, &mut headers).unwrap().unwrap();
    assert_eq!(request.header("a"), Some(&b"1"[..]));
    assert_eq!(request.header("B"), Some(&b"2"[..]));
    assert_eq!(request.header("c"), None);
    let names: Vec<_> = request.headers().map(|(name, _)| name).collect();
    assert_eq!(names, ["A", "b", "Sec-WebSocket-Protocol", "a", "sec-websocket-protocol"]);
    assert_eq!(request.protocols().collect::<Vec<_>>(), ["x", "y z", "w"]);
}

#[test]
fn an_upgrade_is_told_from_a_plain_request() {
    let rows = [
        ("", false),
        ("Upgrade: websocket\r\n", false),
        ("Connection: upgrade\r\n", false),
        ("Connection: upgrade\r\nUpgrade: h2c\r\n", false),
        ("Connection: upgrade\r\nUpgrade: websocket\r\n", true),
    ];
    for (lines, expected) in rows {
        let head = format!("POST / HTTP/1.0\r\n{lines}\r\n");
        let mut headers = Headers::new();
        let request = read(head.as_bytes(), 0, &mut headers).unwrap().unwrap();
        assert_eq!(request.is_upgrade(), expected, "{lines:?}");
    }
}

fn any_head() -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    let edited = edits.prop_map(|edits| {
        let mut head = (HEAD.to_owned() + "\r\nframes").into_bytes();
        for (place, byte) in edits {
            let place = place.index(head.len());
            head[place] = byte;
        }
        head
    });
    prop_oneof![3 => edited, 1 => prop::collection::vec(any::<u8>(), 0..300)]
}

proptest! {
    // law: 10
    #[test]
    fn no_bytes_panic(head in any_head(), seen in any::<prop::sample::Index>()) {
        let mut headers = Headers::new();
        let seen = seen.index(head.len() + 1);
        if let Ok(Some(request)) = read(&head, seen, &mut headers) {
            prop_assert!(request.len <= head.len());
            let _ = (request.upgrade(), request.protocols().count(), request.headers().count());
        }
    }

    // law: 7
    #[test]
    fn pieces_get_the_answer_of_the_whole(head in any_head(), size in 1_usize..40) {
        let whole = outcome(&head);
        let (mut seen, mut pieces) = (0, None);
        while pieces.is_none() && seen < head.len() {
            let arrived = (seen + size).min(head.len());
            let mut headers = Headers::new();
            pieces = match read(&head[..arrived], seen, &mut headers) {
                Ok(None) => None,
                Ok(Some(request)) => Some(request.upgrade().map(|accept| accept.as_str().to_owned())),
                Err(refusal) => Some(Err(refusal)),
            };
            seen = arrived;
        }
        // A fault far from any end may be noticed later, but never answered otherwise.
        if pieces.is_some() {
            prop_assert_eq!(pieces, whole);
        } else {
            prop_assert!(whole.is_none_or(|whole| whole.is_err()));
        }
    }
}
