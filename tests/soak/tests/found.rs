//! What seeds have found: the fewest steps that broke a law.

use fastws_soak::play;
use fastws_soak::step::{Ask, Order, Step};

#[test]
fn a_topic_that_ends_is_told_once_to_a_handler_that_subscribes_to_it_twice() {
    let steps = [
        Step::Arrive { who: 9, shard: 2 },
        Step::Turn(2),
        Step::Say { who: 9, asks: vec![Ask::Subscribe(1)] },
        Step::Rest,
        Step::Say { who: 9, asks: vec![Ask::Pair(1, 1)] },
        Step::Turn(2),
        Step::Order { topic: 1, order: Order::Panic },
    ];
    play(9, 20, &steps);
}

#[test]
fn what_a_topic_said_last_follows_also_the_end_of_another_of_the_same_reply() {
    let steps = [
        Step::Arrive { who: 2082, shard: 0 },
        Step::Arrive { who: 2418, shard: 1 },
        Step::Turn(3),
        Step::Say { who: 2418, asks: vec![Ask::Pair(35, 69)] },
        Step::Advance(284),
        Step::Arrive { who: 1130, shard: 2 },
        Step::Publish { topic: 71, len: 248 },
        Step::Advance(127),
        Step::Say { who: 2082, asks: vec![Ask::Pair(11, 73)] },
        Step::Turn(2),
        Step::Turn(1),
        Step::Say { who: 1130, asks: vec![Ask::Pair(11, 69)] },
        Step::Order { topic: 11, order: Order::Panic },
    ];
    play(1, 3000, &steps);
}
