//! The firmware with a heap answers as its types say, and describes itself.

use fastws_embedded_client::Board;
use fastws_embedded_client::client::Client;
use std::io::{Read, Write};

#[test]
fn handlers_are_called_and_updates_come_by_the_boards_clock() {
    let board = board();
    let [mut ann, mut bob] = [client(&board), client(&board)];
    let subscribe = r#"{"type":"sensor.subscribe","payload":{"channel":3},"id":7}"#;
    let subscribed = r#"{"type":"sensor.subscribe.response","payload":"sensor:3","id":7}"#;
    assert_eq!(ann.ask(subscribe), [subscribed]);
    let set = r#"{"type":"sensor.interval","payload":{"millis":500}}"#;
    let interval = r#"{"type":"sensor.interval.response","payload":{"millis":500}}"#;
    assert_eq!(bob.ask(set), [interval]);
    board.wait(500);
    board.wait(499);
    board.wait(1);
    let reading = |number| {
        let payload = format!(r#"{{"number":{number},"value":-7}}"#);
        format!(r#"{{"type":"sensor.reading","topic":"sensor:3","payload":{payload}}}"#)
    };
    assert_eq!(ann.heard(), [reading(1), reading(2)]);
    assert!(bob.heard().is_empty());
    board.off();
}

#[test]
fn payloads_are_read_strictly() {
    let board = board();
    for payload in ["{}", "[500]", r#"{"millis":"500"}"#, r#"{"millis":4294967296}"#, "null"] {
        let mut ann = client(&board);
        let heard = ann.ask(&format!(r#"{{"type":"sensor.interval","payload":{payload}}}"#));
        assert_eq!(heard, ["close 1003 Could not validate payload", "end"], "{payload}");
    }
    board.off();
}

#[test]
fn the_board_serves_its_own_description() {
    let board = board();
    let mut socket = board.connect();
    let request = b"GET /asyncapi.json HTTP/1.1\r\nHost: board\r\n\r\n";
    socket.write_all(request).expect("the board reads");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("the answer ends");
    let answer = String::from_utf8(answer).expect("it is text");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for said in
        [r#""asyncapi":"3.0.0""#, r#""sensor.interval.response""#, "Listens to one channel."]
    {
        assert!(answer.contains(said), "{said} is missing: {answer}");
    }
    board.off();
}

#[test]
fn what_connections_took_from_the_heap_comes_back() {
    let heap_after = |visits| {
        let board = board();
        (0..visits).for_each(|_| visit(&board));
        let figures = board.off();
        println!("with a heap, after {visits} visits: {figures:?}");
        figures["heap"]
    };
    // Tables keep what the first visit made them grow to.
    assert_eq!(heap_after(1), heap_after(4));
}

/// As many as there may be come, one of them stops reading, and all leave.
fn visit(board: &Board) {
    let mut clients = [(); 4].map(|()| client(board));
    for (channel, client) in clients.iter_mut().enumerate() {
        let subscribe =
            format!(r#"{{"type":"sensor.subscribe","payload":{{"channel":{channel}}}}}"#);
        assert_eq!(client.ask(&subscribe).len(), 1);
    }
    assert_eq!(Client::open(board.connect()).err(), Some(503));
    clients[0].socket().takes(0);
    (0..5).for_each(|_| board.wait(1_000));
    assert_eq!([clients[0].heard().len(), clients[1].heard().len()], [0, 5]);
}

fn board() -> Board {
    Board::on("mps2-an385", "TYPED")
}

fn client(board: &Board) -> Client {
    Client::open(board.connect()).expect("there is a place")
}
