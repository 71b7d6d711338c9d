//! WebSocket clients by tungstenite, which this project has not written. Knows sockets, and nothing of boards.

use crate::Socket;
use std::io::{self, Write};
use tungstenite::{Error, HandshakeError, Message, WebSocket};

/// One client.
pub struct Client(WebSocket<Socket>);

impl Client {
    /// Shakes hands, or tells the status with which that was refused.
    ///
    /// # Panics
    /// If there is no answer.
    pub fn open(socket: Socket) -> Result<Self, u16> {
        match tungstenite::client("ws://board/ws", socket) {
            Ok((client, _)) => Ok(Self(client)),
            Err(HandshakeError::Failure(Error::Http(response))) => Err(response.status().as_u16()),
            Err(error) => panic!("no answer to a handshake: {error}"),
        }
    }

    /// Sends a message. False: some of it waits here, since the board does not read now.
    pub fn say(&mut self, text: &str) -> bool {
        was_sent(self.0.send(text.into()))
    }

    /// Sends what waits here. False: some still does.
    pub fn flush(&mut self) -> bool {
        was_sent(self.0.flush())
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    /// If the board does not read them.
    pub fn say_raw(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).expect("the board reads");
    }

    /// What has come since this was asked last: messages, pings, a close as `close CODE REASON`, and the
    /// end of the stream. Pings and closes are answered.
    pub fn heard(&mut self) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            heard.push(match self.0.read() {
                Ok(Message::Text(text)) => text.to_string(),
                Ok(Message::Ping(_)) => "ping".to_owned(),
                Ok(Message::Close(Some(frame))) => format!("close {} {}", frame.code, frame.reason),
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return heard,
                Ok(other) => format!("{other:?}"),
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => {
                    heard.push("end".to_owned());
                    return heard;
                }
                Err(error) => {
                    heard.push(format!("{error}"));
                    return heard;
                }
            });
        }
    }

    /// Asks, and tells the answers.
    ///
    /// # Panics
    /// If the board does not read.
    pub fn ask(&mut self, text: &str) -> Vec<String> {
        assert!(self.say(text), "the board reads");
        self.heard()
    }

    /// The socket below.
    pub fn socket(&self) -> &Socket {
        self.0.get_ref()
    }
}

fn was_sent(result: Result<(), Error>) -> bool {
    match result {
        Ok(()) => true,
        Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => false,
        Err(error) => panic!("a client cannot write: {error}"),
    }
}
