//! A real client against a real server.

use async_tungstenite::tokio::connect_async;
use async_tungstenite::tungstenite::Message;
use fastws_tokio::{Api, Client, Config, Payload, Router, TopicRoute, serve};
use futures_lite::StreamExt;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

async fn heard(
    socket: &mut (impl StreamExt<Item = Result<Message, impl std::fmt::Debug>> + Unpin),
) -> Message {
    let heard = tokio::time::timeout(Duration::from_secs(20), socket.next());
    heard.await.expect("in time").expect("not the end").expect("a message")
}

#[tokio::test(flavor = "current_thread")]
async fn a_client_subscribes_hears_an_update_and_is_closed_when_the_server_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
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
    let (end, ended) = oneshot::channel::<()>();
    let api = Api::new("Test", "1.0.0").include(bars).include(echo);
    let server = serve(listener, api, Config::default(), async { drop(ended.await) });
    let client = async {
        let (mut socket, _) = connect_async(format!("ws://{address}/ws")).await.unwrap();
        socket.send(Message::text(r#"{"type":"echo","payload":"hi","id":1}"#)).await.unwrap();
        let echoed = r#"{"type":"echoed","payload":"hi","id":1}"#;
        assert_eq!(heard(&mut socket).await, Message::text(echoed));
        socket.send(Message::text(r#"{"type":"bars.subscribe"}"#)).await.unwrap();
        let response = heard(&mut socket).await.into_text().unwrap();
        assert!(response.contains(r#""status":"ok""#), "{response}");
        let update = r#"{"type":"bars.update","topic":"bars","payload":7}"#;
        assert_eq!(heard(&mut socket).await, Message::text(update));
        end.send(()).unwrap();
        let Message::Close(Some(close)) = heard(&mut socket).await else {
            panic!("a close frame follows")
        };
        assert_eq!((u16::from(close.code), close.reason.as_str()), (1001, "Server shutting down"));
        drop(socket);
    };
    let (served, ()) = tokio::join!(server, client);
    served.unwrap();
}
