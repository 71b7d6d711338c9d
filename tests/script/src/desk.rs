//! The application behind the engine: a `match` on numbers. Knows JSON as far as it needs to, and no heap.

use crate::CLIENTS;
use core::fmt::{self, Write as _};
use core::str::from_utf8;
use fastws_core::action::{Close, Denied};
use fastws_core::dispatch::{Admission, Answer, Call, Dispatch, Verdict};
use fastws_core::handshake::{Refusal, Request, Response};
use fastws_core::ids::{CallId, ConnectionId, OperationId};

/// Answers calls, and remembers those whose outcome is still to come.
pub(crate) struct Desk {
    later: [Option<Later>; CLIENTS],
}

/// A subscription that waits for [`Desk::outcome`].
#[derive(Clone, Copy)]
pub(crate) struct Later {
    pub(crate) call: CallId,
    topic: Text,
    echo: Option<Text>,
}

impl Desk {
    pub(crate) const fn new() -> Self {
        Self { later: [None; CLIENTS] }
    }

    /// The call that this connection, or the previous one of its slot, was promised an outcome for.
    pub(crate) fn later(&self, id: ConnectionId) -> Later {
        self.later[id.slot()].expect("the script has made this call")
    }
}

impl Later {
    pub(crate) fn topic(&self) -> &str {
        self.topic.as_str()
    }

    pub(crate) fn echo(&self) -> Option<&str> {
        self.echo.as_ref().map(Text::as_str)
    }

    pub(crate) fn outcome(&self, answer: Answer<'_, '_>) -> Verdict {
        subscribe(self.topic(), answer)
    }
}

impl Dispatch for Desk {
    fn find(&self, name: &str) -> Option<OperationId> {
        let place = NAMES.iter().position(|&own| own == name)?;
        Some(OperationId(place as u16))
    }

    fn call(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
        match call.operation {
            ECHO => answer.reply("echo.response", call.payload.map(str::as_bytes)).done(),
            SILENT => answer.silent().done(),
            LEAVE => answer.close(Close { code: 4000, reason: "as you wish" }),
            FAIL => answer.close(Close::INTERNAL),
            WHO => {
                let mut text = Text::default();
                let _ = write!(text, "{{\"uid\":{},\"topics\":[", answer.uid()[0]);
                for (n, topic) in answer.topics().enumerate() {
                    let _ = write!(text, "{}\"{topic}\"", if n > 0 { "," } else { "" });
                }
                let (topics, left) = (answer.topic_count(), answer.places_left());
                let _ = write!(text, "],\"count\":{topics},\"left\":{left}}}");
                answer.reply("who.response", Some(text.as_str().as_bytes())).done()
            }
            DOUBLE => match number(call.payload) {
                Some(number) => {
                    let mut text = Text::default();
                    let _ = write!(text, "{}", 2 * u64::from(number));
                    answer.reply("double.response", Some(text.as_str().as_bytes())).done()
                }
                None => answer.close(Close::INVALID),
            },
            _ => match string(call.payload) {
                Some(topic) => self.topical(&call, topic, answer),
                None => answer.close(Close::INVALID),
            },
        }
    }

