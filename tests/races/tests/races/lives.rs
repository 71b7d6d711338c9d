//! A topic's lives over several shards: who starts its service, who waits for it, who ends it.

use crate::place::{server, settings};
use crate::{check, join};
use fastws_core::api::Api;
use fastws_core::catalog::Catalog;
use fastws_core::respond::Refused;
use fastws_core::service::Updates;
use fastws_core::time::Duration;
use fastws_core::topic_route::TopicRoute;
use fastws_races::shared::Shared;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[test]
fn racing_subscribers_have_one_service_at_a_time_and_none_in_the_end() {
    let services = Arc::<Services>::default();
    let catalog = catalog(bars(services.clone()));
    check(2, move || {
        services.begun.store(0, Relaxed);
        let (shared, places) = server::<2>(&catalog, settings());
        let left = Arc::new(AtomicUsize::new(2));
        join(places.map(|mut place| {
            let (shared, left) = (shared.clone(), left.clone());
            let ann = place.guest();
            place.ask(ann, "bars.subscribe");
            place.start(move |mut place| {
                let reply = place.until(|place| place.heard(ann).next().map(String::from));
                assert!(is_granted(&reply), "{reply}");
                place.reset(ann);
                place.end_with(&left, &shared);
            })
        }));
        assert!(matches!(services.begun.load(Relaxed), 1 | 2));
        services.are_gone(&shared);
    });
}

#[test]
fn whose_turn_it_is_to_start_while_it_leaves_passes_it_on_also_as_its_shard_ends() {
    for waits in [false, true] {
        let services = Arc::<Services>::default();
        let catalog = catalog(bars(services.clone()));
        check(if waits { 2 } else { 3 }, move || {
            let (shared, [mut first, mut second, mut third]) = server(&catalog, settings());
            // A life of the second shard ends.
            let bob = second.guest();
            second.ask(bob, "bars.subscribe");
            second.settle();
            second.reset(bob);
            second.turn();
            // The next is the first shard's to start, or the third's.
            let ann = first.guest();
            first.ask(ann, "bars.subscribe");
            first.settle();
            let cat = third.guest();
            if waits {
                third.ask(cat, "bars.subscribe");
                third.settle();
            } else {
                shared.shutdown();
            }
            let first = first.start(move |mut place| {
                place.reset(ann);
                place.drain();
            });
            let second = second.start(|mut place| place.drain());
            let own = shared.clone();
            let third = third.start(move |mut place| {
                if waits {
                    let reply = place.until(|place| place.heard(cat).next().map(String::from));
                    assert!(is_granted(&reply), "{reply}");
                    own.shutdown();
                }
                place.drain();
            });
            join([first, second, third]);
            services.are_gone(&shared);
        });
    }
}

#[test]
fn everybody_who_waits_for_a_start_that_fails_is_told_and_may_try_again() {
    let services = Arc::<Services>::default();
    let begun = services.clone();
    let route = TopicRoute::new("bars").service(async move |(), _: Updates<u32>| {
        let alive = Alive::new(begun.clone());
        match begun.begun.load(Relaxed) {
            1 => Err(Refused::new("not yet")),
            _ => Ok(run(alive)),
        }
    });
    let catalog = catalog(route);
    check(2, move || {
        services.begun.store(0, Relaxed);
        let (shared, places) = server::<2>(&catalog, settings());
        let left = Arc::new(AtomicUsize::new(2));
        join(places.map(|mut place| {
            let (shared, left) = (shared.clone(), left.clone());
            let ann = place.guest();
            place.ask(ann, "bars.subscribe");
            place.start(move |mut place| {
                let first = place.until(|place| place.heard(ann).next().map(String::from));
                if !is_granted(&first) {
                    assert!(first.contains("not yet"), "{first}");
                    place.ask(ann, "bars.subscribe");
                    let second = place.until(|place| place.heard(ann).nth(1).map(String::from));
                    assert!(is_granted(&second), "{second}");
                }
                place.end_with(&left, &shared);
            })
        }));
        assert_eq!(services.begun.load(Relaxed), 2);
        services.are_gone(&shared);
    });
}

#[test]
fn who_comes_back_in_time_hears_what_the_topic_said_last() {
    let services = Arc::<Services>::default();
    let begun = services.clone();
    let route = TopicRoute::new("bars").service(async move |(), updates: Updates<u32>| {
        updates.publish(&7);
        Ok(run(Alive::new(begun.clone())))
    });
    let catalog = catalog(route.retain_last().linger(Duration::from_secs(1)));
    check(2, move || {
        let (shared, [mut first, mut second]) = server(&catalog, settings());
        let bob = second.guest();
        second.ask(bob, "bars.subscribe");
        second.settle();
        let ann = first.guest();
        first.ask(ann, "bars.subscribe");
        let own = shared.clone();
        let first = first.start(move |mut place| {
            place.until(|place| place.heard(ann).any(|said| said.contains("7")).then_some(()));
            own.shutdown();
            place.drain();
        });
        let second = second.start(move |mut place| {
            place.reset(bob);
            place.turn();
            // Nobody has come back, or just.
            place.pass(Duration::from_secs(1));
            place.drain();
        });
        join([first, second]);
        services.are_gone(&shared);
    });
}

fn is_granted(reply: &str) -> bool {
    reply.contains(r#""status":"ok""#)
}

#[derive(Default)]
struct Services {
    begun: AtomicUsize,
    alive: AtomicUsize,
}

impl Services {
    fn are_gone(&self, shared: &Shared) {
        assert_eq!(self.alive.load(Relaxed), 0);
        assert!(shared.is_empty(), "nothing is left between shards");
    }
}

struct Alive(Arc<Services>);

impl Alive {
    fn new(services: Arc<Services>) -> Self {
        services.begun.fetch_add(1, Relaxed);
        assert_eq!(services.alive.fetch_add(1, Relaxed), 0, "the one before is gone");
        Self(services)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Relaxed);
    }
}

async fn run(_alive: Alive) {
    pending().await
}

fn bars(services: Arc<Services>) -> TopicRoute<(), u32> {
    TopicRoute::new("bars")
        .service(async move |(), _: Updates<u32>| Ok(run(Alive::new(services.clone()))))
}

fn catalog(route: TopicRoute<(), u32>) -> Arc<Catalog> {
    Arc::new(Api::new("", "").include(route).build().expect("the API has no mistake"))
}
