//! A server's outside: where it listens, and what it is told besides its API. Knows no protocol.

use crate::shard;
use fastws_core::api::Api;
use fastws_core::config::Config;
use fastws_host::error::Error;
use fastws_host::pages::Pages;
use fastws_host::settings::Settings;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use tokio::net::{TcpListener, ToSocketAddrs};

/// A server that listens already and does not accept yet.
///
/// It answers `/ws` with a WebSocket, `/asyncapi.json` with the API's document, `/asyncapi` with a page
/// for people, `/healthz` with its health and `/metrics` with its figures, on every address it is bound
/// to.
///
/// ```
/// use fastws_tokio::{Api, Router, Server};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), fastws_tokio::Error> {
/// let hello = Router::new().send("hello", "hello.response", async || "world");
/// let api = Api::new("Greetings", "1.0.0").include(hello);
/// let server = Server::bind("127.0.0.1:0").await?.origin("https://example.org").path("/greet");
/// server.serve(api, async { /* a signal, a message, or whatever ends your server */ }).await
/// # }
/// ```
pub struct Server {
    /// With those for the operator only.
    listeners: Vec<(TcpListener, bool)>,
    settings: Settings,
}

impl Server {
    /// Listens on `address`; with port 0 the system chooses one.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Self::from)
    }

    /// Listens on one more address.
    pub async fn and_bind(mut self, address: impl ToSocketAddrs) -> io::Result<Self> {
        self.listeners.push((TcpListener::bind(address).await?, false));
        Ok(self)
    }

    /// Listens on an address for the operator: it serves the [`Pages`] that are private, and nothing else.
    pub async fn private(mut self, address: impl ToSocketAddrs) -> io::Result<Self> {
        self.listeners.push((TcpListener::bind(address).await?, true));
        Ok(self)
    }

    /// Limits and deadlines.
    pub fn config(mut self, config: Config) -> Self {
        self.settings.config = config;
        self
    }

    /// A path of the WebSocket; the first call replaces `/ws`, further ones add.
    pub fn path(mut self, path: &str) -> Self {
        self.settings.paths.push(path.into());
        self
    }

    /// Lets web pages of this origin in, such as `https://example.org`, `https://*.example.org`, or
    /// `*` for all; further calls add. Without one, only pages of the server's own host are let in.
    pub fn origin(mut self, origin: &str) -> Self {
        self.settings.origins.push(origin.into());
        self
    }

    /// Where the pages beside the WebSocket are.
    pub fn pages(mut self, pages: Pages) -> Self {
        self.settings.pages = pages;
        self
    }

    /// The addresses it listens on, with their real ports, in the order in which they were bound.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(|(socket, _)| socket.local_addr()).collect()
    }

    /// Serves `api` until `end` is ready and every connection has been closed: at most
    /// [`Config::drain`] and [`Config::closing`] after, if its services end at once. Nobody is let in
    /// meanwhile, and `/healthz` is answered with 503.
    ///
    /// It takes as many connections as [`Config`] says, and no more than the process has
    /// [descriptors](fastws_host::descriptors::cap) for, of which it first gets as many as it may have.
    ///
    /// Not cancel safe in the sense that dropping it resets all connections; end it with `end`.
    pub async fn serve(self, api: Api, end: impl Future<Output = ()>) -> Result<(), Error> {
        shard::serve(self.listeners, api, self.settings, end).await
    }
}

impl From<TcpListener> for Server {
    fn from(listener: TcpListener) -> Self {
        Self { listeners: vec![(listener, false)], settings: Settings::default() }
    }
}

/// The same as [`Server::serve`] for one listener, with the WebSocket at `/ws`.
pub async fn serve(
    listener: TcpListener,
    api: Api,
    config: Config,
    end: impl Future<Output = ()>,
) -> Result<(), Error> {
    Server::from(listener).config(config).serve(api, end).await
}
