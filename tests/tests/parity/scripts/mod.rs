//! The scripts, room by room. Each is a few lines, and the same on every ground.

pub(crate) mod clock;
pub(crate) mod ends;
pub(crate) mod frames;
pub(crate) mod handlers;
pub(crate) mod messages;
pub(crate) mod opening;
pub(crate) mod slow;
pub(crate) mod topics;

use crate::play::{Inside, Play};
use crate::set::set;
use fastws_core::api::Api;
use fastws_core::config::Config;
use std::time::Duration;

/// What some clients do, and what the server is set to.
pub(crate) struct Script {
    pub(crate) name: &'static str,
    /// Lines of the protocol about bad input whose outcome is in the transcript.
    pub(crate) shows: &'static str,
    pub(crate) config: Config,
    api: fn(Api) -> Api,
    pub(crate) play: fn(&mut Play<'_>),
    /// It asks for plain handlers only, and for no page, door or service.
    pub(crate) is_plain: bool,
}

impl Script {
    fn new(name: &'static str, play: fn(&mut Play<'_>)) -> Self {
        // What is to happen by the clock is set where it happens.
        let config = Config {
            ping: LONG,
            pong: LONG,
            closing: LONG,
            drain: Duration::ZERO,
            ..Config::default()
        };
        Self { name, shows: "", config, api: |api| api, play, is_plain: false }
    }

    fn plain(name: &'static str, play: fn(&mut Play<'_>)) -> Self {
        Self { is_plain: true, ..Self::new(name, play) }
    }

    fn shows(self, labels: &'static str) -> Self {
        Self { shows: labels, ..self }
    }

    fn config(mut self, set: impl FnOnce(&mut Config)) -> Self {
        set(&mut self.config);
        self
    }

    /// The application has this besides, or a door.
    fn with(self, api: fn(Api) -> Api) -> Self {
        Self { api, ..self }
    }

    pub(crate) fn api(&self, inside: &Inside) -> Api {
        (self.api)(set(inside))
    }
}

/// All scripts.
pub(crate) fn all() -> Vec<Script> {
    [
        opening::scripts(),
        frames::scripts(),
        messages::scripts(),
        handlers::scripts(),
        topics::scripts(),
        slow::scripts(),
        clock::scripts(),
        ends::scripts(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Longer than any script, and than any ground waits for anything.
const LONG: Duration = Duration::from_secs(36_000);
/// As long as it takes nobody to wait for.
const SOON: Duration = Duration::from_millis(20);
/// As long as a handshake over TLS takes at most.
const IN_TIME: Duration = Duration::from_millis(300);
