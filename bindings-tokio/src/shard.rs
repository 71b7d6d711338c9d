//! One shard on a thread with a tokio runtime: one task takes the turns, and polls the sockets that have
//! rung for one. Knows no rule of the protocol.

use crate::link::{Link, Request};
use fastws_core::desk::Local;
use fastws_core::engine::Sent;
use fastws_core::ids::ConnectionId;
use fastws_core::time::{Duration, Instant};
use fastws_host::bell::Bell;
use fastws_host::server::{Arrivals, Binding, Seat};
use fastws_host::settings::Doorway;
use fastws_host::shard::Shard;
use fastws_host::socket::{Wire, is_one_connections};
use fastws_host::stream::{Foreign, Lines, Outlet, WebSocketStream};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::SystemTime;
use tokio::io::ReadBuf;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local, unconstrained};

/// Shards on threads of tokio, each with a runtime of its own.
pub enum Tokio {}

impl Binding for Tokio {
    type Poller = (Runtime, Arc<Bell>, Arc<Notify>);
    type Stream = Stream;

    fn poller() -> io::Result<(Self::Poller, Waker)> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let roused = Arc::new(Notify::new());
        let rouse = roused.clone();
        let bell = Bell::new(move || rouse.notify_one());
        let waker = Waker::from(bell.clone());
        Ok(((runtime, bell, roused), waker))
    }

    fn drive((runtime, bell, roused): Self::Poller, seat: Seat<Stream>) -> io::Result<()> {
        let driven = LocalSet::new().block_on(&runtime, drive(bell, &roused, seat));
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

async fn drive(bell: Arc<Bell>, roused: &Notify, seat: Seat<Stream>) -> io::Result<()> {
    let house = Rc::new(House {
        shard: RefCell::new(seat.shard),
        arrivals: seat.arrivals,
        lines: RefCell::default(),
        sockets: RefCell::default(),
        start: tokio::time::Instant::now(),
        told: Cell::new(false),
        rung: Arc::new(Rung(Mutex::default(), bell.clone())),
        bell,
    });
    for (listener, doorway) in seat.listeners {
        spawn_local(accept(house.clone(), TcpListener::from_std(listener)?, doorway));
    }
    // Each socket's share of a turn is limited already.
    unconstrained(house.turns(roused)).await;
    Ok(())
}

/// Who is to be polled in the next turn, of the sockets that have rung.
struct Rung(Mutex<Vec<ConnectionId>>, Arc<Bell>);

/// One socket's way to ring.
struct Cord(Arc<Rung>, ConnectionId);

impl Wake for Cord {
    fn wake(self: Arc<Self>) {
        let Rung(sockets, bell) = &*self.0;
        sockets.lock().expect(NOBODY_PANICS).push(self.1);
        bell.ring();
    }
}

struct House {
    shard: RefCell<Shard>,
    arrivals: Arc<Arrivals<Stream>>,
    lines: RefCell<Lines>,
    sockets: RefCell<Vec<Way>>,
    start: tokio::time::Instant,
    /// The shard knows the time of what has come since its last turn.
    told: Cell<bool>,
    bell: Arc<Bell>,
    rung: Arc<Rung>,
}

/// What one turn leaves to the next.
#[derive(Default)]
struct Rest {
    buffer: Vec<u8>,
    /// Sockets that are not read until there is room.
    unread: HashSet<ConnectionId>,
    /// Empty between turns.
    rung: Vec<ConnectionId>,
}

/// One connection's way out.
enum Way {
    None,
    Own(Socket),
    Foreign(Outlet),
}

struct Socket {
    link: Link,
    wire: Wire,
    id: ConnectionId,
    blocked: bool,
    waker: Waker,
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
    async fn turns(self: &Rc<Self>, roused: &Notify) {
        let mut rest = Rest { buffer: vec![0; READ], ..Rest::default() };
        // One for all turns: the moment at which the next one is wanted seldom changes.
        let mut timer = pin!(tokio::time::sleep_until(self.start));
        loop {
            let deadline = self.turn(&mut rest);
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
            if self.bell.fall_asleep() {
                let mut roused = pin!(roused.notified());
                poll_fn(|context| match deadline {
                    Some(_) if timer.as_mut().poll(context).is_ready() => Poll::Ready(()),
                    _ => roused.as_mut().poll(context),
                })
                .await;
            }
            self.bell.wake_up();
        }
    }

    /// Something comes: a turn follows.
    fn begin(&self, shard: &mut Shard) {
        self.bell.ring();
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
            house.begin(&mut house.shard.borrow_mut());
            task.as_mut().poll(context)
        }));
    }

    fn welcome(&self, stream: TcpStream, peer: SocketAddr, doorway: Doorway) {
        // It only fails where the peer has gone already.
        let _ = stream.set_nodelay(true);
        let mut shard = self.shard.borrow_mut();
        self.begin(&mut shard);
        let Ok(id) = shard.accept(Some(peer), doorway) else { return };
        self.watch(id, Link::Tcp(stream), Wire::new(&shard, doorway));
    }

    fn watch(&self, id: ConnectionId, link: Link, wire: Wire) {
        let waker = Waker::from(Arc::new(Cord(self.rung.clone(), id)));
        waker.wake_by_ref();
        let socket = Socket { link, wire, id, blocked: false, waker };
        self.place(id, Way::Own(socket));
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

    /// One turn; when the next one is wanted at the latest.
    fn turn(self: &Rc<Self>, rest: &mut Rest) -> Option<tokio::time::Instant> {
        let mut shard = self.shard.borrow_mut();
        self.tell_time(&mut shard);
        // First, so that whoever rings from now on is heard once more.
        self.bell.take();
        std::mem::swap(&mut rest.rung, &mut self.rung.0.lock().expect(NOBODY_PANICS));
        self.take_arrivals(&mut shard);
        let mut sockets = self.sockets.borrow_mut();
        for id in rest.rung.drain(..) {
            if let Some(Way::Own(socket)) = sockets.get_mut(id.slot())
                && socket.id == id
                && !socket.poll(&mut shard, &mut rest.buffer)
            {
                rest.unread.insert(id);
            }
        }
        while let Some(task) = shard.poll_task() {
            self.spawn(task);
        }
        shard.turn();
        while let Some(transmit) = shard.poll_transmit() {
            let id = transmit.id();
            let way = &mut sockets[id.slot()];
            let written = match way {
                Way::None => continue,
                Way::Foreign(outlet) => Ok(outlet.write(transmit.parts())),
                Way::Own(socket) => socket.wire.write(transmit.parts(), &mut socket.link),
            };
            let Ok(sent) = written.map(|written| shard.handle_sent(id, written)) else {
                shard.handle_end(id);
                continue;
            };
            match way {
                Way::Foreign(outlet) if sent == Sent::Finished => outlet.finish(),
                // Nearly always: the next turn would find nothing.
                Way::Own(Socket { link: Link::Tcp(_), .. }) if sent == Sent::Idle => {}
                Way::Own(Socket { link, wire, blocked, waker, .. }) => {
                    *blocked |= sent == Sent::Blocked;
                    if sent == Sent::Finished {
                        wire.finish(link);
                        link.finish();
                    }
                    waker.wake_by_ref();
                }
                Way::Foreign(_) | Way::None => {}
            }
        }
        if self.lines.borrow_mut().relay(&mut shard) {
            self.bell.ring();
        }
        while let Some(id) = shard.poll_gone() {
            if let Way::Own(mut socket) = std::mem::replace(&mut sockets[id.slot()], Way::None) {
                socket.wire.finish(&mut socket.link);
            }
        }
        self.told.set(false);
        rest.unread.retain(|id| {
            let is_full = shard.room(*id) == Some(0);
            if !is_full && let Way::Own(socket) = &sockets[id.slot()] {
                socket.waker.wake_by_ref();
            }
            is_full
        });
        shard.poll_timeout().map(|at| self.start + Duration::from_micros(at.micros()))
    }
}

