//! A firmware with a heap: the same sensor, written with the typed layer. Knows no wire and no number of bytes.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
// Disables interrupts for the allocator's critical sections.
use cortex_m as _;
use embedded_alloc::LlffHeap;
use fastws_core::catalog::{ASYNCAPI, Catalog, Rest};
use fastws_core::config::Config;
use fastws_core::desk::{Alone, Desk};
use fastws_core::dispatch::{Admission, Answer, Call, Dispatch, Verdict};
use fastws_core::engine::{Engine, Life};
use fastws_core::handshake::{Refusal, Request, Response};
use fastws_core::ids::{ConnectionId, OperationId};
use fastws_core::time::{Duration, Instant};
use fastws_core::typed::{Api, BuildError, Client, Payload, Refused, Router, State};
use fastws_core::{payload, send};
use fastws_firmware::board::{Uart, switch_off};
use fastws_firmware::driver::{Device, Driver};
use fastws_firmware::line::LONGEST;

/// Which channel's readings.
#[payload]
struct Channel {
    channel: u8,
}

/// How often.
#[payload]
struct Interval {
    millis: u32,
}

#[payload]
struct Reading {
    number: u32,
    value: i16,
}

struct Settings {
    millis: AtomicU32,
}

/// Listens to one channel.
#[send("subscribe", reply = "subscribe.response")]
fn subscribe(Payload(wish): Payload<Channel>, client: Client) -> Result<String, Refused> {
    let topic = format!("sensor:{}", wish.channel);
    client.subscribe(&*topic)?;
    Ok(topic)
}

/// Sets how often everything is measured.
#[send("interval", reply = "interval.response")]
fn interval(Payload(wish): Payload<Interval>, State(settings): State<Arc<Settings>>) -> Interval {
    settings.millis.store(wish.millis, Relaxed);
    wish
}

fn api(settings: Arc<Settings>) -> Result<Catalog, BuildError> {
    let sensor = Router::new().include(subscribe).include(interval).recv::<Reading>("reading");
    Api::new("Sensor", "1.0.0").state(settings).include(sensor.prefix("sensor.")).build()
}

/// The catalog before an engine, and the work that the device does of its own accord.
struct Front {
    catalog: Catalog,
    desk: Rc<Desk>,
    payload: Vec<u8>,
    document: String,
    settings: Arc<Settings>,
    next: Instant,
    readings: u32,
    /// Topics that somebody listens to.
    wanted: BTreeSet<String>,
}

impl Front {
    fn new() -> Result<Self, BuildError> {
        let settings = Arc::new(Settings { millis: AtomicU32::new(1_000) });
        let catalog = api(settings.clone())?;
        let document = catalog.asyncapi(ASYNCAPI[0], "/ws");
        Ok(Self {
            desk: Desk::new(catalog.declared().clone(), Arc::new(Alone), 0),
            catalog,
            payload: Vec::new(),
            document: document.expect("the version is one that can be had"),
            settings,
            next: Instant::ZERO,
            readings: 0,
            wanted: BTreeSet::new(),
        })
    }
}

impl Device for Front {
    fn handle_time(&mut self, now: Instant, engine: &mut Engine<'_>) {
        // The emulated board does not know the time since 1970.
        self.desk.handle_time(now, Duration::ZERO);
        if now < self.next {
            return;
        }
        self.next = now + Duration::from_millis(self.settings.millis.load(Relaxed).into());
        self.readings += 1;
        let reading = Reading { number: self.readings, value: -7 };
        let reading = serde_json::to_vec(&reading).expect("a reading is JSON");
        for topic in &self.wanted {
            let _ = engine.publish(topic, "sensor.reading", &reading, None);
        }
    }

    fn handle_life(&mut self, life: Life<'_>) {
        match life {
            Life::First(topic) => self.wanted.insert(topic.into()),
            Life::Last(topic) => self.wanted.remove(topic),
        };
    }
}

impl Dispatch for Front {
    fn find(&self, name: &str) -> Option<OperationId> {
        self.catalog.find(name)
    }

    fn call(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
        let Self { catalog, desk, payload, .. } = self;
        let outcome = catalog.run(&call, &answer, desk, payload);
        let (verdict, rest) = catalog.finish(&call, answer, payload, outcome);
        // What went wrong is for a log, which this device does not have.
        assert!(!matches!(rest, Rest::Pending(_)), "no handler of this API is a future");
        verdict
    }

    fn request(&mut self, _: ConnectionId, request: &Request<'_>) -> Admission<'_> {
        match request.path {
            "/ws" => Admission::Upgrade { protocol: None },
            "/asyncapi.json" => Admission::Respond(Response {
                status: 200,
                headers: "",
                content_type: "application/json",
                body: self.document.as_bytes(),
            }),
            _ => Admission::Refuse(Refusal::NotFound),
        }
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BYTES: [u8; LONGEST] = [0; LONGEST];
    static mut HEAP_BYTES: [MaybeUninit<u8>; HEAP_SIZE] = [MaybeUninit::uninit(); HEAP_SIZE];

    // SAFETY: this comes once, before the first allocation, and nobody else has these bytes.
    unsafe { HEAP.init(HEAP_BYTES.as_ptr().addr(), HEAP_SIZE) };
    let config = Config {
        connections: 4,
        message_bytes: 512,
        backlog_bytes: 1024,
        turn_bytes: 1024,
        topic_bytes: 16,
        handshake_bytes: 1024,
        ..Config::default()
    };
    let front = Front::new().expect("the API has no mistakes");
    let idle = HEAP.used();
    let mut driver = Driver::new(Engine::new(config, SEED), front, Uart::on(), BYTES);
    driver.run();
    switch_off(&[("idle heap", idle), ("heap", HEAP.used())])
}

/// The emulated board has nothing random. One that has takes this from there.
const SEED: u64 = 0x5eed;

/// Of the board's 256 KiB.
const HEAP_SIZE: usize = 128 << 10;

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();
