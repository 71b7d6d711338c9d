//! A client on a real socket, for tests that read top down. Knows WebSocket and JSON, no server.

use async_tungstenite::tungstenite::{Error, Message};
use async_tungstenite::{WebSocketStream, client_async};
use futures_lite::{AsyncRead, AsyncWrite, FutureExt, StreamExt};
use futures_util::SinkExt;
use serde_json::{Value, json};
use smol::net::TcpStream;
use std::fmt::Display;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

/// One connection. Its methods block, and panic where what is awaited does not come.
pub struct Client<S = TcpStream> {
    socket: WebSocketStream<S>,
}

impl Client {
    /// Connects to `path` of a server.
    pub fn connect(address: SocketAddr, path: &str) -> Self {
        Self::try_connect(address, path).expect("the server takes a client")
    }

    /// The same where the server may refuse.
    pub fn try_connect(address: SocketAddr, path: &str) -> Result<Self, Error> {
        within(async {
            let stream = TcpStream::connect(address).await?;
            Self::shake(&format!("ws://{address}{path}"), stream).await
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Connects over a stream of any kind.
    pub async fn shake(url: &str, stream: S) -> Result<Self, Error> {
        client_async(url, stream).await.map(|(socket, _)| Self { socket })
    }

    /// Sends an operation.
    pub fn say(&mut self, kind: &str, payload: Value) {
        self.send(Message::text(json!({"type": kind, "payload": payload}).to_string()));
    }

    /// Sends a text message as it is.
    pub fn say_text(&mut self, text: impl Display) {
        self.send(Message::text(text.to_string()));
    }

    /// Sends several in one segment, as far as they are short.
    pub fn say_together<M: Display>(&mut self, texts: impl IntoIterator<Item = M>) {
        within(async {
            for text in texts {
                let message = Message::text(text.to_string());
                self.socket.feed(message).await.expect("the connection is open");
            }
            self.socket.flush().await.expect("the connection is open");
        });
    }

    /// Sends a message of any kind.
    pub fn send(&mut self, message: Message) {
        within(self.socket.send(message)).expect("the connection is open");
    }

    /// The next message.
    pub fn hear(&mut self) -> Value {
        serde_json::from_str(&self.hear_text()).expect("a server says JSON")
    }

    /// The next message as it was written.
    pub fn hear_text(&mut self) -> String {
        match self.next() {
            Message::Text(text) => text.as_str().into(),
            other => panic!("a message was due, and {other:?} came"),
        }
    }

    /// The next message of another type than `kind`.
    pub fn hear_but(&mut self, kind: &str) -> Value {
        loop {
            let message = self.hear();
            if message["type"] != kind {
                return message;
            }
        }
    }

    /// The payload of the next message, which is of type `kind`.
    pub fn hear_payload(&mut self, kind: &str) -> Value {
        let mut message = self.hear();
        assert_eq!(message["type"], kind, "{message}");
        message["payload"].take()
    }

    /// Sends an operation, and hears the payload of what comes next, of type `reply`.
    pub fn ask(&mut self, kind: &str, reply: &str, payload: Value) -> Value {
        self.say(kind, payload);
        self.hear_payload(reply)
    }

    /// The code and the reason of the close; messages before it are passed over.
    pub fn closed(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(close) = self.next() {
                let close = close.expect("a server says why it closes");
                return (close.code.into(), close.reason.as_str().into());
            }
        }
    }

    /// Closes, and waits until the server has answered.
    pub fn leave(mut self) {
        within(async {
            self.socket.close(None).await.expect("the connection is open");
            while let Some(Ok(_)) = self.socket.next().await {}
        });
    }

    /// Waits until the server drops the stream, which it does without a word.
    pub fn dropped(mut self) {
        let next = within(self.socket.next());
        assert!(!matches!(next, Some(Ok(_))), "the stream was to end, and {next:?} came");
    }

    fn next(&mut self) -> Message {
        within(async {
            loop {
                let message = self.socket.next().await.expect("the connection is open");
                match message.expect("the connection is in order") {
                    Message::Ping(_) | Message::Pong(_) => {}
                    message => return message,
                }
            }
        })
    }
}

/// Blocks on a future. It panics after a time in which a healthy server has long answered.
pub fn within<T>(future: impl Future<Output = T>) -> T {
    let late = async {
        smol::Timer::after(PATIENCE).await;
        panic!("nothing has come for {PATIENCE:?}")
    };
    smol::block_on(future.or(late))
}

/// Blocks until something holds that no message tells. It panics as [`within`] does.
pub fn until(mut holds: impl FnMut() -> bool) {
    within(async {
        while !holds() {
            smol::future::yield_now().await;
        }
    });
}

const PATIENCE: Duration = Duration::from_secs(30);
