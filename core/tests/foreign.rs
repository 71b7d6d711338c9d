//! Messages of streams that are framed elsewhere, as an engine takes them.

use fastws_core::config::Config;
use fastws_core::dispatch::{Answer, Call, Dispatch, Verdict};
use fastws_core::engine::Engine;
use fastws_core::frame::Opcode;
use fastws_core::ids::OperationId;
use fastws_core::time::Instant;

#[test]
fn a_peer_that_answers_pings_is_alive_also_while_its_call_runs() {
    let config = Config::default();
    let (ping, pong) = (config.ping, config.pong);
    let mut engine = Engine::new(config, 1);
    let mut now = Instant::ZERO;
    let id = engine.open(now, [1; 16]).expect("owned memory has room");
    let mut message = *br#"{"type":"wait"}"#;
    assert!(engine.handle_message(now, id, Opcode::Text, &mut message, &mut Wait));
    for _ in 0..3 {
        now = now + ping;
        engine.handle_timeout(now);
        assert!(!engine.handle_message(now, id, Opcode::Text, &mut message, &mut Wait));
        assert!(engine.handle_message(now, id, Opcode::Pong, &mut [], &mut Wait));
        now = now + pong;
        engine.handle_timeout(now);
        assert_eq!(engine.poll_gone(), None);
    }
}

// law: 10
#[test]
fn a_control_message_that_no_frame_holds_is_a_violation() {
    for (opcode, len, close) in [
        (Opcode::Ping, 125, None),
        (Opcode::Ping, 126, Some(1002)),
        (Opcode::Pong, 126, Some(1002)),
        (Opcode::Close, 126, Some(1002)),
    ] {
        let (mut engine, now) = (Engine::new(Config::default(), 1), Instant::ZERO);
        let id = engine.open(now, [1; 16]).expect("owned memory has room");
        assert!(engine.handle_message(now, id, opcode, &mut vec![3; len], &mut Wait));
        let transmit = engine.poll_transmit(now).expect("it is answered");
        let written = transmit.parts().collect::<Vec<_>>().concat();
        let code = (written[0] == 0x88).then(|| u16::from_be_bytes([written[2], written[3]]));
        assert_eq!((code, usize::from(written[1]) + 2), (close, written.len()), "{opcode:?}");
    }
}

/// Every call's outcome comes later.
struct Wait;

impl Dispatch for Wait {
    fn find(&self, _: &str) -> Option<OperationId> {
        Some(OperationId(0))
    }

    fn call(&mut self, _: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
        answer.later()
    }
}
