//! Mistakes that newcomers make, and what the compiler tells them. Knows sentences, no version of the compiler.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::{env, fs};

#[test]
fn a_mistake_is_told_where_it_stands_and_with_what_to_write() {
    let mut unsaid = Vec::new();
    for (name, text) in &OUTCOME.files {
        let said = OUTCOME.said.get(name).map(Vec::as_slice).unwrap_or_default();
        let marks = marks(text);
        assert_eq!(marks.is_empty(), name == "no_mistake", "{name}.rs has sentences");
        for (line, sentence) in marks {
            let is_said =
                |error: &&Error| error.lines.contains(&line) && error.text.contains(sentence);
            if !said.iter().any(|error| is_said(&error)) {
                let said: String = said.iter().map(|error| error.text.as_str()).collect();
                unsaid.push(format!("{name}.rs:{line} does not hear `{sentence}`, but\n{said}"));
            }
        }
    }
    assert!(unsaid.is_empty(), "{}\n{}", unsaid.join("\n"), OUTCOME.stderr);
}

/// Else whatever breaks the others might be no mistake of theirs.
#[test]
fn what_has_no_mistake_compiles() {
    assert!(OUTCOME.compiled.contains(&"no_mistake".into()), "{}", OUTCOME.stderr);
    assert_eq!(OUTCOME.compiled.len(), 1, "a mistake is none: {:?}", OUTCOME.compiled);
}

struct Outcome {
    /// By name, each with its text.
    files: BTreeMap<String, String>,
    said: BTreeMap<String, Vec<Error>>,
    compiled: Vec<String>,
    stderr: String,
}

struct Error {
    /// Where it stands: the lines of its primary spans.
    lines: Vec<u64>,
    text: String,
}

/// All files are compiled at once, as examples of a package of their own.
static OUTCOME: LazyLock<Outcome> = LazyLock::new(|| {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mistakes");
    let files = files(&here.join("tests/mistakes"));
    fs::create_dir_all(&package).expect("the folder can be made");
    fs::write(package.join("Cargo.toml"), manifest(here, files.keys())).expect("it can be written");
    fs::write(package.join("lib.rs"), "").expect("it can be written");
    // With the versions that are here already, nothing has to be fetched.
    fs::copy(here.join("../Cargo.lock"), package.join("Cargo.lock")).expect("it can be copied");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["check", "--offline", "--examples", "--keep-going", "--message-format=json"])
        .arg("--manifest-path")
        .arg(package.join("Cargo.toml"))
        // Its own, since whoever runs this test may hold the other one.
        .arg("--target-dir")
        .arg(package.join("target"))
        .output()
        .expect("cargo runs");
    let mut said = BTreeMap::<String, Vec<Error>>::new();
    let mut compiled = Vec::new();
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let message: Value = serde_json::from_slice(line).expect("cargo speaks JSON");
        if message["target"]["kind"][0] != "example" {
            continue;
        }
        let name = message["target"]["name"].as_str().expect("a target has a name").to_owned();
        match message["reason"].as_str() {
            Some("compiler-artifact") => compiled.push(name),
            Some("compiler-message") if message["message"]["level"] == "error" => {
                said.entry(name).or_default().push(error(&message["message"]));
            }
            _ => {}
        }
    }
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Outcome { files, said, compiled, stderr }
});

fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let read = |path: PathBuf| {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("it has a name").into();
        (name, fs::read_to_string(&path).expect("it can be read"))
    };
    paths.map(read).collect()
}

fn manifest<'n>(here: &Path, names: impl Iterator<Item = &'n String>) -> String {
    let mut manifest = format!(
        r#"
            [package]
            name = "mistakes"
            edition = "2024"
            [workspace]
            [lib]
            path = "lib.rs"
            [profile.dev]
            debug = 0
            incremental = false
            [dependencies]
            fastws-smol = {{ path = {here:?} }}
        "#
    );
    for name in names {
        let path = here.join(format!("tests/mistakes/{name}.rs"));
        manifest.push_str(&format!(
            r#"
                [[example]]
                name = "{name}"
                path = {path:?}
                crate-type = ["lib"]
            "#
        ));
    }
    manifest
}

fn error(message: &Value) -> Error {
    let spans = message["spans"].as_array().expect("a message has spans");
    let primary = spans.iter().filter(|span| span["is_primary"] == true);
    let line = |span: &Value, key: &str| span[key].as_u64().expect("a span has lines");
    let lines =
        primary.flat_map(|span| line(span, "line_start")..=line(span, "line_end")).collect();
    Error { lines, text: message["rendered"].as_str().expect("it is shown").into() }
}

/// Each sentence after `//~`, with the number of the next line of code.
fn marks(text: &str) -> Vec<(u64, &str)> {
    let mut marks = Vec::new();
    let mut waiting = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        match line.trim_start().strip_prefix("//~ ") {
            Some(sentence) => waiting.push(sentence),
            None => marks.extend(waiting.drain(..).map(|sentence| (number, sentence))),
        }
    }
    marks
}
