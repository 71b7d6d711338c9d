//! The core's example of a loop of one's own, as a process: real clients speak to it. Knows no engine.

use async_tungstenite::tungstenite::{Error, Message};
use fastws_tests::client::{Client, until, within};
use fastws_tests::world::HANDSHAKE;
use serde_json::json;
use socket2::{Domain, Socket, Type};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

#[test]
fn who_asks_is_answered_and_who_listens_is_told() {
    let server = Example::start(&[]);
    let [mut ann, mut bob] = [server.client(), server.client()];
    assert_eq!(ann.ask("join", "joined", json!("lobby")), "lobby");
    assert_eq!(bob.ask("join", "joined", json!("lobby")), "lobby");
    assert_eq!(bob.ask("join", "denied", json!("")), "the topic's name is empty or too long");
    ann.say("say", json!("hello"));
    let update = json!({"type": "said", "topic": "lobby", "payload": "hello"});
    assert_eq!([ann.hear(), bob.hear()], [update.clone(), update]);
    ann.ask("leave", "left", json!("lobby"));
    bob.say("say", json!("anybody?"));
    assert_eq!(bob.hear()["payload"], "anybody?");
    assert_eq!(ann.ask("echo", "echoed", json!([1.5, null])), json!([1.5, null]));
    ann.leave();
    bob.leave();
}

#[test]
fn what_another_thread_has_done_ends_the_wait_and_keeps_its_place() {
    let server = Example::start(&[]);
    let mut ann = server.client();
    let nap = json!({"type": "nap", "payload": 100, "id": 7});
    ann.say_together([nap, json!({"type": "echo", "id": 8})]);
    assert_eq!(ann.hear(), json!({"type": "rested", "id": 7}));
    assert_eq!(ann.hear(), json!({"type": "echoed", "payload": null, "id": 8}));
}

#[test]
fn who_asks_more_than_there_is_room_for_is_read_again_once_its_call_has_ended() {
    let server = Example::start(&[]);
    let mut ann = server.client();
    let payload = "x".repeat(1_000);
    let echo = |id| json!({"type": "echo", "payload": payload, "id": id});
    // In one segment with what waits for it, or what waits might come too late.
    let nap = json!({"type": "nap", "payload": 300});
    ann.say_together(std::iter::once(nap).chain((0..200).map(echo)));
    assert_eq!(ann.hear()["type"], "rested");
    for id in 0..200 {
        assert_eq!(ann.hear()["id"], id);
    }
}

#[test]
fn a_ping_is_answered_and_the_longest_message_comes_through() {
    let server = Example::start(&[]);
    let mut ann = server.client();
    ann.send(Message::Ping("hi".into()));
    let text = "x".repeat((64 << 10) - 28);
    assert_eq!(ann.ask("echo", "echoed", json!(text)), json!(text));
}

