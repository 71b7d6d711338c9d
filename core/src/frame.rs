//! RFC 6455 frames: heads, masks and rules. Knows bytes; keeps none, and sees no connection.

use core::{fmt, mem};

/// Which end of the connection reads.
///
/// ```
/// use fastws_core::frame::{Decoder, Role, Violation};
/// let mut unmasked = *b"\x81\x02hi";
/// assert!(Decoder::new(Role::Client).decode(&mut unmasked, 125).is_ok());
/// assert_eq!(Decoder::new(Role::Server).decode(&mut unmasked, 125), Err(Violation::Unmasked));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads masked frames, writes unmasked ones.
    Server,
    /// Reads unmasked frames, writes masked ones.
    Client,
}

/// What a message is. A continuation carries the opcode of the message it continues.
///
/// Its value is that of RFC 6455 section 11.8; [`Head`] and [`Decoder`] show it in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// UTF-8.
    Text = 0x1,
    /// Any bytes.
    Binary = 0x2,
    /// The last frame its sender sends.
    Close = 0x8,
    /// Asks for a pong with the same payload.
    Ping = 0x9,
    /// Answers a ping, or comes unasked.
    Pong = 0xa,
}

impl Opcode {
    pub(crate) const fn is_control(self) -> bool {
        self as u8 >= Self::Close as u8
    }
}

/// What the peer broke. The display text serves as the reason of the close frame.
///
/// ```
/// use fastws_core::frame::{Decoder, Role};
/// // A reserved bit is set, and no extension was agreed on.
/// let mut frame = *b"\xc1\x00";
/// let violation = Decoder::new(Role::Client).decode(&mut frame, 125).unwrap_err();
/// assert_eq!(violation.close_code(), 1002);
/// assert_eq!(violation.to_string(), "reserved bits are set");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// No extension was agreed on that gives them a meaning.
    ReservedBits,
    /// 3 to 7, or 11 to 15.
    UnknownOpcode,
    /// A client's frame without a mask.
    Unmasked,
    /// A server's frame with a mask.
    Masked,
    /// A control frame of more than 125 bytes.
    LongControl,
    /// A control frame that is not final.
    FragmentedControl,
    /// A length told in more bytes than it needs.
    LongForm,
    /// A length of 2^63 or more.
    TopBit,
    /// A continuation of nothing.
    OrphanContinuation,
    /// A new message before the fragmented one has ended.
    Interrupted,
    /// A close payload of one byte: half a code.
    HalfCloseCode,
    /// A close code that must not be sent, or that means nothing.
    CloseCode,
    /// In a text message or in a close reason.
    NotUtf8,
    /// More payload, over all its fragments, than the limit.
    TooLong,
}

impl Violation {
    /// 1002, 1007 or 1009: RFC 6455 section 7.4.1.
    pub const fn close_code(self) -> u16 {
        match self {
            Self::NotUtf8 => 1007,
            Self::TooLong => 1009,
            _ => 1002,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReservedBits => "reserved bits are set",
            Self::UnknownOpcode => "the opcode is unknown",
            Self::Unmasked => "a client's frame is not masked",
            Self::Masked => "a server's frame is masked",
            Self::LongControl => "a control frame is longer than 125 bytes",
            Self::FragmentedControl => "a control frame is fragmented",
            Self::LongForm => "a length is not in its shortest form",
            Self::TopBit => "a length has its top bit set",
            Self::OrphanContinuation => "a continuation has nothing to continue",
            Self::Interrupted => "a fragmented message is interrupted by another",
            Self::HalfCloseCode => "a close code is cut off",
            Self::CloseCode => "the close code is not allowed",
            Self::NotUtf8 => "text is not UTF-8",
            Self::TooLong => "a message is over the limit",
        })
    }
}

impl core::error::Error for Violation {}

/// Payload of one frame: all of it, or as much as was in the input.
///
/// ```
/// use fastws_core::frame::{Decoder, Role};
/// let mut decoder = Decoder::new(Role::Client);
/// let (mut first, mut second) = (*b"\x81\x05he", *b"llo");
/// let (piece, _) = decoder.decode(&mut first, 125)?.expect("some payload is there");
/// assert!(piece.payload == b"he" && piece.starts_message && !piece.ends_message);
/// let (piece, _) = decoder.decode(&mut second, 125)?.expect("the rest is there");
/// assert!(piece.payload == b"llo" && !piece.starts_message && piece.ends_message);
/// # Ok::<(), fastws_core::frame::Violation>(())
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Piece<'i> {
    /// Of the message, not of the frame.
    pub opcode: Opcode,
    /// Unmasked. Empty only where the frame is.
    pub payload: &'i mut [u8],
    /// No piece of this message came before.
    pub starts_message: bool,
    /// No piece of this frame comes after.
    pub ends_frame: bool,
    /// No piece of this message comes after.
    pub ends_message: bool,
}

