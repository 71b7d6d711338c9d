//! Rooms to talk in, on a loop of one's own: the core, the `polling` crate, and std's sockets.
//!
//! `cargo run -p fastws-core --example polling -- --listen 127.0.0.1:8000 --heartbeat-ms 60000`; a client says
//! `{"type": "join", "payload": "lobby"}`, and `{"type": "say", "payload": "hello"}` to the rooms that it is in.
//! Ctrl-c lets everybody go.

mod driver;

use driver::{Driver, Handle};
use fastws_core::action::Close;
use fastws_core::config::Config;
use fastws_core::dispatch::{Answer, Call, Dispatch, Verdict};
use fastws_core::ids::OperationId;
use fastws_core::time::Duration;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::error::Error;
use std::net::TcpListener;
use std::thread;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut address, mut config) = (String::from("127.0.0.1:8000"), Config::default());
    let mut arguments = std::env::args().skip(1);
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or("each option has a value")?;
        match option.as_str() {
            "--listen" => address = value,
            "--heartbeat-ms" => config.heartbeat = Some(Duration::from_millis(value.parse()?)),
            "--ping-ms" => config.ping = Duration::from_millis(value.parse()?),
            "--closing-ms" => config.closing = Duration::from_millis(value.parse()?),
            "--drain-ms" => config.drain = Duration::from_millis(value.parse()?),
            "--backlog" => config.backlog_bytes = value.parse()?,
            "--connections" => config.connections = value.parse()?,
            _ => return Err(format!("{option} is no option").into()),
        }
    }
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let listener = TcpListener::bind(address)?;
    println!("{}", listener.local_addr()?);
    let (driver, handle) = Driver::new(listener, config)?;
    let mut rooms = Rooms(handle.clone());
    thread::spawn(move || {
        signals.forever().for_each(|_| handle.tell(|engine, now| engine.drain(now)));
    });
    Ok(driver.run(&mut rooms)?)
}

struct Rooms(Handle);

impl Dispatch for Rooms {
    fn find(&self, name: &str) -> Option<OperationId> {
        let place = NAMES.iter().position(|own| *own == name)?;
        Some(OperationId(place as u16))
    }

    fn call(&mut self, call: Call<'_>, mut answer: Answer<'_, '_>) -> Verdict {
        let name = NAMES[usize::from(call.operation.0)];
        let payload = call.payload.unwrap_or("null");
        match (name, serde_json::from_str::<String>(payload)) {
            ("echo", _) => answer.reply("echoed", Some(payload.as_bytes())).done(),
            ("join", Ok(room)) => match answer.reserve(&room) {
                Ok(()) => {
                    let mut effects = answer.reply("joined", Some(payload.as_bytes()));
                    effects.subscribe(&room).expect("its place is set aside");
                    effects.done()
                }
                Err(denied) => {
                    answer.reply("denied", Some(format!("\"{denied}\"").as_bytes())).done()
                }
            },
            ("leave", Ok(room)) => {
                let mut effects = answer.reply("left", Some(payload.as_bytes()));
                effects.unsubscribe(&room);
                effects.done()
            }
            ("say", Ok(_)) => {
                let rooms: Vec<String> = answer.topics().map(String::from).collect();
                let mut effects = answer.silent();
                for room in rooms {
                    let update = effects.publish(&room, "said", payload.as_bytes(), None);
                    update.expect("owned memory has room");
                }
                effects.done()
            }
            // What takes its time, here a sleep, is another thread's; its outcome comes back as a wish.
            ("nap", Err(_)) => {
                let Ok(ms) = payload.parse() else { return answer.reject(name, Close::INVALID) };
                let (handle, id, echo) = (self.0.clone(), call.id, call.echo.map(String::from));
                thread::spawn(move || {
                    thread::sleep(Duration::from_millis(ms));
                    handle.tell(move |engine, now| {
                        // Without effect where the client has gone meanwhile.
                        engine.settle(now, id, echo.as_deref(), |answer| {
                            answer.reply("rested", None).done()
                        });
                    });
                });
                answer.later()
            }
            _ => answer.reject(name, Close::INVALID),
        }
    }
}

const NAMES: [&str; 5] = ["echo", "join", "leave", "say", "nap"];
