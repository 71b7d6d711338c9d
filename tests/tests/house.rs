//! The house is as ARCHITECTURE.md draws it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn a_room_uses_only_rooms_above_it() {
    for (folder, rooms) in rooms() {
        let place: HashMap<&str, usize> =
            rooms.iter().zip(0..).map(|(room, at)| (room.as_str(), at)).collect();
        for room in rooms.iter().filter(|&room| room != "lib") {
            let code = code(&root().join(&folder).join(format!("{room}.rs")));
            for used in code.split("crate::").skip(1) {
                let used: String =
                    used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let Some(used_at) = place.get(used.as_str()) else {
                    panic!("{folder}{room}.rs uses `crate::{used}`, which is no room of {folder}");
                };
                assert!(
                    used_at < &place[room.as_str()],
                    "{folder}{room}.rs uses `{used}`, which stands below it"
                );
            }
        }
    }
}

#[test]
fn every_file_is_a_room_and_every_room_a_file() {
    for (folder, mut rooms) in rooms() {
        let mut files: Vec<String> = fs::read_dir(root().join(&folder))
            .expect("the folder exists")
            .map(|entry| entry.expect("it can be read").path())
            .filter_map(|path| Some(path.file_name()?.to_str()?.strip_suffix(".rs")?.to_owned()))
            .collect();
        files.sort();
        rooms.sort();
        assert_eq!(files, rooms, "the files of {folder} and its rooms in ARCHITECTURE.md");
    }
}

#[test]
fn bindings_name_no_close_code_and_no_envelope_member() {
    let bindings = rooms().into_iter().filter(|(folder, _)| folder.starts_with("bindings-"));
    for (folder, rooms) in bindings {
        for room in rooms {
            let code = code(&root().join(&folder).join(format!("{room}.rs")));
            let numbers = code
                .split(|c: char| !c.is_alphanumeric())
                .filter_map(|word| word.parse::<u16>().ok());
            for number in numbers {
                assert!(
                    !(1000..=1015).contains(&number),
                    "{folder}{room}.rs names the close code {number}"
                );
            }
            for member in ["type", "payload", "topic", "id"] {
                let named = [format!("\"{member}\""), format!("\\\"{member}\\\"")];
                assert!(
                    !named.iter().any(|name| code.contains(name)),
                    "{folder}{room}.rs names `{member}`"
                );
            }
        }
    }
}

#[test]
fn bindings_are_short_and_share_no_six_lines() {
    let mut seen: HashMap<String, String> = HashMap::new();
    let bindings = rooms().into_iter().filter(|(folder, _)| folder.starts_with("bindings-"));
    for (folder, rooms) in bindings {
        let mut total = 0;
        for room in rooms {
            let code = code(&root().join(&folder).join(format!("{room}.rs")));
            let lines: Vec<&str> =
                code.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            total += lines.len();
            for six in lines.windows(6) {
                let other = seen.entry(six.join("\n")).or_insert(folder.clone());
                assert_eq!(other, &folder, "both bindings have these lines:\n{}", six.join("\n"));
            }
        }
        assert!(total < 700, "{folder} has {total} lines of code");
    }
}

#[test]
fn every_public_type_of_the_core_has_an_example_or_names_who_shows_it() {
    let (folder, rooms) = rooms().swap_remove(0);
    for room in rooms {
        let mut doc = Vec::new();
        for line in text(&root().join(&folder).join(format!("{room}.rs"))).lines() {
            let is_type = ["pub struct ", "pub enum ", "pub trait "]
                .iter()
                .any(|kind| line.starts_with(kind));
            let is_shown = |line: &String| line.contains("```") || line.contains("[`");
            assert!(!is_type || doc.iter().any(is_shown), "{folder}{room}.rs: {line}");
            match line {
                _ if line.starts_with("///") => doc.push(line.to_owned()),
                // An attribute or a comment between the words and the type.
                _ if line.starts_with(['#', ' ', ')', '/']) => {}
                _ => doc.clear(),
            }
        }
    }
}

/// Each folder of the room list, with its rooms from top to bottom.
fn rooms() -> Vec<(String, Vec<String>)> {
    let text =
        fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    let list = text
        .split("## Rooms")
        .nth(1)
        .expect("it has rooms")
        .split("```")
        .nth(1)
        .expect("as a list");
    let mut folders: Vec<(String, Vec<String>)> = Vec::new();
    for line in list.lines() {
        let first = line.split_whitespace().next().unwrap_or_default();
        if let Some(room) = first.strip_suffix(".rs") {
            folders.last_mut().expect("a room stands in a folder").1.push(room.to_owned());
        } else if first.ends_with('/') {
            folders.push((first.to_owned(), Vec::new()));
        }
    }
    assert!(folders.len() >= 3, "the list was read");
    folders
}

/// A file without comments and tests.
fn code(path: &Path) -> String {
    let text = text(path);
    let code = text.split("#[cfg(test)]\nmod tests").next().expect("a split has a first part");
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the root").to_owned()
}