/// Reads frames from a stream of bytes, however it is cut: RFC 6455 sections 5.2 to 5.6. Has
/// 36 bytes and no other memory.
///
/// ```
/// use fastws_core::frame::{Decoder, Opcode, Role};
/// let mut bytes = *b"\x81\x03abc\x89\x00";
/// let mut decoder = Decoder::new(Role::Client);
/// let (piece, rest) = decoder.decode(&mut bytes, 125)?.expect("a whole frame");
/// assert_eq!((piece.opcode, &*piece.payload), (Opcode::Text, &b"abc"[..]));
/// let (piece, rest) = decoder.decode(rest, 125)?.expect("an empty ping");
/// assert!(piece.opcode == Opcode::Ping && piece.ends_message && rest.is_empty());
/// # Ok::<(), fastws_core::frame::Violation>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Decoder {
    role: Role,
    /// The head being read, where it did not lie whole in one input.
    head: [u8; 14],
    head_len: u8,
    /// The frame whose payload is being taken.
    frame: Option<Frame>,
    /// The data message that has begun, and its length over all fragments told so far.
    message: Option<Opcode>,
    message_len: u32,
    utf8: Utf8,
}

impl Decoder {
    /// At the start of a stream, right after the handshake.
    pub const fn new(role: Role) -> Self {
        Self {
            role,
            head: [0; 14],
            head_len: 0,
            frame: None,
            message: None,
            message_len: 0,
            utf8: Utf8::BOUNDARY,
        }
    }

