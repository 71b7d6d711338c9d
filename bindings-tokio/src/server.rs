//! A server on tokio, for threads and for async code. Knows no protocol.

use crate::shard::Tokio;
use fastws_core::api::Api;
use fastws_host::error::Error;
use tokio::net::TcpListener;

/// A server that listens already and does not accept yet; [`start`](Server::start) and
/// [`serve`](Server::serve) do. The example is at [`fn@serve`].
pub type Server = fastws_host::server::Server<Tokio>;

/// A server that serves. Await it, or let a thread [`wait`](Running::wait), to know how it has ended. The
/// example is at [`fn@serve`].
pub type Running = fastws_host::server::Running<Tokio>;

/// A running server, for any thread; [`shutdown`](Handle::shutdown) ends it. The example is at
/// [`fn@serve`].
pub type Handle = fastws_host::server::Handle<Tokio>;

/// Serves on a socket that listens already, with default limits and a thread for each core, until a
/// shard fails. If the future is dropped, the server closes every connection and ends.
///
/// To end it and to see it end, start a [`Server`] and await what runs:
///
/// ```
/// use fastws_tokio::{Api, Router, Server};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), fastws_tokio::Error> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let hello = Router::new().send("hello", "hello.response", async || "world");
/// let api = Api::new("Greetings", "1.0.0").include(hello);
/// let running = Server::on(listener.into_std()?)?.origin("https://example.org").start(api)?;
/// let handle = running.handle();
/// tokio::spawn(async move {
///     // A signal, a message, or whatever ends your server.
///     handle.shutdown();
/// });
/// running.await
/// # }
/// ```
pub async fn serve(listener: TcpListener, api: Api) -> Result<(), Error> {
    let listener = listener.into_std()?;
    Server::on(listener)?.start(api)?.await
}
