//! The laws of one shard: whatever happens, in whatever order, on owned and on lent memory.
#![cfg(feature = "alloc")]

#[path = "laws/hold.rs"]
mod hold;

use hold::operation::{Message, Operation};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    // law: 1 2 3 4 5 8 9
    #[test]
    fn every_peer_hears_what_it_must_and_nothing_else(
        setting in any::<u8>(),
        operations in prop::collection::vec(operation(), 0..80),
    ) {
        hold::hold(setting, &operations);
    }

    // law: 5 6
    #[test]
    fn what_a_slow_reader_misses_is_told_in_its_place(
        setting in 32_u8..128,
        topics in any::<[u8; 2]>(),
        window in 0_u16..300,
        operations in prop::collection::vec(slow_reading(), 0..60),
    ) {
        let subscribe = |topic| Message::Subscribe { topic, silently: false };
        let mut all = vec![
            Operation::Open { framed: false },
            Operation::Say { peer: 0, messages: topics.map(subscribe).to_vec(), cut: 0 },
            Operation::Narrow { peer: 0, bytes: window },
        ];
        all.extend(operations);
        // Without heartbeat and lifespan, of which it would end.
        hold::hold(setting & !0b110, &all);
    }
}

#[test]
fn a_message_that_is_refused_is_no_sign_of_life() {
    let subscribe = Message::Subscribe { topic: 0, silently: false };
    let pinged_after_5_seconds_and_a_small_turn = 0b1001;
    hold::hold(
        pinged_after_5_seconds_and_a_small_turn,
        &[
            Operation::Open { framed: true },
            Operation::Broadcast { len: 268, framed: true },
            Operation::Advance { millis: 5_120 },
            Operation::Advance { millis: 19_712 },
            Operation::Say { peer: 0, messages: vec![subscribe], cut: 0 },
            Operation::Advance { millis: 10_496 },
        ],
    );
}

/// What happens around one reader that is slow.
fn slow_reading() -> impl Strategy<Value = Operation> {
    let message = prop_oneof![
        any::<u8>().prop_map(|len| Message::Ping { len }),
        (0_u8..100).prop_map(|len| Message::Echo { len }),
        (0_u8..3).prop_map(|topic| Message::Unsubscribe { topic, silently: false }),
        (0_u8..3).prop_map(|topic| Message::Subscribe { topic, silently: false }),
        (0_u8..3, 0_u8..100).prop_map(|(topic, len)| Message::Publish { topic, len }),
    ];
    prop_oneof![
        8 => (0_u8..3, prop_oneof![9 => 0_u16..150, 1 => 0_u16..700], any::<bool>())
            .prop_map(|(topic, len, framed)| Operation::Publish { topic, len, framed }),
        2 => message.prop_map(|message| Operation::Say { peer: 0, messages: vec![message], cut: 0 }),
        3 => (0_u16..300).prop_map(|bytes| Operation::Read { peer: 0, bytes }),
        2 => Just(Operation::Turn),
        1 => Just(Operation::Write),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    any::<[u8; 16]>()
        .prop_map(|bytes| Operation::read(&mut &bytes[..]).expect("none takes more than 14 bytes"))
}
