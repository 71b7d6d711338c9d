//! A call that has come over HTTP: the body that it brings, the response that it gets. Knows no application and no path.

use crate::action::Close;
use crate::encode::{Encode, Problem};
use crate::handshake;
use crate::ids::OperationId;
use crate::session::Phase;
use crate::state::State;
use crate::time::Instant;

/// What stands before a body in its connection's input: whom it is for, and its whole length.
pub(crate) fn record(operation: OperationId, len: u32) -> [u8; RECORD] {
    let ([a, b], [c, d, e, f]) = (operation.0.to_le_bytes(), len.to_le_bytes());
    [a, b, c, d, e, f]
}

/// Whom a whole body is for, and the body. `None` also once its call has begun.
pub(crate) fn whole(input: &[u8]) -> Option<(OperationId, &[u8])> {
    let ([a, b, ..], body) = input.split_first_chunk::<RECORD>()?;
    (missing(input) == 0).then_some((OperationId(u16::from_le_bytes([*a, *b])), body))
}

/// How many bytes of a body are still to come.
pub(crate) fn missing(input: &[u8]) -> usize {
    let Some(([_, _, len @ ..], body)) = input.split_first_chunk::<RECORD>() else { return 0 };
    u32::from_le_bytes(*len) as usize - body.len()
}

impl State<'_> {
    /// The reply as a response, after which the connection ends. It is JSON, or nothing.
    #[cold]
    pub(crate) fn respond(&mut self, now: Instant, slot: usize, reply: Option<&[u8]>) {
        let response = handshake::Response {
            status: if reply.is_some() { 200 } else { 204 },
            headers: "",
            content_type: JSON,
            body: reply.unwrap_or_default(),
        };
        // What does not fit is not said; the socket ends in any case.
        let _ = self.raw(slot, |turn| response.write(false, turn));
        self.enter(now, slot, Phase::Lingering);
    }

    /// What would have closed a connection, as a response.
    #[cold]
    pub(crate) fn fail(&mut self, now: Instant, slot: usize, close: Close<'_>) {
        let status = match close.code {
            _ if close == Close::UNREADABLE => 400,
            1003 => 422,
            1001 | 1012 | 1013 => 503,
            1011 => 500,
            _ => 400,
        };
        let problem = Problem(close.reason);
        let _ = self.raw(slot, |turn| {
            handshake::write_head(status, "", JSON, problem.len(), turn)?;
            problem.write(turn)
        });
        self.enter(now, slot, Phase::Lingering);
    }
}

/// The outcome of a call has not come in time.
pub(crate) const LATE: Close<'static> = Close { code: 1013, reason: "The request took too long" };
const JSON: &str = "application/json";
pub(crate) const RECORD: usize = 6;
