//! The trading application's operations, in process and on a real server. Knows its requests and replies.

use crate::binding::Config;
use crate::real::{Served, serve_with};
use fastws_host::test_client::{TestClient, TestSocket};
use fastws_tests::client::Client;
use fastws_trading::{api, feed::Feed};
use serde_json::{Value, json};

// protocol: M5 T7 T10 T12 T13 P6
// trading: O2 O4 O7 O8 O9
#[test]
fn every_topic_route_answers_with_its_symbol_and_topic_and_sends_what_it_has_at_once() {
    each(Config::default(), |server| {
        for (route, payload, topic) in [
            ("bars", json!({"symbol": "AAPL"}), "bars:AAPL:1"),
            ("bars", json!({"symbol": "AAPL", "params": {"resolution": 60}}), "bars:AAPL:60"),
            ("quotes", json!({"symbol": "AAPL", "params": null}), "quotes:AAPL"),
            ("orderbook", json!({"symbol": "AAPL"}), "orderbook:AAPL:10"),
            ("orderbook", json!({"symbol": "AAPL", "params": {"depth": "3"}}), "orderbook:AAPL:3"),
            (
                "candles",
                json!({"symbol": "AAPL", "resolution": "5"}),
                r#"candles:{"resolution":"5","symbol":"AAPL"}"#,
            ),
        ] {
            let mut client = server.client();
            let response = subscribe(&mut *client, route, payload);
            let message = format!("Subscribed to {topic}");
            assert_eq!(
                response,
                json!({"status": "ok", "symbol": "AAPL", "message": message, "topic": topic})
            );
            let update = client.hear();
            assert_eq!(update["type"], format!("{route}.update"));
            assert_eq!(
                json!([update["topic"], update["payload"]["symbol"]]),
                json!([topic, "AAPL"])
            );
        }
    });
}

// trading: O3 O7 O8 O10
#[test]
fn unsubscribing_answers_like_subscribing_and_leaves_nothing() {
    each(Config::default(), |server| {
        let mut client = server.client();
        for (route, payload, topic) in [
            ("bars", json!({"symbol": "AAPL", "params": {"resolution": "5"}}), "bars:AAPL:5"),
            ("quotes", json!({"symbol": "AAPL"}), "quotes:AAPL"),
            ("orderbook", json!({"symbol": "AAPL"}), "orderbook:AAPL:10"),
            ("alerts", Value::Null, "alerts"),
        ] {
            subscribe(&mut *client, route, payload.clone());
            let [kind, reply] = ["", ".response"].map(|end| format!("{route}.unsubscribe{end}"));
            let response = ask(&mut *client, &kind, &reply, payload.clone());
            let message = format!("Unsubscribed from {topic}");
            let mut expected = json!({"status": "ok", "message": message, "topic": topic});
            if payload["symbol"].is_string() {
                expected["symbol"] = payload["symbol"].clone();
            }
            assert_eq!(response, expected);
        }
        assert_eq!(topics(&mut *client), json!([]));
    });
}

// trading: O8
#[test]
fn an_order_book_is_as_deep_as_was_asked() {
    each(Config::default(), |server| {
        let mut client = server.client();
        subscribe(&mut *client, "orderbook", json!({"symbol": "AAPL", "params": {"depth": 3}}));
        let book = hear(&mut *client, "orderbook.update");
        assert_eq!(book["bids"].as_array().map(Vec::len), Some(3));
        assert_eq!(book["asks"].as_array().map(Vec::len), Some(3));
    });
}

// protocol: T7 T14
// trading: O19 O20
#[test]
fn what_does_not_exist_is_refused_and_leaves_no_subscription() {
    each(Config::default(), |server| {
        let mut client = server.client();
        for (route, payload, message) in [
            ("bars", json!({"symbol": "NOPE"}), "there is no symbol NOPE"),
            ("quotes", json!({"symbol": "NOPE"}), "there is no symbol NOPE"),
            ("orderbook", json!({"symbol": "NOPE"}), "there is no symbol NOPE"),
            (
                "bars",
                json!({"symbol": "AAPL", "params": {"resolution": "2"}}),
                "a resolution is one of 1, 5, 15, 60 and 1D",
            ),
            (
                "orderbook",
                json!({"symbol": "AAPL", "params": {"depth": 51}}),
                "a depth is a whole number from 1 to 50",
            ),
            (
                "orderbook",
                json!({"symbol": "AAPL", "params": {"depth": "03"}}),
                "a depth is a whole number from 1 to 50",
            ),
            (
                "bars",
                json!({"symbol": "A:B"}),
                "part 1 of the topic contains `:`, which separates parts",
            ),
        ] {
            let response = subscribe(&mut *client, route, payload);
            assert_eq!(json!([response["status"], response["message"]]), json!(["error", message]));
        }
        assert_eq!(topics(&mut *client), json!([]));
    });
}

