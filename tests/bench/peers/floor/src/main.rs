//! The floor: what the kernel charges when the server itself does nothing. Knows wsload's three
//! default messages by their bytes; must not parse anything.
//!
//! Not a WebSocket server: the handshake answer is the constant that belongs to wsload's
//! constant key, requests are told apart by a byte of their type, topics are `tNNNNN`.
//!
//! usage: floor PORT send|batch|uring
//!   send   one send(2) per delivery, at once
//!   batch  all publishes of one recv(2) go to a subscriber in one send(2)
//!   uring  like batch, the sends of up to 1024 subscribers in one io_uring_enter(2)

use io_uring::{IoUring, opcode, squeue, types};
use std::mem::zeroed;
use std::os::fd::RawFd;
use std::ptr;

const ANSWER: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const ACK: &[u8] = b"{\"type\":\"bars.subscribed\",\"payload\":{}}";
const PONG: &[u8] = b"{\"type\":\"simple.pong\",\"payload\":{\"timestamp\":";
const MSG: &[u8] = b"{\"type\":\"bars.message\"";

#[derive(Default)]
struct Conn {
    open: bool,
    upgraded: bool,
    partial: Vec<u8>,
    pending: Vec<u8>,
    topics: Vec<usize>,
}

#[derive(PartialEq, Clone, Copy)]
enum Mode {
    Send,
    Batch,
    Uring,
}

fn frame(out: &mut Vec<u8>, parts: &[&[u8]]) {
    let n: usize = parts.iter().map(|p| p.len()).sum();
    out.push(0x81);
    if n < 126 {
        out.push(n as u8);
    } else if n < 65536 {
        out.push(126);
        out.extend_from_slice(&(n as u16).to_be_bytes());
    } else {
        out.push(127);
        out.extend_from_slice(&(n as u64).to_be_bytes());
    }
    parts.iter().for_each(|p| out.extend_from_slice(p));
}

struct Server {
    conns: Vec<Conn>,        // by fd
    topics: Vec<Vec<RawFd>>, // by topic number
    mode: Mode,
    ring: Option<IoUring>,
}

impl Server {
    fn send(&mut self, fd: RawFd, b: &[u8]) {
        let c = &mut self.conns[fd as usize];
        if !c.pending.is_empty() {
            c.pending.extend_from_slice(b);
            return;
        }
        let r = unsafe {
            libc::send(fd, b.as_ptr() as _, b.len(), libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT)
        };
        let done = r.max(0) as usize;
        if done < b.len() {
            c.pending.extend_from_slice(&b[done..]);
        }
    }

    fn flush(&mut self, fd: RawFd) {
        let c = &mut self.conns[fd as usize];
        if c.pending.is_empty() {
            return;
        }
        let b = std::mem::take(&mut c.pending);
        self.send(fd, &b);
    }

    fn fan(&mut self, topic: usize, b: &[u8]) {
        if topic >= self.topics.len() {
            return;
        }
        let subs = std::mem::take(&mut self.topics[topic]);
        if let Some(mut ring) = self.ring.take() {
            for chunk in subs.chunks(1024) {
                unsafe {
                    let mut sq = ring.submission();
                    for &fd in chunk {
                        let e = opcode::Send::new(types::Fd(fd), b.as_ptr(), b.len() as u32)
                            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
                            .build()
                            .user_data(fd as u64)
                            .flags(squeue::Flags::empty());
                        sq.push(&e).expect("submission queue full");
                    }
                }
                ring.submit_and_wait(chunk.len()).expect("io_uring_enter");
                for cqe in ring.completion() {
                    if cqe.result() >= 0 && (cqe.result() as usize) < b.len() {
                        panic!("short io_uring send");
                    }
                }
            }
            self.ring = Some(ring);
        } else {
            for &fd in &subs {
                self.send(fd, b);
            }
        }
        self.topics[topic] = subs;
    }

