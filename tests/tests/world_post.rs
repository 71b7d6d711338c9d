//! Operations over HTTP: what they answer, and what becomes of requests that do not end.

use fastws_core::api::Api;
use fastws_core::client::Client;
use fastws_core::config::{Config, OnError};
use fastws_core::extract::{Clock, FirstMessage, Guest, Payload, State};
use fastws_core::publisher::App;
use fastws_core::respond::{Close, Failure};
use fastws_core::router::Router;
use fastws_core::time::Duration;
use fastws_tests::witness::{Gate, Witness};
use fastws_tests::world::World;
use std::fmt::Display;

const JSON: &str = "Content-Type: application/json\r\n";

async fn notify(Payload(text): Payload<String>, app: App) -> Result<usize, Failure> {
    Ok(app.publisher().broadcast("notification", &text)?.await)
}

fn panics() {
    panic!("as the path says")
}

fn api() -> Api {
    Api::new("News", "1")
        .include(Router::new().recv::<String>("notification"))
        .post("/notify", notify)
        .post("/double", |Payload(number): Payload<u32>| 2 * u64::from(number))
        .post("/nothing", || ())
        .post("/panic", panics)
        .post("/fail", || Err::<(), _>(std::io::Error::other("for the log only")))
        .post("/close", || Err::<(), _>(Close::new(4000, "by \"what\"?\n")))
        .post("/slow", async |clock: Clock, witness: State<Witness>| {
            let life = witness.life("slow");
            clock.sleep(Duration::from_secs(60)).await;
            drop(life);
        })
        .state(Witness::default())
}

fn request(path: &str, lines: &str, body: impl Display) -> String {
    let body = body.to_string();
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: a\r\n{lines}Content-Length: {length}\r\n\r\n{body}")
}

fn answer(world: &mut World, request: impl AsRef<[u8]>) -> String {
    world.connect(0, "somebody");
    world.send("somebody", request);
    let answer = world.answer("somebody");
    assert!(answer.is_empty() || world.finished("somebody"), "one request, one response");
    world.reset("somebody");
    answer
}

/// The status and the body.
fn outcome(world: &mut World, request: impl AsRef<[u8]>) -> (u16, String) {
    let answer = answer(world, request);
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head ends with an empty line");
    let status = head.split(' ').nth(1).expect("a status line has a status");
    (status.parse().expect("it is a number"), body.into())
}

fn said(words: &str) -> String {
    format!("{{\"error\":\"{words}\"}}")
}

