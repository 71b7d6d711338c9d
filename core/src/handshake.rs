//! Heads of requests in, a 101 or another answer out. Knows HTTP/1.1 and RFC 6455 section 4.2;
//! never which paths exist, who is let in, or what time it is.

use crate::sha1::sha1;
use crate::shelf::{Full, Sink};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt::{self, Write as _};
use core::str::from_utf8;

/// The most headers that a request may have.
///
/// ```
/// use fastws_core::handshake::{Headers, MAX_HEADERS, Refusal, read};
/// let head = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(MAX_HEADERS + 1));
/// let mut headers = Headers::new();
/// assert_eq!(read(head.as_bytes(), 0, &mut headers).err(), Some(Refusal::HeadTooLarge));
/// ```
pub const MAX_HEADERS: usize = 64;

/// Reads the head of a request from all bytes that have arrived so far. `None` asks for more.
///
/// `seen` says how many of them an earlier call was given, at first none. All calls together cost
/// O(bytes), however small the pieces, since between the first and the one that ends the head they
/// only look for its end. Line ends may lack their carriage return. How long a head may get is the
/// caller's to limit, with [`Refusal::HeadTooLarge`].
///
/// ```
/// use fastws_core::handshake::{Headers, read};
/// let bytes = b"GET /ws?token=7 HTTP/1.1\r\nHost: example.org\r\n\r\n";
/// let mut headers = Headers::new();
/// let request = read(bytes, 0, &mut headers)?.expect("the head has ended");
/// assert_eq!((request.method, request.path, request.query), ("GET", "/ws", Some("token=7")));
/// assert_eq!(request.header("host"), Some(&b"example.org"[..]));
/// assert!(!request.is_upgrade());
/// # Ok::<(), fastws_core::handshake::Refusal>(())
/// ```
pub fn read<'h, 'a: 'h>(
    head: &'a [u8],
    seen: usize,
    headers: &'h mut Headers<'a>,
) -> Result<Option<Request<'h>>, Refusal> {
    // An empty line is no head, and would pass for the end of one.
    if head.first().is_some_and(|first| matches!(first, b'\r' | b'\n')) {
        return Err(Refusal::Malformed);
    }
    // The first piece is parsed in any case, so that what is no HTTP at all need not end.
    if seen > 0 && !holds_end(&head[seen.saturating_sub(2)..]) {
        return Ok(None);
    }
    let mut parsed = httparse::Request::new(&mut headers.row);
    let len = match parsed.parse(head) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLarge),
        Err(_) => return Err(Refusal::Malformed),
    };
    let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(Refusal::Malformed);
    };
    let (path, query) = split_target(target);
    Ok(Some(Request { method, path, query, len, minor, headers: parsed.headers }))
}

/// Room for the headers of one request, about two kilobytes. They borrow the request's bytes.
///
/// Lent to [`read`], where the example is.
pub struct Headers<'a> {
    row: [httparse::Header<'a>; MAX_HEADERS],
}

impl Headers<'_> {
    /// No headers yet.
    pub const fn new() -> Self {
        Self { row: [httparse::EMPTY_HEADER; MAX_HEADERS] }
    }
}

impl Default for Headers<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// A request's head.
///
/// ```
/// use fastws_core::handshake::{Headers, read};
/// let bytes = b"POST /notify HTTP/1.1\r\nHost: example.org\r\nContent-Length: 2\r\n\
///     Authorization: Bearer secret\r\n\r\n{}";
/// let mut headers = Headers::new();
/// let request = read(bytes, 0, &mut headers)?.expect("the head has ended");
/// assert_eq!(request.bearer(), Some(&b"secret"[..]));
/// assert_eq!(request.body_len()?, 2);
/// assert_eq!(bytes[request.len..], *b"{}");
/// assert_eq!(request.headers().count(), 3);
/// # Ok::<(), fastws_core::handshake::Refusal>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// As written; methods are told apart by case.
    pub method: &'a str,
    /// As written, percent signs and all, without the query; `/` where the target names only a host.
    pub path: &'a str,
    /// What follows the first question mark.
    pub query: Option<&'a str>,
    /// The bytes of the head. Those behind it are the first of the connection's frames.
    pub len: usize,
    minor: u8,
    headers: &'a [httparse::Header<'a>],
}