impl Socket {
    /// Reads while there is something, and tells when the socket takes bytes again. False: there is no
    /// room for more.
    fn poll(&mut self, shard: &mut Shard, buffer: &mut [u8]) -> bool {
        let Self { link, wire, id, blocked, waker, .. } = self;
        let context = &mut Context::from_waker(waker);
        let mut reads = READS;
        let has_room = loop {
            let Some(room) = shard.room(*id) else { return true };
            if room == 0 {
                break false;
            }
            if reads == 0 {
                waker.wake_by_ref();
                break true;
            }
            reads -= 1;
            let room = room.min(buffer.len());
            if wire.has_rest() {
                wire.take_rest(shard, *id, &mut buffer[..room]);
                continue;
            }
            let mut read = ReadBuf::new(&mut buffer[..room]);
            let Poll::Ready(done) = link.poll_read(context, &mut read) else { break true };
            match done {
                Ok(()) if !read.filled().is_empty() => {
                    wire.handle_bytes(shard, *id, read.filled_mut(), link);
                }
                // It may wait for room for its answer.
                Ok(()) => shard.handle_eof(*id),
                Err(_) => shard.handle_end(*id),
            }
        };
        *blocked = *blocked || wire.is_blocked();
        while link.poll_write(*blocked, context) {
            *blocked = !wire.handle_writable(shard, *id, link);
        }
        has_room
    }
}

/// Bytes of one read; one buffer serves all connections.
const READ: usize = 64 << 10;
/// Reads of one connection before others have their turn.
const READS: usize = 16;
const NOBODY_PANICS: &str = "nobody panics who holds it";
