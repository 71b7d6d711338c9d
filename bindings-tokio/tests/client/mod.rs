//! A client over any stream. Every wait ends.

use async_tungstenite::tokio::{TokioAdapter, client_async};
use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::client::IntoClientRequest;
use futures_lite::StreamExt;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

pub(crate) struct Client<S = TcpStream>(async_tungstenite::WebSocketStream<TokioAdapter<S>>);

impl Client {
    pub(crate) async fn connect(address: SocketAddr, path: &str) -> Self {
        let connected = Self::ask(address, format!("ws://{address}{path}")).await;
        connected.expect("the server takes clients")
    }

    /// The status where the server refuses.
    pub(crate) async fn ask(
        address: SocketAddr,
        request: impl IntoClientRequest + Unpin,
    ) -> Result<Self, u16> {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        Self::shake(request, stream).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) async fn shake(
        request: impl IntoClientRequest + Unpin,
        stream: S,
    ) -> Result<Self, u16> {
        match in_time(client_async(request, stream)).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(async_tungstenite::tungstenite::Error::Http(response)) => {
                Err(response.status().into())
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.send(Message::text(text)).await;
    }

    pub(crate) async fn send(&mut self, message: Message) {
        self.0.send(message).await.expect("the connection is open");
    }

    pub(crate) async fn hear(&mut self) -> String {
        self.message().await.into_text().expect("the server says text").as_str().into()
    }

    pub(crate) async fn message(&mut self) -> Message {
        self.next().await.expect("the connection is open and in order")
    }

    /// None: it has ended.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        in_time(self.0.next()).await?.ok()
    }

    /// What the server closes with.
    pub(crate) async fn closed(mut self) -> (u16, String) {
        let Message::Close(Some(close)) = self.message().await else {
            panic!("a close frame was due")
        };
        (close.code.into(), close.reason.as_str().into())
    }
}

pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it comes in time")
}
