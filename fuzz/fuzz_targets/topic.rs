//! Holds names of topics, builders and canonical parameters against what JSON says. Knows values
//! exactly; must not know how they are written. The first byte chooses names (0) or parameters; two
//! of either follow, with a zero byte in between.

#![no_main]

use fastws_core::canonical::{CanonicalError, Style, canonical};
use fastws_core::topic::{MAX_TOPIC, TopicError, check, join};
use fastws_core::topic_route::{Params, TopicRoute};
use fastws_fuzz::json::{Members, depth};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

fuzz_target!(|data: &[u8]| {
    let Some((&kind, rest)) = data.split_first() else { return };
    let mut two = rest.splitn(2, |byte| *byte == 0).map(|bytes| str::from_utf8(bytes).ok());
    let (Some(Some(one)), other) = (two.next(), two.next().flatten().unwrap_or_default()) else {
        return;
    };
    match kind {
        0 => names(one, other),
        _ => values(one, other),
    }
});

/// Names of parts that are lines.
fn names(one: &str, other: &str) {
    let rows = [one, other].map(|text| text.split('\n').map(String::from).collect::<Vec<_>>());
    let [one, other] = [&rows[0], &rows[1]].map(|parts| {
        let joined = join(parts);
        let len = parts.iter().map(|part| part.len() + 1).sum::<usize>() - 1;
        let fits =
            parts.iter().all(|part| !part.is_empty() && !part.contains(':')) && len <= MAX_TOPIC;
        assert_eq!(joined.is_ok(), fits, "{parts:?}");
        // Of two faults the first that is shown is told.
        assert_eq!(join(parts.iter().map(|part| Slowly(part))).ok(), joined.clone().ok());
        let route =
            TopicRoute::<Vec<String>, u8>::new(&parts[0]).topic(|parts| parts[1..].to_vec());
        assert_eq!(route.topic_of(parts).ok(), joined.clone().ok());
        if let Ok(name) = &joined {
            assert!(name.split(':').eq(parts), "{name} is not of {parts:?}");
            assert_eq!(check(name, name.len()), Ok(()));
            let limit = name.len() - 1;
            assert_eq!(check(name, limit), Err(TopicError::TooLong { limit }));
        }
        joined
    });
    if one.is_ok() {
        assert_eq!(one == other, rows[0] == rows[1], "{rows:?}");
    }
}

/// Shows itself one character after the other.
struct Slowly<'a>(&'a str);

impl fmt::Display for Slowly<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| f.write_char(character))
    }
}

fn values(one: &str, other: &str) {
    let (Some(one), other) = (read(one), read(other)) else { return };
    for style in [Style::Rfc8785, Style::Python] {
        let text = text(style, &one);
        let Some(other) = &other else { continue };
        if let (Some(text), Some(second)) = (text, self::text(style, other)) {
            let same = one.exact.normal(style) == other.exact.normal(style);
            assert_eq!(text == second, same, "{text} {second}");
        }
    }
    let params = parameters(&one);
    if let (Some((params, exact)), Some((others, theirs))) =
        (params, other.as_ref().and_then(parameters))
    {
        assert_eq!(params == others, exact == theirs, "{params:?} {others:?}");
        for style in [Style::Rfc8785, Style::Python] {
            let route = TopicRoute::<Params, u8>::new("bars").canonical(style);
            if let (Ok(one), Ok(other)) = (route.topic_of(&params), route.topic_of(&others)) {
                assert_eq!(
                    one == other,
                    exact.normal(style) == theirs.normal(style),
                    "{one} {other}"
                );
            }
        }
    }
}

/// A text, and what it says.
struct Read<'t> {
    text: &'t str,
    value: Value,
    exact: Exact,
}

/// `None`: it is no JSON, which serde_json and we have to agree on.
fn read(text: &str) -> Option<Read<'_>> {
    let value = serde_json::from_str::<Value>(text).ok();
    // One more than it takes overflows it.
    let exact = depth(text).filter(|depth| *depth <= 127).and_then(|_| Exact::read(text));
    assert_eq!(value.is_some(), exact.is_some(), "{text}");
    Some(Read { text, value: value?, exact: exact? })
}

/// The canonical text, of which all is checked that can be seen in one alone. `None`: it is too long.
fn text(style: Style, read: &Read<'_>) -> Option<String> {
    let text = match canonical(style, &read.value) {
        Ok(text) => text,
        Err(error) => {
            assert_eq!(error, CanonicalError::TooLong { limit: MAX_TOPIC });
            // No number of at most 25 digits and no character has a text six times as long.
            assert!(read.text.len() > MAX_TOPIC / 6, "{} is short", read.text);
            return None;
        }
    };
    assert!(text.len() <= MAX_TOPIC);
    assert!(style == Style::Rfc8785 || text.is_ascii(), "{text}");
    assert!(is_sorted(&text, style), "{text}");
    let again = self::read(&text).unwrap_or_else(|| panic!("no JSON: {text}"));
    assert_eq!(again.exact.normal(style), read.exact.normal(style), "{text}");
    assert_eq!(canonical(style, &again.value).as_ref(), Ok(&text));
    Some(text)
}

