//! Publish/subscribe: S subscribers on T topics, one publisher. Knows the numbers that it
//! published; must not know how frames are cut.
//!
//! Publish n goes to topic n mod T; every subscriber of it must see exactly the sequence
//! n, n+T, n+2T, ... The loop is closed (`--window` publishes not yet received by all) or
//! open (`--rate` publishes per second, latency counted from the scheduled time).

use crate::cpu::now_ns;
use crate::hist::Hist;
use crate::net::{Net, Target, number_after};
use crate::{Args, Report, SEQ_BASE, Template, Window, cpu};
use memchr::memmem::Finder;

#[derive(Clone, Copy, Default)]
struct Slot {
    seq: u64,
    at: u64,
    left: u32,
}

pub const SUBSCRIBE: &str = r#"{"type":"bars.subscribe","payload":{"topic":"{topic}"}}"#;
const PUBLISH: &str =
    r#"{"type":"bars.publish","payload":{"topic":"{topic}","seq":{seq},"data":"{pad}"}}"#;

pub struct State {
    topics: u64,
    subs_of: Vec<u32>,
    next: Vec<u64>, // per connection: the sequence it must see next
    ring: Vec<Slot>,
    next_seq: u64,
    outstanding: u64,
    // counted over one phase
    published: u64,
    expected: u64,
    pub delivered: u64,
    text_bytes: u64,
    lost: u64,
    order_errors: u64,
    bad: u64,
    last: u64,
    pub lat: Hist,
    round: Hist, // publish to last receiver
    stalled: bool,
    unsent_max: usize,
}

impl State {
    pub fn new(subs: usize, topics: usize, ring: usize) -> Self {
        let mut subs_of = vec![0u32; topics];
        (0..subs).for_each(|i| subs_of[i % topics] += 1);
        State {
            topics: topics as u64,
            subs_of,
            next: (0..subs).map(|i| SEQ_BASE + (i % topics) as u64).collect(),
            ring: vec![Slot::default(); ring],
            next_seq: SEQ_BASE,
            outstanding: 0,
            published: 0,
            expected: 0,
            delivered: 0,
            text_bytes: 0,
            lost: 0,
            order_errors: 0,
            bad: 0,
            last: 0,
            lat: Hist::new(),
            round: Hist::new(),
            stalled: false,
            unsent_max: 0,
        }
    }

    fn reset(&mut self) {
        self.published = 0;
        self.expected = 0;
        self.delivered = 0;
        self.text_bytes = 0;
        self.lost = 0;
        self.order_errors = 0;
        self.bad = 0;
        self.last = now_ns();
        self.lat = Hist::new();
        self.round = Hist::new();
        self.stalled = false;
    }

    /// Everything was delivered once and in order.
    pub fn is_whole(&self) -> bool {
        self.delivered == self.expected && self.lost + self.order_errors + self.bad == 0
    }

    fn settle(&mut self, seq: u64, now: u64) {
        let i = (seq as usize) & (self.ring.len() - 1);
        let s = &mut self.ring[i];
        if s.seq == seq && s.left > 0 {
            s.left -= 1;
            if s.left == 0 {
                self.outstanding -= 1;
                self.round.record(now.saturating_sub(s.at));
            }
        }
    }

    #[inline]
    fn receive(&mut self, conn: usize, seq: u64, now: u64) {
        let want = self.next[conn];
        if seq == want {
            self.next[conn] = want + self.topics;
        } else if seq > want && (seq - want).is_multiple_of(self.topics) && seq < self.next_seq {
            let mut s = want; // a gap: the server dropped messages for this subscriber
            while s < seq {
                self.lost += 1;
                self.settle(s, now);
                s += self.topics;
            }
            self.next[conn] = seq + self.topics;
        } else {
            self.order_errors += 1; // duplicate, reordered, or another topic's message
            return;
        }
        let slot = self.ring[(seq as usize) & (self.ring.len() - 1)];
        self.lat.record(now.saturating_sub(slot.at));
        self.delivered += 1;
        self.settle(seq, now);
    }
}

pub struct Cfg {
    window: u64,
    rate: f64,
    publisher: usize,
    pub no_spin: bool,
    tpl: Template,
    finder: Finder<'static>,
}

