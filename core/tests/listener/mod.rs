//! The smallest application that has a reply, a subscription and a call that stays open. Knows no test.

use fastws_core::dispatch::{Answer, Call, Dispatch, Verdict};
use fastws_core::ids::{CallId, OperationId};

/// Echoes, subscribes to `news`, or leaves a call open.
#[derive(Default)]
pub(crate) struct Listener {
    /// Calls that are open, the last one last.
    pub(crate) later: Vec<CallId>,
}

impl Dispatch for Listener {
    fn find(&self, name: &str) -> Option<OperationId> {
        Some(OperationId(["echo", "listen", "later"].iter().position(|own| *own == name)? as u16))
    }

    fn call(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
        match call.operation.0 {
            0 => answer.reply("echo", call.payload.map(str::as_bytes)).done(),
            1 => {
                let mut effects = answer.silent();
                effects.subscribe("news").expect("there is room for a topic");
                effects.done()
            }
            _ => {
                self.later.push(call.id);
                answer.later()
            }
        }
    }
}
