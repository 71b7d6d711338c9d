//! One thread's sockets, their poller, and the engine that says what to do with them. Knows no operation and no rule of the
//! protocol. Why each step stands where it stands: `fastws_core::driver`.

use fastws_core::config::Config;
use fastws_core::dispatch::Dispatch;
use fastws_core::engine::{Engine, Sent, Transmit};
use fastws_core::ids::ConnectionId;
use fastws_core::time::{Duration, Instant};
use polling::{AsRawSource, AsSource, Event, Events, Poller};
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Serves the connections of one listening socket.
pub(crate) struct Driver {
    engine: Engine<'static>,
    poller: Arc<Poller>,
    listener: Watched<TcpListener>,
    /// Accepting rests until then, where it fails for want of descriptors.
    rest: Option<Instant>,
    /// By the slots of their ids.
    connections: Vec<Option<Connection>>,
    /// Those that the poller is to be told about.
    changed: Vec<ConnectionId>,
    wishes: Receiver<Wish>,
    buffer: Vec<u8>,
    start: std::time::Instant,
}

struct Connection {
    id: ConnectionId,
    socket: Watched<TcpStream>,
    /// The socket has not taken everything, and not said since that it takes more.
    blocked: bool,
}

type Wish = Box<dyn FnOnce(&mut Engine<'static>, Instant) + Send>;

/// Reaches a driver from other threads.
#[derive(Clone)]
pub(crate) struct Handle {
    wishes: SyncSender<Wish>,
    poller: Arc<Poller>,
}

impl Handle {
    /// Has the driver's next turn do this: publish, settle a call, drain. Waits while many wishes wait, so never call it
    /// on the driver's own thread.
    pub(crate) fn tell(&self, wish: impl FnOnce(&mut Engine<'static>, Instant) + Send + 'static) {
        // In this order: a driver that is woken finds it. One that has ended wants nothing.
        if self.wishes.send(Box::new(wish)).is_ok() {
            let _ = self.poller.notify();
        }
    }
}

impl Driver {
    pub(crate) fn new(listener: TcpListener, config: Config) -> io::Result<(Self, Handle)> {
        config.check().map_err(io::Error::other)?;
        listener.set_nonblocking(true)?;
        let poller = Arc::new(Poller::new()?);
        let (sender, wishes) = sync_channel(WISHES);
        let driver = Self {
            engine: Engine::new(config, random()),
            poller: poller.clone(),
            listener: Watched::new(listener, &poller, LISTENER)?,
            rest: None,
            connections: Vec::new(),
            changed: Vec::new(),
            wishes,
            buffer: vec![0; READ],
            start: std::time::Instant::now(),
        };
        Ok((driver, Handle { wishes: sender, poller }))
    }

    /// Takes turns until a drain is over.
    pub(crate) fn run(mut self, application: &mut impl Dispatch) -> io::Result<()> {
        let (mut events, mut more) = (Events::new(), false);
        while !self.engine.is_drained() {
            events.clear();
            self.poller.wait(&mut events, self.timeout(more))?;
            let now = self.now();
            for event in events.iter() {
                self.handle_event(now, event, application)?;
            }
            if self.rest.is_some_and(|until| until <= now) {
                self.accept(now)?;
            }
            // Whoever has spoken in time is alive, so this comes after what was read.
            self.engine.handle_timeout(now);
            more = self.take_wishes(now);
            self.engine.resume(now, application);
            self.transmit(now);
            self.rearm(now);
            while let Some(id) = self.engine.poll_gone() {
                self.connections[id.slot()] = None;
            }
        }
        Ok(())
    }

    fn timeout(&self, more: bool) -> Option<Duration> {
        if more || self.engine.is_ready() {
            return Some(Duration::ZERO);
        }
        let deadlines = [self.engine.poll_timeout(), self.rest];
        deadlines.into_iter().flatten().min().map(|at| at - self.now())
    }

    /// Monotonic, from a zero of our own.
    fn now(&self) -> Instant {
        Instant::from_micros(self.start.elapsed().as_micros() as u64)
    }

    fn handle_event(
        &mut self,
        now: Instant,
        event: Event,
        application: &mut impl Dispatch,
    ) -> io::Result<()> {
        if event.key == LISTENER {
            return self.accept(now);
        }
        let Some(Some(connection)) = self.connections.get_mut(event.key) else { return Ok(()) };
        let id = connection.id;
        // It is told once: from now on the poller is silent about this socket.
        self.changed.push(id);
        if event.writable {
            connection.blocked = false;
            self.engine.handle_writable(id);
        }
        if event.readable {
            self.read(now, id, application);
        }
        Ok(())
    }

    /// Once in a turn, so that others have theirs. What is left is told again.
    fn read(&mut self, now: Instant, id: ConnectionId, application: &mut impl Dispatch) {
        // Without room, a read of nothing would look like an end.
        let Some(room @ 1..) = self.engine.room(id) else { return };
        let Some(Connection { socket, .. }) = &mut self.connections[id.slot()] else { return };
        let room = room.min(self.buffer.len());
        match socket.source.read(&mut self.buffer[..room]) {
            Ok(0) => self.engine.handle_eof(now, id),
            Ok(read) => {
                self.engine.handle_bytes(now, id, &mut self.buffer[..read], application);
            }
            Err(error) if matches!(error.kind(), WouldBlock | Interrupted) => {}
            Err(_) => self.engine.handle_end(now, id),
        }
    }

    fn accept(&mut self, now: Instant) -> io::Result<()> {
        self.rest = None;
        for _ in 0..ACCEPTS {
            match self.listener.source.accept().map_err(|error| error.kind()) {
                Ok((stream, _)) => self.welcome(now, stream),
                Err(WouldBlock) => break,
                // The error of a connection that has gone before it was accepted.
                Err(ConnectionAborted | ConnectionReset | Interrupted) => {}
                Err(_) => {
                    self.rest = Some(now + Duration::from_millis(100));
                    return Ok(());
                }
            }
        }
        self.poller.modify(&self.listener.source, Event::readable(LISTENER))
    }

    fn welcome(&mut self, now: Instant, stream: TcpStream) {
        let uid = u128::from(random()) << 64 | u128::from(random());
        // Where there is no place, the stream is dropped.
        let Ok(id) = self.engine.accept(now, uid.to_le_bytes()) else { return };
        let prepared = stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true));
        match prepared.and_then(|()| Watched::new(stream, &self.poller, id.slot())) {
            Ok(socket) => {
                let slots = self.connections.len().max(id.slot() + 1);
                self.connections.resize_with(slots, || None);
                self.connections[id.slot()] = Some(Connection { id, socket, blocked: false });
            }
            Err(_) => self.engine.handle_end(now, id),
        }
    }

    /// True: there may be more, of which no event tells.
    fn take_wishes(&mut self, now: Instant) -> bool {
        let wishes = self.wishes.try_iter().take(WISHES);
        wishes.map(|wish| wish(&mut self.engine, now)).count() == WISHES
    }

    fn transmit(&mut self, now: Instant) {
        while let Some(transmit) = self.engine.poll_transmit(now) {
            let id = transmit.id();
            let connection = self.connections[id.slot()].as_mut();
            let connection = connection.expect("nobody is written to who has gone");
            let Ok(sent) = write(&mut connection.socket.source, transmit) else {
                self.engine.handle_end(now, id);
                continue;
            };
            match self.engine.handle_sent(now, id, sent) {
                Sent::Idle => {}
                Sent::Blocked => {
                    connection.blocked = true;
                    self.changed.push(id);
                }
                Sent::Finished => {
                    // It only fails where the peer has gone already.
                    let _ = connection.socket.source.shutdown(Shutdown::Write);
                }
            }
        }
    }

    /// Asks the poller for what is waited for now; behind all that may have made room.
    fn rearm(&mut self, now: Instant) {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        changed.dedup();
        for id in changed {
            let Some(room) = self.engine.room(id) else { continue };
            let Some(connection) = &self.connections[id.slot()] else { continue };
            let interest = Event::new(id.slot(), room > 0, connection.blocked);
            if room == 0 {
                // No event tells when there is room again: the next turn asks.
                self.changed.push(id);
            }
            // Whose interest is in nothing would still be told of an end, again and again.
            if (room > 0 || connection.blocked)
                && self.poller.modify(&connection.socket.source, interest).is_err()
            {
                self.engine.handle_end(now, id);
            }
        }
    }
}

