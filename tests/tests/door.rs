//! Who is let in: pages by their origin, visitors by the application's door.

use async_tungstenite::tungstenite::Message;
use async_tungstenite::{WebSocketStream, accept_async};
use fastws_core::api::Api;
use fastws_core::door::{HttpError, Visitor};
use fastws_core::extract::{Clock, FirstMessage, Guest};
use fastws_core::respond::Close;
use fastws_core::router::Router;
use fastws_core::time::Duration;
use fastws_tests::client::{Client, within};
use fastws_tests::server::{Served, bind, serve};
use fastws_tests::witness::{Life, Witness};
use fastws_tests::world::World;
use serde_json::Value;
use smol::future::try_zip;
use smol::net::unix::UnixStream;
use std::io::{Read, Write};
use std::net::TcpStream;

/// Somebody who was let in, and under which name.
struct User {
    name: String,
    _life: Option<Life>,
}

fn user(name: impl Into<String>) -> User {
    User { name: name.into(), _life: None }
}

/// Asks for a name in a cookie, a header, a token or the query.
fn name(visitor: &Visitor<'_>) -> Result<User, HttpError> {
    assert_ne!(visitor.path(), "/ws/panic");
    let cookie = visitor.cookie("name").or(visitor.header("X-Name")).or(visitor.bearer());
    match cookie.map(String::from).or(visitor.query("name").map(String::from)) {
        Some(name) if name == "mallory" => Err(HttpError::new(403, "not you")),
        Some(name) if name == "odd" => Err(HttpError::new(200, "a refusal is no success")),
        Some(name) => Ok(user(name)),
        None => Err(HttpError::new(401, "tell your name")),
    }
}

fn api() -> Api {
    let me = |user: Guest<User>| user.name.clone();
    Api::new("Members", "1").door(name).include(Router::new().send("me", "me.response", me))
}

/// A request for a WebSocket, with more lines in its head.
fn upgrade(target: &str, lines: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
    )
}

/// What is answered to a request of one's own.
fn answer(world: &mut World, request: &str) -> String {
    world.connect(0, "somebody");
    world.send("somebody", request);
    let answer = world.answer("somebody");
    world.reset("somebody");
    answer
}

#[test]
fn a_door_reads_cookies_headers_tokens_and_the_query() {
    for (target, lines, name) in [
        ("/ws", "Cookie: theme=dark; name=ann; name=bob\r\n", "ann"),
        ("/ws", "Cookie: theme=dark\r\nCookie: name=a=b\r\n", "a=b"),
        ("/ws", "x-name: ann\r\n", "ann"),
        ("/ws", "Authorization: bearer ann \r\n", "ann"),
        ("/ws?page=1&name=ann+lee%21&name=bob", "", "ann lee!"),
        ("/ws?n%61me=%E2%82%AC", "", "€"),
        ("/ws?name=%ff", "", "\u{fffd}"),
        ("/ws?name=", "Cookie: Name=bob; rename=bob\r\n", ""),
    ] {
        let mut world = World::new(api());
        world.connect(0, "ann");
        world.send("ann", upgrade(target, lines));
        world.say("ann", r#"{"type":"me"}"#);
        assert_eq!(world.messages("ann")[0]["payload"], name, "{target} {lines}");
    }
}

// protocol: E19
#[test]
fn whom_the_door_sends_away_reads_its_status_and_its_words() {
    let mut world = World::new(api());
    let nobody = answer(&mut world, &upgrade("/ws", ""));
    assert!(nobody.starts_with("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n"));
    assert!(nobody.ends_with("\r\n\r\ntell your name"));
    let mallory = answer(&mut world, &upgrade("/ws?name=mallory", ""));
    assert!(mallory.starts_with("HTTP/1.1 403 ") && mallory.ends_with("\r\n\r\nnot you"));
    assert!(answer(&mut world, &upgrade("/ws?name=odd", "")).starts_with("HTTP/1.1 500 "));
    assert_eq!(world.metrics().connections, 0);
}

#[test]
fn a_door_that_panics_is_a_500_for_this_visitor_only() {
    let door = |visitor: &Visitor<'_>| match visitor.query("panic") {
        Some(_) => panic!("as the query says"),
        None => Ok(()),
    };
    let mut world = World::new(Api::new("", "").door(door)).client("ann");
    let panicked = answer(&mut world, &upgrade("/ws?panic", ""));
    assert!(panicked.starts_with("HTTP/1.1 500 ") && !panicked.contains("query"));
    world.join(0, "bob");
}

