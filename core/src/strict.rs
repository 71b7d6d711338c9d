//! Reads payloads as their types say, and no array as a struct. Knows JSON; never whose payload it is.

use core::fmt;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

/// Reads what `serde_json` reads, but that a struct is only read from an object, at every depth.
///
/// What fits is exact: a number is the nearest of its type. To `serde_json`, `-0` is a float and no
/// integer; a float that overflows is refused, one that underflows is zero.
///
/// What `serde` buffers before it knows the type is out of reach: in untagged and internally tagged
/// enums, in flattened members, and in the content of an adjacently tagged enum before its tag, a
/// struct is also read from an array of its values, no integer has more than 64 bits, and an `f32`
/// is rounded twice.
#[inline]
pub(crate) fn from_str<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = T::deserialize(Strict(&mut json))?;
    json.end()?;
    Ok(value)
}

/// Wraps whatever `serde` hands from one side to the other, so that each struct is met.
struct Strict<T>(T);

/// Visits what a struct is read from.
struct Members<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Members<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Strict(members))
    }
}

macro_rules! deserialize {
    ($($method:ident($($argument:ident: $type:ty),*) $wrapper:ident;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($argument,)* $wrapper(visitor))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<D> {
    type Error = D::Error;

    deserialize! {
        deserialize_any() Strict;
        deserialize_bool() Strict;
        deserialize_i8() Strict;
        deserialize_i16() Strict;
        deserialize_i32() Strict;
        deserialize_i64() Strict;
        deserialize_i128() Strict;
        deserialize_u8() Strict;
        deserialize_u16() Strict;
        deserialize_u32() Strict;
        deserialize_u64() Strict;
        deserialize_u128() Strict;
        deserialize_f32() Strict;
        deserialize_f64() Strict;
        deserialize_char() Strict;
        deserialize_str() Strict;
        deserialize_string() Strict;
        deserialize_bytes() Strict;
        deserialize_byte_buf() Strict;
        deserialize_option() Strict;
        deserialize_unit() Strict;
        deserialize_unit_struct(name: &'static str) Strict;
        deserialize_newtype_struct(name: &'static str) Strict;
        deserialize_seq() Strict;
        deserialize_tuple(len: usize) Strict;
        deserialize_tuple_struct(name: &'static str, len: usize) Strict;
        deserialize_map() Strict;
        deserialize_struct(name: &'static str, fields: &'static [&'static str]) Members;
        deserialize_enum(name: &'static str, variants: &'static [&'static str]) Strict;
        deserialize_identifier() Strict;
        deserialize_ignored_any() Strict;
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

macro_rules! visit {
    ($($method:ident: $type:ty),*) => {$(
        #[inline]
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.0.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Strict<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    visit! {
        visit_bool: bool,
        visit_i8: i8, visit_i16: i16, visit_i32: i32, visit_i64: i64, visit_i128: i128,
        visit_u8: u8, visit_u16: u16, visit_u32: u32, visit_u64: u64, visit_u128: u128,
        visit_f32: f32, visit_f64: f64, visit_char: char,
        visit_str: &str, visit_borrowed_str: &'de str, visit_string: alloc::string::String,
        visit_bytes: &[u8], visit_borrowed_bytes: &'de [u8], visit_byte_buf: alloc::vec::Vec<u8>
    }

    #[inline]
    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    #[inline]
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Strict(inner))
    }

    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(Strict(inner))
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Strict(elements))
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Strict(members))
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(Strict(variant))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Strict<S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Strict(inner))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Strict<A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<S>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error>
    where
        S: DeserializeSeed<'de>,
    {
        self.0.next_element_seed(Strict(seed))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Strict<A> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<S>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error>
    where
        S: DeserializeSeed<'de>,
    {
        self.0.next_key_seed(Strict(seed))
    }

    #[inline]
    fn next_value_seed<S>(&mut self, seed: S) -> Result<S::Value, A::Error>
    where
        S: DeserializeSeed<'de>,
    {
        self.0.next_value_seed(Strict(seed))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Strict<A> {
    type Error = A::Error;
    type Variant = Strict<A::Variant>;

    #[inline]
    fn variant_seed<S>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error>
    where
        S: DeserializeSeed<'de>,
    {
        let (value, variant) = self.0.variant_seed(Strict(seed))?;
        Ok((value, Strict(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Strict<A> {
    type Error = A::Error;

    #[inline]
    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    #[inline]
    fn newtype_variant_seed<S>(self, seed: S) -> Result<S::Value, A::Error>
    where
        S: DeserializeSeed<'de>,
    {
        self.0.newtype_variant_seed(Strict(seed))
    }

    #[inline]
    fn tuple_variant<V>(self, len: usize, visitor: V) -> Result<V::Value, A::Error>
    where
        V: Visitor<'de>,
    {
        self.0.tuple_variant(len, Strict(visitor))
    }

    #[inline]
    fn struct_variant<V>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error>
    where
        V: Visitor<'de>,
    {
        self.0.struct_variant(fields, Members(visitor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::{Map, Value, json};
    use std::collections::BTreeMap;
    use std::fmt::Debug;
    use std::string::{String, ToString};
    use std::vec::Vec;
    use std::{format, vec};

    fn reads<T: DeserializeOwned + Debug + PartialEq>(text: &str, expected: T) {
        assert_eq!(from_str::<T>(text).unwrap_or_else(|error| panic!("{text}: {error}")), expected);
    }

    fn refuses<T: DeserializeOwned + Debug>(texts: &[&str]) {
        for text in texts {
            if let Ok(value) = from_str::<T>(text) {
                panic!("{text} was read as {value:?}");
            }
        }
    }

    #[test]
    fn an_integer_is_written_as_one_and_fits() {
        reads("9223372036854775807", i64::MAX);
        reads("-9223372036854775808", i64::MIN);
        reads("18446744073709551615", u64::MAX);
        reads("340282366920938463463374607431768211455", u128::MAX);
        reads("-170141183460469231731687303715884105728", i128::MIN);
        reads("255", 255_u8);
        refuses::<i64>(&[
            "12345678901234567890",
            "-9223372036854775809",
            "1.0",
            "1e2",
            "-0",
            "\"12\"",
            "true",
            "null",
            "[1]",
        ]);
        refuses::<u8>(&["256", "-1", "18446744073709551616"]);
        refuses::<i128>(&["170141183460469231731687303715884105728"]);
    }

    #[test]
    fn a_float_is_the_nearest_of_its_type() {
        reads("1", 1.0_f64);
        reads("2.638344616030823e-256", 2.638344616030823e-256_f64);
        reads("18446744073709551617", 18446744073709551616.0_f64);
        reads("340282366920938463463374607431768211456", 2_f64.powi(128));
        reads("1e-400", 0.0_f64);
        // Rounding to 64 bits first would make the next greater one.
        reads("1.00000017881393432617187499", 1.0000001_f32);
        assert!(from_str::<f64>("-0").unwrap().is_sign_negative());
        refuses::<f64>(&["1e400", "-1e400", "NaN", "\"1.0\"", "true", "null"]);
        refuses::<f32>(&["1e39"]);
    }

    #[test]
    fn no_scalar_is_taken_for_another() {
        reads("true", true);
        reads("\"12\"", String::from("12"));
        refuses::<bool>(&["1", "\"true\"", "null"]);
        refuses::<String>(&["12", "true", "null", "[\"a\"]"]);
        refuses::<char>(&["\"ab\"", "1"]);
        refuses::<()>(&["0", "[]", "{}"]);
        refuses::<u8>(&["1 2", "1,", ""]);
    }

    #[derive(Clone, Debug, Deserialize, PartialEq)]
    struct Point {
        x: i64,
        #[serde(default)]
        name: Option<String>,
    }

    fn point(x: i64) -> Point {
        Point { x, name: None }
    }

    #[test]
    fn a_named_member_is_there_once_and_others_are_ignored() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "it is never read")]
        struct Closed {
            x: i64,
        }
        reads(r#"{"x": 1}"#, point(1));
        reads(r#"{"z": 1e999, "x": 1, "z": [{}]}"#, point(1));
        refuses::<Point>(&[
            r#"{"x": 1, "x": 1}"#,
            r#"{"x": 1, "\u0078": 2}"#,
            "{}",
            r#"{"x": null}"#,
            "null",
        ]);
        refuses::<Closed>(&[r#"{"x": 1, "z": 1}"#]);
        reads(r#"{"a": 1, "b": 2, "a": 3}"#, BTreeMap::from([('a', 3), ('b', 2)]));
        reads(r#"{"12": true}"#, BTreeMap::from([(12, true)]));
    }

    #[derive(Clone, Debug, Deserialize, PartialEq)]
    struct Wrapped(Point);

    #[derive(Clone, Debug, Deserialize, PartialEq)]
    enum Shape {
        Unit,
        One(Point),
        Two(Point, u8),
        Named { point: Point },
    }

    #[derive(Clone, Debug, Deserialize, PartialEq)]
    struct Place {
        wrapped: Wrapped,
        list: Vec<Point>,
        maybe: Option<Point>,
        map: BTreeMap<String, Point>,
        pair: (u8, Point),
        shape: Shape,
    }

    #[test]
    fn a_struct_is_no_array_and_a_tuple_is_one() {
        #[derive(Debug, Deserialize)]
        struct Empty {}
        reads("[1, {\"x\": 2}]", (1_u8, point(2)));
        reads(r#"{"Two": [{"x": 1}, 2]}"#, Shape::Two(point(1), 2));
        reads(r#"{"Named": {"point": {"x": 1}}}"#, Shape::Named { point: point(1) });
        refuses::<Point>(&["[1]", "[1, null]"]);
        refuses::<Empty>(&["[]"]);
        refuses::<Wrapped>(&["[1, null]"]);
        refuses::<Shape>(&[
            r#"{"One": [1, null]}"#,
            r#"{"Two": [[1, null], 2]}"#,
            r#"{"Named": [{"x": 1}]}"#,
        ]);
        let error = from_str::<Vec<Point>>("[[1, null]]").unwrap_err().to_string();
        assert_eq!(error, "invalid type: sequence, expected struct Point at line 1 column 2");
    }

    #[test]
    fn a_struct_in_what_serde_buffers_is_also_read_from_an_array() {
        #[derive(Debug, Deserialize, PartialEq)]
        struct Flattened {
            #[serde(flatten)]
            inner: Inner,
        }
        #[derive(Debug, Deserialize, PartialEq)]
        struct Inner {
            point: Point,
        }
        #[derive(Debug, Deserialize, PartialEq)]
        #[serde(untagged)]
        enum Untagged {
            Point(Point),
        }
        #[derive(Debug, Deserialize, PartialEq)]
        #[serde(tag = "t")]
        enum Tagged {
            Point(Point),
        }
        #[derive(Debug, Deserialize, PartialEq)]
        #[serde(tag = "t", content = "c")]
        enum Adjacent {
            Point(Point),
        }
        reads(r#"{"point": [1, null]}"#, Flattened { inner: Inner { point: point(1) } });
        refuses::<Flattened>(&[r#"[{"x": 1}]"#]);
        reads("[1, null]", Untagged::Point(point(1)));
        reads(r#"["Point", 1, null]"#, Tagged::Point(point(1)));
        reads(r#"{"c": [1, null], "t": "Point"}"#, Adjacent::Point(point(1)));
        refuses::<Adjacent>(&[r#"{"t": "Point", "c": [1, null]}"#, r#"["Point", {"x": 1}]"#]);
        // All else is as strict there.
        refuses::<Untagged>(&[
            r#"{"x": 1.0}"#,
            r#"{"x": "1"}"#,
            r#"{"x": 9223372036854775808}"#,
            r#"{"x": 1, "x": 1}"#,
        ]);
    }

    /// A document, and whether an array stands in it where a struct is asked for.
    type Document = (Value, bool);

    /// An object of these members, or an array of their values, or something else altogether.
    fn structs(
        members: impl Strategy<Value = Vec<(&'static str, Document)>>,
    ) -> impl Strategy<Value = Document> {
        let junk =
            prop::sample::select(vec![json!(1), json!([]), json!({}), json!(null), json!("x")]);
        (members, 0..20, junk).prop_map(|(members, way, junk)| match way {
            0 => (junk.clone(), junk.is_array()),
            1 => (members.iter().map(|(_, (value, _))| value.clone()).collect(), true),
            _ => {
                let arrays = members.iter().any(|(_, (_, arrays))| *arrays);
                let members =
                    members.into_iter().map(|(name, (value, _))| (name.to_string(), value));
                (Value::Object(members.collect::<Map<_, _>>()), arrays)
            }
        })
    }

    fn points() -> impl Strategy<Value = Document> {
        let name = prop_oneof![9 => Just(json!(null)), 9 => Just(json!("n")), 1 => Just(json!(1))];
        structs(
            (any::<i64>(), name)
                .prop_map(|(x, name)| vec![("x", (json!(x), false)), ("name", (name, false))]),
        )
    }

    fn shapes() -> impl Strategy<Value = Document> {
        prop_oneof![
            Just((json!("Unit"), false)),
            points().prop_map(|(point, arrays)| (json!({"One": point}), arrays)),
            points().prop_map(|(point, arrays)| (json!({"Two": [point, 1]}), arrays)),
            structs(points().prop_map(|point| vec![("point", point)]))
                .prop_map(|(named, arrays)| (json!({"Named": named}), arrays)),
        ]
    }

    fn places() -> impl Strategy<Value = Document> {
        let listed = prop::collection::vec(points(), 0..3);
        structs((points(), listed, points(), points(), points(), shapes()).prop_map(
            |(wrapped, list, maybe, inside, paired, shape)| {
                let arrays = list.iter().any(|(_, arrays)| *arrays);
                let list = list.into_iter().map(|(point, _)| point).collect();
                vec![
                    ("wrapped", wrapped),
                    ("list", (list, arrays)),
                    ("maybe", maybe),
                    ("map", (json!({"inside": inside.0}), inside.1)),
                    ("pair", (json!([1, paired.0]), paired.1)),
                    ("shape", shape),
                ]
            },
        ))
    }

    proptest! {
        #[test]
        fn what_serde_json_reads_is_read_unless_an_array_stands_for_a_struct((place, arrays) in places()) {
            let text = place.to_string();
            let read = serde_json::from_str::<Place>(&text).ok().filter(|_| !arrays);
            prop_assert_eq!(from_str::<Place>(&text).ok(), read, "{}", text);
        }

        // law: 11
        #[test]
        fn every_integer_is_read_as_it_was_written(signed: i64, unsigned: u64) {
            prop_assert_eq!(from_str::<i64>(&signed.to_string()).unwrap(), signed);
            prop_assert_eq!(from_str::<u64>(&unsigned.to_string()).unwrap(), unsigned);
        }

        #[test]
        fn every_float_is_read_as_it_was_written(bits: u64) {
            let float = f64::from_bits(bits);
            prop_assume!(float.is_finite());
            prop_assert_eq!(from_str::<f64>(&format!("{float:e}")).unwrap().to_bits(), bits);
        }
    }
}
