//! What a user of FastWS tests first: a ping, a subscription, a broadcast, against a real server.

use fastws_smol::Server;
use fastws_tests::client::Client;
use fastws_trading::{api, feed::Feed};
use serde_json::json;

fn client() -> Client {
    let server = Server::bind("127.0.0.1:0").expect("a free port").path("/api/v1/ws");
    let running = server.start(api(Feed::walk(1))).expect("the API has no mistake");
    Client::connect(running.handle().addresses()[0], "/api/v1/ws")
}

#[test]
fn ping_pong() {
    let mut client = client();
    client.say("simple.ping", json!({"timestamp": 1234567890}));

    let response = client.hear();
    assert_eq!(response["type"], "simple.pong");
    assert_eq!(response["payload"]["timestamp"], 1234567890);
    assert!(response["payload"]["server_time"].is_i64());
}

#[test]
fn subscription_flow() {
    let mut client = client();
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
    let mut client = client();
    client.say("bars.subscribe", json!({"symbol": "AAPL", "params": {"resolution": "1"}}));
    client.hear();

    let update = client.hear();
    assert_eq!(update["type"], "bars.update");
    assert_eq!(update["topic"], "bars:AAPL:1");
    assert!(update["payload"]["close"].is_f64());
}
