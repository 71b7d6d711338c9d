//! A client without a buffer of its own, of which a test can have a thousand. Knows frames, no server.

use crate::world::HANDSHAKE;
use fastws_core::frame::{Head, Opcode};
use fastws_host::peer::Peer;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Connects, and opens a WebSocket on `/ws`.
pub fn connect(address: SocketAddr) -> TcpStream {
    shake(TcpStream::connect(address).expect("the server listens"))
}

/// Opens a WebSocket on a stream.
pub fn shake(mut stream: TcpStream) -> TcpStream {
    // Whoever says two things in a row would else wait for the server's system to acknowledge the first.
    stream.set_nodelay(true).expect("it is open");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("it is not zero");
    stream.write_all(HANDSHAKE.as_bytes()).expect("it is open");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the server answers");
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    stream
}

/// Sends messages in one segment, as far as they are short.
pub fn say(stream: &mut TcpStream, message: &str, times: usize) {
    let frame = Peer::default().frame(Opcode::Text, message.as_bytes());
    stream.write_all(&frame.repeat(times)).expect("it is open");
}

/// The next message, which is short.
pub fn hear(stream: &mut TcpStream) -> Value {
    let mut head = [0; 2];
    stream.read_exact(&mut head).expect("the server answers");
    let mut message = vec![0; head[1].into()];
    stream.read_exact(&mut message).expect("the server answers");
    serde_json::from_slice(&message).expect("a short message is its frame's payload")
}

/// A message's frame as a server sends it.
pub fn frame(message: &str) -> Vec<u8> {
    let head = Head::new(Opcode::Text, message.len(), None);
    [head.as_slice(), message.as_bytes()].concat()
}
