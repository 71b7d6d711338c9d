//! Requests that another HTTP server has read and brings to a shard, and the answers that it takes
//! back, as bytes. Knows no shard and no socket.

use std::net::SocketAddr;
use std::str::from_utf8;

/// Where such a request has come from.
///
/// ```
/// use fastws_host::visit::{Answer, Visit, head};
/// let visit = Visit { base: "/api/v1".into(), ..Visit::default() };
/// let bytes = head("GET", "/healthz", 1, [("host", &b"example.org"[..])].into_iter(), 0);
/// // A shard that has taken the visit takes the bytes, and its bytes are the answer.
/// let answer = Answer::read(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n").expect("it is whole");
/// assert_eq!((answer.status, answer.body), (200, &b"ok\n"[..]));
/// # drop((visit, bytes));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visit {
    /// The client's address, where it is known.
    pub peer: Option<SocketAddr>,
    /// What clients write before the paths of the settings, such as `/api/v1`.
    pub base: String,
    /// It asks for the WebSocket, whatever its path.
    pub is_websocket: bool,
}

/// The head of a request of HTTP/1.`minor`, whose body of so many bytes is to follow at once.
pub fn head<'h>(
    method: &str,
    target: &str,
    minor: u8,
    headers: impl Iterator<Item = (&'h str, &'h [u8])>,
    body: usize,
) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.{minor}\r\n").into_bytes();
    let about_body = |name: &str| ABOUT_BODY.iter().any(|own| own.eq_ignore_ascii_case(name));
    for (name, value) in headers.filter(|(name, _)| !about_body(name)) {
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head.extend_from_slice(format!("Content-Length: {body}\r\n\r\n").as_bytes());
    head
}

/// Where the head ends that opens a WebSocket. `None`: that is not what these bytes begin with.
pub fn opening(bytes: &[u8]) -> Option<usize> {
    bytes.starts_with(b"HTTP/1.1 101 ").then(|| end_of_head(bytes))?
}

/// What a shard has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// 101 where the WebSocket is open.
    pub status: u16,
    /// Without the one that would end the other server's connection.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The whole body.
    pub body: &'a [u8],
}

impl<'a> Answer<'a> {
    /// Reads what a shard has written. `None`: it has given up before it had answered.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (head, body) = bytes.split_at(end_of_head(bytes)?);
        let mut lines = from_utf8(&head[..head.len() - END.len()]).ok()?.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.filter(|line| *line != "Connection: close");
        let headers = headers.filter_map(|line| line.split_once(": ")).collect();
        Some(Self { status, headers, body })
    }
}

/// Where a head ends that is whole, with the empty line.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(END.len()).position(|bytes| bytes == END).map(|at| at + END.len())
}

const END: &[u8] = b"\r\n\r\n";
/// Headers of a request that were for the other server.
const ABOUT_BODY: [&str; 3] = ["content-length", "transfer-encoding", "expect"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_of_its_body_what_is_true_here() {
        let headers = [("Host", "a"), ("Transfer-Encoding", "chunked"), ("EXPECT", "100-continue")];
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        let head = head("POST", "/notify?a", 1, headers, 2);
        assert_eq!(head, b"POST /notify?a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n");
    }

    #[test]
    fn only_the_head_of_an_open_websocket_is_told_from_what_follows() {
        let open = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
        assert_eq!(opening(&[open, &b"\x81\x00"[..]].concat()), Some(open.len()));
        assert_eq!(opening(&open[..open.len() - 1]), None);
        assert_eq!(opening(b"HTTP/1.1 200 OK\r\n\r\n"), None);
    }

    #[test]
    fn an_answer_keeps_its_headers_but_not_the_end_of_the_connection() {
        let bytes =
            b"HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nConnection: close\r\n\r\nno";
        let headers = vec![("Connection", "Upgrade")];
        assert_eq!(Answer::read(bytes), Some(Answer { status: 426, headers, body: b"no" }));
        assert_eq!(Answer::read(b""), None);
    }
}
