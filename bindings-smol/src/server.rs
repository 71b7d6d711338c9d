//! A server's outside: where it listens, its threads, and the handle that ends it. Knows no protocol.

use crate::shard::{Arrival, Driver, Note};
use async_tungstenite::WebSocketStream;
use fastws_core::api::Api;
use fastws_core::config::Config;
use fastws_core::publisher::Publisher;
use fastws_host::descriptors;
use fastws_host::error::Error;
use fastws_host::pages::Pages;
use fastws_host::settings::{Doorway, Settings};
use fastws_host::shared::Shared;
use futures_lite::{AsyncRead, AsyncWrite};
use std::any::Any;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use std::thread::JoinHandle;
use std::{io, thread};

/// A server that listens already and does not accept yet.
///
/// It answers `/ws` with a WebSocket, `/asyncapi.json` with the API's document, `/asyncapi` with a page
/// for people, `/healthz` with its health and `/metrics` with its figures, on every address it is bound
/// to.
pub struct Server {
    /// With those for the operator only.
    listeners: Vec<(TcpListener, bool)>,
    settings: Settings,
    shards: NonZeroUsize,
}

impl Server {
    /// Listens on `address`; with port 0 the system chooses one. A port in use is an error.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        let shards = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let server = Self { listeners: Vec::new(), settings: Settings::default(), shards };
        server.and_bind(address)
    }

    /// Listens on one more address.
    pub fn and_bind(self, address: impl ToSocketAddrs) -> io::Result<Self> {
        self.listen(address, false)
    }

    /// Listens on an address for the operator: it serves the [`Pages`] that are private, and nothing else.
    pub fn private(self, address: impl ToSocketAddrs) -> io::Result<Self> {
        self.listen(address, true)
    }

    fn listen(mut self, address: impl ToSocketAddrs, is_private: bool) -> io::Result<Self> {
        let addresses: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
        let listener = TcpListener::bind(&addresses[..]).map_err(|error| {
            let names: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
            io::Error::new(error.kind(), format!("cannot listen on {}: {error}", names.join(", ")))
        })?;
        listener.set_nonblocking(true)?;
        self.listeners.push((listener, is_private));
        Ok(self)
    }

    /// Limits and deadlines.
    pub fn config(mut self, config: Config) -> Self {
        self.settings.config = config;
        self
    }

    /// How many threads serve, at most 256; one for each core by default.
    pub fn shards(mut self, shards: NonZeroUsize) -> Self {
        self.shards =
            shards.min(NonZeroUsize::new(fastws_core::lives::MAX_SHARDS).expect("not zero"));
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

    /// Serves until a [`Handle`] ends it; without one, for ever.
    pub fn serve(self, api: Api) -> Result<(), Error> {
        self.start(api)?.wait()
    }

    /// Builds the API, starts the threads and accepts. The server ends when it is told to, not when
    /// what this returns is dropped.
    ///
    /// It takes as many connections as its limit says, and no more than the process has
    /// [descriptors](descriptors::cap) for, of which it first gets as many as it may have.
    pub fn start(mut self, api: Api) -> Result<Running, Error> {
        let catalog = api.build().map_err(Error::Build)?;
        let polls = (0..self.shards.get())
            .map(|_| {
                let poll = mio::Poll::new()?;
                let note = Note::new(&poll)?;
                Ok((poll, note))
            })
            .collect::<io::Result<Vec<_>>>()?;
        let wakers = polls.iter().map(|(_, note)| Waker::from(note.clone())).collect();
        let addresses = self.addresses()?;
        let connections = &mut self.settings.config.connections;
        *connections = descriptors::cap(*connections);
        let shared = Shared::new(catalog, self.settings, wakers)?;
        let notes = polls.iter().map(|(_, note)| note.clone()).collect();
        let mut threads = Vec::new();
        for (index, (poll, note)) in polls.into_iter().enumerate() {
            let listeners = self
                .listeners
                .iter()
                .map(|(socket, is_private)| {
                    Ok((socket.try_clone()?, Doorway::new(socket.local_addr()?, *is_private)))
                })
                .collect::<io::Result<Vec<_>>>()?;
            let shared = shared.clone();
            let thread = thread::Builder::new()
                .name(format!("shard-{index}"))
                .spawn(move || Driver::new(poll, note, listeners, shared, index)?.run())?;
            threads.push(thread);
        }
        let handle = Handle { shared, notes, next: Arc::default(), addresses: addresses.into() };
        Ok(Running { handle, threads })
    }
}

/// A server that serves.
pub struct Running {
    handle: Handle,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Running {
    /// For other threads; cheap to clone.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Waits until the server was told to end and every connection has ended: at most
    /// [`Config::drain`] and [`Config::closing`] after, if its services end at once. Its port is free then.
    pub fn wait(self) -> Result<(), Error> {
        let mut result = Ok(());
        for thread in self.threads {
            let ended = thread
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a shard's thread panicked")));
            if let Err(error) = ended {
                // One shard less is no server: the others end too.
                self.handle.shutdown();
                result = Err(Error::Io(error));
            }
        }
        debug_assert!(result.is_err() || self.handle.is_empty(), "nothing is left of anybody");
        result
    }
}

/// A running server, for any thread.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
    notes: Vec<Arc<Note>>,
    next: Arc<AtomicUsize>,
    addresses: Arc<[SocketAddr]>,
}

impl Handle {
    /// The addresses it listens on, with their real ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Publishes from any thread.
    pub fn publisher(&self) -> Publisher {
        self.shared.publisher()
    }

    /// Nobody is there and nothing is left of anybody: no connection, topic, service or mail. A moment
    /// old while the server runs, exact when [`Running::wait`] has returned.
    pub fn is_empty(&self) -> bool {
        self.shared.is_empty()
    }

    /// Lets nobody in any more and closes every connection with `Server shutting down`, one after the
    /// other over [`Config::drain`]; until the last has ended, `/healthz` is answered with 503. Returns at
    /// once.
    pub fn shutdown(&self) {
        self.shared.shutdown();
    }

    /// Serves a connection whose handshake somebody else has done, over TLS or any other stream.
    ///
    /// It costs what its own framing costs: every message is copied once more on its way out, and
    /// pings of the peer are answered by the stream. Where the API has a [door](Api::door), the
    /// stream is dropped: [`attach_guest`](Self::attach_guest) brings it.
    pub fn attach<S>(&self, stream: WebSocketStream<S>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.arrive(Arrival::new(stream, None));
    }

    /// The same with what the connection is let in with, of the type that the API's door yields.
    pub fn attach_guest<S>(&self, stream: WebSocketStream<S>, guest: impl Any + Send)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.arrive(Arrival::new(stream, Some(Box::new(guest))));
    }

    fn arrive(&self, arrival: Arrival) {
        let shard = self.next.fetch_add(1, Ordering::Relaxed) % self.notes.len();
        self.notes[shard].arrive(arrival);
    }
}
