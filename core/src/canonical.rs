//! Parameters as the one text that equal parameters have. Knows values; never a topic's listeners.

use crate::topic::MAX_TOPIC;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use serde::ser::{self, Serialize, Serializer};

/// How canonical parameters are written.
///
/// ```
/// use fastws_core::canonical::{Style, canonical};
/// assert_eq!(canonical(Style::Rfc8785, &[1.0, 0.5]).as_deref(), Ok("[1,0.5]"));
/// assert_eq!(canonical(Style::Python, &[1.0, 0.5]).as_deref(), Ok("[1.0,0.5]"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// The JSON Canonicalization Scheme of RFC 8785, but that integers are written with all their
    /// digits instead of as doubles.
    #[default]
    Rfc8785,
    /// What Python's `json.dumps(parameters, sort_keys=True, separators=(",", ":"))` writes: ASCII,
    /// `1.0` for a float.
    Python,
}

/// Writes parameters as JSON with sorted members and no white space, in at most [`MAX_TOPIC`] bytes.
///
/// Equal parameters give equal texts, whatever the order of their members. Different parameters
/// give different texts, but for three: `null` is written as `""`, at every depth; in
/// [`Style::Rfc8785`] `-0.0` is `0`; and there a float is the integer that is written with the same
/// digits, such as `1.0` and `1`. Types take the shapes that `serde_json` gives them. Members are
/// sorted by their names as written, also where those were numbers.
///
/// O(bytes · log members) of what fits: what is too long is not formatted to its end, which also
/// bounds the nesting.
///
/// ```
/// use fastws_core::canonical::{Style, canonical};
/// #[derive(serde::Serialize)]
/// struct Candles { symbol: &'static str, resolution: &'static str, limit: Option<f64> }
///
/// let candles = Candles { symbol: "Ö", resolution: "1", limit: Some(1e16) };
/// let text = canonical(Style::Rfc8785, &candles)?;
/// assert_eq!(text, r#"{"limit":10000000000000000,"resolution":"1","symbol":"Ö"}"#);
/// let text = canonical(Style::Python, &candles)?;
/// assert_eq!(text, r#"{"limit":1e+16,"resolution":"1","symbol":"\u00d6"}"#);
/// # Ok::<(), fastws_core::canonical::CanonicalError>(())
/// ```
pub fn canonical<T>(style: Style, parameters: &T) -> Result<String, CanonicalError>
where
    T: Serialize + ?Sized,
{
    let mut writer = Writer { text: String::new(), style, naming: false };
    parameters.serialize(&mut writer)?;
    Ok(writer.text)
}

/// Why parameters have no canonical text. The fault is whose parameters they are.
///
/// ```
/// use fastws_core::canonical::{CanonicalError, Style, canonical};
/// let error = canonical(Style::Rfc8785, &"x".repeat(2_000)).unwrap_err();
/// assert!(matches!(error, CanonicalError::TooLong { limit: 1_024 }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CanonicalError {
    /// The text has more bytes than are allowed.
    TooLong {
        /// How many are allowed.
        limit: usize,
    },
    /// A float is infinite or not a number, which JSON cannot say.
    NotFinite,
    /// A member's name is neither a string nor a number nor a boolean.
    Name,
    /// One object has two members of this name.
    Twice(String),
    /// A type refuses to be serialized, with its own words.
    Refused(String),
}

impl fmt::Display for CanonicalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { limit } => {
                write!(f, "the parameters are longer than {limit} bytes")
            }
            Self::NotFinite => f.write_str("the parameters contain a number that is not finite"),
            Self::Name => f.write_str("a member of the parameters has a name that is no text"),
            Self::Twice(name) => write!(f, "the parameters have two members `{name}`"),
            Self::Refused(why) => write!(f, "the parameters cannot be serialized: {why}"),
        }
    }
}

impl core::error::Error for CanonicalError {}

impl ser::Error for CanonicalError {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self::Refused(why.to_string())
    }
}

/// The text in the making.
struct Writer {
    text: String,
    style: Style,
    /// Whether a member's name is written, which is one scalar without quotes and escapes.
    naming: bool,
}

type Written = Result<(), CanonicalError>;

impl Writer {
    fn put(&mut self, text: &str) -> Written {
        if self.text.len() + text.len() > MAX_TOPIC {
            return Err(CanonicalError::TooLong { limit: MAX_TOPIC });
        }
        self.text.push_str(text);
        Ok(())
    }