#[test]
fn the_door_is_asked_only_about_requests_that_would_be_granted() {
    let witness = Witness::default();
    let door = {
        let witness = witness.clone();
        move |visitor: &Visitor<'_>| {
            witness.note(visitor.path());
            Ok(())
        }
    };
    let mut world = World::new(Api::new("", "").door(door));
    answer(&mut world, "GET /ws HTTP/1.1\r\nHost: example.org\r\n\r\n");
    answer(&mut world, &upgrade("/ws", "Origin: https://evil.org\r\n"));
    answer(&mut world, &upgrade("/elsewhere", ""));
    assert!(witness.took().is_empty());
    answer(&mut world, &upgrade("/ws?a", ""));
    assert_eq!(witness.took(), ["/ws"]);
}

#[test]
fn what_a_connection_was_let_in_with_goes_with_it() {
    let witness = Witness::default();
    let door = {
        let witness = witness.clone();
        move |visitor: &Visitor<'_>| {
            let name = visitor.query("name").expect("everybody here has a name").into_owned();
            Ok(User { _life: Some(witness.life(&name)), name })
        }
    };
    let me = async |user: Guest<User>, clock: Clock| {
        clock.sleep(Duration::from_secs(1)).await;
        user.name.clone()
    };
    let me = Router::new().send("me", "me.response", me);
    let mut world = World::new(Api::new("", "").door(door).include(me));
    world.connect(0, "ann");
    world.send("ann", upgrade("/ws?name=ann", ""));
    world.say("ann", r#"{"type":"me"}"#);
    world.reset("ann");
    // The row is another's now, while a handler still holds what the first was let in with.
    world.connect(0, "bob");
    world.send("bob", upgrade("/ws?name=bob", ""));
    assert_eq!(witness.took(), ["start ann", "start bob"]);
    world.advance(Duration::from_secs(1));
    assert_eq!(witness.took(), ["drop ann"]);
    world.say("bob", r#"{"type":"me"}"#);
    world.advance(Duration::from_secs(1));
    assert_eq!(world.messages("bob")[0]["payload"], "bob");
    world.reset("bob");
    assert_eq!(witness.took(), ["drop bob"]);
}

// protocol: L16
#[test]
fn a_client_gets_the_first_of_its_subprotocols_that_the_api_knows() {
    let chosen = |api: Api, offers: &str| {
        let answer = answer(&mut World::new(api), &upgrade("/ws", offers));
        assert!(answer.starts_with("HTTP/1.1 101 "));
        answer.split_once("Sec-WebSocket-Protocol: ").map(|(_, rest)| {
            rest.split_once("\r\n").expect("every line of a head ends").0.to_owned()
        })
    };
    let api = || Api::new("", "").protocols(["v1", "v2"]).protocols(["v3"]);
    let offers = "Sec-WebSocket-Protocol: v4, v2\r\nSec-WebSocket-Protocol: v1\r\n";
    assert_eq!(chosen(api(), offers).as_deref(), Some("v2"));
    assert_eq!(chosen(api(), "Sec-WebSocket-Protocol: V1, v4\r\n"), None);
    assert_eq!(chosen(api(), ""), None);
    assert_eq!(chosen(Api::new("", ""), offers), None);
}

#[test]
fn mistakes_about_the_door_are_told_when_the_api_is_built() {
    let told = |api: Api| api.build().err().expect("there is a mistake").to_string();
    let me = || Router::new().send("me", None, |_: Guest<u8>| ());
    let missing = "the handler of `me` takes `Guest<u8>`, and nobody is let in with one: \
                   call `Api::door` or `Api::authenticate` with a function that yields a `u8`";
    assert_eq!(told(Api::new("", "").include(me())), missing);
    assert_eq!(told(Api::new("", "").door(|_| Ok(7_u16)).include(me())), missing);
    assert!(Api::new("", "").door(|_| Ok(7_u8)).include(me()).build().is_ok());
    assert_eq!(
        told(Api::new("", "").door(|_| Ok(1)).door(|_| Ok(2))),
        "`Api::door` was called twice: make one function of both"
    );
}

// protocol: E18 H7 H9 D9
#[test]
fn a_page_of_another_host_is_refused_unless_it_is_on_the_list() {
    let status = |server: &Served, origin: &str| {
        let mut stream = TcpStream::connect(server.address()).expect("the server listens");
        let request = upgrade("/ws", &format!("Origin: {origin}\r\n"));
        stream.write_all(request.as_bytes()).expect("it is open");
        let mut line = [0; 12];
        stream.read_exact(&mut line).expect("the server answers");
        String::from_utf8_lossy(&line).into_owned()
    };
    let (yes, no) = ("HTTP/1.1 101", "HTTP/1.1 403");
    let open = serve(Api::new("", ""));
    assert_eq!(status(&open, "https://evil.org"), no);
    assert_eq!(status(&open, "http://127.0.0.1:3000"), yes);
    assert_eq!(status(&open, "http://localhost:3000"), yes);
    let listed = bind().origin("https://example.org").origin("https://*.example.net");
    let listed = Served::new(listed.start(Api::new("", "")).expect("it has no mistake"));
    assert_eq!(status(&listed, "https://example.org"), yes);
    assert_eq!(status(&listed, "https://www.example.net"), yes);
    assert_eq!(status(&listed, "http://localhost:3000"), no);
}

#[test]
fn settings_that_could_not_be_served_are_told_before_anybody_connects() {
    let told = |server: fastws_smol::Server| match server.start(Api::new("", "")) {
        Ok(_) => panic!("there is a mistake"),
        Err(error) => error.to_string(),
    };
    assert_eq!(
        told(bind().origin("example.org")),
        "`example.org` is no origin of web pages: write `https://example.org`, \
         `https://*.example.org` or `*`"
    );
    assert_eq!(told(bind().path("ws")), "`ws` is no path: write `/ws`");
}

#[test]
fn a_door_knows_the_address_of_its_visitor() {
    let door = |visitor: &Visitor<'_>| {
        Ok(user(visitor.peer().expect("a socket has one").ip().to_string()))
    };
    let me = Router::new().send("me", "me.response", |user: Guest<User>| user.name.clone());
    let server = serve(Api::new("", "").door(door).include(me));
    assert_eq!(server.client().ask("me", "me.response", Value::Null), "127.0.0.1");
}