#[test]
fn a_post_is_answered_by_its_handler_plain_or_async() {
    let mut world = World::new(api()).client("ann").client("bob");
    assert_eq!(
        answer(&mut world, request("/double", JSON, 21)),
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
         X-Content-Type-Options: nosniff\r\nContent-Length: 2\r\nConnection: close\r\n\r\n42"
    );
    assert_eq!(outcome(&mut world, request("/notify", JSON, "\"hi\"")), (200, "2".into()));
    assert_eq!(world.messages("ann")[0]["payload"], "hi");
    assert_eq!(world.heard("bob"), ["notification"]);
    assert_eq!(
        answer(&mut world, request("/nothing", JSON, "")),
        "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(outcome(&mut world, request("/double?a=b", JSON, " \n21\t")), (200, "42".into()));
    let charset = "content-TYPE: Application/JSON; charset=utf-8\r\n";
    assert_eq!(outcome(&mut world, request("/double", charset, 21)), (200, "42".into()));
    assert_eq!(world.metrics().connections, 2);
}

#[test]
fn what_does_not_fit_or_fails_is_told_with_its_status() {
    for on_error in [OnError::Close, OnError::Reply] {
        let mut world = World::with(Config { on_error, ..Config::default() }, 1, api());
        let wrong = outcome(&mut world, request("/double", JSON, "\"21\""));
        assert_eq!(wrong.0, 422);
        assert!(wrong.1.starts_with("{\"error\":\"invalid type: string \\\"21\\\""), "{}", wrong.1);
        for missing in ["", "null"] {
            assert_eq!(outcome(&mut world, request("/double", JSON, missing)).0, 422);
        }
        let unreadable = (400, said("Could not decode message"));
        for text in ["{", "21 22", "\u{feff}21", "[1,]", "nul"] {
            assert_eq!(outcome(&mut world, request("/double", JSON, text)), unreadable, "{text}");
        }
        let deep = "[".repeat(200) + &"]".repeat(200);
        assert_eq!(outcome(&mut world, request("/double", JSON, deep)), unreadable);
        let mut not_utf8 = request("/double", JSON, "\"x\"").into_bytes();
        *not_utf8.iter_mut().rfind(|byte| **byte == b'x').expect("it is there") = 0xff;
        assert_eq!(outcome(&mut world, not_utf8), unreadable);
        let internal = (500, said("Internal error"));
        assert_eq!(outcome(&mut world, request("/panic", JSON, "")), internal);
        assert_eq!(outcome(&mut world, request("/fail", JSON, "")), internal);
        let close = (400, said("by \\\"what\\\"?\\n"));
        assert_eq!(outcome(&mut world, request("/close", JSON, "")), close);
    }
}

#[test]
fn a_request_that_cannot_be_a_call_is_refused_by_its_head() {
    let config = Config { message_bytes: 100, ..Config::default() };
    let mut world = World::with(config, 1, api().bearer("secret"));
    let token = format!("{JSON}Authorization: Bearer secret\r\n");
    let head = |lines: &str| format!("POST /double HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    for (status, head) in [
        (401, head(JSON)),
        (401, head(&format!("{JSON}Authorization: Bearer secret2\r\n"))),
        (401, head(&format!("{JSON}Authorization: Bearer \r\n"))),
        (401, head(&format!("{JSON}Authorization: Basic secret\r\n"))),
        (403, head(&format!("{token}Origin: https://evil.org\r\n"))),
        (411, head(&token)),
        (411, head(&format!("{token}Transfer-Encoding: chunked\r\n"))),
        (411, head(&format!("{token}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n"))),
        (400, head(&format!("{token}Content-Length: 2\r\nContent-Length: 2\r\n"))),
        (400, head(&format!("{token}Content-Length: +2\r\n"))),
        (400, head(&format!("{token}Content-Length: \r\n"))),
        (413, head(&format!("{token}Content-Length: 101\r\n"))),
        (413, head(&format!("{token}Content-Length: 99999999999999999999999\r\n"))),
        (415, head("Authorization: Bearer secret\r\nContent-Length: 2\r\n")),
        (415, head("Authorization: Bearer secret\r\nContent-Type: text/plain\r\n")),
    ] {
        let answer = answer(&mut world, &head);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head}{answer}");
        assert_eq!(answer.contains("WWW-Authenticate: Bearer\r\n"), status == 401);
    }
    let padded = format!("{:>100}", 21);
    assert_eq!(outcome(&mut world, request("/double", &token, padded)), (200, "42".into()));
    let page = format!("{token}Origin: http://a\r\n");
    assert_eq!(outcome(&mut world, request("/double", &page, 21)), (200, "42".into()));
}

#[test]
fn an_empty_token_lets_nobody_in() {
    let mut world = World::new(api().bearer(""));
    assert_eq!(outcome(&mut world, request("/nothing", JSON, "")).0, 401);
    let lines = format!("{JSON}Authorization: Bearer \r\n");
    assert_eq!(outcome(&mut world, request("/nothing", &lines, "")).0, 401);
}

#[test]
fn a_request_may_come_in_any_pieces_and_what_follows_it_is_not_read() {
    let whole = request("/double", JSON, "[12345678901234567890]");
    let expected = answer(&mut World::new(api()), &whole);
    assert!(expected.starts_with("HTTP/1.1 422 "));
    let followed = format!("{whole}GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    for size in 1..followed.len() {
        let mut world = World::new(api());
        world.connect(0, "ann");
        world.split("ann", size);
        world.send("ann", &followed);
        assert_eq!(world.answer("ann"), expected, "in pieces of {size}");
        assert!(world.gone("ann"));
    }
}

