//! What a shard does that comes late to what has come in time. Drives one shard without a socket, on a clock of its own.

use fastws_core::api::Api;
use fastws_core::config::Config;
use fastws_core::frame::Opcode;
use fastws_core::router::Router;
use fastws_core::time::{Duration, Instant};
use fastws_host::peer::Peer;
use fastws_host::settings::Doorway;
use fastws_host::shard::Shard;
use fastws_host::shared::Shared;
use std::task::Waker;

const HANDSHAKE: &[u8] = b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[test]
fn whoever_has_spoken_in_time_is_alive_though_its_shard_reads_it_too_late() {
    let catalog = Api::new("", "").include(Router::new().send("echo", "echoed", || 1)).build();
    let config = Config { heartbeat: Some(Duration::from_secs(5)), ..Config::default() };
    let wakers = vec![Waker::noop().clone()];
    let shared = Shared::new(catalog.expect("it has no mistake"), config, wakers);
    let mut shard = Shard::new(shared.expect("it can be served"), 0);
    let mut peer = Peer::default();
    let mut now = Instant::ZERO;
    let id = shard.accept(None, Doorway::default()).expect("owned memory grows");
    let message = peer.frame(Opcode::Text, br#"{"type":"echo"}"#);
    for mut bytes in [HANDSHAKE.to_vec(), message] {
        shard.handle_time(now, Duration::ZERO);
        shard.handle_bytes(id, &mut bytes);
        shard.turn();
        while let Some(transmit) = shard.poll_transmit() {
            let sent = peer.take(now, transmit.parts().collect::<Vec<_>>().concat());
            shard.handle_sent(id, sent);
        }
        // Something else has kept the thread for so long.
        now = now + Duration::from_secs(60);
    }
    assert_eq!((peer.closed.as_ref(), peer.heard.len()), (None, 1));
    shard.handle_time(now, Duration::ZERO);
    shard.turn();
    assert_eq!(shard.engine().connections(), 0);
}
