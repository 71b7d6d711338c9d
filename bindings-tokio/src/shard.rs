//! One shard on a thread with a tokio runtime: a task for each socket, and one that takes the turns.
//! Knows no rule of the protocol.

use crate::link::{Link, Request};
use fastws_core::desk::Local;
use fastws_core::engine::Sent;
use fastws_core::ids::ConnectionId;
use fastws_core::time::{Duration, Instant};
use fastws_host::server::{Arrivals, Binding, Seat};
use fastws_host::settings::Doorway;
use fastws_host::shard::Shard;
use fastws_host::socket::{Wire, is_one_connections};
use fastws_host::stream::{Foreign, Lines, Outlet, WebSocketStream};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::SystemTime;
use tokio::io::ReadBuf;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};

/// Shards on threads of tokio, each with a runtime of its own.
pub enum Tokio {}

impl Binding for Tokio {
    type Poller = (Runtime, Arc<Bell>);
    type Stream = Stream;

    fn poller() -> io::Result<(Self::Poller, Waker)> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let bell = Arc::new(Bell(Notify::new()));
        let waker = Waker::from(bell.clone());
        Ok(((runtime, bell), waker))
    }

    fn drive((runtime, bell): Self::Poller, seat: Seat<Stream>) -> io::Result<()> {
        let driven = LocalSet::new().block_on(&runtime, drive(bell, seat));
        // What handlers have left to other threads is not waited for.
        runtime.shutdown_background();
        driven
    }
}

/// What other threads bring.
pub enum Stream {
    Foreign(Foreign),
    Request(Request),
}

impl<S> From<WebSocketStream<S>> for Stream
where
    WebSocketStream<S>: Into<Foreign>,
{
    fn from(stream: WebSocketStream<S>) -> Self {
        Self::Foreign(stream.into())
    }
}

impl From<Request> for Stream {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

async fn drive(bell: Arc<Bell>, seat: Seat<Stream>) -> io::Result<()> {
    let house = Rc::new(House {
        shard: RefCell::new(seat.shard),
        arrivals: seat.arrivals,
        lines: RefCell::default(),
        sockets: RefCell::default(),
        unread: RefCell::default(),
        buffer: RefCell::new(vec![0; READ]),
        start: tokio::time::Instant::now(),
        told: Cell::new(false),
        bell,
    });
    for (listener, doorway) in seat.listeners {
        spawn_local(accept(house.clone(), TcpListener::from_std(listener)?, doorway));
    }
    house.turns().await;
    Ok(())
}

/// Rung by sockets, by other threads, and by whoever has something for the next turn.
pub struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.notify_one();
    }
}

struct House {
    shard: RefCell<Shard>,
    arrivals: Arc<Arrivals<Stream>>,
    lines: RefCell<Lines>,
    sockets: RefCell<Vec<Way>>,
    /// Sockets that are not read until there is room.
    unread: RefCell<Vec<Rc<Socket>>>,
    buffer: RefCell<Vec<u8>>,
    start: tokio::time::Instant,
    /// The shard knows the time of what has come since its last turn.
    told: Cell<bool>,
    bell: Arc<Bell>,
}

/// One connection's way out.
enum Way {
    None,
    Own(Rc<Socket>),
    Foreign(Outlet),
}

struct Socket {
    link: RefCell<Link>,
    wire: RefCell<Wire>,
    id: ConnectionId,
    blocked: Cell<bool>,
    unread: Cell<bool>,
    /// Its task, which sleeps until the socket is ready or a turn has something for it.
    task: Cell<Option<Waker>>,
}

impl Socket {
    fn finish(&self) {
        self.wire.borrow_mut().finish(&mut *self.link.borrow_mut());
    }

    fn wake(&self) {
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }
}

