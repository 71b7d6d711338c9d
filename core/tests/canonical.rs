//! Canonical parameters: one text for equal ones, another for others, and what others write.
#![cfg(feature = "alloc")]

use fastws_core::canonical::Style::{Python, Rfc8785};
use fastws_core::canonical::{CanonicalError, Style, canonical};
use fastws_core::topic::MAX_TOPIC;
use proptest::prelude::*;
use serde::ser::{Error, Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;

const TOO_LONG: CanonicalError = CanonicalError::TooLong { limit: MAX_TOPIC };

#[test]
fn documents_and_floats_are_written_as_others_write_them() {
    let mut rows = 0;
    for row in
        include_str!("canonical.txt").lines().filter(|row| !row.is_empty() && !row.starts_with('#'))
    {
        let [input, rfc, python] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("not three columns: {row}");
        };
        let float = u64::from_str_radix(input, 16).ok().filter(|_| input.len() == 16);
        let value = float.map_or_else(
            || serde_json::from_str(input).unwrap(),
            |bits| json!(f64::from_bits(bits)),
        );
        assert_eq!(canonical(Rfc8785, &value).as_deref(), Ok(rfc), "{input}");
        assert_eq!(canonical(Python, &value).as_deref(), Ok(python), "{input}");
        rows += 1;
    }
    assert!(rows > 300, "the table was read");
}

#[test]
fn integers_have_all_their_digits() {
    for style in [Rfc8785, Python] {
        let text = canonical(
            style,
            &(u128::MAX, i128::MIN, u64::MAX, i64::MIN, 9_007_199_254_740_993_u64),
        );
        assert_eq!(
            text.as_deref(),
            Ok(
                "[340282366920938463463374607431768211455,-170141183460469231731687303715884105728,\
                18446744073709551615,-9223372036854775808,9007199254740993]"
            )
        );
    }
}

#[test]
fn a_float_of_32_bits_has_its_own_shortest_digits() {
    assert_eq!(
        canonical(Rfc8785, &(0.1_f32, 1e10_f32, f32::MIN_POSITIVE)).as_deref(),
        Ok("[0.1,10000000000,1.1754944e-38]")
    );
    assert_eq!(canonical(Python, &(0.1_f32, 1e16_f32)).as_deref(), Ok("[0.1,1e+16]"));
}

#[derive(serde::Serialize)]
enum Shape {
    Unit,
    Newtype(u8),
    Tuple(u8, Option<bool>),
    Struct { a: char, b: Option<Box<Shape>> },
}

#[derive(serde::Serialize)]
struct Newtype<T>(T);

#[derive(serde::Serialize)]
struct Everything {
    bytes: Bytes,
    floats: (f32, f64),
    list: Vec<Shape>,
    #[serde(flatten)]
    more: BTreeMap<&'static str, Newtype<u8>>,
}

struct Bytes;

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(b"ab")
    }
}

#[test]
fn types_take_the_shapes_that_serde_json_gives_them() {
    let last = Shape::Struct { a: 'x', b: Some(Box::new(Shape::Unit)) };
    let list = vec![Shape::Unit, Shape::Newtype(1), Shape::Tuple(2, Some(true)), last];
    let more = [("m", Newtype(1)), ("n", Newtype(2))].into();
    let value = Everything { bytes: Bytes, floats: (0.5, 1.5), list, more };
    let expected = serde_json::to_string(&value).unwrap();
    for style in [Rfc8785, Python] {
        assert_eq!(canonical(style, &value).as_deref(), Ok(&*expected));
    }
}

#[test]
fn null_is_an_empty_text_in_whatever_shape() {
    #[derive(serde::Serialize)]
    struct Unit;
    for style in [Rfc8785, Python] {
        let nulls = (
            (),
            Unit,
            None::<u8>,
            Some(()),
            Newtype(None::<u8>),
            [Value::Null],
            json!({"a": null}),
        );
        let text = canonical(style, &nulls);
        assert_eq!(text.as_deref(), Ok(r#"["","","","","",[""],{"a":""}]"#));
    }
}

/// Members in the order given, of any names.
struct Pairs<'a, N, V>(&'a [(N, V)]);

impl<N: Serialize, V: Serialize> Serialize for Pairs<'_, N, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        for (name, value) in self.0 {
            members.serialize_entry(name, value)?;
        }
        members.end()
    }
}

