//! What clients ask for when they subscribe, and what they are told. Knows no route and no topic.

use crate::canonical::{Style, canonical};
use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// What a client is told about a subscription: `status`, `message`, `topic`, and whatever its route adds.
///
/// [`TopicRoute::response`](crate::topic_route::TopicRoute::response) makes it, where the example is.
#[derive(Debug)]
pub struct SubscriptionResponse {
    pub(crate) status: &'static str,
    pub(crate) extra: Map<String, Value>,
    pub(crate) message: String,
    pub(crate) topic: String,
}

/// The same with the members that a route adds.
#[derive(JsonSchema)]
#[schemars(rename = "SubscriptionResponseWith{E}", description = "")]
#[expect(dead_code, reason = "only its schema is wanted")]
pub(crate) struct Extended<E> {
    #[schemars(flatten)]
    response: SubscriptionResponse,
    #[schemars(flatten)]
    extra: E,
}

impl Serialize for SubscriptionResponse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("status", self.status)?;
        for (name, value) in &self.extra {
            members.serialize_entry(name, value)?;
        }
        members.serialize_entry("message", &self.message)?;
        members.serialize_entry("topic", &self.topic)?;
        members.end()
    }
}

impl JsonSchema for SubscriptionResponse {
    fn schema_name() -> Cow<'static, str> {
        "SubscriptionResponse".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": {
                "status": {"enum": ["ok", "error"]},
                "message": {"type": "string"},
                "topic": {"type": "string"},
            },
            "required": ["status", "message", "topic"],
        })
    }
}

/// A free map of parameters, in which `10` and `"10"` are alike. A missing map is empty.
///
/// A number or boolean is kept as the text that RFC 8785 gives it, so that `10`, `10.0` and `"10"` are
/// one parameter, also in canonical parameters and in replies. Lists and objects stay as they are. A
/// number outside the range of 64-bit integers does not validate, however it is written: as a float,
/// two of them might be one.
///
/// ```
/// use fastws_core::topic_route::Params;
///
/// let params: Params = serde_json::from_str(r#"{"resolution": 10, "extended": true}"#)?;
/// assert_eq!(params.text("resolution", "1"), "10");
/// assert_eq!(params.text("extended", "false"), "true");
/// assert_eq!(params.text("currency", "USD"), "USD");
/// assert_eq!(params, serde_json::from_str(r#"{"extended": "true", "resolution": "10"}"#)?);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Params(BTreeMap<String, Value>);

impl Params {
    /// A parameter as text, or a default where it is missing or `null`.
    pub fn text(&self, name: &str, default: &str) -> String {
        match self.0.get(name) {
            None | Some(Value::Null) => default.into(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        }
    }
}

impl JsonSchema for Params {
    fn schema_name() -> Cow<'static, str> {
        "Params".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["object", "null"], "additionalProperties": true})
    }
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let params = Option::<BTreeMap<String, Value>>::deserialize(deserializer)?;
        let mut params = params.unwrap_or_default();
        for value in params.values_mut() {
            if !is_exact(value) {
                return Err(D::Error::custom("a number in the parameters is beyond 64 bits"));
            }
            if let Value::Bool(_) | Value::Number(_) = value {
                *value = canonical(Style::Rfc8785, value).map_err(D::Error::custom)?.into();
            }
        }
        Ok(Self(params))
    }
}

/// Whether no number in it may have been an integer that became a float.
fn is_exact(value: &Value) -> bool {
    const LEAST: f64 = i64::MIN as f64;
    const ABOVE: f64 = u64::MAX as f64;
    match value {
        Value::Number(number) if number.is_f64() => {
            number.as_f64().is_some_and(|float| LEAST < float && float < ABOVE)
        }
        Value::Array(list) => list.iter().all(is_exact),
        Value::Object(members) => members.values().all(is_exact),
        _ => true,
    }
}
