//! Non-blocking sockets on one edge-triggered epoll, plus the opening handshake. Knows frames;
//! must not know what their text says.

use crate::frame::{self, OP_CLOSE, OP_PING, OP_PONG};
use std::io;
use std::os::fd::RawFd;

// The key and the answer to it are the example of RFC 6455, section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

pub struct Poll {
    ep: RawFd,
    pub events: Vec<libc::epoll_event>,
    pub spin: bool,
}

impl Poll {
    pub fn new(spin: bool) -> io::Result<Self> {
        let ep = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if ep < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Poll { ep, events: vec![unsafe { std::mem::zeroed() }; 512], spin })
    }

    fn add(&self, fd: RawFd, token: u64) -> io::Result<()> {
        let mut ev = libc::epoll_event {
            events: (libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET) as u32,
            u64: token,
        };
        if unsafe { libc::epoll_ctl(self.ep, libc::EPOLL_CTL_ADD, fd, &mut ev) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Waits at most `ms`; with `spin` it never sleeps, so waking the client costs the
    /// server nothing (a sleeping client makes the server's `send` pay for the wake-up).
    #[inline]
    pub fn wait(&mut self, ms: i32) -> usize {
        let ms = if self.spin { 0 } else { ms };
        let n = unsafe {
            libc::epoll_wait(self.ep, self.events.as_mut_ptr(), self.events.len() as i32, ms)
        };
        n.max(0) as usize
    }
}

#[derive(PartialEq, Clone, Copy, Debug)]
pub enum State {
    Connecting,
    Handshaking,
    Open,
    Dead,
}

pub struct Conn {
    pub fd: RawFd,
    pub state: State,
    partial: Vec<u8>,
    out: Vec<u8>,
    out_pos: usize,
}

pub struct Net {
    pub poll: Poll,
    pub conns: Vec<Conn>,
    scratch: Vec<u8>,
    rng: u32,
    pub reads: u64,
    pub error: Option<String>,
}

pub struct Target {
    pub port: u16,
    pub path: String,
    pub src_ips: u32,
    pub concurrency: usize,
}

impl Target {
    pub fn request(&self) -> String {
        format!(
            "GET {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n",
            self.path, self.port
        )
    }
}

impl Net {
    pub fn new(spin: bool) -> io::Result<Self> {
        Ok(Net {
            poll: Poll::new(spin)?,
            conns: vec![],
            scratch: vec![0; 512 * 1024],
            rng: 0x9e37_79b9,
            reads: 0,
            error: None,
        })
    }

    fn mask(&mut self) -> u32 {
        let mut x = self.rng;
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.rng = x;
        x
    }

    fn start_connect(&mut self, t: &Target) -> io::Result<()> {
        let idx = self.conns.len();
        unsafe {
            let fd = libc::socket(
                libc::AF_INET,
                libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC,
                0,
            );
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            let one: libc::c_int = 1;
            let p = &one as *const _ as *const libc::c_void;
            libc::setsockopt(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, p, 4);
            let mut a: libc::sockaddr_in = std::mem::zeroed();
            a.sin_family = libc::AF_INET as u16;
            let len = std::mem::size_of::<libc::sockaddr_in>() as u32;
            if t.src_ips > 1 {
                libc::setsockopt(fd, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, p, 4);
                a.sin_addr.s_addr = (0x7f00_0001u32 + idx as u32 % t.src_ips).to_be();
                if libc::bind(fd, &a as *const _ as *const libc::sockaddr, len) < 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            a.sin_port = t.port.to_be();
            a.sin_addr.s_addr = 0x7f00_0001u32.to_be();
            let r = libc::connect(fd, &a as *const _ as *const libc::sockaddr, len);
            if r < 0 {
                let e = io::Error::last_os_error();
                if e.raw_os_error() != Some(libc::EINPROGRESS) {
                    libc::close(fd);
                    return Err(e);
                }
            }
            self.conns.push(Conn {
                fd,
                state: State::Connecting,
                partial: vec![],
                out: vec![],
                out_pos: 0,
            });
            self.poll.add(fd, idx as u64)?;
        }
        Ok(())
    }

    /// Opens `n` more WebSockets, at most `t.concurrency` handshakes in flight.
    pub fn open(&mut self, n: usize, t: &Target, timeout_s: f64) -> Result<f64, String> {
        let t0 = crate::cpu::now_ns();
        let first = self.conns.len();
        let (mut done, mut progress) = (0usize, t0);
        let req = t.request();
        while done < n {
            while self.conns.len() - first < n && self.conns.len() - first - done < t.concurrency {
                self.start_connect(t).map_err(|e| format!("connect: {e}"))?;
            }
            let k = self.poll.wait(100);
            for i in 0..k {
                let ev = self.poll.events[i];
                let c = ev.u64 as usize;
                let flags = ev.events;
                if self.conns[c].state == State::Connecting && flags & libc::EPOLLOUT as u32 != 0 {
                    self.conns[c].state = State::Handshaking;
                    self.conns[c].out.extend_from_slice(req.as_bytes());
                    self.flush(c);
                }
                if self.conns[c].state == State::Handshaking
                    && flags & libc::EPOLLIN as u32 != 0
                    && self.read_handshake(c)?
                {
                    done += 1;
                    progress = crate::cpu::now_ns();
                }
                if self.conns[c].state != State::Open
                    && flags & (libc::EPOLLERR | libc::EPOLLHUP) as u32 != 0
                {
                    return Err(format!("connection {c} refused or reset during handshake"));
                }
            }
            if crate::cpu::now_ns() - progress > (timeout_s * 1e9) as u64 {
                return Err(format!("handshakes stalled at {done}/{n}"));
            }
        }
        Ok((crate::cpu::now_ns() - t0) as f64 / 1e9)
    }

    fn read_handshake(&mut self, c: usize) -> Result<bool, String> {
        let n = match self.recv(c, 0) {
            Ok(0) => return Err(format!("connection {c} closed during handshake")),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(e) => return Err(format!("handshake read: {e}")),
        };
        let conn = &mut self.conns[c];
        conn.partial.extend_from_slice(&self.scratch[..n]);
        let Some(p) = memchr::memmem::find(&conn.partial, b"\r\n\r\n") else {
            return Ok(false);
        };
        let head = String::from_utf8_lossy(&conn.partial[..p]).into_owned();
        if !head.starts_with("HTTP/1.1 101") {
            return Err(format!("handshake refused: {}", head.lines().next().unwrap_or("")));
        }
        let ok = head.lines().any(|l| {
            l.split_once(':').is_some_and(|(k, v)| {
                k.eq_ignore_ascii_case("sec-websocket-accept") && v.trim() == ACCEPT
            })
        });
        if !ok {
            return Err("wrong or missing Sec-WebSocket-Accept".into());
        }
        conn.partial.drain(..p + 4);
        conn.state = State::Open;
        Ok(true)
    }

    #[inline]
    fn recv(&mut self, c: usize, at: usize) -> io::Result<usize> {
        let r = unsafe {
            libc::recv(
                self.conns[c].fd,
                self.scratch.as_mut_ptr().add(at) as *mut libc::c_void,
                self.scratch.len() - at,
                0,
            )
        };
        self.reads += 1;
        if r < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(r as usize)
    }

    /// Queues one masked text frame; `flush` sends it.
    #[inline]
    pub fn queue_text(&mut self, c: usize, payload: &[u8]) {
        let key = self.mask();
        frame::encode_masked(&mut self.conns[c].out, frame::OP_TEXT, payload, key);
    }

    pub fn flush(&mut self, c: usize) {
        loop {
            let conn = &mut self.conns[c];
            if conn.out_pos == conn.out.len() {
                conn.out.clear();
                conn.out_pos = 0;
                return;
            }
            let b = &conn.out[conn.out_pos..];
            let r = unsafe {
                libc::send(conn.fd, b.as_ptr() as *const libc::c_void, b.len(), libc::MSG_NOSIGNAL)
            };
            if r < 0 {
                let e = io::Error::last_os_error();
                if e.kind() != io::ErrorKind::WouldBlock {
                    conn.state = State::Dead;
                    self.error.get_or_insert(format!("send on connection {c}: {e}"));
                }
                return;
            }
            conn.out_pos += r as usize;
        }
    }

    pub fn unsent(&self, c: usize) -> usize {
        self.conns[c].out.len() - self.conns[c].out_pos
    }

    /// Reads what is there and calls `f` with every data message. Answers pings.
    #[inline]
    pub fn on_event(&mut self, c: usize, flags: u32, f: &mut impl FnMut(&[u8])) {
        if self.conns[c].state != State::Open {
            return;
        }
        if flags & libc::EPOLLOUT as u32 != 0 && self.unsent(c) > 0 {
            self.flush(c);
        }
        if flags & (libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) as u32 == 0
        {
            return;
        }
        loop {
            let had = self.conns[c].partial.len();
            if had > 0 {
                self.scratch[..had].copy_from_slice(&self.conns[c].partial);
                self.conns[c].partial.clear();
            }
            let room = self.scratch.len() - had;
            let n = match self.recv(c, had) {
                Ok(0) => {
                    self.conns[c].state = State::Dead;
                    self.error.get_or_insert(format!("server closed connection {c}"));
                    return;
                }
                Ok(n) => n,
                Err(e) => {
                    if had > 0 {
                        let keep = &self.scratch[..had];
                        self.conns[c].partial.extend_from_slice(keep);
                    }
                    if e.kind() != io::ErrorKind::WouldBlock {
                        self.conns[c].state = State::Dead;
                        self.error.get_or_insert(format!("recv on connection {c}: {e}"));
                    }
                    return;
                }
            };
            let end = had + n;
            let mut at = 0;
            while at < end {
                match frame::parse(&self.scratch[at..end]) {
                    Ok(Some(fr)) => {
                        let (s, e) = (at + fr.start, at + fr.end);
                        at = e;
                        match fr.opcode {
                            OP_PING => {
                                let body = self.scratch[s..e].to_vec();
                                let key = self.mask();
                                frame::encode_masked(&mut self.conns[c].out, OP_PONG, &body, key);
                                self.flush(c);
                            }
                            OP_PONG => {}
                            OP_CLOSE => {
                                let code = if e - s >= 2 {
                                    u16::from_be_bytes([self.scratch[s], self.scratch[s + 1]])
                                } else {
                                    0
                                };
                                self.conns[c].state = State::Dead;
                                self.error.get_or_insert(format!(
                                    "server sent close {code} on connection {c}"
                                ));
                                return;
                            }
                            _ => f(&self.scratch[s..e]),
                        }
                    }
                    Ok(None) => break,
                    Err(e) => {
                        self.conns[c].state = State::Dead;
                        self.error.get_or_insert(format!("protocol error on {c}: {e}"));
                        return;
                    }
                }
            }
            if at < end {
                let keep = &self.scratch[at..end];
                self.conns[c].partial.extend_from_slice(keep);
            }
            // A short read means the socket is drained (epoll(7), edge triggered).
            if n < room {
                return;
            }
        }
    }
}

/// The unsigned number after `"key":` in a JSON text, whatever the spacing.
#[inline]
pub fn number_after(finder: &memchr::memmem::Finder, msg: &[u8]) -> Option<u64> {
    let p = finder.find(msg)? + finder.needle().len();
    let mut i = p;
    while i < msg.len() && matches!(msg[i], b' ' | b':') {
        i += 1;
    }
    let s = i;
    let mut v = 0u64;
    while i < msg.len() && msg[i].is_ascii_digit() {
        v = v.wrapping_mul(10).wrapping_add((msg[i] - b'0') as u64);
        i += 1;
    }
    (i > s).then_some(v)
}