impl<'a> Request<'a> {
    /// All headers in their order: names as written, values without the white space around them.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        self.headers.iter().map(|header| (header.name, header.value))
    }

    /// The first header of a name, in whatever case. O(headers).
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The token of `Authorization: Bearer` (RFC 6750 section 2.1).
    pub fn bearer(&self) -> Option<&'a [u8]> {
        let (scheme, token) = self.header("authorization")?.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
    }

    /// The bytes of the body that follows (RFC 9112 section 6). One whose length is not told is refused.
    pub fn body_len(&self) -> Result<u32, Refusal> {
        if self.header("transfer-encoding").is_some() || self.header("content-length").is_none() {
            return Err(Refusal::LengthRequired);
        }
        let length = self.only("content-length").ok_or(Refusal::BadLength)?;
        if length.is_empty() || !length.iter().all(u8::is_ascii_digit) {
            return Err(Refusal::BadLength);
        }
        let length = from_utf8(length).expect("digits are ASCII");
        length.parse().map_err(|_| Refusal::BodyTooLarge)
    }

    /// Whether the body is kept back until it is asked for (RFC 9110 section 10.1.1).
    pub(crate) fn expects_continue(&self) -> bool {
        let expect = self.header("expect");
        self.minor > 0 && expect.is_some_and(|expect| expect.eq_ignore_ascii_case(b"100-continue"))
    }

    /// The subprotocols that the client offers, the one it likes best first.
    ///
    /// ```
    /// use fastws_core::handshake::{Headers, read};
    /// let bytes = b"GET /ws HTTP/1.1\r\nSec-WebSocket-Protocol: v2, v1\r\n\r\n";
    /// let mut headers = Headers::new();
    /// let request = read(bytes, 0, &mut headers)?.expect("the head has ended");
    /// assert!(request.protocols().eq(["v2", "v1"]));
    /// # Ok::<(), fastws_core::handshake::Refusal>(())
    /// ```
    pub fn protocols(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.list("sec-websocket-protocol").filter_map(|token| from_utf8(token).ok())
    }

    /// Whether this asks for a WebSocket at all, if perhaps in a way that cannot be granted.
    pub fn is_upgrade(&self) -> bool {
        let names =
            |list, token| self.list(list).any(|offered: &[u8]| offered.eq_ignore_ascii_case(token));
        names("upgrade", b"websocket") && names("connection", b"upgrade")
    }

    /// The answer that opens the WebSocket. RFC 6455 section 4.2.1 says what must be there.
    ///
    /// ```
    /// use fastws_core::handshake::{Headers, read};
    /// let bytes = b"GET / HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\n\
    ///     Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    ///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    /// let mut headers = Headers::new();
    /// let request = read(bytes, 0, &mut headers)?.expect("the head has ended");
    /// assert_eq!(request.upgrade()?.as_str(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    /// # Ok::<(), fastws_core::handshake::Refusal>(())
    /// ```
    pub fn upgrade(&self) -> Result<Accept, Refusal> {
        if self.method != "GET" {
            return Err(Refusal::MethodNotAllowed);
        }
        if !self.is_upgrade() {
            return Err(Refusal::UpgradeRequired);
        }
        if self.minor == 0 {
            return Err(Refusal::Malformed);
        }
        self.only("host").ok_or(Refusal::BadHost)?;
        if self.only("sec-websocket-version") != Some(b"13") {
            return Err(Refusal::UnsupportedVersion);
        }
        let key = self.only("sec-websocket-key").ok_or(Refusal::BadKey)?;
        // Sixteen bytes may end two short of three blocks; room for the third is asked for.
        match STANDARD.decode_slice(key, &mut [0; 18]) {
            Ok(16) => Ok(Accept::of(key.try_into().expect("16 bytes are 24 in base64"))),
            _ => Err(Refusal::BadKey),
        }
    }

    /// The only header of a name.
    fn only(&self, name: &str) -> Option<&'a [u8]> {
        let mut values = self.headers().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        let (_, value) = values.next()?;
        if values.next().is_some() { None } else { Some(value) }
    }

    /// The elements of all headers of a name, which are lists separated by commas.
    fn list(&self, name: &'static str) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.headers()
            .filter(move |(own, _)| own.eq_ignore_ascii_case(name))
            .flat_map(|(_, value)| value.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|element| !element.is_empty())
    }
}

