//! Each line of the protocol, of the laws and of the trading server is named by a test. Knows lists, tables and comments, no rule.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn each_line_of_the_protocol_has_a_test_that_names_it() {
    hold("core/docs/protocol.md", "protocol", 20, OWED_OF_PROTOCOL);
}

#[test]
fn each_line_of_the_trading_server_has_a_test_that_names_it() {
    hold("tests/trading/README.md", "trading", 20, OWED_OF_TRADING);
}

#[test]
fn each_law_has_a_test_that_names_it_and_tells_all_of_them() {
    hold("core/docs/laws.md", "law", 10, "");
    let told = told(&read(&root().join("core/docs/laws.md")));
    let held = sources().iter().flat_map(|file| holders(&read(file), "law")).collect();
    let [lost, new] = [told.difference(&held), held.difference(&told)]
        .map(|tests| tests.map(|(law, test)| format!("{law}: {test}")).collect::<Vec<_>>());
    assert!(lost.is_empty(), "core/docs/laws.md tells of tests that do not name the law: {lost:?}");
    assert!(new.is_empty(), "core/docs/laws.md does not tell of {new:?}");
}

#[test]
fn a_list_item_and_a_row_have_a_label_each_of_its_own() {
    let text = "* A1. One\n  goes on.\n\n```sh\n* not a list\n```\n\
        | | what |\n|---|---|\n| B1 | this |\n| B2 | that |\n\nProse.\n- A2. Two\n";
    assert_eq!(labels(text), Ok(vec!["A1".into(), "B1".into(), "B2".into(), "A2".into()]));
    for (text, line) in [
        ("* One.\n", "* One."),
        ("1. One.\n", "1. One."),
        ("* A1 One.\n", "* A1 One."),
        ("|a|b|\n|-|-|\n| this | that |\n", "| this | that |"),
        ("* A1. One.\n* A1. Two.\n", "* A1. Two."),
    ] {
        assert_eq!(labels(text), Err(line.into()));
    }
}

#[test]
fn tests_are_told_by_item_and_held_by_the_function_below_the_comment() {
    let text = "Prose of `some_test`.\n* 1. One: `a_test`,\n  `in/a_file.rs`.\n* 2. Two: `a_test` `b_test`.\n";
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(law, test)| ((*law).into(), (*test).into())).collect::<BTreeSet<_>>()
    };
    assert_eq!(told(text), pairs(&[("1", "a_test"), ("2", "a_test"), ("2", "b_test")]));
    let text = "    // law: 1 2\n    // protocol: A1\n    #[test]\n    fn a_test(one: u8) {}\nfn other() {}\n";
    assert_eq!(
        holders(text, "law"),
        [("1".into(), "a_test".into()), ("2".into(), "a_test".into())]
    );
}

#[test]
fn a_comment_above_a_test_names_lines_and_elsewhere_it_is_a_mistake() {
    for text in [
        "// protocol: A1 B2\n// trading: C3\n#[cfg(unix)]\n#[test]\nfn law() {}\n",
        "    // protocol: A1 B2\n    #[tokio::test(flavor = \"current_thread\")]\n",
        "  // protocol: A1 B2\n  test('a law', async () => {",
        "    # protocol: A1 B2\n    def test_a_law(self):\n",
    ] {
        assert_eq!(named(text, "protocol"), Ok(vec!["A1".into(), "B2".into()]), "{text}");
    }
    let elsewhere = "// protocol: A1\nfn helper() {}\n";
    assert_eq!(named(elsewhere, "protocol"), Err("// protocol: A1".into()));
    assert_eq!(named(elsewhere, "trading"), Ok(Vec::new()));
}

#[test]
fn what_nobody_names_what_does_not_exist_and_what_is_owed_no_more_are_told() {
    let set = |words: &str| words.split_whitespace().map(String::from).collect();
    let told = |labels, named, owed| account(&set(labels), &set(named), &set(owed));
    assert_eq!(told("A1 A2 A3", "A1 A2", "A3"), Vec::<String>::new());
    assert_eq!(told("A1 A2", "A1", ""), ["no test names A2"]);
    assert_eq!(told("A1", "A1 A9", ""), ["a test names A9, which does not exist"]);
    assert_eq!(told("A1", "A1", "A1"), ["A1 is named and owed no more"]);
    assert_eq!(told("A1", "A1", "A9"), ["A9 is owed and does not exist"]);
}

/// Lines without a test so far.
const OWED_OF_PROTOCOL: &str = "";
const OWED_OF_TRADING: &str = "";

/// Holds a document against all tests.
fn hold(document: &str, name: &str, least: usize, owed: &str) {
    let labels = labels(&read(&root().join(document)))
        .unwrap_or_else(|line| panic!("{document}: a label of its own is missing: {line}"));
    assert!(labels.len() > least, "{document} was read");
    let mut found = BTreeSet::new();
    for file in sources() {
        let named = named(&read(&file), name)
            .unwrap_or_else(|line| panic!("{}: no test follows: {line}", file.display()));
        found.extend(named);
    }
    let owed = owed.split_whitespace().map(String::from).collect();
    let mistakes = account(&labels.into_iter().collect(), &found, &owed);
    assert!(mistakes.is_empty(), "{document}:\n{}", mistakes.join("\n"));
}

