//! Opens N connections, sends one message on each if told, and reads the server's memory. Must
//! not know what the answers say.

use crate::cpu::{self, now_ns};
use crate::net::Net;
use crate::{Args, Report, Template};

pub fn run(a: &Args, r: &mut Report) -> Result<bool, String> {
    let conns: usize = a.num("conns", 10_000);
    let hold: f64 = a.num("hold", 1.0);
    let pid = a.pid();
    let first = a.str("send", "");
    let mut net = Net::new(false).map_err(|e| e.to_string())?;
    let target = a.target();

    let rss0 = pid.map(cpu::rss_bytes).unwrap_or(0);
    let cpu0 = cpu::snapshot(pid);
    let kernel0 = tcp_pages();
    let secs = net.open(conns, &target, 15.0)?;
    let cpu1 = cpu::snapshot(pid);

    let mut replies = 0usize;
    if !first.is_empty() {
        let t = Template::new(&first, 0);
        let mut buf = vec![];
        for c in 0..conns {
            t.render(&mut buf, c, crate::SEQ_BASE + c as u64);
            net.queue_text(c, &buf);
            net.flush(c);
            if c % 64 == 63 {
                pump(&mut net, &mut replies, 0);
            }
        }
        let t0 = now_ns();
        while replies < conns && now_ns() - t0 < 10_000_000_000 {
            pump(&mut net, &mut replies, 50);
        }
    }
    let t0 = now_ns();
    while ((now_ns() - t0) as f64) < hold * 1e9 {
        pump(&mut net, &mut replies, 50);
    }
    let rss1 = pid.map(cpu::rss_bytes).unwrap_or(0);
    let kernel1 = tcp_pages();

    r.u("conns", conns as u64);
    r.f("connect_seconds", secs);
    r.f("connects_per_s", conns as f64 / secs);
    if pid.is_some() {
        r.f("server_cpu_us_each", (cpu1.total_ns - cpu0.total_ns) as f64 / 1e3 / conns as f64);
        r.u("rss_before", rss0);
        r.u("rss_after", rss1);
        r.f("rss_bytes_per_conn", rss1.saturating_sub(rss0) as f64 / conns as f64);
    }
    r.u("tcp_pages_delta", kernel1.saturating_sub(kernel0));
    r.u("replies", replies as u64);
    if let Some(e) = &net.error {
        return Err(e.clone());
    }
    Ok(first.is_empty() || replies >= conns)
}

fn pump(net: &mut Net, replies: &mut usize, ms: i32) {
    let n = net.poll.wait(ms);
    for i in 0..n {
        let ev = net.poll.events[i];
        net.on_event(ev.u64 as usize, ev.events, &mut |_| *replies += 1);
    }
}

/// Pages the kernel holds for TCP buffers, host-wide.
fn tcp_pages() -> u64 {
    std::fs::read_to_string("/proc/net/sockstat")
        .ok()
        .and_then(|s| {
            let l = s.lines().find(|l| l.starts_with("TCP:"))?.to_string();
            l.rsplit(' ').next()?.parse().ok()
        })
        .unwrap_or(0)
}
