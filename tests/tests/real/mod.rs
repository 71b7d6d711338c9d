//! Laws of a real server, whatever its binding is. They speak of `crate::binding` and know none.

use crate::Binding;
use crate::binding::{Api, App, Config, Router, Server, TopicRoute};
use fastws_trading::feed::Feed;
use std::num::NonZeroUsize;

mod crowd;
#[cfg(unix)]
mod descriptors;
mod errors;
#[cfg(unix)]
mod foreign;
mod http;
mod messages;
mod metrics;
mod pages;
mod process;
mod server;
mod tls;
mod topics;
mod trading;

pub(crate) type Served = fastws_tests::server::Served<Binding>;

/// A server with default limits.
pub(crate) fn serve(api: Api) -> Served {
    start(bind(), api)
}

/// A server with limits of its own.
pub(crate) fn serve_with(config: Config, api: Api) -> Served {
    start(bind().config(config), api)
}

/// A server that is still to be told what it is like.
pub(crate) fn bind() -> Server {
    Server::bind("127.0.0.1:0").expect("there is a free port")
}

pub(crate) fn start(server: Server, api: Api) -> Served {
    Served::new(server.start(api).expect("the API has no mistake"))
}

pub(crate) fn trading() -> Served {
    serve(fastws_trading::api(Feed::walk(1)))
}

/// One topic that only the test publishes to, and a count of its listeners.
pub(crate) fn noise() -> Api {
    let subscriptions = |app: App| app.metrics().subscriptions;
    Api::new("Noise", "1.0.0")
        .include(TopicRoute::<(), String>::new("noise"))
        .include(Router::new().send("subscriptions", "count", subscriptions))
}

pub(crate) const TWO: NonZeroUsize = NonZeroUsize::new(2).expect("it is not zero");
