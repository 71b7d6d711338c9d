//! wsload: a load generator for JSON-over-WebSocket servers on 127.0.0.1. Knows options and how
//! results are printed; its modes know what to send.

mod cpu;
mod crowd;
mod fanout;
mod frame;
mod hist;
mod idle;
mod net;
mod rpc;

use std::collections::HashMap;

pub struct Args {
    m: HashMap<String, String>,
}

impl Args {
    pub fn str(&self, k: &str, d: &str) -> String {
        self.m.get(k).cloned().unwrap_or_else(|| d.to_string())
    }
    pub fn num<T: std::str::FromStr>(&self, k: &str, d: T) -> T {
        match self.m.get(k) {
            None => d,
            Some(v) => v.parse().unwrap_or_else(|_| die(&format!("--{k}: bad value {v:?}"))),
        }
    }
    pub fn flag(&self, k: &str) -> bool {
        self.m.contains_key(k)
    }
    pub fn pid(&self) -> Option<u32> {
        self.m.get("server-pid").map(|_| self.num("server-pid", 0))
    }
    pub fn target(&self) -> net::Target {
        net::Target {
            port: self.num("port", 9001),
            path: self.str("path", "/"),
            src_ips: self.num("src-ips", 8),
            concurrency: self.num("concurrency", 64),
        }
    }
}

pub fn die(msg: &str) -> ! {
    eprintln!("wsload: {msg}");
    std::process::exit(2)
}

/// Ordered key/value report, printed as text or as one JSON line.
#[derive(Default)]
pub struct Report {
    rows: Vec<(String, String)>,
}

impl Report {
    pub fn s(&mut self, k: &str, v: &str) {
        let v = v.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', " ");
        self.rows.push((k.into(), format!("\"{v}\"")));
    }
    pub fn u(&mut self, k: &str, v: u64) {
        self.rows.push((k.into(), v.to_string()));
    }
    pub fn f(&mut self, k: &str, v: f64) {
        let v = if v.is_finite() { v } else { 0.0 };
        self.rows.push((k.into(), if v >= 1000.0 { format!("{v:.0}") } else { format!("{v:.3}") }));
    }
    pub fn b(&mut self, k: &str, v: bool) {
        self.rows.push((k.into(), v.to_string()));
    }
    pub fn print(&self, json: bool) {
        if json {
            let body: Vec<String> = self.rows.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
            println!("{{{}}}", body.join(","));
        } else {
            for (k, v) in &self.rows {
                println!("{k:>26}  {v}");
            }
        }
    }
}

/// CPU and wire figures common to `rpc` and `fanout`.
pub struct Window {
    t0: u64,
    cpu0: cpu::Cpu,
    self0: u64,
    reads0: u64,
}

impl Window {
    pub fn start(pid: Option<u32>, net: &net::Net) -> Self {
        Window {
            cpu0: cpu::snapshot(pid),
            self0: cpu::self_ns(),
            reads0: net.reads,
            t0: cpu::now_ns(),
        }
    }
    /// `end`: when the last counted message arrived; `text_bytes`: what all of them said,
    /// without frame headers.
    pub fn report(
        &self,
        r: &mut Report,
        pid: Option<u32>,
        net: &net::Net,
        end: u64,
        units: u64,
        text_bytes: u64,
    ) {
        let secs = (end - self.t0) as f64 / 1e9;
        let per = |ns: u64| ns as f64 / 1e3 / units.max(1) as f64;
        r.f("seconds", secs);
        r.f("per_second", units as f64 / secs);
        if pid.is_some() {
            let c = cpu::snapshot(pid);
            let d = c.total_ns - self.cpu0.total_ns;
            let (u, s) = (c.user_ns - self.cpu0.user_ns, c.sys_ns - self.cpu0.sys_ns);
            r.f("server_cpu_us_each", per(d));
            r.f("server_user_us_each", per(u));
            r.f("server_sys_us_each", per(s));
            r.f("server_busy", d as f64 / 1e9 / secs);
            r.u("server_voluntary_switches", c.voluntary.saturating_sub(self.cpu0.voluntary));
        }
        let own = cpu::self_ns() - self.self0;
        r.f("client_cpu_us_each", per(own));
        r.f("client_busy", own as f64 / 1e9 / secs);
        let reads = net.reads - self.reads0;
        r.f("messages_per_client_read", units as f64 / reads.max(1) as f64);
        r.f("delivered_bytes_avg", text_bytes as f64 / units.max(1) as f64);
    }
    pub fn t0(&self) -> u64 {
        self.t0
    }
}

