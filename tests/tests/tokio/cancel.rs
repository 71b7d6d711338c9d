//! What is dropped in the middle leaves nothing behind, and nobody waits for ever: futures, runtimes, handlers.

use crate::real::{bind, start};
use async_tungstenite::tokio::accept_async;
use async_tungstenite::tungstenite::Message;
use fastws_tests::client::{Client, until, within};
use fastws_tests::stage::{later, stage};
use fastws_tests::witness::{Gate, Witness};
use fastws_tests::world::HANDSHAKE;
use fastws_tokio::{
    Api, Client as Caller, Config, Handle, Payload, Router, State, TopicRoute, Updates,
};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

type Rooms = TopicRoute<String, u64>;

/// The stage, topics `rooms:NAME` whose service never starts in `attic`, and handlers that use tokio.
struct Inside {
    witness: Witness,
    gate: Gate,
}

impl Inside {
    fn new() -> Self {
        Self { witness: Witness::default(), gate: Gate::default() }
    }

    fn api(&self) -> Api {
        let witness = self.witness.clone();
        let rooms = Rooms::new("rooms").topic(|name: &String| [name.clone()]).service(
            async move |name: String, _: Updates<u64>| {
                let life = witness.life(&name);
                if name == "attic" {
                    std::future::pending::<()>().await;
                }
                Ok(async move {
                    let _life = life;
                    std::future::pending::<()>().await;
                })
            },
        );
        let peek = async |Payload(name): Payload<String>, client: Caller, rooms: State<Rooms>| {
            let entered = rooms.subscribe(&client, &name);
            tokio::time::timeout(Duration::from_millis(5), entered).await.is_ok()
        };
        let leave_behind = async |witness: State<Witness>| {
            let life = witness.life("task");
            tokio::spawn(async move {
                let _life = life;
                std::future::pending::<()>().await;
            });
        };
        let operations = Router::new()
            .send("peek", "peeked", peek)
            .send("leave", "left", leave_behind)
            .send("topics", "topics.response", |client: Caller| client.topics());
        stage(&self.witness, &self.gate).state(rooms.clone()).include(rooms).include(operations)
    }

    /// Waits until these were noted, in whatever order.
    fn until_noted(&self, lines: &[&str]) {
        let mut noted = Vec::new();
        until(|| {
            noted.extend(self.witness.took());
            lines.iter().all(|line| noted.iter().any(|noted| noted == line))
        });
    }
}

/// A program's own runtime, on threads of its own.
fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("there are threads")
}

/// Its threads have ended, and nothing is left of anybody.
fn until_free(handle: &Handle) {
    let address = handle.addresses()[0];
    until(|| std::net::TcpListener::bind(address).is_ok());
    assert!(handle.is_empty(), "nothing is left on the server");
}

fn enter(client: &mut Client, room: &str) {
    let said = client.ask("rooms.subscribe", "rooms.subscribe.response", json!(room));
    assert_eq!(said["status"], "ok", "{said}");
}

#[test]
fn a_runtime_that_is_shut_down_in_the_middle_ends_the_server_that_it_awaits() {
    for in_background in [false, true] {
        let inside = Inside::new();
        let config = Config { drain: Duration::ZERO, ..Config::default() };
        let running = bind().config(config).start(inside.api()).expect("the API has no mistake");
        let handle = running.handle();
        let runtime = runtime();
        runtime.spawn(running.into_future());
        let [mut ann, mut bob, mut cat] =
            [(); 3].map(|()| Client::connect(handle.addresses()[0], "/ws"));
        enter(&mut ann, "hall");
        bob.say_text(later(["wait"]));
        cat.say("rooms.subscribe", json!("attic"));
        inside.until_noted(&["start hall", "waits", "start attic"]);
        match in_background {
            true => runtime.shutdown_background(),
            false => drop(runtime),
        }
        for mut client in [ann, bob, cat] {
            assert_eq!(client.closed(), (1001, "Server shutting down".into()));
        }
        inside.until_noted(&["drop hall", "drop attic"]);
        until_free(&handle);
    }
}

