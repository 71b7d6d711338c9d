//! What topics said last, as one shard's listeners have got it. Knows frames and their order, no listener.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::cell::RefCell;

/// The last update of a topic.
///
/// The example is at [`Retained`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// When it was published, by the registry's count.
    pub moment: u64,
    /// The life of the topic whose service has published it, if it was one.
    pub life: Option<u64>,
    /// A whole frame.
    pub frame: Arc<[u8]>,
}

/// One shard's last updates.
///
/// ```
/// use fastws_core::retained::{Kept, Retained};
/// let retained = Retained::default();
/// let kept = |moment| Kept { moment, life: None, frame: b"\x81\x00"[..].into() };
/// retained.keep("status", kept(7));
/// // An older one comes late.
/// retained.keep("status", kept(6));
/// retained.forget("status", 7);
/// assert!(!retained.is_empty());
/// retained.forget("status", 8);
/// assert!(retained.is_empty());
/// ```
#[derive(Default)]
pub struct Retained {
    topics: RefCell<BTreeMap<Box<str>, Kept>>,
}

impl Retained {
    /// Keeps an update, unless a newer one is kept.
    pub fn keep(&self, topic: &str, kept: Kept) {
        let mut topics = self.topics.borrow_mut();
        match topics.get_mut(topic) {
            Some(known) if known.moment > kept.moment => {}
            Some(known) => *known = kept,
            None => drop(topics.insert(topic.into(), kept)),
        }
    }

    /// The last update.
    pub(crate) fn last(&self, topic: &str) -> Option<Arc<[u8]>> {
        self.topics.borrow().get(topic).map(|kept| kept.frame.clone())
    }

    /// Forgets what was published before this moment.
    pub fn forget(&self, topic: &str, moment: u64) {
        self.forget_if(topic, |kept| kept.moment < moment);
    }

    /// Forgets what the service of a life before this one has published.
    pub fn forget_lives_before(&self, topic: &str, since: u64) {
        self.forget_if(topic, |kept| kept.life.is_some_and(|life| life < since));
    }

    /// Nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.topics.borrow().is_empty()
    }

    fn forget_if(&self, topic: &str, old: impl FnOnce(&Kept) -> bool) {
        let mut topics = self.topics.borrow_mut();
        if topics.get(topic).is_some_and(old) {
            topics.remove(topic);
        }
    }
}
