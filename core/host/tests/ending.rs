//! What is left of a server when its shards have ended. Drives two shards without sockets; time stands still.

use fastws_core::api::Api;
use fastws_core::config::Config;
use fastws_core::frame::Opcode;
use fastws_core::ids::ConnectionId;
use fastws_core::time::{Duration, Instant};
use fastws_core::topic_route::TopicRoute;
use fastws_host::shard::Shard;
use fastws_host::shared::Shared;
use fastws_host::tasks::Tasks;
use std::future::pending;
use std::sync::Arc;
use std::task::Waker;

#[test]
fn a_shard_ends_after_its_services_also_where_only_others_listen() {
    let (shared, mut shards) = server();
    let ann = shards[0].subscribe();
    let bob = shards[1].subscribe();
    shards[0].leave(ann);
    shared.shutdown();
    shards[0].turns();
    assert!(!shards[0].shard.is_drained(), "bob listens to its service");
    shards[1].leave(bob);
    assert!(shards[1].shard.is_drained() && !shards[0].shard.is_drained());
    shards[0].turns();
    assert!(shards[0].shard.is_drained());
    drop(shards);
    assert!(shared.is_empty());
}

#[test]
fn who_goes_as_it_is_written_to_leaves_its_topic_in_the_same_turn() {
    for (topic, has_service) in [("news", false), ("bars", true)] {
        let (shared, [mut first, _second]) = server();
        let ann = first.subscribe_to(topic);
        // As a binding does whose write has failed, behind the shard's turn.
        first.shard.handle_end(ann);
        while first.shard.poll_gone().is_some() {}
        assert_eq!(first.shard.is_ready(), has_service);
        if has_service {
            first.turns();
        }
        assert!(shared.is_empty(), "{topic}");
    }
}

#[test]
fn what_a_shard_leaves_behind_is_known_after_its_end() {
    let (shared, [mut first, second]) = server();
    let ann = first.subscribe();
    drop(second);
    assert!(!shared.is_empty());
    first.leave(ann);
    assert!(shared.is_empty());
    first.shard.open(None).expect("owned memory has room");
    drop(first);
    assert!(!shared.is_empty());
}

#[test]
fn what_is_published_after_the_end_waits_for_nobody() {
    let (shared, shards) = server();
    drop(shards);
    shared.publisher().publish("bars", "bars.update", &1.5).expect("nobody is there to be told");
    assert!(shared.is_empty());
}

fn server() -> (Arc<Shared>, [Place; 2]) {
    let bars = TopicRoute::<(), f64>::new("bars").service(async |(), _| Ok(pending::<()>()));
    let news = TopicRoute::<(), f64>::new("news");
    let api = Api::new("", "").include(bars).include(news);
    let catalog = api.build().expect("the API has no mistake");
    let wakers = vec![Waker::noop().clone(); 2];
    let shared = Shared::new(catalog, Config::default(), wakers).expect("it can be served");
    let place = |index| Place { shard: Shard::new(shared.clone(), index), tasks: Tasks::default() };
    let places = [0, 1].map(place);
    (shared, places)
}

/// A shard and the tasks on it.
struct Place {
    shard: Shard,
    tasks: Tasks,
}

impl Place {
    fn subscribe(&mut self) -> ConnectionId {
        self.subscribe_to("bars")
    }

    fn subscribe_to(&mut self, topic: &str) -> ConnectionId {
        let id = self.shard.open(None).expect("owned memory has room");
        let mut message = format!(r#"{{"type":"{topic}.subscribe"}}"#).into_bytes();
        assert!(self.shard.handle_message(id, Opcode::Text, &mut message));
        self.turns();
        id
    }

    fn leave(&mut self, id: ConnectionId) {
        self.shard.handle_end(id);
        self.turns();
    }

    fn turns(&mut self) {
        self.shard.handle_time(Instant::ZERO, Duration::ZERO);
        for _ in 0..10 {
            while let Some(task) = self.shard.poll_task() {
                self.tasks.spawn(task);
            }
            while self.tasks.tick() {}
            self.shard.turn();
            while let Some(transmit) = self.shard.poll_transmit() {
                let (id, sent) = (transmit.id(), transmit.parts().map(<[u8]>::len).sum());
                self.shard.handle_sent(id, sent);
            }
            while self.shard.poll_gone().is_some() {}
        }
    }
}
