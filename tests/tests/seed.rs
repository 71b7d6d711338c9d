//! What a user of FastWS tests first: a ping, a subscription, a broadcast, against a real server.

use fastws_tests::server::{Served, bind};
use fastws_trading::{api, feed::Feed};
use serde_json::json;

fn server() -> Served {
    let server = bind().path(PATH).start(api(Feed::walk(1)));
    Served::new(server.expect("the API has no mistake"))
}

#[test]
fn ping_pong() {
    let server = server();
    let mut client = server.client_on(PATH);
    client.say("simple.ping", json!({"timestamp": 1234567890}));

    let response = client.hear();
    assert_eq!(response["type"], "simple.pong");
    assert_eq!(response["payload"]["timestamp"], 1234567890);
    assert!(response["payload"]["server_time"].is_i64());
}

#[test]
fn subscription_flow() {
    let server = server();
    let mut client = server.client_on(PATH);
    let bars = json!({"symbol": "AAPL", "params": {"resolution": "1"}});
    client.say("bars.subscribe", bars.clone());

    let response = client.hear();
    assert_eq!(response["type"], "bars.subscribe.response");
    assert_eq!(response["payload"]["status"], "ok");
    assert_eq!(response["payload"]["symbol"], "AAPL");
    assert_eq!(response["payload"]["topic"], "bars:AAPL:1");

    client.say("bars.unsubscribe", bars);
    let response = client.hear_but("bars.update");
    assert_eq!(response["type"], "bars.unsubscribe.response");
    assert_eq!(response["payload"]["status"], "ok");
}

#[test]
fn server_publish() {
    let server = server();
    let mut client = server.client_on(PATH);
    client.say("bars.subscribe", json!({"symbol": "AAPL", "params": {"resolution": "1"}}));
    client.hear();

    let update = client.hear();
    assert_eq!(update["type"], "bars.update");
    assert_eq!(update["topic"], "bars:AAPL:1");
    assert!(update["payload"]["close"].is_f64());
}

const PATH: &str = "/api/v1/ws";
