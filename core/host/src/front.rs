//! The catalog as an engine's application: runs handlers, catches their panics, answers HTTP. Knows no socket.

use crate::metrics::OPEN_METRICS;
use crate::pages::{Page, Texts, live};
use crate::settings::{Doorway, Settings};
use crate::shared::Shared;
use crate::visit::Visit;
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
use std::time::Instant;
use subtle::ConstantTimeEq;

/// One shard's application.
pub(crate) struct Front {
    pub(crate) shared: Arc<Shared>,
    pub(crate) index: usize,
    pub(crate) desk: Rc<Desk>,
    /// The payload of the reply that is being made.
    pub(crate) payload: Vec<u8>,
    /// Calls whose handler is a future that nobody runs yet.
    pub(crate) pending: Vec<Pending>,
    /// Connections whose request is still to come.
    pub(crate) arrivals: HashMap<ConnectionId, Arrival>,
    /// The pages of those visitors that write something before the paths, and what they write.
    pub(crate) texts: Option<(String, Texts)>,
}

/// Where a connection has come from.
#[derive(Default)]
pub(crate) struct Arrival {
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) doorway: Doorway,
    pub(crate) visit: Option<Visit>,
    pub(crate) guest: Option<Rc<dyn Any>>,
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
        match self.shared.figures.calls(self.index, call.operation).is_timed() {
            true => self.time(call, answer),
            false => self.carry_out(call, answer).0,
        }
    }

    fn request(&mut self, id: ConnectionId, request: &Request<'_>) -> Admission<'_> {
        let arrival = self.arrivals.remove(&id).unwrap_or_default();
        let visit = arrival.visit.as_ref();
        if visit.is_some_and(|visit| visit.is_websocket) {
            return self.websocket(id, arrival, request);
        }
        let Settings { pages, .. } = &self.shared.settings;
        if let Some(page) = pages.find(request.path, arrival.doorway.is_private) {
            return match request.method {
                "GET" | "HEAD" => {
                    let base = visit.map_or("", |visit| &visit.base);
                    self.page(page, base, request)
                }
                _ => wrong_method("Allow: GET, HEAD\r\n"),
            };
        }
        if arrival.doorway.is_private {
            return Admission::Refuse(Refusal::NotFound);
        }
        if self.shared.settings.websockets().any(|path| path == request.path) {
            return self.websocket(id, arrival, request);
        }
        match self.shared.catalog.entrance().post(request.path) {
            Some(operation) if request.method == "POST" => match self.post(arrival, request) {
                Ok(()) => Admission::Call(operation),
                Err(refusal) => Admission::Refuse(refusal),
            },
            Some(_) => wrong_method("Allow: POST\r\n"),
            None => Admission::Refuse(Refusal::NotFound),
        }
    }
}

impl Front {
    #[cold]
    fn time(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
        let (operation, begun) = (call.operation, Instant::now());
        let (verdict, has_ended) = self.carry_out(call, answer);
        // One that waits is timed when it has ended.
        if has_ended {
            self.shared.figures.calls(self.index, operation).time(begun.elapsed());
        }
        verdict
    }

    /// Runs a call's handler. True: that has ended.
    #[inline]
    fn carry_out(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> (Verdict, bool) {
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
        let has_ended = !matches!(rest, Rest::Pending(_));
        match rest {
            Rest::Nothing => {}
            Rest::Pending(call) => pending.push(call),
            Rest::Trouble(trouble) => report(catalog.name(call.operation), trouble),
        }
        (verdict, has_ended)
    }

    fn page(&mut self, page: Page, base: &str, request: &Request<'_>) -> Admission<'_> {
        match page {
            Page::AsyncApi => match self.texts(base).asyncapi(request) {
                Some(document) => Admission::Respond(document),
                None => Admission::Refuse(Refusal::NotFound),
            },
            Page::Console => Admission::Respond(self.texts(base).console()),
            Page::Health if self.shared.is_draining() => {
                Admission::Respond(live(503, b"draining\n"))
            }
            Page::Health => Admission::Respond(live(200, b"ok\n")),
            Page::Metrics => {
                self.payload = self.shared.text().into();
                let response = live(200, &self.payload);
                Admission::Respond(Response { content_type: OPEN_METRICS, ..response })
            }
        }
    }

    fn texts(&mut self, base: &str) -> &Texts {
        if base.is_empty() {
            return &self.shared.texts;
        }
        let kept = self.texts.take().filter(|(own, _)| own == base);
        let texts = kept.unwrap_or_else(|| (base.into(), self.shared.texts_below(base)));
        &self.texts.insert(texts).1
    }

    fn websocket(
        &mut self,
        id: ConnectionId,
        arrival: Arrival,
        request: &Request<'_>,
    ) -> Admission<'_> {
        let Settings { config, origins, .. } = &self.shared.settings;
        if self.shared.is_draining() {
            return Admission::Refuse(Refusal::Draining);
        }
        if self.shared.figures.connections() >= config.connections as usize {
            return Admission::Refuse(Refusal::TooManyConnections);
        }
        // The door need not answer for what would be refused after it.
        let granted = request.upgrade().map(drop);
        let origin = origin::admit(request, origins, arrival.doorway.is_loopback);
        if let Err(refusal) = granted.and(origin) {
            return Admission::Refuse(refusal);
        }
        let entrance = self.shared.catalog.entrance();
        let visitor = Visitor::new(request, arrival.peer);
        let admitted = catch_unwind(AssertUnwindSafe(|| match arrival.guest {
            Some(guest) => Ok(Some(guest)),
            None => entrance.admit(&visitor),
        }));
        let error = match admitted {
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
        let headers = if error.status() == 401 { CHALLENGE } else { "" };
        let status = error.status();
        self.payload = error.into_body().into();
        Admission::Respond(Response { headers, ..live(status, &self.payload) })
    }

    /// Whether a request may become a call.
    fn post(&self, arrival: Arrival, request: &Request<'_>) -> Result<(), Refusal> {
        if self.shared.is_draining() {
            return Err(Refusal::Draining);
        }
        let origins = &self.shared.settings.origins;
        origin::admit(request, origins, arrival.doorway.is_loopback)?;
        if let Some(token) = self.shared.catalog.entrance().bearer() {
            // In a time that tells nothing about where they differ.
            let is_it = |shown: &[u8]| bool::from(token.as_bytes().ct_eq(shown));
            if !request.bearer().is_some_and(is_it) {
                return Err(Refusal::Unauthorized);
            }
        }
        let kind = request.header("content-type").unwrap_or_default();
        let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
        match kind.trim_ascii().eq_ignore_ascii_case(b"application/json") {
            true => Ok(()),
            false => Err(Refusal::NotJson),
        }
    }
}

fn wrong_method(headers: &'static str) -> Admission<'static> {
    let body = b"this path is served to another method";
    Admission::Respond(Response { headers, ..live(405, body) })
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

/// What a refusal with 401 has to carry (RFC 9110 section 15.5.2).
const CHALLENGE: &str = "WWW-Authenticate: Bearer\r\n";
