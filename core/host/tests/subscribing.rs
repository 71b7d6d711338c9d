//! What a handler hears when it subscribes its client. Drives one shard without sockets; time stands still.

use fastws_core::api::Api;
use fastws_core::client::Client;
use fastws_core::config::Config;
use fastws_core::extract::State;
use fastws_core::frame::Opcode;
use fastws_core::respond::{Failure, Refused};
use fastws_core::router::Router;
use fastws_core::service::Updates;
use fastws_core::time::{Duration, Instant};
use fastws_core::topic_route::TopicRoute;
use fastws_host::shard::Shard;
use fastws_host::shared::Shared;
use std::future::{Future, pending};
use std::pin::Pin;
use std::task::{Context, Waker};

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
        r#"{"type":"two.response","payload":"this connection has as many topics as it may have"}"#
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
    assert_eq!(
        said(config, Api::new("", "").include(router), "move"),
        r#"{"type":"moved","payload":["two"]}"#
    );
}

#[test]
fn a_topic_with_a_service_is_only_had_through_its_route() {
    fn subscribe(client: Client) -> String {
        client.subscribe("bars").expect_err("it has a service").to_string()
    }
    let bars = TopicRoute::<(), f64>::new("bars").service(async |(), _| Ok(pending()));
    let api = Api::new("", "").include(bars).include(Router::new().send(
        "subscribe",
        "response",
        subscribe,
    ));
    assert_eq!(
        said(Config::default(), api, "subscribe"),
        r#"{"type":"response","payload":"the topic has a service: subscribe through its route"}"#
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
    assert_eq!(said(config, api, "three"), r#"{"type":"response","payload":[false,true,false]}"#);
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
    assert_eq!(
        said(Config::default(), api, "both"),
        r#"{"type":"response","payload":["bars:AAPL","no such symbol"]}"#
    );
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
    assert_eq!(said(Config::default(), api, "one"), r#"{"type":"response","payload":"bars"}"#);
}

type Bars = TopicRoute<String, f64>;

fn bars() -> Bars {
    TopicRoute::new("bars").topic(|symbol: &String| [symbol.clone()]).service(async |symbol, _| {
        match symbol.as_str() {
            "AAPL" => Ok(pending()),
            _ => Err("no such symbol".into()),
        }
    })
}

/// What a server says to one client that sends one operation without a payload.
fn said(config: Config, api: Api, operation: &str) -> String {
    let catalog = api.build().expect("the API has no mistake");
    let shared =
        Shared::new(catalog, config, vec![Waker::noop().clone()]).expect("it can be served");
    let mut shard = Shard::new(shared, 0);
    shard.handle_time(Instant::ZERO, Duration::ZERO);
    let id = shard.open(None).expect("owned memory has room");
    let mut message = format!(r#"{{"type":"{operation}"}}"#).into_bytes();
    assert!(shard.handle_message(id, Opcode::Text, &mut message));
    let mut tasks: Vec<Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
    for _ in 0..10 {
        tasks.extend(std::iter::from_fn(|| shard.poll_task()));
        let mut context = Context::from_waker(Waker::noop());
        tasks.retain_mut(|task| task.as_mut().poll(&mut context).is_pending());
        shard.turn();
        if let Some(transmit) = shard.poll_transmit() {
            let frame: Vec<u8> = transmit.parts().flatten().copied().collect();
            // A short text frame has a head of two bytes.
            return String::from_utf8(frame[2..].to_vec()).expect("the server says text");
        }
    }
    panic!("the server has nothing to say");
}
