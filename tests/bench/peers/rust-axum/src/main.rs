//! A peer to compare with, what a Rust user writes today: axum, one task per socket, one tokio broadcast channel per
//! topic, serde_json for the envelope. usage: peer-axum PORT [THREADS]

use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::{Router, extract::State, routing::any};
use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::broadcast;
use tokio_stream::StreamMap;
use tokio_stream::wrappers::BroadcastStream;

#[derive(Deserialize)]
struct Envelope<'a> {
    r#type: &'a str,
    #[serde(borrow)]
    payload: &'a serde_json::value::RawValue,
}

#[derive(Serialize, Deserialize)]
struct Ping {
    timestamp: u64,
}

#[derive(Deserialize)]
struct Subscribe {
    topic: String,
}

#[derive(Serialize, Deserialize)]
struct Bar {
    topic: String,
    seq: u64,
    data: String,
}

#[derive(Serialize)]
struct Reply<'a, P> {
    r#type: &'a str,
    payload: P,
}

type Topics = Arc<Mutex<HashMap<String, broadcast::Sender<Utf8Bytes>>>>;

fn text<P: Serialize>(kind: &str, payload: P) -> Utf8Bytes {
    serde_json::to_string(&Reply { r#type: kind, payload }).unwrap().into()
}

fn topic(t: &Topics, name: &str) -> broadcast::Sender<Utf8Bytes> {
    let mut t = t.lock().unwrap();
    match t.get(name) {
        Some(s) => s.clone(),
        None => {
            let s = broadcast::channel(1024).0;
            t.insert(name.to_string(), s.clone());
            s
        }
    }
}

async fn serve(ws: WebSocket, topics: Topics) {
    let (mut out, mut inp) = ws.split();
    let mut subs: StreamMap<String, BroadcastStream<Utf8Bytes>> = StreamMap::new();
    loop {
        tokio::select! {
            m = inp.next() => {
                let Some(Ok(m)) = m else { return };
                let Message::Text(m) = m else { continue };
                let Ok(e) = serde_json::from_str::<Envelope>(&m) else { return };
                let reply = match e.r#type {
                    "simple.ping" => {
                        let Ok(p) = serde_json::from_str::<Ping>(e.payload.get()) else { return };
                        Some(text("simple.pong", p))
                    }
                    "bars.subscribe" => {
                        let Ok(s) = serde_json::from_str::<Subscribe>(e.payload.get()) else { return };
                        let rx = topic(&topics, &s.topic).subscribe();
                        subs.insert(s.topic, BroadcastStream::new(rx));
                        Some(text("bars.subscribed", serde_json::json!({})))
                    }
                    "bars.publish" => {
                        let Ok(b) = serde_json::from_str::<Bar>(e.payload.get()) else { return };
                        let tx = topic(&topics, &b.topic);
                        let _ = tx.send(text("bars.message", b));
                        None
                    }
                    _ => return,
                };
                if let Some(r) = reply
                    && out.send(Message::Text(r)).await.is_err() { return }
            }
            Some((_, m)) = subs.next(), if !subs.is_empty() => {
                if let Ok(m) = m
                    && out.send(Message::Text(m)).await.is_err() { return }
            }
        }
    }
}

fn main() {
    let a: Vec<String> = std::env::args().collect();
    let port: u16 = a[1].parse().unwrap();
    let threads: usize = a.get(2).map(|s| s.parse().unwrap()).unwrap_or(2);
    let rt = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .unwrap();
    rt.block_on(async {
        let topics: Topics = Default::default();
        let app = Router::new()
            .route(
                "/",
                any(|ws: WebSocketUpgrade, State(t): State<Topics>| async move {
                    ws.on_upgrade(move |s| serve(s, t))
                }),
            )
            .with_state(topics);
        let l = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        use axum::serve::ListenerExt;
        let l = l.tap_io(|s| {
            let _ = s.set_nodelay(true);
        });
        axum::serve(l, app).await.unwrap();
    });
}
