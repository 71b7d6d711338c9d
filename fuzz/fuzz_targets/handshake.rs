//! Holds heads of requests, and what an engine answers to them, against httparse, tungstenite and a
//! reading line by line. Knows HTTP/1.1 and RFC 6455 section 4.2; must not know how a head is read.
//! The first byte chooses whose pages are let in, the second the sizes of the parts, the rest is what
//! a socket has sent.

#![no_main]

use fastws_core::config::Config;
use fastws_core::dispatch::{Admission, Answer, Call, Dispatch, Verdict};
use fastws_core::engine::Engine;
use fastws_core::handshake::{MAX_HEADERS, Refusal, Request, Response};
use fastws_core::ids::{ConnectionId, OperationId};
use fastws_core::memory::{ConnectionMemory, TopicMemory, TurnMemory};
use fastws_core::origin::admit;
use fastws_fuzz::json::depth;
use fastws_fuzz::memory::most;
use fastws_fuzz::wire::{NOW, feed, parts, splits, transmit};
use libfuzzer_sys::fuzz_target;
use std::fmt;
use tungstenite::http::Uri;

fuzz_target!(|data: &[u8]| {
    let [pages, sizes, stream @ ..] = data else { return };
    for lends in [false, true] {
        let case = Case { pages: pages % 4, lends, stream };
        let whole = case.run(&[stream.len()]);
        case.judge(&whole);
        for sizes in splits(stream.len(), *sizes) {
            let parts = case.run(&sizes);
            // A fault far from any end is noticed at the end of the head, or of the room for it.
            let late = !whole.written.is_empty()
                && [&whole, &parts].iter().all(|outcome| outcome.seen.is_none())
                && (parts.written.is_empty() || parts.status() == Refusal::HeadTooLarge.status());
            assert!(parts == whole || late, "in parts of {sizes:?}: {parts:?}; whole: {whole:?}");
        }
    }
});

struct Case<'s> {
    pages: u8,
    /// On lent memory, where a body is shorter.
    lends: bool,
    stream: &'s [u8],
}

/// What has come of it.
#[derive(Default, PartialEq)]
struct Outcome {
    /// The head, as it was handed to the application.
    seen: Option<Seen>,
    /// Bodies and messages that were.
    calls: Vec<Option<String>>,
    written: Vec<u8>,
}

#[derive(Debug, PartialEq)]
struct Seen {
    method: String,
    path: String,
    query: Option<String>,
    /// With their values escaped.
    headers: Vec<(String, String)>,
    len: usize,
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seen, calls, written } = self;
        write!(f, "{seen:?}, calls {calls:?}, answer \"{}\"", written.escape_ascii())
    }
}