impl Cfg {
    /// What the arguments say, with defaults of a mode, for a publisher behind the subscribers.
    pub fn new(a: &Args, subs: usize, size: usize, rate: f64) -> Self {
        Cfg {
            window: a.num("window", 1),
            rate: a.num("rate", rate),
            publisher: subs,
            no_spin: a.flag("no-spin"),
            tpl: Template::new(&a.str("pub-template", PUBLISH), size),
            finder: Finder::new(&format!("\"{}\"", a.str("seq-key", "seq"))).into_owned(),
        }
    }

    /// How many publishes are remembered.
    pub fn ring(&self) -> usize {
        if self.rate > 0.0 { 1 << 20 } else { (self.window as usize * 2).next_power_of_two() }
    }

    /// How a report names the load.
    pub fn report(&self, r: &mut Report) {
        r.u("window", if self.rate > 0.0 { 0 } else { self.window });
        r.f("rate", self.rate);
    }
}

pub fn run(a: &Args, r: &mut Report) -> Result<bool, String> {
    let subs: usize = a.num("subs", 100);
    let topics: usize = a.num("topics", 1);
    let size: usize = a.num("size", 128);
    let cfg = Cfg::new(a, subs, size, 0.0);
    let secs: f64 = a.num("duration", 3.0);
    let warm: f64 = a.num("warmup", 0.5);
    let sub_t = a.str("sub-template", SUBSCRIBE);
    let pid = a.pid();
    if topics > subs {
        return Err("--topics must not exceed --subs".into());
    }

    let mut net = Net::new(!cfg.no_spin).map_err(|e| e.to_string())?;
    gather(&mut net, subs, topics, &a.target(), &Template::new(&sub_t, 0))?;

    let mut st = State::new(subs, topics, cfg.ring());
    drive(&mut net, &mut st, &cfg, warm, &mut || {});
    let warm_bad = st.order_errors + st.bad + st.lost;
    let w = Window::start(pid, &net);
    drive(&mut net, &mut st, &cfg, secs, &mut || {});

    r.u("subs", subs as u64);
    r.u("topics", topics as u64);
    r.u("size", size as u64);
    cfg.report(r);
    w.report(r, pid, &net, st.last.max(w.t0() + 1), st.delivered, st.text_bytes);
    r.u("published", st.published);
    r.u("expected", st.expected);
    r.u("delivered", st.delivered);
    r.f("delivered_ratio", st.delivered as f64 / st.expected.max(1) as f64);
    r.u("lost", st.lost);
    r.u("order_errors", st.order_errors);
    r.u("bad_messages", st.bad);
    r.u("warmup_errors", warm_bad);
    r.b("stalled", st.stalled);
    r.f("lat_p50_us", st.lat.q_us(0.5));
    r.f("lat_p99_us", st.lat.q_us(0.99));
    r.f("lat_max_us", st.lat.max as f64 / 1e3);
    r.f("round_p50_us", st.round.q_us(0.5));
    r.f("round_p99_us", st.round.q_us(0.99));
    r.u("publisher_unsent_max", st.unsent_max as u64);
    if let Some(p) = pid {
        r.u("server_rss_bytes", cpu::rss_bytes(p));
    }
    if let Some(e) = &net.error {
        return Err(e.clone());
    }
    Ok(st.delivered == st.expected && st.order_errors + st.bad + warm_bad == 0 && st.delivered > 0)
}

/// Opens `subs` connections that listen and, behind them, the publisher's.
pub fn gather(
    net: &mut Net,
    subs: usize,
    topics: usize,
    target: &Target,
    sub_t: &Template,
) -> Result<(), String> {
    net.open(subs, target, 15.0)?;

    // Subscribe everyone, `concurrency` at a time, and wait for one message each.
    let mut buf = vec![];
    let (mut sent, mut acked) = (0usize, 0usize);
    let mut seen = vec![false; subs];
    let mut progress = now_ns();
    while acked < subs {
        while sent < subs && sent - acked < target.concurrency {
            sub_t.render(&mut buf, sent % topics, 0);
            net.queue_text(sent, &buf);
            net.flush(sent);
            sent += 1;
        }
        let n = net.poll.wait(50);
        for i in 0..n {
            let ev = net.poll.events[i];
            let c = ev.u64 as usize;
            net.on_event(c, ev.events, &mut |_| {
                if c < subs && !seen[c] {
                    seen[c] = true;
                    acked += 1;
                    progress = now_ns();
                }
            });
        }
        if let Some(e) = &net.error {
            return Err(format!("while subscribing: {e}"));
        }
        if now_ns() - progress > 10_000_000_000 {
            return Err(format!("subscribe acks stalled at {acked}/{subs}"));
        }
    }
    net.open(1, target, 15.0)?;
    // What subscribing left to do in the server must not be charged to the publishes.
    std::thread::sleep(std::time::Duration::from_millis(100));
    Ok(())
}

