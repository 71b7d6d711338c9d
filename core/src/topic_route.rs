//! A family of topics with typed requests and updates: subscribe, unsubscribe, update. Knows no listener.

use crate::canonical::{Style, canonical};
use crate::client::Client;
use crate::config::SlowConsumer;
use crate::declared::{Report, Route};
use crate::desk::{Feed, Local};
use crate::extract::Payload;
use crate::pace::Rule;
use crate::payload::{Cloned, Incoming, Outgoing};
use crate::respond::{Fault, Refused, Reply, SchemaOf};
use crate::router::{Channel, Role, Router};
use crate::service::{Begun, Updates};
use crate::subscription::Extended;
pub use crate::subscription::{Params, SubscriptionResponse};
use crate::time::Duration;
use crate::topic::{self, MAX_TOPIC};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::TypeId;
use schemars::SchemaGenerator;
use serde::Serialize;
use serde_json::{Map, Value};

type Naming<Request> = Arc<dyn Fn(&str, &Request) -> Result<String, Refused> + Send + Sync>;
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
/// let request = Request { symbol: "AAPL".into(), params: Params::default() };
/// assert_eq!(bars.topic_of(&request).as_deref(), Ok("bars:AAPL:1"));
/// ```
#[must_use = "a route does nothing until an API includes it"]
pub struct TopicRoute<Request, Update> {
    name: String,
    update: String,
    doc: String,
    parameters: Vec<(String, String)>,
    naming: Naming<Request>,
    extra: Extra<Request>,
    /// What both responses look like.
    response: SchemaOf,
    start: Option<Start<Request, Update>>,
    pace: Option<Rule<Update>>,
    retains: bool,
    wraps: bool,
    slow_consumer: Option<SlowConsumer>,
    linger: Duration,
}

impl<Request, Update> Clone for TopicRoute<Request, Update> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            update: self.update.clone(),
            doc: self.doc.clone(),
            parameters: self.parameters.clone(),
            naming: self.naming.clone(),
            extra: self.extra.clone(),
            response: self.response,
            start: self.start.clone(),
            pace: self.pace.clone(),
            retains: self.retains,
            wraps: self.wraps,
            slow_consumer: self.slow_consumer,
            linger: self.linger,
        }
    }
}

