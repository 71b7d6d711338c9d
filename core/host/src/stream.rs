//! Streams that are framed elsewhere, by async-tungstenite: a future carries their messages, a line
//! connects it with its shard. Knows no runtime.

use crate::shard::Shard;
use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::protocol::CloseFrame;
use fastws_core::assembly::{Incoming, Reader};
use fastws_core::desk::Local;
use fastws_core::frame::{Opcode, Role, close_payload};
use fastws_core::ids::ConnectionId;
use futures_lite::{AsyncRead, AsyncWrite, StreamExt};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};

/// A stream whose handshake somebody has done.
pub use async_tungstenite::WebSocketStream;

/// A foreign stream on its way to its shard.
pub struct Foreign(Box<dyn FnOnce(Rc<Line>) -> Local<()> + Send>);

impl<S> From<WebSocketStream<S>> for Foreign
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    fn from(stream: WebSocketStream<S>) -> Self {
        Self(Box::new(move |line| Box::pin(carry(stream, line))))
    }
}

/// The foreign streams of one shard.
#[derive(Default)]
pub struct Lines(Vec<(ConnectionId, Weak<Line>)>);

impl Lines {
    /// Connects a stream with a connection; the future carries its messages and is to be run on this
    /// thread.
    pub fn connect(&mut self, id: ConnectionId, stream: Foreign) -> (Outlet, Local<()>) {
        let line = Rc::new(Line::default());
        self.0.push((id, Rc::downgrade(&line)));
        let carried = (stream.0)(line.clone());
        (Outlet(line), carried)
    }

    /// Tells the shard what its streams have said. True if it has taken anything.
    pub fn relay(&mut self, shard: &mut Shard) -> bool {
        let mut any = false;
        self.0.retain(|(id, line)| {
            let line = line.upgrade();
            line.inspect(|line| any |= line.relay(shard, *id)).is_some()
        });
        any
    }
}

/// One connection's way out. When it is dropped, the stream is closed.
pub struct Outlet(Rc<Line>);

impl Outlet {
    /// Takes all of it, or nothing while enough waits already.
    pub fn write<'e>(&self, parts: impl Iterator<Item = &'e [u8]>) -> usize {
        let mut outgoing = self.0.outgoing.borrow_mut();
        let before = outgoing.len();
        if before >= ENOUGH {
            self.0.full.set(true);
            return 0;
        }
        parts.for_each(|part| outgoing.extend_from_slice(part));
        self.0.wake();
        outgoing.len() - before
    }

    /// The stream is closed after what was written.
    pub fn finish(&self) {
        self.0.finished.set(true);
        self.0.wake();
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.0.wake();
    }
}

/// Between a foreign stream's task and its shard, both on one thread.
#[derive(Default)]
struct Line {
    said: RefCell<VecDeque<(Opcode, Vec<u8>)>>,
    /// The peer has sent something, if only a pong.
    heard: Cell<bool>,
    /// Frames as the shard has encoded them.
    outgoing: RefCell<Vec<u8>>,
    full: Cell<bool>,
    finished: Cell<bool>,
    ended: Cell<bool>,
    task: Cell<Option<Waker>>,
}

impl Line {
    /// Tells the shard what the stream has said. True if it has taken anything.
    fn relay(&self, shard: &mut Shard, id: ConnectionId) -> bool {
        let mut any = false;
        if self.heard.take() {
            shard.handle_message(id, Opcode::Pong, &mut []);
        }
        let mut said = self.said.borrow_mut();
        while let Some((opcode, payload)) = said.front_mut()
            && shard.handle_message(id, *opcode, payload)
        {
            said.pop_front();
            any = true;
        }
        if any {
            self.wake();
        }
        // Also where messages wait: it may be for just this.
        if self.full.get() && self.outgoing.borrow().is_empty() {
            self.full.set(false);
            shard.handle_writable(id);
            any = true;
        }
        if self.ended.take() {
            shard.handle_end(id);
            any = true;
        }
        any
    }

    fn wake(&self) {
        if let Some(waker) = self.task.take() {
            waker.wake();
        }
    }
}

enum Next {
    Said(Message),
    Write(Vec<u8>),
    Ended,
}

async fn carry<S: AsyncRead + AsyncWrite + Unpin>(mut stream: WebSocketStream<S>, line: Rc<Line>) {
    let mut reader = Reader::new(Role::Client, usize::MAX);
    loop {
        let next = poll_fn(|context| {
            line.task.set(Some(context.waker().clone()));
            // The shard has dropped its end.
            if Rc::strong_count(&line) == 1 {
                return Poll::Ready(Next::Ended);
            }
            if !line.outgoing.borrow().is_empty() {
                return Poll::Ready(Next::Write(line.outgoing.take()));
            }
            if line.finished.get() {
                return Poll::Ready(Next::Ended);
            }
            if line.said.borrow().len() >= WAITING {
                return Poll::Pending;
            }
            stream.poll_next(context).map(|said| match said {
                Some(Ok(message)) => Next::Said(message),
                _ => Next::Ended,
            })
        });
        match next.await {
            Next::Said(message) => {
                line.heard.set(true);
                line.said.borrow_mut().extend(incoming(message));
            }
            Next::Write(mut frames) => {
                let mut messages = Vec::new();
                let read = reader.read(&mut frames, |frame| messages.extend(outgoing(frame)));
                debug_assert!(read.is_ok(), "a shard's own frames are in order");
                for message in messages {
                    // A stream that fails says so when it is read.
                    let _ = stream.send(message).await;
                }
            }
            Next::Ended => break,
        }
    }
    let _ = stream.close(None).await;
    line.ended.set(true);
}

/// Pings are answered by the stream itself.
fn incoming(message: Message) -> Option<(Opcode, Vec<u8>)> {
    Some(match message {
        Message::Text(text) => (Opcode::Text, text.as_bytes().to_vec()),
        Message::Binary(bytes) => (Opcode::Binary, bytes.to_vec()),
        Message::Close(None) => (Opcode::Close, Vec::new()),
        Message::Close(Some(close)) => {
            let mut payload = [0; 125];
            let len = close_payload(close.code.into(), &close.reason, &mut payload);
            (Opcode::Close, payload[..len].to_vec())
        }
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return None,
    })
}

fn outgoing(frame: Incoming<'_>) -> Option<Message> {
    Some(match frame {
        Incoming::Text(text) => Message::text(text),
        Incoming::Binary(payload) => Message::binary(payload.to_vec()),
        Incoming::Ping(payload) => Message::Ping(payload.to_vec().into()),
        Incoming::Pong => return None,
        Incoming::Close(close) => Message::Close(
            close.map(|close| CloseFrame { code: close.code.into(), reason: close.reason.into() }),
        ),
    })
}

/// Bytes that may wait for the stream to take them.
const ENOUGH: usize = 64 << 10;
/// Messages that may wait for the shard to take them.
const WAITING: usize = 16;
