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