    /// The next piece and the rest of the input, or `None` when all input is used up.
    ///
    /// `limit` is what a message may weigh, control frames apart; above 2 GiB it counts as 2 GiB.
    /// A piece of text may end within a character; a message may not.
    ///
    /// # Errors
    /// At the first byte that breaks a rule, or whose frame is over the limit: the same byte and
    /// the same violation however the input is cut. Nothing may be decoded after it.
    #[inline]
    pub fn decode<'i>(
        &mut self,
        input: &'i mut [u8],
        limit: usize,
    ) -> Result<Option<(Piece<'i>, &'i mut [u8])>, Violation> {
        let (mut frame, input) = match self.frame {
            Some(frame) => (frame, input),
            None => match self.begin(input, limit)? {
                Some(begun) => begun,
                None => return Ok(None),
            },
        };
        let count = input.len().min(frame.left as usize);
        if count == 0 && frame.left > 0 {
            self.frame = Some(frame);
            return Ok(None);
        }
        let (payload, rest) = input.split_at_mut(count);
        if self.role == Role::Server {
            mask(payload, frame.key, 0);
            frame.key.rotate_left(count % 4);
        }
        frame.left -= count as u32;
        let ends_frame = frame.left == 0;
        let ends_message = ends_frame && frame.is_final;
        if frame.opcode == Opcode::Text {
            self.utf8.read(payload)?;
            if ends_message && self.utf8.missing > 0 {
                return Err(Violation::NotUtf8);
            }
        }
        if ends_message && !frame.opcode.is_control() {
            self.message = None;
            self.message_len = 0;
        }
        self.frame = (!ends_frame).then_some(Frame { starts_message: false, ..frame });
        let Frame { opcode, starts_message, .. } = frame;
        Ok(Some((Piece { opcode, payload, starts_message, ends_frame, ends_message }, rest)))
    }

    /// Takes and unmasks a masked text of one frame that lies whole in the input, and is no longer
    /// than `limit`; whether it is UTF-8 is left to the caller. Nearly every message is one, and
    /// needs none of the state for those that are not.
    #[inline]
    pub(crate) fn whole_text<'i>(
        &self,
        input: &mut &'i mut [u8],
        limit: usize,
    ) -> Option<&'i mut [u8]> {
        let &[FINAL_TEXT, second, a, b, ..] = &**input else { return None };
        let fresh = self.frame.is_none() && self.head_len == 0 && self.message.is_none();
        let (len, head_len) = match second {
            MASKED..=0xfd => (usize::from(second & !MASKED), 6),
            0xfe => (usize::from(u16::from_be_bytes([a, b])), 8),
            _ => return None,
        };
        let minimal = head_len == 6 || len > 125;
        let fits = len <= limit && input.len() >= head_len + len;
        if !(fresh && minimal && fits && self.role == Role::Server) {
            return None;
        }
        let (frame, rest) = mem::take(input).split_at_mut(head_len + len);
        *input = rest;
        let (head, payload) = frame.split_at_mut(head_len);
        let (_, key) = head.split_last_chunk().expect("a head ends with its key");
        mask(payload, *key, 0);
        Some(payload)
    }

    /// Whether the payload of a frame is still to come.
    pub(crate) const fn is_within_frame(&self) -> bool {
        self.frame.is_some()
    }

    pub(crate) const fn role(&self) -> Role {
        self.role
    }

    /// Reads a head: most lie whole in the input, and are read where they lie.
    #[inline]
    fn begin<'i>(
        &mut self,
        input: &'i mut [u8],
        limit: usize,
    ) -> Result<Option<(Frame, &'i mut [u8])>, Violation> {
        if self.head_len > 0 {
            return self.begin_in_parts(input, limit);
        }
        match self.read_head(input, limit)? {
            Some((frame, head_len)) => Ok(Some((frame, &mut input[head_len..]))),
            None => self.begin_in_parts(input, limit),
        }
    }

    #[cold]
    fn begin_in_parts<'i>(
        &mut self,
        input: &'i mut [u8],
        limit: usize,
    ) -> Result<Option<(Frame, &'i mut [u8])>, Violation> {
        for at in 0..input.len() {
            self.head[usize::from(self.head_len)] = input[at];
            self.head_len += 1;
            let head = self.head;
            if let Some((frame, _)) = self.read_head(&head[..usize::from(self.head_len)], limit)? {
                self.head_len = 0;
                return Ok(Some((frame, &mut input[at + 1..])));
            }
        }
        Ok(None)
    }

    /// The frame that `head` begins and the length of its head, or `None` while that is cut off.
    // Rules are applied in the order of the bytes they need: so a cut changes no verdict.
    #[inline]
    fn read_head(
        &mut self,
        head: &[u8],
        limit: usize,
    ) -> Result<Option<(Frame, usize)>, Violation> {
        let Some(&first) = head.first() else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(Violation::ReservedBits);
        }
        let is_final = first & FINAL != 0;
        let opcode = match (first & 0x0f, self.message) {
            (0x0, Some(opcode)) => opcode,
            (0x0, None) => return Err(Violation::OrphanContinuation),
            (0x1 | 0x2, Some(_)) => return Err(Violation::Interrupted),
            (0x1, None) => Opcode::Text,
            (0x2, None) => Opcode::Binary,
            (0x8, _) => Opcode::Close,
            (0x9, _) => Opcode::Ping,
            (0xa, _) => Opcode::Pong,
            _ => return Err(Violation::UnknownOpcode),
        };
        if opcode.is_control() && !is_final {
            return Err(Violation::FragmentedControl);
        }

        let Some(&second) = head.get(1) else { return Ok(None) };
        match (self.role, second & MASKED != 0) {
            (Role::Server, false) => return Err(Violation::Unmasked),
            (Role::Client, true) => return Err(Violation::Masked),
            _ => {}
        }
        let short = second & !MASKED;
        if opcode.is_control() && short > 125 {
            return Err(Violation::LongControl);
        }
        let (len, key_at) = match short {
            126 => {
                let Some(&[_, _, a, b]) = head.first_chunk() else { return Ok(None) };
                (u64::from(u16::from_be_bytes([a, b])), 4)
            }
            127 => {
                if head.get(2).is_some_and(|top| top & 0x80 != 0) {
                    return Err(Violation::TopBit);
                }
                let Some(len) = head[2..].first_chunk() else { return Ok(None) };
                (u64::from_be_bytes(*len), 10)
            }
            _ => (u64::from(short), 2),
        };
        if (short == 126 && len < 126) || (short == 127 && len <= 0xffff) {
            return Err(Violation::LongForm);
        }
        let limit = (limit as u64).min(LONGEST);
        if !opcode.is_control() && u64::from(self.message_len) + len > limit {
            return Err(Violation::TooLong);
        }

        let (key, head_len) = match self.role {
            Role::Client => ([0; 4], key_at),
            Role::Server => match head[key_at..].first_chunk() {
                Some(key) => (*key, key_at + 4),
                None => return Ok(None),
            },
        };
        // Within `LONGEST`, or a control frame's 125: both fit.
        let left = len as u32;
        if !opcode.is_control() {
            self.message = Some(opcode);
            self.message_len += left;
        }
        let starts_message = first & 0x0f != 0x0;
        Ok(Some((Frame { opcode, key, left, starts_message, is_final }, head_len)))
    }
}

