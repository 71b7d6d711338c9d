//! The catalog as an engine's application: runs handlers, catches their panics, answers HTTP. Knows no socket.

use crate::settings::Doorway;
use crate::shared::Shared;
use fastws_core::action::Close;
use fastws_core::catalog::{Pending, Rest, Trouble};
use fastws_core::desk::Desk;
use fastws_core::dispatch::{Admission, Answer, Call, Dispatch, Verdict};
use fastws_core::door::{HttpError, Visitor};
use fastws_core::handshake::{Refusal, Request, Response};
use fastws_core::ids::{ConnectionId, OperationId};
use fastws_core::origin;
use fastws_core::respond::Failure;
use std::any::Any;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

/// One shard's application.
pub struct Front {
    pub(crate) shared: Arc<Shared>,
    pub(crate) index: usize,
    pub(crate) desk: Rc<Desk>,
    /// The payload of the reply that is being made.
    pub(crate) payload: Vec<u8>,
    /// Calls whose handler is a future that nobody runs yet.
    pub(crate) pending: Vec<Pending>,
    /// Connections whose request is still to come.
    pub(crate) arrivals: HashMap<ConnectionId, Arrival>,
}

/// Where a connection has come from.
#[derive(Clone, Copy, Default)]
pub(crate) struct Arrival {
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) doorway: Doorway,
}

impl Dispatch for Front {
    #[inline]
    fn find(&self, name: &str) -> Option<OperationId> {
        self.shared.catalog.find(name)
    }

    #[inline]
    fn authenticator(&self) -> Option<OperationId> {
        self.shared.catalog.entrance().authenticator()
    }

    #[inline]
    fn call(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
        let Self { shared, desk, payload, pending, .. } = self;
        let catalog = &shared.catalog;
        // A handler that panics has had no effect: its wishes are applied after it has ended.
        let ran = catch_unwind(AssertUnwindSafe(|| catalog.run(&call, &answer, desk, payload)));
        let (verdict, rest) = match ran {
            Ok(outcome) => catalog.finish(&call, answer, payload, outcome),
            Err(panic) => {
                let verdict = answer.reject(catalog.name(call.operation), Close::INTERNAL);
                (verdict, Rest::Trouble(Trouble::Handler(panicked(&*panic))))
            }
        };
        match rest {
            Rest::Nothing => {}
            Rest::Pending(call) => pending.push(call),
            Rest::Trouble(trouble) => report(catalog.name(call.operation), trouble),
        }
        verdict
    }

    fn request(&mut self, id: ConnectionId, request: &Request<'_>) -> Admission<'_> {
        let Arrival { peer, doorway } = self.arrivals.remove(&id).unwrap_or_default();
        let draining = self.shared.is_draining();
        let settings = &self.shared.settings;
        if settings.is_websocket(request.path) {
            let full = self.shared.connections() >= settings.config.connections as usize;
            if draining || full {
                return Admission::Refuse(Refusal::TooManyConnections);
            }
            if let Err(refusal) = request
                .upgrade()
                .and_then(|_| origin::admit(request, &settings.origins, doorway.is_loopback))
            {
                return Admission::Refuse(refusal);
            }
            let entrance = self.shared.catalog.entrance();
            let visitor = Visitor::new(request, peer);
            let admitted = catch_unwind(AssertUnwindSafe(|| entrance.admit(&visitor)));
            let refused = match admitted {
                Ok(Ok(guest)) => {
                    if !self.shared.admit(self.index) {
                        return Admission::Refuse(Refusal::TooManyConnections);
                    }
                    if let Some(guest) = guest {
                        self.desk.admit(id, guest);
                    }
                    return Admission::Upgrade { protocol: entrance.protocol(request) };
                }
                Ok(Err(error)) => error,
                Err(panic) => {
                    log::error!("the door {}", panicked(&*panic));
                    HttpError::new(500, "the server has failed")
                }
            };
            let status = refused.status();
            self.payload = refused.into_body().into();
            let challenge = if status == 401 { "WWW-Authenticate: Bearer\r\n" } else { "" };
            return text(status, challenge, &self.payload);
        }
        match request.path {
            "/healthz" if draining => text(503, LIVE, b"draining\n"),
            "/healthz" => text(200, LIVE, b"ok\n"),
            _ => Admission::Refuse(Refusal::NotFound),
        }
    }
}

fn text<'a>(status: u16, headers: &'a str, body: &'a [u8]) -> Admission<'a> {
    let content_type = "text/plain; charset=utf-8";
    Admission::Respond(Response { status, headers, content_type, body })
}

/// Logs what went wrong; a client's mistakes only for who looks for them.
pub(crate) fn report(operation: &str, trouble: Trouble) {
    match trouble {
        Trouble::Payload(cause) => {
            log::debug!("payload of `{operation}` does not fit: {cause}")
        }
        Trouble::Stranger(cause) => log::info!("a connection is not authenticated: {cause}"),
        Trouble::Handler(cause) => log::error!("operation `{operation}` failed: {cause}"),
    }
}

/// What a panic said.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    std::io::Error::other(format!("panicked: {}", said.unwrap_or("no message"))).into()
}

/// What is true only now.
const LIVE: &str = "Cache-Control: no-store\r\n";