/// Permission to open a WebSocket.
///
/// [`Request::upgrade`] gives it; the example is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accept([u8; 28]);

impl Accept {
    fn of(key: [u8; 24]) -> Self {
        let mut text = [0; 60];
        text[..24].copy_from_slice(&key);
        text[24..].copy_from_slice(GUID);
        let mut answer = [0; 28];
        STANDARD.encode_slice(sha1(&text), &mut answer).expect("20 bytes are 28 in base64");
        Self(answer)
    }

    /// The value of `Sec-WebSocket-Accept`.
    pub fn as_str(&self) -> &str {
        from_utf8(&self.0).expect("base64 is ASCII")
    }

    /// Puts the 101 response, choosing `protocol`, which must be among the offered. It is put in
    /// pieces: [`Full`] leaves a part.
    pub(crate) fn write(&self, protocol: Option<&str>, sink: &mut impl Sink) -> Result<(), Full> {
        sink.put(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n")?;
        sink.put(b"Connection: Upgrade\r\nSec-WebSocket-Accept: ")?;
        sink.put(&self.0)?;
        if let Some(protocol) = protocol {
            sink.put(b"\r\nSec-WebSocket-Protocol: ")?;
            sink.put(protocol.as_bytes())?;
        }
        sink.put(b"\r\n\r\n")
    }
}

/// Why there is no WebSocket. Displays the sentence that is sent.
///
/// ```
/// use fastws_core::handshake::{Headers, Refusal, read};
/// let mut headers = Headers::new();
/// let request = read(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, &mut headers)?.unwrap();
/// let refusal = request.upgrade().unwrap_err();
/// assert_eq!((refusal, refusal.status()), (Refusal::UpgradeRequired, 426));
/// assert_eq!(
///     refusal.to_string(),
///     "this path serves WebSocket, which the request does not ask for",
/// );
/// # Ok::<(), Refusal>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// 400: not a head of HTTP/1.1.
    Malformed,
    /// 400: no `Host`, or several.
    BadHost,
    /// 400: no `Sec-WebSocket-Key`, several, or one that is not 16 bytes in base64.
    BadKey,
    /// 400: several lengths of the body, or one that is no number.
    BadLength,
    /// 401: who asks has not been proven.
    Unauthorized,
    /// 403: a page of this `Origin` is not let in.
    Forbidden,
    /// 404: nothing is served at this path.
    NotFound,
    /// 405: only `GET` is served.
    MethodNotAllowed,
    /// 408: the head did not end before its deadline.
    TimedOut,
    /// 411: the body's length is not told.
    LengthRequired,
    /// 413: the body is longer than a message may be.
    BodyTooLarge,
    /// 415: the body is not said to be JSON.
    NotJson,
    /// 426: a WebSocket is served, and none was asked for.
    UpgradeRequired,
    /// 426: not version 13.
    UnsupportedVersion,
    /// 431: too many bytes or headers.
    HeadTooLarge,
    /// 503: no more connections are taken.
    TooManyConnections,
    /// 503: the server ends.
    Draining,
}

impl Refusal {
    /// The status of the response.
    pub const fn status(self) -> u16 {
        self.row().0
    }

    /// Puts a complete response, after which the connection is to be closed. It is put in pieces:
    /// [`Full`] leaves a part.
    pub(crate) fn write(self, only_head: bool, sink: &mut impl Sink) -> Result<(), Full> {
        let (status, headers, sentence) = self.row();
        let body = sentence.as_bytes();
        Response { status, headers, content_type: "text/plain", body }.write(only_head, sink)
    }

    /// Status, headers of its own, sentence.
    const fn row(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Malformed => (400, "", "the request is not HTTP/1.1"),
            Self::BadHost => (400, "", "the request needs one Host"),
            Self::BadKey => {
                (400, "", "the request needs one Sec-WebSocket-Key of 16 bytes in base64")
            }
            Self::BadLength => (400, "", "the request needs one Content-Length"),
            Self::Unauthorized => {
                (401, "WWW-Authenticate: Bearer\r\n", "the request does not prove who asks")
            }
            Self::Forbidden => (403, "", "pages of this Origin are not let in"),
            Self::NotFound => (404, "", "nothing is served at this path"),
            Self::MethodNotAllowed => (405, "Allow: GET\r\n", "only GET is served here"),
            Self::TimedOut => (408, "", "the request took too long to arrive"),
            Self::LengthRequired => (411, "", "the request needs a Content-Length"),
            Self::BodyTooLarge => (413, "", "the body of the request is too large"),
            Self::NotJson => (415, "", "the request needs Content-Type: application/json"),
            Self::UpgradeRequired => (
                426,
                "Upgrade: websocket\r\nConnection: Upgrade\r\n",
                "this path serves WebSocket, which the request does not ask for",
            ),
            Self::UnsupportedVersion => (
                426,
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n",
                "the request needs Sec-WebSocket-Version 13",
            ),
            Self::HeadTooLarge => (431, "", "the head of the request is too large"),
            Self::TooManyConnections => (503, "", "the server takes no more connections"),
            Self::Draining => (503, "", "the server ends"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().2)
    }
}

