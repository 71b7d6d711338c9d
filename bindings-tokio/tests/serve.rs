//! A real client against a real server.

use async_tungstenite::tokio::{TokioAdapter, accept_async, client_async, connect_async};
use async_tungstenite::tungstenite::Message;
use fastws_tokio::{Api, Client, Config, Payload, Router, Running, Server, TopicRoute, serve};
use futures_lite::StreamExt;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

type Socket<S> = async_tungstenite::WebSocketStream<TokioAdapter<S>>;

#[tokio::test]
async fn a_client_subscribes_hears_an_update_and_is_closed_when_the_server_ends() {
    let running = start();
    let address = running.handle().addresses()[0];
    let mut socket = connect(address).await;
    speak(&mut socket).await;
    let handle = running.handle();
    handle.shutdown();
    closed(&mut socket).await;
    drop(socket);
    in_time(running.into_future()).await.expect("no shard has failed");
    assert!(handle.is_empty());
}

#[tokio::test]
async fn whoever_drops_what_runs_ends_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let address = listener.local_addr().expect("it is bound");
    let server = tokio::spawn(serve(listener, api()));
    let mut socket = connect(address).await;
    speak(&mut socket).await;
    server.abort();
    closed(&mut socket).await;
    drop(socket);
    // Its threads have ended when the port is free.
    let again = async {
        while TcpListener::bind(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    in_time(again).await;
}

#[tokio::test]
async fn a_foreign_stream_is_served_like_any_other() {
    let running = start();
    let (ours, theirs) = tokio::io::duplex(1 << 10);
    let (client, server) =
        tokio::join!(client_async("ws://localhost/ws", ours), accept_async(theirs));
    running.handle().attach(server.expect("the client is polite"));
    let (mut socket, _) = client.expect("the server is polite");
    speak(&mut socket).await;
    let handle = running.handle();
    handle.shutdown();
    closed(&mut socket).await;
    drop(socket);
    in_time(running.into_future()).await.expect("no shard has failed");
    assert!(handle.is_empty());
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
    let mut socket = connect(running.handle().addresses()[0]).await;
    let long = format!(r#"{{"type":"heed","payload":"{}"}}"#, "x".repeat(50_000));
    // A connection holds less than these: it is not read for a while.
    for _ in 0..20 {
        say(&mut socket, &long).await;
    }
    speak(&mut socket).await;
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
    let echo =
        Router::new().send("echo", "echoed", async |Payload(said): Payload<String>, _: Client| {
            tokio::time::sleep(Duration::from_millis(1)).await;
            said
        });
    let heed = Router::new().send("heed", None, async |Payload(_): Payload<String>, _: Client| {
        tokio::time::sleep(Duration::from_millis(1)).await;
    });
    Api::new("Test", "1.0.0").include(bars).include(echo).include(heed)
}

async fn connect(address: SocketAddr) -> Socket<TcpStream> {
    connect_async(format!("ws://{address}/ws")).await.expect("the server takes clients").0
}

/// A request that waits, and a topic's update.
async fn speak<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut Socket<S>) {
    say(socket, r#"{"type":"echo","payload":"hi","id":1}"#).await;
    assert_eq!(heard(socket).await, Message::text(r#"{"type":"echoed","payload":"hi","id":1}"#));
    say(socket, r#"{"type":"bars.subscribe"}"#).await;
    let response = heard(socket).await.into_text().expect("the server says text");
    assert!(response.contains(r#""status":"ok""#), "{response}");
    let update = r#"{"type":"bars.update","topic":"bars","payload":7}"#;
    assert_eq!(heard(socket).await, Message::text(update));
}

async fn closed<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut Socket<S>) {
    let Message::Close(Some(close)) = heard(socket).await else { panic!("a close frame was due") };
    assert_eq!((u16::from(close.code), close.reason.as_str()), (1001, "Server shutting down"));
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut Socket<S>, text: &str) {
    socket.send(Message::text(text)).await.expect("the connection is open");
}

async fn heard<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut Socket<S>) -> Message {
    in_time(socket.next()).await.expect("the connection is open").expect("it is in order")
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it comes in time")
}
