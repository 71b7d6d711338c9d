//! What wakes a thread, and what wakes a future: nobody sleeps who was woken, and who is woken sees why.

use crate::{Gong, check, join, thread};
use fastws_races::bell::Bell;
use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::Arc;

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

