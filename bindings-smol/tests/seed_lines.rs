//! How long the sections of the seed example are beside the Python that they stand for. Knows lines, no meaning.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

#[test]
fn the_seed_in_rust_is_at_most_a_fifth_longer_than_in_python_and_its_tests_not_at_all() {
    let rust = sections(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/seed"));
    let written: Vec<_> = rust.keys().map(String::as_str).collect();
    let mut wanted = PYTHON.map(|(name, _)| name);
    wanted.sort();
    assert_eq!(written, wanted, "each section has a marker, and each marker a section");
    for (name, lines) in PYTHON.iter().filter(|(name, _)| name.starts_with("test-")) {
        assert!(rust[*name] <= *lines, "{name} is {} lines of Rust for {lines}", rust[*name]);
    }
    let rust: usize = rust.values().sum();
    let python: usize = PYTHON.iter().map(|(_, lines)| lines).sum();
    assert!(rust * 10 <= python * 12, "{rust} lines of Rust stand for {python} of Python");
}

/// Lines that are not blank, from each `// section: NAME` to the next marker or the file's end.
fn sections(folder: &Path) -> BTreeMap<String, usize> {
    let mut sections = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("the example is there") {
        let file = fs::read_to_string(entry.expect("it can be listed").path()).expect("it is text");
        let mut section = None;
        for line in file.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(name) = line.strip_prefix("// section: ") {
                section = Some(name.to_owned());
            } else if line == "// end" {
                section = None;
            } else if let Some(name) = &section {
                *sections.entry(name.clone()).or_default() += 1;
            }
        }
    }
    sections
}

/// Lines of the Python sections that are not blank. Where a good and a bad way are shown, only the good one.
const PYTHON: [(&str, usize); 26] = [
    ("minimal-application", 24),
    ("broadcasting-adapter", 34),
    ("ping-pong", 20),
    ("recv-alert", 12),
    ("alert-service", 21),
    ("topic-builders", 14),
    ("subscribe-with-builder", 16),
    ("market-data-service", 21),
    ("client-info", 11),
    ("list-subscriptions", 8),
    ("clear-subscriptions", 11),
    ("notify-all", 10),
    ("strict-payload", 7),
    ("risky-operation", 20),
    ("fallback", 25),
    ("test-ping-pong", 17),
    ("test-subscription", 29),
    ("test-broadcast", 23),
    ("multi-subscribe", 21),
    ("threshold", 22),
    ("rate-limited", 27),
    ("connection-metrics", 32),
    ("type-hints", 7),
    ("prefix-routers", 4),
    ("document-operations", 14),
    ("handle-errors", 8),
];
