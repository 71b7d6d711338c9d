//! CPU time and memory of processes, read from the kernel. Must not know what they did with it.

use std::fs;

#[derive(Clone, Copy, Default)]
pub struct Cpu {
    /// Time on a CPU, all threads, in ns (scheduler statistics; ns resolution).
    pub total_ns: u64,
    /// utime / stime in ns (10 ms resolution on most kernels).
    pub user_ns: u64,
    pub sys_ns: u64,
    /// Context switches the server made because it had nothing to do.
    pub voluntary: u64,
}

pub fn snapshot(pid: Option<u32>) -> Cpu {
    let Some(pid) = pid else {
        return Cpu::default();
    };
    let mut c = Cpu::default();
    let tick = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as u64;
    if let Ok(s) = fs::read_to_string(format!("/proc/{pid}/stat"))
        && let Some(p) = s.rfind(')')
    {
        let f: Vec<&str> = s[p + 2..].split(' ').collect();
        c.user_ns = f[11].parse::<u64>().unwrap_or(0) * 1_000_000_000 / tick;
        c.sys_ns = f[12].parse::<u64>().unwrap_or(0) * 1_000_000_000 / tick;
    }
    if let Ok(dir) = fs::read_dir(format!("/proc/{pid}/task")) {
        for t in dir.flatten() {
            if let Ok(s) = fs::read_to_string(t.path().join("schedstat")) {
                c.total_ns +=
                    s.split(' ').next().and_then(|v| v.trim().parse::<u64>().ok()).unwrap_or(0);
            }
            if let Ok(s) = fs::read_to_string(t.path().join("status")) {
                for l in s.lines() {
                    if let Some(v) = l.strip_prefix("voluntary_ctxt_switches:") {
                        c.voluntary += v.trim().parse::<u64>().unwrap_or(0);
                    }
                }
            }
        }
    }
    if c.total_ns == 0 {
        c.total_ns = c.user_ns + c.sys_ns;
    }
    c
}

pub fn rss_bytes(pid: u32) -> u64 {
    status_kb(pid, "VmRSS:") * 1024
}

fn status_kb(pid: u32, key: &str) -> u64 {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .ok()
        .and_then(|s| {
            s.lines().find_map(|l| {
                l.strip_prefix(key)
                    .and_then(|v| v.trim().trim_end_matches(" kB").trim().parse().ok())
            })
        })
        .unwrap_or(0)
}

/// CPU time of this process (user + system), in ns.
pub fn self_ns() -> u64 {
    unsafe {
        let mut t: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t);
        t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
    }
}

#[inline]
pub fn now_ns() -> u64 {
    unsafe {
        let mut t: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut t);
        t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
    }
}
