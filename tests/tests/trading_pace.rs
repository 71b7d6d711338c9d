//! When the trading application says something, on the simulated clock.

use fastws_core::time::Duration;
use fastws_host::test_client::{TestClient, TestSocket};
use fastws_trading::{api, feed::Feed};
use serde_json::{Value, json};

/// A server, and a client of it that has subscribed.
fn subscribed(route: &str) -> (TestClient, TestSocket) {
    let server = TestClient::new(api(Feed::walk(1)));
    let mut client = server.connect("/ws");
    let payload = match route {
        "alerts" => Value::Null,
        _ => json!({"symbol": "AAPL"}),
    };
    client.send_json(json!({"type": format!("{route}.subscribe"), "payload": payload}));
    assert_eq!(client.receive_json()["payload"]["status"], "ok");
    (server, client)
}

/// How many updates there are without waiting.
fn updates(client: &mut TestSocket) -> usize {
    std::iter::from_fn(|| client.try_receive_json()).count()
}

// trading: O4 O8
#[test]
fn bars_and_books_come_at_once_and_then_at_most_once_a_second() {
    for route in ["bars", "orderbook"] {
        let (server, mut client) = subscribed(route);
        assert_eq!(updates(&mut client), 1, "{route}");
        for _ in 0..60 {
            server.advance(Duration::from_millis(999));
            let early = updates(&mut client);
            server.advance(Duration::from_millis(1));
            assert_eq!((early, updates(&mut client)), (0, 1), "{route}");
        }
    }
}

// trading: O7 R1
#[test]
fn a_quote_comes_every_100_milliseconds() {
    let (server, mut client) = subscribed("quotes");
    let first = client.receive_json()["payload"].take();
    assert_eq!(updates(&mut client), 0);
    let mut moved = 0;
    let mut last = first;
    for _ in 0..100 {
        server.advance(Duration::from_millis(100));
        if let Some(mut update) = client.try_receive_json() {
            moved += usize::from(update["payload"]["last"] != last["last"]);
            last = update["payload"].take();
            assert!(last["bid"].as_f64() <= last["ask"].as_f64(), "{last}");
        }
        assert_eq!(updates(&mut client), 0);
    }
    assert!(moved > 50, "{moved} of 100 moved");
}

// trading: O9
#[test]
fn a_candle_comes_at_once_and_then_when_its_close_has_moved_by_the_threshold() {
    let (server, mut client) = subscribed("candles");
    let mut last = client.receive_json();
    assert_eq!(last["topic"], r#"candles:{"resolution":"1","symbol":"AAPL"}"#);
    let close = |update: &Value| update["payload"]["close"].as_f64().expect("it is a number");
    for _ in 0..3 {
        // A walk needs hours to move so far.
        let next = loop {
            server.advance(Duration::from_secs(60));
            if let Some(next) = client.try_receive_json() {
                break next;
            }
        };
        assert!((close(&next) - close(&last)).abs() >= 0.01 * close(&last), "{last} {next}");
        last = next;
        while let Some(next) = client.try_receive_json() {
            assert!((close(&next) - close(&last)).abs() >= 0.01 * close(&last), "{last} {next}");
            last = next;
        }
    }
    let mut late = server.connect("/ws");
    late.send_json(json!({"type": "candles.subscribe", "payload": {"symbol": "AAPL"}}));
    assert_eq!(late.receive_json()["payload"]["status"], "ok");
    assert_eq!(late.try_receive_json(), Some(last));
}

// trading: O10
#[test]
fn an_alert_comes_at_once_and_then_every_300_seconds() {
    let (server, mut client) = subscribed("alerts");
    assert_eq!(updates(&mut client), 1);
    for _ in 0..3 {
        server.advance(Duration::from_secs(299));
        let early = updates(&mut client);
        server.advance(Duration::from_secs(1));
        assert_eq!((early, updates(&mut client)), (0, 1));
    }
}

// trading: O16
#[test]
fn a_slow_reply_comes_after_the_time_that_was_asked_for() {
    let server = TestClient::new(api(Feed::walk(1)));
    let mut client = server.connect("/ws");
    client.send_json(json!({"type": "slow", "payload": {"ms": 1500}}));
    server.advance(Duration::from_millis(1499));
    assert_eq!(client.try_receive_json(), None);
    server.advance(Duration::from_millis(1));
    let reply = json!({"type": "slow.response", "payload": {"ms": 1500}});
    assert_eq!(client.try_receive_json(), Some(reply));
}

// trading: O1
#[test]
fn a_ping_is_answered_with_its_timestamp_and_the_servers_time() {
    let server = TestClient::new(api(Feed::walk(1)));
    let mut client = server.connect("/ws");
    let mut ping = || {
        client.send_json(json!({"type": "simple.ping", "payload": {"timestamp": 7}}));
        client.receive_json()
    };
    let first = ping();
    server.advance(Duration::from_millis(1234));
    let second = ping();
    assert_eq!(
        (&first["type"], &first["payload"]["timestamp"]),
        (&json!("simple.pong"), &json!(7))
    );
    let times = [first, second].map(|pong| pong["payload"]["server_time"].as_i64());
    assert_eq!(times[1], times[0].map(|time| time + 1234), "in milliseconds since 1970");
}
