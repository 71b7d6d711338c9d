//! What a test may rely on that drives an API in process.

use fastws_core::api::Api;
use fastws_core::config::Config;
use fastws_core::extract::{Clock, Now, Payload};
use fastws_core::publisher::App;
use fastws_core::router::Router;
use fastws_core::service::Updates;
use fastws_core::time::Duration;
use fastws_core::topic_route::TopicRoute;
use fastws_host::test_client::{TestClient, TestSocket};
use serde_json::json;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[test]
fn a_reply_is_there_at_once_and_the_clock_stands_still() {
    let server = TestClient::new(api());
    let mut socket = server.connect("/ws");
    for _ in 0..2 {
        socket.send_json(json!({"type": "now"}));
        let reply = json!({"type": "now.response", "payload": 1_700_000_000_000_i64});
        assert_eq!(socket.try_receive_json(), Some(reply));
    }
    assert_eq!(socket.try_receive_json(), None);
}

#[test]
fn receiving_waits_for_a_handler_and_a_service_that_sleep() {
    let mut socket = TestClient::new(api()).connect("/ws");
    socket.send_json(json!({"type": "sleep", "payload": 59}));
    assert_eq!(socket.try_receive_json(), None);
    assert_eq!(socket.receive_json()["type"], "slept");
    socket.send_json(json!({"type": "ticks.subscribe", "payload": 7}));
    assert_eq!(socket.receive_json()["payload"]["topic"], "ticks:7");
    for tick in [59 + 7, 59 + 14] {
        assert_eq!(socket.receive_json()["payload"], tick);
    }
}

#[test]
fn advancing_brings_each_update_at_its_time_to_every_socket() {
    let server = TestClient::new(api()).shards(2);
    let mut sockets = [(); 3].map(|()| server.connect("/ws"));
    for socket in &mut sockets {
        socket.send_json(json!({"type": "ticks.subscribe", "payload": 10}));
        assert_eq!(socket.receive_json()["payload"]["status"], "ok");
    }
    server.advance(Duration::from_secs(29));
    for socket in &mut sockets {
        for tick in [10, 20] {
            let update = json!({"type": "ticks.update", "topic": "ticks:10", "payload": tick});
            assert_eq!(socket.try_receive_json(), Some(update));
        }
        assert_eq!(socket.try_receive_json(), None);
    }
}

#[test]
fn a_publisher_reaches_the_clients_of_every_shard() {
    let server = TestClient::new(api()).shards(2);
    let mut sockets = [(); 2].map(|()| server.connect("/ws"));
    for socket in &mut sockets {
        socket.send_json(json!({"type": "news.subscribe"}));
        socket.receive_json();
    }
    server.publisher().publish("news", "news.update", &7_i64).expect("it is declared");
    for socket in &mut sockets {
        assert_eq!(socket.receive_json()["payload"], 7);
    }
}

#[test]
fn a_close_is_seen_behind_the_messages_that_came_before_it() {
    let mut socket = TestClient::new(api()).connect("/ws");
    socket.send_json(json!({"type": "now"}));
    socket.send_text("now");
    socket.receive_json();
    socket.expect_close(1003, "Could not decode message");
}

#[test]
fn a_close_that_time_brings_is_waited_for() {
    let config = Config { heartbeat: Some(Duration::from_secs(10)), ..Config::default() };
    let server = TestClient::new(api()).config(config);
    let mut socket = server.connect("/ws");
    server.advance(Duration::from_secs(9));
    assert_eq!(socket.try_receive_json(), None);
    let reason = "Connection timed out. Heartbeat interval 10. Max connection lifespan unset";
    socket.expect_close(1003, reason);
}

#[test]
fn a_socket_that_is_dropped_has_left() {
    let server = TestClient::new(api());
    let mut socket = server.connect("/ws");
    let other = server.connect("/ws");
    let mut connections = || {
        socket.send_json(json!({"type": "connections"}));
        socket.receive_json()["payload"].take()
    };
    assert_eq!(connections(), 2);
    drop(other);
    assert_eq!(connections(), 1);
}

