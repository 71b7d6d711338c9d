//! A real server of its own for a test, which ends it and leaves nothing behind. Knows no protocol.

use crate::client::Client;
use fastws_host::server::{Binding, Running};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::ops::Deref;
use std::time::Duration;

/// A server on a free port of this machine.
///
/// When it is dropped it is shut down, and then nothing may be left of anybody. Its clients go first,
/// or it waits until they have answered its close.
pub struct Served<B: Binding>(Option<Running<B>>);

impl<B: Binding> Served<B> {
    /// Takes over a server that a test has started.
    pub fn new(running: Running<B>) -> Self {
        Self(Some(running))
    }

    /// Where this machine reaches its first address.
    pub fn address(&self) -> SocketAddr {
        let mut address = self.handle().addresses()[0];
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        address
    }

    /// A client on `/ws`.
    pub fn client(&self) -> Client {
        self.client_on("/ws")
    }

    /// A client on another path.
    pub fn client_on(&self, path: &str) -> Client {
        Client::connect(self.address(), path)
    }

    /// Bytes on a connection of their own, and all that is answered until its end.
    pub fn answer(&self, request: impl AsRef<[u8]>) -> Vec<u8> {
        let mut answer = Vec::new();
        let mut stream = self.send(request.as_ref());
        stream.read_to_end(&mut answer).expect("the server answers and ends");
        answer
    }

    /// The head of what is answered to a request, also where it opens a WebSocket.
    pub fn head(&self, request: impl AsRef<[u8]>) -> String {
        let lines = BufReader::new(self.send(request.as_ref())).lines();
        let lines = lines.map(|line| line.expect("the server answers"));
        lines.take_while(|line| !line.is_empty()).map(|line| line + "\r\n").collect()
    }

    fn send(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address()).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("it is not zero");
        stream.write_all(bytes).expect("it is open");
        stream
    }

    /// The status and the body of a plain request.
    pub fn fetch(&self, path: &str) -> (u16, String) {
        let answer =
            self.answer(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address()));
        let answer = String::from_utf8(answer).expect("a page is text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head ends with an empty line");
        let status = head.split(' ').nth(1).expect("a status line has a status");
        (status.parse().expect("it is a number"), body.into())
    }
}

impl<B: Binding> Deref for Served<B> {
    type Target = Running<B>;

    fn deref(&self) -> &Running<B> {
        self.0.as_ref().expect("it is there until it ends")
    }
}

impl<B: Binding> Drop for Served<B> {
    fn drop(&mut self) {
        if let Some(running) = self.0.take()
            && !std::thread::panicking()
        {
            let handle = running.handle();
            handle.shutdown();
            running.wait().expect("no shard has failed");
            assert!(handle.is_empty(), "nothing is left on the server");
        }
    }
}