/// Publishes for `secs` and waits until everybody has everything. `meanwhile` is called often.
pub fn drive(net: &mut Net, st: &mut State, cfg: &Cfg, secs: f64, meanwhile: &mut dyn FnMut()) {
    st.reset();
    let mut buf = Vec::with_capacity(4096);
    let t0 = now_ns();
    let end = t0 + (secs * 1e9) as u64;
    let step = if cfg.rate > 0.0 { 1e9 / cfg.rate } else { 0.0 };
    let mut scheduled = 0u64;
    let mut progress = t0;
    loop {
        meanwhile();
        let now = now_ns();
        if now < end {
            let mut queued = 0;
            if cfg.rate > 0.0 {
                loop {
                    let due = t0 + (scheduled as f64 * step) as u64;
                    if due > now || queued == 256 || st.outstanding as usize + 1 >= st.ring.len() {
                        break;
                    }
                    publish(net, st, &cfg.tpl, &mut buf, cfg.publisher, due);
                    scheduled += 1;
                    queued += 1;
                }
            } else {
                while st.outstanding < cfg.window {
                    publish(net, st, &cfg.tpl, &mut buf, cfg.publisher, now);
                    queued += 1;
                }
            }
            if queued > 0 {
                net.flush(cfg.publisher);
                st.unsent_max = st.unsent_max.max(net.unsent(cfg.publisher));
            }
        } else if st.outstanding == 0 {
            return;
        }
        let ms = if cfg.rate > 0.0 && cfg.no_spin { 1 } else { 20 };
        let n = net.poll.wait(ms);
        for i in 0..n {
            let ev = net.poll.events[i];
            let (c, flags) = (ev.u64 as usize, ev.events);
            let is_pub = c == cfg.publisher;
            let mut at = 0;
            net.on_event(c, flags, &mut |msg| {
                if is_pub {
                    return; // the publisher's own acknowledgements
                }
                if at == 0 {
                    at = now_ns();
                }
                match number_after(&cfg.finder, msg) {
                    Some(seq) => {
                        st.text_bytes += msg.len() as u64;
                        st.receive(c, seq, at)
                    }
                    None => st.bad += 1,
                }
            });
            if at > 0 {
                st.last = at;
                progress = at;
            }
        }
        if net.error.is_some() || now.saturating_sub(progress) > 5_000_000_000 {
            st.stalled = st.outstanding > 0;
            return;
        }
    }
}

#[inline]
fn publish(net: &mut Net, st: &mut State, tpl: &Template, buf: &mut Vec<u8>, to: usize, at: u64) {
    let seq = st.next_seq;
    let topic = ((seq - SEQ_BASE) % st.topics) as usize;
    tpl.render(buf, topic, seq);
    net.queue_text(to, buf);
    let mask = st.ring.len() - 1;
    let n = st.subs_of[topic];
    st.ring[(seq as usize) & mask] = Slot { seq, at, left: n };
    st.next_seq += 1;
    st.outstanding += 1;
    st.published += 1;
    st.expected += n as u64;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_count_as_loss_and_repeats_as_errors() {
        let mut s = State::new(2, 2, 16);
        s.next_seq += 8;
        s.receive(0, SEQ_BASE, 1);
        s.receive(0, SEQ_BASE + 4, 1); // skipped +2
        assert_eq!((s.delivered, s.lost, s.order_errors), (2, 1, 0));
        s.receive(0, SEQ_BASE + 4, 1); // duplicate
        s.receive(0, SEQ_BASE + 2, 1); // late
        s.receive(0, SEQ_BASE + 7, 1); // other topic
        s.receive(0, SEQ_BASE + 100, 1); // never published
        assert_eq!((s.delivered, s.lost, s.order_errors), (2, 1, 4));
        s.receive(1, SEQ_BASE + 1, 1);
        assert_eq!(s.delivered, 3);
    }
}
