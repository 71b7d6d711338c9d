//! Tells the linker where a board's memory lies.

use std::env;
use std::fs;
use std::path::Path;

fn main() {
    let board = if env::var_os("CARGO_FEATURE_ALLOC").is_some() { "large" } else { "small" };
    let here = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let out = env::var("OUT_DIR").expect("cargo sets it");
    // The linker script of cortex-m-rt includes this name.
    fs::copy(format!("{here}/boards/{board}.x"), Path::new(&out).join("memory.x"))
        .expect("each board has a file");
    println!("cargo:rerun-if-changed=boards");
    println!("cargo:rustc-link-search={out}");
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "none") {
        println!("cargo:rustc-link-arg-bins=-Tlink.x");
    }
}
