//! How an engine lets everybody go when its server ends. Knows the engine from outside only.
#![cfg(feature = "alloc")]

use fastws_core::config::Config;
use fastws_core::dispatch::{Answer, Call, Dispatch, Verdict};
use fastws_core::engine::Engine;
use fastws_core::ids::OperationId;
use fastws_core::shelf::Full;
use fastws_core::time::{Duration, Instant};
use proptest::prelude::*;

const START: Instant = Instant::from_millis(7);

#[derive(Clone, Copy, Debug)]
enum Seat {
    Open,
    Handshake,
    Closing,
    Free,
}

proptest! {
    #[test]
    fn connections_leave_one_after_the_other_over_the_drain_time(
        seats in prop::collection::vec(seat(), 0..40),
        micros in 0_u64..20_000_000,
    ) {
        let drain = Duration::from_micros(micros);
        let mut engine = Engine::new(Config { drain, ..Config::default() }, 1);
        let ids: Vec<_> = seats
            .iter()
            .map(|seat| match seat {
                Seat::Handshake => engine.accept(START, [0; 16]).unwrap(),
                _ => engine.open(START, [0; 16]).unwrap(),
            })
            .collect();
        for (seat, &id) in seats.iter().zip(&ids) {
            match seat {
                Seat::Open | Seat::Handshake => {}
                Seat::Closing => {
                    let close = fastws_core::action::Close { code: 4000, reason: "" };
                    engine.close(START, id, close);
                }
                Seat::Free => engine.handle_end(START, id),
            }
        }
        while engine.poll_gone().is_some() {}
        let open = engine.connections();
        engine.drain(START);
        let dropped: Vec<_> = std::iter::from_fn(|| engine.poll_gone()).collect();
        let shaking = seats.iter().filter(|seat| matches!(seat, Seat::Handshake)).count();
        prop_assert_eq!(dropped.len(), shaking, "handshakes end at once");
        prop_assert_eq!(engine.open(START, [0; 16]), Err(Full));

        let rows = seats.len().max(1) as u32;
        let mut left = open - engine.connections();
        prop_assert_eq!(left, if micros == 0 { open } else { open.min(1) }, "the first at once");
        let mut now = START;
        while engine.connections() > 0 {
            let at = engine.poll_timeout().unwrap();
            prop_assert!(at > now && at < START + drain, "in time: {at:?}");
            engine.handle_timeout(at);
            let leave = open - left - engine.connections();
            prop_assert!(leave <= 1, "{leave} at once");
            if leave == 1 {
                // Free rows between two make a gap longer, never shorter.
                let gap = (at - now).as_micros() + 1;
                prop_assert!(gap >= (drain / rows).as_micros(), "{gap} after the one before");
                now = at;
            }
            left += leave;
        }
    }

    #[test]
    fn without_free_rows_they_leave_evenly(count in 1_usize..40, micros in 1_000_u64..20_000_000) {
        let drain = Duration::from_micros(micros);
        let closing = Duration::from_secs(60);
        let mut engine = Engine::new(Config { drain, closing, ..Config::default() }, 1);
        for _ in 0..count {
            engine.open(START, [0; 16]).unwrap();
        }
        engine.drain(START);
        for number in 1..count {
            prop_assert_eq!(engine.connections(), count - number);
            let at = START + Duration::from_micros(micros * number as u64 / count as u64);
            prop_assert_eq!(engine.poll_timeout(), Some(at));
            engine.handle_timeout(at);
        }
        prop_assert_eq!(engine.connections(), 0);
    }
}

fn seat() -> impl Strategy<Value = Seat> {
    prop_oneof![
        4 => Just(Seat::Open),
        1 => Just(Seat::Handshake),
        1 => Just(Seat::Closing),
        2 => Just(Seat::Free),
    ]
}

#[test]
fn pages_are_served_until_the_end_and_no_longer() {
    let config = Config { handshake: Duration::from_secs(60), ..Config::default() };
    let end = START + config.drain;
    let mut engine = Engine::new(config, 1);
    engine.open(START, [0; 16]).unwrap();
    engine.drain(START);
    let late = engine.accept(START, [0; 16]).unwrap();
    let slow = engine.accept(START, [0; 16]).unwrap();
    let upgrade = b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    engine.handle_bytes(START, late, &mut upgrade.to_vec(), &mut Nobody);
    let mut answers = Vec::new();
    while let Some(transmit) = engine.poll_transmit(START) {
        let (id, bytes) = (transmit.id(), transmit.parts().collect::<Vec<_>>().concat());
        engine.handle_sent(START, id, bytes.len());
        if id == late {
            answers.extend(bytes);
        }
    }
    assert!(answers.starts_with(b"HTTP/1.1 503 "));
    engine.handle_end(START, late);
    assert_eq!(engine.poll_gone(), Some(late));
    engine.handle_timeout(end);
    let gone: Vec<_> = std::iter::from_fn(|| engine.poll_gone()).collect();
    assert!(gone.contains(&slow));
    assert_eq!(engine.accept(end, [0; 16]), Err(Full));
}

struct Nobody;

impl Dispatch for Nobody {
    fn find(&self, _: &str) -> Option<OperationId> {
        None
    }

    fn call(&mut self, _: Call<'_>, _: Answer<'_, '_>) -> Verdict {
        unreachable!("nothing was found")
    }
}
