//! What holds for memory that is lent. Knows an engine from outside.

use fastws_core::config::Config;
use fastws_core::engine::Engine;
use fastws_core::memory::{ConnectionMemory, TopicMemory, TurnMemory};
use fastws_core::time::Instant;

// law: 2
#[test]
fn memory_that_was_lent_before_is_as_good_as_new() {
    let mut connections = ConnectionMemory::<2, 512, 512>::new();
    let mut topics = TopicMemory::<2, 2, 16>::new();
    let mut turn = TurnMemory::<256, 8>::new();
    for _ in 0..3 {
        let mut engine =
            Engine::lent(Config::default(), 1, &mut connections, &mut topics, &mut turn);
        assert_eq!(engine.poll_timeout(), None, "a deadline is left of an earlier engine");
        for _ in 0..2 {
            engine.accept(Instant::ZERO, [0; 16]).expect("there are two seats");
        }
        engine.accept(Instant::ZERO, [0; 16]).expect_err("there are two seats");
    }
}
