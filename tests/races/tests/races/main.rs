//! What threads do to the host, in every order: its own code, with locks and atomics that a model schedules (`sync`).
//! Knows no socket, no poller and no time.

mod bell;
mod end;
mod inbox;
mod lives;
mod place;
mod publish;
mod sums;

use loom::sync::{Condvar, Mutex};
use loom::thread::{Builder, JoinHandle};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

/// Runs `model` once for each order of its threads' steps, with as many preemptions at most, and for each value
/// that an atomic may yield. A thread that waits for ever ends it with `deadlock`.
fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.max_branches = 100_000;
    let (model, orders) = (Arc::new(model), Arc::new(AtomicUsize::new(0)));
    let tried = orders.clone();
    // The first thread's stack has no room for a shard.
    builder.check(move || {
        let model = model.clone();
        orders.fetch_add(1, Relaxed);
        thread(move || model()).join().expect("it has not panicked");
    });
    println!("{} orders", tried.load(Relaxed));
}

fn thread<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    Builder::new().stack_size(1 << 20).spawn(run).expect("the model has room for one more")
}

fn join<T>(threads: impl IntoIterator<Item = JoinHandle<T>>) {
    for thread in threads {
        thread.join().expect("it has not panicked");
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let (gong, waker) = Gong::new();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => gong.wait(),
        }
    }
}

/// What a thread waits for, and others wake.
#[derive(Default)]
struct Gong {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Gong {
    fn new() -> (Arc<Self>, Waker) {
        let gong = Arc::new(Self { rung: Mutex::new(false), changed: Condvar::new() });
        (gong.clone(), Waker::from(gong))
    }

    /// Ends when it has been rung since it was waited for last.
    fn wait(&self) {
        let mut rung = self.rung.lock().expect("nobody has panicked");
        while !*rung {
            rung = self.changed.wait(rung).expect("nobody has panicked");
        }
        *rung = false;
    }
}

impl Wake for Gong {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *self.rung.lock().expect("nobody has panicked") = true;
        self.changed.notify_one();
    }
}