impl core::error::Error for Refusal {}

/// A complete response to a plain request, after which the connection is to be closed.
///
/// ```
/// use fastws_core::handshake::Response;
/// let page = Response {
///     status: 200,
///     headers: "Cache-Control: no-store\r\n",
///     content_type: "text/plain",
///     body: b"ok",
/// };
/// assert!(page.headers.ends_with("\r\n"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// From 200 to 599.
    pub status: u16,
    /// Further lines of the head, each with its line end.
    pub headers: &'a str,
    /// The value of `Content-Type`. Browsers are told to believe it.
    pub content_type: &'a str,
    /// The whole body. To a `HEAD` only its length is told.
    pub body: &'a [u8],
}

impl Response<'_> {
    /// Puts it in pieces: [`Full`] leaves a part.
    pub(crate) fn write(&self, only_head: bool, sink: &mut impl Sink) -> Result<(), Full> {
        let Self { status, headers, content_type, body } = *self;
        write_head(status, headers, content_type, body.len(), sink)?;
        if only_head { Ok(()) } else { sink.put(body) }
    }
}

/// Puts the head of a response, behind which `length` bytes follow.
pub(crate) fn write_head(
    status: u16,
    headers: &str,
    content_type: &str,
    length: usize,
    sink: &mut impl Sink,
) -> Result<(), Full> {
    let reason = reason(status);
    let mut lines = Lines(sink);
    let written = match status {
        // It has no body, and says nothing about one (RFC 9110 section 8.6).
        204 => write!(lines, "HTTP/1.1 204 {reason}\r\n{headers}"),
        _ => write!(
            lines,
            "HTTP/1.1 {status} {reason}\r\n{headers}Content-Type: {content_type}\r\n\
             X-Content-Type-Options: nosniff\r\nContent-Length: {length}\r\n"
        ),
    };
    written.map_err(|_| Full)?;
    sink.put(b"Connection: close\r\n\r\n")
}

/// The usual words for a status, which nobody depends on (RFC 9112 section 4).
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "",
    }
}

struct Lines<'s, S>(&'s mut S);

impl<S: Sink> fmt::Write for Lines<'_, S> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.put(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// Whether a line ends here and the next one is empty.
fn holds_end(bytes: &[u8]) -> bool {
    let ends = |place: usize| {
        let behind = &bytes[place + 1..];
        bytes[place] == b'\n' && (behind.starts_with(b"\n") || behind.starts_with(b"\r\n"))
    };
    (0..bytes.len()).any(ends)
}

/// Path and query of a target, which may name scheme and host (RFC 9112 section 3.2.2).
fn split_target(target: &str) -> (&str, Option<&str>) {
    let (place, query) =
        target.split_once('?').map_or((target, None), |(place, query)| (place, Some(query)));
    // Not `split_once`, whose search for any text is larger than all of this.
    let path = match place.as_bytes().windows(3).position(|three| three == b"://") {
        Some(scheme) if !place[..scheme].contains('/') => {
            let host = &place[scheme + 3..];
            host.find('/').map_or("/", |slash| &host[slash..])
        }
        _ => place,
    };
    (path, query)
}

/// RFC 6455 section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

#[cfg(test)]
mod laws {
    use super::*;
    use proptest::prelude::*;
    use std::string::String;
    use std::vec::Vec;

    struct Page(Vec<u8>);