/// Splits a template at `{topic}`, `{seq}` and `{pad}`.
pub struct Template {
    parts: Vec<Part>,
    pad: usize,
}

enum Part {
    Lit(Vec<u8>),
    Topic,
    Seq,
    Pad,
}

pub const SEQ_BASE: u64 = 1_000_000_000;

pub fn topic_name(i: usize) -> String {
    format!("t{i:05}")
}

impl Template {
    /// `size`: total length of a rendered message, reached by growing `{pad}` (0: no padding).
    pub fn new(s: &str, size: usize) -> Self {
        let mut parts = vec![];
        let mut rest = s;
        while !rest.is_empty() {
            let hit = [("{topic}", 0), ("{seq}", 1), ("{pad}", 2)]
                .iter()
                .filter_map(|(k, id)| rest.find(k).map(|p| (p, *k, *id)))
                .min();
            match hit {
                Some((p, k, id)) => {
                    if p > 0 {
                        parts.push(Part::Lit(rest.as_bytes()[..p].to_vec()));
                    }
                    parts.push(match id {
                        0 => Part::Topic,
                        1 => Part::Seq,
                        _ => Part::Pad,
                    });
                    rest = &rest[p + k.len()..];
                }
                None => {
                    parts.push(Part::Lit(rest.as_bytes().to_vec()));
                    rest = "";
                }
            }
        }
        let mut t = Template { parts, pad: 0 };
        let mut out = vec![];
        t.render(&mut out, 0, SEQ_BASE);
        if size > 0 {
            if size < out.len() {
                die(&format!("--size {size} is below the template's own {} bytes", out.len()));
            }
            t.pad = size - out.len();
        }
        t
    }

    pub fn render(&self, out: &mut Vec<u8>, topic: usize, seq: u64) {
        out.clear();
        for p in &self.parts {
            match p {
                Part::Lit(b) => out.extend_from_slice(b),
                Part::Topic => out.extend_from_slice(topic_name(topic).as_bytes()),
                Part::Seq => out.extend_from_slice(seq.to_string().as_bytes()),
                Part::Pad => out.resize(out.len() + self.pad, b'x'),
            }
        }
    }
}

fn main() {
    let mut it = std::env::args().skip(1);
    let mode = it.next().unwrap_or_default();
    let mut m = HashMap::new();
    let flags = ["json", "no-spin"];
    while let Some(a) = it.next() {
        let Some(k) = a.strip_prefix("--") else { die(&format!("unexpected argument {a:?}")) };
        if flags.contains(&k) {
            m.insert(k.to_string(), String::new());
        } else {
            let v = it.next().unwrap_or_else(|| die(&format!("--{k} needs a value")));
            m.insert(k.to_string(), v);
        }
    }
    let args = Args { m };
    raise_nofile();
    let mut r = Report::default();
    r.s("mode", &mode);
    let res = match mode.as_str() {
        "rpc" => rpc::run(&args, &mut r),
        "fanout" => fanout::run(&args, &mut r),
        "crowd" => crowd::run(&args, &mut r),
        "idle" => idle::run(&args, &mut r),
        _ => die("usage: wsload rpc|fanout|crowd|idle [--key value]... (see README.md)"),
    };
    let ok = match &res {
        Ok(ok) => *ok,
        Err(e) => {
            r.s("error", e);
            false
        }
    };
    r.b("ok", ok);
    r.print(args.flag("json"));
    std::process::exit(if ok { 0 } else { 1 });
}

fn raise_nofile() {
    unsafe {
        let mut l: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut l);
        l.rlim_cur = l.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &l);
    }
}
