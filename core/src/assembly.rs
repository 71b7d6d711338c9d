//! One connection's inbound half: what came, as messages. Knows nothing of time, sessions or JSON.

use crate::frame::{Close, Decoder, Opcode, Piece, Role, Violation};
use crate::shelf::Buffer;
#[cfg(feature = "alloc")]
use crate::shelf::Thin;
use core::mem;
use core::str::from_utf8;

/// What the peer has said.
///
/// ```
/// use fastws_core::assembly::{Incoming, Reader};
/// use fastws_core::frame::{Close, Role};
///
/// let mut frames = *b"\x89\x02hi\x82\x01\x00\x88\x02\x03\xe8";
/// let (mut count, mut reader) = (0, Reader::new(Role::Client, 1024));
/// reader.read(&mut frames, |incoming| {
///     match incoming {
///         Incoming::Ping(payload) => assert_eq!(payload, b"hi"),
///         Incoming::Binary(bytes) => assert_eq!(bytes, [0]),
///         Incoming::Close(close) => assert_eq!(close, Some(Close { code: 1000, reason: "" })),
///         other => panic!("{other:?}"),
///     }
///     count += 1;
/// })?;
/// assert_eq!(count, 3);
/// # Ok::<(), fastws_core::frame::Violation>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A whole text message, of however many frames.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// Is to be answered with a pong of this payload.
    Ping(&'a [u8]),
    /// The peer is alive.
    Pong,
    /// The last there is: whatever comes after it is discarded.
    Close(Option<Close<'a>>),
}

/// Turns input into messages, and keeps what is incomplete or has to wait. 48 bytes; the payload is
/// in a buffer beside it, which grows with what came, never with a length that was only told.
///
/// A driver with memory on the heap uses `Reader`, which has both.
///
/// ```
/// assert_eq!(size_of::<fastws_core::assembly::Assembly>(), 48);
/// ```
// The buffer holds records (opcode, length, payload) and a tail:
//   0..taken        records that were handed out, until they are reclaimed
//   taken..parked   complete, waiting
//   parked..        at most one record whose message is incomplete and whose length is not set yet,
//   len-tail..len   then payload of a control frame that is incomplete, or was just handed out
#[derive(Clone, Copy, Debug)]
pub struct Assembly {
    decoder: Decoder,
    taken: u32,
    parked: u32,
    tail: u8,
    /// A close or a violation came: nothing after it counts.
    ended: bool,
}

impl Assembly {
    /// At the start of a stream, right after the handshake.
    pub const fn new(role: Role) -> Self {
        Self { decoder: Decoder::new(role), taken: 0, parked: 0, tail: 0, ended: false }
    }

    /// The next message in `input`, or `None` when that is used up. One that lies there whole, in
    /// one frame, is handed out where it lies.
    ///
    /// With `park`, or while parked ones wait, messages and the close are parked instead of handed
    /// out; pings and pongs never wait. The input of one batch, over all its calls, is at most
    /// [`room`](Self::room) at its start: then `buffer` is never full.
    ///
    /// # Errors
    /// What the peer broke, once. What is parked stays; all later input is discarded.
    #[inline]
    pub(crate) fn next<'i: 'b, 'b>(
        &mut self,
        input: &mut &'i mut [u8],
        buffer: &'b mut Buffer<'_>,
        limit: usize,
        park: bool,
    ) -> Result<Option<Incoming<'b>>, Violation> {
        self.tidy(buffer);
        let park = park || self.has_parked();
        while !self.ended {
            if !park && let Some(text) = self.decoder.whole_text(input, limit) {
                let text = from_utf8(text).map_err(|_| Violation::NotUtf8);
                return text
                    .map(|text| Some(Incoming::Text(text)))
                    .inspect_err(|_| self.ended = true);
            }
            let decoded = self.decoder.decode(mem::take(input), limit);
            let Some((piece, rest)) = decoded.inspect_err(|_| self.ended = true)? else {
                return Ok(None);
            };
            *input = rest;
            let whole = piece.starts_message && piece.ends_message;
            match piece.opcode {
                opcode @ (Opcode::Text | Opcode::Binary) if whole && !park => {
                    return Ok(Some(message(opcode, piece.payload)));
                }
                opcode @ (Opcode::Text | Opcode::Binary) => {
                    let ends_message = piece.ends_message;
                    self.append(piece, buffer);
                    if ends_message && !park {
                        let from = mem::replace(&mut self.taken, self.parked) as usize;
                        return Ok(Some(message(opcode, &buffer[from + RECORD..])));
                    }
                }
                Opcode::Ping if whole => return Ok(Some(Incoming::Ping(piece.payload))),
                Opcode::Ping => {
                    if let Some(payload) = self.append_tail(piece, buffer) {
                        return Ok(Some(Incoming::Ping(&buffer[payload..])));
                    }
                }
                Opcode::Pong if piece.ends_message => return Ok(Some(Incoming::Pong)),
                Opcode::Pong => {}
                Opcode::Close if whole => {
                    self.ended = true;
                    let close = Close::read(piece.payload)?;
                    if !park {
                        return Ok(Some(Incoming::Close(close)));
                    }
                    self.park_close(piece.payload, buffer);
                }
                Opcode::Close => {
                    let Some(payload) = self.append_tail(piece, buffer) else { continue };
                    self.ended = true;
                    if !park {
                        return Ok(Some(Incoming::Close(Close::read(&buffer[payload..])?)));
                    }
                    let mut copy = [0; 125];
                    let copy = &mut copy[..usize::from(self.tail)];
                    copy.copy_from_slice(&buffer[payload..]);
                    Close::read(copy)?;
                    self.park_close(copy, buffer);
                }
            }
        }
        *input = &mut [];
        Ok(None)
    }

    /// The parked message that came first. Its memory is given back by [`reclaim`](Self::reclaim).
    pub(crate) fn unpark<'b>(&mut self, buffer: &'b Buffer<'_>) -> Option<Incoming<'b>> {
        let parked = &buffer[self.taken as usize..self.parked as usize];
        let ([opcode, len @ ..], payload) = parked.split_first_chunk::<RECORD>()?;
        let payload = &payload[..u32::from_le_bytes(*len) as usize];
        self.taken += (RECORD + payload.len()) as u32;
        Some(match *opcode {
            CLOSE => Incoming::Close(Close::read(payload).expect("it was read before it parked")),
            TEXT => message(Opcode::Text, payload),
            _ => message(Opcode::Binary, payload),
        })
    }

    pub(crate) fn has_parked(&self) -> bool {
        self.parked_len() > 0
    }

    /// Bytes that wait, as records.
    pub(crate) fn parked_len(&self) -> u32 {
        self.parked - self.taken
    }

    /// The same as if the first so many bytes of what is parked had been handed out.
    pub(crate) fn behind(&self, bytes: u32) -> Self {
        Self { taken: self.taken + bytes, ..*self }
    }

    /// Gives back the memory of what was handed out. Moves what is left: once per batch is enough.
    pub(crate) fn reclaim(&mut self, buffer: &mut Buffer<'_>) {
        self.tidy(buffer);
        buffer.discard_front(self.taken as usize);
        self.parked -= mem::take(&mut self.taken);
    }

    /// How many bytes of input can be taken, whatever they are. To be asked after a
    /// [`reclaim`](Self::reclaim). Never 0 while nothing is parked, if the buffer holds the limit
    /// of a message and 140 bytes.
    // A record costs its payload and 5 bytes. A masked frame brought its payload and 6 bytes or
    // more, an unmasked one its payload and 2 or more. Only one frame can have brought its head
    // earlier: its record is paid by what is kept back here.
    pub(crate) fn room(&self, buffer: &Buffer<'_>) -> usize {
        let addressable = (u32::MAX as usize).saturating_sub(buffer.len());
        let room = buffer.room().min(addressable).saturating_sub(RECORD);
        match self.decoder.role() {
            Role::Server => room,
            Role::Client => room / RECORD * 2,
        }
    }

    /// Adds to the record of the incomplete message; a message that is complete by it is parked.
    fn append(&mut self, piece: Piece<'_>, buffer: &mut Buffer<'_>) {
        if piece.starts_message {
            put(buffer, &[piece.opcode as u8, 0, 0, 0, 0]);
        }
        put(buffer, piece.payload);
        if piece.ends_message {
            let record = &mut buffer[self.parked as usize..];
            let len = (record.len() - RECORD) as u32;
            record[1..RECORD].copy_from_slice(&len.to_le_bytes());
            self.parked = buffer.len() as u32;
        }
    }

    /// Adds to the tail, and tells where it starts once it is complete.
    fn append_tail(&mut self, piece: Piece<'_>, buffer: &mut Buffer<'_>) -> Option<usize> {
        put(buffer, piece.payload);
        self.tail += piece.payload.len() as u8;
        piece.ends_message.then(|| buffer.len() - usize::from(self.tail))
    }

    /// Takes the place of the incomplete message, which nothing can complete any more.
    fn park_close(&mut self, payload: &[u8], buffer: &mut Buffer<'_>) {
        buffer.truncate(self.parked as usize);
        put(buffer, &[CLOSE, payload.len() as u8, 0, 0, 0]);
        put(buffer, payload);
        self.parked = buffer.len() as u32;
    }

    /// Drops, as far as nothing has to move, what was handed out or can never be.
    #[inline]
    fn tidy(&mut self, buffer: &mut Buffer<'_>) {
        if self.ended {
            buffer.truncate(self.parked as usize);
            self.tail = 0;
        }
        if self.tail > 0 && !self.decoder.is_within_frame() {
            buffer.truncate(buffer.len() - usize::from(self.tail));
            self.tail = 0;
        }
        if self.taken > 0 && self.taken as usize == buffer.len() {
            buffer.truncate(0);
            self.taken = 0;
            self.parked = 0;
        }
    }
}

