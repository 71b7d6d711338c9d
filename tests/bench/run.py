#!/usr/bin/env python3
"""Runs wsload against several servers side by side and prints medians and ratios.

Knows servers by their command lines and results by wsload's JSON; must not know how either
works inside. Servers come from peers.json ($NAMES are taken from the environment).

measure  Every measurement starts a fresh server on core 0 and wsload on core 1. Within a repeat
         the servers take turns, and the turn order rotates from repeat to repeat.
report   Prints what `measure` wrote, as tables.
compare  Measures one server against another in pairs (a b, b a, a b, ...) and prints the ratio of
         server CPU per message of each pair, or the memory per connection of a in the idle cases.
         Exits 1 if any run was not ok.
"""

import argparse
import json
import os
import platform
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections import defaultdict

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TARGET = os.environ.get("CARGO_TARGET_DIR")
os.environ.setdefault("BENCH", HERE)
os.environ.setdefault("BENCH_TARGET", TARGET or os.path.join(HERE, "target"))
os.environ.setdefault("FASTWS_TARGET", TARGET or os.path.join(ROOT, "target"))

# What `compare --all` runs, each with the most that is allowed: the ratio of server CPU per
# message to the floor's, or in the idle cases bytes per connection.
LIMITS = {
    "rpc C=64 P=1": 1.10,
    "rpc C=64 P=16": 1.35,
    "fan S=1000 128B W=1": 1.08,
    "fan S=1000 128B W=16": 1.12,
    "fan 1000x10 128B W=1": 1.12,
    "idle 10k": 300,
    "idle 10k subscribed": 550,
}
# What tokio's sockets and tasks take besides.
LIMITS_ON_TOKIO = {"idle 10k": 1100, "idle 10k subscribed": 1300}


def main():
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = ap.add_subparsers(dest="cmd", required=True)
    cases = dict(default="", metavar="CASES", help="case names, or parts of them, joined by |")
    m = sub.add_parser("measure")
    m.add_argument("--out", required=True, help="JSON lines are appended to this file")
    m.add_argument("--peers", default="", help="names from peers.json, joined by commas")
    m.add_argument("--only", **cases)
    m.add_argument("--reps", type=int, default=3)
    m.add_argument("--duration", type=float, default=1.5)
    r = sub.add_parser("report")
    r.add_argument("files", nargs="+")
    r.add_argument("--base", default="uws")
    c = sub.add_parser("compare")
    c.add_argument("--a", default="fastws-smol")
    c.add_argument("--b", default="", help="default: floor-batch for fan-out, else floor-send")
    which = c.add_mutually_exclusive_group(required=True)
    which.add_argument("--only", **cases)
    which.add_argument("--all", action="store_true", help="the cases that have a limit")
    c.add_argument("--pairs", type=int, default=5)
    c.add_argument("--duration", type=float, default=1.5)
    c.add_argument("--out", default="", help="a Markdown table is written to this file")
    a = ap.parse_args()
    return {"measure": measure, "report": report, "compare": compare}[a.cmd](a)


def configs():
    c = {}
    c["rpc C=1 P=1"] = ["rpc", "--conns", "1", "--depth", "1"]
    c["rpc C=1 P=1 same core"] = ["rpc", "--conns", "1", "--depth", "1", "--no-spin"]
    c["rpc C=64 P=1"] = ["rpc", "--conns", "64", "--depth", "1"]
    c["rpc C=64 P=16"] = ["rpc", "--conns", "64", "--depth", "16"]
    for s in (100, 1000, 5000):
        for size in (128, 1024):
            for w in (1, 16):
                c[f"fan S={s} {size}B W={w}"] = [
                    "fanout", "--subs", str(s), "--size", str(size), "--window", str(w)]
    for w in (1, 16):
        c[f"fan 1000x10 128B W={w}"] = [
            "fanout", "--subs", "10000", "--topics", "1000", "--size", "128", "--window", str(w)]
    c["idle 10k"] = ["idle", "--conns", "10000"]
    c["idle 10k subscribed"] = [
        "idle", "--conns", "10000", "--send",
        '{"type":"bars.subscribe","payload":{"topic":"{topic}"}}']
    return c


