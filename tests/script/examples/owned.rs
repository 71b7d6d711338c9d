//! Prints what an engine without std has to print: the script on owned memory, then the tight one on lent memory.

use fastws_core::engine::Engine;
use fastws_script::player::{Event, play};
use fastws_script::script::{SCRIPT, SEED, config};
use fastws_script::tight::{self, TIGHT};
use fastws_script::transcript::Transcript;

fn main() {
    let mut transcript = Transcript::new(String::new());
    let mut add = |event: Event<'_>| transcript.add(event).expect("a String grows");
    play(&mut Engine::new(config(), SEED), SCRIPT, &mut add);
    play(&mut tight::Memory::new().lend(), TIGHT, &mut add);
    print!("{}", transcript.end().expect("a String grows"));
}
