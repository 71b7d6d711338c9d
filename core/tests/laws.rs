//! The laws of one shard: whatever happens, in whatever order, on owned and on lent memory.
#![cfg(feature = "alloc")]

#[path = "laws/hold.rs"]
mod hold;

use hold::operation::Operation;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_peer_hears_what_it_must_and_nothing_else(
        setting in any::<u8>(),
        operations in prop::collection::vec(operation(), 0..80),
    ) {
        hold::hold(setting, &operations);
    }
}

fn operation() -> impl Strategy<Value = Operation> {
    any::<[u8; 16]>()
        .prop_map(|bytes| Operation::read(&mut &bytes[..]).expect("none takes more than 14 bytes"))
}
