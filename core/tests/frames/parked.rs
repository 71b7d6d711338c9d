//! What parks comes out later, the same and in order. Uses the least room that is promised to do.

#[path = "table.rs"]
mod table;

use super::{Assembly, Incoming};
use crate::frame::{Head, Opcode, Role, Violation, mask};
use crate::shelf::{Buffer, Thin};
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;
use table::{Outcome, Said, rows};

#[test]
fn every_row_comes_out_the_same_when_it_was_parked() {
    for row in rows() {
        let expected = apart(&row.outcome);
        let len = row.bytes.len();
        let twos = row.cuts().map(|at| vec![at, len - at]);
        for parts in twos.chain([vec![len], vec![1; len]]) {
            for unparks in [false, true] {
                let mut world = World::new(row.role, row.limit);
                let mut rest = &row.bytes[..];
                for part in &parts {
                    world.read(&rest[..*part], |_| true);
                    rest = &rest[*part..];
                    if unparks {
                        world.unpark();
                    }
                }
                world.unpark();
                assert_eq!(apart(&world.outcome), expected, "row {} in {parts:?}", row.number);
                world.reclaim();
                assert!(world.bytes.is_none() || row.outcome == Outcome::default());
            }
        }
    }
}

#[test]
fn a_ping_overtakes_what_is_parked() {
    let mut world = World::new(Role::Client, 10);
    world.read(b"\x81\x01a\x89\x01!\x81\x01b", |_| true);
    assert_eq!(world.outcome.said, [Said::Ping(b"!".to_vec())]);
    world.unpark();
    let text = |text: &[u8]| Said::Message(Opcode::Text, text.to_vec());
    assert_eq!(world.outcome.said[1..], [text(b"a"), text(b"b")]);
}

#[test]
fn messages_that_cost_more_parked_than_sent_have_room() {
    let mut world = World::new(Role::Client, 10);
    world.read(&b"\x81\x00".repeat(100), |_| true);
    world.unpark();
    assert_eq!(world.outcome.said.len(), 100);
}

#[test]
fn no_message_overtakes_a_parked_one() {
    let mut world = World::new(Role::Client, 10);
    world.read(b"\x81\x01a", |_| true);
    world.read(b"\x81\x01b\x88\x00", |_| false);
    assert_eq!(world.outcome.said, []);
    world.unpark();
    assert_eq!(world.outcome.said.len(), 3);
    assert_eq!(world.outcome.said[2], Said::Close(None));
}

#[test]
fn what_was_parked_survives_a_violation() {
    let mut world = World::new(Role::Client, 10);
    world.read(b"\x81\x01a\x01\x01b\xf0", |_| true);
    assert_eq!(world.outcome.refused, Some(Violation::ReservedBits.close_code()));
    world.unpark();
    assert_eq!(world.outcome.said, [Said::Message(Opcode::Text, b"a".to_vec())]);
    world.reclaim();
    assert!(world.bytes.is_none(), "the message that nothing completes is dropped");
}