#[test]
fn whatever_a_dropped_server_was_in_the_middle_of_is_ended() {
    let inside = Inside::new();
    let soon = Duration::from_millis(20);
    let config = Config { closing: soon, drain: Duration::ZERO, ..Config::default() };
    let running = bind().config(config).start(inside.api()).expect("the API has no mistake");
    let handle = running.handle();
    let address = handle.addresses()[0];
    let mut running = running.into_future();
    // It has begun to be awaited.
    let begun = within(async { futures_lite::future::poll_once(&mut running).await });
    assert!(begun.is_none());
    let silent = TcpStream::connect(address).expect("it listens");
    let mut shaking = TcpStream::connect(address).expect("it listens");
    shaking.write_all(&HANDSHAKE.as_bytes()[..40]).expect("it is open");
    let mut rude = Client::connect(address, "/ws");
    rude.say_text(later(["wait"]));
    inside.until_noted(&["waits"]);
    drop(running);
    // None of them says anything more.
    until_free(&handle);
    for mut stream in [silent, shaking] {
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("it is not zero");
        // An end or a reset.
        assert!(!matches!(stream.read(&mut [0]), Ok(1..)));
    }
    assert_eq!(rude.closed(), (1001, "Server shutting down".into()));
}

#[test]
fn a_stream_of_a_runtime_that_is_shut_down_has_ended_for_the_server() {
    let inside = Inside::new();
    let server = start(bind(), inside.api());
    let runtime = runtime();
    let (listener, address) = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address: SocketAddr = listener.local_addr().expect("it is bound");
        (listener, address)
    });
    let handle = server.handle();
    runtime.spawn(async move {
        let (stream, _) = listener.accept().await.expect("somebody comes");
        handle.attach(accept_async(stream).await.expect("the client is polite"));
        std::future::pending::<()>().await;
    });
    let mut client = Client::connect(address, "/ws");
    enter(&mut client, "hall");
    inside.until_noted(&["start hall"]);
    runtime.shutdown_background();
    inside.until_noted(&["drop hall"]);
    client.dropped();
}

#[test]
fn who_waits_no_longer_for_a_topic_has_no_place_in_it() {
    let inside = Inside::new();
    let server = start(bind(), inside.api());
    let mut client = server.client();
    assert_eq!(client.ask("peek", "peeked", json!("attic")), false);
    inside.until_noted(&["start attic", "drop attic"]);
    assert_eq!(client.ask("topics", "topics.response", Value::Null), json!([]));
    assert_eq!(client.ask("peek", "peeked", json!("hall")), true);
    assert_eq!(client.ask("topics", "topics.response", Value::Null), json!(["rooms:hall"]));
}

#[test]
fn a_task_that_a_handler_leaves_behind_is_dropped_with_its_server() {
    let inside = Inside::new();
    let server = start(bind(), inside.api());
    server.client().ask("leave", "left", Value::Null);
    drop(server);
    assert_eq!(inside.witness.took(), ["start task", "drop task"]);
}

#[test]
fn a_thread_that_a_handler_leaves_behind_is_not_waited_for() {
    let (release, held) = channel::<()>();
    let held = Mutex::new(Some(held));
    let hold = move || {
        let held: Receiver<()> = held.lock().expect("nobody has panicked").take().expect("once");
        drop(tokio::task::spawn_blocking(move || held.recv()));
    };
    let server =
        start(bind(), Api::new("Hold", "1").include(Router::new().send("hold", "held", hold)));
    let mut client = server.client();
    client.say_text(r#"{"type":"hold"}"#);
    assert_eq!(client.hear()["type"], "held");
    client.send(Message::Close(None));
    drop((client, server));
    drop(release);
}