async fn accept(house: Rc<House>, listener: TcpListener, doorway: Doorway) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => house.welcome(stream, peer, doorway),
            Err(error) if is_one_connections(&error) => {}
            Err(error) => {
                log::warn!("cannot accept: {error}");
                // Such as for want of descriptors, which does not change at once.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

impl House {
    /// Takes turns until the server has ended.
    async fn turns(self: &Rc<Self>) {
        // One for all turns: the moment at which the next one is wanted seldom changes.
        let mut timer = pin!(tokio::time::sleep_until(self.start));
        loop {
            let deadline = self.turn();
            if self.shard.borrow().is_drained() {
                return;
            }
            if self.shard.borrow().is_ready() {
                tokio::task::yield_now().await;
                continue;
            }
            if let Some(at) = deadline.filter(|at| *at != timer.deadline()) {
                timer.as_mut().reset(at);
            }
            let mut rung = pin!(self.bell.0.notified());
            poll_fn(|context| match deadline {
                Some(_) if timer.as_mut().poll(context).is_ready() => Poll::Ready(()),
                _ => rung.as_mut().poll(context),
            })
            .await;
        }
    }

    /// Something has come: a turn follows.
    fn ring(&self, shard: &mut Shard) {
        self.bell.0.notify_one();
        // The last turn may have been long ago.
        self.tell_time(shard);
    }

    fn tell_time(&self, shard: &mut Shard) {
        if !self.told.replace(true) {
            let now = Instant::from_micros(self.start.elapsed().as_micros() as u64);
            shard.handle_time(now, SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default());
        }
    }

    /// Runs a task. Whatever it has done, the next turn carries out.
    fn spawn(self: &Rc<Self>, mut task: Local<()>) {
        let house = self.clone();
        spawn_local(poll_fn(move |context| {
            house.ring(&mut house.shard.borrow_mut());
            task.as_mut().poll(context)
        }));
    }

    fn welcome(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr, doorway: Doorway) {
        // It only fails where the peer has gone already.
        let _ = stream.set_nodelay(true);
        let mut shard = self.shard.borrow_mut();
        self.ring(&mut shard);
        let Ok(id) = shard.accept(Some(peer), doorway) else { return };
        self.watch(id, Link::Tcp(stream), Wire::new(&shard, doorway));
    }

    fn watch(self: &Rc<Self>, id: ConnectionId, link: Link, wire: Wire) {
        let socket = Rc::new(Socket {
            link: RefCell::new(link),
            wire: RefCell::new(wire),
            id,
            blocked: Cell::new(false),
            unread: Cell::new(false),
            task: Cell::default(),
        });
        self.place(id, Way::Own(socket.clone()));
        let house = self.clone();
        spawn_local(poll_fn(move |context| house.poll_socket(&socket, context)));
    }

    fn take_arrivals(self: &Rc<Self>, shard: &mut Shard) {
        for (stream, guest) in self.arrivals.take() {
            match stream {
                Stream::Foreign(stream) => {
                    let Ok(id) = shard.open(guest) else { continue };
                    let (outlet, carried) = self.lines.borrow_mut().connect(id, stream);
                    self.spawn(carried);
                    self.place(id, Way::Foreign(outlet));
                }
                Stream::Request(Request { mut bytes, visit, link }) => {
                    let Ok(id) = shard.visit(visit, guest) else { continue };
                    self.watch(id, link, Wire::default());
                    let mut bytes = &mut bytes[..];
                    while let Some(room @ 1..) = shard.room(id)
                        && !bytes.is_empty()
                    {
                        let (first, rest) = bytes.split_at_mut(room.min(bytes.len()));
                        shard.handle_bytes(id, first);
                        bytes = rest;
                    }
                }
            }
        }
    }

    fn place(&self, id: ConnectionId, way: Way) {
        let mut sockets = self.sockets.borrow_mut();
        if sockets.len() <= id.slot() {
            sockets.resize_with(id.slot() + 1, || Way::None);
        }
        sockets[id.slot()] = way;
    }

    /// Reads while there is something, and tells when the socket takes bytes again.
    fn poll_socket(&self, socket: &Rc<Socket>, context: &mut Context<'_>) -> Poll<()> {
        let mut shard = self.shard.borrow_mut();
        let mut link = socket.link.borrow_mut();
        let mut wire = socket.wire.borrow_mut();
        loop {
            let Some(room) = shard.room(socket.id) else { return Poll::Ready(()) };
            if room == 0 {
                if !socket.unread.replace(true) {
                    self.unread.borrow_mut().push(socket.clone());
                }
                break;
            }
            let mut buffer = self.buffer.borrow_mut();
            let room = room.min(buffer.len());
            if wire.has_rest() {
                self.ring(&mut shard);
                wire.take_rest(&mut shard, socket.id, &mut buffer[..room]);
                continue;
            }
            let mut read = ReadBuf::new(&mut buffer[..room]);
            let Poll::Ready(done) = link.poll_read(context, &mut read) else { break };
            self.ring(&mut shard);
            match done {
                Ok(()) if !read.filled().is_empty() => {
                    wire.handle_bytes(&mut shard, socket.id, read.filled_mut(), &mut *link);
                }
                // It may wait for room for its answer.
                Ok(()) => shard.handle_eof(socket.id),
                Err(_) => shard.handle_end(socket.id),
            }
        }
        socket.blocked.set(socket.blocked.get() || wire.is_blocked());
        while link.poll_write(socket.blocked.get(), context) {
            self.ring(&mut shard);
            let is_free = wire.handle_writable(&mut shard, socket.id, &mut *link);
            socket.blocked.set(!is_free);
        }
        socket.task.set(Some(context.waker().clone()));
        Poll::Pending
    }

    /// One turn; when the next one is wanted at the latest.
    fn turn(self: &Rc<Self>) -> Option<tokio::time::Instant> {
        let mut shard = self.shard.borrow_mut();
        self.tell_time(&mut shard);
        self.take_arrivals(&mut shard);
        while let Some(task) = shard.poll_task() {
            self.spawn(task);
        }
        shard.turn();
        let mut sockets = self.sockets.borrow_mut();
        while let Some(transmit) = shard.poll_transmit() {
            let id = transmit.id();
            let written = match &sockets[id.slot()] {
                Way::None => continue,
                Way::Foreign(outlet) => Ok(outlet.write(transmit.parts())),
                Way::Own(socket) => {
                    let mut link = socket.link.borrow_mut();
                    socket.wire.borrow_mut().write(transmit.parts(), &mut *link)
                }
            };
            let Ok(written) = written else {
                shard.handle_end(id);
                continue;
            };
            let sent = shard.handle_sent(id, written);
            match &sockets[id.slot()] {
                Way::Foreign(outlet) if sent == Sent::Finished => outlet.finish(),
                Way::Own(socket) => {
                    match sent {
                        // Nearly always, and to wake a thousand tasks costs more than to write to them.
                        Sent::Idle if matches!(*socket.link.borrow(), Link::Tcp(_)) => continue,
                        Sent::Idle => {}
                        Sent::Blocked => socket.blocked.set(true),
                        Sent::Finished => {
                            socket.finish();
                            socket.link.borrow_mut().finish();
                        }
                    }
                    socket.wake();
                }
                Way::Foreign(_) | Way::None => {}
            }
        }
        if self.lines.borrow_mut().relay(&mut shard) {
            self.bell.0.notify_one();
        }
        while let Some(id) = shard.poll_gone() {
            if let Way::Own(socket) = std::mem::replace(&mut sockets[id.slot()], Way::None) {
                socket.finish();
                socket.wake();
            }
        }
        self.told.set(false);
        self.unread.borrow_mut().retain(|socket| {
            let is_full = shard.room(socket.id) == Some(0);
            if !is_full {
                socket.unread.set(false);
                socket.wake();
            }
            is_full
        });
        shard.poll_timeout().map(|at| self.start + Duration::from_micros(at.micros()))
    }
}

/// Bytes of one read; one buffer serves all connections.
const READ: usize = 64 << 10;
