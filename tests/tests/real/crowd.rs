//! What two bad listeners among a thousand cost the others.

use crate::LONE;
use fastws_host::descriptors;
use fastws_host::peer::Peer;
use fastws_tests::bare;
use fastws_tests::client::Client;
use fastws_tests::lone::{Lone, config};
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

// protocol: D6 E15
#[test]
fn one_that_never_reads_and_one_that_is_reset_cost_a_thousand_others_nothing() {
    let sockets = CROWD as u32 + 3;
    assert_eq!(descriptors::cap(sockets), sockets, "the test itself needs descriptors");
    let mut server = Lone::start(LONE, &[]);
    let before = server.resident("VmRSS");
    let mut control = Client::connect(server.address(), "/ws");
    let mut others: Vec<TcpStream> =
        (0..CROWD).map(|_| listen(bare::connect(server.address()))).collect();
    let [mut slow, reset] = [(); 2].map(|()| listen(connect(server.address())));
    let mut reset = Some(reset);
    let mut listeners = || control.ask("subscriptions", "count", Value::Null);
    assert_eq!(listeners(), CROWD + 2);

    let mut published = Vec::new();
    while listeners() != CROWD {
        assert!(published.len() < 64 << 20, "who never reads is closed at its limit");
        let start = published.len();
        for number in start / FRAME..start / FRAME + AHEAD {
            let update = update(number);
            server.publish(&update);
            published.extend(frame(&update));
        }
        for other in &mut others {
            let mut heard = vec![0; published.len() - start];
            other.read_exact(&mut heard).expect("the updates come");
            assert!(heard == published[start..], "each update comes once and in order");
        }
        if let Some(reset) = reset.take() {
            // It has not read anything either.
            Socket::from(reset).set_linger(Some(Duration::ZERO)).expect("it is open");
        }
    }
    let grown = server.resident("VmHWM") - before;
    assert!(grown <= limit(), "{grown} bytes of memory, where the limits add up to {}", limit());

    // The server ends the stream when its close is answered.
    slow.write_all(&Peer::default().close_frame(1000, "")).expect("it is open");
    let mut heard = Vec::new();
    slow.read_to_end(&mut heard).expect("it is closed, not reset");
    let updates = heard.strip_suffix(b"\x88\x0f\x03\xf0Slow consumer").expect("a close comes last");
    assert!(published.starts_with(updates) && updates.len().is_multiple_of(FRAME));
    for other in &mut others {
        other.set_nonblocking(true).expect("it is open");
        let more = other.read(&mut [0]).expect_err("nobody was closed, and nothing more was said");
        assert_eq!(more.kind(), ErrorKind::WouldBlock);
    }
}

/// What the section "Limits of memory" of ARCHITECTURE.md comes to, where only one backlog is filled and
/// so many updates at most are on their way.
fn limit() -> usize {
    let config = config();
    let [message, backlog, turn] =
        [config.message_bytes, config.backlog_bytes, config.turn_bytes].map(|bytes| bytes as usize);
    let connections = (CROWD + 3) * (ROW + message + message) + backlog;
    let mail = AHEAD * FRAME;
    connections + SHARDS * (turn + FRAME + mail) + ROW + "noise".len()
}

/// A client whose socket takes little that it is not asked for.
fn connect(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are descriptors");
    socket.set_recv_buffer_size(4 << 10).expect("it is open");
    socket.connect(&address.into()).expect("the server listens");
    bare::shake(socket.into())
}

fn listen(mut stream: TcpStream) -> TcpStream {
    bare::say(&mut stream, r#"{"type":"noise.subscribe"}"#, 1);
    let reply = bare::hear(&mut stream);
    assert_eq!(reply["payload"]["status"], "ok", "{reply}");
    stream
}

/// Update number so-and-so as it is published.
fn update(number: usize) -> String {
    format!("{number:0>8}{}", "x".repeat(4 << 10))
}

/// The frame of an update as its listeners get it.
fn frame(update: &str) -> Vec<u8> {
    bare::frame(&format!(r#"{{"type":"noise.update","topic":"noise","payload":"{update}"}}"#))
}

/// Bytes of one update's frame.
const FRAME: usize =
    4 + r#"{"type":"noise.update","topic":"noise","payload":""}"#.len() + 8 + (4 << 10);
/// Updates that are published together; then everybody reads.
const AHEAD: usize = 16;
const CROWD: usize = 1_000;
const SHARDS: usize = 2;
/// What a connection and its subscription take in the tables; `tests/bench` holds the same number.
const ROW: usize = 550;
