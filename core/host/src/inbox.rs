//! Mail from other threads to one shard. Knows no topic and no connection.

use crate::reach::Tally;
use crate::sync::{Mutex, MutexGuard};
use fastws_core::config::SlowConsumer;
use fastws_core::respond::Refused;
use fastws_core::shelf::Full;
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::task::Waker;

/// What one thread tells a shard.
///
/// It lies in an [`Inbox`] until the shard's next turn.
#[derive(Clone, Debug)]
pub enum Mail {
    /// An update for this shard's listeners.
    Update {
        /// The topic.
        topic: Arc<str>,
        /// A whole frame.
        frame: Arc<[u8]>,
        /// The life of the topic whose service has published it, if it was one.
        life: Option<u64>,
        /// The moment at which it has become the topic's last update, if it has.
        kept: Option<u64>,
        /// What becomes of it where a reader is too slow, if that is not as the engine has it.
        policy: Option<SlowConsumer>,
        /// Counts whom it reaches, if somebody asks.
        tally: Option<Arc<Tally>>,
    },
    /// Nobody is interested in the topic any more, as of this moment.
    Forget(Arc<str>, u64),
    /// An update that counts whom it reaches: every connection.
    Broadcast(Arc<[u8]>, Arc<Tally>),
    /// The service of this life has started.
    Started(Arc<str>, u64),
    /// This shard is to start the topic's next life.
    Start(Arc<str>, u64),
    /// Nobody is interested in this life any more, as of this moment: this shard waits for a while.
    Linger(Arc<str>, u64, u64),
    /// This shard is to drop the future of this life.
    Stop(Arc<str>, u64),
    /// The service of this life has refused to start, or its future has ended.
    Failed(Arc<str>, u64, End),
    /// Everybody is to be closed, one after the other.
    Shutdown,
}

/// How a topic's life has ended.
///
/// [`Mail::Failed`] brings it.
#[derive(Clone, Debug)]
pub struct End {
    /// For who waits for it to start.
    pub refused: Refused,
    /// For who listens, a whole frame.
    pub frame: Arc<[u8]>,
}

/// A shard's inbox: bounded for updates, open for everything else.
///
/// ```
/// use fastws_host::inbox::{Inbox, Mail};
/// use std::task::Waker;
///
/// let inbox = Inbox::new(Waker::noop().clone());
/// inbox.push(Mail::Shutdown)?;
/// assert!(matches!(inbox.take().pop_front(), Some(Mail::Shutdown)));
/// assert!(inbox.is_empty());
/// # Ok::<(), fastws_core::shelf::Full>(())
/// ```
pub struct Inbox {
    mail: Mutex<State>,
    waker: Waker,
}

#[derive(Default)]
struct State {
    mail: VecDeque<Mail>,
    /// Of the updates that wait.
    bytes: usize,
    /// Updates that were not taken.
    lost: u64,
    /// Nobody will take anything any more.
    closed: bool,
}

impl Inbox {
    /// An inbox whose shard is woken by `waker`.
    pub fn new(waker: Waker) -> Self {
        Self { mail: Mutex::default(), waker }
    }

    /// Leaves mail. `Full` is only for updates; nothing was left then. Mail for a shard that has ended
    /// is dropped: nobody listens there.
    pub fn push(&self, mail: Mail) -> Result<(), Full> {
        let mut state = self.lock();
        if state.closed {
            return Ok(());
        }
        if let Mail::Update { frame, .. } | Mail::Broadcast(frame, _) = &mail {
            if state.bytes + frame.len() > MAX_BYTES {
                state.lost += 1;
                return Err(Full);
            }
            state.bytes += frame.len();
        }
        let first = state.mail.is_empty();
        state.mail.push_back(mail);
        drop(state);
        if first {
            self.waker.wake_by_ref();
        }
        Ok(())
    }

    /// Takes what is there, in order.
    pub fn take(&self) -> VecDeque<Mail> {
        let mut state = self.lock();
        state.bytes = 0;
        std::mem::take(&mut state.mail)
    }

    /// Takes what is there for the last time: what may still come is dropped.
    pub fn close(&self) -> VecDeque<Mail> {
        self.lock().closed = true;
        self.take()
    }

    /// How many updates were not taken since the start.
    pub fn lost(&self) -> u64 {
        self.lock().lost
    }

    /// Nothing is there.
    pub fn is_empty(&self) -> bool {
        self.lock().mail.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A push that panicked has left no half state behind.
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of updates that may wait for a shard.
const MAX_BYTES: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_full_inbox_does_not_take_is_counted_and_an_emptied_one_takes_again() {
        let inbox = Inbox::new(Waker::noop().clone());
        let frame: Arc<[u8]> = vec![0; MAX_BYTES / 2].into();
        let update = || Mail::Update {
            topic: "bars".into(),
            frame: frame.clone(),
            life: None,
            kept: None,
            policy: None,
            tally: None,
        };
        assert_eq!([(); 3].map(|()| inbox.push(update())), [Ok(()), Ok(()), Err(Full)]);
        inbox.push(Mail::Shutdown).expect("only updates can be refused");
        assert_eq!((inbox.take().len(), inbox.lost()), (3, 1));
        assert_eq!(inbox.push(update()), Ok(()));
    }

    #[test]
    fn a_closed_inbox_keeps_nothing_and_refuses_nothing() {
        let inbox = Inbox::new(Waker::noop().clone());
        inbox.push(Mail::Shutdown).expect("only updates can be refused");
        assert_eq!(inbox.close().len(), 1);
        inbox.push(Mail::Shutdown).expect("only updates can be refused");
        assert!(inbox.is_empty());
    }
}