    /// What a name cannot be.
    fn put_no_name(&mut self, text: &str) -> Written {
        if self.naming { Err(CanonicalError::Name) } else { self.put(text) }
    }

    fn put_quote(&mut self) -> Written {
        if self.naming { Ok(()) } else { self.put("\"") }
    }

    fn put_escaped(&mut self, text: &str) -> Written {
        if self.naming {
            return self.put(text);
        }
        for character in text.chars() {
            match character {
                '"' => self.put("\\\"")?,
                '\\' => self.put("\\\\")?,
                '\u{8}' => self.put("\\b")?,
                '\t' => self.put("\\t")?,
                '\n' => self.put("\\n")?,
                '\u{c}' => self.put("\\f")?,
                '\r' => self.put("\\r")?,
                _ if character < ' ' || self.style == Style::Python && character > '~' => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        self.put(&format!("\\u{unit:04x}"))?;
                    }
                }
                _ => self.put(character.encode_utf8(&mut [0; 4]))?,
            }
        }
        Ok(())
    }

    fn put_float(&mut self, float: &str) -> Written {
        let (sign, float) = float.split_at(usize::from(float.starts_with('-')));
        let (mantissa, exponent) = float.split_once('e').ok_or(CanonicalError::NotFinite)?;
        let exponent: i32 = exponent.parse().expect("LowerExp writes a number behind the `e`");
        let digits = mantissa.replace('.', "");
        // Where the point is without an exponent, how much the exponent is padded, how a whole number ends.
        let (points, width, whole) = match self.style {
            Style::Rfc8785 if digits == "0" => return self.put("0"),
            Style::Rfc8785 => (-5..=21, 2, ""),
            Style::Python => (-3..=16, 3, ".0"),
        };
        let point = exponent + 1;
        let distance = point.unsigned_abs() as usize;
        self.put(&if !points.contains(&point) {
            format!("{sign}{mantissa}e{exponent:+0width$}")
        } else if point <= 0 {
            format!("{sign}0.{digits:0>width$}", width = digits.len() + distance)
        } else if digits.len() <= distance {
            format!("{sign}{digits:0<distance$}{whole}")
        } else {
            let (before, behind) = digits.split_at(distance);
            format!("{sign}{before}.{behind}")
        })
    }

    fn list(&mut self, opening: &str, closing: &'static str) -> Result<List<'_>, CanonicalError> {
        self.put_no_name(opening)?;
        Ok(List { writer: self, first: true, closing })
    }

    fn members(&mut self, closing: &'static str) -> Result<Members<'_>, CanonicalError> {
        self.put_no_name("{")?;
        Ok(Members { writer: self, members: Vec::new(), closing })
    }

    /// Opens the object of a variant with contents, which is its only member.
    fn variant(&mut self, variant: &str) -> Written {
        self.put_no_name("{")?;
        self.serialize_str(variant)?;
        self.put(":")
    }
}

/// The shortest digits that read as `value`, and of these the nearest: `-1.25e-7`.
fn shortest<F: fmt::LowerExp + FromStr + PartialEq>(value: F) -> String {
    let shortest = format!("{value:e}");
    // Where two are equally near, `core` made the greater one, but all others make the even one, as
    // `core` does for a number of digits.
    let digits =
        shortest.split('e').next().map_or(0, |mantissa| mantissa.replace(['-', '.'], "").len());
    let even = format!("{value:.*e}", digits.saturating_sub(1));
    if even.parse().is_ok_and(|read: F| read == value) { even } else { shortest }
}

macro_rules! displayed {
    ($($method:ident: $type:ty),*) => {$(
        fn $method(self, value: $type) -> Written {
            self.put(&value.to_string())
        }
    )*};
}

impl<'a> Serializer for &'a mut Writer {
    type Ok = ();
    type Error = CanonicalError;
    type SerializeSeq = List<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = List<'a>;
    type SerializeTupleVariant = List<'a>;
    type SerializeMap = Members<'a>;
    type SerializeStruct = Members<'a>;
    type SerializeStructVariant = Members<'a>;

    displayed! {
        serialize_bool: bool,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128
    }

    fn serialize_f32(self, value: f32) -> Written {
        self.put_float(&shortest(value))
    }

    fn serialize_f64(self, value: f64) -> Written {
        self.put_float(&shortest(value))
    }

    fn serialize_char(self, value: char) -> Written {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Written {
        self.put_quote()?;
        self.put_escaped(value)?;
        self.put_quote()
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Written {
        self.put_quote()?;
        let mut shown = Shown { writer: self, fault: None };
        let written = fmt::write(&mut shown, format_args!("{value}"));
        let Shown { writer, fault } = shown;
        fault.map_or(Ok(()), Err)?;
        written.map_err(ser::Error::custom)?;
        writer.put_quote()
    }

    fn serialize_bytes(self, value: &[u8]) -> Written {
        self.collect_seq(value)
    }

    fn serialize_none(self) -> Written {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Written {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Written {
        self.put_no_name("\"\"")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Written {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Written {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Written {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Written {
        self.variant(variant)?;
        value.serialize(&mut *self)?;
        self.put("}")
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List<'a>, CanonicalError> {
        self.list("[", "]")
    }

    fn serialize_tuple(self, _: usize) -> Result<List<'a>, CanonicalError> {
        self.list("[", "]")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List<'a>, CanonicalError> {
        self.list("[", "]")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<List<'a>, CanonicalError> {
        self.variant(variant)?;
        self.list("[", "]}")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members<'a>, CanonicalError> {
        self.members("}")
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members<'a>, CanonicalError> {
        self.members("}")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members<'a>, CanonicalError> {
        self.variant(variant)?;
        self.members("}}")
    }
}

/// What a `Display` writes within quotes.
struct Shown<'a> {
    writer: &'a mut Writer,
    fault: Option<CanonicalError>,
}

impl fmt::Write for Shown<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.writer.put_escaped(text).map_err(|fault| {
            self.fault.get_or_insert(fault);
            fmt::Error
        })
    }
}

struct List<'a> {
    writer: &'a mut Writer,
    first: bool,
    closing: &'static str,
}

macro_rules! list {
    ($($trait:ident: $method:ident),*) => {$(
        impl ser::$trait for List<'_> {
            type Ok = ();
            type Error = CanonicalError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
                if !core::mem::take(&mut self.first) {
                    self.writer.put(",")?;
                }
                value.serialize(&mut *self.writer)
            }

            fn end(self) -> Written {
                self.writer.put(self.closing)
            }
        }
    )*};
}

list! {
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field
}

struct Members<'a> {
    writer: &'a mut Writer,
    /// Their names, and where each begins in the text, which has them without commas for now.
    members: Vec<(String, usize)>,
    closing: &'static str,
}

impl Members<'_> {
    fn name<T: Serialize + ?Sized>(&mut self, name: &T) -> Written {
        let mut named = Writer { text: String::new(), style: self.writer.style, naming: true };
        name.serialize(&mut named)?;
        let start = self.writer.text.len();
        self.writer.serialize_str(&named.text)?;
        self.members.push((named.text, start));
        self.writer.put(":")
    }

    fn sort(self) -> Written {
        let Self { writer, members, closing } = self;
        let mut sorted: Vec<(String, String)> = members
            .into_iter()
            .rev()
            .map(|(name, start)| (name, writer.text.split_off(start)))
            .collect();
        sorted.sort_by(|(one, _), (other, _)| match writer.style {
            Style::Rfc8785 => one.encode_utf16().cmp(other.encode_utf16()),
            Style::Python => one.cmp(other),
        });
        for (place, (name, member)) in sorted.iter().enumerate() {
            if place > 0 {
                if sorted[place - 1].0 == *name {
                    return Err(CanonicalError::Twice(name.clone()));
                }
                writer.put(",")?;
            }
            writer.put(member)?;
        }
        writer.put(closing)
    }
}

impl ser::SerializeMap for Members<'_> {
    type Ok = ();
    type Error = CanonicalError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Written {
        self.name(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Written {
        self.sort()
    }
}

macro_rules! members {
    ($($trait:ident),*) => {$(
        impl ser::$trait for Members<'_> {
            type Ok = ();
            type Error = CanonicalError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Written {
                self.name(name)?;
                value.serialize(&mut *self.writer)
            }

            fn end(self) -> Written {
                self.sort()
            }
        }
    )*};
}

members! { SerializeStruct, SerializeStructVariant }
