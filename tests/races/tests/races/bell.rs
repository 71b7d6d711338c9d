//! What wakes a thread, and what wakes a future: nobody sleeps who was woken, and who is woken sees why.

use crate::{Gong, check, join, thread};
use fastws_races::bell::Bell;
use fastws_races::tasks::Tasks;
use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

#[test]
fn a_thread_that_is_rung_for_does_not_sleep_and_sees_what_for() {
    check(3, || {
        let (poller, waker) = Gong::new();
        let bell = Bell::new(move || waker.wake_by_ref());
        let things = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let ringers = things.clone().map(|thing| {
            let bell = bell.clone();
            thread(move || {
                thing.store(true, Relaxed);
                bell.ring();
            })
        });
        loop {
            if bell.take() && things.iter().all(|thing| thing.load(Relaxed)) {
                break;
            }
            if bell.fall_asleep() {
                poller.wait();
            }
            bell.wake_up();
        }
        join(ringers);
    });
}

#[test]
fn a_future_that_is_woken_while_it_is_polled_is_polled_again_and_sees_why() {
    check(3, || {
        let (thing, done) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(false)));
        let waker = Arc::new(Mutex::new(Waker::noop().clone()));
        let mut tasks = Tasks::default();
        let (seen, told, kept) = (thing.clone(), done.clone(), waker.clone());
        tasks.spawn(Box::pin(poll_fn(move |context| {
            kept.lock().expect("nobody has panicked").clone_from(context.waker());
            if !seen.load(Relaxed) {
                return Poll::Pending;
            }
            *told.lock().expect("nobody has panicked") = true;
            Poll::Ready(())
        })));
        assert!(tasks.tick());
        let waker = waker.lock().expect("nobody has panicked").clone();
        let other = thread(move || {
            waker.wake_by_ref();
            thing.store(true, Relaxed);
            waker.wake_by_ref();
        });
        while tasks.tick() {}
        join([other]);
        while tasks.tick() {}
        assert!(*done.lock().expect("nobody has panicked"));
    });
}
