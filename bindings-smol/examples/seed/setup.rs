//! The application as a whole: its routers, and where it listens.

// section: minimal-application
use crate::{advanced, alerts, clients, datafeed, errors, practices, simple};
use fastws_smol::{Api, Error, Server};

pub(crate) fn api() -> Api {
    Api::new("Trading WebSockets", "1.0.0")
        .include(simple::router)
        .include(datafeed::router)
        .include(clients::router)
        .include(errors::router)
        .include(advanced::router)
        .include(practices::router)
        // section: broadcasting-adapter
        // A route brings its service, which starts, broadcasts and stops by itself.
        .include(alerts::alerts())
        // section: minimal-application
        .state(datafeed::bars())
}

pub(crate) fn serve() -> Result<(), Error> {
    let running = Server::bind("127.0.0.1:8000")?.start(api())?;
    clients::notify_from_stdin(running.handle().publisher());
    running.wait()
}
