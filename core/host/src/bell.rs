//! What ends a thread's sleep at the price of one system call at most. Knows no poller and nothing that it rings for.

use crate::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::task::Wake;

/// Rung by tasks and by other threads, heard before and during its own thread's sleep. Whoever hears it
/// sees what was done before it was rung.
///
/// ```
/// use fastws_host::bell::Bell;
/// use std::sync::mpsc;
///
/// // What ends the sleep, such as a poller's waker. Here the thread sleeps in a channel.
/// let (rouse, poller) = mpsc::sync_channel(1);
/// let bell = Bell::new(move || drop(rouse.try_send(())));
///
/// // It begins rung, so that nothing is overlooked that was there before.
/// assert!(bell.take() && !bell.take());
/// // It is rung by whoever has something.
/// let other = bell.clone();
/// std::thread::spawn(move || other.ring());
/// if bell.fall_asleep() {
///     poller.recv()?;
/// }
/// bell.wake_up();
/// assert!(bell.take());
/// # Ok::<(), mpsc::RecvError>(())
/// ```
pub struct Bell {
    rung: AtomicBool,
    asleep: AtomicBool,
    rouse: Box<dyn Fn() + Send + Sync>,
}

// All are swaps, since each of them sees whatever the one before it has seen: who rings and who falls
// asleep cannot overlook each other.
impl Bell {
    /// One that ends its thread's sleep with `rouse`.
    pub fn new(rouse: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            rung: AtomicBool::new(true),
            asleep: AtomicBool::new(false),
            rouse: Box::new(rouse),
        })
    }

    /// There is something to do. It costs no system call while the thread is awake.
    pub fn ring(&self) {
        self.rung.swap(true, Ordering::AcqRel);
        if self.asleep.swap(false, Ordering::AcqRel) {
            (self.rouse)();
        }
    }

    /// True: it was rung since it was taken last. What it was rung for is looked for afterwards.
    pub fn take(&self) -> bool {
        self.rung.swap(false, Ordering::AcqRel)
    }

    /// The thread is about to sleep, and looks for the last time whether it has anything to do. False: it
    /// was rung.
    pub fn fall_asleep(&self) -> bool {
        self.asleep.swap(true, Ordering::AcqRel);
        !self.rung.load(Ordering::Acquire)
    }

    /// The thread has slept, or has not done so in the end.
    pub fn wake_up(&self) {
        self.asleep.swap(false, Ordering::AcqRel);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}
