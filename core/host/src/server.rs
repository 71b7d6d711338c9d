//! A server's outside: where it listens, its threads, and the handle that ends it. Knows no protocol and
//! no runtime.

use crate::cipher::Ciphers;
use crate::descriptors;
use crate::error::Error;
use crate::pages::Pages;
use crate::reach::Tally;
use crate::settings::{Doorway, Settings};
use crate::shard::Shard;
use crate::shared::Shared;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{JoinHandle, Mutex, MutexGuard, spawn};
use fastws_core::api::Api;
use fastws_core::config::Config;
use fastws_core::desk::Reach;
use fastws_core::lives::MAX_SHARDS;
use fastws_core::publisher::Publisher;
use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, PoisonError};
use std::task::Waker;
use std::{io, thread};

/// What a binding does for a [`Server`]: it drives shards over sockets.
///
/// The smallest one, which looks after its sockets once a millisecond:
///
/// ```
/// use fastws_core::engine::Sent;
/// use fastws_core::ids::ConnectionId;
/// use fastws_core::{api::Api, router::Router, time::Instant};
/// use fastws_host::server::{Binding, Seat, Server};
/// use fastws_host::tasks::Tasks;
/// use std::collections::HashMap;
/// use std::convert::Infallible;
/// use std::io::{self, ErrorKind, Read, Write};
/// use std::net::{Shutdown, TcpStream};
/// use std::sync::{Arc, mpsc};
/// use std::task::{Wake, Waker};
/// use std::time::{Duration, UNIX_EPOCH};
///
/// struct Bell(mpsc::Sender<()>);
///
/// impl Wake for Bell {
///     fn wake(self: Arc<Self>) {
///         let _ = self.0.send(());
///     }
/// }
///
/// enum Patient {}
///
/// impl Binding for Patient {
///     type Poller = mpsc::Receiver<()>;
///     /// It takes no streams of others.
///     type Stream = Infallible;
///
///     fn poller() -> io::Result<(Self::Poller, Waker)> {
///         let (bell, rung) = mpsc::channel();
///         Ok((rung, Waker::from(Arc::new(Bell(bell)))))
///     }
///
///     fn drive(rung: Self::Poller, seat: Seat<Infallible>) -> io::Result<()> {
///         let Seat { mut shard, listeners, .. } = seat;
///         let (mut tasks, start) = (Tasks::default(), std::time::Instant::now());
///         let mut sockets = HashMap::<ConnectionId, TcpStream>::new();
///         let mut buffer = [0; 4096];
///         while !shard.is_drained() {
///             let now = Instant::from_micros(start.elapsed().as_micros() as u64);
///             shard.handle_time(now, UNIX_EPOCH.elapsed().unwrap_or_default());
///             for (listener, doorway) in &listeners {
///                 if let Ok((socket, peer)) = listener.accept()
///                     && let Ok(id) = shard.accept(Some(peer), *doorway)
///                 {
///                     socket.set_nonblocking(true)?;
///                     sockets.insert(id, socket);
///                 }
///             }
///             for (&id, socket) in &mut sockets {
///                 shard.handle_writable(id);
///                 let room = shard.room(id).unwrap_or(0).min(buffer.len());
///                 match socket.read(&mut buffer[..room]) {
///                     _ if room == 0 => {}
///                     Ok(0) => shard.handle_end(id),
///                     Ok(count) => shard.handle_bytes(id, &mut buffer[..count]),
///                     Err(error) if error.kind() == ErrorKind::WouldBlock => {}
///                     Err(_) => shard.handle_end(id),
///                 }
///             }
///             while let Some(task) = shard.poll_task() {
///                 tasks.spawn(task);
///             }
///             while tasks.tick() {}
///             shard.turn();
///             while let Some(transmit) = shard.poll_transmit() {
///                 let id = transmit.id();
///                 let bytes = transmit.parts().collect::<Vec<_>>().concat();
///                 let mut socket = &sockets[&id];
///                 let sent = socket.write(&bytes).unwrap_or(0);
///                 if shard.handle_sent(id, sent) == Sent::Finished {
///                     let _ = socket.shutdown(Shutdown::Write);
///                 }
///             }
///             while let Some(gone) = shard.poll_gone() {
///                 sockets.remove(&gone);
///             }
///             if !shard.is_ready() {
///                 let _ = rung.recv_timeout(Duration::from_millis(1));
///             }
///         }
///         Ok(())
///     }
/// }
///
/// let greet = Router::new().send("greet", "greeting", || async { "hello" });
/// let api = Api::new("Greetings", "1.0.0").include(greet);
/// let running = Server::<Patient>::bind("127.0.0.1:0")?.start(api)?;
/// let handle = running.handle();
///
/// let mut visitor = TcpStream::connect(handle.addresses()[0])?;
/// visitor.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
/// let mut answer = String::new();
/// visitor.read_to_string(&mut answer)?;
/// assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ok\n"));
///
/// drop(visitor);
/// handle.shutdown();
/// running.wait()?;
/// # Ok::<(), fastws_host::error::Error>(())
/// ```
pub trait Binding: 'static {
    /// What a shard's thread waits with.
    type Poller: Send + 'static;
    /// A stream whose handshake somebody else has done, on its way to a shard.
    type Stream: Send + 'static;

    /// Made before the threads are, so that what cannot be had is an error at the start. The waker ends
    /// its wait, from any thread.
    fn poller() -> io::Result<(Self::Poller, Waker)>;

    /// Drives a shard on the calling thread until it [is drained](Shard::is_drained).
    fn drive(poller: Self::Poller, seat: Seat<Self::Stream>) -> io::Result<()>;
}