/// An [`Assembly`] with memory of its own: all that a client needs to read what a server says.
///
/// ```
/// use fastws_core::assembly::{Incoming, Reader};
/// use fastws_core::frame::{Head, Opcode, Role, mask};
///
/// let (key, mut request) = ([7, 11, 13, 17], *b"{\"type\":\"ping\"}");
/// let mut bytes = Head::new(Opcode::Text, request.len(), Some(key)).as_slice().to_vec();
/// mask(&mut request, key, 0);
/// bytes.extend_from_slice(&request);
/// // Written to the socket; here is what was read from it, in two parts.
/// let mut answer = *b"\x81\x0f{\"type\":\"pong\"}";
/// let (first, second) = answer.split_at_mut(7);
///
/// let mut said = Vec::new();
/// let mut reader = Reader::new(Role::Client, 64 * 1024);
/// for part in [first, second] {
///     reader.read(part, |incoming| match incoming {
///         Incoming::Text(text) => said.push(text.to_owned()),
///         Incoming::Binary(_) | Incoming::Ping(_) | Incoming::Pong | Incoming::Close(_) => {}
///     })?;
/// }
/// assert_eq!(said, [r#"{"type":"pong"}"#]);
/// # Ok::<(), fastws_core::frame::Violation>(())
/// ```
#[cfg(feature = "alloc")]
#[derive(Debug)]
pub struct Reader {
    assembly: Assembly,
    bytes: Thin,
    limit: usize,
}

