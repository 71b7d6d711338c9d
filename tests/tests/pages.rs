//! The pages beside the WebSocket: what they say, and where they are.

use fastws_core::api::Api;
use fastws_core::router::Router;
use fastws_host::test_client::TestClient;
use fastws_tests::world::World;

fn api() -> Api {
    let hello = Router::new().send("hello", "hello.response", || "world".to_owned());
    Api::new("Greetings <&>", "1.0.0").include(hello)
}

/// What is answered to a request without a body.
fn answer(world: &mut World, method: &str, target: &str) -> String {
    world.connect(0, "somebody");
    world.send("somebody", format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let answer = world.answer("somebody");
    world.reset("somebody");
    answer
}

// protocol: H3
#[test]
fn the_page_for_people_knows_its_document_and_is_in_no_other_page() {
    let mut world = World::new(api());
    let page = answer(&mut world, "GET", "/asyncapi");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(page.contains("<title>Greetings &lt;&amp;&gt;</title>"));
    assert!(page.contains("data-asyncapi=\"/asyncapi.json\""));
    for line in [
        "Content-Type: text/html; charset=utf-8\r\n",
        "Content-Security-Policy: frame-ancestors 'none'\r\n",
    ] {
        assert!(page.contains(line), "{line}");
    }
}

#[test]
fn a_head_is_the_same_response_without_its_body() {
    let mut world = World::new(api());
    for target in ["/asyncapi.json", "/asyncapi", "/healthz", "/elsewhere"] {
        let whole = answer(&mut world, "GET", target);
        let (head, body) = whole.split_once("\r\n\r\n").expect("a head ends with an empty line");
        assert_eq!(answer(&mut world, "HEAD", target), format!("{head}\r\n\r\n"));
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
        assert!(head.contains("X-Content-Type-Options: nosniff\r\n"));
    }
}

#[test]
fn another_method_is_told_which_ones_there_are() {
    let mut world = World::new(api().post("/notify", || ()));
    for (method, target, allow) in [
        ("POST", "/asyncapi.json", "GET, HEAD"),
        ("DELETE", "/healthz", "GET, HEAD"),
        ("GET", "/notify", "POST"),
        ("POST", "/ws", "GET"),
    ] {
        let answer = answer(&mut world, method, target);
        assert!(answer.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{answer}");
        assert!(answer.contains(&format!("Allow: {allow}\r\n")), "{answer}");
    }
}

#[test]
fn what_is_true_only_now_is_not_kept() {
    let mut world = World::new(api());
    assert!(answer(&mut world, "GET", "/healthz").contains("Cache-Control: no-store\r\n"));
    assert!(answer(&mut world, "GET", "/asyncapi.json").contains("Cache-Control: no-cache\r\n"));
}

#[test]
fn the_pages_of_an_api_are_there_in_process_too() {
    let server = TestClient::new(api());
    assert_eq!(server.get("/healthz"), (200, "ok\n".into()));
    assert_eq!(server.get("/asyncapi").0, 200);
}
