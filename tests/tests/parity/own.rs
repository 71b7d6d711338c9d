//! A loop of one's own as a ground: the core's example of a driver, with plain handlers behind it. Knows no host.

#[path = "../../../core/examples/polling/driver.rs"]
mod driver;

use crate::ground::{Ground, Line, connect};
use crate::play::Inside;
use crate::scripts::Script;
use driver::{Driver, Handle};
use fastws_core::catalog::{Catalog, Rest};
use fastws_core::declared::Treatment;
use fastws_core::desk::{Desk, Metrics, Published, Reach, Shards, Source};
use fastws_core::dispatch::{Answer, Call, Dispatch, Verdict};
use fastws_core::ids::OperationId;
use fastws_core::publisher::Publisher;
use fastws_core::shelf::Full;
use fastws_tests::client::until;
use serde_json::json;
use std::future::poll_fn;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::thread::{JoinHandle, spawn};

/// The driver on a thread. When it is dropped, it lets everybody go and ends.
pub(crate) struct Own {
    address: SocketAddr,
    handle: Handle,
    publisher: Publisher,
    thread: Option<JoinHandle<()>>,
}

impl Own {
    pub(crate) fn new(script: &Script, inside: &Inside) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let (driver, handle) =
            Driver::new(listener, script.config.clone()).expect("it can be served");
        let catalog = script.api(inside).build().expect("the API has no mistake");
        if catalog.entrance().authenticator().is_some() {
            handle.tell(|engine, _| engine.demand_authentication());
        }
        let others = Arc::new(Others(handle.clone()));
        let publisher = Publisher::new(catalog.declared().clone(), others.clone());
        let behind = handle.clone();
        let thread = spawn(move || {
            let desk = Desk::new(catalog.declared().clone(), others, 0);
            let mut front = Front { catalog, desk, payload: Vec::new(), handle: behind };
            driver.run(&mut front).expect("the poller polls");
        });
        Self { address, handle, publisher, thread: Some(thread) }
    }
}

impl Ground for Own {
    fn connect(&mut self, narrow: bool) -> Box<dyn Line> {
        Box::new(connect(self.address, narrow))
    }

    fn publisher(&self) -> Publisher {
        self.publisher.clone()
    }

    fn shutdown(&mut self) {
        self.handle.tell(|engine, now| engine.drain(now));
    }

    fn wait(&mut self, holds: &mut dyn FnMut() -> bool) {
        until(holds);
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.shutdown();
        if let Some(thread) = self.thread.take()
            && !std::thread::panicking()
        {
            thread.join().expect("the driver has not failed");
        }
    }
}

struct Front {
    catalog: Catalog,
    desk: Rc<Desk>,
    payload: Vec<u8>,
    handle: Handle,
}

impl Dispatch for Front {
    fn find(&self, name: &str) -> Option<OperationId> {
        self.catalog.find(name)
    }

    fn authenticator(&self) -> Option<OperationId> {
        self.catalog.entrance().authenticator()
    }

    fn call(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
        let Self { catalog, desk, payload, handle } = self;
        if catalog.name(call.operation) == "facts" {
            let handle = handle.clone();
            spawn(move || facts(&handle, call.id));
            return answer.later();
        }
        let outcome = catalog.run(&call, &answer, desk, payload);
        let (verdict, rest) = catalog.finish(&call, answer, payload, outcome);
        assert!(!matches!(rest, Rest::Pending(_)), "a plain script has plain handlers");
        verdict
    }
}

/// What is true of the engine is its thread's to say.
fn facts(handle: &Handle, call: fastws_core::ids::CallId) {
    handle.tell(move |engine, now| {
        let facts = json!({
            "connections": engine.connections(),
            "subscriptions": engine.subscriptions(),
            "dropped": engine.counts().dropped,
        });
        engine.settle(now, call, None, |answer| {
            answer.reply("facts.response", Some(facts.to_string().as_bytes())).done()
        });
    });
}

/// What another thread publishes comes to the driver as a wish.
struct Others(Handle);

impl Shards for Others {
    fn publish(&self, _: Source, _: &str, _: &[u8], _: Treatment) -> Published {
        // The handlers are on the one shard there is, whose listeners have it already.
        Published::default()
    }

    fn expect(&self, _: &str) {}

    fn reach(&self, topic: Option<&str>, frame: &[u8], _: Treatment) -> Result<Reach, Full> {
        let (topic, frame) = (topic.map(String::from), frame.to_vec());
        let reached = Arc::new(OnceLock::new());
        let count = reached.clone();
        self.0.tell(move |engine, _| {
            let listeners = match &topic {
                Some(topic) => engine.publish_frame(topic, &frame, None).map(|all| all.listeners),
                None => engine.broadcast_frame(&frame),
            };
            let _ = reached.set(listeners.expect("owned memory has room"));
        });
        Ok(Reach::new(poll_fn(move |_| match count.get() {
            Some(listeners) => Poll::Ready(*listeners),
            // Whoever waits asks again and again.
            None => Poll::Pending,
        })))
    }

    fn metrics(&self) -> Metrics {
        Metrics::default()
    }
}
