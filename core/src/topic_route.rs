//! A family of topics with typed requests and updates: subscribe, unsubscribe, update. Knows no listener.

use crate::canonical::{Style, canonical};
use crate::client::Client;
use crate::declared::{Report, Route};
use crate::desk::{Feed, Local};
use crate::extract::Payload;
use crate::pace::Rule;
use crate::payload::{Cloned, Incoming, Outgoing};
use crate::respond::{Fault, Refused};
use crate::router::{Channel, Router};
use crate::service::{Begun, Updates};
use crate::time::Duration;
use crate::topic;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

type PartsOf<Request> = Arc<dyn Fn(&Request) -> Vec<String> + Send + Sync>;
type Extra<Request> = Arc<dyn Fn(&Request) -> Map<String, Value> + Send + Sync>;
type Start<Request, Update> =
    Arc<dyn Fn(Request, Updates<Update>) -> Local<Result<Local<Fault>, Refused>> + Send + Sync>;

/// Topics under one name. `bars` brings `bars.subscribe`, `bars.unsubscribe` and `bars.update`.
///
/// A topic is the route's name and the parts that are made of a request, joined by colons:
/// `bars:AAPL:1`. Its service starts with the first listener on the whole server, may refuse, and is
/// dropped after the last has left.
///
/// ```
/// use fastws_core::time::Duration;
/// use fastws_core::topic_route::{Params, TopicRoute};
/// use fastws_core::payload;
///
/// #[payload]
/// struct Request { symbol: String, #[serde(default)] params: Params }
/// #[payload]
/// struct Bar { close: f64 }
///
/// let bars = TopicRoute::<Request, Bar>::new("bars")
///     .topic(|request| [request.symbol.clone(), request.params.text("resolution", "1")])
///     .service(async |request, updates| {
///         if request.symbol != "AAPL" {
///             return Err("no such symbol".into());
///         }
///         Ok(async move {
///             loop {
///                 updates.publish(&Bar { close: 189.5 });
///                 updates.sleep(Duration::from_secs(1)).await;
///             }
///         })
///     });
/// ```
pub struct TopicRoute<Request, Update> {
    name: String,
    update: String,
    doc: String,
    parameters: Vec<(String, String)>,
    parts: PartsOf<Request>,
    extra: Extra<Request>,
    start: Option<Start<Request, Update>>,
    pace: Option<Rule<Update>>,
    retains: bool,
}

impl<Request, Update> Clone for TopicRoute<Request, Update> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            update: self.update.clone(),
            doc: self.doc.clone(),
            parameters: self.parameters.clone(),
            parts: self.parts.clone(),
            extra: self.extra.clone(),
            start: self.start.clone(),
            pace: self.pace.clone(),
            retains: self.retains,
        }
    }
}

impl<Request, Update> TopicRoute<Request, Update>
where
    Request: Incoming + Cloned + 'static,
    Update: Outgoing,
{
    /// A route whose only topic is its name.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            update: "update".into(),
            doc: String::new(),
            parameters: Vec::new(),
            parts: Arc::new(|_| Vec::new()),
            extra: Arc::new(|_| Map::new()),
            start: None,
            pace: None,
            retains: false,
        }
    }

    /// The topic's parts after the route's name. A part that is empty or has a colon is refused.
    pub fn topic<P: Parts>(
        mut self,
        parts: impl Fn(&Request) -> P + Send + Sync + 'static,
    ) -> Self {
        self.parts = Arc::new(move |request| parts(request).parts());
        self
    }

    /// Says what people should know about the topics, in Markdown.
    pub fn doc(mut self, text: &str) -> Self {
        self.doc = text.into();
        self
    }

    /// Names and describes the parts of a topic behind the route's name, for the documentation.
    pub fn parameters<'p>(mut self, parts: impl IntoIterator<Item = (&'p str, &'p str)>) -> Self {
        let parts = parts.into_iter();
        self.parameters = parts.map(|(name, text)| (name.into(), text.into())).collect();
        self
    }

    /// The name of the updates, `update` by default.
    pub fn update(mut self, name: &str) -> Self {
        self.update = name.into();
        self
    }

    /// Members that both responses carry besides `status`, `message` and `topic`; an object.
    pub fn respond_with<E: Serialize>(
        mut self,
        extra: impl Fn(&Request) -> E + Send + Sync + 'static,
    ) -> Self {
        self.extra = Arc::new(move |request| match serde_json::to_value(extra(request)) {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        });
        self
    }

    /// What runs while somebody listens: an `async fn` of a request and its [`Updates`]. One that has
    /// to start before the first subscriber is answered, or may refuse, yields a `Result` with the
    /// future that then runs, within 10 seconds.
    pub fn service<S, R>(mut self, service: S) -> Self
    where
        // The compiler quotes the next line to whoever passes something else.
        S: AsyncFn(Request, Updates<Update>) -> R + Send + Sync + 'static, // write an `async fn` of these two
        R: Begun,
    {
        let service = Arc::new(service);
        self.start = Some(Arc::new(move |request, updates| {
            let service = service.clone();
            let paced = updates.clone();
            let begun = async move { service(request, updates).await.run() };
            Box::pin(async move {
                let run: Local<Fault> = match R::STARTS {
                    true => begun.await?,
                    false => Box::pin(async {
                        begun.await.expect("what has nothing to start refuses nothing").await
                    }),
                };
                Ok(Box::pin(paced.pace(run)) as Local<Fault>)
            })
        }));
        self
    }

    /// Who comes to a topic gets its last update right after the reply, whoever has published it. It is
    /// kept while anybody listens to the topic, in each shard's memory; publishing then takes a lock
    /// that all shards share.
    pub fn retain_last(mut self) -> Self {
        self.retains = true;
        self
    }

    /// The topic that a request names.
    pub fn topic_of(&self, request: &Request) -> Result<String, Refused> {
        let parts = (self.parts)(request);
        Ok(topic::join(
            core::iter::once(self.name.as_str()).chain(parts.iter().map(String::as_str)),
        )?)
    }

    /// Subscribes a client, for handlers that do more than `subscribe` does, and yields the topic. It
    /// waits until the topic's service has started.
    pub async fn subscribe(&self, client: &Client, request: &Request) -> Result<String, Refused> {
        let topic = self.topic_of(request)?;
        match &self.start {
            None => client.subscribe(&topic)?,
            Some(start) => {
                let (start, request) = (start.clone(), request.clone());
                let pace = self.pace.clone();
                let start = move |feed: Feed| start(request, Updates::new(feed, pace));
                client.subscribe_with(&topic, Box::new(start)).await?;
            }
        }
        Ok(topic)
    }

    /// Sends at most one of a service's updates in this time: the first at once, and then the newest when
    /// the time is over. Each topic has a pace of its own.
    ///
    /// ```
    /// # use fastws_core::{payload, time::Duration, topic_route::TopicRoute};
    /// #[payload]
    /// struct Tick { price: f64 }
    ///
    /// let ticks = TopicRoute::<(), Tick>::new("ticks")
    ///     .at_most_every(Duration::from_secs(1))
    ///     .only_if(|last, new| (new.price - last.price).abs() >= 0.01 * last.price);
    /// ```
    pub fn at_most_every(mut self, time: Duration) -> Self
    where
        Update: Clone,
    {
        self.pace.get_or_insert_default().interval = time;
        self
    }

    /// Sends a service's update only if it is worth it after the last one that was sent; the first is.
    /// One that is not worth it takes the place of one that waits for its time all the same, since
    /// that one is not the newest any more.
    pub fn only_if(
        mut self,
        worth: impl Fn(&Update, &Update) -> bool + Send + Sync + 'static,
    ) -> Self
    where
        Update: Clone,
    {
        self.pace.get_or_insert_default().worth = Arc::new(worth);
        self
    }

    fn response(&self, request: &Request, result: Result<&str, Refused>) -> Response {
        let topic = self.topic_of(request).unwrap_or_default();
        let (status, message) = match result {
            Ok(verb) => ("ok", format!("{verb} {topic}")),
            Err(refused) => ("error", refused.to_string()),
        };
        Response { status, extra: (self.extra)(request), message, topic }
    }
}

