//! The end of a server, whoever asks for it and whatever comes meanwhile: every thread ends, and nobody waits for ever.

use crate::place::{Place, settings};
use crate::{Gong, block_on, check, join, thread};
use fastws_core::api::Api;
use fastws_core::service::Updates;
use fastws_core::topic_route::TopicRoute;
use fastws_races::server::{Binding, Running, Seat, Server};
use fastws_races::settings::Settings;
use std::future::pending;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::Waker;

#[test]
fn a_server_ends_whoever_ends_it_and_keeps_nobody_who_comes_meanwhile() {
    check(1, || {
        let running = start::<Kind>();
        let (handle, client) = (running.handle(), Arc::new(()));
        let (other, own) = (running.handle(), client.clone());
        let other = thread(move || {
            other.attach(own.clone());
            other.attach(own);
            other.shutdown();
        });
        handle.shutdown();
        running.wait().expect("no thread has failed");
        join([other]);
        assert!(handle.is_empty());
        assert_eq!(Arc::strong_count(&client), 1, "no stream is left");
    });
}

#[test]
fn who_awaits_a_server_is_woken_by_its_last_shard() {
    check(2, || {
        let running = start::<Kind>();
        let handle = running.handle();
        let other = thread(move || handle.shutdown());
        block_on(running.into_future()).expect("no thread has failed");
        join([other]);
    });
}

#[test]
fn one_shard_that_fails_ends_the_others() {
    check(2, || {
        let running = start::<Frail>();
        let handle = running.handle();
        handle.attach(());
        running.wait().expect_err("a shard has failed");
        assert!(handle.is_empty());
    });
}

/// Lets everybody in who is brought, each of whom subscribes.
enum Kind {}

impl Binding for Kind {
    type Poller = Arc<Gong>;
    type Stream = Arc<()>;

    fn poller() -> io::Result<(Self::Poller, Waker)> {
        Ok(Gong::new())
    }

    fn drive(gong: Self::Poller, seat: Seat<Self::Stream>) -> io::Result<()> {
        let mut streams = Vec::new();
        drive(gong, seat, |place, stream| {
            // After a drain there is no room for anybody.
            if let Some(ann) = place.connect() {
                place.ask(ann, "bars.subscribe");
                streams.push(stream);
            }
            Ok(())
        })
    }
}

/// Fails where anybody is brought.
enum Frail {}

impl Binding for Frail {
    type Poller = Arc<Gong>;
    type Stream = ();

    fn poller() -> io::Result<(Self::Poller, Waker)> {
        Ok(Gong::new())
    }

    fn drive(gong: Self::Poller, seat: Seat<Self::Stream>) -> io::Result<()> {
        drive(gong, seat, |_, ()| Err(io::ErrorKind::OutOfMemory.into()))
    }
}

fn drive<S>(
    gong: Arc<Gong>,
    seat: Seat<S>,
    mut take: impl FnMut(&mut Place, S) -> io::Result<()>,
) -> io::Result<()> {
    Place::new(seat.shard, gong).until(|place| {
        let taken = seat.arrivals.take().try_for_each(|(stream, _)| take(place, stream));
        (taken.is_err() || place.shard.is_drained()).then_some(taken)
    })
}

/// A server of two shards.
fn start<B: Binding>() -> Running<B> {
    let bars = TopicRoute::new("bars").service(async |(), _: Updates<u32>| pending::<()>().await);
    let Settings { config, pages, .. } = settings();
    let server =
        Server::new().config(config).pages(pages).shards(NonZeroUsize::MIN.saturating_add(1));
    server.start(Api::new("", "").include(bars)).expect("it can be served")
}