/// The payload of a close frame: RFC 6455 section 5.5.1.
///
/// ```
/// use fastws_core::frame::{Close, Violation};
/// let going_away = Close { code: 1001, reason: "bye" };
/// assert_eq!(Close::read(b"\x03\xe9bye"), Ok(Some(going_away)));
/// assert_eq!(Close::read(b""), Ok(None));
/// // 1005 says that there was no code; nobody may send it.
/// assert_eq!(Close::read(b"\x03\xed"), Err(Violation::CloseCode));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close<'a> {
    /// Why, as a number: RFC 6455 section 7.4.
    pub code: u16,
    /// Why, in words, for the log. Often empty.
    pub reason: &'a str,
}

impl Close<'_> {
    /// `None` where the peer gave no code, which it need not.
    ///
    /// # Errors
    /// A code that is cut off, that must not be sent (1004 to 1006, 1015) or that nobody has
    /// registered (below 1000, 1016 to 2999, above 4999); then a reason that is not UTF-8.
    pub fn read(payload: &[u8]) -> Result<Option<Close<'_>>, Violation> {
        let [high, low, reason @ ..] = payload else {
            return if payload.is_empty() { Ok(None) } else { Err(Violation::HalfCloseCode) };
        };
        let code = u16::from_be_bytes([*high, *low]);
        if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
            return Err(Violation::CloseCode);
        }
        let reason = core::str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
        Ok(Some(Close { code, reason }))
    }
}

/// Writes the payload of a close frame and tells its length: the code, and as many whole
/// characters of the reason as fit in 123 bytes.
///
/// ```
/// use fastws_core::frame::{Close, close_payload};
/// let mut out = [0; 125];
/// let len = close_payload(1001, "Server shutting down", &mut out);
/// let close = Close { code: 1001, reason: "Server shutting down" };
/// assert_eq!(Close::read(&out[..len]), Ok(Some(close)));
/// ```
pub fn close_payload(code: u16, reason: &str, out: &mut [u8; 125]) -> usize {
    let mut len = reason.len().min(123);
    while !reason.is_char_boundary(len) {
        len -= 1;
    }
    out[..2].copy_from_slice(&code.to_be_bytes());
    out[2..2 + len].copy_from_slice(&reason.as_bytes()[..len]);
    2 + len
}

/// The head of a frame that is a whole message, in the shortest form: 2 to 14 bytes.
///
/// ```
/// use fastws_core::frame::{Head, Opcode};
/// assert_eq!(Head::new(Opcode::Text, 5, None).as_slice(), [0x81, 5]);
/// assert_eq!(Head::new(Opcode::Ping, 0, Some([1, 2, 3, 4])).as_slice(), [0x89, 0x80, 1, 2, 3, 4]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Head {
    bytes: [u8; 14],
    len: u8,
}

impl Head {
    /// For a payload of `len` bytes: at most 125 in a control frame. A client has to give a key
    /// and to [`mask`] the payload with it; a server gives none.
    #[inline]
    pub fn new(opcode: Opcode, len: usize, key: Option<[u8; 4]>) -> Self {
        debug_assert!(len <= 125 || !opcode.is_control(), "a control frame holds 125 bytes");
        let masked = if key.is_some() { MASKED } else { 0 };
        let mut head = Self { bytes: [0; 14], len: 2 };
        head.bytes[0] = FINAL | opcode as u8;
        if len <= 125 {
            head.bytes[1] = masked | len as u8;
        } else if len <= 0xffff {
            head.bytes[1] = masked | 126;
            head.push((len as u16).to_be_bytes());
        } else {
            head.bytes[1] = masked | 127;
            head.push((len as u64).to_be_bytes());
        }
        if let Some(key) = key {
            head.push(key);
        }
        head
    }

    /// What goes before the payload.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    fn push<const N: usize>(&mut self, more: [u8; N]) {
        self.bytes[usize::from(self.len)..][..N].copy_from_slice(&more);
        self.len += N as u8;
    }
}

