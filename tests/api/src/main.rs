//! Holds the public API of every published package against the list of it beside this program. Knows what
//! rustdoc says of it, as JSON, which only nightly does.
//!
//! With `UPDATE_API=1` it writes the lists anew. Ends with 1 unless they are what the packages have.

use public_api::{Builder, PublicApi};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

/// One package as somebody may depend on it.
struct Package {
    name: &'static str,
    features: &'static str,
    /// The list's name.
    list: &'static str,
    /// Crates of others whose types are part of its API.
    foreign: &'static [&'static str],
}

const PACKAGES: [Package; 6] = [
    Package { name: "fastws-core", features: "", list: "fastws-core-without-alloc", foreign: &[] },
    Package { name: "fastws-core", features: "std", list: "fastws-core", foreign: &TYPED },
    Package { name: "fastws-macros", features: "", list: "fastws-macros", foreign: &[] },
    Package {
        name: "fastws-host",
        features: "tls",
        list: "fastws-host",
        foreign: &["async_tungstenite", "futures_io", "serde_core", "serde_json"],
    },
    Package { name: "fastws-smol", features: "tls", list: "fastws-smol", foreign: &["mio"] },
    Package {
        name: "fastws-tokio",
        features: "axum,tls",
        list: "fastws-tokio",
        foreign: &["axum", "axum_core", "http", "tokio"],
    },
];
const TYPED: [&str; 3] = ["schemars", "serde_core", "serde_json"];

fn main() -> ExitCode {
    let update = env::var_os("UPDATE_API").is_some_and(|update| update == "1");
    let mut mistakes = Vec::new();
    let mut bare = Vec::new();
    for package in &PACKAGES {
        let lines = lines(&json(package));
        let file = folder().join(package.list).with_extension("txt");
        if update {
            fs::write(&file, lines.join("\n") + "\n").expect("the folder is this program's");
        }
        let listed = fs::read_to_string(&file).unwrap_or_default();
        mistakes.extend(differences(package.list, &listed, &lines));
        mistakes.extend(strangers(package, &lines));
        match package.name {
            "fastws-core" if bare.is_empty() => bare = lines,
            "fastws-core" => mistakes.extend(missing(&bare, &lines)),
            _ => {}
        }
    }
    for mistake in &mistakes {
        eprintln!("{mistake}");
    }
    if mistakes.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!(
        "\nWhere that is meant: UPDATE_API=1 cargo run --manifest-path tests/api/Cargo.toml, and \
         commit the lists with the change; a line in CHANGELOG.md tells users."
    );
    ExitCode::FAILURE
}

/// Builds a package's documentation as JSON.
fn json(package: &Package) -> PathBuf {
    let workspace = folder().join("../..");
    let target = env::var_os("CARGO_TARGET_DIR").map_or(workspace.join("target"), PathBuf::from);
    // Another toolchain's documentation would be deleted where it lies beside this one's.
    let target = target.join("api");
    let built = Command::new("cargo")
        .args(["+nightly", "rustdoc", "--quiet", "--locked", "--lib", "--no-default-features"])
        .args(["-p", package.name, "--features", package.features])
        .args(["-Zunstable-options", "--output-format", "json"])
        .arg("--manifest-path")
        .arg(workspace.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .args(["--", "--cap-lints", "allow"])
        .status()
        .expect("cargo runs this program");
    assert!(built.success(), "{} has no documentation", package.name);
    target.join("doc").join(package.name.replace('-', "_")).with_extension("json")
}

/// The API, a line for each item; what says nothing is left out.
fn lines(json: &Path) -> Vec<String> {
    let read = |builder: Builder| -> Vec<String> {
        let api: PublicApi = builder.omit_blanket_impls(true).build().unwrap_or_else(|error| {
            panic!("{error}\nanother version of `public-api` may read this nightly's JSON: change tests/api/Cargo.toml")
        });
        api.items().map(ToString::to_string).collect()
    };
    let plain = Builder::from_rustdoc_json(json).omit_auto_trait_impls(true);
    let written: HashSet<String> = read(plain.omit_auto_derived_impls(true)).into_iter().collect();
    let mut seen = HashSet::new();
    let mut lines = read(Builder::from_rustdoc_json(json));
    lines.retain(|line| {
        let is_said =
            line.ends_with("::fmt(&self, &mut core::fmt::Formatter<'_>) -> core::fmt::Result");
        (written.contains(line) || speaks(line)) && !is_said && seen.insert(line.clone())
    });
    lines
}

/// Of what is derived, that it is. Of threads, what may not cross them or not always.
fn speaks(line: &str) -> bool {
    let Some(implemented) = line.strip_prefix("impl") else { return false };
    let is_about = |names: &[&str]| {
        let of = implemented.split(" for ").next().expect("a split has a first part");
        names.iter().any(|name| of.ends_with(&format!("::{name}")))
    };
    if is_about(&["Send", "Sync"]) {
        return implemented.contains(" !") || implemented.contains(" where ");
    }
    !is_about(&[
        "Freeze",
        "RefUnwindSafe",
        "StructuralPartialEq",
        "Unpin",
        "UnsafeUnpin",
        "UnwindSafe",
    ])
}

fn differences(list: &str, listed: &str, lines: &[String]) -> Vec<String> {
    let listed: Vec<&str> = listed.lines().collect();
    if listed == lines {
        return Vec::new();
    }
    let gone = listed.iter().filter(|line| !lines.iter().any(|own| own == *line));
    let new = lines.iter().filter(|line| !listed.contains(&line.as_str()));
    let mut all = vec![format!("the API is not what tests/api/{list}.txt says:")];
    all.extend(gone.map(|line| format!("- {line}")));
    all.extend(new.map(|line| format!("+ {line}")));
    all
}

/// A crate whose types have become part of an API unnoticed would tie us to its versions.
fn strangers(package: &Package, lines: &[String]) -> Vec<String> {
    let known = |root: &str| {
        ["alloc", "core", "std"].contains(&root)
            || root.starts_with("fastws_")
            || package.foreign.contains(&root)
    };
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut strangers = Vec::new();
    for line in lines {
        for (at, _) in line.match_indices("::") {
            let before = line[..at].trim_end_matches(is_part);
            let root = &line[before.len()..at];
            let is_crate = root.starts_with(char::is_lowercase) && !before.ends_with("::");
            if is_crate && !known(root) {
                strangers.push(format!("`{root}` is part of the API of {}: {line}", package.name));
            }
        }
    }
    strangers
}

/// A feature adds, and changes nothing.
fn missing(bare: &[String], all: &[String]) -> Vec<String> {
    let missing = bare.iter().filter(|line| !all.contains(line));
    missing.map(|line| format!("only without `alloc` there is {line}")).collect()
}

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
