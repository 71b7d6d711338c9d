//! The firmware without a heap keeps what the protocol promises, and its limits.

use fastws_embedded_client::client::Client;
use fastws_embedded_client::{Board, Socket};
use std::io::{ErrorKind, Read, Write};

#[test]
fn a_foreign_client_gets_typed_answers() {
    let board = board();
    let mut ann = client(&board);
    assert_eq!(
        ann.ask(r#"{"type":"lamp.ask","id":1}"#),
        [r#"{"type":"lamp.ask.response","payload":"off","id":1}"#]
    );
    assert!(ann.ask(r#"{"payload":"on","type":"lamp.switch"}"#).is_empty());
    assert_eq!(
        ann.ask(r#"{"type":"lamp.ask"}"#),
        [r#"{"type":"lamp.ask.response","payload":"on"}"#]
    );
    // Other members are ignored, escapes are decoded, numbers are exact.
    let set =
        r#"{"type":"sensor.\u0069nterval","payload":{"why":[{}],"millis":4294967295},"id":"a"}"#;
    let reply = r#"{"type":"sensor.interval.response","payload":{"millis":4294967295},"id":"a"}"#;
    assert_eq!(ann.ask(set), [reply]);
    board.off();
}

#[test]
fn readings_come_by_the_boards_clock_to_whoever_listens() {
    let board = board();
    let [mut ann, mut bob] = [client(&board), client(&board)];
    assert_eq!(ann.ask(&subscribe(3)), [subscribed(3)]);
    assert_eq!(bob.ask(&subscribe(4)), [subscribed(4)]);
    assert_eq!(bob.ask(&subscribe(3)), [subscribed(3)]);
    board.wait(1_000);
    assert_eq!(ann.heard(), [reading(3, 1, 299)]);
    assert_eq!(bob.heard(), [reading(3, 1, 299), reading(4, 1, 399)]);

    bob.ask(r#"{"type":"sensor.interval","payload":{"millis":500}}"#);
    assert_eq!(bob.ask(&unsubscribe(3)), [unsubscribed(3)]);
    board.wait(499);
    assert_eq!([ann.heard(), bob.heard()], [[""; 0]; 2]);
    board.wait(1);
    assert_eq!(ann.heard(), [reading(3, 2, 298)]);
    assert_eq!(bob.heard(), [reading(4, 2, 398)]);

    // Whose subscriber has gone is not measured any more.
    ann.socket().end();
    assert!(ann.socket().is_gone());
    board.wait(500);
    assert_eq!(bob.heard(), [reading(4, 3, 397)]);
    board.off();
}

#[test]
fn an_update_never_overtakes_the_reply_that_announced_it() {
    let board = board();
    let mut ann = client(&board);
    for text in [r#"{"type":"lamp.watch"}"#, r#"{"type":"lamp.switch","payload":"on"}"#] {
        assert!(ann.say(text));
    }
    let watching =
        r#"{"type":"lamp.watch.response","payload":{"status":"ok","message":"","topic":"lamp"}}"#;
    assert_eq!(ann.heard(), [watching, LAMP_ON]);
    board.off();
}

#[test]
fn a_silent_client_is_pinged_and_one_without_a_heartbeat_is_closed() {
    let board = board();
    let mut ann = client(&board);
    let bob = client(&board);
    board.wait(24_999);
    assert!(ann.heard().is_empty());
    board.wait(1);
    assert_eq!(ann.heard(), ["ping"]);
    assert!(ann.flush());
    // Bob does not even read.
    board.wait(10_000);
    assert!(bob.socket().is_gone() && !ann.socket().is_gone());
    board.wait(24_999);
    assert_eq!(ann.heard(), ["ping"]);
    board.wait(1);
    let reason = "Connection timed out. Heartbeat interval 60. Max connection lifespan unset";
    assert_eq!(ann.heard(), [format!("close 1003 {reason}"), "end".to_owned()]);
    board.off();
}

#[test]
fn the_fifth_connection_is_refused_until_another_has_ended() {
    let board = board();
    let mut four = [(); 4].map(|()| client(&board));
    assert_eq!(Client::open(board.connect()).err(), Some(503));
    // While one shakes hands, nobody else can even be told.
    let mut slow = board.connect();
    slow.write_all(b"GET /ws HTTP/1.1\r\n").expect("it is seated");
    assert!(board.connect().is_gone() && !slow.is_gone());
    board.wait(10_000);
    assert!(text(&mut slow).starts_with("HTTP/1.1 408 "));
    drop(slow);

    for (number, client) in four.iter_mut().enumerate() {
        assert_eq!(client.ask(&subscribe(number)), [subscribed(number)]);
    }
    four[2].socket().end();
    let mut fifth = client(&board);
    assert_eq!(fifth.ask(&subscribe(2)), [subscribed(2)]);
    assert_eq!(Client::open(board.connect()).err(), Some(503));
    board.off();
}

#[test]
fn the_seventeenth_topic_is_refused_and_nothing_else_changes() {
    let board = board();
    let [mut ann, mut bob] = [client(&board), client(&board)];
    for channel in 0..16 {
        assert_eq!(ann.ask(&subscribe(channel)), [subscribed(channel)]);
    }
    let message = "the server has as many topics as it may have";
    let refused = |topic| {
        let payload = format!(r#"{{"status":"error","message":"{message}","topic":"{topic}"}}"#);
        format!(r#"{{"type":"sensor.subscribe.response","payload":{payload}}}"#)
    };
    assert_eq!(bob.ask(&subscribe(16)), [refused("sensor:16")]);
    // A topic that is there has room for one more.
    assert_eq!(bob.ask(&subscribe(15)), [subscribed(15)]);
    board.wait(1_000);
    assert_eq!(ann.heard().len(), 16);
    assert_eq!(bob.heard(), [reading(15, 1, 1_499)]);
    assert_eq!(ann.ask(&unsubscribe(7)), [unsubscribed(7)]);
    assert_eq!(bob.ask(&subscribe(16)), [subscribed(16)]);
    board.off();
}

#[test]
fn bad_input_is_closed_with_its_code_and_harms_nobody_else() {
    const UNREADABLE: &str = "close 1003 Could not decode message";
    const INVALID: &str = "close 1003 Could not validate payload";
    let board = board();
    let mut witness = client(&board);
    let long = format!(r#"{{"type":"lamp.ask","id":"{}"}}"#, "x".repeat(512));
    let cases: [(&[u8], &str); 13] = [
        (&masked(0x81, b"{\"type\":"), UNREADABLE),
        (&masked(0x81, b"{\"type\":\"lamp.ask\",\"type\":\"lamp.ask\"}"), UNREADABLE),
        (&masked(0x81, b"{\"type\":\"lamp.ask\",\"payload\":[[[[]]]]}"), UNREADABLE),
        (&masked(0x82, b"{\"type\":\"lamp.ask\"}"), UNREADABLE),
        (&masked(0x81, b"{\"type\":\"lamp.sing\"}"), "close 1003 No matching type"),
        (&masked(0x81, b"{\"type\":\"lamp.switch\",\"payload\":\"dim\"}"), INVALID),
        (&masked(0x81, b"{\"type\":\"lamp.switch\"}"), INVALID),
        (&masked(0x81, b"{\"type\":\"sensor.subscribe\",\"payload\":{\"channel\":20}}"), INVALID),
        (
            &masked(0x81, b"{\"type\":\"sensor.interval\",\"payload\":{\"millis\":4294967296}}"),
            INVALID,
        ),
        (&masked(0x81, b"\xff"), "close 1007 "),
        (&masked(0x81, long.as_bytes()), "close 1009 "),
        (b"\x81\x02{}", "close 1002 "),
        (&masked(0xc1, b"{}"), "close 1002 "),
    ];
    for (bytes, expected) in cases {
        let mut mallory = client(&board);
        mallory.say_raw(bytes);
        let heard = mallory.heard();
        assert!(heard[0].starts_with(expected), "{} became {heard:?}", bytes.escape_ascii());
        assert_eq!(heard[1..], ["end"], "{}", bytes.escape_ascii());
    }
    assert_eq!(witness.ask(r#"{"type":"lamp.ask"}"#), [LAMP_IS_OFF]);
    board.off();
}

#[test]
fn bytes_in_any_pieces_are_the_same_messages() {
    let board = board();
    let mut ann = board.connect();
    let request =
        b"GET /ws HTTP/1.1\r\nHost: board\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let messages = [
        // In three frames, with a ping between them.
        masked(0x01, b"{\"type\":\"lam"),
        masked(0x00, b"p.ask\","),
        masked(0x89, b"?"),
        masked(0x80, b"\"id\":1}"),
        masked(0x81, b"{\"type\":\"lamp.ask\"}"),
    ];
    for byte in request.iter().chain(&messages.concat()) {
        ann.write_all(&[*byte]).expect("the board reads");
    }
    let said = text(&mut ann);
    let (head, frames) = said.split_once("\r\n\r\n").expect("a head ends");
    // RFC 6455 section 1.3 has the answer to this key.
    assert!(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    let expected = format!(
        "\u{8a}\u{1}?\u{81}\u{33}{}\u{81}\u{2c}{LAMP_IS_OFF}",
        r#"{"type":"lamp.ask.response","payload":"off","id":1}"#
    );
    assert_eq!(frames, expected);
    board.off();
}

#[test]
fn a_reader_that_stops_gets_the_newest_readings_and_is_told_of_the_gap() {
    let board = board();
    let [mut ann, mut bob] = [client(&board), client(&board)];
    ann.ask(&subscribe(1));
    bob.ask(&subscribe(1));
    ann.socket().takes(0);
    for number in 1..=5 {
        board.wait(1_000);
        assert_eq!(bob.heard(), [reading(1, number, 100 - number as i32)]);
    }
    ann.socket().takes(u32::MAX);
    let gap =
        r#"{"type":"sensor.gap","topic":"sensor:1","payload":{"topic":"sensor:1","dropped":4}}"#;
    // The number is written where it was counted, with room for a longer one.
    let heard = ann.heard().into_iter().map(|message| message.replace(' ', ""));
    assert_eq!(heard.collect::<Vec<_>>(), [gap.to_owned(), reading(1, 5, 95)]);
    board.off();
}

#[test]
fn a_reader_that_may_miss_nothing_and_never_reads_is_closed() {
    let board = board();
    let [mut ann, mut bob] = [client(&board), client(&board)];
    ann.ask(r#"{"type":"lamp.watch"}"#);
    bob.ask(r#"{"type":"lamp.watch"}"#);
    ann.socket().takes(0);
    for _ in 0..20 {
        assert_eq!(bob.ask(r#"{"type":"lamp.switch","payload":"on"}"#), [LAMP_ON]);
    }
    // What was begun is finished; of the rest only the close is said.
    ann.socket().takes(u32::MAX);
    assert_eq!(ann.heard(), ["close 1008 Slow consumer", "end"]);
    board.off();
}

#[test]
fn requests_of_a_client_that_does_not_read_wait_on_its_side() {
    let board = board();
    let [mut ann, mut bob] = [client(&board), client(&board)];
    ann.socket().takes(0);
    let mut asked = 0;
    while ann.say(&format!(r#"{{"type":"lamp.ask","id":{asked}}}"#)) {
        asked += 1;
        assert!(asked < 1_000, "a board has no room for all that");
    }
    assert_eq!(bob.ask(r#"{"type":"lamp.ask"}"#), [LAMP_IS_OFF]);
    ann.socket().takes(u32::MAX);
    assert!(ann.flush());
    let replies = (0..=asked)
        .map(|id| format!(r#"{{"type":"lamp.ask.response","payload":"off","id":{id}}}"#));
    assert_eq!(ann.heard(), replies.collect::<Vec<_>>());
    board.off();
}

#[test]
fn a_panic_ends_the_run_and_says_where() {
    let (success, printed) = board().end(&[0xff; 4]);
    assert!(
        !success && printed.contains("panicked at ") && printed.contains("driver.rs:"),
        "{printed}"
    );
}

/// Prints what `core/README.md` has in its table.
#[test]
fn it_stays_within_its_limits() {
    let board = board();
    let mut four = [(); 4].map(|()| client(&board));
    for (number, client) in four.iter_mut().enumerate() {
        (0..4).for_each(|n| drop(client.ask(&subscribe(number * 4 + n))));
        client.ask(r#"{"type":"lamp.watch"}"#);
    }
    four[3].socket().takes(0);
    for _ in 0..100 {
        four.iter_mut().take(3).for_each(|client| {
            client.heard();
            client.say(r#"{"type":"lamp.switch","payload":"on"}"#);
        });
        board.wait(1_000);
    }
    four[0].say_raw(&masked(0x81, b"\xff"));
    four.iter_mut().for_each(|client| drop(client.heard()));
    let figures = board.off();
    println!("without a heap: {figures:?}");
    let code = figures["text"] + figures["rodata"] + figures["data"];
    for (name, bytes, limit) in [
        ("code", code, CODE),
        ("RAM of a connection", figures["connection"], CONNECTION),
        ("stack", figures["stack"], STACK),
    ] {
        assert!(bytes <= limit, "{name} takes {bytes} bytes, and may take {limit}");
    }
}

/// With some room for a library that was built for speed.
const CODE: usize = 72 << 10;
const CONNECTION: usize = 2 << 10;
const STACK: usize = 6 << 10;

const LAMP_ON: &str = r#"{"type":"lamp.is","topic":"lamp","payload":"on"}"#;
const LAMP_IS_OFF: &str = r#"{"type":"lamp.ask.response","payload":"off"}"#;

fn board() -> Board {
    Board::on("lm3s6965evb", "LENT")
}

fn client(board: &Board) -> Client {
    Client::open(board.connect()).expect("there is a place")
}

fn subscribe(channel: usize) -> String {
    format!(r#"{{"type":"sensor.subscribe","payload":{{"channel":{channel}}}}}"#)
}

fn unsubscribe(channel: usize) -> String {
    format!(r#"{{"type":"sensor.unsubscribe","payload":{{"channel":{channel}}}}}"#)
}

fn subscribed(channel: usize) -> String {
    done("subscribe", channel)
}

fn unsubscribed(channel: usize) -> String {
    done("unsubscribe", channel)
}

fn done(what: &str, channel: usize) -> String {
    let payload = format!(r#"{{"status":"ok","message":"","topic":"sensor:{channel}"}}"#);
    format!(r#"{{"type":"sensor.{what}.response","payload":{payload}}}"#)
}

fn reading(channel: usize, number: u32, value: i32) -> String {
    let payload = format!(r#"{{"number":{number},"value":{value}}}"#);
    format!(r#"{{"type":"sensor.reading","topic":"sensor:{channel}","payload":{payload}}}"#)
}

/// A frame as clients send it (RFC 6455 section 5.2).
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(0x80 | len as u8),
        len => frame.extend([0x80 | 126, (len >> 8) as u8, len as u8]),
    }
    let key = [1, 2, 3, 4];
    frame.extend(key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// All that has come, each byte as a character.
fn text(socket: &mut Socket) -> String {
    let mut bytes = Vec::new();
    if let Err(error) = socket.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
    bytes.into_iter().map(char::from).collect()
}