def chosen(only):
    """The cases that `only` names: by full name, or else all that contain it."""
    known = configs()
    found = {}
    for part in only.split("|"):
        some = {part: known[part]} if part in known else {
            name: args for name, args in known.items() if part in name}
        if not some:
            sys.exit(f"run.py: no case is called, or contains, {part!r}; there are: " + ", ".join(known))
        found.update(some)
    return found


def command(name, peer):
    """The peer's command line, or None and a sentence why it cannot run."""
    cmd = [os.path.expandvars(x) for x in peer["cmd"]]
    unset = next((x for x in cmd if "$" in x), None)
    if unset:
        return None, f"{name}: set {unset}, see tests/bench/README.md"
    if not shutil.which(cmd[0]):
        return None, f"{name}: {cmd[0]} is missing, see tests/bench/README.md for how to build it"
    return cmd, ""


def ready(names):
    """The peers called `names`; without names all that can run, saying which cannot."""
    peers = json.load(open(os.path.join(HERE, "peers.json")))
    for tool in ("taskset", os.path.expandvars("$BENCH_TARGET/release/wsload")):
        if not shutil.which(tool):
            sys.exit(f"run.py: {tool} is missing, see tests/bench/README.md")
    found = {}
    for name in names or [n for n in peers if n != "axum-2t"]:
        if name not in peers:
            sys.exit(f"run.py: peers.json has no {name!r}")
        cmd, why = command(name, peers[name])
        if cmd:
            found[name] = {**peers[name], "cmd": cmd}
        elif names:
            sys.exit(f"run.py: {why}")
        else:
            print(f"left out: {why}", flush=True)
    return found


def steal():
    with open("/proc/stat") as f:
        return int(f.readline().split()[8])


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port, proc, limit=15.0):
    t0 = time.time()
    while time.time() - t0 < limit:
        if proc.poll() is not None:
            return False
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return True
        except OSError:
            time.sleep(0.03)
    return False


