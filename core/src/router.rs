//! Operations and their names, as the application declares them. Knows handlers, no connection.

use crate::declared::{Revise, Route, Update};
use crate::extract::{Context, Needs, Rejection};
use crate::gap::stem_len;
use crate::handler::{Handler, Ran};
use crate::payload::{Cloned, Outgoing};
use crate::respond::{Reply, Respond, SchemaOf};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::{Any, TypeId};
use schemars::{Schema, SchemaGenerator, json_schema};

pub(crate) type Run =
    Box<dyn Fn(&Context<'_>, &mut Vec<u8>) -> Result<Ran, Rejection> + Send + Sync>;

/// An operation, under its full name.
pub(crate) struct Operation {
    pub(crate) name: String,
    /// What people read about it, in Markdown.
    pub(crate) doc: String,
    pub(crate) tags: Vec<String>,
    /// The topic route that it belongs to.
    pub(crate) channel: Option<String>,
    pub(crate) role: Role,
}

pub(crate) enum Role {
    /// Clients send it.
    Send { reply: Option<String>, run: Run, needs: Needs, result: Reply },
    /// Clients receive it.
    Recv { update: Update, payload: SchemaOf },
    /// The server says it of its own accord, of a topic or as the answer to a request.
    Told { payload: SchemaOf, answers: bool },
}

/// A family of topics, as its documentation shows it.
pub(crate) struct Channel {
    pub(crate) name: String,
    pub(crate) doc: String,
    /// What the parts of its topics' names are, or nothing if there is one topic.
    pub(crate) parameters: Vec<(String, String)>,
}

/// A group of operations under one prefix.
///
/// ```
/// use fastws_core::extract::{Now, Payload};
/// use fastws_core::router::Router;
/// use fastws_core::{payload, send};
///
/// #[payload]
/// struct Ping { timestamp: i64 }
/// #[payload]
/// struct Pong { timestamp: i64, server_time: i64 }
///
/// /// Client pings, server pongs back.
/// #[send("ping", reply = "pong")]
/// fn ping(Payload(ping): Payload<Ping>, now: Now) -> Pong {
///     Pong { timestamp: ping.timestamp, server_time: now.unix_millis() }
/// }
///
/// // `simple.ping`, which is answered by `simple.pong`
/// let router = Router::new().prefix("simple.").include(ping);
///
/// // The same without the attribute, which leaves `hello` a plain function.
/// fn hello(Payload(name): Payload<String>) -> String {
///     format!("Hello, {name}")
/// }
/// let router = router.send("hello", "hello.response", hello).doc("Greets by name.");
/// ```
#[must_use = "a router does nothing until an API includes it"]
#[derive(Default)]
pub struct Router {
    pub(crate) prefix: String,
    pub(crate) tags: Vec<String>,
    pub(crate) operations: Vec<Operation>,
    pub(crate) routes: Vec<Route>,
    pub(crate) channels: Vec<Channel>,
    /// Topic routes that handlers may take as their state.
    pub(crate) states: Vec<(TypeId, Arc<dyn Any + Send + Sync>)>,
}

impl Router {
    /// A router without prefix and operations.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stands before the name of every operation and reply of this router, also of those declared
    /// before.
    ///
    /// ```
    /// use fastws_core::{api::Api, router::Router};
    /// let quotes = Router::new().send("last", "last.response", || 189.5).prefix("quotes.");
    /// let first = Router::new().prefix("v1.").include(quotes);
    /// let catalog = Api::new("Quotes", "1.0.0").include(first).build()?;
    /// assert!(catalog.find("v1.quotes.last").is_some());
    /// # Ok::<(), fastws_core::api::BuildError>(())
    /// ```
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix.insert_str(0, prefix);
        self
    }

    /// Groups the operations in the documentation.
    ///
    /// The example is at [`Api::tag`](crate::api::Api::tag).
    pub fn tags<'t>(mut self, tags: impl IntoIterator<Item = &'t str>) -> Self {
        self.tags.extend(tags.into_iter().map(String::from));
        self
    }

    /// An operation that clients send. `reply` is the reply's name, or `None` for no reply.
    ///
    /// The examples are at [`Router`]; what a handler may be says [`Handler`].
    pub fn send<'r, Shape, H: Handler<Shape>>(
        self,
        name: &str,
        reply: impl Into<Option<&'r str>>,
        handler: H,
    ) -> Self {
        let mut needs = Needs::default();
        H::require(&mut needs);
        let role = Role::Send {
            reply: reply.into().map(String::from),
            run: Box::new(move |context, payload| handler.run(context, payload)),
            needs,
            result: H::reply(),
        };
        self.declare(name, role)
    }

    /// An operation that clients receive: updates with a payload of this type.
    ///
    /// ```
    /// use fastws_core::{api::Api, payload, router::Router};
    ///
    /// #[payload]
    /// struct Quote { symbol: String, price: f64 }
    ///
    /// let router = Router::new().recv::<Quote>("quote").doc("A price, whenever it changes.");
    /// let catalog = Api::new("Quotes", "1.0.0").include(router).build()?;
    /// // It is received, not sent.
    /// assert_eq!(catalog.find("quote"), None);
    /// # Ok::<(), fastws_core::api::BuildError>(())
    /// ```
    pub fn recv<T: Outgoing>(self, name: &str) -> Self {
        let update = Update { payload: TypeId::of::<T>(), wraps: false, revise: None };
        self.declare(name, Role::Recv { update, payload: SchemaGenerator::subschema_for::<T> })
    }

    /// The same with a handler that may check and change each payload before it is published.
    ///
    /// ```
    /// use fastws_core::respond::Refused;
    /// use fastws_core::{api::Api, router::Router};
    ///
    /// /// Cents, or nothing.
    /// fn cents(price: f64) -> Result<i64, Refused> {
    ///     if price.is_finite() { Ok((price * 100.0).round() as i64) } else { Err("no price".into()) }
    /// }
    ///
    /// let catalog = Api::new("Prices", "1.0.0")
    ///     .include(Router::new().recv_with("price", cents))
    ///     .build()
    ///     .expect("the API has no mistake");
    /// let frame = catalog.declared().update(Some("prices"), "price", &1.5)?;
    /// assert!(frame.ends_with(br#"{"type":"price","topic":"prices","payload":150}"#));
    /// let refused = catalog.declared().update(Some("prices"), "price", &f64::NAN).unwrap_err();
    /// assert_eq!(refused.to_string(), "the `recv` handler refused the payload: no price");
    /// # Ok::<(), fastws_core::declared::PublishError>(())
    /// ```
    pub fn recv_with<T, R, K, F>(self, name: &str, handler: F) -> Self
    where
        T: Outgoing + Cloned,
        R: Respond<K>,
        F: Fn(T) -> R + Send + Sync + 'static,
    {
        let revise: Revise = Box::new(move |payload, json| {
            let payload = payload.downcast_ref::<T>().expect("the type was compared before");
            handler(payload.clone()).respond(json).map(drop)
        });
        let payload = match R::REPLY() {
            Reply::Payload(schema) => schema,
            _ => SchemaGenerator::subschema_for::<()>,
        };
        let update = Update { payload: TypeId::of::<T>(), wraps: false, revise: Some(revise) };
        self.declare(name, Role::Recv { update, payload })
    }

    fn declare(mut self, name: &str, role: Role) -> Self {
        let (name, doc, tags, channel) = (name.into(), String::new(), Vec::new(), None);
        self.operations.push(Operation { name, doc, tags, channel, role });
        self
    }

    /// Says what people should know about the operation that was declared last, in Markdown.
    ///
    /// Where an attribute declares it, the function's doc comment is that text.
    pub fn doc(mut self, text: &str) -> Self {
        if let Some(operation) = self.operations.last_mut() {
            operation.doc = text.into();
        }
        self
    }

    /// Takes over another router's operations, behind this router's prefix.
    pub fn include<Kind>(mut self, what: impl Include<Kind>) -> Self {
        let router = what.router();
        let full = |name: String| format!("{}{name}", router.prefix);
        for mut operation in router.operations {
            operation.name = full(operation.name);
            if let Role::Send { reply, .. } = &mut operation.role {
                *reply = reply.take().map(&full);
            }
            operation.tags.splice(0..0, router.tags.iter().cloned());
            self.operations.push(operation);
        }
        self.channels.extend(router.channels);
        self.states.extend(router.states);
        self.routes.extend(router.routes.into_iter().map(|route| Route {
            update: full(route.update),
            error: full(route.error),
            ..route
        }));
        self
    }

    /// Declares what the server says of its own accord: what tells of dropped updates, beside every kind of
    /// updates, and what tells why a request was not answered.
    pub(crate) fn declare_told(&mut self) {
        let mut gaps: BTreeMap<String, (&Option<String>, &Vec<String>)> = BTreeMap::new();
        for Operation { name, channel, tags, role, .. } in &self.operations {
            let is_error = self.routes.iter().any(|route| route.error == *name);
            if is_error || !matches!(role, Role::Recv { .. }) {
                continue;
            }
            let gap = gaps.entry(gap_of(name)).or_insert((channel, tags));
            // Under a route's prefix it is the route's.
            if gap.0.is_none() {
                *gap = (channel, tags);
            }
        }
        let told = gaps.into_iter().map(|(name, (channel, tags))| {
            let whose =
                channel.as_ref().map_or(String::new(), |channel| format!(" of `{channel}`"));
            Operation {
                name,
                doc: format!("Updates of a topic{whose} are missing here.\n\n{GAP}"),
                tags: tags.clone(),
                channel: channel.clone(),
                role: Role::Told { payload: gap, answers: false },
            }
        });
        let told: Vec<_> = told.collect();
        self.operations.extend(told);
        let role = Role::Told { payload: failed, answers: true };
        let (name, doc) = (String::from("error"), String::from(FAILED));
        self.operations.push(Operation { name, doc, tags: Vec::new(), channel: None, role });
    }
}

