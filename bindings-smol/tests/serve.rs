//! Real clients against a real server.

use async_tungstenite::tungstenite::Message;
use async_tungstenite::{WebSocketStream, accept_async, client_async};
use fastws_smol::{Api, Config, Payload, Router, TopicRoute};
use fastws_tests::server::{Served, bind};
use futures_lite::{AsyncRead, AsyncWrite, FutureExt, StreamExt};
use smol::future::try_zip;
use smol::net::TcpStream;
use smol::net::unix::UnixStream;
use std::future::Future;
use std::num::NonZeroUsize;
use std::time::Duration;

#[test]
fn an_async_handler_is_run_by_a_shard_that_was_never_woken_before() {
    let server = start(Config::default());
    let address = server.address();
    let heard = in_time(async {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        let url = format!("ws://{address}/ws");
        let (mut socket, _) = client_async(url, stream).await.expect("the server takes clients");
        say(&mut socket, r#"{"type":"echo","payload":"hi"}"#).await;
        hear(&mut socket).await
    });
    assert_eq!(heard, r#"{"type":"echoed","payload":"hi"}"#);
}

#[test]
fn a_foreign_stream_is_heard_without_another_event() {
    let server = start(Config { ping: Duration::from_secs(3600), ..Config::default() });
    let mut socket = attach(&server);
    let heard = in_time(async {
        // The second waits for the first, which is async.
        say(&mut socket, r#"{"type":"echo","payload":"one"}"#).await;
        say(&mut socket, r#"{"type":"echo","payload":"two"}"#).await;
        [hear(&mut socket).await, hear(&mut socket).await]
    });
    assert_eq!(heard[0], r#"{"type":"echoed","payload":"one"}"#);
    assert_eq!(heard[1], r#"{"type":"echoed","payload":"two"}"#);
}

#[test]
fn a_foreign_stream_that_was_slow_is_heard_when_it_has_caught_up() {
    let server = start(Config::default());
    let mut socket = attach(&server);
    let publisher = server.handle().publisher();
    let noise = "x".repeat(60 << 10);
    let heard = in_time(async {
        say(&mut socket, r#"{"type":"noise.subscribe"}"#).await;
        hear(&mut socket).await;
        // Less than the backlog's limit; what the sockets do not hold is more than half of it.
        for _ in 0..16 {
            publisher.publish("noise", "noise.update", &noise).expect("the inbox has room");
        }
        say(&mut socket, r#"{"type":"echo","payload":"hi"}"#).await;
        loop {
            let heard = hear(&mut socket).await;
            if !heard.contains("noise.update") {
                return heard;
            }
        }
    });
    assert_eq!(heard, r#"{"type":"echoed","payload":"hi"}"#);
}

fn start(config: Config) -> Served {
    let echo = Router::new().send("echo", "echoed", async |Payload(said): Payload<String>| said);
    let noise = TopicRoute::<(), String>::new("noise");
    let api = Api::new("Test", "1.0.0").include(echo).include(noise);
    Served::new(bind().shards(NonZeroUsize::MIN).config(config).start(api).expect("no mistake"))
}

fn attach(server: &Served) -> WebSocketStream<UnixStream> {
    let (ours, theirs) = UnixStream::pair().expect("there are descriptors");
    let shake = client_async("ws://localhost/ws", ours);
    let ((socket, _), accepted) =
        in_time(try_zip(shake, accept_async(theirs))).expect("both are polite");
    server.handle().attach(accepted);
    socket
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>, text: &str) {
    socket.send(Message::text(text)).await.expect("the connection is open");
}

async fn hear<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>) -> String {
    let message = socket.next().await.expect("the connection is open").expect("it is in order");
    message.into_text().expect("the server says text").as_str().into()
}

fn in_time<T>(future: impl Future<Output = T>) -> T {
    let late = async {
        smol::Timer::after(Duration::from_secs(20)).await;
        panic!("nothing has come")
    };
    smol::block_on(future.or(late))
}
