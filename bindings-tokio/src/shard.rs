//! One shard on a tokio thread: a task for each socket, and one that takes the turns. Knows no rule of
//! the protocol.

use fastws_core::api::Api;
use fastws_core::engine::Sent;
use fastws_core::ids::ConnectionId;
use fastws_core::time::Instant;
use fastws_host::descriptors;
use fastws_host::error::Error;
use fastws_host::settings::{Doorway, Settings};
use fastws_host::shard::Shard;
use fastws_host::shared::Shared;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::io::{ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::SystemTime;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, LocalSet};

/// Serves until `end` is ready and every connection has been closed. With the listeners comes whether
/// they are private.
pub(crate) async fn serve(
    listeners: Vec<(TcpListener, bool)>,
    api: Api,
    mut settings: Settings,
    end: impl Future<Output = ()>,
) -> Result<(), Error> {
    let catalog = api.build().map_err(Error::Build)?;
    settings.config.connections = descriptors::cap(settings.config.connections);
    let bell = Arc::new(Bell(Notify::new()));
    let shared = Shared::new(catalog, settings, vec![Waker::from(bell.clone())])?;
    let house = Rc::new(House {
        shard: RefCell::new(Shard::new(shared.clone(), 0)),
        sockets: RefCell::default(),
        buffer: RefCell::new(vec![0; READ]),
        start: tokio::time::Instant::now(),
        bell,
    });
    let tasks = LocalSet::new();
    let mut accepting = Vec::new();
    for (listener, is_private) in listeners {
        let doorway = Doorway::new(listener.local_addr()?, is_private);
        accepting.push(tasks.spawn_local(accept(house.clone(), listener, doorway)));
    }
    let turns = async {
        let ended = async {
            end.await;
            accepting.iter().for_each(JoinHandle::abort);
            shared.shutdown();
            std::future::pending().await
        };
        tokio::select! {
            () = turn(house.clone()) => {}
            () = ended => {}
        }
    };
    tasks.run_until(turns).await;
    drop((tasks, house));
    debug_assert!(shared.is_empty(), "nothing is left of anybody");
    Ok(())
}

/// Rung by sockets, by other threads, and by whoever has something for the next turn.
struct Bell(Notify);

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
    sockets: RefCell<Vec<Option<Rc<Socket>>>>,
    buffer: RefCell<Vec<u8>>,
    start: tokio::time::Instant,
    bell: Arc<Bell>,
}

struct Socket {
    stream: RefCell<TcpStream>,
    id: ConnectionId,
    blocked: Cell<bool>,
    /// Its task, which sleeps until the socket is ready or a turn has something for it.
    task: Cell<Option<Waker>>,
}

impl Socket {
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
            Err(error) => {
                log::warn!("cannot accept: {error}");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

/// Takes turns until the server has ended.
async fn turn(house: Rc<House>) {
    loop {
        let deadline = house.turn();
        if house.shard.borrow().is_drained() {
            return;
        }
        if house.shard.borrow().is_ready() {
            tokio::task::yield_now().await;
            continue;
        }
        let rung = house.bell.0.notified();
        match deadline {
            Some(at) => drop(tokio::time::timeout_at(at, rung).await),
            None => rung.await,
        }
    }
}

impl House {
    fn welcome(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr, doorway: Doorway) {
        // It only fails where the peer has gone already.
        let _ = stream.set_nodelay(true);
        let Ok(id) = self.shard.borrow_mut().accept(Some(peer), doorway) else { return };
        let socket = Rc::new(Socket {
            stream: RefCell::new(stream),
            id,
            blocked: Cell::new(false),
            task: Cell::default(),
        });
        let mut sockets = self.sockets.borrow_mut();
        if sockets.len() <= id.slot() {
            sockets.resize_with(id.slot() + 1, || None);
        }
        sockets[id.slot()] = Some(socket.clone());
        let house = self.clone();
        tokio::task::spawn_local(poll_fn(move |context| house.poll_socket(&socket, context)));
    }

    /// Reads while there is something, and tells when the socket takes bytes again.
    fn poll_socket(&self, socket: &Socket, context: &mut Context<'_>) -> Poll<()> {
        let mut shard = self.shard.borrow_mut();
        let mut stream = socket.stream.borrow_mut();
        loop {
            let Some(room) = shard.room(socket.id) else { return Poll::Ready(()) };
            if room == 0 {
                break;
            }
            let mut buffer = self.buffer.borrow_mut();
            let room = room.min(buffer.len());
            let mut read = ReadBuf::new(&mut buffer[..room]);
            match Pin::new(&mut *stream).poll_read(context, &mut read) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                    shard.handle_bytes(socket.id, read.filled_mut());
                    self.bell.0.notify_one();
                }
                // It may wait for room for its answer.
                Poll::Ready(Ok(())) => {
                    shard.handle_eof(socket.id);
                    self.bell.0.notify_one();
                }
                Poll::Ready(Err(_)) => {
                    shard.handle_end(socket.id);
                    self.bell.0.notify_one();
                    return Poll::Ready(());
                }
            }
        }
        if socket.blocked.get() && stream.poll_write_ready(context).is_ready() {
            socket.blocked.set(false);
            shard.handle_writable(socket.id);
            self.bell.0.notify_one();
        }
        socket.task.set(Some(context.waker().clone()));
        Poll::Pending
    }

    /// One turn; when the next one is wanted at the latest.
    fn turn(&self) -> Option<tokio::time::Instant> {
        let now = Instant::from_micros(self.start.elapsed().as_micros() as u64);
        let unix = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let mut shard = self.shard.borrow_mut();
        shard.handle_time(now, unix);
        while let Some(mut task) = shard.poll_task() {
            let bell = self.bell.clone();
            // Whatever a task has done, the next turn carries out.
            tokio::task::spawn_local(poll_fn(move |context| {
                bell.0.notify_one();
                task.as_mut().poll(context)
            }));
        }
        shard.turn();
        let mut sockets = self.sockets.borrow_mut();
        while let Some(transmit) = shard.poll_transmit() {
            let id = transmit.id();
            let Some(socket) = &sockets[id.slot()] else { continue };
            let Ok(written) = write(&socket.stream.borrow(), transmit.parts()) else {
                shard.handle_end(id);
                continue;
            };
            match shard.handle_sent(id, written) {
                Sent::Idle => {}
                Sent::Blocked => socket.blocked.set(true),
                // tokio's streams shut down without waiting.
                Sent::Finished => {
                    let mut stream = socket.stream.borrow_mut();
                    let _ = Pin::new(&mut *stream)
                        .poll_shutdown(&mut Context::from_waker(Waker::noop()));
                }
            }
            socket.wake();
        }
        while let Some(id) = shard.poll_gone() {
            if let Some(socket) = sockets[id.slot()].take() {
                socket.wake();
            }
        }
        shard.poll_timeout().map(|at| self.start + std::time::Duration::from_micros(at.micros()))
    }
}

/// As much as the socket takes now.
fn write<'e>(stream: &TcpStream, parts: impl Iterator<Item = &'e [u8]>) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); 64];
    let mut count = 0;
    for part in parts {
        slices[count] = IoSlice::new(part);
        count += 1;
    }
    let written = match count {
        0 => Ok(0),
        1 => stream.try_write(&slices[0]),
        _ => stream.try_write_vectored(&slices[..count]),
    };
    match written {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        written => written,
    }
}

/// Bytes of one read; one buffer serves all connections.
const READ: usize = 64 << 10;
