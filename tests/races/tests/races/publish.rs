//! Updates from several threads to listeners on several shards: their order, how many they reach, and what becomes
//! of them when the server ends.

use crate::place::{Place, server, settings};
use crate::{block_on, check, join, thread};
use fastws_core::api::Api;
use fastws_core::catalog::Catalog;
use fastws_core::ids::ConnectionId;
use fastws_core::publisher::Publisher;
use fastws_core::topic_route::TopicRoute;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[test]
fn every_listener_hears_each_publisher_in_order_and_nothing_is_lost_before_the_end() {
    let catalog = catalog();
    check(1, move || {
        let (shared, places) = server::<2>(&catalog, settings());
        let shards = places.map(|mut place| {
            let ann = listener(&mut place);
            place.start(move |mut place| {
                place.drain();
                for first in [10, 20] {
                    let of_one = numbers(&place, ann).filter(|number| *number / 10 == first / 10);
                    assert!(of_one.eq([first, first + 1]));
                }
            })
        });
        let publisher = shared.publisher();
        let other = thread({
            let publisher = publisher.clone();
            move || publish(&publisher, 10)
        });
        publish(&publisher, 20);
        join([other]);
        shared.shutdown();
        join(shards);
        assert!(shared.is_empty());
    });
}

#[test]
fn what_is_published_while_the_server_ends_is_heard_in_order_or_not_at_all() {
    let catalog = catalog();
    check(2, move || {
        let (shared, places) = server::<2>(&catalog, settings());
        let shards = places.map(|mut place| {
            let ann = listener(&mut place);
            place.start(move |mut place| {
                place.drain();
                let heard: Vec<u32> = numbers(&place, ann).collect();
                assert!([10, 11].starts_with(&heard), "{heard:?}");
            })
        });
        let publisher = shared.publisher();
        let other = thread(move || publish(&publisher, 10));
        shared.shutdown();
        join([other]);
        join(shards);
        assert!(shared.is_empty());
    });
}

#[test]
fn the_reach_of_an_update_is_told_and_is_who_hears_it_whoever_leaves_meanwhile() {
    let catalog = catalog();
    check(1, move || {
        let (shared, places) = server::<2>(&catalog, settings());
        let heard = Arc::new(AtomicUsize::new(0));
        let shards = places.map(|mut place| {
            let (ann, bob) = (listener(&mut place), listener(&mut place));
            let heard = heard.clone();
            place.start(move |mut place| {
                place.turn();
                place.reset(ann);
                place.drain();
                let all = numbers(&place, ann).chain(numbers(&place, bob));
                heard.fetch_add(all.count(), Relaxed);
            })
        });
        let reach = shared.publisher().reach("news", "news.update", &1_u32);
        let reached = block_on(reach.expect("the inboxes have room"));
        shared.shutdown();
        join(shards);
        assert!((2..=4).contains(&reached));
        assert_eq!(reached, heard.load(Relaxed));
    });
}

#[test]
fn the_reach_of_a_broadcast_is_told_also_where_shards_end_without_it() {
    let catalog = catalog();
    check(1, move || {
        let (shared, places) = server::<2>(&catalog, settings());
        let shards = places.map(|mut place| {
            place.guest();
            place.start(|mut place| place.drain())
        });
        let publisher = shared.publisher();
        let own = shared.clone();
        let other = thread(move || own.shutdown());
        let reach = publisher.broadcast("news.update", &1_u32);
        let reached = block_on(reach.expect("the inboxes have room"));
        assert!((0..=2).contains(&reached));
        join([other]);
        join(shards);
        assert!(shared.is_empty());
    });
}

fn publish(publisher: &Publisher, first: u32) {
    for number in first..first + 2 {
        publisher.publish("news", "news.update", &number).expect("the inboxes have room");
    }
}

fn listener(place: &mut Place) -> ConnectionId {
    let ann = place.guest();
    place.ask(ann, "news.subscribe");
    place.settle();
    ann
}

/// What a listener has heard of the topic.
fn numbers(place: &Place, id: ConnectionId) -> impl Iterator<Item = u32> {
    place.heard(id).filter_map(|said| {
        let number = said.strip_prefix(r#"{"type":"news.update","topic":"news","payload":"#)?;
        Some(number.strip_suffix('}')?.parse().expect("it is a number"))
    })
}

fn catalog() -> Arc<Catalog> {
    let news = TopicRoute::<(), u32>::new("news");
    Arc::new(Api::new("", "").include(news).build().expect("the API has no mistake"))
}
