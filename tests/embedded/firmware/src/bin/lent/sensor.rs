//! A sensor of several channels, and a lamp: a `match` on numbers. Knows no heap, no socket and no board.
//!
//! The engine has checked that a payload is JSON before it is read here.

use core::fmt::Display;
use fastws_core::action::{Close, Denied};
use fastws_core::config::SlowConsumer;
use fastws_core::dispatch::{Answer, Call, Dispatch, Verdict};
use fastws_core::engine::{Engine, Life};
use fastws_core::ids::OperationId;
use fastws_core::time::{Duration, Instant};
use fastws_firmware::driver::Device;
use serde::{Deserialize, Serialize, Serializer};

/// The application, and the work that it does of its own accord.
pub struct Sensor {
    lamp: Lamp,
    interval: Duration,
    next: Instant,
    readings: u32,
    /// A bit for each channel that somebody listens to.
    wanted: u32,
}

#[derive(Deserialize)]
struct Channel {
    channel: usize,
}

#[derive(Deserialize, Serialize)]
struct Interval {
    millis: u32,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Lamp {
    Off,
    On,
}

#[derive(Serialize)]
struct Reading {
    number: u32,
    value: i16,
}

#[derive(Serialize)]
struct Subscription<'a> {
    status: &'a str,
    #[serde(serialize_with = "show")]
    message: Option<Denied>,
    topic: &'a str,
}

impl Sensor {
    pub const fn new() -> Self {
        Self {
            lamp: Lamp::Off,
            interval: Duration::from_secs(1),
            next: Instant::ZERO,
            readings: 0,
            wanted: 0,
        }
    }

    /// Who listens gets the next reading, where there is room for it.
    fn read(&mut self, engine: &mut Engine<'_>) {
        self.readings += 1;
        for (channel, topic) in TOPICS.iter().enumerate() {
            if self.wanted & 1 << channel != 0 {
                // The emulated board has nothing to measure.
                let value = (channel * 100) as i16 - (self.readings % 10) as i16;
                let reading = Reading { number: self.readings, value };
                let _ = engine.publish(
                    topic,
                    "sensor.reading",
                    Json::new().of(&reading),
                    // A reader that is too slow wants the newest reading.
                    Some(SlowConsumer::Latest),
                );
            }
        }
    }
}

impl Device for Sensor {
    fn handle_time(&mut self, now: Instant, engine: &mut Engine<'_>) {
        // Readings that should have been taken meanwhile are not made up for.
        if now >= self.next {
            self.next = now + self.interval;
            self.read(engine);
        }
    }

    fn handle_life(&mut self, life: Life<'_>) {
        let (topic, comes) = match life {
            Life::First(topic) => (topic, true),
            Life::Last(topic) => (topic, false),
        };
        if let Some(channel) = TOPICS.iter().position(|&known| known == topic) {
            self.wanted &= !(1 << channel);
            self.wanted |= u32::from(comes) << channel;
        }
    }
}

impl Dispatch for Sensor {
    fn find(&self, name: &str) -> Option<OperationId> {
        let place = NAMES.iter().position(|&known| known == name)?;
        Some(OperationId(place as u16))
    }

    fn call(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
        let payload = call.payload.unwrap_or("null");
        match call.operation {
            SUBSCRIBE => match topic(payload) {
                Some(topic) => subscribe("sensor.subscribe.response", topic, answer),
                None => refuse(&call, answer),
            },
            UNSUBSCRIBE => match topic(payload) {
                Some(topic) => {
                    let done = Subscription { status: "ok", message: None, topic };
                    let mut effects =
                        answer.reply("sensor.unsubscribe.response", Some(Json::new().of(&done)));
                    effects.unsubscribe(topic);
                    effects.done()
                }
                None => refuse(&call, answer),
            },
            INTERVAL => match read::<Interval>(payload) {
                Some(interval) if interval.millis > 0 => {
                    self.interval = Duration::from_millis(interval.millis.into());
                    self.next = call.now + self.interval;
                    answer.reply("sensor.interval.response", Some(Json::new().of(&interval))).done()
                }
                _ => refuse(&call, answer),
            },
            WATCH => subscribe("lamp.watch.response", "lamp", answer),
            SWITCH => match read(payload) {
                Some(lamp) => {
                    self.lamp = lamp;
                    let (mut json, mut effects) = (Json::new(), answer.silent());
                    // Nobody misses a switch: who reads too slowly is closed.
                    let _ = effects.publish("lamp", "lamp.is", json.of(&lamp), None);
                    effects.done()
                }
                None => refuse(&call, answer),
            },
            ASK => answer.reply("lamp.ask.response", Some(Json::new().of(&self.lamp))).done(),
            _ => unreachable!("every name has an arm"),
        }
    }
}

fn subscribe(reply: &str, topic: &str, mut answer: Answer<'_, '_>) -> Verdict {
    let message = answer.reserve(topic).err();
    let status = if message.is_some() { "error" } else { "ok" };
    let said = Subscription { status, message, topic };
    let mut effects = answer.reply(reply, Some(Json::new().of(&said)));
    if message.is_none() {
        // Where there was no room for the reply, the connection has ended meanwhile.
        let _ = effects.subscribe(topic);
    }
    effects.done()
}

fn refuse(call: &Call<'_>, answer: Answer<'_, '_>) -> Verdict {
    answer.reject(NAMES[usize::from(call.operation.0)], Close::INVALID)
}

fn topic(payload: &str) -> Option<&'static str> {
    read::<Channel>(payload).and_then(|wish| TOPICS.get(wish.channel)).copied()
}

/// A payload as its type says. Escapes in names are not decoded, so such a payload does not fit.
fn read<'a, T: Deserialize<'a>>(payload: &'a str) -> Option<T> {
    serde_json_core::from_str(payload).ok().map(|(value, _)| value)
}

/// Room for a payload of this application.
struct Json([u8; 128]);

impl Json {
    const fn new() -> Self {
        Self([0; 128])
    }

    fn of(&mut self, value: &impl Serialize) -> &[u8] {
        let len = serde_json_core::to_slice(value, &mut self.0);
        &self.0[..len.expect("payloads of this application are short")]
    }
}

fn show<S: Serializer>(shown: &Option<impl Display>, serializer: S) -> Result<S::Ok, S::Error> {
    match shown {
        Some(shown) => serializer.collect_str(shown),
        None => serializer.serialize_str(""),
    }
}

const NAMES: [&str; 6] = [
    "sensor.subscribe",
    "sensor.unsubscribe",
    "sensor.interval",
    "lamp.watch",
    "lamp.switch",
    "lamp.ask",
];
const SUBSCRIBE: OperationId = OperationId(0);
const UNSUBSCRIBE: OperationId = OperationId(1);
const INTERVAL: OperationId = OperationId(2);
const WATCH: OperationId = OperationId(3);
const SWITCH: OperationId = OperationId(4);
const ASK: OperationId = OperationId(5);

/// Each channel's topic.
const TOPICS: [&str; 20] = [
    "sensor:0",
    "sensor:1",
    "sensor:2",
    "sensor:3",
    "sensor:4",
    "sensor:5",
    "sensor:6",
    "sensor:7",
    "sensor:8",
    "sensor:9",
    "sensor:10",
    "sensor:11",
    "sensor:12",
    "sensor:13",
    "sensor:14",
    "sensor:15",
    "sensor:16",
    "sensor:17",
    "sensor:18",
    "sensor:19",
];
