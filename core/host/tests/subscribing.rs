//! What a handler hears when it subscribes its client. Knows handlers, no shard.

use fastws_core::api::Api;
use fastws_core::client::Client;
use fastws_core::config::Config;
use fastws_core::extract::State;
use fastws_core::respond::{Failure, Refused};
use fastws_core::router::Router;
use fastws_core::service::Updates;
use fastws_core::topic_route::TopicRoute;
use fastws_host::test_client::TestClient;
use serde_json::{Value, json};
use std::future::pending;

#[test]
fn a_plain_handler_learns_at_once_whether_a_topic_is_granted() {
    fn two(client: Client) -> Result<String, Failure> {
        client.subscribe("one")?;
        let refused = client.subscribe("two").expect_err("one topic is the limit");
        Ok(refused.to_string())
    }
    let router = Router::new().send("two", "two.response", two);
    let config = Config { topics_per_connection: 1, ..Config::default() };
    assert_eq!(
        said(config, Api::new("", "").include(router), "two"),
        "this connection has as many topics as it may have"
    );
}

#[test]
fn a_handler_that_changes_its_mind_is_counted_by_what_it_wishes_in_the_end() {
    fn moved(client: Client) -> Result<Vec<String>, Failure> {
        client.subscribe("one")?;
        client.subscribe("one")?;
        client.unsubscribe("never");
        client.unsubscribe("one");
        client.subscribe("two")?;
        Ok(client.topics())
    }
    let router = Router::new().send("move", "moved", moved);
    let config = Config { topics_per_connection: 1, ..Config::default() };
    assert_eq!(said(config, Api::new("", "").include(router), "move"), json!(["two"]));
}

#[test]
fn a_topic_with_a_service_is_only_had_through_its_route() {
    fn subscribe(client: Client) -> String {
        client.subscribe("bars").expect_err("it has a service").to_string()
    }
    let bars = TopicRoute::<(), f64>::new("bars").service(async |(), _| Ok(pending::<()>()));
    let api = Api::new("", "").include(bars).include(Router::new().send(
        "subscribe",
        "response",
        subscribe,
    ));
    assert_eq!(
        said(Config::default(), api, "subscribe"),
        "the topic has a service: subscribe through its route"
    );
}

#[test]
fn topics_with_and_without_a_service_share_one_limit() {
    async fn three(client: Client, bars: State<Bars>) -> [bool; 3] {
        [
            bars.subscribe(&client, &"NOPE".into()).await.is_ok(),
            client.subscribe("one").is_ok(),
            bars.subscribe(&client, &"AAPL".into()).await.is_ok(),
        ]
    }
    let config = Config { topics_per_connection: 1, ..Config::default() };
    let api = Api::new("", "")
        .state(bars())
        .include(bars())
        .include(Router::new().send("three", "response", three));
    assert_eq!(said(config, api, "three"), json!([false, true, false]));
}

#[test]
fn a_route_yields_the_topic_when_its_service_has_started_or_says_why_not() {
    async fn both(client: Client, bars: State<Bars>) -> (String, String) {
        let granted = bars.subscribe(&client, &"AAPL".into()).await.expect("it is listed");
        let refused = bars.subscribe(&client, &"NOPE".into()).await.expect_err("it is not");
        (granted, refused.to_string())
    }
    let api = Api::new("", "")
        .state(bars())
        .include(bars())
        .include(Router::new().send("both", "response", both));
    assert_eq!(said(Config::default(), api, "both"), json!(["bars:AAPL", "no such symbol"]));
}

#[test]
fn a_service_that_only_runs_keeps_no_subscriber_waiting() {
    async fn run(_symbol: String, _updates: Updates<f64>) {
        pending().await
    }
    async fn one(client: Client, bars: State<Bars>) -> Result<String, Refused> {
        bars.subscribe(&client, &"AAPL".into()).await
    }
    let bars: Bars = TopicRoute::new("bars").service(run);
    let api = Api::new("", "")
        .state(bars.clone())
        .include(bars)
        .include(Router::new().send("one", "response", one));
    assert_eq!(said(Config::default(), api, "one"), "bars");
}

type Bars = TopicRoute<String, f64>;

fn bars() -> Bars {
    TopicRoute::new("bars").topic(|symbol: &String| [symbol.clone()]).service(async |symbol, _| {
        match symbol.as_str() {
            "AAPL" => Ok(pending::<()>()),
            _ => Err("no such symbol".into()),
        }
    })
}

/// The payload of what a server says to one client that sends one operation without a payload.
fn said(config: Config, api: Api, operation: &str) -> Value {
    let mut socket = TestClient::new(api).config(config).connect("/ws");
    socket.send_json(json!({"type": operation}));
    socket.receive_json()["payload"].take()
}
