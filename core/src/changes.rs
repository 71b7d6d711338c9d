//! Subscriptions that have begun or ended, for who watches. Knows names and ids, no table.

use crate::ids::ConnectionId;
#[cfg(feature = "alloc")]
use alloc::{boxed::Box, collections::VecDeque};

/// A subscription has begun or ended.
#[cfg(feature = "alloc")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whose it is.
    pub id: ConnectionId,
    /// The same, as its handlers know it.
    pub uid: [u8; 16],
    /// To what.
    pub topic: Box<str>,
    /// It has begun; otherwise it has ended.
    pub begun: bool,
}

/// Changes in their order, while somebody watches. Nobody does without a heap.
#[derive(Default)]
pub(crate) struct Changes {
    #[cfg(feature = "alloc")]
    watched: Option<VecDeque<Change>>,
}

impl Changes {
    /// Whether [`note`](Self::note) is of any use.
    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        #[cfg(feature = "alloc")]
        return self.watched.is_some();
        #[cfg(not(feature = "alloc"))]
        return false;
    }

    #[inline]
    pub(crate) fn note(&mut self, id: ConnectionId, uid: [u8; 16], topic: &str, begun: bool) {
        #[cfg(feature = "alloc")]
        if let Some(changes) = &mut self.watched {
            changes.push_back(Change { id, uid, topic: topic.into(), begun });
        }
        #[cfg(not(feature = "alloc"))]
        let _ = (id, uid, topic, begun);
    }
}

#[cfg(feature = "alloc")]
impl Changes {
    pub(crate) fn watch(&mut self) {
        self.watched.get_or_insert_default();
    }

    #[inline]
    pub(crate) fn poll(&mut self) -> Option<Change> {
        self.watched.as_mut()?.pop_front()
    }
}