#[test]
fn a_refused_client_and_a_page_have_a_status() {
    let server = TestClient::new(api()).path("/a").path("/b");
    assert_eq!(server.try_connect("/ws", &[]).err(), Some(404));
    assert_eq!(server.try_connect("/a", &[("Sec-WebSocket-Version", "8")]).err(), Some(426));
    assert_eq!(server.get("/a").0, 426);
    assert_eq!(server.get("/healthz"), (200, "ok\n".into()));
    server.connect("/b");
}

#[test]
fn a_page_of_another_host_is_let_in_where_it_is_allowed() {
    let page = [("Origin", "https://example.org")];
    assert_eq!(TestClient::new(api()).try_connect("/ws", &page).err(), Some(403));
    let server = TestClient::new(api()).origin("https://example.org");
    assert_eq!(server.try_connect("/ws", &page).err(), None);
}

#[test]
fn what_did_not_come_is_told_with_what_has_come_instead() {
    let minute = "in 60s of simulated time";
    assert_eq!(
        said(|socket| drop(socket.receive_json())),
        format!("a message was due, and none came {minute}")
    );
    assert_eq!(
        said(|socket| socket.expect_close(1000, "bye")),
        format!("a close with 1000 `bye` was due, and none came {minute}")
    );
    let unknown = json!({"type": "unknown"});
    let closed = "the server has closed the connection with 1003 `No matching type`";
    assert_eq!(
        said(|socket| {
            socket.send_json(&unknown);
            socket.receive_json();
        }),
        format!("a message was due, and {closed}")
    );
    assert_eq!(
        said(|socket| {
            socket.send_json(&unknown);
            socket.try_receive_json();
        }),
        closed
    );
    assert_eq!(
        said(|socket| {
            socket.send_json(&unknown);
            socket.expect_close(1003, "");
        }),
        format!("a close with 1003 `` was due, and {closed}")
    );
    assert_eq!(
        said(|socket| {
            socket.send_json(&unknown);
            socket.send_json(&unknown);
        }),
        format!("nothing can be sent: {closed}")
    );
    assert_eq!(
        said(|socket| {
            socket.send_json(json!({"type": "connections"}));
            socket.expect_close(1000, "bye");
        }),
        "a close with 1000 `bye` was due, and a message came: \
         {\"payload\":1,\"type\":\"connections.response\"}"
    );
}

#[test]
fn a_mistake_in_the_api_is_told_as_it_is() {
    let nameless = Router::new().send("hello", None, || "world");
    let mistake = panic(|| drop(TestClient::new(Api::new("", "").include(nameless))));
    assert!(mistake.starts_with("operation `hello` returns a value but has no reply"), "{mistake}");
}

fn api() -> Api {
    async fn sleep(Payload(seconds): Payload<u64>, clock: Clock) -> u64 {
        clock.sleep(Duration::from_secs(seconds)).await;
        seconds
    }
    async fn tick(seconds: u64, updates: Updates<i64>) {
        loop {
            updates.sleep(Duration::from_secs(seconds)).await;
            updates.publish(&(updates.unix_millis() / 1000 - 1_700_000_000));
        }
    }
    let router = Router::new()
        .send("now", "now.response", |now: Now| now.unix_millis())
        .send("connections", "connections.response", |app: App| app.connections())
        .send("sleep", "slept", sleep);
    Api::new("Clocks", "1.0.0")
        .include(router)
        .include(TopicRoute::<(), i64>::new("news"))
        .include(TopicRoute::new("ticks").topic(|s: &u64| [s.to_string()]).service(tick))
}

/// The panic of a test with one socket.
fn said(test: impl FnOnce(&mut TestSocket)) -> String {
    let mut socket = TestClient::new(api()).connect("/ws");
    panic(|| test(&mut socket))
}

fn panic(test: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(test)).expect_err("it fails");
    *panic.downcast().expect("it says why in a sentence of its own")
}
