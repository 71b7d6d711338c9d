//! One cookie opens both, and what is posted reaches who listens.

use async_tungstenite::tokio::connect_async;
use async_tungstenite::tungstenite::client::IntoClientRequest;
use async_tungstenite::tungstenite::{Error, Message};
use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, Request, StatusCode, header};
use futures_lite::StreamExt;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpListener;
use tower::ServiceExt;

#[tokio::test]
async fn one_cookie_opens_both_and_what_is_posted_reaches_who_listens() {
    let (app, fastws) = crate::app().expect("there is no mistake");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let url = format!("ws://{}/ws", listener.local_addr().expect("it is bound"));
    let server = tokio::spawn(axum::serve(listener, app.clone()).into_future());
    let stranger = connect_async(&url).await;
    assert!(matches!(stranger, Err(Error::Http(response)) if response.status() == 401));

    let cookie = login(&app, "ann").await;
    let mut request = url.into_client_request().expect("it is a request");
    request.headers_mut().insert(header::COOKIE, cookie.clone());
    let (mut socket, _) = connect_async(request).await.expect("it has a cookie");
    socket.send(Message::text(r#"{"type":"whoami"}"#)).await.expect("it is open");
    assert_eq!(hear(&mut socket).await["payload"], "ann");
    socket.send(Message::text(r#"{"type":"alerts.subscribe"}"#)).await.expect("it is open");
    assert_eq!(hear(&mut socket).await["payload"]["status"], "ok");

    let alert = json!({"symbol": "AAPL", "message": "it moves"});
    let raise = request_of("POST", "/api/v1/alerts", &cookie, alert);
    assert_eq!(fetch(&app, raise).await, (StatusCode::OK, json!(1)));
    let heard = hear(&mut socket).await;
    assert_eq!(heard["payload"], json!({"symbol": "AAPL", "message": "it moves", "by": "ann"}));
    drop(socket);
    server.abort();
    fastws.end().await.expect("no shard has failed");
}

#[tokio::test]
async fn bars_are_for_who_has_logged_in() {
    let (app, _fastws) = crate::app().expect("there is no mistake");
    let bars = |cookie: &HeaderValue, symbol| {
        request_of("GET", &format!("/api/v1/bars?symbol={symbol}"), cookie, Value::Null)
    };
    let guess = HeaderValue::from_static("session=0");
    assert_eq!(fetch(&app, bars(&guess, "AAPL")).await.0, StatusCode::UNAUTHORIZED);
    let cookie = login(&app, "bob").await;
    assert_eq!(fetch(&app, bars(&cookie, "NOPE")).await.0, StatusCode::NOT_FOUND);
    let (status, bars) = fetch(&app, bars(&cookie, "AAPL")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(bars.as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn the_docs_of_both_stand_side_by_side() {
    let (app, _fastws) = crate::app().expect("there is no mistake");
    for path in ["/docs", "/asyncapi", "/asyncapi.json"] {
        let request = Request::get(path).body(Body::empty()).expect("it is a request");
        let response = app.clone().oneshot(request).await.expect("a router never fails");
        assert_eq!(response.status(), StatusCode::OK, "{path}");
    }
}

async fn login(app: &axum::Router, name: &str) -> HeaderValue {
    let none = HeaderValue::from_static("");
    let request = request_of("POST", "/api/v1/login", &none, json!({"name": name}));
    let response = app.clone().oneshot(request).await.expect("a router never fails");
    let cookie = response.headers()[header::SET_COOKIE].to_str().expect("it is text");
    let (pair, _) = cookie.split_once(';').expect("it has attributes");
    pair.parse().expect("it is a value")
}

fn request_of(method: &str, path: &str, cookie: &HeaderValue, body: Value) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .expect("it is a request")
}

async fn fetch(app: &axum::Router, request: Request<Body>) -> (StatusCode, Value) {
    let response = app.clone().oneshot(request).await.expect("a router never fails");
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.expect("it ends");
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

async fn hear<E: std::fmt::Debug>(
    socket: &mut (impl StreamExt<Item = Result<Message, E>> + Unpin),
) -> Value {
    let heard = tokio::time::timeout(Duration::from_secs(20), socket.next());
    let message = heard.await.expect("in time").expect("it is open").expect("it is in order");
    serde_json::from_str(message.to_text().expect("it is text")).expect("it is JSON")
}
