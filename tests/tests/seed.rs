//! What a user of FastWS tests first: a ping, a subscription, a broadcast.

use fastws_host::test_client::{TestClient, TestSocket};
use fastws_trading::{api, feed::Feed};
use serde_json::json;

fn client() -> TestSocket {
    TestClient::new(api(Feed::walk(1))).path("/api/v1/ws").connect("/api/v1/ws")
}

#[test]
fn ping_pong() {
    let mut client = client();
    client.send_json(json!({"type": "simple.ping", "payload": {"timestamp": 1234567890}}));

    let response = client.receive_json();
    assert_eq!(response["type"], "simple.pong");
    assert_eq!(response["payload"]["timestamp"], 1234567890);
    assert!(response["payload"]["server_time"].is_i64());
}

#[test]
fn subscription_flow() {
    let mut client = client();
    let bars = json!({"symbol": "AAPL", "params": {"resolution": "1"}});
    client.send_json(json!({"type": "bars.subscribe", "payload": bars}));

    let response = client.receive_json();
    assert_eq!(response["type"], "bars.subscribe.response");
    assert_eq!(response["payload"]["status"], "ok");
    assert_eq!(response["payload"]["symbol"], "AAPL");
    assert_eq!(response["payload"]["topic"], "bars:AAPL:1");

    client.send_json(json!({"type": "bars.unsubscribe", "payload": bars}));
    assert_eq!(client.receive_json()["type"], "bars.update");
    let response = client.receive_json();
    assert_eq!(response["type"], "bars.unsubscribe.response");
    assert_eq!(response["payload"]["status"], "ok");
}

#[test]
fn server_publish() {
    let mut client = client();
    client.send_json(json!({"type": "bars.subscribe", "payload": {"symbol": "AAPL"}}));
    client.receive_json();

    let update = client.receive_json();
    assert_eq!(update["type"], "bars.update");
    assert_eq!(update["topic"], "bars:AAPL:1");
    assert!(update["payload"]["close"].is_f64());
}
