//! A real client against a real server.

use async_tungstenite::client_async;
use async_tungstenite::tungstenite::Message;
use fastws_smol::{Api, Payload, Router, Server};
use futures_lite::{FutureExt, StreamExt};
use smol::net::TcpStream;
use std::time::Duration;

#[test]
fn an_async_handler_is_run_by_a_shard_that_was_never_woken_before() {
    let echo = Router::new().send("echo", "echoed", async |Payload(said): Payload<String>| said);
    let server = Server::bind("127.0.0.1:0").expect("a free port");
    let running = server.start(Api::new("Test", "1.0.0").include(echo)).expect("no mistake");
    let address = running.handle().addresses()[0];
    let talk = async {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        let (mut socket, _) =
            client_async(format!("ws://{address}/ws"), stream).await.expect("it takes clients");
        let say = Message::text(r#"{"type":"echo","payload":"hi"}"#);
        socket.send(say).await.expect("the connection is open");
        socket.next().await.expect("the connection is open").expect("it is in order")
    };
    let late = async {
        smol::Timer::after(Duration::from_secs(20)).await;
        panic!("the handler was never run")
    };
    let heard = smol::block_on(talk.or(late));
    assert_eq!(heard, Message::text(r#"{"type":"echoed","payload":"hi"}"#));
}
