//! What an operator sets: limits, where things are served, and whose pages are let in. Knows no API and no socket.

use crate::cipher::Ciphers;
use crate::error::Error;
use crate::page::Component;
use crate::pages::{Pages, Place};
use fastws_core::catalog::Catalog;
use fastws_core::config::Config;
use fastws_core::origin;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

/// Everything that a server is told besides its API.
///
/// ```
/// use fastws_core::{api::Api, config::Config};
/// use fastws_host::{settings::Settings, shared::Shared};
///
/// let settings = Settings {
///     config: Config { connections: 1_000, ..Config::default() },
///     paths: vec!["stream".into()],
///     ..Settings::default()
/// };
/// let catalog = Api::new("Nothing", "1.0.0").build()?;
/// let mistake = Shared::new(catalog, settings, Vec::new()).expect_err("a path begins with `/`");
/// assert_eq!(mistake.to_string(), "`stream` is no path: write `/stream`");
/// # Ok::<(), fastws_core::api::BuildError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Limits and deadlines.
    pub config: Config,
    /// Paths of the WebSocket; `/ws` where none is named.
    pub paths: Vec<String>,
    /// Web pages that are let in: `https://example.org`, `https://*.example.org`, or `*` for all.
    /// Where none is named, pages of the server's own host are.
    pub origins: Vec<String>,
    /// Where the pages beside the WebSocket are.
    pub pages: Pages,
    /// What the connections of public addresses are encrypted with; those of private ones are not.
    pub ciphers: Option<Arc<dyn Ciphers>>,
}

impl Settings {
    /// Finds what could never be served as it is set.
    pub(crate) fn check(&self, catalog: &Catalog) -> Result<(), Error> {
        self.config.check().map_err(|error| Error::Setting(error.to_string()))?;
        if let Some(origin) = self.origins.iter().find(|origin| !origin::is_entry(origin)) {
            return Err(Error::Setting(format!(
                "`{origin}` is no origin of web pages: write `https://example.org`, `https://*.example.org` or `*`"
            )));
        }
        let mut served = HashSet::new();
        let pages = self.pages.served().map(|(_, path, private)| (path, private));
        let others = self.websockets().chain(catalog.entrance().posts()).map(|path| (path, false));
        for (path, private) in pages.chain(others) {
            if !path.starts_with('/') {
                return Err(Error::Setting(format!("`{path}` is no path: write `/{path}`")));
            }
            if !served.insert((path, private)) {
                return Err(Error::Setting(format!(
                    "two things are served at `{path}`: give one of them another path"
                )));
            }
        }
        if let Some(address) = self.pages.component.as_ref().and_then(Component::mistake) {
            return Err(Error::Setting(format!(
                "`{address}` is no address of the page's component: write `https://example.org/component.js` or `/component.js`"
            )));
        }
        match (&self.pages.page, &self.pages.asyncapi) {
            (Place::Off, _)
            | (Place::Public(_), Place::Public(_))
            | (Place::Private(_), Place::Private(_)) => Ok(()),
            (Place::Public(path) | Place::Private(path), _) => Err(Error::Setting(format!(
                "the page at `{path}` shows the AsyncAPI document, which is not served beside it: serve both at one address, or turn the page off"
            ))),
        }
    }

    /// The paths of the WebSocket, of which there is at least one.
    pub(crate) fn websockets(&self) -> impl Iterator<Item = &str> {
        let usual = self.paths.is_empty().then_some("/ws");
        self.paths.iter().map(String::as_str).chain(usual)
    }
}

impl From<Config> for Settings {
    fn from(config: Config) -> Self {
        Self { config, ..Self::default() }
    }
}

/// The listening socket that a connection came by, for whoever accepts it.
///
/// ```
/// use fastws_host::settings::Doorway;
/// let local = |address: &str| Doorway::public(address.parse().expect("it is an address"));
/// // A page of any local server may come by a door that only this machine reaches.
/// assert_eq!(local("127.0.0.1:8000"), local("[::1]:9000"));
/// assert_ne!(local("127.0.0.1:8000"), local("192.0.2.1:8000"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doorway {
    /// Only this machine reaches it.
    pub(crate) is_loopback: bool,
    /// It is for the operator only.
    pub(crate) is_private: bool,
}

impl Doorway {
    /// A socket that listens on this address, for everybody.
    pub fn public(address: SocketAddr) -> Self {
        Self { is_loopback: address.ip().to_canonical().is_loopback(), is_private: false }
    }

    /// The same for the operator: it serves what is set to be private, and nothing else.
    pub fn private(address: SocketAddr) -> Self {
        Self { is_private: true, ..Self::public(address) }
    }
}
