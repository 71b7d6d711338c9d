//! Tests of operations, in process: no network, and a clock that does not wait.

// section: test-ping-pong
use crate::clients::notify_all;
use crate::setup::api;
use fastws_smol::{TestClient, TestSocket};
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn ping_pong() {
    let mut websocket = TestClient::new(api()).connect("/ws");
    websocket.send_json(json!({
        "type": "simple.ping",
        "payload": {"timestamp": 1234567890}
    }));

    let response = websocket.receive_json();
    assert_eq!(response["type"], "simple.pong");
    assert_eq!(response["payload"]["timestamp"], 1234567890);
    assert!(response["payload"]["server_time"].is_i64());
}

// section: test-subscription
#[test]
fn subscription_flow() {
    let mut websocket = TestClient::new(api()).connect("/ws");
    websocket.send_json(json!({
        "type": "bars.subscribe",
        "payload": {"symbol": "AAPL", "params": {"resolution": "1"}}
    }));

    let response = websocket.receive_json();
    assert_eq!(response["type"], "bars.subscribe.response");
    assert_eq!(response["payload"]["status"], "ok");
    assert_eq!(response["payload"]["topic"], "bars:AAPL:1");
    assert_eq!(websocket.receive_json()["type"], "bars.update");

    websocket.send_json(json!({
        "type": "bars.unsubscribe",
        "payload": {"symbol": "AAPL", "params": {"resolution": "1"}}
    }));

    let response = websocket.receive_json();
    assert_eq!(response["type"], "bars.unsubscribe.response");
    assert_eq!(response["payload"]["status"], "ok");
}

// section: test-broadcast
#[test]
fn server_publish() {
    let mut websocket = TestClient::new(api()).connect("/ws");
    websocket.send_json(json!({
        "type": "bars.subscribe",
        "payload": {"symbol": "AAPL", "params": {"resolution": "1"}}
    }));
    websocket.receive_json();

    // The service broadcasts by itself, at once and then each minute.
    for _ in 0..2 {
        let update = websocket.receive_json();
        assert_eq!(update["type"], "bars.update");
        assert!(update["payload"]["close"].is_f64());
    }
}
// end

/// What the sections' own tests leave out.
#[test]
fn every_other_operation_answers() {
    let server = TestClient::new(api());
    let mut client = server.connect("/ws");

    let strict = json!({"value": 1, "name": "a"});
    assert_eq!(ask(&mut client, "strict", strict.clone())["received"], strict);
    assert_eq!(ask(&mut client, "risky_operation", json!("7"))["result"], 7);
    assert_eq!(ask(&mut client, "risky_operation", json!("x"))["status"], "error");
    assert_eq!(ask(&mut client, "trades.place", json!("7"))["data"], 7);
    assert_eq!(ask(&mut client, "trades.place", json!("5000"))["status"], "error");

    let aapl = json!({"symbol": "AAPL"});
    for (name, topic) in [
        ("quotes", "quotes:AAPL"),
        ("orderbook", "orderbook:AAPL:10"),
        ("trades", "trades:AAPL"),
        ("candles", "candles:AAPL:1"),
        ("ticks", "ticks:AAPL:1"),
    ] {
        let response = ask(&mut client, &format!("{name}.subscribe"), aapl.clone());
        assert_eq!(response["topic"], topic);
    }
    assert_eq!(ask(&mut client, "trades.unsubscribe", aapl), "trades:AAPL");
    assert_eq!(ask(&mut client, "get_metrics", Value::Null)["unique_topics"], 4);
    assert_eq!(ask(&mut client, "list_subscriptions", Value::Null)["count"], 4);
    assert_eq!(ask(&mut client, "clear_subscriptions", Value::Null)["count"], 4);

    let both = json!({"symbols": ["AAPL", "MSFT"], "params": {"resolution": 5}});
    let topics = ask(&mut client, "multi_subscribe", both)["topics"].take();
    assert_eq!(topics, json!(["bars:AAPL:5", "bars:MSFT:5"]));
    let colon = json!({"symbol": "AAPL", "params": {"resolution": "a:b"}});
    assert_eq!(ask(&mut client, "subscribe_with_fallback", colon)["topic"], "bars:AAPL:1");
    let info = ask(&mut client, "info", Value::Null);
    assert_eq!(info["subscriptions"], json!(["bars:AAPL:5", "bars:MSFT:5", "bars:AAPL:1"]));

    ask(&mut client, "alerts.subscribe", Value::Null);
    assert_eq!(hear(&mut client, "alerts.alert")["severity"], "warning");
    notify_all(&server.publisher(), "Hello".into()).unwrap();
    assert_eq!(hear(&mut client, "system.notification")["message"], "Hello");

    client.send_json(json!({"type": "risky_operation", "payload": "5000"}));
    client.expect_close(1011, "Internal error: the exchange did not answer");
}

#[test]
fn a_price_that_stands_still_is_sent_once_or_once_a_second() {
    for (route, updates) in [("candles", 1), ("ticks", 4)] {
        let server = TestClient::new(api());
        let mut client = server.connect("/ws");
        ask(&mut client, &format!("{route}.subscribe"), json!({"symbol": "AAPL"}));
        server.advance(Duration::from_millis(3_050));
        for _ in 0..updates {
            assert_eq!(client.receive_json()["type"], format!("{route}.update"));
        }
        assert_eq!(client.try_receive_json(), None);
    }
}

/// Sends an operation, and receives the payload of its reply.
fn ask(client: &mut TestSocket, kind: &str, payload: Value) -> Value {
    client.send_json(json!({"type": kind, "payload": payload}));
    loop {
        let mut message = client.receive_json();
        // Only updates name their topic outside of their payload.
        if message["topic"].is_null() {
            return message["payload"].take();
        }
    }
}

/// The payload of the next message of a type.
fn hear(client: &mut TestSocket, kind: &str) -> Value {
    loop {
        let mut message = client.receive_json();
        if message["type"] == kind {
            return message["payload"].take();
        }
    }
}
