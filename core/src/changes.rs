//! Subscriptions that have begun or ended, for who watches. Knows names and ids, no table.

use crate::ids::ConnectionId;
#[cfg(feature = "alloc")]
use alloc::{boxed::Box, collections::VecDeque};

/// A subscription has begun or ended.
///
/// ```
/// # use fastws_core::config::Config;
/// # use fastws_core::dispatch::{Answer, Call, Dispatch, Verdict};
/// # use fastws_core::engine::Engine;
/// # use fastws_core::frame::Opcode;
/// # use fastws_core::ids::OperationId;
/// # use fastws_core::time::Instant;
/// # struct App;
/// # impl Dispatch for App {
/// #     fn find(&self, _: &str) -> Option<OperationId> {
/// #         Some(OperationId(0))
/// #     }
/// #     fn call(&mut self, _: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
/// #         let mut effects = answer.reply("listening", None);
/// #         let _ = effects.subscribe("prices");
/// #         effects.done()
/// #     }
/// # }
/// # let (now, app) = (Instant::ZERO, &mut App);
/// # let mut engine = Engine::new(Config::default(), 0);
/// engine.watch();
/// let id = engine.open(now, [7; 16])?;
/// // It asks for `prices`, and ends.
/// # engine.handle_message(now, id, Opcode::Text, &mut br#"{"type":"listen"}"#.to_vec(), app);
/// engine.handle_end(now, id);
/// for begun in [true, false] {
///     let change = engine.poll_change().expect("it has begun and ended");
///     assert_eq!((change.id, &*change.topic, change.begun), (id, "prices", begun));
/// }
/// # Ok::<(), fastws_core::shelf::Full>(())
/// ```
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