#[test]
fn what_is_wrong_with_a_message_closes_its_connection_and_no_other() {
    let server = Example::start(&[]);
    let mut bob = server.client();
    for (text, close) in [
        ("hello", (1003, "Could not decode message")),
        (r#"{"type":"nothing"}"#, (1003, "No matching type")),
        (r#"{"type":"join","payload":1}"#, (1003, "Could not validate payload")),
    ] {
        let mut ann = server.client();
        ann.say_text(text);
        let (code, reason) = ann.closed();
        assert_eq!((code, reason.as_str()), close);
        bob.ask("echo", "echoed", json!(1));
    }
}

#[test]
fn who_never_reads_is_closed_for_its_backlog_while_others_are_served() {
    let server = Example::start(&["--backlog", "65536"]);
    let [mut ann, mut bob] = [server.narrow_client(), server.client()];
    ann.ask("join", "joined", json!("lobby"));
    bob.ask("join", "joined", json!("lobby"));
    // More than the sockets in between hold.
    let text = json!("x".repeat(60 << 10));
    for _ in 0..128 {
        bob.say("say", text.clone());
        assert_eq!(bob.hear()["payload"], text);
    }
    assert_eq!(ann.closed(), (1008, "Slow consumer".into()));
    bob.ask("echo", "echoed", json!("still there"));
}

#[test]
fn who_reads_slowly_and_asks_much_hears_every_answer_in_order() {
    let server = Example::start(&["--backlog", "65536"]);
    let mut ann = server.stream();
    ann.write_all(HANDSHAKE.as_bytes()).expect("it is open");
    let mut speaking = ann.try_clone().expect("there are descriptors");
    // More than the sockets and the backlog hold: the server stops to read.
    let speaker = thread::spawn(move || {
        for number in 0..2_000 {
            speaking.write_all(&masked(&echo(number))).expect("the server reads on in the end");
        }
        speaking
    });
    let mut heard = BufReader::new(ann);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        heard.read_line(&mut line).expect("the server answers");
    }
    for number in 0..2_000 {
        let expected = echo(number).replace("\"echo\"", "\"echoed\"");
        let mut frame = vec![0; 4 + expected.len()];
        heard.read_exact(&mut frame).expect("the server answers");
        assert_eq!(frame[4..], *expected.as_bytes(), "answer {number}");
    }
    drop(speaker.join().expect("all was sent"));
}

#[test]
fn who_is_silent_for_its_heartbeat_is_closed() {
    let server = Example::start(&["--heartbeat-ms", "20"]);
    let reason = "Connection timed out. Heartbeat interval 0.02. Max connection lifespan unset";
    assert_eq!(server.client().closed(), (1003, reason.into()));
}

#[test]
fn who_says_no_more_and_who_is_gone_without_a_word_leave_their_place_to_others() {
    let server = Example::start(&["--connections", "1"]);
    for half in [true, false] {
        let mut ann = server.stream();
        ann.write_all(HANDSHAKE.as_bytes()).expect("it is open");
        let mut head = [0; 12];
        ann.read_exact(&mut head).expect("the server answers");
        assert_eq!(head, *b"HTTP/1.1 101");
        match Client::try_connect(server.address, "/ws") {
            Err(Error::Http(response)) => assert_eq!(response.status(), 503),
            other => panic!("there was a second place: {:?}", other.map(drop)),
        }
        if half {
            ann.shutdown(Shutdown::Write).expect("it is open");
            ann.read_to_end(&mut Vec::new()).expect("the server ends its side");
        }
        // With bytes unread, this is a reset.
        drop(ann);
        let mut bob = None;
        until(|| {
            bob = Client::try_connect(server.address, "/ws").ok();
            bob.is_some()
        });
        let mut bob = bob.expect("it was let in");
        bob.ask("echo", "echoed", json!(1));
        bob.leave();
    }
}

#[test]
fn a_server_that_is_told_to_end_lets_everybody_go_and_ends() {
    for (signal, count) in [("-INT", 2), ("-TERM", 2), ("-TERM", 0)] {
        let mut server = Example::start(&["--drain-ms", "0"]);
        let mut clients: Vec<Client> = (0..count).map(|_| server.client()).collect();
        for client in &mut clients {
            client.ask("echo", "echoed", json!(1));
        }
        server.kill(signal);
        for client in &mut clients {
            assert_eq!(client.closed(), (1001, "Server shutting down".into()));
        }
        drop(clients);
        let mut status = None;
        until(|| {
            status = server.child.try_wait().expect("it is our child");
            status.is_some()
        });
        assert_eq!(status.and_then(|status| status.code()), Some(0));
    }
}

fn echo(number: u32) -> String {
    format!(r#"{{"type":"echo","payload":"{number:0>1000}"}}"#)
}

/// A text frame of 126 bytes or more, whose mask changes nothing.
fn masked(text: &str) -> Vec<u8> {
    let len = u16::try_from(text.len()).expect("it is short").to_be_bytes();
    [&[0x81, 0xfe, len[0], len[1], 0, 0, 0, 0], text.as_bytes()].concat()
}

/// The example, which is killed when it is dropped.
struct Example {
    child: Child,
    address: SocketAddr,
}

impl Example {
    fn start(options: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_polling"));
        // What is to happen by the clock is set where it happens.
        let command = command.args(["--listen", "127.0.0.1:0"]);
        let command = command.args(["--ping-ms", "3600000", "--closing-ms", "3600000"]);
        let command = command.args(options);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the example runs");
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("it says where it listens");
        Self { child, address: line.trim().parse().expect("it is an address") }
    }

    fn client(&self) -> Client {
        Client::connect(self.address, "/ws")
    }

    /// Its socket takes little that is not heard.
    fn narrow_client(&self) -> Client {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are descriptors");
        socket.set_recv_buffer_size(4 << 10).expect("it is open");
        socket.connect(&self.address.into()).expect("the example listens");
        socket.set_nonblocking(true).expect("it is open");
        let stream = smol::net::TcpStream::try_from(TcpStream::from(socket));
        let stream = stream.expect("it can be watched");
        let client = within(Client::shake(&format!("ws://{}/ws", self.address), stream));
        client.expect("the example takes a client")
    }

    fn stream(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the example listens");
        let patience = Some(Duration::from_secs(30));
        stream.set_read_timeout(patience).expect("it is not zero");
        stream.set_write_timeout(patience).expect("it is not zero");
        stream
    }

    fn kill(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(status.expect("there is a kill").success());
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // It only fails where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
