//! What handlers and services of a test have seen, and the gates they wait at. Knows no connection.

use std::sync::{Arc, Mutex, PoisonError};

/// A log that handlers, services and the test share.
#[derive(Clone, Default)]
pub struct Witness(Arc<Mutex<Vec<String>>>);

impl Witness {
    /// Notes a line.
    pub fn note(&self, line: impl Into<String>) {
        self.lines().push(line.into());
    }

    /// Takes what was noted, in order.
    pub fn took(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines())
    }

    /// Notes `start NAME` now and `drop NAME` when what comes back is dropped.
    pub fn life(&self, name: &str) -> Life {
        self.note(format!("start {name}"));
        Life { witness: self.clone(), name: name.into() }
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something that lives until it is dropped.
pub struct Life {
    witness: Witness,
    name: String,
}

impl Drop for Life {
    fn drop(&mut self) {
        self.witness.note(format!("drop {}", self.name));
    }
}

/// A gate: who waits at it goes on with the next order that the test gives.
#[derive(Clone)]
pub struct Gate(smol::channel::Sender<&'static str>, smol::channel::Receiver<&'static str>);

impl Default for Gate {
    fn default() -> Self {
        let (sender, receiver) = smol::channel::unbounded();
        Self(sender, receiver)
    }
}

impl Gate {
    /// Gives one order, to the first who waits or will wait.
    pub fn order(&self, order: &'static str) {
        self.0.try_send(order).expect("the gate has no limit and holds its receiver");
    }

    /// Waits for an order.
    pub async fn wait(&self) -> &'static str {
        self.1.recv().await.expect("the gate holds its sender")
    }
}
