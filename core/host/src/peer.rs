//! A client at its end of a socket: writes a request and masked frames, reads what a server sends. Knows no server.

use fastws_core::assembly::{Incoming, Reader};
use fastws_core::frame::{Head, Opcode, Role, close_payload, mask};
use fastws_core::time::Instant;
use std::collections::VecDeque;

/// One client, and its socket in both directions.
///
/// ```
/// use fastws_core::time::Instant;
/// use fastws_host::peer::Peer;
///
/// let mut peer = Peer::default();
/// peer.take(Instant::ZERO, b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x02{}".to_vec());
/// assert!(peer.is_open());
/// assert_eq!(peer.heard, ["{}"]);
/// // It answers a ping by itself.
/// peer.take(Instant::ZERO, b"\x89\x00".to_vec());
/// assert_eq!((peer.pings, peer.unread.len()), (1, 1));
/// ```
pub struct Peer {
    /// The head of the server's answer, or the whole of one that opens no WebSocket.
    pub answer: Vec<u8>,
    /// Every byte of a frame that has come.
    pub bytes: Vec<u8>,
    /// Messages that have come and nobody has taken.
    pub heard: VecDeque<String>,
    /// Pings that have come.
    pub pings: usize,
    /// Pongs that have come.
    pub pongs: usize,
    /// Code and reason of the close frame that has come; 1005 where there is no code.
    pub closed: Option<(u16, String)>,
    /// All that has come, with its time.
    pub transcript: Vec<String>,
    /// Keeps neither those bytes nor a transcript.
    pub forgetful: bool,
    /// Answers neither pings nor closes, and does not end when the server does.
    pub rude: bool,
    /// Segments that the server has not read.
    pub unread: VecDeque<Vec<u8>>,
    /// The client says nothing more after them.
    pub ended: bool,
    /// The server says nothing more.
    pub finished: bool,
    /// The longest segment.
    pub split: usize,
    /// How many bytes the socket still takes from the server.
    pub window: usize,
    /// How many of them in one write.
    pub gulp: usize,
    /// Bytes of the longest write that the server has offered.
    pub longest: usize,
    /// The server waits until the socket takes bytes again.
    pub blocked: bool,
    is_open: bool,
    said_close: bool,
    reader: Reader,
    key: u32,
}

impl Default for Peer {
    /// A client that has said nothing, and is polite.
    fn default() -> Self {
        Self {
            answer: Vec::new(),
            bytes: Vec::new(),
            heard: VecDeque::new(),
            pings: 0,
            pongs: 0,
            closed: None,
            transcript: Vec::new(),
            forgetful: false,
            rude: false,
            unread: VecDeque::new(),
            ended: false,
            finished: false,
            split: usize::MAX,
            window: usize::MAX,
            gulp: usize::MAX,
            longest: 0,
            blocked: false,
            is_open: false,
            said_close: false,
            reader: Reader::new(Role::Client, 1 << 30),
            key: 0,
        }
    }
}

impl Peer {
    /// Its handshake has been answered with a 101.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        assert!(!self.ended, "a client says nothing after its end");
        self.unread.extend(bytes.chunks(self.split).map(<[u8]>::to_vec));
    }

    /// A masked frame, for [`send`](Self::send).
    pub fn frame(&mut self, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        self.said_close |= opcode == Opcode::Close;
        self.key = self.key.wrapping_mul(0x9e37_79b1).wrapping_add(0x7f4a_7c15);
        let key = self.key.to_be_bytes();
        let mut frame = Head::new(opcode, payload.len(), Some(key)).as_slice().to_vec();
        let start = frame.len();
        frame.extend_from_slice(payload);
        mask(&mut frame[start..], key, 0);
        frame
    }

    /// A masked close frame.
    pub fn close_frame(&mut self, code: u16, reason: &str) -> Vec<u8> {
        let mut payload = [0; 125];
        let len = close_payload(code, reason, &mut payload);
        self.frame(Opcode::Close, &payload[..len])
    }

    /// Takes what the server writes, as far as its socket does. Yields how many bytes that are.
    pub fn take(&mut self, now: Instant, mut bytes: Vec<u8>) -> usize {
        self.longest = self.longest.max(bytes.len());
        bytes.truncate(self.window.min(self.gulp));
        if self.window != usize::MAX {
            self.window -= bytes.len();
        }
        if !bytes.is_empty() {
            self.read(now, &bytes);
        }
        bytes.len()
    }

    fn read(&mut self, now: Instant, bytes: &[u8]) {
        assert!(!self.finished, "the server says something after its end");
        assert!(self.closed.is_none(), "the server says something after its close frame");
        if self.is_open {
            return self.read_frames(now, bytes);
        }
        self.answer.extend_from_slice(bytes);
        let end = self.answer.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end
            && self.answer.starts_with(b"HTTP/1.1 101 ")
        {
            self.is_open = true;
            let frames = self.answer.split_off(end + 4);
            self.read_frames(now, &frames);
        }
    }

    fn read_frames(&mut self, now: Instant, bytes: &[u8]) {
        if !self.forgetful {
            self.bytes.extend_from_slice(bytes);
        }
        let mut replies = Vec::new();
        let Self { reader, heard, pings, pongs, closed, transcript, forgetful, .. } = self;
        let read = reader.read(&mut bytes.to_vec(), |incoming| {
            if !*forgetful {
                transcript.push(format!("{:?} {incoming:?}", now - Instant::ZERO));
            }
            match incoming {
                Incoming::Text(text) => heard.push_back(text.into()),
                Incoming::Binary(_) => panic!("a server sends text"),
                Incoming::Ping(payload) => {
                    *pings += 1;
                    replies.push((Opcode::Pong, payload.to_vec()));
                }
                Incoming::Pong => *pongs += 1,
                Incoming::Close(close) => {
                    let (code, reason) =
                        close.map_or((1005, ""), |close| (close.code, close.reason));
                    *closed = Some((code, reason.into()));
                    let code = close.map(|close| close.code.to_be_bytes().to_vec());
                    replies.push((Opcode::Close, code.unwrap_or_default()));
                }
            }
        });
        read.expect("a server keeps to the protocol");
        for (opcode, payload) in replies {
            if !self.rude && !self.said_close && !self.ended {
                let frame = self.frame(opcode, &payload);
                self.send(&frame);
            }
        }
    }

    /// The server has ended its side; a polite client ends its own.
    pub fn finish(&mut self) {
        self.finished = true;
        self.ended |= !self.rude;
    }
}