/// What a thread begins with.
///
/// [`Binding::drive`] takes it; the example is at [`Binding`].
pub struct Seat<S> {
    /// What it drives.
    pub shard: Shard,
    /// What it accepts from, like every other thread. None of them blocks.
    pub listeners: Vec<(TcpListener, Doorway)>,
    /// What it is brought by other threads. The waker tells when there is something.
    pub arrivals: Arc<Arrivals<S>>,
}

/// Streams on their way to one shard, each with what its connection is let in with.
///
/// [`Handle::attach`] brings them.
pub struct Arrivals<S> {
    /// None once nobody takes them any more.
    queue: Mutex<Option<Vec<(S, Guest)>>>,
    waker: Waker,
}

type Guest = Option<Box<dyn Any + Send>>;

impl<S> Arrivals<S> {
    /// Takes what is there, in order.
    pub fn take(&self) -> impl Iterator<Item = (S, Option<Rc<dyn Any>>)> + use<S> {
        let queue = self.lock().as_mut().map(std::mem::take).unwrap_or_default();
        let local = |guest| Rc::from(guest as Box<dyn Any>);
        queue.into_iter().map(move |(stream, guest)| (stream, guest.map(local)))
    }

    fn push(&self, stream: S, guest: Guest) {
        if let Some(queue) = &mut *self.lock() {
            queue.push((stream, guest));
        }
        self.waker.wake_by_ref();
    }

    fn close(&self) {
        // What it held is dropped when the lock is free again.
        let _queue = self.lock().take();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<(S, Guest)>>> {
        // A push that panicked has left no half state behind.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A server that listens already and does not accept yet.
///
/// It answers `/ws` with a WebSocket, `/asyncapi.json` with the API's document, `/asyncapi` with a page
/// for people, `/healthz` with its health and `/metrics` with its figures, on every address it is bound
/// to.
///
/// Users name it as a binding does; the example of one is at [`Binding`].
#[must_use = "a server does not accept until it is started"]
pub struct Server<B> {
    /// With those for the operator only.
    listeners: Vec<(TcpListener, bool)>,
    settings: Settings,
    shards: NonZeroUsize,
    binding: PhantomData<fn() -> B>,
}

impl<B: Binding> Server<B> {
    /// Listens nowhere; for connections that are brought by others.
    #[expect(
        clippy::new_without_default,
        reason = "a server that listens nowhere is the exception"
    )]
    pub fn new() -> Self {
        let shards = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let settings = Settings::default();
        Self { listeners: Vec::new(), settings, shards, binding: PhantomData }
    }

    /// Listens on `address`; with port 0 the system chooses one. A port in use is an error.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Self::new().and_bind(address)
    }

