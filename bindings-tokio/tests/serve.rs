//! A real client against a real server.

mod client;

use async_tungstenite::tokio::accept_async;
use client::{Client, in_time};
use fastws_tokio::{Api, Config, Payload, Router, Running, Server, TopicRoute, serve};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn a_client_subscribes_hears_an_update_and_is_closed_when_the_server_ends() {
    let running = start();
    let mut client = Client::connect(running.handle().addresses()[0], "/ws").await;
    speak(&mut client).await;
    end(running, client).await;
}

#[tokio::test]
async fn a_foreign_stream_is_served_like_any_other() {
    let running = start();
    let (ours, theirs) = tokio::io::duplex(1 << 10);
    let shake = Client::shake("ws://localhost/ws", ours);
    let (client, server) = tokio::join!(shake, accept_async(theirs));
    running.handle().attach(server.expect("the client is polite"));
    let mut client = client.expect("the server is polite");
    speak(&mut client).await;
    end(running, client).await;
}

#[tokio::test]
async fn whoever_drops_what_runs_ends_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let address = listener.local_addr().expect("it is bound");
    let server = tokio::spawn(serve(listener, api()));
    let mut client = Client::connect(address, "/ws").await;
    speak(&mut client).await;
    server.abort();
    assert_eq!(client.closed().await, (1001, "Server shutting down".into()));
    // Its threads have ended when the port is free.
    let again = async {
        while TcpListener::bind(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    in_time(again).await;
}

#[tokio::test]
async fn who_says_nothing_is_answered_at_its_deadline() {
    let handshake = Duration::from_millis(20);
    let running = start_with(Config { handshake, drain: Duration::ZERO, ..Config::default() });
    let mut silent = TcpStream::connect(running.handle().addresses()[0]).await.expect("it listens");
    let mut answer = String::new();
    in_time(silent.read_to_string(&mut answer)).await.expect("it is text");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn requests_that_wait_for_one_without_a_reply_are_read_after_it() {
    let running = start();
    let mut client = Client::connect(running.handle().addresses()[0], "/ws").await;
    let long = format!(r#"{{"type":"heed","payload":"{}"}}"#, "x".repeat(50_000));
    // A connection holds less than these: it is not read for a while.
    for _ in 0..20 {
        client.say(&long).await;
    }
    speak(&mut client).await;
}

fn start() -> Running {
    start_with(Config { drain: Duration::ZERO, ..Config::default() })
}

fn start_with(config: Config) -> Running {
    let server = Server::bind("127.0.0.1:0").expect("there is a free port");
    server.config(config).start(api()).expect("there is no mistake")
}

fn api() -> Api {
    let bars = TopicRoute::<(), i64>::new("bars").service(async |(), updates| {
        Ok(async move {
            updates.publish(&7);
            std::future::pending::<()>().await
        })
    });
    let echo = Router::new().send("echo", "echoed", async |Payload(said): Payload<String>| {
        pause().await;
        said
    });
    let heed = Router::new().send("heed", None, async |Payload(_): Payload<String>| {
        pause().await;
    });
    Api::new("Test", "1.0.0").include(bars).include(echo).include(heed)
}

/// What handlers of users wait for too: a shard's runtime has timers, and turns come meanwhile.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// A request that waits, and a topic's update.
async fn speak<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>) {
    client.say(r#"{"type":"echo","payload":"hi","id":1}"#).await;
    assert_eq!(client.hear().await, r#"{"type":"echoed","payload":"hi","id":1}"#);
    client.say(r#"{"type":"bars.subscribe"}"#).await;
    let response = client.hear().await;
    assert!(response.contains(r#""status":"ok""#), "{response}");
    assert_eq!(client.hear().await, r#"{"type":"bars.update","topic":"bars","payload":7}"#);
}

/// Leaves nothing of anybody.
async fn end<S: AsyncRead + AsyncWrite + Unpin>(running: Running, client: Client<S>) {
    let handle = running.handle();
    handle.shutdown();
    assert_eq!(client.closed().await, (1001, "Server shutting down".into()));
    in_time(running.into_future()).await.expect("no shard has failed");
    assert!(handle.is_empty());
}
