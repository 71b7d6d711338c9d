//! What the application has declared besides its operations: what it publishes, and what it shares.

use crate::config::SlowConsumer;
use crate::encode::{Encode, Outgoing as Message, Wrapped};
use crate::frame::{Head, Opcode};
use crate::respond::{Failure, Fault, encode};
use crate::time::Duration;
use crate::topic::{self, MAX_TOPIC, TopicError};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::{Any, TypeId};
use core::fmt;
use schemars::JsonSchema;
use serde::Serialize;

pub(crate) type Revise = Box<dyn Fn(&dyn Any, &mut Vec<u8>) -> Result<(), Failure> + Send + Sync>;

/// Shared by all shards, never changed.
///
/// [`Catalog::declared`](crate::catalog::Catalog::declared) has it; the example is at [`PublishError`].
#[derive(Default)]
pub struct Declared {
    pub(crate) updates: BTreeMap<String, Update>,
    pub(crate) routes: Vec<Route>,
    pub(crate) states: BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

/// A topic route, by the first part of its topics.
pub(crate) struct Route {
    pub(crate) name: String,
    /// The full name of the `recv` operation that it publishes.
    pub(crate) update: String,
    /// The full name of the `recv` operation for its topics' faults.
    pub(crate) error: String,
    /// A service runs behind its topics.
    pub(crate) serves: bool,
    /// Who comes gets the last update.
    pub(crate) retains: bool,
    /// Where it is not as the engine has it.
    pub(crate) slow_consumer: Option<SlowConsumer>,
    /// How long its services wait for somebody to come back.
    pub(crate) linger: Duration,
}

/// What its listeners are told about a topic.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "TopicError")]
pub(crate) struct Report {
    topic: String,
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    recoverable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

/// What becomes of an update besides being sent.
///
/// ```
/// use fastws_core::declared::Treatment;
/// let treatment = Treatment::default();
/// assert!(!treatment.keep && treatment.policy.is_none());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Treatment {
    /// It is the topic's last update from now on.
    pub keep: bool,
    /// What becomes of it where a reader is too slow, if that is not as the engine has it.
    pub policy: Option<SlowConsumer>,
}

impl Treatment {
    /// What a topic's listeners have to know, or they are closed.
    pub(crate) const NEVER_DROPPED: Self = Self { keep: false, policy: Some(SlowConsumer::Close) };
}

/// A `recv` operation.
pub(crate) struct Update {
    pub(crate) payload: TypeId,
    /// It names its topic inside its payload.
    pub(crate) wraps: bool,
    /// Checks and changes what is published, if it has a handler.
    pub(crate) revise: Option<Revise>,
}

impl Declared {
    /// Encodes an update of a `recv` operation as a whole frame, for a topic or for everybody. O(bytes).
    ///
    /// # Errors
    /// What [`PublishError`] says, where the example is, but for its `Full`.
    pub fn update<T: Serialize + 'static>(
        &self,
        topic: Option<&str>,
        kind: &str,
        payload: &T,
    ) -> Result<Vec<u8>, PublishError> {
        topic
            .map_or(Ok(()), |topic| topic::check(topic, MAX_TOPIC))
            .map_err(PublishError::Topic)?;
        let update = self.updates.get(kind).ok_or(PublishError::Unknown)?;
        if update.payload != TypeId::of::<T>() {
            return Err(PublishError::Type);
        }
        let mut json = Vec::with_capacity(128);
        match &update.revise {
            Some(revise) => revise(payload, &mut json)
                .map_err(|failure| PublishError::Refused(failure.to_string()))?,
            None => encode(payload, &mut json).map_err(PublishError::Payload)?,
        }
        if update.wraps {
            let topic = topic.ok_or(PublishError::Topic(TopicError::Empty))?;
            return Ok(frame(&Wrapped { kind, topic, payload: &json }));
        }
        // No JSON is empty: that is a handler without a result.
        let payload = Some(&*json).filter(|json| !json.is_empty());
        Ok(frame(&Message { kind, topic, payload, id: None }))
    }

    /// Encodes what a topic's listeners are told about the fault that has ended it as a whole frame. None:
    /// the topic is of no route.
    pub fn fault(&self, topic: &str, fault: Fault) -> Option<Vec<u8>> {
        self.report(topic, fault, false)
    }

    pub(crate) fn report(&self, topic: &str, fault: Fault, recoverable: bool) -> Option<Vec<u8>> {
        let Fault { code, message, retry_after } = fault;
        let retry_after_ms = retry_after.map(|time| time.as_millis() as u64);
        let report = Report { topic: topic.into(), code, message, recoverable, retry_after_ms };
        self.update(Some(topic), &self.route(topic)?.error, &report).ok()
    }

