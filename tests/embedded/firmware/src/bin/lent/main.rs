//! A firmware without a heap: four connections and sixteen topics in memory that is set aside once.
//! Knows the numbers, and who is put together with whom.
#![no_std]
#![no_main]

mod sensor;

use core::mem::size_of;
use fastws_core::config::Config;
use fastws_core::engine::Engine;
use fastws_core::memory::{ConnectionMemory, TopicMemory, TurnMemory};
use fastws_core::time::Duration;
use fastws_firmware::board::{Uart, switch_off};
use fastws_firmware::driver::Driver;
use fastws_firmware::line::LONGEST;
use sensor::Sensor;

#[cortex_m_rt::entry]
fn main() -> ! {
    // `entry` makes references of these, which nobody else can have.
    static mut CONNECTIONS: Connections = Connections::new();
    static mut TOPICS: Topics = Topics::new();
    static mut TURN: Turn = Turn::new();
    static mut BYTES: [u8; LONGEST] = [0; LONGEST];

    let config = Config {
        connections: SERVED,
        nesting: 4,
        topic_bytes: NAME as u16,
        heartbeat: Some(Duration::from_secs(60)),
        ..Config::default()
    };
    let engine = Engine::lent(config, SEED, CONNECTIONS, TOPICS, TURN);
    Driver::new(engine, Sensor::new(), Uart::on(), BYTES).run();
    switch_off(&[
        ("connection", size_of::<Connections>().div_ceil(SEATS)),
        ("topics", size_of::<Topics>()),
        ("turn", size_of::<Turn>()),
    ])
}

const SERVED: u32 = 4;
/// One more: who is too many is told so.
const SEATS: usize = 5;
/// Messages of 512 bytes, and what an input keeps back.
const INPUT: usize = 512 + 256;
const BACKLOG: usize = 960;
/// Bytes of a topic's name.
const NAME: usize = 16;
/// The emulated board has nothing random. One that has takes this from there.
const SEED: u64 = 0x5eed;

type Connections = ConnectionMemory<SEATS, INPUT, BACKLOG>;
type Topics = TopicMemory<16, 64, NAME>;
type Turn = TurnMemory<2048, 64>;