    /// Takes a socket that listens already.
    pub fn on(listener: TcpListener) -> io::Result<Self> {
        Self::new().listen(listener, false)
    }

    /// Listens on one more address.
    pub fn and_bind(self, address: impl ToSocketAddrs) -> io::Result<Self> {
        self.listen(bind(address)?, false)
    }

    /// Listens on an address for the operator: it serves the [`Pages`] that are private, and nothing else.
    pub fn private(self, address: impl ToSocketAddrs) -> io::Result<Self> {
        self.listen(bind(address)?, true)
    }

    fn listen(mut self, listener: TcpListener, is_private: bool) -> io::Result<Self> {
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
        self.shards = shards.min(NonZeroUsize::new(MAX_SHARDS).expect("not zero"));
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

    /// Serves `https://` and `wss://`, and no other, on all addresses that are not private: what is passed is
    /// `Tls`, which bindings have with their feature `tls`.
    pub fn tls(mut self, ciphers: impl Ciphers + 'static) -> Self {
        self.settings.ciphers = Some(Arc::new(ciphers));
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
    pub fn start(mut self, api: Api) -> Result<Running<B>, Error> {
        let catalog = api.build().map_err(Error::Build)?;
        let pollers: Vec<_> =
            (0..self.shards.get()).map(|_| B::poller()).collect::<io::Result<_>>()?;
        let addresses = self.addresses()?.into();
        let connections = &mut self.settings.config.connections;
        *connections = descriptors::cap(*connections);
        let wakers: Vec<_> = pollers.iter().map(|(_, waker)| waker.clone()).collect();
        let shared = Shared::new(catalog, self.settings, wakers)?;
        let (tally, ended) = Tally::new();
        let (mut threads, mut arrivals) = (Vec::new(), Vec::new());
        for (index, (poller, waker)) in pollers.into_iter().enumerate() {
            let own = Arc::new(Arrivals { queue: Mutex::new(Some(Vec::new())), waker });
            arrivals.push(own.clone());
            let (shared, tally) = (shared.clone(), tally.clone());
            let end = Ended { shared: shared.clone(), arrivals: own.clone(), _tally: tally };
            let listeners = self
                .listeners
                .iter()
                .map(|(socket, is_private)| {
                    let doorway = if *is_private { Doorway::private } else { Doorway::public };
                    Ok((socket.try_clone()?, doorway(socket.local_addr()?)))
                })
                .collect::<io::Result<_>>()?;
            let serve = move || {
                let _end = end;
                let shard = Shard::new(shared, index);
                B::drive(poller, Seat { shard, listeners, arrivals: own })
            };
            threads.push(spawn(format!("shard-{index}"), serve)?);
        }
        let handle = Handle { shared, arrivals: arrivals.into(), next: Arc::default(), addresses };
        Ok(Running { handle, threads, ended: Mutex::new(ended) })
    }
}

fn bind(address: impl ToSocketAddrs) -> io::Result<TcpListener> {
    let addresses: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
    TcpListener::bind(&addresses[..]).map_err(|error| {
        let names: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
        io::Error::new(error.kind(), format!("cannot listen on {}: {error}", names.join(", ")))
    })
}

/// Dropped when a shard's thread has ended, for whatever reason, or could not begin.
struct Ended<S> {
    shared: Arc<Shared>,
    arrivals: Arc<Arrivals<S>>,
    _tally: Arc<Tally>,
}

impl<S> Drop for Ended<S> {
    fn drop(&mut self) {
        // One shard less is no server: the others end too.
        self.shared.shutdown();
        self.arrivals.close();
    }
}

/// A server that serves. It can be waited for, and in async code be awaited.
///
/// The example is at [`Binding`].
pub struct Running<B: Binding> {
    handle: Handle<B>,
    threads: Vec<JoinHandle<io::Result<()>>>,
    /// When the last thread ends. Locked by nobody: it makes this `Sync`.
    ended: Mutex<Reach>,
}

impl<B: Binding> Running<B> {
    /// For other threads; cheap to clone.
    pub fn handle(&self) -> Handle<B> {
        self.handle.clone()
    }

    /// Waits until the server was told to end and every connection has ended: at most
    /// [`Config::drain`] and [`Config::closing`] after, if its services end at once. Its port is free then.
    pub fn wait(self) -> Result<(), Error> {
        let ended = self.threads.into_iter().map(|thread| {
            let ended = thread.join();
            ended.unwrap_or_else(|_| Err(io::Error::other("a shard's thread panicked")))
        });
        // Every thread, whatever has become of the one before.
        ended.fold(Ok(()), Result::and)?;
        debug_assert!(self.handle.is_empty(), "nothing is left of anybody");
        Ok(())
    }
}

impl<B: Binding> IntoFuture for Running<B> {
    type Output = Result<(), Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// The same as [`wait`](Self::wait). If the future is dropped before, the server is told to end.
    fn into_future(mut self) -> Self::IntoFuture {
        let shutdown = Shutdown(self.handle.shared.clone());
        Box::pin(async move {
            let _shutdown = shutdown;
            self.ended.get_mut().unwrap_or_else(PoisonError::into_inner).await;
            self.wait()
        })
    }
}

struct Shutdown(Arc<Shared>);

impl Drop for Shutdown {
    fn drop(&mut self) {
        self.0.shutdown();
    }
}

/// A running server, for any thread.
///
/// The example is at [`Binding`].
pub struct Handle<B: Binding> {
    shared: Arc<Shared>,
    arrivals: Arc<[Arc<Arrivals<B::Stream>>]>,
    next: Arc<AtomicUsize>,
    addresses: Arc<[SocketAddr]>,
}

impl<B: Binding> Clone for Handle<B> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            arrivals: self.arrivals.clone(),
            next: self.next.clone(),
            addresses: self.addresses.clone(),
        }
    }
}