#[test]
fn a_name_is_a_scalar_written_as_text_and_sorted_as_such() {
    fn named(name: impl Serialize) -> Result<String, CanonicalError> {
        canonical(Python, &Pairs(&[(name, 1)]))
    }
    assert_eq!(
        canonical(Python, &Pairs(&[(9, 1), (10, 2), (-1, 3)])).as_deref(),
        Ok(r#"{"-1":3,"10":2,"9":1}"#)
    );
    assert_eq!(named(true).as_deref(), Ok(r#"{"true":1}"#));
    assert_eq!(named(1.0).as_deref(), Ok(r#"{"1.0":1}"#));
    assert_eq!(named('"').as_deref(), Ok(r#"{"\"":1}"#));
    assert_eq!(named(Some(Newtype("é"))).as_deref(), Ok(r#"{"\u00e9":1}"#));
    assert_eq!(named(Shape::Unit).as_deref(), Ok(r#"{"Unit":1}"#));
    assert_eq!(named(f64::NAN), Err(CanonicalError::NotFinite));
    assert_eq!(named(None::<u8>), Err(CanonicalError::Name));
    assert_eq!(named(()), Err(CanonicalError::Name));
    assert_eq!(named([1]), Err(CanonicalError::Name));
    assert_eq!(named(Bytes), Err(CanonicalError::Name));
    assert_eq!(named(json!({})), Err(CanonicalError::Name));
    assert_eq!(named(Shape::Newtype(1)), Err(CanonicalError::Name));
}

#[test]
fn what_has_no_text_is_refused() {
    struct Never;
    impl Serialize for Never {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("out of words"))
        }
    }
    for style in [Rfc8785, Python] {
        for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(canonical(style, &[float]), Err(CanonicalError::NotFinite));
            assert_eq!(canonical(style, &[float as f32]), Err(CanonicalError::NotFinite));
        }
        let twice = CanonicalError::Twice("1".into());
        assert_eq!(canonical(style, &Pairs(&[("1", 1), ("2", 2), ("1", 1)])), Err(twice));
        assert_eq!(canonical(style, &Never), Err(CanonicalError::Refused("out of words".into())));
    }
}

#[test]
fn errors_say_what_is_wrong_with_the_parameters() {
    let rows = [
        (TOO_LONG, "the parameters are longer than 1024 bytes"),
        (CanonicalError::NotFinite, "the parameters contain a number that is not finite"),
        (CanonicalError::Name, "a member of the parameters has a name that is no text"),
        (CanonicalError::Twice("a".into()), "the parameters have two members `a`"),
        (CanonicalError::Refused("no".into()), "the parameters cannot be serialized: no"),
    ];
    for (error, text) in rows {
        assert_eq!(error.to_string(), text);
    }
}

/// Repeats itself until somebody fails.
struct Endless;

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        loop {
            f.write_str("again ")?;
        }
    }
}

impl Serialize for Endless {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Contains itself.
struct Deep;

impl Serialize for Deep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq([Deep])
    }
}

#[test]
fn what_is_too_long_is_not_formatted_to_its_end() {
    struct Numbers;
    impl Serialize for Numbers {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(0..)
        }
    }
    struct Members;
    impl Serialize for Members {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map((0..).map(|number| (number, ())))
        }
    }
    for style in [Rfc8785, Python] {
        assert_eq!(canonical(style, &Endless), Err(TOO_LONG));
        assert_eq!(canonical(style, &Pairs(&[(Endless, 1)])), Err(TOO_LONG));
        assert_eq!(canonical(style, &Numbers), Err(TOO_LONG));
        assert_eq!(canonical(style, &Members), Err(TOO_LONG));
        assert_eq!(canonical(style, &Deep), Err(TOO_LONG));
    }
}

#[test]
fn a_shown_value_is_a_text() {
    let shown = format_args!("{}\"{}", 'ß', 1);
    assert_eq!(canonical(Rfc8785, &shown).as_deref(), Ok(r#""ß\"1""#));
    assert_eq!(
        canonical(Python, &Pairs(&[(shown, shown)])).as_deref(),
        Ok(r#"{"\u00df\"1":"\u00df\"1"}"#)
    );
}

fn value() -> impl Strategy<Value = Node> {
    values(
        any::<i128>(),
        any::<f64>().prop_filter("JSON has no others", |float| float.is_finite()),
        ".{0,6}",
    )
}

/// Few values, so that two of them are often equal or nearly so.
fn small_value() -> impl Strategy<Value = Node> {
    let float = prop::sample::select(vec![0.0, -0.0, 1.0, 1.5, 12.0, 1e16, 1e22]);
    values(
        prop_oneof![0..3_i128, Just(12), Just(10_i128.pow(16))],
        float,
        "[a1\",:\\[{é]{0,2}|null|true|1\\.5",
    )
}

#[derive(Clone, Debug)]
enum Node {
    Null,
    Flag(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

fn values(
    integer: impl Strategy<Value = i128> + 'static,
    float: impl Strategy<Value = f64> + 'static,
    text: &'static str,
) -> impl Strategy<Value = Node> {
    let scalar = prop_oneof![
        Just(Node::Null),
        any::<bool>().prop_map(Node::Flag),
        integer.prop_map(Node::Integer),
        float.prop_map(Node::Float),
        text.prop_map(Node::Text),
    ];
    scalar.prop_recursive(3, 8, 3, move |node| {
        let members = prop::collection::btree_map(text, node.clone(), 0..4);
        prop_oneof![
            prop::collection::vec(node, 0..4).prop_map(Node::List),
            members.prop_map(|members| Node::Object(members.into_iter().collect())),
        ]
    })
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Integer(integer) => serializer.serialize_i128(*integer),
            Self::Float(float) => serializer.serialize_f64(*float),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(list) => list.serialize(serializer),
            Self::Object(members) => Pairs(members).serialize(serializer),
        }
    }
}

impl Node {
    /// The same value, with the members of its objects in another order.
    fn turned(&self) -> Self {
        match self {
            Self::List(list) => Self::List(list.iter().map(Self::turned).collect()),
            Self::Object(members) => {
                let turned = members.iter().rev().map(|(name, node)| (name.clone(), node.turned()));
                Self::Object(turned.collect())
            }
            scalar => scalar.clone(),
        }
    }

    /// Whether both are one in a style, by its promise.
    fn equals(&self, other: &Self, style: Style) -> bool {
        let empty = |node: &Self| match node {
            Self::Null => true,
            Self::Text(text) => text.is_empty(),
            _ => false,
        };
        match (self, other) {
            (Self::Flag(one), Self::Flag(other)) => one == other,
            (Self::Integer(one), Self::Integer(other)) => one == other,
            (Self::Float(one), Self::Float(other)) => {
                one == other && (style == Rfc8785 || one.to_bits() == other.to_bits())
            }
            (Self::Integer(integer), Self::Float(float))
            | (Self::Float(float), Self::Integer(integer)) => {
                style == Rfc8785 && float.abs() < 1e21 && float.to_string() == integer.to_string()
                    || style == Rfc8785 && *integer == 0 && *float == 0.0
            }
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::List(one), Self::List(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(a, b)| a.equals(b, style))
            }
            (Self::Object(one), Self::Object(other)) => {
                one.len() == other.len()
                    && one.iter().zip(other).all(|(a, b)| a.0 == b.0 && a.1.equals(&b.1, style))
            }
            _ => empty(self) && empty(other),
        }
    }
}

proptest! {
    #[test]
    fn the_order_of_members_makes_no_difference(node in value()) {
        for style in [Rfc8785, Python] {
            prop_assert_eq!(canonical(style, &node), canonical(style, &node.turned()));
        }
    }

    // law: 11
    #[test]
    fn texts_are_equal_where_values_are(one in small_value(), other in small_value()) {
        for style in [Rfc8785, Python] {
            let (first, second) = (canonical(style, &one), canonical(style, &other));
            if first.is_ok() {
                prop_assert_eq!(first == second, one.equals(&other, style), "{:?} {:?}", one, other);
            }
        }
    }

    // law: 11
    #[test]
    fn a_text_is_read_as_the_value_that_it_was_made_of(node in small_value()) {
        let Ok(text) = canonical(Rfc8785, &node) else { return Ok(()) };
        prop_assert!(node.equals(&Node::from(&serde_json::from_str(&text).unwrap()), Rfc8785), "{}", text);
        let Ok(text) = canonical(Python, &node) else { return Ok(()) };
        prop_assert!(text.is_ascii());
        prop_assert!(node.equals(&Node::from(&serde_json::from_str(&text).unwrap()), Python), "{}", text);
    }

    // law: 11
    #[test]
    fn an_integer_has_all_its_digits(signed: i128, unsigned: u128, short: i64, byte: u8) {
        for style in [Rfc8785, Python] {
            prop_assert_eq!(canonical(style, &signed), Ok(signed.to_string()));
            prop_assert_eq!(canonical(style, &unsigned), Ok(unsigned.to_string()));
            prop_assert_eq!(canonical(style, &short), Ok(short.to_string()));
            prop_assert_eq!(canonical(style, &byte), Ok(byte.to_string()));
        }
    }

    #[test]
    fn a_float_is_written_so_that_it_is_read_again(float in any::<f64>().prop_filter("finite", |float| float.is_finite())) {
        let rfc: f64 = canonical(Rfc8785, &float).unwrap().parse().unwrap();
        prop_assert_eq!(rfc, float);
        let python: f64 = canonical(Python, &float).unwrap().parse().unwrap();
        prop_assert_eq!(python.to_bits(), float.to_bits());
    }

    #[test]
    fn a_text_is_as_long_as_the_limit_and_no_longer(node in value(), length in 0..=MAX_TOPIC) {
        for style in [Rfc8785, Python] {
            let Ok(text) = canonical(style, &node) else { continue };
            let (pad, around) = ("x".repeat(length), r#"["",]"#.len());
            let total = around + text.len() + length;
            let padded = canonical(style, &(&*pad, &node)).map(|text| text.len());
            prop_assert_eq!(padded, if total > MAX_TOPIC { Err(TOO_LONG) } else { Ok(total) });
        }
    }
}

impl From<&Value> for Node {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Flag(*flag),
            Value::Number(number) => number
                .as_i128()
                .map_or_else(|| Self::Float(number.as_f64().unwrap()), Self::Integer),
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(list) => Self::List(list.iter().map(Self::from).collect()),
            Value::Object(members) => Self::Object(
                members.iter().map(|(name, value)| (name.clone(), value.into())).collect(),
            ),
        }
    }
}