impl<Request, Update> From<TopicRoute<Request, Update>> for Router
where
    Request: Incoming + Cloned + 'static,
    Update: Outgoing,
{
    fn from(route: TopicRoute<Request, Update>) -> Self {
        let mut router = Router::new()
            .prefix(&format!("{}.", route.name))
            .recv::<Update>(&route.update)
            .doc(&format!("An update of a topic of `{}`.", route.name))
            .recv::<Report>("error")
            .doc(&format!("Something is wrong with a topic of `{}`, or it has ended.", route.name));
        router.routes.push(Route {
            name: route.name.clone(),
            update: route.update.clone(),
            error: "error".into(),
            serves: route.start.is_some(),
            retains: route.retains,
        });
        for operation in &mut router.operations {
            operation.channel = Some(route.name.clone());
        }
        router.channels.push(Channel {
            name: route.name.clone(),
            doc: route.doc.clone(),
            parameters: route.parameters.clone(),
        });
        let said = [
            format!("Subscribes to a topic of `{}`.\n\n{}", route.name, route.doc),
            format!("Ends a subscription to a topic of `{}`.", route.name),
        ];
        let (on, off) = (route.clone(), route.clone());
        router = match route.start {
            Some(_) => {
                let on = Arc::new(on);
                router.send(
                    "subscribe",
                    "subscribe.response",
                    move |Payload(request): Payload<Request>, client: Client| {
                        let on = on.clone();
                        async move {
                            let result = on.subscribe(&client, &request).await;
                            on.response(&request, result.map(|_| "Subscribed to"))
                        }
                    },
                )
            }
            None => router.send(
                "subscribe",
                "subscribe.response",
                move |Payload(request): Payload<Request>, client: Client| {
                    let result = on.topic_of(&request).and_then(|topic| client.subscribe(topic));
                    on.response(&request, result.map(|()| "Subscribed to"))
                },
            ),
        };
        let router = router.doc(&said[0]);
        router
            .send(
                "unsubscribe",
                "unsubscribe.response",
                move |Payload(request): Payload<Request>, client: Client| {
                    let result = off.topic_of(&request).map(|topic| client.unsubscribe(topic));
                    off.response(&request, result.map(|()| "Unsubscribed from"))
                },
            )
            .doc(&said[1])
    }
}

/// The parts of a topic's name: any list of strings, such as an array.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no list of a topic's parts",
    label = "write `[text]` for a single `text`, each part as a `String`"
)]
pub trait Parts {
    /// As a list.
    fn parts(self) -> Vec<String>;
}

impl<P: IntoIterator<Item = String>> Parts for P {
    fn parts(self) -> Vec<String> {
        self.into_iter().collect()
    }
}

struct Response {
    status: &'static str,
    extra: Map<String, Value>,
    message: String,
    topic: String,
}

impl Serialize for Response {
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

impl JsonSchema for Response {
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