/// The type of what tells of dropped updates of this type.
fn gap_of(update: &str) -> String {
    format!("{}gap", &update[..stem_len(update.as_bytes())])
}

fn gap(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "topic": {"type": "string"},
            "dropped": {"type": "integer", "minimum": 1, "description": "How many are missing."},
        },
        "required": ["topic", "dropped"],
    })
}

fn failed(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "type": {
                "type": ["string", "null"],
                "description": "The request's, or null where it could not be read.",
            },
            "code": {"type": "integer", "description": "What the close would have said."},
            "message": {"type": "string", "description": "Why, as the close would have said it."},
        },
        "required": ["type", "code", "message"],
    })
}

/// What people should know about it.
const GAP: &str = "It stands in the place of the first of them. The server drops updates of clients \
    that read too slowly where the topic's route or the operator has it so; by default it closes their \
    connections instead, with 1008 `Slow consumer`.";
const FAILED: &str = "A request was not answered.\n\nIt could not be read, no operation has its type, \
    its payload does not fit, or its handler has failed. Servers say so where the operator has it so; by \
    default they close the connection instead.";

/// What can be included: a [`Router`], what becomes one, or a function that makes one, such as what
/// `#[send]` leaves of a handler.
///
/// ```
/// use fastws_core::router::Router;
/// use fastws_core::topic_route::TopicRoute;
/// use fastws_core::{api::Api, send};
///
/// #[send("ping", reply = "pong")]
/// fn ping() {}
///
/// fn rates() -> Router {
///     Router::new().prefix("rates.").send("last", "last.response", || 0.5)
/// }
///
/// let router = Router::new().include(ping).include(rates).include(TopicRoute::<(), f64>::new("quotes"));
/// let catalog = Api::new("Everything", "1.0.0").include(router).build()?;
/// for name in ["ping", "rates.last", "quotes.subscribe"] {
///     assert!(catalog.find(name).is_some());
/// }
/// # Ok::<(), fastws_core::api::BuildError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be included",
    label = "this is no operation, no `Router` and no `TopicRoute`",
    note = "put `#[send(\"subscribe\", reply = \"subscribe.response\")]` or `#[recv(\"alert\")]` on a handler, or declare it with `Router::send`"
)]
pub trait Include<Kind> {
    /// What is included.
    fn router(self) -> Router;
}

impl<T: Into<Router>> Include<Router> for T {
    fn router(self) -> Router {
        self.into()
    }
}

impl<F: FnOnce() -> Router> Include<fn() -> Router> for F {
    fn router(self) -> Router {
        self()
    }
}
