//! What is served beside the WebSocket, where, and what it says. Knows no connection and no socket.

use crate::page::{Component, page};
use fastws_core::catalog::{ASYNCAPI, Catalog};
use fastws_core::door::Visitor;
use fastws_core::handshake::{Request, Response};
use std::borrow::Cow;

/// Where each page is.
///
/// ```
/// use fastws_host::pages::{Pages, Place};
/// let quiet = Pages { page: Place::Off, health: Place::Private("/health".into()), ..Pages::default() };
/// assert_eq!(quiet.asyncapi, Place::Public("/asyncapi.json".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pages {
    /// The AsyncAPI document, at `/asyncapi.json`; of version 3.1.0 with `?version=3.1.0`.
    pub asyncapi: Place,
    /// The same for people, and a console to try it, at `/asyncapi`.
    pub page: Place,
    /// What shows the document there; `None` for the page of our own, which loads nothing from elsewhere.
    pub component: Option<Component>,
    /// Whether the server takes connections, at `/healthz`.
    pub health: Place,
    /// Figures as Prometheus reads them, at `/metrics`.
    pub metrics: Place,
}

/// Where a page is.
///
/// The example is at [`Pages`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nowhere.
    Off,
    /// At this path, for everybody.
    Public(Cow<'static, str>),
    /// At this path of the server's private addresses.
    Private(Cow<'static, str>),
}

impl Default for Pages {
    fn default() -> Self {
        Self {
            asyncapi: Place::Public("/asyncapi.json".into()),
            page: Place::Public("/asyncapi".into()),
            component: None,
            health: Place::Public("/healthz".into()),
            metrics: Place::Public("/metrics".into()),
        }
    }
}

/// A page.
#[derive(Clone, Copy)]
pub(crate) enum Page {
    AsyncApi,
    Console,
    Health,
    Metrics,
}

impl Pages {
    /// All pages that are somewhere: which, at what path, and whether that is private.
    pub(crate) fn served(&self) -> impl Iterator<Item = (Page, &str, bool)> {
        let pages = [
            (Page::AsyncApi, &self.asyncapi),
            (Page::Console, &self.page),
            (Page::Health, &self.health),
            (Page::Metrics, &self.metrics),
        ];
        pages.into_iter().filter_map(|(page, place)| match place {
            Place::Off => None,
            Place::Public(path) => Some((page, &**path, false)),
            Place::Private(path) => Some((page, &**path, true)),
        })
    }

    pub(crate) fn find(&self, path: &str, private: bool) -> Option<Page> {
        let found =
            self.served().find(|&(_, own, is_private)| own == path && is_private == private);
        found.map(|(page, ..)| page)
    }
}

/// What does not change while the server runs.
pub(crate) struct Texts {
    /// In the order of [`ASYNCAPI`].
    asyncapi: Vec<String>,
    console: String,
}

impl Texts {
    /// Of a server whose first WebSocket is at `path`, where clients write `base` before every path.
    pub(crate) fn new(catalog: &Catalog, pages: &Pages, base: &str, path: &str) -> Self {
        let (Place::Public(url) | Place::Private(url)) = &pages.asyncapi else {
            return Self { asyncapi: Vec::new(), console: String::new() };
        };
        let (url, path) = (&format!("{base}{url}"), &format!("{base}{path}"));
        let documents = ASYNCAPI.iter().filter_map(|version| catalog.asyncapi(version, path));
        let console = match &pages.component {
            Some(component) => component.page(catalog.title(), url),
            None => page(catalog.title(), url),
        };
        Self { asyncapi: documents.collect(), console }
    }

    /// The document of the version that is asked for, if there is one of it.
    pub(crate) fn asyncapi<'t>(&'t self, request: &Request<'_>) -> Option<Response<'t>> {
        let visitor = Visitor::new(request, None);
        let at = match visitor.query("version") {
            Some(version) => ASYNCAPI.iter().position(|known| *known == version)?,
            None => 0,
        };
        let body = self.asyncapi.get(at)?.as_bytes();
        Some(Response { status: 200, headers: FRESH, content_type: "application/json", body })
    }

    pub(crate) fn console(&self) -> Response<'_> {
        let (headers, content_type) = (ALONE, "text/html; charset=utf-8");
        Response { status: 200, headers, content_type, body: self.console.as_bytes() }
    }
}

/// A response that is true only now.
pub(crate) fn live(status: u16, body: &[u8]) -> Response<'_> {
    Response { status, headers: LIVE, content_type: "text/plain; charset=utf-8", body }
}

const LIVE: &str = "Cache-Control: no-store\r\n";
/// A server that is started again may say something else.
const FRESH: &str = "Cache-Control: no-cache\r\n";
/// What the page itself cannot forbid, it is in no other page.
const ALONE: &str = "Cache-Control: no-cache\r\nContent-Security-Policy: frame-ancestors 'none'\r\n\
    Referrer-Policy: no-referrer\r\n";