#[cfg(feature = "alloc")]
impl Reader {
    /// `limit` is in bytes of one message, over all its fragments; 2 GiB at most.
    pub const fn new(role: Role, limit: usize) -> Self {
        Self { assembly: Assembly::new(role), bytes: None, limit }
    }

    /// Tells `each` what `input` completes, in order. Unmasks in place. Holds no memory between
    /// messages, and at most one message and 130 bytes within one.
    ///
    /// # Errors
    /// What the peer broke; `each` was told everything before it. Later input is discarded.
    pub fn read(
        &mut self,
        mut input: &mut [u8],
        mut each: impl FnMut(Incoming<'_>),
    ) -> Result<(), Violation> {
        loop {
            let mut buffer = Buffer::Owned { bytes: &mut self.bytes, limit: usize::MAX };
            match self.assembly.next(&mut input, &mut buffer, self.limit, false)? {
                Some(incoming) => each(incoming),
                None => return Ok(()),
            }
        }
    }
}

fn message(opcode: Opcode, payload: &[u8]) -> Incoming<'_> {
    match opcode {
        Opcode::Text => Incoming::Text(from_utf8(payload).expect("text is checked as it comes")),
        _ => Incoming::Binary(payload),
    }
}

#[inline]
fn put(buffer: &mut Buffer<'_>, bytes: &[u8]) {
    buffer.extend(bytes).expect("a batch of input is no longer than the room for it");
}

/// Bytes before the payload of a record: opcode and length.
const RECORD: usize = 5;
const TEXT: u8 = Opcode::Text as u8;
const CLOSE: u8 = Opcode::Close as u8;

const _: () = assert!(size_of::<Assembly>() == 48);

#[cfg(all(test, feature = "alloc"))]
#[path = "../tests/frames/parked.rs"]
mod tests;