/// What the poller watches until it is dropped.
struct Watched<S: AsSource> {
    source: S,
    poller: Arc<Poller>,
}

impl<S: AsSource> Watched<S> {
    fn new(source: S, poller: &Arc<Poller>, key: usize) -> io::Result<Self>
    where
        for<'s> &'s S: AsRawSource,
    {
        // SAFETY: `drop` takes it from the poller before it is closed.
        unsafe { poller.add(&source, Event::readable(key))? };
        Ok(Self { source, poller: poller.clone() })
    }
}

impl<S: AsSource> Drop for Watched<S> {
    fn drop(&mut self) {
        // It only fails where the poller does not know it any more.
        let _ = self.poller.delete(&self.source);
    }
}

/// How many bytes the socket takes now.
fn write(stream: &mut TcpStream, transmit: Transmit<'_>) -> io::Result<usize> {
    let (mut slices, mut count) = ([IoSlice::new(&[]); Transmit::PARTS], 0);
    for (slice, part) in slices.iter_mut().zip(transmit.parts()) {
        *slice = IoSlice::new(part);
        count += 1;
    }
    match stream.write_vectored(&slices[..count]) {
        Err(error) if matches!(error.kind(), WouldBlock | Interrupted) => Ok(0),
        written => written,
    }
}

/// Unpredictable, as far as std goes.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}

/// The poller keeps the key after it for itself.
const LISTENER: usize = usize::MAX - 1;
/// Bytes of one read; one buffer serves all connections.
const READ: usize = 64 << 10;
/// Connections that are accepted in one turn.
const ACCEPTS: usize = 64;
/// How many wait at most, and are granted in one turn.
const WISHES: usize = 64;