impl<B: Binding> Handle<B> {
    /// The addresses it listens on, with their real ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The limits and deadlines that hold.
    pub fn config(&self) -> &Config {
        &self.shared.settings.config
    }

    /// The paths of the WebSocket.
    pub fn websockets(&self) -> impl Iterator<Item = &str> {
        self.shared.settings.websockets()
    }

    /// The paths of everything else that is served to the public: pages, and operations over HTTP.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        let pages = self.shared.settings.pages.served();
        let pages = pages.filter(|(.., is_private)| !is_private).map(|(_, path, _)| path);
        pages.chain(self.shared.catalog.entrance().posts())
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

    /// Serves a connection whose handshake somebody else has done, over TLS or any other stream: an
    /// async-tungstenite `WebSocketStream`.
    ///
    /// It costs what its own framing costs: every message is copied once more on its way out, and
    /// pings of the peer are answered by the stream. Where the API has a [door](Api::door), the
    /// stream is dropped: [`attach_guest`](Self::attach_guest) brings it.
    pub fn attach(&self, stream: impl Into<B::Stream>) {
        self.arrive(stream.into(), None);
    }

    /// The same with what the connection is let in with, of the type that the API's door yields.
    pub fn attach_guest(&self, stream: impl Into<B::Stream>, guest: impl Any + Send) {
        self.arrive(stream.into(), Some(Box::new(guest)));
    }

    fn arrive(&self, stream: B::Stream, guest: Guest) {
        let shard = self.next.fetch_add(1, Ordering::Relaxed) % self.arrivals.len();
        self.arrivals[shard].push(stream, guest);
    }
}
