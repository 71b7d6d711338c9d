//! An API within an axum application, with axum's own tools and over real sockets.

mod client;

use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::client::IntoClientRequest;
use async_tungstenite::tungstenite::protocol::CloseFrame;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Request, Response, StatusCode, header};
use axum::routing::get;
use client::{Client, in_time};
use fastws_tokio::axum::{Mount, Upgrade};
use fastws_tokio::{Api, Config, Guest, HttpError, Payload, Server, TopicRoute, Visitor};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tower::ServiceExt;
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use tower_http::trace::TraceLayer;

#[tokio::test]
async fn pages_and_operations_over_http_are_routes_like_any_other() {
    let fastws = mount(api());
    let app = Router::new().route("/own", get(async || "own")).merge(fastws.router());
    assert_eq!(fetch(&app, get_of("/own")).await.1, "own");
    assert_eq!(fetch(&app, get_of("/healthz")).await, (StatusCode::OK, "ok\n".into()));
    assert!(fetch(&app, get_of("/metrics")).await.1.contains("# EOF"));
    assert_eq!(fetch(&app, get_of("/nowhere")).await.0, StatusCode::NOT_FOUND);
    assert_eq!(fetch(&app, get_of("/ws")).await.0, StatusCode::UPGRADE_REQUIRED);
    assert_eq!(fetch(&app, post("/shout", "\"hi\"")).await, (StatusCode::OK, "\"HI\"".into()));
    assert_eq!(fetch(&app, get_of("/shout")).await.0, StatusCode::METHOD_NOT_ALLOWED);
    let unsaid = Request::post("/shout").body(Body::from("\"hi\"")).expect("it is a request");
    assert_eq!(fetch(&app, unsaid).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let long = format!("\"{}\"", "x".repeat(Config::default().message_bytes as usize));
    assert_eq!(fetch(&app, post("/shout", &long)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    let head = Request::head("/healthz").body(Body::empty()).expect("it is a request");
    let response = answer(&app, head).await;
    assert_eq!(response.headers()[header::CONTENT_LENGTH], "3");
    assert!(response.headers().get(header::CONNECTION).is_none());
}

#[tokio::test]
async fn the_document_and_the_page_name_the_paths_that_clients_use() {
    let fastws = mount(api());
    let inner = Router::new().nest("/live", fastws.router());
    let app = Router::new().merge(fastws.router()).nest("/api/v1", inner);
    let address = async |path: &str| {
        let (_, document) = fetch(&app, get_of(path)).await;
        let document: serde_json::Value = serde_json::from_str(&document).expect("it is JSON");
        document["channels"]["connection"]["address"].as_str().expect("it is text").to_owned()
    };
    assert_eq!(address("/asyncapi.json").await, "/ws");
    assert_eq!(address("/api/v1/live/asyncapi.json?version=3.1.0").await, "/api/v1/live/ws");
    let (_, page) = fetch(&app, get_of("/api/v1/live/asyncapi")).await;
    assert!(page.contains("data-asyncapi=\"/api/v1/live/asyncapi.json\""));
    let address = serve(app).0;
    let mut client = Client::connect(address, "/api/v1/live/ws").await;
    echo(&mut client).await;
}

#[tokio::test]
async fn middleware_does_to_resources_what_it_does_to_others() {
    let fastws = mount(api());
    let cors = CorsLayer::permissive();
    let trace = TraceLayer::new_for_http();
    let app = fastws.router().layer(trace).layer(cors).layer(CompressionLayer::new());
    let request = Request::get("/asyncapi.json").header(header::ACCEPT_ENCODING, "gzip");
    let request = request.header(header::ORIGIN, "https://example.org");
    let response = answer(&app, request.body(Body::empty()).expect("it is a request")).await;
    assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
    assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    let body = to_bytes(response.into_body(), usize::MAX).await.expect("it ends");
    assert_eq!(body[..2], [0x1f, 0x8b], "it is gzip");
    let mut client = Client::connect(serve(app).0, "/ws").await;
    echo(&mut client).await;
}

#[tokio::test]
async fn what_extractors_yield_is_the_guest_and_what_they_refuse_is_a_status() {
    let fastws = mount(Api::new("", "").include(me()));
    let app: Router = Router::new().merge(fastws.resources()).route(
        "/users/live",
        get(move |user: User, upgrade: Upgrade| upgrade.serve(&fastws, user)),
    );
    let (address, _) = serve(app);
    assert_eq!(Client::ask(address, upgrade(address, &[])).await.err(), Some(401));
    let request = upgrade(address, &[("x-user", "ann"), ("origin", "https://elsewhere.org")]);
    assert_eq!(Client::ask(address, request).await.err(), Some(403));
    let mut ann = Client::ask(address, upgrade(address, &[("x-user", "ann")])).await.expect("ann");
    let mut bob = Client::ask(address, upgrade(address, &[("x-user", "bob")])).await.expect("bob");
    ann.say(r#"{"type":"me"}"#).await;
    bob.say(r#"{"type":"me"}"#).await;
    assert_eq!(ann.hear().await, r#"{"type":"me.response","payload":"ann"}"#);
    assert_eq!(bob.hear().await, r#"{"type":"me.response","payload":"bob"}"#);
}

#[tokio::test]
async fn the_apis_own_door_is_asked_where_extractors_yield_nothing() {
    let door = |visitor: &Visitor<'_>| match visitor.query("name") {
        Some(name) if visitor.peer().is_some() => Ok(User { name: name.into() }),
        _ => Err(HttpError::new(401, "tell your name")),
    };
    let fastws = mount(Api::new("", "").door(door).include(me()));
    let app = fastws.router().into_make_service_with_connect_info::<SocketAddr>();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let address = listener.local_addr().expect("it is bound");
    let server = tokio::spawn(axum::serve(listener, app).into_future());
    let refused = Client::ask(address, format!("ws://{address}/ws")).await;
    assert_eq!(refused.err(), Some(401));
    let mut ann = Client::connect(address, "/ws?name=ann").await;
    ann.say(r#"{"type":"me"}"#).await;
    assert_eq!(ann.hear().await, r#"{"type":"me.response","payload":"ann"}"#);
    server.abort();
}

#[test]
fn an_api_with_a_door_and_guests_of_the_application_has_a_mistake() {
    let api = Api::new("", "").door(|_| Ok(7));
    let error = Mount::<User>::new(api).expect_err("there is a mistake");
    assert_eq!(error.to_string(), "`Api::door` was called twice: make one function of both");
}

#[tokio::test]
async fn what_comes_right_behind_the_request_is_heard() {
    let fastws = mount(api());
    let (address, _) = serve(fastws.router());
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    // The text `{"type":"echo","payload":"hi"}`, masked with zeros.
    let text = br#"{"type":"echo","payload":"hi"}"#;
    let mut bytes = b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        .to_vec();
    bytes.extend([0x81, 0x80 | text.len() as u8, 0, 0, 0, 0]);
    bytes.extend(text);
    stream.write_all(&bytes).await.expect("it is open");
    let mut heard = Vec::new();
    let reply = br#"{"type":"echoed","payload":"hi"}"#;
    while !heard.ends_with(reply) {
        assert_ne!(in_time(stream.read_buf(&mut heard)).await.expect("it is open"), 0);
    }
}

#[tokio::test]
async fn a_close_and_much_data_pass_in_both_directions_over_a_stream_that_is_no_socket() {
    let fastws = mount(api());
    let listener = Wrapping(TcpListener::bind("127.0.0.1:0").await.expect("there is a free port"));
    let address = listener.0.local_addr().expect("it is bound");
    let server = tokio::spawn(axum::serve(listener, fastws.router()).into_future());
    let mut client = Client::connect(address, "/ws").await;
    echo(&mut client).await;
    let long = "x".repeat(50_000);
    for _ in 0..20 {
        client.say(&format!(r#"{{"type":"echo","payload":"{long}"}}"#)).await;
    }
    for _ in 0..20 {
        assert!(client.hear().await.len() > 50_000);
    }
    let close = CloseFrame { code: 4001.into(), reason: "enough".into() };
    client.send(Message::Close(Some(close))).await;
    assert_eq!(client.closed().await.0, 4001);
    server.abort();
    end(&fastws).await;
}

#[tokio::test]
async fn a_request_that_is_given_up_leaves_nothing() {
    let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
    let slow = move || {
        begun.send(()).expect("the test listens");
        std::future::pending::<()>()
    };
    let fastws = mount(Api::new("", "").post("/slow", slow));
    let app = fastws.router();
    tokio::select! {
        response = answer(&app, post("/slow", "")) => panic!("{response:?}"),
        _ = begins.recv() => {}
    }
    // One whose stream never comes, and one whose connection has none to give.
    let mut request = upgrade_of("/ws").body(Body::empty()).expect("it is a request");
    let none = hyper::upgrade::on(Request::new(()));
    request.extensions_mut().insert(none);
    assert_eq!(answer(&app, request).await.status(), StatusCode::SWITCHING_PROTOCOLS);
    let request = upgrade_of("/ws").body(Body::empty()).expect("it is a request");
    assert_eq!(answer(&app, request).await.status(), StatusCode::UPGRADE_REQUIRED);
    end(&fastws).await;
    assert_eq!(fetch(&app, get_of("/healthz")).await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn whoever_drops_the_last_router_closes_everybody() {
    let (address, server) = serve(mount(api()).router());
    let mut client = Client::connect(address, "/ws").await;
    echo(&mut client).await;
    server.abort();
    assert_eq!(client.closed().await, (1001, "Server shutting down".into()));
}

#[tokio::test]
async fn an_end_that_nobody_waits_for_is_an_end() {
    let fastws = mount(api());
    let (address, _) = serve(fastws.router());
    let mut client = Client::connect(address, "/ws").await;
    echo(&mut client).await;
    assert!(tokio::time::timeout(Duration::ZERO, fastws.end()).await.is_err());
    assert_eq!(client.closed().await, (1001, "Server shutting down".into()));
}

#[test]
fn a_runtime_that_ends_takes_its_connections_with_it() {
    let fastws = mount(api());
    let theirs = tokio::runtime::Runtime::new().expect("there are threads");
    let ours = tokio::runtime::Runtime::new().expect("there are threads");
    let (router, kept) = (fastws.router(), fastws.clone());
    let (address, wrapped) = theirs.block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let listener = Wrapping(listener);
        let wrapped = listener.0.local_addr().expect("it is bound");
        tokio::spawn(axum::serve(listener, kept.router()).into_future());
        (serve(router).0, wrapped)
    });
    ours.block_on(async {
        let mut moved = Client::connect(address, "/ws").await;
        let mut bridged = Client::connect(wrapped, "/ws").await;
        echo(&mut moved).await;
        echo(&mut bridged).await;
        theirs.shutdown_background();
        assert_eq!(bridged.next().await, None);
        // This one's stream has left the runtime.
        echo(&mut moved).await;
        drop(moved);
        end(&fastws).await;
    });
}

fn api() -> Api {
    let echo = async |Payload(said): Payload<String>| said;
    let shout = async |Payload(said): Payload<String>| said.to_uppercase();
    Api::new("Test", "1.0.0")
        .include(fastws_tokio::Router::new().send("echo", "echoed", echo))
        .include(TopicRoute::<(), i64>::new("bars"))
        .post("/shout", shout)
}

/// Nobody is closed by a deadline, but by what is under test.
fn mount<G: Send + 'static>(api: Api) -> Mount<G> {
    let config =
        Config { drain: Duration::ZERO, closing: Duration::from_secs(3600), ..Config::default() };
    let server = Server::new().config(config).shards(NonZeroUsize::MIN);
    Mount::with(server, api).expect("there is no mistake")
}

async fn end<G: Send + 'static>(fastws: &Mount<G>) {
    in_time(fastws.end()).await.expect("no shard has failed");
    assert!(fastws.handle().is_empty());
}

async fn echo(client: &mut Client) {
    client.say(r#"{"type":"echo","payload":"hi"}"#).await;
    assert_eq!(client.hear().await, r#"{"type":"echoed","payload":"hi"}"#);
}

/// Serves until the test ends, or until the task is aborted.
fn serve(app: Router) -> (SocketAddr, JoinHandle<std::io::Result<()>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it is bound");
    listener.set_nonblocking(true).expect("it is a socket");
    let listener = TcpListener::from_std(listener).expect("there is a runtime");
    (address, tokio::spawn(axum::serve(listener, app).into_future()))
}

fn get_of(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).expect("it is a request")
}

fn post(path: &str, body: &str) -> Request<Body> {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    request.body(Body::from(body.to_owned())).expect("it is a request")
}

fn upgrade_of(uri: &str) -> axum::http::request::Builder {
    Request::get(uri)
        .header(header::HOST, "localhost")
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==")
}

fn upgrade(
    address: SocketAddr,
    headers: &[(&'static str, &'static str)],
) -> impl IntoClientRequest + Unpin + use<> {
    let url = format!("ws://{address}/users/live");
    let mut request = url.into_client_request().expect("it is a request");
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().expect("it is a value"));
    }
    request
}

async fn answer(app: &Router, request: Request<Body>) -> Response<Body> {
    in_time(app.clone().oneshot(request)).await.expect("a router fails never")
}

async fn fetch(app: &Router, request: Request<Body>) -> (StatusCode, String) {
    let response = answer(app, request).await;
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.expect("it ends");
    (status, String::from_utf8(body.into()).expect("it is text"))
}

struct User {
    name: String,
}

/// An operation that tells its caller's name.
fn me() -> fastws_tokio::Router {
    fastws_tokio::Router::new().send("me", "me.response", |user: Guest<User>| user.name.clone())
}

impl<S: Sync> FromRequestParts<S> for User {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        let name = parts.headers.get("x-user").and_then(|name| name.to_str().ok());
        name.map(|name| Self { name: name.into() }).ok_or(StatusCode::UNAUTHORIZED)
    }
}

/// Its streams are sockets that hide it.
struct Wrapping(TcpListener);

impl axum::serve::Listener for Wrapping {
    type Io = tokio::io::BufWriter<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, peer) = self.0.accept().await.expect("the test has descriptors");
        (tokio::io::BufWriter::new(stream), peer)
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}
