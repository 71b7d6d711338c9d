//! Threads, locks and atomics: std's, or a model's in which a test tries every order of their steps. Knows
//! nothing of what they are for.

// The model's where `tests/races` builds these files; a feature would be seen by users.
#[cfg(races)]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};
#[cfg(races)]
pub(crate) use loom::thread::{Builder, JoinHandle};
#[cfg(not(races))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};
#[cfg(not(races))]
pub(crate) use std::thread::{Builder, JoinHandle};

/// Starts a thread.
pub(crate) fn spawn<T: Send + 'static>(
    name: String,
    run: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<JoinHandle<T>> {
    let builder = Builder::new().name(name);
    // A shard does not fit in the 32 KiB that the model has for a thread otherwise.
    #[cfg(races)]
    let builder = builder.stack_size(1 << 20);
    builder.spawn(run)
}
