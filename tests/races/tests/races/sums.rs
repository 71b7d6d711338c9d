//! What shards count for each other: places that are left, and figures of all.

use crate::place::{Place, server, settings};
use crate::{Gong, check, join};
use fastws_core::api::Api;
use fastws_core::config::Config;
use fastws_core::desk::Shards;
use fastws_core::service::Updates;
use fastws_core::topic_route::TopicRoute;
use fastws_races::settings::Settings;
use fastws_races::shard::Shard;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[test]
fn the_last_place_is_given_to_one_at_most() {
    let catalog = Arc::new(Api::new("", "").build().expect("the API has no mistake"));
    check(3, move || {
        let config = Config { connections: 1, ..settings().config };
        let (shared, places) = server::<2>(&catalog, Settings { config, ..settings() });
        let inside = Arc::new(AtomicUsize::new(0));
        join(places.map(|mut place| {
            let inside = inside.clone();
            let ann = place.connect().expect("there is room for who asks");
            place.start(move |mut place| {
                place.settle();
                if place.is_open(ann) {
                    assert_eq!(inside.fetch_add(1, Relaxed), 0);
                    place.turn();
                    inside.fetch_sub(1, Relaxed);
                    place.reset(ann);
                    place.turn();
                }
            })
        }));
        assert_eq!(shared.metrics().connections, 0);
    });
}

#[test]
fn what_shards_have_counted_adds_up() {
    // One route, of which each shard starts a topic.
    let bars = TopicRoute::new("bars")
        .topic(|name: &String| [name.clone()])
        .service(async |_: String, _: Updates<u32>| std::future::pending::<()>().await);
    let catalog = Arc::new(Api::new("", "").include(bars).build().expect("it has no mistake"));
    check(2, move || {
        let (shared, places) = server::<2>(&catalog, settings());
        let left = Arc::new(AtomicUsize::new(2));
        let mut names = ["\"one\"", "\"two\""].into_iter();
        let shards = places.map(|mut place| {
            let ann = place.guest();
            place.say(ann, "bars.subscribe", names.next().expect("there is one for each"));
            let (shared, left) = (shared.clone(), left.clone());
            place.start(move |mut place| {
                place.until(|place| place.heard(ann).next().map(drop));
                place.end_with(&left, &shared);
            })
        });
        join(shards);
        let sums = shared.metrics();
        assert_eq!((sums.connections, sums.subscriptions, sums.topics), (0, 0, 0));
        // Each has subscribed and closed.
        assert_eq!((sums.messages_sent, sums.closes.total()), (2, 2));
        let text = Place::new(Shard::new(shared, 0), Gong::new().0).page("/metrics");
        for name in ["starts", "stops"] {
            let line = format!("fastws_service_{name}_total{{route=\"bars\"}} 2\n");
            assert!(text.contains(&line), "{text}");
        }
    });
}
