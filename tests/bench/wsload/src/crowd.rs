//! What a listener that never reads and one that is reset cost everybody else: windows of fan-out
//! with and without them, in turns. Knows sockets that behave badly; must not know how numbers are counted.

use crate::cpu::now_ns;
use crate::fanout::{self, Cfg, State};
use crate::net::{Net, Target};
use crate::{Args, Report, Template, frame};
use std::io::{self, Read, Write};
use std::mem::size_of_val;
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd};
use std::time::Duration;

pub fn run(a: &Args, r: &mut Report) -> Result<bool, String> {
    let subs: usize = a.num("subs", 1000);
    let size: usize = a.num("size", 4096);
    let cfg = Cfg::new(a, subs, size, 50.0);
    let pairs: usize = a.num("pairs", 5);
    let secs: f64 = a.num("duration", 10.0);
    let target = a.target();
    let subscribe = Template::new(&a.str("sub-template", fanout::SUBSCRIBE), 0);
    let mut net = Net::new(!cfg.no_spin).map_err(|e| e.to_string())?;
    fanout::gather(&mut net, subs, 1, &target, &subscribe)?;
    let mut st = State::new(subs, 1, cfg.ring());
    fanout::drive(&mut net, &mut st, &cfg, a.num("warmup", 0.5), &mut || {});
    let mut ok = st.is_whole();
    let mut delivered = 0;
    let mut closed = 0;
    let mut seen = [vec![], vec![]];
    for pair in 0..pairs {
        for with in [pair % 2 == 1, pair % 2 == 0] {
            let mut bad = match with {
                true => Some((join(&target, &subscribe)?, Some(join(&target, &subscribe)?))),
                false => None,
            };
            let half = now_ns() + (secs * 5e8) as u64;
            fanout::drive(&mut net, &mut st, &cfg, secs, &mut || {
                if let Some((_, reset)) = &mut bad
                    && reset.is_some()
                    && now_ns() > half
                {
                    *reset = None;
                }
            });
            ok &= st.is_whole();
            delivered += st.delivered;
            seen[with as usize].push((st.lat.q_us(0.5), st.lat.q_us(0.99)));
            if let Some((slow, _)) = bad {
                closed += was_closed(slow) as u64;
            }
            // What their leaving leaves to do is nobody's window.
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    r.u("subs", subs as u64);
    r.u("size", size as u64);
    cfg.report(r);
    r.u("pairs", pairs as u64);
    r.u("delivered", delivered);
    r.u("slow_closed", closed);
    for (name, seen) in ["without", "with"].iter().zip(&seen) {
        r.f(&format!("{name}_p50_us"), median(seen.iter().map(|s| s.0)));
        r.f(&format!("{name}_p99_us"), median(seen.iter().map(|s| s.1)));
    }
    let [without, with] = &seen;
    let p99 = |seen: &[(f64, f64)]| median(seen.iter().map(|s| s.1));
    let ratios: Vec<f64> =
        with.iter().zip(without).map(|(with, without)| with.1 / without.1).collect();
    r.f("p99_ratio", p99(with) / p99(without));
    r.f("p99_ratio_least", ratios.iter().copied().fold(f64::MAX, f64::min));
    r.f("p99_ratio_most", ratios.iter().copied().fold(0.0, f64::max));
    if let Some(e) = &net.error {
        return Err(e.clone());
    }
    // A backlog that was never full has cost nobody anything.
    Ok(ok && closed == pairs as u64)
}

/// A listener with a socket of its own, which takes little that nobody reads, and which is reset when
/// it is dropped.
fn join(t: &Target, subscribe: &Template) -> Result<TcpStream, String> {
    let mut stream = connect(t).map_err(|e| format!("connect: {e}"))?;
    let mut frame = vec![];
    let mut text = vec![];
    subscribe.render(&mut text, 0, 0);
    frame::encode_masked(&mut frame, frame::OP_TEXT, &text, 1);
    let mut shake = || {
        stream.write_all(t.request().as_bytes())?;
        let mut head = vec![];
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        stream.write_all(&frame)?;
        let mut reply = [0; 2];
        stream.read_exact(&mut reply)?;
        stream.read_exact(&mut vec![0; reply[1].into()])
    };
    shake().map_err(|e: io::Error| format!("a bad listener's handshake: {e}"))?;
    Ok(stream)
}

fn connect(t: &Target) -> io::Result<TcpStream> {
    let stream = unsafe {
        let fd = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        TcpStream::from_raw_fd(fd)
    };
    let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    address.sin_family = libc::AF_INET as u16;
    address.sin_port = t.port.to_be();
    address.sin_addr.s_addr = u32::from(Ipv4Addr::LOCALHOST).to_be();
    set(&stream, libc::SOL_SOCKET, libc::SO_RCVBUF, &4096);
    // The sender's buffer grows with what a segment holds.
    set(&stream, libc::IPPROTO_TCP, libc::TCP_MAXSEG, &536);
    set(&stream, libc::SOL_SOCKET, libc::SO_LINGER, &libc::linger { l_onoff: 1, l_linger: 0 });
    let len = size_of_val(&address) as u32;
    let at = &raw const address;
    match unsafe { libc::connect(stream.as_raw_fd(), at.cast(), len) } {
        0 => Ok(stream),
        _ => Err(io::Error::last_os_error()),
    }
}

fn set<T>(stream: &TcpStream, level: i32, name: i32, value: &T) {
    let (at, len) = (&raw const *value, size_of_val(value) as u32);
    unsafe { libc::setsockopt(stream.as_raw_fd(), level, name, at.cast(), len) };
}

/// Whether the server has closed a listener: what it has sent ends with a close frame.
fn was_closed(mut stream: TcpStream) -> bool {
    let mut bytes = vec![];
    let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
    // It ends with a time-out, a reset or an end, and what came before is kept.
    let _ = stream.read_to_end(&mut bytes);
    let mut at = 0;
    let mut last = 0;
    while let Ok(Some(frame)) = frame::parse(&bytes[at..]) {
        last = frame.opcode;
        at += frame.end;
    }
    last == frame::OP_CLOSE
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let n = values.len();
    if n == 0 { 0.0 } else { (values[(n - 1) / 2] + values[n / 2]) / 2.0 }
}
