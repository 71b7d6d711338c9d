//! An API within an axum application: its routes bring requests and their streams to the shards. Knows
//! no rule of the protocol.
//!
//! A [`Mount`] is a server without a port. Its router goes where other routes go, behind the same
//! middleware; REST handlers publish through its [handle](Mount::handle).
//!
//! ```
//! use axum::http::StatusCode;
//! use axum::routing::post;
//! use fastws_tokio::axum::Mount;
//! use fastws_tokio::{Api, TopicRoute};
//!
//! # fn main() -> Result<(), fastws_tokio::Error> {
//! let alerts = TopicRoute::<(), String>::new("alerts");
//! let fastws = Mount::new(Api::new("Trading", "1.0.0").include(alerts))?;
//! let publisher = fastws.handle().publisher();
//! let raise = async move |alert: String| match publisher.publish("alerts", "alerts.update", &alert) {
//!     Ok(()) => StatusCode::NO_CONTENT,
//!     Err(_) => StatusCode::SERVICE_UNAVAILABLE,
//! };
//! let app: axum::Router =
//!     axum::Router::new().route("/alerts", post(raise)).nest("/live", fastws.router());
//! # drop(app);
//! # Ok(())
//! # }
//! ```
//!
//! Extractors run before the WebSocket is opened: where one refuses, that is the response. What they
//! yield may become the [guest](fastws_core::extract::Guest) of the connection:
//!
//! ```
//! use axum::extract::FromRequestParts;
//! use axum::http::{StatusCode, request::Parts};
//! use axum::routing::get;
//! use fastws_tokio::axum::{Mount, Upgrade};
//! use fastws_tokio::{Api, Guest, Router};
//!
//! struct User { name: String }
//!
//! impl<S: Sync> FromRequestParts<S> for User {
//!     type Rejection = StatusCode;
//!
//!     async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
//!         let name = parts.headers.get("x-user").and_then(|name| name.to_str().ok());
//!         name.map(|name| Self { name: name.into() }).ok_or(StatusCode::UNAUTHORIZED)
//!     }
//! }
//!
//! # fn main() -> Result<(), fastws_tokio::Error> {
//! let me = Router::new().send("me", "me.response", |user: Guest<User>| user.name.clone());
//! let fastws = Mount::new(Api::new("Members", "1.0.0").include(me))?;
//! let app: axum::Router = axum::Router::new()
//!     .merge(fastws.resources())
//!     .route("/ws", get(move |user: User, upgrade: Upgrade| upgrade.serve(&fastws, user)));
//! # drop(app);
//! # Ok(())
//! # }
//! ```

use crate::link::{Link, Moved, Request};
use crate::server::{Handle, Running, Server};
use ::axum::body::{Body, Bytes, to_bytes};
use ::axum::extract::{ConnectInfo, FromRequestParts, OriginalUri};
use ::axum::http::header::HOST;
use ::axum::http::request::Parts;
use ::axum::http::{StatusCode, Version};
use ::axum::response::{IntoResponse, Response};
use ::axum::routing::any;
use fastws_core::handshake::Refusal;
use fastws_host::offered::{Api, Error, HttpError, Visitor};
use fastws_host::visit::{Answer, Visit, head};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use std::any::TypeId;
use std::convert::Infallible;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpStream;

/// An API that is served by an axum application, on threads of its own; cheap to clone.
///
/// `G` is what connections are let in with by [`Upgrade::serve`]; with `()` whoever the API's own
/// [door](Api::door) lets in. When the last clone is dropped, and with it every router, the connections
/// are closed and the threads end.
pub struct Mount<G = ()> {
    inner: Arc<Inner>,
    guest: PhantomData<fn(G)>,
}

struct Inner {
    handle: Handle,
    running: Mutex<Option<Running>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

impl<G> Clone for Mount<G> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), guest: PhantomData }
    }
}

impl<G: Send + 'static> Mount<G> {
    /// Builds the API, and starts a thread for each core.
    pub fn new(api: Api) -> Result<Self, Error> {
        Self::with(Server::new(), api)
    }

    /// The same with limits, threads, origins and paths of one's own. Where the server listens too, it
    /// serves the same API there.
    pub fn with(server: Server, api: Api) -> Result<Self, Error> {
        let api = if is_nobody::<G>() { api } else { api.door(closed::<G>) };
        let running = server.start(api)?;
        let (handle, running) = (running.handle(), Mutex::new(Some(running)));
        Ok(Self { inner: Arc::new(Inner { handle, running }), guest: PhantomData })
    }

    /// Publishes, and ends the connections, from anywhere. It does not keep the threads.
    pub fn handle(&self) -> Handle {
        self.inner.handle.clone()
    }

    /// Everything besides the WebSocket: the document, the page, health, figures, and operations over
    /// HTTP. They may stand below any path.
    pub fn resources<S: Clone + Send + Sync + 'static>(&self) -> ::axum::Router<S> {
        let mount = self.clone();
        let handler = any(move |request: ::axum::extract::Request| {
            let mount = mount.clone();
            async move {
                let (parts, body) = request.into_parts();
                let errand = Errand::new(parts, false);
                // One more byte is enough to be refused.
                let most = mount.inner.handle.config().message_bytes as usize;
                let body = to_bytes(body, most).await.map_err(|_| most + 1);
                errand.run(&mount, None, body).await
            }
        });
        let route = |router: ::axum::Router<S>, path| router.route(path, handler.clone());
        self.inner.handle.resources().fold(::axum::Router::new(), route)
    }

    /// Closes every connection, as [`Handle::shutdown`] does, and waits for the last one. It need not be
    /// polled to the end. The second who calls it waits for nothing.
    pub async fn end(&self) -> Result<(), Error> {
        self.inner.handle.shutdown();
        let running = self.inner.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        match running {
            Some(running) => running.await,
            None => Ok(()),
        }
    }
}