/// Whether there is no white space, and every object has its members in the order of the style, each once.
fn is_sorted(text: &str, style: Style) -> bool {
    match text.as_bytes()[0] {
        b'{' => {
            let members = Members::expect(text);
            let sorted = members.is_sorted_by(|(one, _), (other, _)| match style {
                Style::Rfc8785 => one.encode_utf16().lt(other.encode_utf16()),
                Style::Python => one < other,
            });
            let punctuation = 1 + members.len().max(1) + members.len();
            let names = text.len()
                - punctuation
                - members.iter().map(|(_, value)| value.len()).sum::<usize>();
            sorted
                && names >= members.iter().map(|(name, _)| name.len().min(1) + 2).sum()
                && members.iter().all(|(_, value)| is_sorted(value, style))
        }
        b'[' => {
            let list: Vec<&RawValue> = serde_json::from_str(text).expect("it was read");
            let punctuation = 1 + list.len().max(1);
            text.len() == punctuation + list.iter().map(|value| value.get().len()).sum::<usize>()
                && list.iter().all(|value| is_sorted(value.get(), style))
        }
        first => !first.is_ascii_whitespace(),
    }
}

/// Parameters, and what they are. `None`: they do not validate.
fn parameters(read: &Read<'_>) -> Option<(Params, Exact)> {
    let params = serde_json::from_str::<Params>(read.text).ok();
    let exact = read.exact.parameters();
    assert_eq!(params.is_some(), exact.is_some(), "{}", read.text);
    let (params, mut exact) = (params?, exact?);
    for (name, value) in &mut exact {
        let text = params.text(name, "default");
        match value {
            Exact::Null => assert_eq!(text, "default"),
            Exact::Float(bits) => {
                let float = f64::from_bits(*bits);
                assert_eq!(text.parse(), Ok(float), "{text} is not {float}");
                // Where two texts are the shortest, it need not be that of `Display`.
                assert!(float != 0.0 || text == "0");
                *value = Exact::Text(text);
            }
            Exact::List(_) | Exact::Object(_) => {
                assert_eq!(Exact::read(&text).as_ref(), Some(&*value))
            }
            Exact::Text(own) => assert_eq!(text, *own),
            Exact::Flag(_) | Exact::Integer(_) => panic!("it was made a text: {text}"),
        }
    }
    let exact = Exact::Object(exact);
    if let Ok(text) = canonical(Style::Rfc8785, &params) {
        let again: Params = serde_json::from_str(&text).expect("they are parameters");
        assert_eq!(canonical(Style::Rfc8785, &again).as_ref(), Ok(&text));
    }
    Some((params, exact))
}

/// A value with all digits of its integers.
#[derive(Clone, Debug, PartialEq)]
enum Exact {
    Null,
    Flag(bool),
    Integer(i128),
    /// Its bits, so that zeros differ.
    Float(u64),
    Text(String),
    List(Vec<Exact>),
    Object(BTreeMap<String, Exact>),
}

impl Exact {
    fn read(text: &str) -> Option<Self> {
        let text = text.trim_matches([' ', '\t', '\n', '\r']);
        Some(match text.as_bytes()[0] {
            b'n' => Self::Null,
            b't' => Self::Flag(true),
            b'f' => Self::Flag(false),
            b'"' => Self::Text(serde_json::from_str(text).ok()?),
            b'[' => {
                let list: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                Self::List(list.iter().map(|value| Self::read(value.get())).collect::<Option<_>>()?)
            }
            b'{' => {
                let members = Members::read(text)?.0.into_iter();
                let members = members.map(|(name, value)| Some((name, Self::read(value.get())?)));
                Self::Object(members.collect::<Option<_>>()?)
            }
            _ => {
                let integer = text.parse::<i128>().ok().filter(|_| text != "-0");
                match integer.filter(|integer| RANGE.contains(integer)) {
                    Some(integer) => Self::Integer(integer),
                    None => {
                        let float: f64 = text.parse().expect("it is a number");
                        float.is_finite().then_some(Self::Float(float.to_bits()))?
                    }
                }
            }
        })
    }

    /// The one of all values that a style writes alike.
    fn normal(&self, style: Style) -> Self {
        match self {
            Self::Null => Self::Text(String::new()),
            Self::Float(bits) if style == Style::Rfc8785 => {
                let float = f64::from_bits(*bits);
                let written = (float.abs() < 1e21).then(|| float.to_string().parse().ok());
                written.flatten().map_or(self.clone(), Self::Integer)
            }
            Self::List(list) => Self::List(list.iter().map(|value| value.normal(style)).collect()),
            Self::Object(members) => {
                let members =
                    members.iter().map(|(name, value)| (name.clone(), value.normal(style)));
                Self::Object(members.collect())
            }
            other => other.clone(),
        }
    }

    /// Free parameters, in which scalars are texts but for floats that have to be told apart by more
    /// than that. `None`: they do not validate.
    fn parameters(&self) -> Option<BTreeMap<String, Self>> {
        if !self.is_exact() {
            return None;
        }
        match self {
            Self::Null => Some(BTreeMap::new()),
            Self::Object(members) => {
                let text = |value: &Self| match value.normal_number() {
                    Self::Flag(flag) => Self::Text(flag.to_string()),
                    Self::Integer(integer) => Self::Text(integer.to_string()),
                    other => other,
                };
                Some(members.iter().map(|(name, value)| (name.clone(), text(value))).collect())
            }
            _ => None,
        }
    }

    fn normal_number(&self) -> Self {
        match self {
            Self::Float(_) => self.normal(Style::Rfc8785),
            other => other.clone(),
        }
    }

    /// Whether no number in it may have been an integer that did not fit.
    fn is_exact(&self) -> bool {
        match self {
            Self::Float(bits) => {
                let float = f64::from_bits(*bits);
                (*RANGE.start() as f64) < float && float < *RANGE.end() as f64
            }
            Self::List(list) => list.iter().all(Self::is_exact),
            Self::Object(members) => members.values().all(Self::is_exact),
            _ => true,
        }
    }
}

/// Integers that are exact.
const RANGE: std::ops::RangeInclusive<i128> = i64::MIN as i128..=u64::MAX as i128;