#[test]
fn a_buffer_of_the_limit_and_140_never_runs_dry_while_nothing_is_parked() {
    for (role, key) in [(Role::Server, Some([1, 2, 3, 4])), (Role::Client, None)] {
        let limit = 300;
        // All but the last byte of the message, then all but the last byte of a ping.
        let mut stream = frame(Opcode::Text, key, &vec![b'x'; limit - 1]);
        stream[0] &= 0x7f;
        stream.extend(frame(Opcode::Ping, key, &[7; 125]));
        stream.pop();
        let mut block = vec![0; limit + 140];
        let mut len = 0;
        let mut assembly = Assembly::new(role);
        let mut rest = &mut stream[..];
        while !rest.is_empty() {
            let mut buffer = Buffer::Lent { bytes: &mut block, len: &mut len };
            assembly.reclaim(&mut buffer);
            let room = assembly.room(&buffer).min(rest.len());
            assert!(room > 0, "{role:?} with {} left", rest.len());
            let (mut input, after) = rest.split_at_mut(room);
            rest = after;
            assert_eq!(assembly.next(&mut input, &mut buffer, limit, false), Ok(None));
        }
        let mut buffer = Buffer::Lent { bytes: &mut block, len: &mut len };
        assembly.reclaim(&mut buffer);
        assert!(assembly.room(&buffer) > 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    // law: 7
    #[test]
    fn messages_are_the_same_whenever_they_are_parked_and_reclaimed(
        messages in prop::collection::vec(message(), 0..12),
        role in prop_oneof![Just(Role::Server), Just(Role::Client)],
        steps in prop::collection::vec(
            (1_usize..60, any::<u32>(), any::<bool>(), any::<bool>()),
            1..60,
        ),
    ) {
        let key = (role == Role::Server).then_some([9, 8, 7, 6]);
        let stream: Vec<u8> = messages.iter().flat_map(|message| message.encode(key)).collect();
        let mut world = World::new(role, 1_000);
        let mut rest = &stream[..];
        let mut steps = steps.iter().cycle();
        while !rest.is_empty() {
            let &(part, park, unparks, reclaims) = steps.next().expect("a cycle");
            let (input, after) = rest.split_at(part.min(rest.len()));
            rest = after;
            world.read(input, |call| park >> (call % 32) & 1 == 1);
            if unparks {
                world.unpark_one();
            }
            if reclaims {
                world.reclaim();
            }
        }
        world.unpark();
        let said = messages.iter().map(|message| message.said.clone()).collect();
        prop_assert_eq!(apart(&world.outcome), apart(&Outcome { said, refused: None }));
        world.reclaim();
        prop_assert!(world.bytes.is_none());
    }
}

/// One inbound half, and what has come out of it.
struct World {
    assembly: Assembly,
    bytes: Thin,
    limit: usize,
    outcome: Outcome,
}

impl World {
    fn new(role: Role, limit: usize) -> Self {
        let outcome = Outcome::default();
        Self { assembly: Assembly::new(role), bytes: None, limit, outcome }
    }

    /// Reads with the least room that takes `input`. `park` decides for each call.
    fn read(&mut self, input: &[u8], park: impl Fn(u32) -> bool) {
        let mut input = input.to_vec();
        let mut input = &mut input[..];
        let mut room = self.bytes.as_ref().map_or(0, |bytes| bytes.len());
        while self.assembly.room(&Buffer::Owned { bytes: &mut self.bytes, limit: room })
            < input.len()
        {
            room += 1;
        }
        for call in 0.. {
            let mut buffer = Buffer::Owned { bytes: &mut self.bytes, limit: room };
            match self.assembly.next(&mut input, &mut buffer, self.limit, park(call)) {
                Ok(Some(incoming)) => self.outcome.said.push(Said::from(incoming)),
                Ok(None) => break,
                Err(violation) => {
                    assert_eq!(self.outcome.refused, None, "a stream is refused once");
                    self.outcome.refused = Some(violation.close_code());
                }
            }
        }
        assert!(input.is_empty(), "all input is used up");
    }

    fn unpark_one(&mut self) -> bool {
        let waits = self.assembly.has_parked();
        let buffer = Buffer::Owned { bytes: &mut self.bytes, limit: usize::MAX };
        let incoming = self.assembly.unpark(&buffer);
        assert_eq!(incoming.is_some(), waits);
        self.outcome.said.extend(incoming.map(Said::from));
        waits
    }

    fn unpark(&mut self) {
        while self.unpark_one() {}
    }

    fn reclaim(&mut self) {
        let mut buffer = Buffer::Owned { bytes: &mut self.bytes, limit: usize::MAX };
        self.assembly.reclaim(&mut buffer);
    }
}

/// Messages and the close in their order, pings and pongs in theirs, and the verdict: parking
/// changes no more than how these two interleave.
fn apart(outcome: &Outcome) -> (Vec<Said>, Vec<Said>, Option<u16>) {
    let waits = |said: &Said| matches!(said, Said::Message(..) | Said::Close(_));
    let (waiting, prompt) = outcome.said.iter().cloned().partition(waits);
    (waiting, prompt, outcome.refused)
}

/// A message, and where it is cut into fragments.
#[derive(Clone, Debug)]
struct Sent {
    said: Said,
    opcode: Opcode,
    payload: Vec<u8>,
    fragment: usize,
}

impl Sent {
    fn encode(&self, key: Option<[u8; 4]>) -> Vec<u8> {
        if self.payload.is_empty() || matches!(self.opcode, Opcode::Ping | Opcode::Pong) {
            return frame(self.opcode, key, &self.payload);
        }
        let mut bytes = Vec::new();
        let count = self.payload.chunks(self.fragment).len();
        for (at, fragment) in self.payload.chunks(self.fragment).enumerate() {
            let mut frame = frame(self.opcode, key, fragment);
            if at > 0 {
                frame[0] &= 0xf0;
            }
            if at + 1 < count {
                frame[0] &= 0x0f;
            }
            bytes.extend(frame);
        }
        bytes
    }
}

fn message() -> impl Strategy<Value = Sent> {
    let opcode = prop_oneof![
        3 => Just(Opcode::Binary),
        3 => Just(Opcode::Text),
        1 => Just(Opcode::Ping),
        1 => Just(Opcode::Pong),
    ];
    (opcode, "[a-zé€]{0,40}", 1_usize..150).prop_map(|(opcode, text, fragment)| {
        let payload = text.into_bytes();
        let said = match opcode {
            Opcode::Ping => Said::Ping(payload.clone()),
            Opcode::Pong => Said::Pong,
            _ => Said::Message(opcode, payload.clone()),
        };
        Sent { said, opcode, payload, fragment }
    })
}

fn frame(opcode: Opcode, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mut frame = Head::new(opcode, payload.len(), key).as_slice().to_vec();
    let head_len = frame.len();
    frame.extend_from_slice(payload);
    mask(&mut frame[head_len..], key.unwrap_or_default(), 0);
    frame
}
