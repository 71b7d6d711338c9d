//! Who is let in: pages by their origin, visitors by the application's door.

use fastws_core::api::Api;
use fastws_core::door::{HttpError, Visitor};
use fastws_core::extract::{Clock, Guest};
use fastws_core::router::Router;
use fastws_core::time::Duration;
use fastws_tests::witness::{Life, Witness};
use fastws_tests::world::World;

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
    let told = |api: Api| api.build().expect_err("there is a mistake").to_string();
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