def one(peer, config, args, duration):
    """One measurement on a fresh server: wsload's JSON, or what went wrong, with ok = false."""
    port = free_port()
    cmd = [x.replace("{port}", str(port)) for x in peer["cmd"]]
    if peer.get("pin", True):
        cmd = ["taskset", "-c", "0"] + cmd
    # "same core": client and server take turns on one core, so no wake-up crosses cores.
    core = "0" if config.endswith("same core") else "1"
    srv = subprocess.Popen(cmd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        if not wait_port(port, srv):
            return {"ok": False, "error": "server did not start"}
        time.sleep(peer.get("wait", 0.1))
        load = ["taskset", "-c", core, os.path.expandvars("$BENCH_TARGET/release/wsload"), *args,
                "--port", str(port), "--server-pid", str(srv.pid), "--json"]
        if args[0] != "idle":
            load += ["--duration", str(duration), "--warmup", "0.3"]
        st = steal()
        p = subprocess.run(load, capture_output=True, text=True, timeout=120)
        try:
            d = json.loads(p.stdout)
        except ValueError:
            d = {"ok": False, "error": (p.stdout + p.stderr)[-200:]}
        d["steal_ticks"] = steal() - st
        return d
    except subprocess.TimeoutExpired:
        return {"ok": False, "error": "timeout"}
    finally:
        srv.kill()
        srv.wait()


def measure(a):
    cases = chosen(a.only)
    peers = ready(a.peers.split(",") if a.peers else [])
    names = list(peers)
    bad = 0
    with open(a.out, "a") as out:
        for config, args in cases.items():
            for rep in range(a.reps):
                k = rep % len(names)
                for name in names[k:] + names[:k]:
                    if not config.startswith(peers[name].get("only", "")):
                        continue
                    d = one(peers[name], config, args, a.duration)
                    bad += not d["ok"]
                    d.update(config=config, peer=name, rep=rep)
                    out.write(json.dumps(d) + "\n")
                    out.flush()
                    print(config, name, "ok" if d["ok"] else f"FAILED: {d.get('error', d)}",
                          d.get("per_second") or d.get("rss_bytes_per_conn"),
                          d.get("server_cpu_us_each"), flush=True)
    return 1 if bad else 0


def compare(a):
    cases = {c: configs()[c] for c in LIMITS} if a.all else chosen(a.only)
    bases = {c: floor_of(c) and (a.b or floor_of(c)) for c in cases}
    peers = ready(list(dict.fromkeys([a.a, *filter(None, bases.values())])))
    before = steal(), time.time()
    rows, bad = [], 0
    for case, args in cases.items():
        print(f"{case}: {a.a}" + (f" / {bases[case]}" if bases[case] else ", bytes per connection"), flush=True)
        row = pairs(peers, case, args, a.a, bases[case], a)
        bad += row["bad"]
        rows.append(row)
    stolen = (steal() - before[0]) / os.sysconf("SC_CLK_TCK") / os.cpu_count() / (time.time() - before[1])
    if a.out:
        with open(a.out, "w") as out:
            out.write(table(rows, stolen))
    return 1 if bad else 0


def floor_of(case):
    """The peer that a case is held against; none where memory is counted."""
    return "" if case.startswith("idle") else "floor-batch" if case.startswith("fan") else "floor-send"


def pairs(peers, case, args, name_a, name_b, a):
    """Measures one case and sums it up. A pair with a failed run is shown and left out."""
    names = {"a": name_a, "b": name_b} if name_b else {"a": name_a}
    values, sizes, bad = [], {}, 0
    unit = "server_cpu_us_each" if name_b else "rss_bytes_per_conn"
    for i in range(a.pairs):
        turn = sorted(names, reverse=i % 2 == 1)
        got = {side: one(peers[names[side]], case, args, a.duration) for side in turn}
        failed = {side: d for side, d in got.items() if not (d["ok"] and d.get(unit))}
        bad += len(failed)
        for side, d in failed.items():
            print(f"  pair {i + 1}: {names[side]} FAILED: {d.get('error', d)}", flush=True)
        if failed:
            continue
        sizes = {side: d.get("delivered_bytes_avg") for side, d in got.items()}
        of_a = got["a"][unit]
        values.append(of_a / got["b"][unit] if name_b else of_a)
        print(f"  pair {i + 1}: " + (f"{of_a:.3f} us / {got['b'][unit]:.3f} us = {values[-1]:.3f}"
                                     if name_b else f"{of_a:.0f} bytes"), flush=True)
    limits = LIMITS if name_a == "fastws-smol" else LIMITS | LIMITS_ON_TOKIO
    limit = limits.get(case) if name_b == floor_of(case) else None
    median = statistics.median(values) if values else None
    digits = 3 if name_b else 0
    row = {
        "case": case, "a": name_a, "b": name_b, "bad": bad, "pairs": len(values),
        "limit": "-" if limit is None else f"{limit:.2f}" if name_b else f"{limit} bytes",
        "median": "-" if not values else f"{median:.{digits}f}" + ("" if name_b else " bytes"),
        "spread": "-" if not values else f"{min(values):.{digits}f} to {max(values):.{digits}f}",
        "text": " / ".join(f"{sizes[side]:.0f}" for side in names if sizes.get(side)) or "-",
        "verdict": "failed" if bad or not values else "-" if limit is None
                   else "pass" if median <= limit else "miss",
    }
    print("  median {median}, {spread}, limit {limit}: {verdict}; bytes of text delivered {text}"
          .format(**row), flush=True)
    return row


def table(rows, stolen):
    """The Markdown that `compare --out` writes: what was run, where, and what came out."""
    out = ["| case | against | limit | median | spread | pairs | text bytes, each / against | |",
           "|---|---|---:|---:|---:|---:|---:|---|"]
    for r in rows:
        out.append(f"| {r['case']} | {r['b'] or '-'} | {r['limit']} | {r['median']} | {r['spread']} "
                   f"| {r['pairs']} | {r['text']} | {r['verdict']} |")
    shown = shlex.join(["tests/bench/run.py", *sys.argv[1:]])
    facts = [f"`{shown}`", f"commit {commit()}", *machine(), f"steal {stolen:.2%} of the run"]
    legend = ("Medians of paired ratios of server CPU per message or delivery; idle cases: resident "
              "bytes of the server per connection.")
    return "\n".join([f"# {rows[0]['a']}", "", legend, "", *out, "", *(f"* {f}" for f in facts), ""])


def commit():
    def git(*args):
        return subprocess.run(["git", "-C", ROOT, *args], capture_output=True, text=True).stdout.strip()
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (
        " with uncommitted changes" if git("status", "--porcelain", "-uno") else "")


def machine():
    def read(path):
        with open(path) as f:
            return f.read()
    model = next((l.split(":", 1)[1].strip() for l in read("/proc/cpuinfo").splitlines()
                  if l.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.strip()
    return [f"{model}, {os.cpu_count()} CPUs, {memory} GiB",
            f"Linux {platform.release()}, congestion control "
            + read("/proc/sys/net/ipv4/tcp_congestion_control").strip(),
            rustc]


def report(a):
    rows = [json.loads(l) for f in a.files for l in open(f)]
    by = defaultdict(lambda: defaultdict(list))
    for r in rows:
        by[r["config"]][r["peer"]].append(r)

    def med(rs, key):
        v = [r[key] for r in rs if key in r]
        return statistics.median(v) if v else None

    def fmt(x, p=2):
        if x is None:
            return "-"
        return f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.{p}f}"

    for config, peers in by.items():
        good = {p: [r for r in rs if r.get("ok")] for p, rs in peers.items()}
        base, floor = good.get(a.base, []), good.get("floor-send", [])
        floor_b = good.get("floor-batch", [])
        print(f"\n### {config}\n")
        if config.startswith("idle"):
            print("| peer | RSS bytes/conn | connects/s | CPU us/connect | runs ok |")
            print("|---|---:|---:|---:|---:|")
            for p, rs in good.items():
                print(f"| {p} | {fmt(med(rs,'rss_bytes_per_conn'),0)} | {fmt(med(rs,'connects_per_s'),0)} "
                      f"| {fmt(med(rs,'server_cpu_us_each'))} | {len(rs)}/{len(peers[p])} |")
            continue
        fan = config.startswith("fan")
        lat = "round_p50_us" if fan else "lat_p50_us"
        lat9 = "round_p99_us" if fan else "lat_p99_us"
        best = min((m for m in (med(floor, "server_cpu_us_each"), med(floor_b, "server_cpu_us_each"))
                    if m), default=None)
        print(f"| peer | {'deliveries' if fan else 'messages'}/s | x {a.base} | server CPU us each | (min-max) "
              f"| user/sys us | x {a.base} | x floor | p50 us | p99 us | msgs/read | busy | ok |")
        print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
        for p, rs in good.items():
            if not rs:
                print(f"| {p} | failed: {peers[p][0].get('error')} |" + " |" * 11)
                continue
            cpu, rate = med(rs, "server_cpu_us_each"), med(rs, "per_second")
            bc, br = med(base, "server_cpu_us_each"), med(base, "per_second")
            cs = [r["server_cpu_us_each"] for r in rs]
            print(f"| {p} | {fmt(rate,0)} | {fmt(rate/br) if br else '-'} | {fmt(cpu,3)} "
                  f"| {min(cs):.3f}-{max(cs):.3f} | {med(rs,'server_user_us_each'):.2f}/{med(rs,'server_sys_us_each'):.2f} "
                  f"| {fmt(cpu/bc) if bc else '-'} | {fmt(cpu/best) if best else '-'} "
                  f"| {fmt(med(rs,lat),1)} | {fmt(med(rs,lat9),1)} | {fmt(med(rs,'messages_per_client_read'),1)} "
                  f"| {fmt(med(rs,'server_busy'))} | {len(rs)}/{len(peers[p])} |")


if __name__ == "__main__":
    sys.exit(main())
