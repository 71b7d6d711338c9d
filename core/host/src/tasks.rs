//! Futures of one thread, each polled once it was woken. Knows no time and nothing to wait for.

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard};
use fastws_core::desk::Local;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Wake, Waker};

/// An executor for who needs no runtime. Futures are polled in the order in which they were woken.
///
/// ```
/// use fastws_host::tasks::Tasks;
/// use std::{cell::Cell, rc::Rc};
///
/// let mut tasks = Tasks::default();
/// let done = Rc::new(Cell::new(false));
/// let tell = done.clone();
/// tasks.spawn(Box::pin(async move { tell.set(true) }));
/// assert!(!done.get());
/// while tasks.tick() {}
/// assert!(done.get());
/// ```
#[derive(Default)]
pub struct Tasks {
    futures: BTreeMap<u64, (Local<()>, Arc<Bell>)>,
    spawned: u64,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(Mutex<VecDeque<u64>>);

/// What wakes one future.
struct Bell {
    future: u64,
    woken: Arc<Woken>,
    rung: AtomicBool,
}

impl Tasks {
    /// Keeps a future until it ends. It is polled in a later [`tick`](Self::tick).
    pub fn spawn(&mut self, future: Local<()>) {
        self.spawned += 1;
        let rung = AtomicBool::new(false);
        let bell = Arc::new(Bell { future: self.spawned, woken: self.woken.clone(), rung });
        bell.wake_by_ref();
        self.futures.insert(self.spawned, (future, bell));
    }

    /// Polls the future that was woken first. False: none was.
    pub fn tick(&mut self) -> bool {
        let Some(woken) = self.woken.queue().pop_front() else { return false };
        if let Some((future, bell)) = self.futures.get_mut(&woken) {
            bell.rung.swap(false, Ordering::AcqRel);
            let waker = Waker::from(bell.clone());
            if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                self.futures.remove(&woken);
            }
        }
        true
    }
}

impl Woken {
    fn queue(&self) -> MutexGuard<'_, VecDeque<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.woken.queue().push_back(self.future);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::rc::Rc;
    use std::task::Poll;

    #[test]
    fn a_future_is_polled_once_however_often_it_was_woken_and_never_after_its_end() {
        let polls = Rc::new(Cell::new(0));
        let waker = Rc::new(Cell::new(Waker::noop().clone()));
        let (counted, kept) = (polls.clone(), waker.clone());
        let mut tasks = Tasks::default();
        tasks.spawn(Box::pin(poll_fn(move |context| {
            counted.set(counted.get() + 1);
            kept.set(context.waker().clone());
            if counted.get() == 2 { Poll::Ready(()) } else { Poll::Pending }
        })));
        assert!(tasks.tick() && !tasks.tick());
        let waker = waker.replace(Waker::noop().clone());
        waker.wake_by_ref();
        waker.wake_by_ref();
        assert!(tasks.tick() && !tasks.tick());
        waker.wake_by_ref();
        while tasks.tick() {}
        assert_eq!(polls.get(), 2);
    }
}
