//! Has the host's `sync` offer the model's threads, locks and atomics instead of std's.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cfg=races");
    println!("cargo::rustc-check-cfg=cfg(feature, values(\"tls\"))");
}
