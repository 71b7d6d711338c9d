//! A connection's stream in each of its forms: a socket, anything else that carries bytes, and one that
//! is still to come. Knows no shard.
#![cfg_attr(
    not(feature = "axum"),
    expect(dead_code, reason = "only a mount brings streams that are no sockets")
)]

use fastws_host::visit::{Visit, opening};
use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, empty};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

pub(crate) enum Link {
    Tcp(TcpStream),
    Any(Box<Any>),
    Held(Box<Held>),
}

impl Link {
    /// Whatever carries bytes, of which some have been read already.
    pub(crate) fn any(stream: impl Bytes + 'static, early: Vec<u8>) -> Self {
        let (outgoing, finished) = (Vec::new(), false);
        Self::Any(Box::new(Any { stream: Box::new(stream), early, outgoing, finished }))
    }

    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Any(any) => any.poll_read(context, buffer),
            Self::Held(held) => match ready!(Pin::new(&mut held.stream).poll(context)) {
                Ok(moved) => {
                    *self = moved()?;
                    self.poll_read(context, buffer)
                }
                // Nobody brings it any more, nor waits for an answer.
                Err(_) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            },
        }
    }

    /// Goes on with what is being written. True: it takes more, where it took nothing before.
    pub(crate) fn poll_write(&mut self, blocked: bool, context: &mut Context<'_>) -> bool {
        match self {
            Self::Tcp(stream) => blocked && stream.poll_write_ready(context).is_ready(),
            Self::Any(any) => any.poll_write(context).is_ready() && blocked,
            Self::Held(_) => false,
        }
    }

    /// Nothing more is written.
    pub(crate) fn finish(&mut self) {
        match self {
            // tokio's sockets shut down without waiting.
            Self::Tcp(stream) => {
                let context = &mut Context::from_waker(Waker::noop());
                let _ = Pin::new(stream).poll_shutdown(context);
            }
            Self::Any(any) => any.finished = true,
            Self::Held(held) => held.answer(),
        }
    }
}

/// Takes what it can now, without waiting.
impl Write for Link {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            _ => self.write_vectored(&[IoSlice::new(bytes)]),
        }
    }

    #[inline]
    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write_vectored(parts),
            Self::Any(any) => Ok(any.write(parts)),
            Self::Held(held) => Ok(held.write(parts)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whatever carries bytes, on any thread.
pub(crate) trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Bytes for S {}

/// A stream that has to be told about its waker with every write: its connection's task writes.
pub(crate) struct Any {
    stream: Box<dyn Bytes>,
    /// What somebody has read of it already.
    early: Vec<u8>,
    outgoing: Vec<u8>,
    finished: bool,
}

impl Any {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let early = self.early.len().min(buffer.remaining());
        buffer.put_slice(&self.early[..early]);
        self.early.drain(..early);
        Poll::Ready(Ok(()))
    }

    /// Takes all of it, or nothing while enough waits already.
    fn write(&mut self, parts: &[IoSlice<'_>]) -> usize {
        let before = self.outgoing.len();
        if before < ENOUGH {
            parts.iter().for_each(|part| self.outgoing.extend_from_slice(part));
        }
        self.outgoing.len() - before
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut stream = Pin::new(&mut self.stream);
        while !self.outgoing.is_empty() {
            match ready!(stream.as_mut().poll_write(context, &self.outgoing)) {
                Ok(written @ 1..) => drop(self.outgoing.drain(..written)),
                // Whoever reads next hears of the end.
                Ok(0) | Err(_) => {
                    (self.stream, self.outgoing) = (Box::new(empty()), Vec::new());
                    return Poll::Ready(());
                }
            }
        }
        let _ = match self.finished {
            true => stream.poll_shutdown(context),
            false => stream.poll_flush(context),
        };
        Poll::Ready(())
    }
}

/// Where a stream will come that another server has: its request is answered there first.
pub(crate) struct Held {
    outgoing: Vec<u8>,
    answer: Option<oneshot::Sender<Vec<u8>>>,
    stream: oneshot::Receiver<Moved>,
}

impl Held {
    /// Takes the head that opens the WebSocket, and nothing behind it; or all of another answer.
    fn write(&mut self, parts: &[IoSlice<'_>]) -> usize {
        if self.answer.is_none() {
            return 0;
        }
        let before = self.outgoing.len();
        parts.iter().for_each(|part| self.outgoing.extend_from_slice(part));
        let end = opening(&self.outgoing);
        self.outgoing.truncate(end.unwrap_or(usize::MAX));
        let taken = self.outgoing.len() - before;
        if end.is_some() {
            self.answer();
        }
        taken
    }

    fn answer(&mut self) {
        let outgoing = std::mem::take(&mut self.outgoing);
        // Who does not wait for it brings no stream either.
        self.answer.take().map(|answer| answer.send(outgoing));
    }
}

/// Makes a stream on the thread of its shard.
pub(crate) type Moved = Box<dyn FnOnce() -> io::Result<Link> + Send>;

/// A request on its way to its shard.
pub struct Request {
    pub(crate) bytes: Vec<u8>,
    pub(crate) visit: Visit,
    pub(crate) link: Link,
}

/// What becomes of a request.
pub(crate) struct Outcome {
    /// The answer's bytes; an error: it gets none.
    pub(crate) answer: oneshot::Receiver<Vec<u8>>,
    /// Where the stream is wanted if the WebSocket is opened. Dropped, the request is given up.
    pub(crate) stream: oneshot::Sender<Moved>,
}

impl Request {
    pub(crate) fn new(bytes: Vec<u8>, visit: Visit) -> (Self, Outcome) {
        let (answer, answered) = oneshot::channel();
        let (bring, stream) = oneshot::channel();
        let held = Held { outgoing: Vec::new(), answer: Some(answer), stream };
        let request = Self { bytes, visit, link: Link::Held(Box::new(held)) };
        (request, Outcome { answer: answered, stream: bring })
    }
}

/// Bytes that may wait for a stream to take them.
const ENOUGH: usize = 64 << 10;
