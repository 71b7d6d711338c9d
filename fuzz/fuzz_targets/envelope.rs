//! Holds the envelope scanner against serde_json. Knows what the scanner promises; must not know
//! how it scans. The first byte is the nesting that is allowed, the rest is the message.

#![no_main]

use fastws_core::envelope::{MAX_ID, MAX_NAME, read};
use libfuzzer_sys::fuzz_target;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

fuzz_target!(|data: &[u8]| {
    let Some((&nesting, message)) = data.split_first() else {
        return;
    };
    let nesting = usize::from(nesting);
    let Ok(text) = str::from_utf8(message) else {
        return;
    };
    let seen = read(text, nesting);
    let expected = Expected::of(text, nesting);
    assert_eq!(seen.is_ok(), expected.is_some(), "{text}");
    let (Ok(seen), Some(expected)) = (seen, expected) else {
        return;
    };
    let fits = (expected.kind.len() <= MAX_NAME).then_some(expected.kind.as_str());
    assert_eq!(seen.kind.decode(&mut [0; MAX_NAME]), fits, "{text}");
    assert_eq!(seen.payload, expected.payload, "{text}");
    assert_eq!(seen.id, expected.id, "{text}");
});

/// What serde_json makes of a message.
struct Expected<'a> {
    kind: String,
    payload: Option<&'a str>,
    id: Option<&'a str>,
}

impl<'a> Expected<'a> {
    fn of(text: &'a str, nesting: usize) -> Option<Self> {
        let Members(members) = serde_json::from_str(text).ok()?;
        if depth(text)? > nesting {
            return None;
        }
        let mut named = [None; 3];
        for (name, value) in &members {
            let Some(place) = ["type", "payload", "id"].iter().position(|known| known == name)
            else {
                continue;
            };
            if named[place].replace(value.get()).is_some() {
                return None;
            }
        }
        let [kind, payload, id] = named;
        Some(Expected {
            kind: serde_json::from_str(kind?).ok()?,
            payload,
            id: id.filter(|id| is_carried(id)),
        })
    }
}

/// The members of an object as they are written, the repeated ones too.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// How deep a text that is JSON nests. `None` where a string holds half a surrogate pair, which
/// serde_json only notices in strings that it decodes.
fn depth(json: &str) -> Option<usize> {
    let bytes = json.as_bytes();
    let (mut at, mut now, mut most) = (0, 0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'[' => {
                now += 1;
                most = most.max(now);
            }
            b'}' | b']' => now -= 1,
            b'"' => {
                let start = at;
                at += 1;
                while bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                serde_json::from_str::<String>(&json[start..=at]).ok()?;
            }
            _ => {}
        }
        at += 1;
    }
    Some(most)
}

fn is_carried(id: &str) -> bool {
    let integer = id.strip_prefix('-').unwrap_or(id).bytes().all(|byte| byte.is_ascii_digit());
    id.len() <= MAX_ID && (id.starts_with('"') || integer)
}
