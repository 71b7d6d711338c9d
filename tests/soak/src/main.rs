//! Plays seeds at length: `fastws-soak [--steps N] [--clients N] [SEED...]`. Without a seed it takes one that nobody has
//! taken, and prints it first.

use fastws_soak::shrink::{play_seed, report};
use fastws_soak::world::Told;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn main() -> ExitCode {
    let (mut steps, mut clients, mut seeds) = (1_000_000, 3_000, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|number| number.parse::<u32>().ok());
        let known = match argument.as_str() {
            "--steps" => number().map(|number| steps = number as usize),
            "--clients" => number().map(|number| clients = number.max(1)),
            seed => seed.parse().ok().map(|seed| seeds.push(seed)),
        };
        if known.is_none() {
            eprintln!("usage: fastws-soak [--steps N] [--clients N] [SEED...]");
            return ExitCode::FAILURE;
        }
    }
    if seeds.is_empty() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        seeds.push(u64::from(now.subsec_nanos()) ^ now.as_secs() << 20);
    }
    for seed in seeds {
        println!("seed {seed}: {steps} steps of {clients} clients");
        let begun = Instant::now();
        match play_seed(seed, clients, steps) {
            Ok(Told { messages, digest }) => {
                let seconds = begun.elapsed().as_secs_f64();
                println!("seed {seed}: ok, {messages} messages, {digest:016x}, {seconds:.1} s");
            }
            Err((steps, broken)) => {
                println!("seed {seed}: {}", report(seed, clients, steps, &broken, PATIENCE));
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// After this time what is left is printed.
const PATIENCE: Duration = Duration::from_secs(300);