/// What is wrong, each in a sentence.
fn account(
    labels: &BTreeSet<String>,
    named: &BTreeSet<String>,
    owed: &BTreeSet<String>,
) -> Vec<String> {
    let unnamed =
        (labels - named).difference(owed).map(|at| format!("no test names {at}")).collect();
    let unknown = named.difference(labels);
    let paid = owed.intersection(named);
    let lost = owed.difference(labels);
    [
        unnamed,
        unknown.map(|at| format!("a test names {at}, which does not exist")).collect(),
        paid.map(|at| format!("{at} is named and owed no more")).collect(),
        lost.filter(|at| !named.contains(*at))
            .map(|at| format!("{at} is owed and does not exist"))
            .collect::<Vec<_>>(),
    ]
    .concat()
}

/// The labels of all list items and rows of a Markdown text, or the line that has none of its own.
fn labels(text: &str) -> Result<Vec<String>, String> {
    let mut labels = Vec::new();
    let (mut fenced, mut rows) = (false, 0);
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        rows = if line.starts_with('|') && !fenced { rows + 1 } else { 0 };
        let number = line.split_once(". ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
        let label = match rows {
            // A head and the line below it.
            1 | 2 => continue,
            0 if fenced => continue,
            0 => match line.strip_prefix("* ").or(line.strip_prefix("- ")) {
                Some(item) => item.split_once(". ").map(|(label, _)| label),
                None if number => None,
                None => continue,
            },
            _ => line.split('|').nth(1).map(str::trim),
        };
        let label = label.filter(|label| is_label(label)).ok_or(line)?.to_owned();
        if labels.contains(&label) {
            return Err(line.into());
        }
        labels.push(label);
    }
    Ok(labels)
}

/// A number, perhaps with a capital letter before it.
fn is_label(word: &str) -> bool {
    let number = word.strip_prefix(|letter: char| letter.is_ascii_uppercase());
    number.unwrap_or(word).parse::<u32>().is_ok()
}

/// The functions that each list item of a Markdown text names.
fn told(text: &str) -> BTreeSet<(String, String)> {
    let mut pairs = BTreeSet::new();
    for item in text.split("\n* ").skip(1) {
        let (label, rest) = item.split_once(". ").expect("an item has a label");
        let words = rest.split('`').skip(1).step_by(2);
        let is_function = |word: &&str| word.contains('_') && !word.contains(['/', '.']);
        pairs.extend(words.filter(is_function).map(|word| (label.to_owned(), word.to_owned())));
    }
    pairs
}

/// The labels that comments of a Rust source name for a document, each with the test below.
fn holders(text: &str, document: &str) -> Vec<(String, String)> {
    let mark = format!("// {document}: ");
    let mut pairs = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let Some(list) = line.trim().strip_prefix(&mark) else { continue };
        let test = text.lines().skip(at).find_map(|line| line.trim().strip_prefix("fn "));
        let name = test.and_then(|test| test.split('(').next()).expect("a test follows");
        pairs.extend(list.split_whitespace().map(|label| (label.to_owned(), name.to_owned())));
    }
    pairs
}

/// The labels that comments of a source name for a document, or the comment that stands above no test.
fn named(text: &str, document: &str) -> Result<Vec<String>, String> {
    let mut labels = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let comment = line.strip_prefix("// ").or(line.strip_prefix("# "));
        let list = comment.and_then(|text| text.strip_prefix(document)?.strip_prefix(": "));
        let Some(list) = list else { continue };
        let between = |line: &str| {
            let attribute = line.starts_with("#[") && !is_test(line);
            attribute || line.starts_with("// ") || line.starts_with("# ")
        };
        if !lines.clone().find(|line| !between(line)).is_some_and(is_test) {
            return Err(line.into());
        }
        labels.extend(list.split_whitespace().map(String::from));
    }
    Ok(labels)
}

/// A test begins here, in Rust, JavaScript or Python.
fn is_test(line: &str) -> bool {
    ["#[test]", "#[tokio::test", "test(", "def test_"].iter().any(|head| line.starts_with(head))
}

/// All files that may have tests.
fn sources() -> Vec<PathBuf> {
    let mut folders = vec![root()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the project can be read") {
            let path = entry.expect("it can be listed").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let foreign = name.starts_with('.') || ["target", "node_modules"].contains(&name);
            if path.is_dir() && !foreign {
                folders.push(path);
            } else if [".rs", ".mjs", ".js", ".py"].iter().any(|end| name.ends_with(end)) {
                files.push(path);
            }
        }
    }
    assert!(files.len() > 50, "the sources were found");
    files
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the root").to_owned()
}
