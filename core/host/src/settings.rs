//! What an operator sets: limits, where things are served, and whose pages are let in. Knows no API and no socket.

use crate::error::Error;
use fastws_core::config::Config;
use fastws_core::origin;
use std::net::SocketAddr;

/// Everything that a server is told besides its API.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Limits and deadlines.
    pub config: Config,
    /// Paths of the WebSocket; `/ws` where none is named.
    pub paths: Vec<String>,
    /// Web pages that are let in: `https://example.org`, `https://*.example.org`, or `*` for all.
    /// Where none is named, pages of the server's own host are.
    pub origins: Vec<String>,
}

impl Settings {
    /// Finds what could never be served as it is set.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if let Some(origin) = self.origins.iter().find(|origin| !origin::is_entry(origin)) {
            return Err(Error::Setting(format!(
                "`{origin}` is no origin of web pages: write `https://example.org`, `https://*.example.org` or `*`"
            )));
        }
        if let Some(path) = self.paths.iter().find(|path| !path.starts_with('/')) {
            return Err(Error::Setting(format!("`{path}` is no path: write `/{path}`")));
        }
        Ok(())
    }

    /// Whether the WebSocket is served at `path`.
    pub(crate) fn is_websocket(&self, path: &str) -> bool {
        match self.paths.is_empty() {
            true => path == "/ws",
            false => self.paths.iter().any(|own| own == path),
        }
    }
}

impl From<Config> for Settings {
    fn from(config: Config) -> Self {
        Self { config, ..Self::default() }
    }
}

/// The listening socket that a connection came by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doorway {
    /// Only this machine reaches it.
    pub(crate) is_loopback: bool,
    /// It is for the operator only.
    pub(crate) is_private: bool,
}

impl Doorway {
    /// For everybody.
    pub fn public(address: SocketAddr) -> Self {
        Self { is_loopback: address.ip().to_canonical().is_loopback(), is_private: false }
    }

    /// For the operator: it serves what is set to be private, and nothing else.
    pub fn private(address: SocketAddr) -> Self {
        Self { is_private: true, ..Self::public(address) }
    }
}