// trading: O10
#[test]
fn alerts_begin_with_one_at_once() {
    each(Config::default(), |server| {
        let mut client = server.client();
        let response = subscribe(&mut *client, "alerts", Value::Null);
        assert_eq!(
            response,
            json!({"status": "ok", "message": "Subscribed to alerts", "topic": "alerts"})
        );
        let alert = hear(&mut *client, "alerts.alert");
        assert_eq!(alert["severity"], "warning");
        assert!(alert["message"].is_string() && alert["timestamp"].is_i64());
    });
}

// trading: O11 O12 O13 O17
#[test]
fn a_client_reads_and_clears_its_own_subscriptions() {
    each(Config::default(), |server| {
        let mut client = server.client();
        subscribe(&mut *client, "bars", json!({"symbol": "AAPL"}));
        ask(&mut *client, "alerts.subscribe", "alerts.subscribe.response", Value::Null);
        let info = ask(&mut *client, "info", "info.response", Value::Null);
        let both = json!(["bars:AAPL:1", "alerts"]);
        assert_eq!(json!([info["subscriptions"], info["total_connections"]]), json!([both, 1]));
        assert_eq!(info["client_id"].as_str().map(str::len), Some(32));
        let cleared = ask(&mut *client, "clear_subscriptions", "cleared", Value::Null);
        assert_eq!(cleared, json!({"status": "ok", "cleared": both, "count": 2}));
        let listed = ask(&mut *client, "list_subscriptions", "subscriptions", Value::Null);
        assert_eq!(listed, json!({"client_id": info["client_id"], "topics": [], "count": 0}));
        let metrics = ask(&mut *client, "get_metrics", "metrics", Value::Null);
        let names: Vec<_> = metrics.as_object().expect("it is an object").keys().collect();
        assert_eq!(
            names,
            ["messages_received", "messages_sent", "total_subscriptions", "unique_topics"]
        );
    });
}

// trading: O5
#[test]
fn many_symbols_are_subscribed_to_together() {
    each(Config::default(), |server| {
        let mut client = server.client();
        let response = multi_subscribe(&mut *client, &["AAPL", "MSFT"]);
        let both = json!(["bars:AAPL:1", "bars:MSFT:1"]);
        assert_eq!(
            response,
            json!({"status": "ok", "symbols": ["AAPL", "MSFT"], "topics": both, "count": 2})
        );
        assert_eq!(topics(&mut *client), both);
    });
}

// trading: O5 O19
#[test]
fn one_symbol_that_does_not_exist_lets_none_of_many_be_subscribed_to() {
    each(Config::default(), |server| {
        let mut client = server.client();
        multi_subscribe(&mut *client, &["AAPL"]);
        let response = multi_subscribe(&mut *client, &["AAPL", "MSFT", "NOPE"]);
        assert_eq!(
            json!([response["status"], response["message"], response["topics"]]),
            json!(["error", "there is no symbol NOPE", []])
        );
        // What it had before, it keeps.
        assert_eq!(topics(&mut *client), json!(["bars:AAPL:1"]));
    });
}

// protocol: T14 E13
// trading: O5
#[test]
fn one_symbol_beyond_the_limit_of_topics_lets_none_of_many_be_subscribed_to() {
    each(Config { topics_per_connection: 2, ..Config::default() }, |server| {
        let mut client = server.client();
        let response = multi_subscribe(&mut *client, &["AAPL", "MSFT", "TSLA"]);
        assert_eq!(response["status"], "error");
        assert_eq!(topics(&mut *client), json!([]));
    });
}

// trading: O6 O19
#[test]
fn a_fallback_takes_the_default_resolution_and_says_so() {
    each(Config::default(), |server| {
        let mut client = server.client();
        let mut fall = |symbol: &str, resolution: &str| {
            let payload = json!({"symbol": symbol, "params": {"resolution": resolution}});
            let response = ask(&mut *client, "subscribe_with_fallback", "response", payload);
            ["status", "topic", "message"].map(|name| response[name].clone())
        };
        assert_eq!(fall("AAPL", "5"), ["ok", "bars:AAPL:5", "Subscribed to AAPL"]);
        assert_eq!(
            fall("AAPL", "2"),
            [
                "ok",
                "bars:AAPL:1",
                "Subscribed with fallback (error: a resolution is one of 1, 5, 15, 60 and 1D)"
            ]
        );
        assert_eq!(fall("NOPE", "5"), ["error", "bars:NOPE:1", "there is no symbol NOPE"]);
    });
}

