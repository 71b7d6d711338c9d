//! A peer to compare with, the fast end of Rust on tokio: sockudo-ws with its own PubSub, payload relayed as raw JSON,
//! replies and deliveries gathered before each flush. usage: peer-sockudo PORT [THREADS]

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde::Deserialize;
use sockudo_ws::error::Result;
use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
use sockudo_ws::pubsub::PubSub;
use sockudo_ws::{Config, Message, WebSocketStream};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

#[derive(Deserialize)]
struct Envelope<'a> {
    r#type: &'a str,
    #[serde(borrow)]
    payload: &'a serde_json::value::RawValue,
}

#[derive(Deserialize)]
struct Topic<'a> {
    topic: &'a str,
}

fn wrap(kind: &str, payload: &str) -> Bytes {
    let mut s = String::with_capacity(payload.len() + kind.len() + 24);
    s.push_str("{\"type\":\"");
    s.push_str(kind);
    s.push_str("\",\"payload\":");
    s.push_str(payload);
    s.push('}');
    Bytes::from(s)
}

async fn handshake(mut s: TcpStream) -> Result<TcpStream> {
    let mut buf = BytesMut::with_capacity(2048);
    loop {
        if s.read_buf(&mut buf).await? == 0 {
            return Err(sockudo_ws::Error::ConnectionClosed);
        }
        if let Some((req, _)) = parse_request(&buf)? {
            let r = build_response(&generate_accept_key(req.key), None, None);
            s.write_all(&r).await?;
            return Ok(s);
        }
    }
}

fn handle(text: &[u8], hub: &PubSub, me: sockudo_ws::pubsub::SubscriberId) -> Option<Message> {
    let e: Envelope = serde_json::from_slice(text).ok()?;
    let p = e.payload.get();
    match e.r#type {
        "simple.ping" => Some(Message::Text(wrap("simple.pong", p))),
        "bars.subscribe" => {
            let t: Topic = serde_json::from_str(p).ok()?;
            hub.subscribe(me, t.topic);
            Some(Message::Text(wrap("bars.subscribed", "{}")))
        }
        "bars.publish" => {
            let t: Topic = serde_json::from_str(p).ok()?;
            hub.publish(t.topic, Message::Text(wrap("bars.message", p)));
            None
        }
        _ => None,
    }
}

async fn serve(s: TcpStream, hub: Arc<PubSub>) -> Result<()> {
    let s = handshake(s).await?;
    let mut ws = WebSocketStream::server(s, Config::default());
    let (tx, mut rx) = mpsc::unbounded_channel();
    let me = hub.create_subscriber(tx);
    'outer: loop {
        tokio::select! {
            m = ws.next() => {
                let mut m = m;
                let mut dirty = false;
                loop {
                    let Some(Ok(x)) = m else { break 'outer };
                    if let Message::Text(t) = x {
                        if let Some(r) = handle(&t, &hub, me) {
                            ws.feed(r).await?;
                            dirty = true;
                        }
                    } else if let Message::Close(_) = x {
                        break 'outer;
                    }
                    match ws.next().now_or_never() {
                        Some(n) => m = n,
                        None => break,
                    }
                }
                if dirty {
                    ws.flush().await?;
                }
            }
            Some(m) = rx.recv() => {
                ws.feed(m).await?;
                while let Ok(m) = rx.try_recv() {
                    ws.feed(m).await?;
                }
                ws.flush().await?;
            }
        }
    }
    hub.remove_subscriber(me);
    Ok(())
}

async fn listen(port: u16) {
    let l = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let hub = Arc::new(PubSub::new());
    loop {
        let (s, _) = l.accept().await.unwrap();
        s.set_nodelay(true).ok();
        let hub = hub.clone();
        tokio::spawn(async move {
            let _ = serve(s, hub).await;
        });
    }
}

fn main() {
    let a: Vec<String> = std::env::args().collect();
    let port: u16 = a[1].parse().unwrap();
    let threads: usize = a.get(2).map(|s| s.parse().unwrap()).unwrap_or(1);
    let mut b = if threads == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        let mut b = tokio::runtime::Builder::new_multi_thread();
        b.worker_threads(threads);
        b
    };
    b.enable_all().build().unwrap().block_on(listen(port));
}