    fn request(&mut self, _: ConnectionId, request: &Request<'_>) -> Admission<'_> {
        match request.path {
            "/ws" => {
                let known = request.protocols().any(|protocol| protocol == "script");
                Admission::Upgrade { protocol: known.then_some("script") }
            }
            "/healthz" => Admission::Respond(Response {
                status: 200,
                headers: "",
                content_type: "text/plain",
                body: b"ok",
            }),
            "/secret" => Admission::Refuse(Refusal::Unauthorized),
            _ => Admission::Refuse(Refusal::NotFound),
        }
    }
}

impl Desk {
    fn topical(&mut self, call: &Call<'_>, topic: &str, answer: Answer<'_, '_>) -> Verdict {
        match call.operation {
            SUBSCRIBE => subscribe(topic, answer),
            UNSUBSCRIBE => {
                let mut effects = answer.reply("unsubscribe.response", Some(OK));
                effects.unsubscribe(topic);
                effects.done()
            }
            // Whoever shouts and joins does not hear itself; whoever shouts and parts does.
            SHOUT_AND_JOIN => {
                let mut effects = answer.reply("shout.response", None);
                let _ = effects.publish(topic, "shout", b"\"joins\"", None);
                let _ = effects.subscribe(topic);
                effects.done()
            }
            SHOUT_AND_PART => {
                let mut effects = answer.silent();
                let _ = effects.publish(topic, "shout", b"\"parts\"", None);
                let _ = effects.publish_frame(topic, b"\x81\x0e{\"type\":\"bye\"}", None);
                effects.unsubscribe(topic);
                effects.close(Close { code: 1000, reason: "" })
            }
            // More slices than one write gathers, since the audiences take turns.
            FLOOD => {
                let mut effects = answer.reply("flood.response", None);
                for _ in 0..70 {
                    let _ = effects.publish(topic, "flood", b"0", None);
                    let _ = effects.publish("other", "flood", b"1", None);
                }
                effects.done()
            }
            LATER => {
                self.later[call.id.connection().slot()] = Some(Later {
                    call: call.id,
                    topic: Text::of(topic),
                    echo: call.echo.map(Text::of),
                });
                answer.later()
            }
            _ => unreachable!("every name has an arm"),
        }
    }
}

fn subscribe(topic: &str, mut answer: Answer<'_, '_>) -> Verdict {
    if let Err(denied) = answer.reserve(topic) {
        return refuse(denied, answer);
    }
    let mut effects = answer.reply("subscribe.response", Some(OK));
    // Where lent memory had no room for the reply, the connection has ended meanwhile.
    let _ = effects.subscribe(topic);
    effects.done()
}

fn refuse(denied: Denied, answer: Answer<'_, '_>) -> Verdict {
    let mut text = Text::default();
    let _ = write!(text, "{{\"status\":\"error\",\"message\":\"{denied}\"}}");
    answer.reply("subscribe.response", Some(text.as_str().as_bytes())).done()
}

fn number(payload: Option<&str>) -> Option<u32> {
    payload?.parse().ok()
}

/// A JSON string that needs no decoding.
fn string(payload: Option<&str>) -> Option<&str> {
    let text = payload?.strip_prefix('"')?.strip_suffix('"')?;
    (!text.contains('\\')).then_some(text)
}

/// A little text of one's own.
#[derive(Clone, Copy)]
struct Text {
    bytes: [u8; 256],
    len: usize,
}

impl Text {
    fn of(text: &str) -> Self {
        let mut own = Self::default();
        own.write_str(text).expect("texts that are kept are short");
        own
    }

    fn as_str(&self) -> &str {
        from_utf8(&self.bytes[..self.len]).expect("it is written from a str")
    }
}

impl Default for Text {
    fn default() -> Self {
        Self { bytes: [0; 256], len: 0 }
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

const NAMES: [&str; 12] = [
    "echo",
    "silent",
    "leave",
    "fail",
    "who",
    "double",
    "subscribe",
    "unsubscribe",
    "shout.join",
    "shout.part",
    "later",
    "flood",
];
const ECHO: OperationId = OperationId(0);
const SILENT: OperationId = OperationId(1);
const LEAVE: OperationId = OperationId(2);
const FAIL: OperationId = OperationId(3);
const WHO: OperationId = OperationId(4);
const DOUBLE: OperationId = OperationId(5);
const SUBSCRIBE: OperationId = OperationId(6);
const UNSUBSCRIBE: OperationId = OperationId(7);
const SHOUT_AND_JOIN: OperationId = OperationId(8);
const SHOUT_AND_PART: OperationId = OperationId(9);
const LATER: OperationId = OperationId(10);
const FLOOD: OperationId = OperationId(11);

const OK: &[u8] = b"{\"status\":\"ok\"}";