impl Case<'_> {
    const fn bodies(&self) -> usize {
        if self.lends { LENT } else { OWNED }
    }

    /// How long a head may be on both.
    fn config() -> Config {
        Config { handshake_bytes: HEADS as u32, message_bytes: OWNED as u32, ..Config::default() }
    }

    fn run(&self, sizes: &[usize]) -> Outcome {
        if !self.lends {
            let (outcome, held) = most(|| self.feed(Engine::new(Self::config(), 1), sizes));
            // Nothing is held for what is only told.
            assert!(held <= 16 * self.stream.len() + 20_000, "{held} bytes are held");
            return outcome;
        }
        let mut connections = ConnectionMemory::<1, { LENT + 256 }, 1_024>::new();
        let mut topics = TopicMemory::<1, 1, 8>::new();
        let mut turn = TurnMemory::<4_096, 64>::new();
        self.feed(Engine::lent(Self::config(), 1, &mut connections, &mut topics, &mut turn), sizes)
    }

    fn feed(&self, mut engine: Engine<'_>, sizes: &[usize]) -> Outcome {
        let mut app = App { pages: self.pages, outcome: Outcome::default() };
        let mut written = Vec::new();
        let id = engine.accept(NOW, [7; 16]).expect("there is room for one");
        for part in parts(self.stream, sizes) {
            feed(&mut engine, &mut app, id, part, &mut written);
        }
        engine.handle_end(NOW, id);
        transmit(&mut engine, &mut app, &mut written);
        assert_eq!(engine.poll_gone(), Some(id));
        assert!(engine.is_empty());
        // Asked for or not, depending on how much has come with the head.
        let written = written.strip_prefix(CONTINUE).unwrap_or(&written).to_vec();
        Outcome { written, ..app.outcome }
    }

    fn judge(&self, outcome: &Outcome) {
        let Self { stream, .. } = self;
        let mut row = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Request::new(&mut row);
        let parse = parsed.parse(&stream[..stream.len().min(HEADS)]);
        // httparse passes over empty lines in front.
        let refusal = match parse {
            _ if stream.first().is_some_and(|first| b"\r\n".contains(first)) => Refusal::Malformed,
            Err(httparse::Error::TooManyHeaders) => Refusal::HeadTooLarge,
            Err(_) => Refusal::Malformed,
            Ok(httparse::Status::Partial) if stream.len() > HEADS => Refusal::HeadTooLarge,
            Ok(httparse::Status::Partial) => return assert_eq!(*outcome, Outcome::default()),
            Ok(httparse::Status::Complete(len)) => {
                let head = Head::read(&stream[..len]);
                assert_eq!(outcome.seen, Some(head.seen()));
                return self.judge_request(&head, outcome, &stream[len..]);
            }
        };
        assert_eq!(outcome.seen, None);
        outcome.expect(&Expected::refusal(refusal), false);
    }

    fn judge_request(&self, head: &Head<'_>, outcome: &Outcome, behind: &[u8]) {
        let path = head.path();
        let only_head = head.method == "HEAD";
        let expected = match &*path {
            _ if !head.is_let_in(self.pages) => Expected::refusal(Refusal::Forbidden),
            "/ws" => match head.upgrade() {
                Ok(accept) => return self.judge_opening(head, &accept, outcome, behind),
                Err(refusal) => Expected::refusal(refusal),
            },
            "/page" => Expected { status: 200, body: PAGE.into(), calls: vec![] },
            "/post" => match head.body_len() {
                Ok(len) if len > self.bodies() => Expected::refusal(Refusal::BodyTooLarge),
                Ok(len) => match behind.get(..len) {
                    Some(body) => return outcome.expect(&Expected::call(body), false),
                    // It has not come.
                    None => {
                        assert!(outcome.written.is_empty() && outcome.calls.is_empty());
                        return;
                    }
                },
                Err(refusal) => Expected::refusal(refusal),
            },
            _ => Expected::refusal(Refusal::NotFound),
        };
        outcome.expect(&expected, only_head);
    }

    /// What comes behind the head is what comes of the same bytes where somebody else has read it.
    fn judge_opening(&self, head: &Head<'_>, accept: &str, outcome: &Outcome, behind: &[u8]) {
        let protocol = head.list("sec-websocket-protocol").find(|offer| KNOWN.contains(&&**offer));
        let protocol = protocol.map(|protocol| format!("Sec-WebSocket-Protocol: {protocol}\r\n"));
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{}\r\n",
            protocol.unwrap_or_default()
        );
        let Some(frames) = outcome.written.strip_prefix(answer.as_bytes()) else {
            panic!("{outcome:?}, not {answer}");
        };
        let config = Config { message_bytes: self.bodies() as u32, ..Self::config() };
        let mut engine = Engine::new(config, 1);
        let id = engine.open(NOW, [7; 16]).expect("owned memory grows");
        let mut app = App { pages: self.pages, outcome: Outcome::default() };
        let mut written = Vec::new();
        feed(&mut engine, &mut app, id, behind, &mut written);
        assert_eq!((frames, &outcome.calls), (&*written, &app.outcome.calls));
    }
}

/// One response, and what the application was called with before it.
struct Expected {
    status: u16,
    body: String,
    calls: Vec<Option<String>>,
}

impl Expected {
    fn refusal(refusal: Refusal) -> Self {
        Self { status: refusal.status(), body: refusal.to_string(), calls: vec![] }
    }

    /// The application says again what it is called with, if that is JSON or nothing.
    fn call(body: &[u8]) -> Self {
        let text = str::from_utf8(body).map(str::trim_ascii);
        // It may nest as a payload may, which is inside of a message.
        let nesting = usize::from(Config::default().nesting) - 1;
        match text {
            Ok("") => Self { status: 204, body: String::new(), calls: vec![None] },
            Ok(text) if depth(text).is_some_and(|depth| depth <= nesting) => {
                Self { status: 200, body: text.into(), calls: vec![Some(text.into())] }
            }
            _ => {
                let body = r#"{"error":"Could not decode message"}"#.into();
                Self { status: 400, body, calls: vec![] }
            }
        }
    }
}

impl Outcome {
    fn status(&self) -> u16 {
        let status = self.written.get(9..12).and_then(|digits| str::from_utf8(digits).ok());
        status.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    /// There is this response, and no other one behind it.
    fn expect(&self, expected: &Expected, only_head: bool) {
        let mut row = [httparse::EMPTY_HEADER; 16];
        let mut response = httparse::Response::new(&mut row);
        let Ok(httparse::Status::Complete(len)) = response.parse(&self.written) else {
            panic!("no response: {self:?}");
        };
        assert_eq!(response.code, Some(expected.status), "{self:?}");
        let header = |name: &str| {
            let header = response.headers.iter().rfind(|header| header.name == name);
            header.map(|header| str::from_utf8(header.value).expect("we write ASCII"))
        };
        assert_eq!(header("Connection"), Some("close"));
        let told = header("Content-Length");
        assert_eq!(told, (expected.status != 204).then_some(&*expected.body.len().to_string()));
        let body = if only_head { "" } else { &expected.body };
        assert_eq!(str::from_utf8(&self.written[len..]), Ok(body));
        assert_eq!(self.calls, expected.calls);
    }
}

/// A head that is well formed, line by line.
struct Head<'h> {
    method: &'h str,
    target: &'h str,
    minor: u8,
    headers: Vec<(&'h str, &'h [u8])>,
    len: usize,
}