#[test]
fn a_client_that_waits_to_be_asked_for_its_body_is_asked() {
    let mut world = World::new(api());
    let whole = request("/double", &format!("{JSON}Expect: 100-Continue\r\n"), 21);
    let (head, body) = whole.split_at(whole.len() - 2);
    world.connect(0, "ann");
    world.send("ann", head);
    assert_eq!(world.answer("ann"), "HTTP/1.1 100 Continue\r\n\r\n");
    world.send("ann", body);
    assert!(world.answer("ann").contains("\r\n\r\nHTTP/1.1 200 OK\r\n"));
    // Who has sent it already need not be asked.
    assert!(answer(&mut world, whole).starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn a_body_that_does_not_end_is_refused_after_the_time_for_a_handshake() {
    let mut world = World::new(api());
    let whole = request("/double", JSON, 21);
    world.connect(0, "ann");
    world.advance(Duration::from_secs(9));
    world.send("ann", &whole[..whole.len() - 1]);
    world.advance(Duration::from_millis(9_900));
    assert_eq!(world.answer("ann"), "");
    world.advance(Duration::from_millis(100));
    assert!(world.answer("ann").starts_with("HTTP/1.1 408 "));
    assert!(world.gone("ann"));
}

#[test]
fn a_handler_that_does_not_end_in_time_is_not_waited_for() {
    let mut world = World::new(api());
    world.connect(0, "ann");
    world.send("ann", request("/slow", JSON, ""));
    world.send("ann", "whatever comes now is not read");
    world.advance(Duration::from_millis(9_900));
    assert_eq!((world.answer("ann"), world.unread("ann")), (String::new(), 0));
    world.advance(Duration::from_millis(100));
    assert!(world.answer("ann").starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
    assert!(world.answer("ann").ends_with(&said("The request took too long")));
    // Its outcome has nobody to go to any more.
    world.advance(Duration::from_secs(60));
    assert!(world.gone("ann"));
}

#[test]
fn who_says_no_more_behind_its_request_is_answered_and_then_gone() {
    let post = request("/double", JSON, "21");
    let slow = request("/slow", JSON, "");
    let get = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    for (request, seconds, end) in
        [(get, 0, "\r\n\r\nok\n"), (&post, 0, "\r\n\r\n42"), (&slow, 10, "took too long\"}")]
    {
        let mut world = World::new(api());
        world.connect(0, "ann");
        world.window("ann", 10);
        world.post("ann", request);
        world.hang_up("ann");
        world.advance(Duration::from_secs(seconds));
        world.window("ann", usize::MAX);
        assert!(world.answer("ann").ends_with(end), "{}", world.answer("ann"));
        assert!(world.gone("ann"));
    }
    let mut world = World::new(api());
    world.connect(0, "ann");
    world.post("ann", &post[..post.len() - 1]);
    world.hang_up("ann");
    assert_eq!((world.answer("ann"), world.gone("ann")), (String::new(), true));
}

#[test]
fn who_leaves_while_its_request_is_answered_leaves_nothing_behind() {
    let gate = Gate::default();
    let wait = async |gate: State<Gate>| gate.wait().await.to_owned();
    let mut world = World::new(Api::new("", "").state(gate.clone()).post("/wait", wait));
    world.connect(0, "ann");
    world.send("ann", request("/wait", JSON, ""));
    world.reset("ann");
    // The row is another's now.
    world.connect(0, "bob");
    world.send("bob", request("/wait", JSON, ""));
    gate.order("first");
    world.run();
    assert_eq!(world.answer("bob"), "");
    gate.order("second");
    world.run();
    assert!(world.answer("bob").ends_with("\r\n\r\n\"second\""));
}

#[test]
fn requests_of_one_turn_wait_for_room_and_are_all_answered() {
    let config = Config { turn_bytes: 1, ..Config::default() };
    let mut world = World::with(config, 1, api());
    let names = ["ann", "bob", "cat"];
    for name in names {
        world.connect(0, name);
        world.post(name, request("/double", JSON, 21));
    }
    world.step(0);
    let answered = names.map(|name| !world.answer(name).is_empty());
    assert_eq!(answered.iter().filter(|answered| **answered).count(), 1);
    world.run();
    for name in names {
        assert!(world.answer(name).ends_with("\r\n\r\n42"));
    }
}

#[test]
fn a_server_that_ends_takes_no_request_and_waits_for_none() {
    let mut world = World::new(api());
    for name in ["ann", "bob", "cat"] {
        world.connect(0, name);
    }
    world.send("ann", request("/slow", JSON, ""));
    let whole = request("/double", JSON, 21);
    world.send("bob", &whole[..whole.len() - 1]);
    world.post("cat", &whole);
    world.shutdown();
    for name in ["ann", "bob"] {
        assert!(world.answer(name).starts_with("HTTP/1.1 503 "), "{}", world.answer(name));
        assert!(world.answer(name).ends_with(&said("Server shutting down")));
    }
    assert!(world.is_drained());
}

#[test]
fn mistakes_about_requests_are_told_when_the_api_is_built() {
    let told = |api: Api| api.build().expect_err("there is a mistake").to_string();
    let api = || Api::new("", "");
    assert_eq!(told(api().post("notify", || ())), "`notify` is no path: write `/notify`");
    assert_eq!(
        told(api().post("/a", |_: Client| ())),
        "the handler of `POST /a` takes `Client`, which only a connection has: take `App` or `State<S>`"
    );
    assert_eq!(
        told(api().door(|_| Ok(7_u8)).post("/a", |_: Guest<u8>| ())),
        "the handler of `POST /a` takes `Guest<u8>`, which only a connection has: take `App` or `State<S>`"
    );
    assert!(told(api().post("/a", |_: FirstMessage| ())).contains("takes `FirstMessage`"));
    assert!(told(api().post("/a", |_: State<u8>| ())).contains("takes `State<u8>`"));
}
