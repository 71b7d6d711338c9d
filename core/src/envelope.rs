//! JSON envelopes, read in one pass. Knows members and their bytes; never an operation, a type of
//! payload, or a connection.

use core::fmt;
use core::str::from_utf8;

/// The longest decoded name that [`Text::decode`] hands out, in bytes.
pub const MAX_NAME: usize = 256;

/// The longest `id` that is carried back, in bytes as written, quotes included.
pub const MAX_ID: usize = 64;

/// The deepest nesting that [`read`] follows, whatever it is asked for: more than `serde_json` reads.
pub const MAX_NESTING: usize = 128;

/// One message of a peer. Borrows everything.
///
/// Made by [`read`], where the example is.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The value of `type`.
    pub kind: Text<'a>,
    /// The value of `payload` as written, without the white space around it. `None` where the
    /// member is missing; an explicit `null` is `Some("null")`.
    pub payload: Option<&'a str>,
    /// The value of `id` as written, if it is a string or an integer (no fraction, no exponent)
    /// of at most [`MAX_ID`] bytes.
    pub id: Option<&'a str>,
}

/// Reads one message. One pass, O(bytes), no allocation, no recursion.
///
/// The grammar is that of RFC 8259, and numbers have no range. Refused besides: a byte order
/// mark, bytes after the value, anything but an object, a missing `type` or one that is no
/// string, a second `type`, `payload` or `id` (names are compared decoded), half a surrogate pair
/// anywhere, and nesting deeper than `nesting` (at most [`MAX_NESTING`]; the message itself
/// counts as one). Other members are ignored, but must be JSON.
///
/// ```
/// use fastws_core::envelope::{MAX_NAME, read};
/// let message = r#"{"type": "bars.subscribe", "payload": {"symbol": "AAPL"}, "id": 7}"#;
/// let envelope = read(message, 128)?;
/// assert_eq!(envelope.kind.decode(&mut [0; MAX_NAME]), Some("bars.subscribe"));
/// assert_eq!(envelope.payload, Some(r#"{"symbol": "AAPL"}"#));
/// assert_eq!(envelope.id, Some("7"));
/// # Ok::<(), fastws_core::envelope::NotAMessage>(())
/// ```
#[inline]
pub fn read(text: &str, nesting: usize) -> Result<Envelope<'_>, NotAMessage> {
    let message = text.as_bytes();
    let (mut kind, mut payload, mut id) = (None, None, None);
    let (opening, mut at) = next(message, 0);
    if opening != b'{' || nesting == 0 {
        return Err(NotAMessage);
    }
    loop {
        let (member, behind) = member(message, next(message, at + 1))?;
        let (first, start) = next(message, behind);
        let end = match member {
            Member::Type if kind.is_none() && first == b'"' => {
                let (end, escaped) = string(message, start + 1)?;
                kind = Some(Text { raw: &text[start + 1..end - 1], escaped });
                end
            }
            Member::Type => return Err(NotAMessage),
            _ => value(message, (first, start), nesting)?,
        };
        match member {
            Member::Payload if payload.is_none() => payload = Some(&text[start..end]),
            Member::Id if id.is_none() => {
                id = Some(Some(&text[start..end]).filter(|id| is_carried(id.as_bytes())));
            }
            Member::Payload | Member::Id => return Err(NotAMessage),
            Member::Type | Member::Other => {}
        }
        let after;
        (after, at) = next(message, end);
        match after {
            b',' => {}
            b'}' => break,
            _ => return Err(NotAMessage),
        }
    }
    if next(message, at + 1).1 != message.len() {
        return Err(NotAMessage);
    }
    Ok(Envelope { kind: kind.ok_or(NotAMessage)?, payload, id: id.flatten() })
}

/// Whether a text is one JSON value, as [`read`] would take it as a `payload`. O(bytes).
pub(crate) fn is_value(text: &str, nesting: usize) -> bool {
    let bytes = text.as_bytes();
    value(bytes, next(bytes, 0), nesting).is_ok_and(|end| next(bytes, end).1 == bytes.len())
}

/// The peer's text is not a message. Why is not told, since every cause has the same answer.
///
/// ```
/// use fastws_core::envelope::{NotAMessage, read};
/// for text in ["ping", "[1]", "{}", r#"{"type": 7}"#, r#"{"type": "a", "type": "b"}"#] {
///     assert_eq!(read(text, 128).err(), Some(NotAMessage));
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAMessage;

impl fmt::Display for NotAMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the peer sent a text that is no JSON object with one string `type`")
    }
}

impl core::error::Error for NotAMessage {}