impl<'h> Head<'h> {
    fn read(head: &'h [u8]) -> Self {
        let mut lines = head.split(|byte| *byte == b'\n');
        let mut lines = std::iter::from_fn(|| {
            let line = lines.next()?;
            Some(line.strip_suffix(b"\r").unwrap_or(line)).filter(|line| !line.is_empty())
        });
        let first = lines.next().and_then(|line| str::from_utf8(line).ok()).expect("it is text");
        let [method, target, version] = first.split(' ').collect::<Vec<_>>()[..] else {
            panic!("no request: {first}");
        };
        let minor = ["HTTP/1.0", "HTTP/1.1"].iter().position(|known| *known == version);
        let headers = lines.map(|line| {
            let colon = line.iter().position(|byte| *byte == b':').expect("a header has a colon");
            let name = str::from_utf8(&line[..colon]).expect("names are ASCII");
            (name, trim(&line[colon + 1..]))
        });
        let headers = headers.collect();
        Self {
            method,
            target,
            minor: minor.expect("we speak HTTP/1") as u8,
            headers,
            len: head.len(),
        }
    }

    fn seen(&self) -> Seen {
        let headers = self.headers.iter().map(|(name, value)| ((*name).into(), escaped(value)));
        Seen {
            method: self.method.into(),
            path: self.path(),
            query: self.target.find('?').map(|mark| self.target[mark + 1..].into()),
            headers: headers.collect(),
            len: self.len,
        }
    }

    /// As others read it, where they do.
    fn path(&self) -> String {
        let place = self.target.split('?').next().expect("a split has a part");
        let uri = self.target.parse::<Uri>().ok().filter(|uri| uri.scheme().is_some());
        match uri {
            Some(uri) if !place.contains('#') => uri.path().into(),
            _ => match place.find("://") {
                Some(at) if !place[..at].contains('/') => {
                    let host = &place[at + 3..];
                    host.find('/').map_or("/", |slash| &host[slash..]).into()
                }
                _ => place.into(),
            },
        }
    }

    fn all(&self, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
        let named = self.headers.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name));
        named.map(|(_, value)| *value)
    }

    fn only(&self, name: &'static str) -> Option<&'h [u8]> {
        let values: Vec<_> = self.all(name).collect();
        if let [value] = values[..] { Some(value) } else { None }
    }

    /// What is listed in all headers of a name, but for what is no text.
    fn list(&self, name: &'static str) -> impl Iterator<Item = String> {
        let listed = self.all(name).flat_map(|value| value.split(|byte| *byte == b','));
        listed.filter_map(|element| Some(str::from_utf8(trim(element)).ok()?.to_string()))
    }

    /// RFC 6455 section 4.2.1, point by point.
    fn upgrade(&self) -> Result<String, Refusal> {
        let lists = |name, token: &str| self.list(name).any(|own| own.eq_ignore_ascii_case(token));
        if self.method != "GET" {
            return Err(Refusal::MethodNotAllowed);
        }
        if !lists("upgrade", "websocket") || !lists("connection", "upgrade") {
            return Err(Refusal::UpgradeRequired);
        }
        if self.minor == 0 {
            return Err(Refusal::Malformed);
        }
        if self.all("host").count() != 1 {
            return Err(Refusal::BadHost);
        }
        if self.only("sec-websocket-version") != Some(b"13") {
            return Err(Refusal::UnsupportedVersion);
        }
        let key = self.only("sec-websocket-key").ok_or(Refusal::BadKey)?;
        // tungstenite judges keys where it serves, and has the same answer to them.
        let request = tungstenite::http::Request::builder()
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", key);
        let response = request.body(()).ok();
        let response = response
            .and_then(|request| tungstenite::handshake::server::create_response(&request).ok());
        let response = response.ok_or(Refusal::BadKey)?;
        let accept = response.headers()["Sec-WebSocket-Accept"].to_str().expect("it is base64");
        Ok(accept.into())
    }

    /// RFC 9112 section 6.
    fn body_len(&self) -> Result<usize, Refusal> {
        let lengths: Vec<_> = self.all("content-length").collect();
        if self.all("transfer-encoding").count() > 0 || lengths.is_empty() {
            return Err(Refusal::LengthRequired);
        }
        let digits = match lengths[..] {
            [length] => str::from_utf8(length).ok(),
            _ => None,
        };
        let digits = digits.filter(|digits| {
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        });
        let digits = digits.ok_or(Refusal::BadLength)?.trim_start_matches('0');
        match digits.len() {
            0 => Ok(0),
            1..=9 => Ok(digits.parse().expect("these are few digits")),
            _ => Err(Refusal::BodyTooLarge),
        }
    }

    /// By the page that sends it.
    fn is_let_in(&self, pages: u8) -> bool {
        let origins: Vec<_> = self.all("origin").collect();
        let origin = match origins[..] {
            [] => return true,
            [origin] => origin,
            _ => return false,
        };
        if pages == STAR {
            return true;
        }
        let Some((scheme, host, port)) = page(origin) else { return false };
        match pages {
            LIST => match (&*scheme, port.unwrap_or(if scheme == "https" { 443 } else { 80 })) {
                ("https", 443) => host == "example.org",
                ("http", 3000) => {
                    host.len() > ".example.net".len() && host.ends_with(".example.net")
                }
                _ => false,
            },
            LOOPBACK if is_this_machine(&host) => true,
            _ => {
                let own = self.all("host").next().and_then(|own| page(&[b"http://", own].concat()));
                own.is_some_and(|(_, own, _)| own == host)
            }
        }
    }
}

