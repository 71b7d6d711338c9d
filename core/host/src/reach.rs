//! How many connections an update has reached, counted down by the shards. Knows no shard and no update.

use crate::sync::{Mutex, MutexGuard};
use fastws_core::desk::Reach;
use std::future::poll_fn;
use std::sync::{Arc, PoisonError};
use std::task::{Poll, Waker};

/// Lies in the mail of each shard; the last that drops it tells the sum.
///
/// The sum is a [`Reach`], which whoever publishes gets.
#[derive(Debug)]
pub struct Tally(Arc<Mutex<Sum>>);

#[derive(Debug, Default)]
struct Sum {
    reached: usize,
    is_told: bool,
    waker: Option<Waker>,
}

impl Tally {
    /// A tally, and the future that ends when it is dropped.
    pub(crate) fn new() -> (Arc<Self>, Reach) {
        let sum = Arc::<Mutex<Sum>>::default();
        let told = sum.clone();
        let reach = poll_fn(move |context| {
            let mut sum = lock(&told);
            if sum.is_told {
                return Poll::Ready(sum.reached);
            }
            sum.waker = Some(context.waker().clone());
            Poll::Pending
        });
        (Arc::new(Self(sum)), Reach::new(reach))
    }

    /// One shard has queued the update for so many connections.
    pub(crate) fn add(&self, connections: usize) {
        lock(&self.0).reached += connections;
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let mut sum = lock(&self.0);
        sum.is_told = true;
        let waker = sum.waker.take();
        drop(sum);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

fn lock(sum: &Mutex<Sum>) -> MutexGuard<'_, Sum> {
    // An addition that panicked has left no half state behind.
    sum.lock().unwrap_or_else(PoisonError::into_inner)
}
