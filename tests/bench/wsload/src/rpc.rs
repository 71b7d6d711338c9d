//! Request/reply: C connections, P requests outstanding on each. Knows the numbers it sent;
//! must not know how frames are cut or what a reply says beside its number.

use crate::cpu::{self, now_ns};
use crate::hist::Hist;
use crate::net::{Net, number_after};
use crate::{Args, Report, SEQ_BASE, Template, Window};
use memchr::memmem::Finder;

struct Peer {
    next_send: u64,
    next_recv: u64,
    sent_at: Vec<u64>,
}

pub fn run(a: &Args, r: &mut Report) -> Result<bool, String> {
    let conns: usize = a.num("conns", 1);
    let depth: usize = a.num("depth", 1);
    let tpl = a.str("template", r#"{"type":"simple.ping","payload":{"timestamp":{seq}}}"#);
    let tpl = Template::new(&tpl, a.num("size", 0));
    let key = format!("\"{}\"", a.str("reply-key", "timestamp"));
    let finder = Finder::new(key.as_bytes());
    let pid = a.pid();

    let mut net = Net::new(!a.flag("no-spin")).map_err(|e| e.to_string())?;
    net.open(conns, &a.target(), 10.0)?;
    let mut peers: Vec<Peer> = (0..conns)
        .map(|_| Peer { next_send: SEQ_BASE, next_recv: SEQ_BASE, sent_at: vec![0; depth] })
        .collect();

    Phase::new(&tpl, &finder, depth).drive(&mut net, &mut peers, a.num("warmup", 0.5));
    let w = Window::start(pid, &net);
    let mut x = Phase::new(&tpl, &finder, depth);
    x.drive(&mut net, &mut peers, a.num("duration", 3.0));

    r.u("conns", conns as u64);
    r.u("depth", depth as u64);
    w.report(r, pid, &net, x.last.max(w.t0() + 1), x.replies, x.text_bytes);
    r.u("sent", x.sent);
    r.u("replies", x.replies);
    r.u("order_errors", x.order_errors);
    r.u("missing_key", x.missing_key);
    r.b("stalled", x.stalled);
    r.f("lat_mean_us", x.lat.mean_us());
    r.f("lat_p50_us", x.lat.q_us(0.5));
    r.f("lat_p99_us", x.lat.q_us(0.99));
    r.f("lat_p999_us", x.lat.q_us(0.999));
    r.f("lat_max_us", x.lat.max as f64 / 1e3);
    if let Some(p) = pid {
        r.u("server_rss_bytes", cpu::rss_bytes(p));
    }
    if let Some(e) = &net.error {
        return Err(e.clone());
    }
    Ok(x.sent == x.replies && x.order_errors == 0 && x.missing_key == 0 && x.replies > 0)
}

/// What one phase, warm-up or measurement, sent and got.
struct Phase<'a> {
    tpl: &'a Template,
    finder: &'a Finder<'a>,
    depth: usize,
    text: Vec<u8>,
    lat: Hist,
    replies: u64,
    text_bytes: u64,
    sent: u64,
    order_errors: u64,
    missing_key: u64,
    last: u64,
    stalled: bool,
}

impl<'a> Phase<'a> {
    fn new(tpl: &'a Template, finder: &'a Finder<'a>, depth: usize) -> Self {
        Phase {
            tpl,
            finder,
            depth,
            text: Vec::with_capacity(4096),
            lat: Hist::new(),
            replies: 0,
            text_bytes: 0,
            sent: 0,
            order_errors: 0,
            missing_key: 0,
            last: 0,
            stalled: false,
        }
    }

    /// Runs for `secs`, then waits for every outstanding reply, so that phases do not overlap.
    fn drive(&mut self, net: &mut Net, peers: &mut [Peer], secs: f64) {
        let end = now_ns() + (secs * 1e9) as u64;
        for (c, peer) in peers.iter_mut().enumerate() {
            self.send(net, peer, c, self.depth);
        }
        let mut progress = now_ns();
        loop {
            let n = net.poll.wait(50);
            let now = now_ns();
            for i in 0..n {
                let ev = net.poll.events[i];
                let (c, flags) = (ev.u64 as usize, ev.events);
                let mut got = 0usize;
                let peer = &mut peers[c];
                let mut at = 0;
                net.on_event(c, flags, &mut |msg| {
                    if at == 0 {
                        at = now_ns();
                    }
                    self.receive(peer, msg, at);
                    got += 1;
                });
                if got > 0 {
                    self.last = at;
                    progress = now;
                    if at < end {
                        self.send(net, peer, c, got);
                    }
                }
            }
            if now >= end && self.replies >= self.sent {
                return;
            }
            if net.error.is_some() || now.saturating_sub(progress) > 5_000_000_000 {
                self.stalled = self.replies < self.sent;
                return;
            }
        }
    }

    #[inline]
    fn receive(&mut self, peer: &mut Peer, msg: &[u8], at: u64) {
        match number_after(self.finder, msg) {
            Some(v) if v == peer.next_recv => {}
            Some(_) => self.order_errors += 1,
            None => self.missing_key += 1,
        }
        self.lat.record(at - peer.sent_at[(peer.next_recv % self.depth as u64) as usize]);
        peer.next_recv += 1;
        self.replies += 1;
        self.text_bytes += msg.len() as u64;
    }

    fn send(&mut self, net: &mut Net, peer: &mut Peer, c: usize, count: usize) {
        let first = peer.next_send;
        for _ in 0..count {
            self.tpl.render(&mut self.text, c, peer.next_send);
            net.queue_text(c, &self.text);
            peer.next_send += 1;
        }
        let now = now_ns();
        for seq in first..peer.next_send {
            peer.sent_at[(seq % self.depth as u64) as usize] = now;
        }
        self.sent += count as u64;
        net.flush(c);
    }
}