impl Mount {
    /// The WebSocket, at `/ws` or wherever the server has it, and everything [beside](Self::resources) it.
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> ::axum::Router<S> {
        let mount = self.clone();
        let handler = any(move |upgrade: Upgrade| upgrade.serve(&mount, ()));
        let route = |router: ::axum::Router<S>, path| router.route(path, handler.clone());
        self.inner.handle.websockets().fold(self.resources(), route)
    }
}

/// A request that may open a WebSocket. Whatever it lacks, [`serve`](Self::serve) answers.
pub struct Upgrade(Errand);

fastws_core::opaque!([G] Mount<G>, Upgrade,);

impl<S: Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(Errand::new(parts.clone(), true)))
    }
}

impl Upgrade {
    /// Opens the WebSocket, or says why not: the origin is not let in, the API's door is closed, there
    /// are too many connections, or none was asked for. What follows happens on a thread of the mount;
    /// the response is what is still to be sent.
    pub fn serve<G: Send + 'static>(
        self,
        mount: &Mount<G>,
        guest: G,
    ) -> impl Future<Output = Response> + Send + use<G> {
        let mount = mount.clone();
        let guest = if is_nobody::<G>() { None } else { Some(guest) };
        async move { self.0.run(&mount, guest, Ok(Bytes::new())).await }
    }
}

/// A request on its way to a shard, and what brings its stream there.
struct Errand {
    parts: Parts,
    visit: Visit,
}

impl Errand {
    fn new(parts: Parts, is_websocket: bool) -> Self {
        let peer = parts.extensions.get().map(|ConnectInfo(peer): &ConnectInfo<SocketAddr>| *peer);
        let path = parts.uri.path();
        let whole = parts.extensions.get().map_or(path, |OriginalUri(uri)| uri.path());
        let base = whole.strip_suffix(path).unwrap_or_default().into();
        let visit = Visit { peer, base, is_websocket };
        Self { parts, visit }
    }

    /// The bytes of the request. Of a body that is too long, its length is enough.
    fn bytes(&self, body: Result<Bytes, usize>) -> Vec<u8> {
        let Parts { method, uri, version, headers, .. } = &self.parts;
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        // HTTP/2 has it in the target.
        let host = uri.authority().filter(|_| !headers.contains_key(HOST));
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let headers = headers.chain(host.map(|host| (HOST.as_str(), host.as_str().as_bytes())));
        let minor = if *version == Version::HTTP_10 { 0 } else { 1 };
        let length = body.as_ref().map_or_else(|length| *length, Bytes::len);
        let mut bytes = head(method.as_str(), target, minor, headers, length);
        bytes.extend_from_slice(&body.unwrap_or_default());
        bytes
    }

    /// Has it answered by a shard.
    async fn run<G: Send + 'static>(
        mut self,
        mount: &Mount<G>,
        guest: Option<G>,
        body: Result<Bytes, usize>,
    ) -> Response {
        let (request, outcome) = Request::new(self.bytes(body), self.visit);
        let handle = &mount.inner.handle;
        match guest {
            Some(guest) => handle.attach_guest(request, guest),
            None => handle.attach(request),
        }
        let answer = outcome.answer.await.unwrap_or_default();
        let Some(answer) = Answer::read(&answer) else { return refuse(Refusal::Draining) };
        if answer.status == StatusCode::SWITCHING_PROTOCOLS {
            // HTTP/2 and a router without a server have no stream to give.
            let Some(upgrade) = self.parts.extensions.remove::<OnUpgrade>() else {
                return refuse(Refusal::UpgradeRequired);
            };
            tokio::spawn(async move {
                if let Ok(upgraded) = upgrade.await
                    && let Ok(moved) = moved(upgraded)
                {
                    // A connection that has ended meanwhile wants it no more.
                    let _ = outcome.stream.send(moved);
                }
            });
        }
        response(&answer).expect("a shard's answers are in order")
    }
}

/// The connection is the application's to close.
fn response(answer: &Answer<'_>) -> Result<Response, ::axum::http::Error> {
    let response = Response::builder().status(answer.status);
    let headers = answer.headers.iter();
    let response = headers.fold(response, |response, (name, value)| response.header(*name, *value));
    response.body(Body::from(answer.body.to_vec()))
}

fn refuse(refusal: Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status()).expect("it is a status");
    (status, refusal.to_string()).into_response()
}

/// A plain socket with which nobody has begun moves to the runtime of its shard; everything else stays
/// where it is, and is read and written from there.
fn moved(upgraded: Upgraded) -> io::Result<Moved> {
    let parts = match auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
        Ok(parts) => parts,
        Err(other) => return Ok(Box::new(|| Ok(Link::any(TokioIo::new(other), Vec::new())))),
    };
    let (stream, early) = (parts.io.into_inner(), parts.read_buf);
    if !early.is_empty() {
        return Ok(Box::new(move || Ok(Link::any(stream, early.into()))));
    }
    let stream = stream.into_std()?;
    stream.set_nodelay(true)?;
    Ok(Box::new(|| TcpStream::from_std(stream).map(Link::Tcp)))
}

/// Connections are told apart by nothing but the API's own door.
fn is_nobody<G: 'static>() -> bool {
    TypeId::of::<G>() == TypeId::of::<()>()
}

/// The door of an API whose guests the application lets in.
fn closed<G>(_: &Visitor<'_>) -> Result<G, HttpError> {
    Err(HttpError::new(403, "nobody is let in here"))
}
