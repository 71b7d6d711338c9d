//! What a text says that serde_json takes for JSON, as it is written. Knows JSON, no message.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The members of an object in their order, the repeated ones too.
pub struct Members<'a>(pub Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    /// `None`: it is no object.
    pub fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The names and values of an object that has to be one.
    pub fn expect(text: &'a str) -> Vec<(String, &'a str)> {
        let Self(members) = Self::read(text).unwrap_or_else(|| panic!("no object: {text}"));
        members.into_iter().map(|(name, value)| (name, value.get())).collect()
    }
}

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

/// How deep a text nests. `None` where it is no JSON, or a string in it holds half a surrogate pair,
/// which serde_json only notices in strings that it decodes.
pub fn depth(text: &str) -> Option<usize> {
    let json = serde_json::from_str::<&RawValue>(text).ok()?.get();
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
