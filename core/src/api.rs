//! The application as its author puts it together. Mistakes are found here, before anybody connects.

use crate::asyncapi::{self, About};
use crate::authenticate::Authenticate;
use crate::catalog::{self, Catalog};
use crate::declared::Declared;
use crate::door::{HttpError, Visitor};
use crate::encode;
use crate::entrance::{Caller, Entrance};
use crate::envelope;
use crate::extract::Needs;
use crate::handler::Handler;
use crate::hooks::{Hooks, Subscriber};
use crate::ids::OperationId;
use crate::respond::Reply;
use crate::router::{Include, Operation, Role, Router};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::{Any, TypeId, type_name};
use core::fmt;
use serde_json::{Value, json};

/// An API: a title, a version, routers, and what their handlers share.
///
/// ```
/// use fastws_core::api::Api;
/// use fastws_core::router::Router;
///
/// let router = Router::new().prefix("simple.").send("hello", "hello.response", || "world");
/// assert!(Api::new("Greetings", "1.0.0").include(router).build().is_ok());
///
/// let nameless = Router::new().send("hello", None, || "world");
/// let error = Api::new("Greetings", "1.0.0").include(nameless).build().err().unwrap();
/// assert_eq!(
///     error.to_string(),
///     "operation `hello` returns a value but has no reply: name it, as `reply = \"..\"` in `#[send]` \
///      or as the second argument of `Router::send`, or return `()`",
/// );
/// ```
#[must_use = "an API does nothing until a server serves it"]
pub struct Api {
    about: About,
    router: Router,
    states: States,
    twice: Option<BuildError>,
    entrance: Entrance,
    hooks: Hooks,
}

type States = BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>;

impl Api {
    /// An API without operations.
    pub fn new(title: &str, version: &str) -> Self {
        let info = [("title", title), ("version", version)];
        let info = info.map(|(key, text)| (key.into(), text.into()));
        Self {
            about: About { info: info.into_iter().collect(), ..About::default() },
            router: Router::new(),
            states: BTreeMap::new(),
            twice: None,
            entrance: Entrance::default(),
            hooks: Hooks::default(),
        }
    }

