//! A simulated world, in which everything happens that may: thousands of clients over shards that take turns in any
//! order, a network that splits, delays, stalls and resets, services that fail, readers that are slow, servers that end.
//!
//! A seed settles the [rules](rules::Rules) and the [steps](step::Step). Whoever was touched by a step is held at once
//! against a [model](client::Client) that knows no engine; at every [`Audit`](step::Step::Audit) everybody is. The
//! first step that breaks a law ends the world, and what is left of the steps when all that do not matter
//! are taken away is printed as a [test](shrink::as_test).
//!
//! ```
//! use fastws_soak::play;
//! use fastws_soak::step::{Ask, Step};
//!
//! let asks = vec![Ask::Subscribe(0)];
//! play(7, 2, &[Step::Arrive { who: 0, shard: 0 }, Step::Rest, Step::Say { who: 0, asks }, Step::Audit]);
//! ```

mod audit;
pub mod client;
pub mod hearing;
pub mod log;
pub mod random;
pub mod rules;
pub mod shrink;
pub mod stage;
pub mod step;
pub mod weather;
pub mod world;

use crate::rules::Rules;
use crate::step::Step;
use crate::world::{Told, World};

/// Takes these steps in the world of a seed with so many clients, and then has everybody leave. Panics
/// where a law is broken.
pub fn play(seed: u64, clients: u32, steps: &[Step]) -> Told {
    let mut world = World::new(Rules::of(seed, clients));
    for step in steps {
        world.step(step);
    }
    world.end()
}
