//! One thread: sockets, their poller, an executor, and the shard that says what to do with them.
//! Knows no rule of the protocol.

use fastws_core::engine::Sent;
use fastws_core::ids::ConnectionId;
use fastws_core::time::Instant;
use fastws_host::bell::Bell;
use fastws_host::server::{Arrivals, Binding, Seat};
use fastws_host::settings::Doorway;
use fastws_host::shard::Shard;
use fastws_host::socket::{Wire, is_one_connections};
use fastws_host::stream::{Foreign, Lines, Outlet};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use smol::LocalExecutor;
use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, SystemTime};

/// Shards on threads of mio and smol.
#[derive(Debug)]
pub enum Smol {}

impl Binding for Smol {
    type Poller = (Poll, Arc<Bell>);
    type Stream = Foreign;

    fn poller() -> io::Result<(Self::Poller, Waker)> {
        let poll = Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), WAKE)?;
        // It fails only where the poller is gone, and with it the shard.
        let bell = Bell::new(move || drop(waker.wake()));
        let waker = Waker::from(bell.clone());
        Ok(((poll, bell), waker))
    }

    fn drive(poller: Self::Poller, seat: Seat<Foreign>) -> io::Result<()> {
        Driver::new(poller, seat)?.run()
    }
}

/// One connection's way out.
enum Socket {
    None,
    Own(TcpStream, Wire, ConnectionId),
    Foreign(Outlet),
}

struct Driver {
    poll: Poll,
    bell: Arc<Bell>,
    arrivals: Arc<Arrivals<Foreign>>,
    listeners: Vec<(TcpListener, Doorway)>,
    shard: Shard,
    sockets: Vec<Socket>,
    /// Sockets that may have more to read than was taken: no event will tell.
    unread: VecDeque<ConnectionId>,
    lines: Lines,
    /// A listener may have more connections than were taken, from then on.
    unaccepted: Option<Instant>,
    executor: Rc<LocalExecutor<'static>>,
    buffer: Vec<u8>,
    start: std::time::Instant,
    now: Instant,
}

impl Driver {
    fn new((poll, bell): (Poll, Arc<Bell>), seat: Seat<Foreign>) -> io::Result<Self> {
        let Seat { shard, listeners, arrivals } = seat;
        let listeners = listeners.into_iter();
        let mut listeners: Vec<_> =
            listeners.map(|(socket, doorway)| (TcpListener::from_std(socket), doorway)).collect();
        for (number, (listener, _)) in listeners.iter_mut().enumerate() {
            poll.registry().register(listener, Token(LISTEN.0 - number), Interest::READABLE)?;
        }
        Ok(Self {
            poll,
            bell,
            arrivals,
            listeners,
            shard,
            sockets: Vec::new(),
            unread: VecDeque::new(),
            lines: Lines::default(),
            unaccepted: None,
            executor: Rc::new(LocalExecutor::new()),
            buffer: vec![0; READ],
            start: std::time::Instant::now(),
            now: Instant::ZERO,
        })
    }

    /// Turns until the server has ended.
    fn run(mut self) -> io::Result<()> {
        let executor = self.executor.clone();
        let mut tasks = pin!(executor.run(std::future::pending::<()>()));
        let waker = Waker::from(self.bell.clone());
        let mut context = Context::from_waker(&waker);
        let mut events = Events::with_capacity(1024);
        while !self.shard.is_drained() {
            self.wait(&mut events)?;
            for event in &events {
                self.handle_event(event);
            }
            self.read_again();
            while let Some(task) = self.shard.poll_task() {
                self.executor.spawn(task).detach();
            }
            if self.bell.take() {
                self.take_arrivals();
                let _ = tasks.as_mut().poll(&mut context);
            }
            self.shard.turn();
            self.transmit();
            if self.lines.relay(&mut self.shard) {
                // What comes of it is the next turn's.
                self.bell.ring();
            }
            while let Some(id) = self.shard.poll_gone() {
                if let Socket::Own(stream, wire, _) = &mut self.sockets[id.slot()] {
                    wire.finish(stream);
                }
                self.sockets[id.slot()] = Socket::None;
            }
        }
        Ok(())
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let is_silent = self.bell.fall_asleep();
        let readable = self.unread.iter().any(|&id| self.shard.room(id) != Some(0));
        let timeout = match is_silent && !readable && !self.shard.is_ready() {
            false => Some(Duration::ZERO),
            true => {
                let deadlines = [self.shard.poll_timeout(), self.unaccepted];
                deadlines.into_iter().flatten().min().map(|at| at - self.tell_time())
            }
        };
        let waited = self.poll.poll(events, timeout);
        self.bell.wake_up();
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
        let Some(Socket::Own(stream, wire, id)) = self.sockets.get_mut(token) else {
            if token > LISTEN.0 - self.listeners.len() {
                self.accept();
            }
            return;
        };
        let id = *id;
        if event.is_writable() {
            wire.handle_writable(&mut self.shard, id, stream);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.read(id, event.is_read_closed() || event.is_error());
        }
    }

    /// Reads until a short read; with `ended` until the end, which no further event tells.
    #[inline]
    fn read(&mut self, id: ConnectionId, ended: bool) {
        let Some(Socket::Own(stream, wire, _)) = self.sockets.get_mut(id.slot()) else { return };
        for _ in 0..READS {
            let Some(room) = self.shard.room(id) else { return };
            if room == 0 {
                break;
            }
            let room = room.min(self.buffer.len());
            if wire.has_rest() {
                wire.take_rest(&mut self.shard, id, &mut self.buffer[..room]);
                continue;
            }
            match stream.read(&mut self.buffer[..room]) {
                Ok(0) => return self.shard.handle_eof(id),
                Ok(read) => {
                    wire.handle_bytes(&mut self.shard, id, &mut self.buffer[..read], stream);
                    if read < room && !ended && !wire.has_rest() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.shard.handle_end(id),
            }
        }
        self.unread.push_back(id);
    }

    fn read_again(&mut self) {
        if self.unaccepted.is_some_and(|at| at <= self.now) {
            self.accept();
        }
        for _ in 0..self.unread.len() {
            let id = self.unread.pop_front().expect("reading only adds to them");
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
        self.place(id, Socket::Own(stream, Wire::new(&self.shard, doorway), id));
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
        for (stream, guest) in self.arrivals.take() {
            let Ok(id) = self.shard.open(guest) else { continue };
            let (outlet, carried) = self.lines.connect(id, stream);
            self.executor.spawn(carried).detach();
            self.place(id, Socket::Foreign(outlet));
        }
    }

    /// Writes what is there to be written, until it is done or the sockets take no more.
    #[inline]
    fn transmit(&mut self) {
        while let Some(transmit) = self.shard.poll_transmit() {
            let id = transmit.id();
            let written = match &mut self.sockets[id.slot()] {
                Socket::Own(stream, wire, _) => wire.write(transmit.parts(), stream),
                Socket::Foreign(outlet) => Ok(outlet.write(transmit.parts())),
                Socket::None => Err(ErrorKind::NotConnected.into()),
            };
            match written.map(|written| self.shard.handle_sent(id, written)) {
                Ok(Sent::Idle | Sent::Blocked) => {}
                Ok(Sent::Finished) => match &mut self.sockets[id.slot()] {
                    Socket::Own(stream, wire, _) => {
                        wire.finish(stream);
                        // It only fails where the peer has gone already.
                        let _ = stream.shutdown(Shutdown::Write);
                    }
                    Socket::Foreign(outlet) => outlet.finish(),
                    Socket::None => {}
                },
                Err(_) => self.shard.handle_end(id),
            }
        }
    }
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