impl<Request, Update> TopicRoute<Request, Update>
where
    Request: Incoming + Cloned + 'static,
    Update: Outgoing,
{
    /// A route whose only topic is its name.
    ///
    /// ```
    /// use fastws_core::topic_route::TopicRoute;
    /// let status = TopicRoute::<(), String>::new("status");
    /// assert_eq!(status.topic_of(&()).as_deref(), Ok("status"));
    /// ```
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            update: "update".into(),
            doc: String::new(),
            parameters: Vec::new(),
            naming: Arc::new(|name, _| Ok(topic::join([name])?)),
            extra: Arc::new(|_| Map::new()),
            response: SchemaGenerator::subschema_for::<SubscriptionResponse>,
            start: None,
            pace: None,
            retains: false,
            wraps: false,
            slow_consumer: None,
            linger: Duration::ZERO,
        }
    }

    /// The topic's parts after the route's name: one `String`, an array or a `Vec` of them. A part that is
    /// empty or has a colon is refused.
    ///
    /// ```
    /// use fastws_core::topic_route::TopicRoute;
    /// let quotes = TopicRoute::<Vec<String>, f64>::new("quotes").topic(|symbols| symbols.clone());
    /// assert_eq!(quotes.topic_of(&vec!["AAPL".into(), "NMS".into()]).as_deref(), Ok("quotes:AAPL:NMS"));
    /// let refused = quotes.topic_of(&vec!["AAPL:NMS".into()]).unwrap_err();
    /// assert_eq!(refused.to_string(), "part 1 of the topic contains `:`, which separates parts");
    /// ```
    pub fn topic<P: Parts>(
        mut self,
        parts: impl Fn(&Request) -> P + Send + Sync + 'static,
    ) -> Self {
        self.naming = Arc::new(move |name, request| {
            let parts = parts(request);
            let parts = parts.parts().iter().map(String::as_str);
            Ok(topic::join(core::iter::once(name).chain(parts))?)
        });
        self
    }

    /// Makes the topic of the route's name and the whole request in its canonical form, such as
    /// `candles:{"resolution":"1","symbol":"AAPL"}`; equal requests have one topic.
    ///
    /// ```
    /// use fastws_core::canonical::Style;
    /// use fastws_core::topic_route::{Params, TopicRoute};
    ///
    /// let candles = TopicRoute::<Params, f64>::new("candles").canonical(Style::default());
    /// let params = |text| serde_json::from_str(text).expect("these are parameters");
    /// let topic = candles.topic_of(&params(r#"{"symbol": "AAPL", "resolution": 1}"#));
    /// assert_eq!(topic, candles.topic_of(&params(r#"{"resolution": "1", "symbol": "AAPL"}"#)));
    /// assert_eq!(topic.as_deref(), Ok(r#"candles:{"resolution":"1","symbol":"AAPL"}"#));
    /// ```
    pub fn canonical(self, style: Style) -> Self
    where
        Request: Serialize,
    {
        self.canonical_of(style, Request::clone)
    }

    /// The same with what is made of the request, such as a part of it or its defaults filled in.
    ///
    /// ```
    /// # use fastws_core::{canonical::Style, payload, topic_route::{Params, TopicRoute}};
    /// #[payload]
    /// struct Request { symbol: String, #[serde(default)] params: Params }
    /// #[payload]
    /// struct Topic { symbol: String, resolution: String }
    ///
    /// let candles = TopicRoute::<Request, f64>::new("candles").canonical_of(
    ///     Style::default(),
    ///     |request| Topic {
    ///         symbol: request.symbol.clone(),
    ///         resolution: request.params.text("resolution", "1"),
    ///     },
    /// );
    /// let request = Request { symbol: "AAPL".into(), params: Params::default() };
    /// let topic = candles.topic_of(&request).unwrap();
    /// assert_eq!(topic, r#"candles:{"resolution":"1","symbol":"AAPL"}"#);
    /// ```
    pub fn canonical_of<P: Serialize>(
        mut self,
        style: Style,
        parameters: impl Fn(&Request) -> P + Send + Sync + 'static,
    ) -> Self {
        self.naming = Arc::new(move |name, request| {
            let text = canonical(style, &parameters(request));
            let text = text.map_err(|error| Refused::new(error.to_string()))?;
            let topic = format!("{name}:{text}");
            topic::check(&topic, MAX_TOPIC)?;
            Ok(topic)
        });
        self
    }

    /// Says what people should know about the topics, in Markdown.
    pub fn doc(mut self, text: &str) -> Self {
        self.doc = text.into();
        self
    }

    /// Names and describes the parts of a topic behind the route's name, for the documentation.
    ///
    /// ```
    /// # use fastws_core::{api::Api, topic_route::TopicRoute};
    /// let bars = TopicRoute::<[String; 2], f64>::new("bars")
    ///     .doc("Closing prices.")
    ///     .topic(|request| request.clone())
    ///     .parameters([("symbol", "Such as `AAPL`."), ("resolution", "Minutes, such as `1`.")]);
    /// let catalog = Api::new("Bars", "1.0.0").include(bars).build()?;
    /// let document = catalog.asyncapi("3.0.0", "/ws").expect("the version is known");
    /// assert!(document.contains("bars:{symbol}:{resolution}"));
    /// # Ok::<(), fastws_core::api::BuildError>(())
    /// ```
    pub fn parameters<'p>(mut self, parts: impl IntoIterator<Item = (&'p str, &'p str)>) -> Self {
        let parts = parts.into_iter();
        self.parameters = parts.map(|(name, text)| (name.into(), text.into())).collect();
        self
    }

    /// The name of the updates, `update` by default.
    ///
    /// ```
    /// # use fastws_core::{api::Api, declared::PublishError, topic_route::TopicRoute};
    /// let alerts = TopicRoute::<(), String>::new("alerts").update("alert");
    /// let catalog = Api::new("Alerts", "1.0.0").include(alerts).build()?;
    /// let declared = catalog.declared();
    /// assert!(declared.update(Some("alerts"), "alerts.alert", &String::from("rain")).is_ok());
    /// let unknown = declared.update(Some("alerts"), "alerts.update", &String::from("rain"));
    /// assert!(matches!(unknown, Err(PublishError::Unknown)));
    /// # Ok::<(), fastws_core::api::BuildError>(())
    /// ```
    pub fn update(mut self, name: &str) -> Self {
        self.update = name.into();
        self
    }

    /// Members that both responses carry besides `status`, `message` and `topic`; an object, whose type
    /// is a `#[payload]`, so that the documentation knows them.
    ///
    /// The example is at [`response`](Self::response).
    pub fn respond_with<E: Outgoing>(
        mut self,
        extra: impl Fn(&Request) -> E + Send + Sync + 'static,
    ) -> Self {
        self.extra = Arc::new(move |request| match serde_json::to_value(extra(request)) {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        });
        self.response = SchemaGenerator::subschema_for::<Extended<E>>;
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
    ///
    /// ```
    /// # use fastws_core::{api::Api, topic_route::TopicRoute};
    /// let status = TopicRoute::<(), String>::new("status").retain_last();
    /// let catalog = Api::new("Status", "1.0.0").include(status).build()?;
    /// assert!(catalog.declared().retains("status"));
    /// # Ok::<(), fastws_core::api::BuildError>(())
    /// ```
    pub fn retain_last(mut self) -> Self {
        self.retains = true;
        self
    }

    /// What becomes of the topics' updates where a reader is too slow for them, whoever has published
    /// them; without it, what the server's [`Config`](crate::config::Config) says. The route's errors are
    /// never dropped.
    ///
    /// ```
    /// # use fastws_core::{config::SlowConsumer, topic_route::TopicRoute};
    /// // An old price is worth nothing, and each order counts.
    /// let prices = TopicRoute::<(), f64>::new("prices").slow_consumer(SlowConsumer::Latest);
    /// let orders = TopicRoute::<(), u64>::new("orders").slow_consumer(SlowConsumer::Close);
    /// ```
    pub fn slow_consumer(mut self, policy: SlowConsumer) -> Self {
        self.slow_consumer = Some(policy);
        self
    }

    /// Names the topic inside an update's payload instead of beside it, for clients whose handlers see
    /// only payloads: `{"type":"bars.update","payload":{"topic":"bars:AAPL:1","payload":{"close":189.5}}}`.
    /// The payloads of the route's errors and gaps have a `topic` in any case. Such an update belongs to a
    /// topic and cannot be broadcast.
    ///
    /// ```
    /// # use fastws_core::{api::Api, topic_route::TopicRoute};
    /// let bars = TopicRoute::<(), f64>::new("bars").topic_in_payload();
    /// let catalog = Api::new("Bars", "1.0.0").include(bars).build().expect("it has no mistake");
    /// let frame = catalog.declared().update(Some("bars"), "bars.update", &189.5)?;
    /// assert!(frame.ends_with(br#"{"type":"bars.update","payload":{"topic":"bars","payload":189.5}}"#));
    /// # Ok::<(), fastws_core::declared::PublishError>(())
    /// ```
    pub fn topic_in_payload(mut self) -> Self {
        self.wraps = true;
        self
    }

    /// The topic that a request names.
    ///
    /// # Errors
    /// What a client reads whose request makes no name: a part that is empty or has a colon, or more than
    /// [`MAX_TOPIC`] bytes.
    pub fn topic_of(&self, request: &Request) -> Result<String, Refused> {
        (self.naming)(&self.name, request)
    }

    /// Subscribes a client, for handlers that do more than `subscribe` does, and yields the topic. It
    /// waits until the topic's service has started.
    ///
    /// # Errors
    /// What a client reads: a request without a topic, one topic more than the connection may have, or
    /// what the service has refused with. The wish is not made then.
    ///
    /// ```
    /// use fastws_core::api::Api;
    /// use fastws_core::client::Client;
    /// use fastws_core::extract::{Payload, State};
    /// use fastws_core::router::Router;
    /// use fastws_core::topic_route::{SubscriptionResponse, TopicRoute};
    /// use fastws_core::{payload, send};
    ///
    /// #[payload]
    /// struct Symbol { symbol: String }
    ///
    /// type Bars = TopicRoute<Symbol, f64>;
    ///
    /// /// Subscribes to one symbol in the place of another one.
    /// #[send("switch", reply = "switch.response")]
    /// async fn switch(
    ///     Payload([from, to]): Payload<[Symbol; 2]>,
    ///     bars: State<Bars>,
    ///     client: Client,
    /// ) -> SubscriptionResponse {
    ///     if let Ok(topic) = bars.topic_of(&from) {
    ///         client.unsubscribe(topic);
    ///     }
    ///     let result = bars.subscribe(&client, &to).await;
    ///     bars.response(&to, result.map(|topic| format!("Switched to {topic}")))
    /// }
    ///
    /// let bars = Bars::new("bars")
    ///     .topic(|Symbol { symbol }| symbol.clone())
    ///     .service(async |_, updates| updates.publish(&189.5));
    /// // The route that is included is what `State<Bars>` holds.
    /// let api = Api::new("Bars", "1.0.0").include(bars).include(Router::new().include(switch));
    /// assert!(api.build().is_ok());
    /// ```
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

    /// How long a service that has started runs on for nobody, so that who leaves and comes back, as a
    /// page does that is loaded again, does not start it afresh. Zero by default; a server that ends
    /// waits for nobody.
    ///
    /// ```
    /// # use fastws_core::{api::Api, time::Duration, topic_route::TopicRoute};
    /// let bars = TopicRoute::<(), f64>::new("bars").linger(Duration::from_secs(5));
    /// let catalog = Api::new("Bars", "1.0.0").include(bars).build()?;
    /// assert_eq!(catalog.declared().linger("bars"), Duration::from_secs(5));
    /// # Ok::<(), fastws_core::api::BuildError>(())
    /// ```
    pub fn linger(mut self, time: Duration) -> Self {
        self.linger = time;
        self
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
    ///
    /// The example is at [`at_most_every`](Self::at_most_every).
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

    /// Subscribes a client to all of these or to none, and yields the topics. Of those that are not refused
    /// where another one is, the client hears nothing.
    ///
    /// # Errors
    /// Those of [`subscribe`](Self::subscribe), of the first that is refused.
    ///
    /// ```
    /// # use fastws_core::{api::Api, client::Client, extract::{Payload, State}, router::Router};
    /// # use fastws_core::{send, topic_route::TopicRoute};
    /// type Quotes = TopicRoute<String, f64>;
    ///
    /// #[send("watchlist", reply = "watchlist.response")]
    /// async fn watch(
    ///     Payload(symbols): Payload<Vec<String>>,
    ///     quotes: State<Quotes>,
    ///     client: Client,
    /// ) -> Vec<String> {
    ///     quotes.subscribe_all(&client, symbols).await.unwrap_or_default()
    /// }
    ///
    /// let quotes = Quotes::new("quotes").topic(String::clone);
    /// let api = Api::new("Quotes", "1.0.0").include(quotes).include(Router::new().include(watch));
    /// assert!(api.build().is_ok());
    /// ```
    pub async fn subscribe_all(
        &self,
        client: &Client,
        requests: impl IntoIterator<Item = Request>,
    ) -> Result<Vec<String>, Refused> {
        let mut topics: Vec<String> = Vec::new();
        for request in requests {
            match self.subscribe(client, &request).await {
                Ok(topic) => topics.push(topic),
                Err(refused) => {
                    topics.iter().for_each(|topic| client.withdraw(topic));
                    return Err(refused);
                }
            }
        }
        Ok(topics)
    }

    /// What `subscribe` and `unsubscribe` answer with, for handlers that subscribe themselves: a message
    /// of their own, or why not.
    ///
    /// ```
    /// # use fastws_core::{payload, respond::Refused, topic_route::TopicRoute};
    /// #[payload]
    /// struct Symbol { symbol: String }
    ///
    /// let quotes = TopicRoute::<Symbol, f64>::new("quotes")
    ///     .topic(|request| request.symbol.clone())
    ///     .respond_with(|request| request.clone());
    /// let request = Symbol { symbol: "AAPL".into() };
    /// let response = serde_json::to_string(&quotes.response(&request, Ok("Welcome")))?;
    /// let told = r#"{"status":"ok","symbol":"AAPL","message":"Welcome","topic":"quotes:AAPL"}"#;
    /// assert_eq!(response, told);
    /// let refused: Result<String, _> = Err(Refused::new("no such symbol"));
    /// let response = serde_json::to_value(quotes.response(&request, refused))?;
    /// assert_eq!(response["status"], "error");
    /// assert_eq!(response["message"], "no such symbol");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn response(
        &self,
        request: &Request,
        result: Result<impl Into<String>, Refused>,
    ) -> SubscriptionResponse {
        let (status, message) = match result {
            Ok(message) => ("ok", message.into()),
            Err(refused) => ("error", refused.to_string()),
        };
        let topic = self.topic_of(request).unwrap_or_default();
        SubscriptionResponse { status, extra: (self.extra)(request), message, topic }
    }
}