// trading: O14
#[test]
fn strict_sends_back_what_it_has_received() {
    each(Config::default(), |server| {
        let payload = json!({"value": 12, "name": "twelve"});
        let mut client = server.client();
        let response = ask(&mut *client, "strict", "strict.response", payload.clone());
        assert_eq!(response, json!({"received": payload}));
    });
}

// protocol: E6 E7
// trading: O15
#[test]
fn a_risky_operation_ends_as_it_was_told_and_closes_no_connection_but_its_own() {
    each(Config::default(), |server| {
        let [mut client, mut other] = [(); 2].map(|()| server.client());
        let ok = ask(&mut *client, "risky_operation", "result", json!({"mode": "ok"}));
        assert_eq!(ok, json!({"status": "ok", "result": 42}));
        let error = ask(&mut *client, "risky_operation", "result", json!({"mode": "value_error"}));
        assert_eq!(error, json!({"status": "error", "message": "the value is out of range"}));
        for (mode, reason) in [
            ("close", "Internal error: the position was closed"),
            ("fail", "Internal error"),
            ("panic", "Internal error"),
        ] {
            let mut client = server.client();
            client.say("risky_operation", json!({"mode": mode}));
            client.expect_close(1011, reason);
        }
        ask(&mut *other, "simple.ping", "simple.pong", json!({"timestamp": 1}));
    });
}

/// Tries something in process and on a real server.
fn each(config: Config, test: impl Fn(&dyn Host)) {
    test(&TestClient::new(api(Feed::walk(1))).config(config.clone()));
    test(&serve_with(config, api(Feed::walk(1))));
}

/// A server of either kind.
trait Host {
    fn client(&self) -> Box<dyn Speaker>;
}

impl Host for TestClient {
    fn client(&self) -> Box<dyn Speaker> {
        Box::new(self.connect("/ws"))
    }
}

impl Host for Served {
    fn client(&self) -> Box<dyn Speaker> {
        Box::new(Served::client(self))
    }
}

/// A client of either kind.
trait Speaker {
    fn say(&mut self, kind: &str, payload: Value);
    fn hear(&mut self) -> Value;
    fn expect_close(&mut self, code: u16, reason: &str);
}

impl Speaker for TestSocket {
    fn say(&mut self, kind: &str, payload: Value) {
        self.send_json(json!({"type": kind, "payload": payload}));
    }

    fn hear(&mut self) -> Value {
        self.receive_json()
    }

    fn expect_close(&mut self, code: u16, reason: &str) {
        TestSocket::expect_close(self, code, reason);
    }
}

impl Speaker for Client {
    fn say(&mut self, kind: &str, payload: Value) {
        Client::say(self, kind, payload);
    }

    fn hear(&mut self) -> Value {
        Client::hear(self)
    }

    fn expect_close(&mut self, code: u16, reason: &str) {
        assert_eq!(self.closed(), (code, reason.into()));
    }
}

fn subscribe(client: &mut dyn Speaker, route: &str, payload: Value) -> Value {
    ask(client, &format!("{route}.subscribe"), &format!("{route}.subscribe.response"), payload)
}

fn multi_subscribe(client: &mut dyn Speaker, symbols: &[&str]) -> Value {
    ask(client, "multi_subscribe", "multi_subscribe.response", json!({"symbols": symbols}))
}

fn topics(client: &mut dyn Speaker) -> Value {
    ask(client, "list_subscriptions", "subscriptions", Value::Null)["topics"].take()
}

/// The payload of the reply, whatever updates come before it.
fn ask(client: &mut dyn Speaker, kind: &str, reply: &str, payload: Value) -> Value {
    client.say(kind, payload);
    loop {
        let mut message = client.hear();
        if message["type"] == reply {
            return message["payload"].take();
        }
        assert!(message["topic"].is_string(), "{reply} was due, and {message} came");
    }
}

/// The payload of the next message, which is of type `kind`.
fn hear(client: &mut dyn Speaker, kind: &str) -> Value {
    let mut message = client.hear();
    assert_eq!(message["type"], kind, "{message}");
    message["payload"].take()
}