    impl Sink for Page {
        fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
            self.0.extend_from_slice(bytes);
            Ok(())
        }
    }

    fn page(write: impl FnOnce(&mut Page) -> Result<(), Full>) -> String {
        let mut page = Page(Vec::new());
        write(&mut page).unwrap();
        String::from_utf8(page.0).unwrap()
    }

    const EVERY: [Refusal; 17] = [
        Refusal::Malformed,
        Refusal::BadHost,
        Refusal::BadKey,
        Refusal::BadLength,
        Refusal::LengthRequired,
        Refusal::BodyTooLarge,
        Refusal::NotJson,
        Refusal::Draining,
        Refusal::Unauthorized,
        Refusal::Forbidden,
        Refusal::NotFound,
        Refusal::MethodNotAllowed,
        Refusal::TimedOut,
        Refusal::UpgradeRequired,
        Refusal::UnsupportedVersion,
        Refusal::HeadTooLarge,
        Refusal::TooManyConnections,
    ];

    #[test]
    fn the_key_of_the_rfc_gets_the_answer_of_the_rfc() {
        let accept = Accept::of(*b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(
            page(|page| accept.write(None, page)),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        );
        assert_eq!(
            page(|page| accept.write(Some("v2.bars"), page)),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
             Sec-WebSocket-Protocol: v2.bars\r\n\r\n"
        );
    }

    proptest! {
        #[test]
        fn every_key_gets_the_answer_that_another_implementation_gives(bytes: [u8; 16]) {
            let mut key = [0; 24];
            STANDARD.encode_slice(bytes, &mut key).expect("16 bytes are 24 in base64");
            let (ours, theirs) = (Accept::of(key), tungstenite::handshake::derive_accept_key(&key));
            prop_assert_eq!(ours.as_str(), theirs);
        }
    }

    #[test]
    fn every_refusal_is_a_complete_response_that_closes() {
        for refusal in EVERY {
            let response = page(|page| refusal.write(false, page));
            let mut row = [httparse::EMPTY_HEADER; 16];
            let mut parsed = httparse::Response::new(&mut row);
            let len = parsed.parse(response.as_bytes()).unwrap().unwrap();
            assert_eq!(parsed.code, Some(refusal.status()));
            assert_eq!(parsed.reason, Some(reason(refusal.status())));
            assert_ne!(parsed.reason, Some(""));
            let header = |name: &str| {
                let header = parsed.headers.iter().rfind(|header| header.name == name);
                header.map(|header| from_utf8(header.value).unwrap())
            };
            assert_eq!(page(|page| refusal.write(true, page)), response[..len]);
            let body = &response[len..];
            assert_eq!(body, std::format!("{refusal}"));
            assert_eq!(header("Content-Length"), Some(&*std::format!("{}", body.len())));
            assert_eq!(header("Content-Type"), Some("text/plain"));
            assert_eq!(header("Connection"), Some("close"));
            let status = refusal.status();
            // RFC 9110 sections 15.5.2, 15.5.6 and 15.5.22 demand these.
            assert_eq!(header("WWW-Authenticate").is_some(), status == 401);
            assert_eq!(header("Allow").is_some(), status == 405);
            assert_eq!(header("Upgrade").is_some(), status == 426);
            let version = refusal == Refusal::UnsupportedVersion;
            assert_eq!(header("Sec-WebSocket-Version"), version.then_some("13"));
        }
    }

    #[test]
    fn a_plain_response_says_how_long_its_body_is() {
        let response = Response {
            status: 200,
            headers: "Allow: GET\r\n",
            content_type: "application/json",
            body: b"{\"a\":1}",
        };
        assert_eq!(
            page(|page| response.write(false, page)),
            "HTTP/1.1 200 OK\r\nAllow: GET\r\nContent-Type: application/json\r\n\
             X-Content-Type-Options: nosniff\r\nContent-Length: 7\r\nConnection: close\r\n\r\n\
             {\"a\":1}"
        );
    }

    #[test]
    fn what_does_not_fit_is_full() {
        struct Small(usize);
        impl Sink for Small {
            fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or(Full)?;
                Ok(())
            }
        }
        let accept = Accept::of([b'A'; 24]);
        for room in 0..page(|page| accept.write(Some("p"), page)).len() {
            assert_eq!(accept.write(Some("p"), &mut Small(room)), Err(Full));
        }
        for room in 0..page(|page| Refusal::NotFound.write(false, page)).len() {
            assert_eq!(Refusal::NotFound.write(false, &mut Small(room)), Err(Full));
        }
    }
}