/// A JSON string as it was written, known to be well formed.
///
/// ```
/// use fastws_core::envelope::{MAX_NAME, read};
/// let kind = read(r#"{"type": "caf\u00e9"}"#, 128)?.kind;
/// assert_eq!(kind.plain(), None);
/// assert_eq!(kind.decode(&mut [0; MAX_NAME]), Some("café"));
/// # Ok::<(), fastws_core::envelope::NotAMessage>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    raw: &'a str,
    escaped: bool,
}

impl<'a> Text<'a> {
    /// As it was written, without the quotes.
    pub(crate) fn raw(self) -> &'a str {
        self.raw
    }

    /// What the string says, where it holds no escapes.
    #[inline]
    pub fn plain(self) -> Option<&'a str> {
        if self.escaped { None } else { Some(self.raw) }
    }

    /// What the string says. A string without escapes is lent as it is, another is decoded into
    /// `buffer`. `None` where it says more than [`MAX_NAME`] bytes. O(bytes).
    #[inline]
    pub fn decode<'b>(self, buffer: &'b mut [u8; MAX_NAME]) -> Option<&'b str>
    where
        'a: 'b,
    {
        if self.escaped {
            return Self::unescape(self.raw.as_bytes(), buffer)
                .and_then(|bytes| from_utf8(bytes).ok());
        }
        if self.raw.len() > MAX_NAME { None } else { Some(self.raw) }
    }

    #[cold]
    fn unescape<'b>(raw: &[u8], buffer: &'b mut [u8; MAX_NAME]) -> Option<&'b [u8]> {
        let (mut at, mut len) = (0, 0);
        let mut put = |bytes: &[u8]| -> Option<usize> {
            buffer.get_mut(len..len + bytes.len())?.copy_from_slice(bytes);
            len += bytes.len();
            Some(len)
        };
        loop {
            let end = special(raw, at).1;
            let written = put(&raw[at..end])?;
            if end == raw.len() {
                return Some(&buffer[..written]);
            }
            let (character, next) = escape(raw, end + 1).ok()?;
            put(character.encode_utf8(&mut [0; 4]).as_bytes())?;
            at = next;
        }
    }
}

/// A member of the message itself.
#[derive(Clone, Copy)]
enum Member {
    Type,
    Payload,
    Id,
    Other,
}

impl Member {
    #[inline(always)]
    fn named(name: &[u8]) -> Self {
        match name {
            b"type" => Self::Type,
            b"payload" => Self::Payload,
            b"id" => Self::Id,
            _ => Self::Other,
        }
    }
}

/// Whether a value is an `id` for us: a string, or a number that is written as an integer.
fn is_carried(id: &[u8]) -> bool {
    let integer = || id.iter().all(|byte| matches!(byte, b'-' | b'0'..=b'9'));
    id.len() <= MAX_ID && (id[0] == b'"' || integer())
}

/// The containers that are open.
struct Nest {
    depth: usize,
    limit: usize,
    /// A bit for each container within the message, set for objects; the innermost is the lowest.
    objects: u128,
}

impl Nest {
    /// In the message itself, behind the name of a member.
    fn new(limit: usize) -> Self {
        Self { depth: 1, limit: limit.min(MAX_NESTING), objects: 0 }
    }