#[test]
fn a_foreign_stream_comes_with_what_the_door_would_have_yielded_or_not_at_all() {
    let server = serve(api());
    let (mut ann, socket) = pair();
    server.handle().attach_guest(socket, user("ann"));
    assert_eq!(ann.ask("me", "me.response", Value::Null), "ann");
    let (bob, socket) = pair();
    server.handle().attach(socket);
    bob.dropped();
    let (cat, socket) = pair();
    server.handle().attach_guest(socket, "cat");
    cat.dropped();
}

// protocol: E14
#[test]
fn a_foreign_stream_says_who_it_is_like_any_other() {
    let known = |FirstMessage(name): FirstMessage| match name.as_str() {
        "mallory" => Err(Close::new(1008, "for the log only")),
        _ => Ok(user(name)),
    };
    let me = Router::new().send("me", "me.response", |user: Guest<User>| user.name.clone());
    let server = serve(Api::new("", "").authenticate(known).include(me));
    let (mut ann, socket) = pair();
    server.handle().attach(socket);
    ann.send(Message::text("ann"));
    assert_eq!(ann.ask("me", "me.response", Value::Null), "ann");
    let (mut mallory, socket) = pair();
    server.handle().attach(socket);
    mallory.send(Message::text("mallory"));
    assert_eq!(mallory.closed(), (1008, "Not authenticated".into()));
}

/// A client and its stream at the server's end, which have shaken hands elsewhere.
fn pair() -> (Client<UnixStream>, WebSocketStream<UnixStream>) {
    let (ours, theirs) = UnixStream::pair().expect("there are descriptors");
    let shake = Client::shake("ws://localhost/ws", ours);
    within(try_zip(shake, accept_async(theirs))).expect("both are polite")
}