/// Scheme, host and port of a page, in lower case.
fn page(origin: &[u8]) -> Option<(String, String, Option<u16>)> {
    let origin = str::from_utf8(origin).ok()?;
    let (scheme, authority) = origin.split_once("://")?;
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let bad = |c: char| c.is_ascii_whitespace() || c.is_control() || "/?#@\\,".contains(c);
    let colon = match authority.starts_with('[') {
        true => authority.find(']')? + 1,
        false => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(colon);
    let port = match port {
        "" => None,
        _ => {
            let digits = port.strip_prefix(':')?;
            let ok = digits.bytes().all(|byte| byte.is_ascii_digit());
            Some(digits.parse::<u16>().ok().filter(|_| ok)?)
        }
    };
    let ok = !scheme.is_empty()
        && scheme.chars().all(is_scheme)
        && !host.is_empty()
        && !host.contains(bad);
    ok.then(|| (scheme.to_ascii_lowercase(), host.to_ascii_lowercase(), port))
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse().is_ok_and(|address: std::net::Ipv4Addr| address.octets()[0] == 127)
        || matches!(host, "[::1]")
}

fn escaped(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn trim(bytes: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let Some(start) = bytes.iter().position(|byte| !is_space(byte)) else { return &[] };
    let end = bytes.iter().rposition(|byte| !is_space(byte)).expect("there is one");
    &bytes[start..=end]
}

/// Says what it hears: of a body to whoever has sent it, of a message as well.
struct App {
    pages: u8,
    outcome: Outcome,
}

impl Dispatch for App {
    fn find(&self, _: &str) -> Option<OperationId> {
        Some(OperationId(0))
    }

    fn call(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
        self.outcome.calls.push(call.payload.map(Into::into));
        answer.reply("r", call.payload.map(str::as_bytes)).done()
    }

    fn request(&mut self, _: ConnectionId, request: &Request<'_>) -> Admission<'_> {
        let seen = Seen {
            method: request.method.into(),
            path: request.path.into(),
            query: request.query.map(Into::into),
            headers: request.headers().map(|(name, value)| (name.into(), escaped(value))).collect(),
            len: request.len,
        };
        assert!(self.outcome.seen.replace(seen).is_none(), "a connection has one request");
        let entries: &[&str] = match self.pages {
            STAR => &["*"],
            LIST => &["https://example.org", "http://*.example.net:3000"],
            _ => &[],
        };
        if let Err(refusal) = admit(request, entries, self.pages == LOOPBACK) {
            return Admission::Refuse(refusal);
        }
        match request.path {
            "/ws" => {
                let known = |offer: &str| KNOWN.into_iter().find(|own| *own == offer);
                Admission::Upgrade { protocol: request.protocols().find_map(known) }
            }
            "/post" => Admission::Call(OperationId(0)),
            "/page" => Admission::Respond(Response {
                status: 200,
                headers: "Cache-Control: no-store\r\n",
                content_type: "text/plain",
                body: PAGE.as_bytes(),
            }),
            _ => Admission::Refuse(Refusal::NotFound),
        }
    }
}

/// Pages of this machine, those of a list, and all are let in; otherwise those of the same host.
const LOOPBACK: u8 = 1;
const LIST: u8 = 2;
const STAR: u8 = 3;

/// The longest head, and the longest bodies.
const HEADS: usize = 512;
const OWNED: usize = 1 << 20;
const LENT: usize = 512;

const KNOWN: [&str; 2] = ["v2", "v1"];
const PAGE: &str = "a page";
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
