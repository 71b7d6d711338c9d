//! Streams that are framed elsewhere, by async-tungstenite: a task carries their messages, a line
//! connects it with its shard.

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::protocol::CloseFrame;
use fastws_core::assembly::{Incoming, Reader};
use fastws_core::desk::Local;
use fastws_core::frame::{Opcode, Role, close_payload};
use fastws_core::ids::ConnectionId;
use fastws_host::shard::Shard;
use futures_lite::{AsyncRead, AsyncWrite, StreamExt};
use smol::LocalExecutor;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// A foreign stream on its way to its shard.
pub(crate) struct Arrival {
    carry: Box<dyn FnOnce(Rc<Line>) -> Local<()> + Send>,
    /// What its connection is let in with.
    pub(crate) guest: Option<Box<dyn Any + Send>>,
}

impl Arrival {
    pub(crate) fn new<S>(stream: WebSocketStream<S>, guest: Option<Box<dyn Any + Send>>) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Self { carry: Box::new(move |line| Box::pin(carry(stream, line))), guest }
    }

    /// Starts to carry, on the shard's thread.
    pub(crate) fn connect(self, executor: &LocalExecutor<'static>) -> Rc<Line> {
        let line = Rc::new(Line::default());
        executor.spawn((self.carry)(line.clone())).detach();
        line
    }
}

/// Between a foreign stream's task and its shard, both on one thread.
#[derive(Default)]
pub(crate) struct Line {
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
    pub(crate) fn relay(&self, shard: &mut Shard, id: ConnectionId) -> bool {
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

    /// Takes all of it, or nothing while enough waits already.
    pub(crate) fn write<'e>(&self, parts: impl Iterator<Item = &'e [u8]>) -> usize {
        let mut outgoing = self.outgoing.borrow_mut();
        let before = outgoing.len();
        if before >= ENOUGH {
            self.full.set(true);
            return 0;
        }
        parts.for_each(|part| outgoing.extend_from_slice(part));
        self.wake();
        outgoing.len() - before
    }

    /// The stream is closed after what was written.
    pub(crate) fn finish(&self) {
        self.finished.set(true);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.task.take() {
            waker.wake();
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.wake();
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