/// Masks a payload, or unmasks it, from the byte at `offset` on: RFC 6455 section 5.3. Eight bytes
/// at a time.
///
/// ```
/// use fastws_core::frame::mask;
/// let mut payload = *b"hello";
/// mask(&mut payload, [1, 2, 3, 4], 0);
/// assert_eq!(payload, *b"igohn");
/// // The last two bytes alone, as they come.
/// mask(&mut payload[3..], [1, 2, 3, 4], 3);
/// assert_eq!(payload, *b"igolo");
/// ```
#[inline]
pub fn mask(payload: &mut [u8], mut key: [u8; 4], offset: usize) {
    key.rotate_left(offset % 4);
    // The key twice.
    let wide = u64::from(u32::from_ne_bytes(key)) * 0x1_0000_0001;
    let (words, rest) = payload.as_chunks_mut();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(wide.to_ne_bytes()) {
        *byte ^= key;
    }
}

/// Opcode, length of the head and length of the whole, of the frame that `bytes` begins with:
/// one of our own, unmasked and not fragmented. `None` where there is no whole one.
pub(crate) fn split(bytes: &[u8]) -> Option<(Opcode, usize, usize)> {
    let (frame, head_len) = Decoder::new(Role::Client).read_head(bytes, usize::MAX).ok()??;
    let frame_len = head_len + frame.left as usize;
    (frame_len <= bytes.len()).then_some((frame.opcode, head_len, frame_len))
}

/// Whether `bytes` are one whole text frame of our own: unmasked and not fragmented. O(1).
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    let whole = |(opcode, _, len)| opcode == Opcode::Text && len == bytes.len();
    bytes.first() == Some(&FINAL_TEXT) && split(bytes).is_some_and(whole)
}

/// A frame whose head was read.
#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: Opcode,
    /// Rotated to fit the next byte of payload.
    key: [u8; 4],
    left: u32,
    starts_message: bool,
    is_final: bool,
}

/// Where within a character the text ends that was read so far.
#[derive(Clone, Copy, Debug)]
struct Utf8 {
    missing: u8,
    /// What the next byte may be, while any is missing.
    low: u8,
    high: u8,
}

impl Utf8 {
    const BOUNDARY: Self = Self { missing: 0, low: 0x80, high: 0xbf };

    #[inline]
    fn read(&mut self, mut bytes: &[u8]) -> Result<(), Violation> {
        while self.missing > 0 {
            let Some((&byte, rest)) = bytes.split_first() else { return Ok(()) };
            if !(self.low..=self.high).contains(&byte) {
                return Err(Violation::NotUtf8);
            }
            *self = Self { missing: self.missing - 1, ..Self::BOUNDARY };
            bytes = rest;
        }
        let Err(error) = core::str::from_utf8(bytes) else { return Ok(()) };
        if error.error_len().is_some() {
            return Err(Violation::NotUtf8);
        }
        self.begin(&bytes[error.valid_up_to()..]);
        Ok(())
    }

    /// Takes the first bytes of a character: some, not all, and not wrong so far.
    fn begin(&mut self, start: &[u8]) {
        // The second byte decides about overlong forms, surrogates and the end of Unicode.
        let (missing, low, high) = match start[0] {
            ..=0xdf => (1, 0x80, 0xbf),
            0xe0 => (2, 0xa0, 0xbf),
            0xed => (2, 0x80, 0x9f),
            0xe1..=0xef => (2, 0x80, 0xbf),
            0xf0 => (3, 0x90, 0xbf),
            0xf4 => (3, 0x80, 0x8f),
            _ => (3, 0x80, 0xbf),
        };
        let taken = start.len() as u8 - 1;
        *self = if taken == 0 {
            Self { missing, low, high }
        } else {
            Self { missing: missing - taken, ..Self::BOUNDARY }
        };
    }
}

const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
const FINAL_TEXT: u8 = FINAL | 1;
/// Keeps lengths and offsets in 32 bits, with room for what is stored beside a message.
const LONGEST: u64 = 1 << 31;

const _: () = assert!(size_of::<Decoder>() == 36);

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn a_row_of_own_frames_is_cut_where_each_ends() {
        let mut bytes = Vec::new();
        for (opcode, len) in [(Opcode::Text, 3), (Opcode::Ping, 0), (Opcode::Binary, 70_000)] {
            bytes.extend_from_slice(Head::new(opcode, len, None).as_slice());
            bytes.resize(bytes.len() + len, 7);
        }
        let mut rest = &bytes[..];
        for expected in [(Opcode::Text, 2, 5), (Opcode::Ping, 2, 2), (Opcode::Binary, 10, 70_010)] {
            assert_eq!(split(rest), Some(expected));
            assert_eq!(split(&rest[..expected.2 - 1]), None);
            rest = &rest[expected.2..];
        }
        assert_eq!(split(rest), None);
    }
}
