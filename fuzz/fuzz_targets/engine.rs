//! Holds engines on every kind of memory against the model of core's laws. The first byte chooses the
//! setting, the rest are operations.

#![no_main]

#[path = "../../core/tests/laws/hold.rs"]
mod hold;

use hold::operation::Operation;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&setting, mut rest)) = data.split_first() else { return };
    let operations: Vec<Operation> = std::iter::from_fn(|| Operation::read(&mut rest)).collect();
    hold::hold(setting, &operations);
});
