//! The pages beside the WebSocket of a real server: which ones, and where they are.

use crate::binding::{Api, Component, Pages, Place, Router};
use crate::real::{Served, bind, serve};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

fn api() -> Api {
    let hello = Router::new().send("hello", "hello.response", || "world".to_owned());
    Api::new("Greetings <&>", "1.0.0").include(hello)
}

// protocol: H2
#[test]
fn the_document_is_of_the_version_that_is_asked_for() {
    let server = serve(api());
    let document = |target: &str| -> Value {
        let (status, body) = server.fetch(target);
        assert_eq!(status, 200);
        serde_json::from_str(&body).expect("the document is JSON")
    };
    let document_of_3 = document("/asyncapi.json");
    assert_eq!(document_of_3["asyncapi"], "3.0.0");
    assert_eq!(document_of_3["info"]["title"], "Greetings <&>");
    assert_eq!(document("/asyncapi.json?version=3.0.0"), document_of_3);
    assert_eq!(document("/asyncapi.json?a=b&version=3.1.0")["asyncapi"], "3.1.0");
    assert_eq!(server.fetch("/asyncapi.json?version=2.4.0").0, 404);
}

#[test]
fn the_document_names_the_first_path_of_the_websocket() {
    let server = bind().path("/live").path("/ws").start(api()).expect("it has no mistake");
    let (_, document) = Served::new(server).fetch("/asyncapi.json");
    let document: Value = serde_json::from_str(&document).expect("the document is JSON");
    assert_eq!(document["channels"]["connection"]["address"], "/live");
}

// protocol: H6
#[test]
fn each_page_can_be_off_elsewhere_or_on_a_second_address() {
    let pages = Pages {
        asyncapi: Place::Private("/document".into()),
        page: Place::Private("/docs".into()),
        health: Place::Public("/health".into()),
        metrics: Place::Private("/figures".into()),
        ..Pages::default()
    };
    let server = bind().private("127.0.0.1:0").expect("there is a free port").pages(pages);
    let server =
        Served::new(server.start(api().post("/notify", || ())).expect("it has no mistake"));
    let addresses = server.handle().addresses().to_vec();
    let [public, private] = [addresses[0], addresses[1]];
    assert_eq!(fetch(public, "/health"), (200, "ok\n".into()));
    assert!(fetch(private, "/document").1.starts_with("{"));
    assert!(fetch(private, "/docs").1.contains("data-asyncapi=\"/document\""));
    assert!(fetch(private, "/figures").1.ends_with("# EOF\n"));
    for (address, path) in [
        (public, "/document"),
        (public, "/figures"),
        (public, "/metrics"),
        (public, "/docs"),
        (public, "/healthz"),
        (public, "/asyncapi"),
        (private, "/health"),
        (private, "/ws"),
        (private, "/notify"),
    ] {
        assert_eq!(fetch(address, path).0, 404, "{path}");
    }
    let (asyncapi, page, health, metrics) = (Place::Off, Place::Off, Place::Off, Place::Off);
    let off = Pages { asyncapi, page, health, metrics, ..Pages::default() };
    let server = Served::new(bind().pages(off).start(api()).expect("it has no mistake"));
    for path in ["/asyncapi.json", "/asyncapi", "/healthz", "/metrics"] {
        assert_eq!(server.fetch(path).0, 404, "{path}");
    }
    assert_eq!(server.client().ask("hello", "hello.response", Value::Null), "world");
}

// protocol: H3
#[test]
fn the_page_can_load_a_component_from_an_address_of_ones_own() {
    let component = Component { script: "https://a.example/b.js".into(), style: None };
    let pages = Pages { component: Some(component), ..Pages::default() };
    let server = Served::new(bind().pages(pages).start(api()).expect("it has no mistake"));
    let (status, page) = server.fetch("/asyncapi");
    assert_eq!(status, 200);
    for part in [
        "<title>Greetings &lt;&amp;&gt;</title>",
        "data-asyncapi=\"/asyncapi.json\"",
        "<script src=\"https://a.example/b.js\">",
        "script-src 'unsafe-inline' 'unsafe-eval' https://a.example;",
        "connect-src 'self';",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn pages_that_could_not_be_served_are_told_before_anybody_connects() {
    let told = |pages: Pages, api: Api| match bind().pages(pages).start(api) {
        Ok(_) => panic!("there is a mistake"),
        Err(error) => error.to_string(),
    };
    let at = |path: &'static str| Place::Public(path.into());
    let twice =
        |path: &str| format!("two things are served at `{path}`: give one of them another path");
    let health = Pages { health: at("/ws"), ..Pages::default() };
    assert_eq!(told(health, api()), twice("/ws"));
    let posts = || api().post("/notify", || ());
    assert_eq!(told(Pages::default(), posts().post("/notify", || ())), twice("/notify"));
    assert_eq!(told(Pages { page: at("/notify"), ..Pages::default() }, posts()), twice("/notify"));
    let alone = Pages { asyncapi: Place::Off, ..Pages::default() };
    assert_eq!(
        told(alone, api()),
        "the page at `/asyncapi` shows the AsyncAPI document, which is not served beside it: \
         serve both at one address, or turn the page off"
    );
    let health = Pages { health: at("health"), ..Pages::default() };
    assert_eq!(told(health, api()), "`health` is no path: write `/health`");
    let component = Component { script: "/a.js".into(), style: Some("b.css".into()) };
    let component = Pages { component: Some(component), ..Pages::default() };
    assert_eq!(
        told(component, api()),
        "`b.css` is no address of the page's component: \
         write `https://example.org/component.js` or `/component.js`"
    );
}

fn fetch(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").expect("it is open");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the server answers and ends");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head ends with an empty line");
    let status = head.split(' ').nth(1).expect("a status line has a status");
    (status.parse().expect("it is a number"), body.into())
}