    #[inline(always)]
    fn open(&mut self, object: bool) -> Result<(), NotAMessage> {
        if self.depth >= self.limit {
            return Err(NotAMessage);
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(object);
        Ok(())
    }

    #[inline(always)]
    fn close(&mut self) {
        self.depth -= 1;
        self.objects >>= 1;
    }

    /// Whether a name comes before the next value.
    #[inline(always)]
    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

// Below, `at` is a place in `bytes` and what comes back is the place behind what was read. A pair is
// the byte that was seen at a place, and the place.

/// The name of a member of the message itself, with its colon.
#[inline(always)]
fn member(bytes: &[u8], (quote, at): (u8, usize)) -> Result<(Member, usize), NotAMessage> {
    // What nearly every message holds is recognised in one comparison.
    if bytes[at..].starts_with(b"\"type\":") {
        return Ok((Member::Type, at + 7));
    }
    if bytes[at..].starts_with(b"\"payload\":") {
        return Ok((Member::Payload, at + 10));
    }
    let Name { end, escaped, behind } = name(bytes, (quote, at))?;
    let name = &bytes[at + 1..end];
    let member = if escaped { escaped_member(name) } else { Member::named(name) };
    Ok((member, behind))
}

#[cold]
fn escaped_member(name: &[u8]) -> Member {
    Text::unescape(name, &mut [0; MAX_NAME]).map_or(Member::Other, Member::named)
}

/// Where a name ends, and what is behind its colon.
struct Name {
    end: usize,
    escaped: bool,
    behind: usize,
}

#[inline(always)]
fn name(bytes: &[u8], (quote, at): (u8, usize)) -> Result<Name, NotAMessage> {
    if quote != b'"' {
        return Err(NotAMessage);
    }
    let (end, escaped) = string(bytes, at + 1)?;
    let (colon, place) = next(bytes, end);
    if colon != b':' {
        return Err(NotAMessage);
    }
    Ok(Name { end: end - 1, escaped, behind: place + 1 })
}

/// A value of the message itself, with all that it contains.
#[inline(always)]
fn value(bytes: &[u8], mut seen: (u8, usize), nesting: usize) -> Result<usize, NotAMessage> {
    let mut nest = Nest::new(nesting);
    loop {
        let (first, start) = seen;
        let mut at = match first {
            b'"' => string(bytes, start + 1)?.0,
            b'{' | b'[' => {
                nest.open(first == b'{')?;
                seen = next(bytes, start + 1);
                // Of both kinds, the closing bracket is two behind the opening one.
                if seen.0 != first + 2 {
                    if first == b'{' {
                        seen = next(bytes, name(bytes, seen)?.behind);
                    }
                    continue;
                }
                nest.close();
                seen.1 + 1
            }
            b't' => literal(bytes, start, b"true")?,
            b'f' => literal(bytes, start, b"false")?,
            b'n' => literal(bytes, start, b"null")?,
            _ => number(bytes, start)?,
        };
        loop {
            if nest.depth == 1 {
                return Ok(at);
            }
            let (after, place) = next(bytes, at);
            at = place + 1;
            match after {
                b',' => break,
                b'}' | b']' if nest.in_object() == (after == b'}') => nest.close(),
                _ => return Err(NotAMessage),
            }
        }
        seen = next(bytes, at);
        if nest.in_object() {
            seen = next(bytes, name(bytes, seen)?.behind);
        }
    }
}

#[inline(always)]
fn literal(bytes: &[u8], at: usize, word: &[u8]) -> Result<usize, NotAMessage> {
    if bytes[at..].starts_with(word) { Ok(at + word.len()) } else { Err(NotAMessage) }
}

#[inline(always)]
fn number(bytes: &[u8], mut at: usize) -> Result<usize, NotAMessage> {
    at += usize::from(peek(bytes, at) == b'-');
    let zero = peek(bytes, at) == b'0';
    let first = at;
    let mut after;
    (after, at) = digits(bytes, at)?;
    if zero && at > first + 1 {
        return Err(NotAMessage);
    }
    if after == b'.' {
        (after, at) = digits(bytes, at + 1)?;
    }
    if matches!(after, b'e' | b'E') {
        at += 1;
        at += usize::from(matches!(peek(bytes, at), b'+' | b'-'));
        at = digits(bytes, at)?.1;
    }
    Ok(at)
}

/// At least one digit, and what is behind the last.
#[inline(always)]
fn digits(bytes: &[u8], start: usize) -> Result<(u8, usize), NotAMessage> {
    let behind = seek(bytes, start, not_digits, |byte| !byte.is_ascii_digit());
    if behind.1 > start { Ok(behind) } else { Err(NotAMessage) }
}

/// A string whose opening quote was read, and whether it holds escapes.
#[inline(always)]
pub(crate) fn string(bytes: &[u8], mut at: usize) -> Result<(usize, bool), NotAMessage> {
    let mut escaped = false;
    loop {
        let (stop, place) = special(bytes, at);
        if stop == b'"' {
            return Ok((place + 1, escaped));
        }
        if stop != b'\\' {
            return Err(NotAMessage);
        }
        at = escape(bytes, place + 1)?.1;
        escaped = true;
    }
}

/// The first byte that does not stand for itself in a string, and its place.
#[inline(always)]
pub(crate) fn special(bytes: &[u8], at: usize) -> (u8, usize) {
    seek(bytes, at, not_plain, |byte| matches!(byte, 0..=0x1f | b'"' | b'\\'))
}

/// The first byte from `at` on that is meant, and its place: `mark` finds it in eight, the first lowest,
/// by the lowest of its marks, and `is_meant` among the last. The end is meant in any case.
#[inline(always)]
fn seek(
    bytes: &[u8],
    at: usize,
    mark: impl Fn(u64) -> u64,
    is_meant: impl Fn(u8) -> bool,
) -> (u8, usize) {
    let mut rest = &bytes[at..];
    while let Some((word, more)) = rest.split_first_chunk() {
        let word = u64::from_le_bytes(*word);
        let marks = mark(word);
        if marks != 0 {
            let bit = marks.trailing_zeros() & !7;
            return ((word >> bit) as u8, bytes.len() - rest.len() + bit as usize / 8);
        }
        rest = more;
    }
    let mut at = bytes.len() - rest.len();
    loop {
        match peek(bytes, at) {
            byte if is_meant(byte) => return (byte, at),
            _ => at += 1,
        }
    }
}

/// What an escape stands for, whose backslash was read.
fn escape(bytes: &[u8], at: usize) -> Result<(char, usize), NotAMessage> {
    let character = match peek(bytes, at) {
        byte @ (b'"' | b'\\' | b'/') => char::from(byte),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode_escape(bytes, at + 1),
        _ => return Err(NotAMessage),
    };
    Ok((character, at + 1))
}

fn unicode_escape(bytes: &[u8], at: usize) -> Result<(char, usize), NotAMessage> {
    let unit = four_hex(bytes, at)?;
    if let Some(character) = char::from_u32(unit) {
        return Ok((character, at + 4));
    }
    if !bytes[at + 4..].starts_with(b"\\u") {
        return Err(NotAMessage);
    }
    let second = four_hex(bytes, at + 6)?;
    if !(0xdc00..0xe000).contains(&second) {
        return Err(NotAMessage);
    }
    // Where the first is a second half itself, this is beyond the last character.
    let code = 0x1_0000 + ((unit - 0xd800) << 10) + (second - 0xdc00);
    Ok((char::from_u32(code).ok_or(NotAMessage)?, at + 10))
}

fn four_hex(bytes: &[u8], at: usize) -> Result<u32, NotAMessage> {
    let mut unit = 0;
    for place in at..at + 4 {
        unit = unit << 4 | char::from(peek(bytes, place)).to_digit(16).ok_or(NotAMessage)?;
    }
    Ok(unit)
}

/// The first byte that is no white space, and its place.
#[inline(always)]
fn next(bytes: &[u8], mut at: usize) -> (u8, usize) {
    loop {
        let byte = peek(bytes, at);
        // The first comparison settles nearly every byte.
        if byte > b' ' || !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            return (byte, at);
        }
        at += 1;
    }
}

/// The byte at a place. The end reads as zero, which JSON allows nowhere.
#[inline(always)]
fn peek(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

const ONES: u64 = 0x0101_0101_0101_0101;
const TOPS: u64 = ONES << 7;

/// Marks, by their top bits, control characters, quotes and backslashes. The lowest mark is
/// right; a borrow may add marks above a right one, and those are never looked at.
#[inline(always)]
fn not_plain(word: u64) -> u64 {
    // Flipping this bit makes a quote a space, and leaves control characters below the space.
    let control_or_quote = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    (control_or_quote | backslash) & !word & TOPS
}

/// Marks, by their top bits, all bytes but the digits. Again the lowest mark is right.
#[inline(always)]
fn not_digits(word: u64) -> u64 {
    let value = word ^ (ONES * b'0' as u64);
    (value.wrapping_add(ONES * 0x76) | value) & TOPS
}

#[cfg(test)]
pub(crate) mod laws {
    use super::*;
    use proptest::prelude::*;
    use std::string::String;

    #[test]
    fn every_byte_is_marked_at_every_place_and_no_other_is() {
        for (background, place, byte) in [b'a', b'7', 0xff].into_iter().flat_map(|background| {
            (0..8).flat_map(move |place| (0..=255).map(move |byte| (background, place, byte)))
        }) {
            let mut bytes = [background; 8];
            bytes[place] = byte;
            let word = u64::from_le_bytes(bytes);
            let first = |marks: u64| (marks.trailing_zeros() / 8) as usize;
            let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
            let expected = bytes.iter().position(|byte| !plain(*byte)).unwrap_or(8);
            assert_eq!(first(not_plain(word)), expected, "{bytes:?}");
            let expected = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(8);
            assert_eq!(first(not_digits(word)), expected, "{bytes:?}");
        }
    }

    pub(crate) fn awkward() -> impl Strategy<Value = String> {
        let character =
            prop_oneof![any::<char>(), prop::char::range('\0', '\u{7f}'), Just('"'), Just('\\')];
        prop::collection::vec(character, 0..40).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn a_string_of_escapes_is_decoded_as_serde_json_does(name in awkward()) {
            let raw: String = name.encode_utf16().map(|unit| std::format!("\\u{unit:04X}")).collect();
            let buffer = &mut [0; MAX_NAME];
            let text = Text { raw: &raw, escaped: true };
            prop_assert_eq!(text.decode(buffer), Some(name.as_str()));
        }
    }
}