    /// As the topic's route has it for an update of this kind.
    pub(crate) fn treatment(&self, topic: &str, kind: &str) -> Treatment {
        self.route(topic).map_or(Treatment::default(), |route| Treatment {
            keep: route.retains && route.update == kind,
            policy: route.slow_consumer,
        })
    }

    /// Whether a topic's last update is kept for who comes.
    pub fn retains(&self, topic: &str) -> bool {
        self.route(topic).is_some_and(|route| route.retains)
    }

    /// How long a topic's service waits for somebody to come back.
    pub fn linger(&self, topic: &str) -> Duration {
        self.route(topic).map_or(Duration::ZERO, |route| route.linger)
    }

    /// The names of the topic routes with a service.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.routes.iter().filter(|route| route.serves).map(|route| &*route.name)
    }

    /// Which of [`services`](Self::services) runs behind this topic.
    pub fn service(&self, topic: &str) -> Option<usize> {
        let route = self.route(topic)?;
        self.services().position(|name| name == route.name)
    }

    /// The topic route that this topic belongs to.
    pub(crate) fn route(&self, topic: &str) -> Option<&Route> {
        let first = topic.split(':').next().expect("a split has a first part");
        self.routes.iter().find(|route| route.name == first)
    }

    pub(crate) fn state<S: Send + Sync + 'static>(&self) -> Option<Arc<S>> {
        self.states.get(&TypeId::of::<S>())?.clone().downcast().ok()
    }
}

fn frame(message: &impl Encode) -> Vec<u8> {
    let len = message.len();
    let head = Head::new(Opcode::Text, len, None);
    let mut frame = Vec::with_capacity(head.as_slice().len() + len);
    frame.extend_from_slice(head.as_slice());
    message.write(&mut frame).expect("a Vec grows");
    frame
}

/// Why an update was not published. Nobody has got it, but for [`Full`](Self::Full).
///
/// ```
/// use fastws_core::declared::PublishError;
/// use fastws_core::{api::Api, router::Router};
///
/// let router = Router::new().recv::<f64>("price");
/// let catalog = Api::new("Prices", "1.0.0").include(router).build()?;
/// let error = |topic: &str, kind: &str| {
///     catalog.declared().update(Some(topic), kind, &"1.5").expect_err("a price is a number")
/// };
/// assert!(matches!(error("prices", "price"), PublishError::Type));
/// assert!(matches!(error("prices", "rate"), PublishError::Unknown));
/// assert!(matches!(error("", "price"), PublishError::Topic(_)));
/// # Ok::<(), fastws_core::api::BuildError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum PublishError {
    /// No `recv` operation has this full type.
    Unknown,
    /// The `recv` operation is declared with another payload type.
    Type,
    /// The topic's name cannot be one.
    Topic(TopicError),
    /// The payload does not serialize, or its handler does not take it.
    Payload(serde_json::Error),
    /// The `recv` operation's handler refused it, with these words.
    Refused(String),
    /// A shard's inbox is full; its listeners have not got it.
    Full,
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => {
                f.write_str("no `recv` operation has this type: declare it with `Router::recv`")
            }
            Self::Type => f.write_str("the `recv` operation is declared with another payload type"),
            Self::Topic(error) => error.fmt(f),
            Self::Payload(error) => write!(f, "the payload cannot be encoded: {error}"),
            Self::Refused(words) => {
                write!(f, "the `recv` handler refused the payload: {words}")
            }
            Self::Full => f.write_str("a shard takes no more updates at the moment"),
        }
    }
}

impl core::error::Error for PublishError {}

#[cfg(test)]
mod tests {
    use crate::api::Api;
    use crate::respond::Refused;
    use crate::router::Router;
    use alloc::string::{String, ToString};

    fn said<T: serde::Serialize + 'static>(router: Router, payload: &T) -> Result<String, String> {
        let catalog = Api::new("", "").include(router).build().expect("the API has no mistake");
        let frame = catalog.declared().update(Some("prices"), "price", payload);
        // A short text frame has a head of two bytes.
        frame
            .map(|frame| String::from_utf8(frame[2..].to_vec()).expect("it is text"))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_recv_handler_changes_what_is_published_or_refuses_it() {
        fn sane(price: f64) -> Result<String, Refused> {
            if price.is_finite() { Ok(price.to_string()) } else { Err("no price".into()) }
        }
        let router = || Router::new().recv_with("price", sane);
        let update = r#"{"type":"price","topic":"prices","payload":"1.5"}"#;
        assert_eq!(said(router(), &1.5), Ok(update.into()));
        let refused = "the `recv` handler refused the payload: no price";
        assert_eq!(said(router(), &f64::NAN), Err(refused.into()));
    }

    #[test]
    fn a_recv_handler_without_a_result_leaves_no_payload() {
        let router = Router::new().recv_with("price", |_: f64| ());
        assert_eq!(said(router, &1.5), Ok(r#"{"type":"price","topic":"prices"}"#.into()));
    }
}
