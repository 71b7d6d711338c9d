//! The program of a server in a process of its own. Speaks of `crate::binding`; knows no rule of the protocol.
//!
//! Publishes each line of its input to the topic `noise`, and ends with its input. Its arguments are
//! the soft and the hard limit of descriptors; without them it keeps those it has.

use crate::binding::{Api, App, Error, Router, Server, TopicRoute};
use fastws_tests::lone::config;
use std::io::{self, Write};
use std::num::NonZeroUsize;

pub(crate) fn serve() -> Result<(), Error> {
    let limits: Vec<u64> =
        std::env::args().skip(1).map(|limit| limit.parse().expect("a number")).collect();
    #[cfg(unix)]
    if let [soft, hard] = limits[..] {
        rlimit::Resource::NOFILE.set(soft, hard)?;
    }
    let subscriptions = |app: App| app.metrics().subscriptions;
    let api = Api::new("Noise", "1.0.0")
        .include(TopicRoute::<(), String>::new("noise"))
        .include(Router::new().send("subscriptions", "count", subscriptions));
    let shards = NonZeroUsize::new(2).expect("it is not zero");
    let server = Server::bind("127.0.0.1:0")?.shards(shards).config(config()).start(api)?;
    println!("{}", server.handle().addresses()[0]);
    io::stdout().flush()?;
    let publisher = server.handle().publisher();
    for line in io::stdin().lines() {
        publisher.publish("noise", "noise.update", &line?).expect("inboxes have room");
    }
    let handle = server.handle();
    handle.shutdown();
    server.wait()?;
    assert!(handle.is_empty(), "nothing is left of anybody");
    Ok(())
}