    fn on_bytes(&mut self, fd: RawFd, input: &[u8], out: &mut Vec<u8>) {
        let mut data = std::mem::take(&mut self.conns[fd as usize].partial);
        data.extend_from_slice(input);
        let mut at = 0;
        if !self.conns[fd as usize].upgraded {
            let Some(p) = memchr::memmem::find(&data, b"\r\n\r\n") else {
                self.conns[fd as usize].partial = data;
                return;
            };
            at = p + 4;
            self.conns[fd as usize].upgraded = true;
            self.send(fd, ANSWER);
        }
        let mut replies: Vec<u8> = vec![];
        let mut fanned: Option<usize> = None; // topic whose frames are gathered in `out`
        while data.len() - at >= 6 {
            let n7 = (data[at + 1] & 127) as usize;
            let (head, n) = match n7 {
                126 => {
                    if data.len() - at < 8 {
                        break;
                    }
                    (4, u16::from_be_bytes([data[at + 2], data[at + 3]]) as usize)
                }
                127 => panic!("frame too large for the floor"),
                n => (2, n),
            };
            if data.len() - at < head + 4 + n {
                break;
            }
            let key: [u8; 4] = data[at + head..at + head + 4].try_into().unwrap();
            let opcode = data[at] & 15;
            let s = at + head + 4;
            at = s + n;
            let m = &mut data[s..s + n];
            let wide = u64::from_ne_bytes([
                key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3],
            ]);
            let mut ch = m.chunks_exact_mut(8);
            for c in &mut ch {
                let v = u64::from_ne_bytes((&*c).try_into().unwrap()) ^ wide;
                c.copy_from_slice(&v.to_ne_bytes());
            }
            for (i, b) in ch.into_remainder().iter_mut().enumerate() {
                *b ^= key[i & 3];
            }
            if opcode != 1 || n < 20 {
                continue;
            }
            let topic_at = |m: &[u8], p: usize| {
                m[p + 1..p + 6].iter().fold(0usize, |a, b| a * 10 + (b - b'0') as usize)
            };
            match (m[9], m.get(14)) {
                (b's', _) => {
                    // {"type":"simple.ping","payload":{"timestamp":N}}
                    frame(&mut replies, &[PONG, &m[45..]]);
                }
                (b'b', Some(b's')) => {
                    // {"type":"bars.subscribe","payload":{"topic":"tNNNNN"}}
                    let t = topic_at(m, 45);
                    if self.topics.len() <= t {
                        self.topics.resize_with(t + 1, Vec::new);
                    }
                    self.topics[t].push(fd);
                    self.conns[fd as usize].topics.push(t);
                    frame(&mut replies, &[ACK]);
                }
                _ => {
                    // {"type":"bars.publish","payload":{"topic":"tNNNNN",...
                    let t = topic_at(m, 43);
                    if let Some(last) = fanned.filter(|&x| x != t || self.mode == Mode::Send) {
                        self.fan(last, out);
                        out.clear();
                    }
                    frame(out, &[MSG, &m[22..]]);
                    fanned = Some(t);
                }
            }
        }
        if let Some(t) = fanned {
            self.fan(t, out);
            out.clear();
        }
        if !replies.is_empty() {
            self.send(fd, &replies);
        }
        if at < data.len() {
            data.drain(..at);
            self.conns[fd as usize].partial = data;
        }
    }

    fn close(&mut self, fd: RawFd) {
        let c = std::mem::take(&mut self.conns[fd as usize]);
        for t in c.topics {
            if let Some(p) = self.topics[t].iter().position(|f| *f == fd) {
                self.topics[t].swap_remove(p);
            }
        }
        unsafe { libc::close(fd) };
    }
}

fn main() {
    let a: Vec<String> = std::env::args().collect();
    let port: u16 = a[1].parse().unwrap();
    let mode = match a[2].as_str() {
        "send" => Mode::Send,
        "batch" => Mode::Batch,
        "uring" => Mode::Uring,
        m => panic!("mode {m}"),
    };
    let ring = (mode == Mode::Uring).then(|| {
        IoUring::builder().setup_single_issuer().setup_coop_taskrun().build(1024).expect("io_uring")
    });
    let mut s = Server { conns: vec![], topics: vec![], mode, ring };
    unsafe {
        let mut l: libc::rlimit = zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut l);
        l.rlim_cur = l.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &l);
        let ls = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, 0);
        let one = 1i32;
        libc::setsockopt(ls, libc::SOL_SOCKET, libc::SO_REUSEADDR, &one as *const _ as _, 4);
        let mut sa: libc::sockaddr_in = zeroed();
        sa.sin_family = libc::AF_INET as _;
        sa.sin_port = port.to_be();
        sa.sin_addr.s_addr = 0x7f000001u32.to_be();
        assert_eq!(libc::bind(ls, &sa as *const _ as _, 16), 0, "bind");
        assert_eq!(libc::listen(ls, 4096), 0);
        let ep = libc::epoll_create1(0);
        let add = |fd: RawFd, ev: i32| {
            let mut e = libc::epoll_event { events: ev as u32, u64: fd as u64 };
            libc::epoll_ctl(ep, libc::EPOLL_CTL_ADD, fd, &mut e);
        };
        add(ls, libc::EPOLLIN);
        let mut evs: Vec<libc::epoll_event> = vec![zeroed(); 512];
        let mut buf = vec![0u8; 256 * 1024];
        let mut out = Vec::with_capacity(256 * 1024);
        loop {
            let n = libc::epoll_wait(ep, evs.as_mut_ptr(), evs.len() as i32, -1);
            for ev in &evs[..n.max(0) as usize] {
                let fd = ev.u64 as RawFd;
                let flags = ev.events;
                if fd == ls {
                    loop {
                        let c = libc::accept4(
                            ls,
                            ptr::null_mut(),
                            ptr::null_mut(),
                            libc::SOCK_NONBLOCK,
                        );
                        if c < 0 {
                            break;
                        }
                        libc::setsockopt(
                            c,
                            libc::IPPROTO_TCP,
                            libc::TCP_NODELAY,
                            &one as *const _ as _,
                            4,
                        );
                        if s.conns.len() <= c as usize {
                            s.conns.resize_with(c as usize + 1, Conn::default);
                        }
                        s.conns[c as usize].open = true;
                        add(c, libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLET);
                    }
                    continue;
                }
                if !s.conns[fd as usize].open {
                    continue;
                }
                if flags & libc::EPOLLOUT as u32 != 0 {
                    s.flush(fd);
                }
                if flags & libc::EPOLLIN as u32 != 0 || flags & libc::EPOLLHUP as u32 != 0 {
                    loop {
                        let r = libc::recv(fd, buf.as_mut_ptr() as _, buf.len(), 0);
                        if r == 0 {
                            s.close(fd);
                            break;
                        }
                        if r < 0 {
                            if *libc::__errno_location() != libc::EAGAIN {
                                s.close(fd);
                            }
                            break;
                        }
                        s.on_bytes(fd, &buf[..r as usize], &mut out);
                        if (r as usize) < buf.len() {
                            break;
                        }
                    }
                }
            }
        }
    }
}