/// What a topic is made of besides its route's name.
///
/// [`TopicRoute::topic`] takes a function that makes it, where the examples are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the parts of a topic",
    label = "this function makes a topic of a request",
    note = "it returns a `String`, an array of them, or a `Vec<String>`"
)]
pub trait Parts {
    /// In the order of the topic's name.
    fn parts(&self) -> &[String];
}

impl Parts for String {
    fn parts(&self) -> &[String] {
        core::slice::from_ref(self)
    }
}

impl<const N: usize> Parts for [String; N] {
    fn parts(&self) -> &[String] {
        self
    }
}

impl Parts for Vec<String> {
    fn parts(&self) -> &[String] {
        self
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
        router.states.push((TypeId::of::<TopicRoute<Request, Update>>(), Arc::new(route.clone())));
        router.routes.push(Route {
            name: route.name.clone(),
            update: route.update.clone(),
            error: "error".into(),
            serves: route.start.is_some(),
            retains: route.retains,
            slow_consumer: route.slow_consumer,
            linger: route.linger,
        });
        for operation in &mut router.operations {
            operation.channel = Some(route.name.clone());
        }
        if let Role::Recv { update, .. } = &mut router.operations[0].role {
            update.wraps = route.wraps;
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
                            on.response(
                                &request,
                                result.map(|topic| format!("Subscribed to {topic}")),
                            )
                        }
                    },
                )
            }
            None => router.send(
                "subscribe",
                "subscribe.response",
                move |Payload(request): Payload<Request>, client: Client| {
                    let result = on.topic_of(&request).and_then(|topic| {
                        client.subscribe(&topic)?;
                        Ok(format!("Subscribed to {topic}"))
                    });
                    on.response(&request, result)
                },
            ),
        };
        router = router
            .doc(&said[0])
            .send(
                "unsubscribe",
                "unsubscribe.response",
                move |Payload(request): Payload<Request>, client: Client| {
                    let result = off.topic_of(&request).map(|topic| {
                        client.unsubscribe(&topic);
                        format!("Unsubscribed from {topic}")
                    });
                    off.response(&request, result)
                },
            )
            .doc(&said[1]);
        for operation in &mut router.operations {
            if let Role::Send { result, .. } = &mut operation.role {
                *result = Reply::Payload(route.response);
            }
        }
        router
    }
}
