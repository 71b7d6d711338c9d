//! One thread: sockets, their poller, an executor, and the shard that says what to do with them.
//! Knows no rule of the protocol.

use crate::stream::Line;
use fastws_core::engine::Sent;
use fastws_core::ids::ConnectionId;
use fastws_core::time::Instant;
use fastws_host::settings::Doorway;
use fastws_host::shard::Shard;
use fastws_host::shared::Shared;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use smol::LocalExecutor;
use std::any::Any;
use std::future::Future;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, SystemTime};

pub(crate) use crate::stream::Arrival;

/// A shard's bell: rung by its tasks and by other threads, heard before and during a wait.
pub(crate) struct Note {
    waker: mio::Waker,
    rung: AtomicBool,
    asleep: AtomicBool,
    arrivals: Mutex<Vec<Arrival>>,
}

impl Note {
    pub(crate) fn new(poll: &Poll) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            waker: mio::Waker::new(poll.registry(), WAKE)?,
            // An executor that was never polled wakes nobody.
            rung: AtomicBool::new(true),
            asleep: AtomicBool::new(false),
            arrivals: Mutex::default(),
        }))
    }

    /// Hands a foreign stream over.
    pub(crate) fn arrive(&self, arrival: Arrival) {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
        self.ring();
    }

    fn arrivals(&self) -> Vec<Arrival> {
        std::mem::take(&mut *self.arrivals.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One system call at most, and none while the shard is awake.
    fn ring(&self) {
        self.rung.store(true, SeqCst);
        if self.asleep.swap(false, SeqCst) {
            // It fails only where the poller is gone, and with it the shard.
            let _ = self.waker.wake();
        }
    }
}

impl Wake for Note {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

/// One connection's way out.
enum Socket {
    None,
    Plain(TcpStream, ConnectionId),
    Foreign(Rc<Line>, ConnectionId),
}

pub(crate) struct Driver {
    poll: Poll,
    note: Arc<Note>,
    listeners: Vec<(TcpListener, Doorway)>,
    shard: Shard,
    sockets: Vec<Socket>,
    /// Sockets that may have more to read than was taken: no event will tell.
    unread: Vec<ConnectionId>,
    foreign: Vec<ConnectionId>,
    /// A listener may have more connections than were taken, from then on.
    unaccepted: Option<Instant>,
    executor: Rc<LocalExecutor<'static>>,
    buffer: Vec<u8>,
    start: std::time::Instant,
    now: Instant,
}

impl Driver {
    pub(crate) fn new(
        poll: Poll,
        note: Arc<Note>,
        listeners: Vec<(std::net::TcpListener, Doorway)>,
        shared: Arc<Shared>,
        index: usize,
    ) -> io::Result<Self> {
        let listeners = listeners.into_iter();
        let mut listeners: Vec<_> =
            listeners.map(|(socket, doorway)| (TcpListener::from_std(socket), doorway)).collect();
        for (number, (listener, _)) in listeners.iter_mut().enumerate() {
            poll.registry().register(listener, Token(LISTEN.0 - number), Interest::READABLE)?;
        }
        Ok(Self {
            poll,
            note,
            listeners,
            shard: Shard::new(shared, index),
            sockets: Vec::new(),
            unread: Vec::new(),
            foreign: Vec::new(),
            unaccepted: None,
            executor: Rc::new(LocalExecutor::new()),
            buffer: vec![0; READ],
            start: std::time::Instant::now(),
            now: Instant::ZERO,
        })
    }

    /// Turns until the server has ended.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let executor = self.executor.clone();
        let mut tasks = pin!(executor.run(std::future::pending::<()>()));
        let waker = Waker::from(self.note.clone());
        let mut context = Context::from_waker(&waker);
        let mut events = Events::with_capacity(1024);
        while !self.shard.is_drained() {
            self.wait(&mut events)?;
            for event in &events {
                self.handle_event(event);
            }
            self.read_again();
            self.take_arrivals();
            while let Some(task) = self.shard.poll_task() {
                self.executor.spawn(task).detach();
            }
            if self.note.rung.swap(false, SeqCst) {
                let _ = tasks.as_mut().poll(&mut context);
            }
            self.shard.turn();
            self.transmit();
            if self.relay() {
                // What comes of it is the next turn's.
                self.note.ring();
            }
            while let Some(id) = self.shard.poll_gone() {
                self.sockets[id.slot()] = Socket::None;
            }
        }
        Ok(())
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        self.note.asleep.store(true, SeqCst);
        let readable = self.unread.iter().any(|&id| self.shard.room(id) != Some(0));
        let timeout = match self.shard.is_ready() || readable || self.note.rung.load(SeqCst) {
            true => Some(Duration::ZERO),
            false => {
                let deadlines = [self.shard.poll_timeout(), self.unaccepted];
                deadlines.into_iter().flatten().min().map(|at| at - self.tell_time())
            }
        };
        let waited = self.poll.poll(events, timeout);
        self.note.asleep.store(false, SeqCst);
        match waited {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        self.now = self.tell_time();
        let unix = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        self.shard.handle_time(self.now, unix);
        Ok(())
    }

    fn tell_time(&self) -> Instant {
        Instant::from_micros(self.start.elapsed().as_micros() as u64)
    }

    #[inline]
    fn handle_event(&mut self, event: &mio::event::Event) {
        let Token(token) = event.token();
        if event.token() == WAKE {
            return;
        }
        let Some(&Socket::Plain(_, id)) = self.sockets.get(token) else {
            if token > LISTEN.0 - self.listeners.len() {
                self.accept();
            }
            return;
        };
        if event.is_writable() {
            self.shard.handle_writable(id);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.read(id, event.is_read_closed() || event.is_error());
        }
    }

    /// Reads until a short read; with `ended` until the end, which no further event tells.
    #[inline]
    fn read(&mut self, id: ConnectionId, ended: bool) {
        for _ in 0..READS {
            let Some(room) = self.shard.room(id) else { return };
            if room == 0 {
                break;
            }
            let Some(Socket::Plain(stream, _)) = self.sockets.get_mut(id.slot()) else { return };
            let room = room.min(self.buffer.len());
            match stream.read(&mut self.buffer[..room]) {
                Ok(0) => return self.shard.handle_eof(id),
                Ok(read) => {
                    self.shard.handle_bytes(id, &mut self.buffer[..read]);
                    if read < room && !ended {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.shard.handle_end(id),
            }
        }
        self.unread.push(id);
    }

    fn read_again(&mut self) {
        if self.unaccepted.is_some_and(|at| at <= self.now) {
            self.accept();
        }
        for id in std::mem::take(&mut self.unread) {
            // The end may be among what is unread, and is told only once.
            self.read(id, true);
        }
    }

    fn accept(&mut self) {
        self.unaccepted = None;
        for number in 0..self.listeners.len() {
            let mut left = ACCEPTS;
            loop {
                let (listener, doorway) = &self.listeners[number];
                match listener.accept() {
                    Ok((stream, peer)) => self.welcome(stream, peer, *doorway),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) if is_one_connections(&error) => {}
                    Err(error) => {
                        log::warn!("cannot accept: {error}");
                        self.unaccepted = Some(self.now + Duration::from_millis(100));
                        break;
                    }
                }
                left -= 1;
                if left == 0 {
                    self.unaccepted = Some(self.now);
                    break;
                }
            }
        }
    }

    fn welcome(&mut self, mut stream: TcpStream, peer: SocketAddr, doorway: Doorway) {
        // It only fails where the peer has gone already.
        let _ = stream.set_nodelay(true);
        let Ok(id) = self.shard.accept(Some(peer), doorway) else { return };
        let registered = self.poll.registry().register(
            &mut stream,
            Token(id.slot()),
            Interest::READABLE | Interest::WRITABLE,
        );
        self.place(id, Socket::Plain(stream, id));
        if let Err(error) = registered {
            log::warn!("cannot watch a connection: {error}");
            self.shard.handle_end(id);
        }
    }

    fn place(&mut self, id: ConnectionId, socket: Socket) {
        if self.sockets.len() <= id.slot() {
            self.sockets.resize_with(id.slot() + 1, || Socket::None);
        }
        self.sockets[id.slot()] = socket;
    }

    fn take_arrivals(&mut self) {
        if !self.note.rung.load(SeqCst) {
            return;
        }
        for mut arrival in self.note.arrivals() {
            let guest = arrival.guest.take().map(|guest| Rc::from(guest as Box<dyn Any>));
            let Ok(id) = self.shard.open(guest) else { continue };
            let line = arrival.connect(&self.executor);
            self.place(id, Socket::Foreign(line, id));
            self.foreign.push(id);
        }
    }

    /// Takes what foreign streams have said. True if there was anything that could be taken.
    fn relay(&mut self) -> bool {
        let Self { foreign, sockets, shard, .. } = self;
        let mut any = false;
        foreign.retain(|&id| match &sockets[id.slot()] {
            Socket::Foreign(line, at) if *at == id => {
                any |= line.relay(shard, id);
                true
            }
            _ => false,
        });
        any
    }

    /// Writes what is there to be written, until it is done or the sockets take no more.
    #[inline]
    fn transmit(&mut self) {
        while let Some(transmit) = self.shard.poll_transmit() {
            let id = transmit.id();
            let written = match &mut self.sockets[id.slot()] {
                Socket::Plain(stream, _) => write(stream, transmit.parts()),
                Socket::Foreign(line, _) => Ok(line.write(transmit.parts())),
                Socket::None => Err(ErrorKind::NotConnected.into()),
            };
            match written.map(|written| self.shard.handle_sent(id, written)) {
                Ok(Sent::Idle | Sent::Blocked) => {}
                Ok(Sent::Finished) => match &self.sockets[id.slot()] {
                    // It only fails where the peer has gone already.
                    Socket::Plain(stream, _) => drop(stream.shutdown(Shutdown::Write)),
                    Socket::Foreign(line, _) => line.finish(),
                    Socket::None => {}
                },
                Err(_) => self.shard.handle_end(id),
            }
        }
    }
}

/// As much as the socket takes now.
#[inline]
fn write<'e>(
    stream: &mut TcpStream,
    mut parts: impl Iterator<Item = &'e [u8]>,
) -> io::Result<usize> {
    let Some(first) = parts.next() else { return Ok(0) };
    let written = match parts.next() {
        None => stream.write(first),
        Some(second) => {
            let mut slices = [IoSlice::new(&[]); 64];
            (slices[0], slices[1]) = (IoSlice::new(first), IoSlice::new(second));
            let mut count = 2;
            for part in parts {
                slices[count] = IoSlice::new(part);
                count += 1;
            }
            stream.write_vectored(&slices[..count])
        }
    };
    match written {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Ok(0)
        }
        written => written,
    }
}

/// The error is of the connection that would have been accepted, not of the listener (`accept(2)`).
fn is_one_connections(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}

const WAKE: Token = Token(usize::MAX);
/// The first listener's token; further ones count down.
const LISTEN: Token = Token(usize::MAX - 1);
/// Bytes of one read; one buffer serves all connections of a thread.
const READ: usize = 64 << 10;
/// Reads of one connection before others have their turn.
const READS: usize = 16;
/// Connections that are accepted in one turn.
const ACCEPTS: usize = 64;