    /// Says what the API is for, in Markdown.
    ///
    /// This and what follows is for the [AsyncAPI document](Catalog::asyncapi):
    ///
    /// ```
    /// use fastws_core::{api::Api, router::Router};
    ///
    /// let quotes = Router::new().tags(["quotes"]).send("last", "last.response", || 189.5);
    /// let catalog = Api::new("Quotes", "1.0.0")
    ///     .description("Prices as they change.")
    ///     .terms("https://example.org/terms")
    ///     .contact("Support", "https://example.org/support", "support@example.org")
    ///     .license("MIT", "https://example.org/license")
    ///     .server("production", "wss://api.example.org/ws")
    ///     .tag("quotes", "What is paid.")
    ///     .include(quotes)
    ///     .build()?;
    ///
    /// let document = catalog.asyncapi("3.0.0", "/ws").expect("the version is known");
    /// let document: serde_json::Value = serde_json::from_str(&document)?;
    /// assert_eq!(document["info"]["description"], "Prices as they change.");
    /// assert_eq!(document["info"]["contact"]["email"], "support@example.org");
    /// assert_eq!(document["servers"]["production"]["host"], "api.example.org");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn description(self, text: &str) -> Self {
        self.info("description", text.into())
    }

    /// Where the terms of service are.
    pub fn terms(self, url: &str) -> Self {
        self.info("termsOfService", url.into())
    }

    /// Whom to ask.
    pub fn contact(self, name: &str, url: &str, email: &str) -> Self {
        self.info("contact", json!({"name": name, "url": url, "email": email}))
    }

    /// What the API may be used under.
    pub fn license(self, name: &str, url: &str) -> Self {
        self.info("license", json!({"name": name, "url": url}))
    }

    fn info(mut self, key: &str, value: Value) -> Self {
        self.about.info.insert(key.into(), value);
        self
    }

    /// A server that offers the API, such as `wss://api.example.org/ws`, for the documentation.
    pub fn server(mut self, name: &str, url: &str) -> Self {
        let (protocol, rest) = url.split_once("://").unwrap_or(("ws", url));
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let server = json!({"host": host, "protocol": protocol, "pathname": format!("/{path}")});
        self.about.servers.insert(name.into(), server);
        self
    }

    /// Says what a tag of operations means.
    ///
    /// The example is at [`description`](Self::description).
    pub fn tag(mut self, name: &str, description: &str) -> Self {
        self.about.tags.insert(name.into(), description.into());
        self
    }

    /// Adds a router's operations, or a topic route's.
    pub fn include<Kind>(mut self, what: impl Include<Kind>) -> Self {
        self.router = self.router.include(what);
        self
    }

    /// Shares a value with all handlers that take [`State<S>`](crate::extract::State). A topic route that
    /// is included is shared already, if it is the only one of its type.
    ///
    /// The example is at [`State`](crate::extract::State).
    pub fn state<S: Send + Sync + 'static>(mut self, state: S) -> Self {
        if self.states.insert(TypeId::of::<S>(), Arc::new(state)).is_some() {
            self.twice = Some(BuildError::StateTwice { state: type_name::<S>() });
        }
        self
    }

    /// Asks this function about everybody who wants a connection, before it is opened. What it yields is
    /// the connection's own, for handlers that take [`Guest<S>`](crate::extract::Guest); an error is
    /// the response. It runs on the shard's thread and must not block; a panic in it is a 500.
    ///
    /// The example is at [`Visitor`].
    pub fn door<S: 'static>(
        mut self,
        door: impl Fn(&Visitor<'_>) -> Result<S, HttpError> + Send + Sync + 'static,
    ) -> Self {
        if !self.entrance.set_door(door) {
            self.twice = Some(BuildError::Again { method: "Api::door" });
        }
        self
    }

    /// Has this function read the first message of every connection, before anything else is answered.
    /// It takes [`FirstMessage`](crate::extract::FirstMessage); what it yields is the connection's own,
    /// for handlers that take [`Guest<S>`](crate::extract::Guest). Nothing is replied. An error, a
    /// binary message or 10 seconds without an outcome close with 1008 `Not authenticated`.
    ///
    /// ```
    /// use fastws_core::api::Api;
    /// use fastws_core::extract::FirstMessage;
    /// use fastws_core::respond::Close;
    ///
    /// async fn authenticate(FirstMessage(token): FirstMessage) -> Result<(), Close> {
    ///     if token == "secret" { Ok(()) } else { Err(Close::new(1008, "for the log only")) }
    /// }
    /// assert!(Api::new("Members", "1.0.0").authenticate(authenticate).build().is_ok());
    /// ```
    pub fn authenticate<Shape>(mut self, function: impl Authenticate<Shape>) -> Self {
        if !self.entrance.set_first(function) {
            self.twice = Some(BuildError::Again { method: "Api::authenticate" });
        }
        self
    }

    /// An operation over HTTP, for machines that publish: a `POST` of JSON to `path`, which a handler as
    /// any other answers. It is no connection: the handler takes `App`, but no `Client` and no `Guest`.
    ///
    /// What it returns is the response, with status 200, or 204 where that is nothing. A payload that does
    /// not fit is a 422, a failure a 500, a [`Close`](crate::respond::Close) a 400; each with `{"error": ...}`.
    ///
    /// ```
    /// use fastws_core::api::Api;
    /// use fastws_core::extract::Payload;
    /// use fastws_core::publisher::App;
    /// use fastws_core::declared::PublishError;
    /// use fastws_core::router::Router;
    ///
    /// async fn notify(Payload(text): Payload<String>, app: App) -> Result<usize, PublishError> {
    ///     Ok(app.publisher().broadcast("notification", &text)?.await)
    /// }
    /// let api = Api::new("News", "1.0.0")
    ///     .include(Router::new().recv::<String>("notification"))
    ///     .post("/notify", notify)
    ///     .bearer("secret");
    /// assert!(api.build().is_ok());
    /// ```
    pub fn post<Shape>(mut self, path: &str, handler: impl Handler<Shape>) -> Self {
        self.entrance.add_post(path, handler);
        self
    }

    /// The token that every `POST` has to bring, as `Authorization: Bearer`; others get 401.
    ///
    /// The example is at [`post`](Self::post).
    pub fn bearer(mut self, token: &str) -> Self {
        self.entrance.bearer = Some(token.into());
        self
    }

    /// Subprotocols that the API knows. A client that offers some gets the first of its own that is
    /// among them.
    ///
    /// ```
    /// use fastws_core::api::Api;
    /// use fastws_core::handshake::{Headers, read};
    ///
    /// let catalog = Api::new("Quotes", "1.0.0").protocols(["v1", "v2"]).build()?;
    /// let bytes = b"GET /ws HTTP/1.1\r\nSec-WebSocket-Protocol: v3, v2, v1\r\n\r\n";
    /// let mut headers = Headers::new();
    /// let request = read(bytes, 0, &mut headers)?.expect("the head has ended");
    /// assert_eq!(catalog.entrance().protocol(&request), Some("v2"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn protocols<'p>(mut self, names: impl IntoIterator<Item = &'p str>) -> Self {
        self.entrance.protocols.extend(names.into_iter().map(String::from));
        self
    }

    /// Has this function told of every subscription that begins, once each: who has subscribed, and to
    /// which topic. One that is refused, or is there already, does not begin.
    ///
    /// It runs on the shard's thread, before the connection's reply is written, and must not block. A
    /// panic in it is logged, and nothing else. An API without such functions pays nothing for them.
    ///
    /// ```
    /// use fastws_core::api::Api;
    /// use std::collections::HashMap;
    /// use std::sync::{Arc, Mutex};
    ///
    /// let audience = Arc::new(Mutex::new(HashMap::<String, u64>::new()));
    /// let (more, fewer) = (audience.clone(), audience);
    /// let api = Api::new("News", "1.0.0")
    ///     .on_subscribe(move |_, topic| {
    ///         *more.lock().unwrap().entry(topic.into()).or_default() += 1;
    ///     })
    ///     .on_unsubscribe(move |who, topic| {
    ///         println!("{} leaves {topic}", who.uid());
    ///         *fewer.lock().unwrap().entry(topic.into()).or_default() -= 1;
    ///     });
    /// assert!(api.build().is_ok());
    /// ```
    pub fn on_subscribe(
        mut self,
        hook: impl Fn(&Subscriber<'_>, &str) + Send + Sync + 'static,
    ) -> Self {
        if self.hooks.begun.replace(Box::new(hook)).is_some() {
            self.twice = Some(BuildError::Again { method: "Api::on_subscribe" });
        }
        self
    }

    /// The same for every subscription that ends, whatever ends it: the client, its connection, the
    /// topic or the server. What [`on_subscribe`](Self::on_subscribe) was told of is told of here once.
    pub fn on_unsubscribe(
        mut self,
        hook: impl Fn(&Subscriber<'_>, &str) + Send + Sync + 'static,
    ) -> Self {
        if self.hooks.ended.replace(Box::new(hook)).is_some() {
            self.twice = Some(BuildError::Again { method: "Api::on_unsubscribe" });
        }
        self
    }

    /// Checks everything that can be checked before anybody connects.
    ///
    /// # Errors
    /// The first mistake, as [`BuildError`] says it. The example is at [`Api`].
    pub fn build(mut self) -> Result<Catalog, BuildError> {
        if let Some(error) = self.twice {
            return Err(error);
        }
        if let Some((door, first)) = self.entrance.conflict() {
            return Err(BuildError::TwoGuests { door, first });
        }
        share(core::mem::take(&mut self.router.states), &mut self.states);
        self.router.declare_told();
        let document = asyncapi::document(self.about, &self.router);
        let Router { operations: declared, routes, .. } = self.router;
        let mut names: BTreeMap<&str, &'static str> = BTreeMap::new();
        let mut replies: BTreeMap<&str, &str> = BTreeMap::new();
        for Operation { name, role, .. } in &declared {
            let mut claim = |name, kind| {
                check_name(name)?;
                match names.insert(name, kind) {
                    None => Ok(()),
                    Some(first) => {
                        Err(BuildError::Twice { name: name.into(), first, second: kind })
                    }
                }
            };
            let (reply, needs, result) = match role {
                Role::Send { reply, needs, result, .. } => (reply, needs, result),
                Role::Recv { .. } => {
                    claim(name, "a `recv` operation")?;
                    continue;
                }
                Role::Told { .. } => {
                    claim(name, "a message of the server's own")?;
                    continue;
                }
            };
            claim(name, "a `send` operation")?;
            check_result(name, reply.is_some(), result)?;
            check_needs(&self.states, &self.entrance, name, needs, Caller::Member)?;
            if let Some(reply) = reply {
                if let Some(first) = replies.insert(reply, name) {
                    let (reply, first, second) = (reply.clone(), first.into(), name.clone());
                    return Err(BuildError::ReplyTwice { reply, first, second });
                }
                claim(reply, "a reply")?;
            }
        }
        for (at, route) in routes.iter().enumerate() {
            if routes[..at].iter().any(|known| known.name == route.name) {
                return Err(BuildError::RouteTwice { name: route.name.clone() });
            }
        }
        let (mut operations, mut updates) = (Vec::new(), BTreeMap::new());
        for Operation { name, role, .. } in declared {
            match role {
                Role::Send { reply, run, .. } => {
                    operations.push(catalog::Operation { name, reply, run });
                }
                Role::Recv { update, .. } => drop(updates.insert(name, update)),
                Role::Told { .. } => {}
            }
        }
        // By length first: most comparisons end at a number.
        operations.sort_by(|a, b| (a.name.len(), &a.name).cmp(&(b.name.len(), &b.name)));
        let named = operations.len();
        if let Some(first) = self.entrance.first() {
            check_needs(&self.states, &self.entrance, FIRST, &first.needs, Caller::Stranger)?;
        }
        if let Some(first) = self.entrance.take_first(OperationId(named as u16)) {
            let name = FIRST.into();
            operations.push(catalog::Operation { name, reply: None, run: first.run });
        }
        for post in &self.entrance.posts {
            let name = &format!("POST {}", post.path);
            if !post.path.starts_with('/') {
                return Err(BuildError::Path { path: post.path.clone() });
            }
            check_result(name, true, &post.result)?;
            check_needs(&self.states, &self.entrance, name, &post.needs, Caller::Request)?;
        }
        while let Some(post) = self.entrance.take_post(OperationId(operations.len() as u16)) {
            let (name, reply) = (format!("POST {}", post.path), Some(String::new()));
            operations.push(catalog::Operation { name, reply, run: post.run });
        }
        let declared = Declared { updates, routes, states: self.states };
        let (declared, entrance, hooks) = (Arc::new(declared), self.entrance, self.hooks);
        Ok(Catalog { document, operations, named, declared, entrance, hooks })
    }
}

fn check_result(name: &str, has_reply: bool, result: &Reply) -> Result<(), BuildError> {
    let name = || String::from(name);
    if let Reply::Unknown(result) = result {
        return Err(BuildError::UnknownError { name: name(), result });
    }
    if !has_reply && !matches!(result, Reply::Nothing) {
        return Err(BuildError::ReplyWithoutName { name: name() });
    }
    Ok(())
}

fn check_needs(
    states: &States,
    entrance: &Entrance,
    name: &str,
    needs: &Needs,
    caller: Caller,
) -> Result<(), BuildError> {
    let name = || String::from(name);
    if needs.first_message && caller != Caller::Stranger {
        return Err(BuildError::NoFirstMessage { name: name() });
    }
    let client = needs.client.then(|| String::from("Client"));
    let guest = needs.guests.first().map(|(_, guest)| format!("Guest<{guest}>"));
    if caller == Caller::Request
        && let Some(argument) = client.or(guest)
    {
        return Err(BuildError::NoConnection { name: name(), argument });
    }
    if let Some(guest) = entrance.missing(needs, caller) {
        return Err(BuildError::GuestMissing { name: name(), guest });
    }
    if needs.payloads.len() > 1 {
        return Err(BuildError::TwoPayloads { name: name() });
    }
    for &(id, state) in &needs.states {
        if !states.contains_key(&id) {
            return Err(BuildError::StateMissing { name: name(), state });
        }
    }
    Ok(())
}

/// Lets handlers take the routes that are included; of two of one type it is not known which is meant.
fn share(routes: Vec<(TypeId, Arc<dyn Any + Send + Sync>)>, states: &mut States) {
    let mut known = BTreeMap::new();
    for (id, route) in routes {
        known.entry(id).and_modify(|known| *known = None).or_insert(Some(route));
    }
    for (id, route) in known {
        if let Some(route) = route {
            states.entry(id).or_insert(route);
        }
    }
}

fn check_name(name: &str) -> Result<(), BuildError> {
    if name.is_empty() || name.len() > envelope::MAX_NAME || encode::needs_escape(name) {
        return Err(BuildError::Name { name: name.into() });
    }
    Ok(())
}

/// A mistake in the application. Its text says what to write.
///
/// ```
/// use fastws_core::api::{Api, BuildError};
/// use fastws_core::router::Router;
///
/// let router = Router::new().send("ping", "pong", || ()).send("ping", "pong.too", || ());
/// let mistake = Api::new("Pings", "1.0.0").include(router).build().expect_err("it has one");
/// assert!(matches!(mistake, BuildError::Twice { name, .. } if name == "ping"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// Two operations, or an operation and a reply, have one full name.
    Twice {
        /// The name.
        name: String,
        /// What the first one is.
        first: &'static str,
        /// What the second one is.
        second: &'static str,
    },
    /// Two operations are answered under one name.
    ReplyTwice {
        /// The reply's name.
        reply: String,
        /// The first operation.
        first: String,
        /// The second operation.
        second: String,
    },
    /// A name is empty, too long, or would have to be escaped in JSON.
    Name {
        /// The name.
        name: String,
    },
    /// A handler returns a value that nothing is said about.
    ReplyWithoutName {
        /// The operation.
        name: String,
    },
    /// A handler returns a `Result` whose error says nothing about how the connection goes on.
    UnknownError {
        /// The operation.
        name: String,
        /// What it returns.
        result: &'static str,
    },
    /// A handler takes the payload twice.
    TwoPayloads {
        /// The operation.
        name: String,
    },
    /// A handler takes a state that was not set.
    StateMissing {
        /// The operation.
        name: String,
        /// The state's type.
        state: &'static str,
    },
    /// A handler takes the first message, and is not the one that reads it.
    NoFirstMessage {
        /// The operation.
        name: String,
    },
    /// The handler of a request over HTTP takes what only a connection has.
    NoConnection {
        /// The operation.
        name: String,
        /// What it takes.
        argument: String,
    },
    /// A request over HTTP has a path that is none.
    Path {
        /// What it has.
        path: String,
    },
    /// The door and the first message both yield something.
    TwoGuests {
        /// What the door yields.
        door: &'static str,
        /// What the first message yields.
        first: &'static str,
    },
    /// A handler takes what nobody is let in with.
    GuestMissing {
        /// The operation.
        name: String,
        /// The type that it takes.
        guest: &'static str,
    },
    /// What can be said once is said twice.
    Again {
        /// How.
        method: &'static str,
    },
    /// Two topic routes have one name.
    RouteTwice {
        /// The name.
        name: String,
    },
    /// A state was set twice.
    StateTwice {
        /// The state's type.
        state: &'static str,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Twice { name, first, second } => write!(
                f,
                "`{name}` is declared twice, as {first} and as {second}: give one of their routers another prefix"
            ),
            Self::ReplyTwice { reply, first, second } => write!(
                f,
                "operations `{first}` and `{second}` both reply with `{reply}`: give one of them another reply"
            ),
            Self::Name { name } => write!(
                f,
                "`{name}` cannot be a name: use 1 to {} characters that JSON need not escape",
                envelope::MAX_NAME
            ),
            Self::ReplyWithoutName { name } => write!(
                f,
                "operation `{name}` returns a value but has no reply: name it, as `reply = \"..\"` in `#[send]` or as the second argument of `Router::send`, or return `()`"
            ),
            Self::UnknownError { name, result } => write!(
                f,
                "the handler of `{name}` returns `{result}`, whose error is none that closes or is logged: make it a `Failure`, a `Close` or an error"
            ),
            Self::TwoPayloads { name } => {
                write!(f, "the handler of `{name}` takes two payloads: put both into one type")
            }
            Self::StateMissing { name, state } => write!(
                f,
                "the handler of `{name}` takes `State<{state}>`, which was not set: call `Api::state` with a `{state}`"
            ),
            Self::GuestMissing { name, guest } => write!(
                f,
                "the handler of `{name}` takes `Guest<{guest}>`, and nobody is let in with one: call `Api::door` or `Api::authenticate` with a function that yields a `{guest}`"
            ),
            Self::Again { method } => {
                write!(f, "`{method}` was called twice: make one function of both")
            }
            Self::RouteTwice { name } => write!(
                f,
                "two topic routes are named `{name}`, so their topics would be the same: give one of them another name, since a prefix is no part of a topic"
            ),
            Self::NoFirstMessage { name } => write!(
                f,
                "the handler of `{name}` takes `FirstMessage`, which only the function of `Api::authenticate` gets: take `Payload<T>`"
            ),
            Self::NoConnection { name, argument } => write!(
                f,
                "the handler of `{name}` takes `{argument}`, which only a connection has: take `App` or `State<S>`"
            ),
            Self::Path { path } => write!(f, "`{path}` is no path: write `/{path}`"),
            Self::TwoGuests { door, first } => write!(
                f,
                "`Api::door` yields a `{door}` and `Api::authenticate` a `{first}`: let one of them yield `()`"
            ),
            Self::StateTwice { state } => {
                write!(
                    f,
                    "`Api::state` was called twice with a `{state}`: wrap one of them in a type of its own"
                )
            }
        }
    }
}

impl core::error::Error for BuildError {}

/// The operation that first messages are read by.
const FIRST: &str = "first message";
