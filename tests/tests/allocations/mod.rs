//! What a shard's thread allocates for what it sends and takes in. Speaks of `crate::binding` and knows none.

use crate::Binding;
use crate::binding::{
    Api, App, Client, Config, Now, Payload, Router, Server, State, TopicRoute, Updates, payload,
};
use fastws_tests::bare;
use fastws_tests::counting::{Counting, allocations};
use fastws_tests::server::Served;
use smol::channel::{Sender, unbounded};
use std::io::Read;
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::time::Duration;

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn an_update_costs_its_shard_no_allocation_whoever_listens() {
    for (listeners, together) in [(100, 1), (400, 20)] {
        let mut room = Room::new(listeners);
        let publisher = room.server.handle().publisher();
        let text = String::from(TEXT);
        for topic in ["ticks", "kept"] {
            let kind = format!("{topic}.update");
            let publish = || publisher.publish(topic, &kind, &text).expect("there is room");
            room.warm_up();
            let cost = room.deliver(&update(topic), 1_000, together, |_| publish());
            assert_eq!(cost.shard, 0, "{topic} for {listeners} listeners");
            // Its JSON, its frame, its name and its frame for the shards; the inbox's queue if it grows.
            assert!((4_000..=5_000).contains(&cost.test), "{cost:?} for {topic}");
        }
        let news = bare::frame(&format!(r#"{{"type":"news","payload":"{TEXT}"}}"#));
        let broadcast = || drop(publisher.broadcast("news", &text).expect("there is room"));
        assert_eq!(room.deliver(&news, 200, together, |_| broadcast()).shard, 0, "a broadcast");
    }
}

#[test]
fn what_is_published_on_a_shard_costs_it_the_same_whoever_listens() {
    for listeners in [100, 400] {
        let mut room = Room::new(listeners);
        room.warm_up();
        let feed = |room: &mut Room| room.feed.try_send(TEXT.into()).expect("its service runs");
        // As on any thread, and the channel's place for who waits.
        let fed = room.deliver(&update("fed"), 100, 1, feed).shard;
        assert!((500..=600).contains(&fed), "{fed} by a service for {listeners} listeners");
        let tell = |room: &mut Room| bare::say(&mut room.control, &request("tell", TEXT), 1);
        // As on any thread but for the mail, and the argument, the client and its wish.
        let told = room.deliver(&update("ticks"), 100, 1, tell).shard;
        assert_eq!(told, 600, "by a handler for {listeners} listeners");
    }
}

#[test]
fn a_request_costs_its_shard_what_its_handler_asks_for() {
    let mut room = Room::new(0);
    for (kind, payload, cost) in [
        ("echo", r#"{"x":1,"y":2.5}"#, 0),
        ("now", "null", 0),
        ("state", "null", 0),
        ("app", "null", 0),
        ("client", "null", 1),
        ("text", TEXT, 1),
        // Two futures, the executor's task, the id, the payload, and the lists of what begins and has ended.
        ("later", "7", 7),
    ] {
        let request = match payload {
            TEXT => request(kind, TEXT),
            _ => format!(r#"{{"type":"{kind}","payload":{payload},"id":1}}"#),
        };
        let mut ask = |times| {
            for _ in 0..times {
                bare::say(&mut room.control, &request, 1);
                let said = bare::hear(&mut room.control);
                assert_eq!(said["type"], format!("{kind}.response"), "{said}");
            }
            allocations_of(&mut room.control)
        };
        let before = ask(10);
        // An executor's queue grows by blocks now and then.
        assert_eq!((ask(1_000) - before) / 1_000, cost, "{kind}");
    }
}

#[test]
fn a_message_that_is_not_answered_costs_its_shard_nothing() {
    let mut room = Room::new(0);
    let mut say = |times| {
        for _ in 0..times {
            bare::say(&mut room.control, r#"{"type":"note","payload":7}"#, 50);
            allocations_of(&mut room.control);
        }
        allocations_of(&mut room.control)
    };
    let before = say(1);
    assert_eq!(say(20) - before, 0);
}

#[test]
fn a_connection_that_is_not_read_costs_its_shard_nothing_per_turn() {
    let mut room = Room::new(1);
    room.warm_up();
    let publisher = room.server.handle().publisher();
    let publish = || publisher.publish("ticks", "ticks.update", &String::from(TEXT));
    let mut publish = |_: &mut Room| publish().expect("there is room");
    let mut patient = bare::connect(room.server.address());
    bare::say(&mut patient, r#"{"type":"wait"}"#, 1);
    // More than may wait for its turn; the rest stays in the socket.
    bare::say(&mut patient, &request("text", &"x".repeat(MESSAGE_BYTES / 2)), 8);
    room.deliver(&update("ticks"), 3, 1, &mut publish);
    assert_eq!(room.deliver(&update("ticks"), 100, 1, &mut publish).shard, 0);
    room.end.close();
    assert_eq!(bare::hear(&mut patient)["type"], "wait.response");
}

/// Listeners of every topic of a server with one shard.
struct Room {
    control: TcpStream,
    crowd: Vec<TcpStream>,
    feed: Sender<String>,
    end: Sender<()>,
    server: Served<Binding>,
}

/// What two threads have allocated.
#[derive(Debug)]
struct Cost {
    shard: u64,
    test: usize,
}

#[payload]
#[derive(Copy)]
struct Point {
    x: i64,
    y: f64,
}

impl Room {
    fn new(listeners: usize) -> Self {
        let (feed, fed) = unbounded::<String>();
        let (end, ended) = unbounded();
        let service = move |(): (), updates: Updates<String>| {
            let fed = fed.clone();
            async move {
                while let Ok(text) = fed.recv().await {
                    updates.publish(&text);
                }
            }
        };
        let wait = move || {
            let ended = ended.clone();
            async move { _ = ended.recv().await }
        };
        let tell = |Payload(text): Payload<String>, client: Client| {
            client.publish("ticks", "ticks.update", &text).expect("it is declared");
        };
        let router = Router::new()
            .recv::<String>("news")
            .send("allocations", "allocations.response", allocations)
            .send("echo", "echo.response", |Payload(point): Payload<Point>| point)
            .send("now", "now.response", |now: Now| now.unix_millis())
            .send("state", "state.response", |seven: State<u32>| *seven)
            .send("app", "app.response", |app: App| app.connections())
            .send("client", "client.response", |_: Client| ())
            .send("text", "text.response", |Payload(text): Payload<String>| text)
            .send("later", "later.response", async |Payload(number): Payload<u32>| number)
            .send("wait", "wait.response", wait)
            .send("note", None, |Payload(_): Payload<u32>| ())
            .send("tell", None, tell);
        let api = Api::new("Noise", "1.0.0")
            .state(7_u32)
            .include(router)
            .include(TopicRoute::<(), String>::new("ticks"))
            .include(TopicRoute::<(), String>::new("kept").retain_last())
            .include(TopicRoute::<(), String>::new("fed").service(service));
        let config = Config {
            // Nobody is sent one meanwhile.
            ping: Duration::from_secs(3_600),
            message_bytes: MESSAGE_BYTES as u32,
            ..Config::default()
        };
        let server = Server::bind("127.0.0.1:0").expect("there is a free port").config(config);
        let server = server.shards(NonZeroUsize::MIN).start(api).expect("the API has no mistake");
        let server = Served::new(server);
        let crowd = (0..listeners).map(|_| {
            let mut one = bare::connect(server.address());
            for topic in ["ticks", "kept", "fed"] {
                bare::say(&mut one, &format!(r#"{{"type":"{topic}.subscribe"}}"#), 1);
                assert_eq!(bare::hear(&mut one)["payload"]["status"], "ok");
            }
            one
        });
        let crowd = crowd.collect();
        Self { control: bare::connect(server.address()), crowd, feed, end, server }
    }

    /// Each way once, and more in one turn than is ever published together.
    fn warm_up(&mut self) {
        let publisher = self.server.handle().publisher();
        let publish = |topic: &str, text: String| {
            publisher.publish(topic, &format!("{topic}.update"), &text).expect("there is room");
        };
        let much = "x".repeat(MESSAGE_BYTES);
        let due = bare::frame(&format!(
            r#"{{"type":"ticks.update","topic":"ticks","payload":"{much}"}}"#
        ));
        self.deliver(&due, 3, 1, |_| publish("ticks", much.clone()));
        self.deliver(&update("kept"), 3, 1, |_| publish("kept", TEXT.into()));
        self.deliver(&update("fed"), 3, 1, |room| {
            room.feed.try_send(TEXT.into()).expect("its service runs");
        });
        self.deliver(&update("ticks"), 3, 1, |room| {
            bare::say(&mut room.control, &request("tell", TEXT), 1);
        });
    }

    /// Publishes so many updates, so many together, and lets everybody hear them.
    fn deliver(
        &mut self,
        due: &[u8],
        updates: usize,
        together: usize,
        mut publish: impl FnMut(&mut Self),
    ) -> Cost {
        let due = due.repeat(together);
        let mut heard = vec![0; due.len()];
        let shard = allocations_of(&mut self.control);
        let mut test = 0;
        for _ in 0..updates / together {
            let before = allocations();
            for _ in 0..together {
                publish(self);
            }
            test += allocations() - before;
            for one in &mut self.crowd {
                one.read_exact(&mut heard).expect("the updates come");
                assert!(heard == due, "each update comes once and in order");
            }
        }
        Cost { shard: allocations_of(&mut self.control) - shard, test }
    }
}

/// How often the shard's thread has allocated up to this request's handler.
fn allocations_of(control: &mut TcpStream) -> u64 {
    bare::say(control, r#"{"type":"allocations"}"#, 1);
    loop {
        let said = bare::hear(control);
        if said["type"] == "allocations.response" {
            return said["payload"].as_u64().expect("it is a count");
        }
    }
}

/// A request whose payload is a text.
fn request(kind: &str, text: &str) -> String {
    format!(r#"{{"type":"{kind}","payload":"{text}","id":1}}"#)
}

/// The frame of an update of a topic.
fn update(topic: &str) -> Vec<u8> {
    bare::frame(&format!(r#"{{"type":"{topic}.update","topic":"{topic}","payload":"{TEXT}"}}"#))
}

const TEXT: &str = "0123456789";
const MESSAGE_BYTES: usize = 4 << 10;
