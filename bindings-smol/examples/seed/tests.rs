//! Tests of operations, against a server on a port of its own.

// section: test-ping-pong
use crate::clients::notify_all;
use crate::setup::api;
use async_tungstenite::tungstenite::Message;
use async_tungstenite::{WebSocketStream, client_async};
use fastws_smol::{Handle, Server};
use serde_json::{Value, json};
use smol::net::TcpStream;
use smol::stream::StreamExt;

#[test]
fn ping_pong() {
    smol::block_on(async {
        let mut client = TestClient::connect().await;
        client.send("simple.ping", json!({"timestamp": 1234567890})).await;
        let response = client.receive().await;
        assert_eq!(response["type"], "simple.pong");
        assert_eq!(response["payload"]["timestamp"], 1234567890);
        assert!(response["payload"]["server_time"].is_i64());
    });
}

/// A client of a server that ends with it.
struct TestClient {
    server: Handle,
    socket: WebSocketStream<TcpStream>,
}

impl TestClient {
    async fn connect() -> Self {
        let server = Server::bind("127.0.0.1:0").unwrap().start(api()).unwrap().handle();
        let address = server.addresses()[0];
        let stream = TcpStream::connect(address).await.unwrap();
        let (socket, _) = client_async(format!("ws://{address}/ws"), stream).await.unwrap();
        Self { server, socket }
    }

    async fn send(&mut self, kind: &str, payload: Value) {
        let message = json!({"type": kind, "payload": payload}).to_string();
        self.socket.send(Message::text(message)).await.unwrap();
    }

    async fn receive(&mut self) -> Value {
        let message = self.socket.next().await.unwrap().unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    }
}

impl Drop for TestClient {
    fn drop(&mut self) {
        self.server.shutdown();
    }
}

// section: test-subscription
#[test]
fn subscription_flow() {
    smol::block_on(async {
        let mut client = TestClient::connect().await;
        let request = json!({"symbol": "AAPL", "params": {"resolution": "1"}});

        client.send("bars.subscribe", request.clone()).await;
        let response = client.receive().await;
        assert_eq!(response["type"], "bars.subscribe.response");
        assert_eq!(response["payload"]["status"], "ok");
        assert_eq!(response["payload"]["topic"], "bars:AAPL:1");
        assert_eq!(client.receive().await["type"], "bars.update");

        client.send("bars.unsubscribe", request).await;
        let response = client.receive().await;
        assert_eq!(response["type"], "bars.unsubscribe.response");
        assert_eq!(response["payload"]["status"], "ok");
    });
}

// section: test-broadcast
#[test]
fn server_publish() {
    smol::block_on(async {
        let mut client = TestClient::connect().await;
        client.send("bars.subscribe", json!({"symbol": "AAPL"})).await;
        client.receive().await;

        // The service broadcasts by itself.
        let update = client.receive().await;
        assert_eq!(update["type"], "bars.update");
        assert!(update["payload"]["close"].is_f64());
    });
}
// end
/// What the sections' own tests leave out.
#[test]
fn every_other_operation_answers() {
    smol::block_on(async {
        let mut client = TestClient::connect().await;

        let strict = json!({"value": 1, "name": "a"});
        assert_eq!(client.ask("strict", strict.clone()).await["received"], strict);
        assert_eq!(client.ask("risky_operation", json!("7")).await["result"], 7);
        assert_eq!(client.ask("risky_operation", json!("x")).await["status"], "error");
        assert_eq!(client.ask("trades.place", json!("7")).await["data"], 7);
        assert_eq!(client.ask("trades.place", json!("5000")).await["status"], "error");

        let aapl = json!({"symbol": "AAPL"});
        for (name, topic) in [
            ("quotes", "quotes:AAPL"),
            ("orderbook", "orderbook:AAPL:10"),
            ("trades", "trades:AAPL"),
            ("candles", "candles:AAPL:1"),
            ("ticks", "ticks:AAPL:1"),
        ] {
            let response = client.ask(&format!("{name}.subscribe"), aapl.clone()).await;
            assert_eq!(response["topic"], topic);
        }
        assert_eq!(client.ask("trades.unsubscribe", aapl.clone()).await, "trades:AAPL");
        assert_eq!(client.ask("get_metrics", Value::Null).await["unique_topics"], 4);
        assert_eq!(client.ask("list_subscriptions", Value::Null).await["count"], 4);
        assert_eq!(client.ask("clear_subscriptions", Value::Null).await["count"], 4);

        let both = json!({"symbols": ["AAPL", "MSFT"], "params": {"resolution": 5}});
        let topics = client.ask("multi_subscribe", both).await["topics"].take();
        assert_eq!(topics, json!(["bars:AAPL:5", "bars:MSFT:5"]));
        let colon = json!({"symbol": "AAPL", "params": {"resolution": "a:b"}});
        let response = client.ask("subscribe_with_fallback", colon).await;
        assert_eq!(response["topic"], "bars:AAPL:1");
        let info = client.ask("info", Value::Null).await;
        assert_eq!(info["subscriptions"], json!(["bars:AAPL:5", "bars:MSFT:5", "bars:AAPL:1"]));

        client.ask("alerts.subscribe", Value::Null).await;
        assert_eq!(client.hear("alerts.alert").await["severity"], "warning");
        client.ask("system.subscribe", Value::Null).await;
        notify_all(&client.server.publisher(), "Hello".into()).unwrap();
        assert_eq!(client.hear("system.notification").await["message"], "Hello");

        client.send("risky_operation", json!("5000")).await;
        let reason = "Internal error: the exchange did not answer".to_string();
        assert_eq!(client.closed().await, (1011, reason));
    });
}

impl TestClient {
    /// Sends an operation, and receives the payload of its reply.
    async fn ask(&mut self, kind: &str, payload: Value) -> Value {
        self.send(kind, payload).await;
        loop {
            let mut message = self.receive().await;
            // Only updates name their topic outside of their payload.
            if message["topic"].is_null() {
                return message["payload"].take();
            }
        }
    }

    /// The payload of the next message of a type.
    async fn hear(&mut self, kind: &str) -> Value {
        loop {
            let mut message = self.receive().await;
            if message["type"] == kind {
                return message["payload"].take();
            }
        }
    }

    async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(close) = self.socket.next().await.unwrap().unwrap() {
                let close = close.unwrap();
                return (close.code.into(), close.reason.as_str().into());
            }
        }
    }
}
