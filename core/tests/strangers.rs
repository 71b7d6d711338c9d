//! Laws of connections whose first message has to say who it is from. Knows the engine from outside only.
#![cfg(feature = "alloc")]

use fastws_core::action::Close;
use fastws_core::config::Config;
use fastws_core::dispatch::{Answer, Call, Dispatch, Verdict};
use fastws_core::engine::Engine;
use fastws_core::frame::Opcode;
use fastws_core::ids::{CallId, ConnectionId, OperationId};
use fastws_core::memory::{ConnectionMemory, TopicMemory, TurnMemory};
use fastws_core::time::{Duration, Instant};
use proptest::prelude::*;

const NOW: Instant = Instant::from_millis(1);
const FIRST: OperationId = OperationId(1);

/// Lets in whoever says `pass`, at once, and whoever says `later`, later. Members may only `echo`.
#[derive(Default)]
struct App {
    later: Option<CallId>,
}

impl Dispatch for App {
    fn find(&self, name: &str) -> Option<OperationId> {
        (name == "echo").then_some(OperationId(0))
    }

    fn authenticator(&self) -> Option<OperationId> {
        Some(FIRST)
    }

    fn call(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
        match (call.operation, call.payload) {
            (FIRST, Some("pass")) => answer.silent().done(),
            (FIRST, Some("later")) => {
                self.later = Some(call.id);
                answer.later()
            }
            (FIRST, Some("reject")) => answer.reject("echo", Close::INVALID),
            (FIRST, _) => answer.close(Close::INTERNAL),
            (_, payload) => answer.reply("echo", payload.map(str::as_bytes)).done(),
        }
    }
}

struct Nobody;

impl Dispatch for Nobody {
    fn find(&self, _: &str) -> Option<OperationId> {
        Some(OperationId(0))
    }

    fn call(&mut self, _: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
        answer.silent().done()
    }
}

fn engine() -> Engine<'static> {
    let mut engine = Engine::new(Config::default(), 1);
    engine.demand_authentication();
    engine
}

fn say<D: Dispatch>(engine: &mut Engine<'_>, app: &mut D, id: ConnectionId, text: &str) -> bool {
    engine.handle_message(NOW, id, Opcode::Text, &mut text.as_bytes().to_vec(), app)
}

/// All that is written to one of them; the others read too.
fn heard(engine: &mut Engine<'_>, id: ConnectionId) -> String {
    let mut heard = Vec::new();
    while let Some(transmit) = engine.poll_transmit(NOW) {
        let to = transmit.id();
        let bytes = transmit.parts().collect::<Vec<_>>().concat();
        engine.handle_sent(NOW, to, bytes.len());
        if to == id {
            heard.extend(bytes);
        }
    }
    String::from_utf8_lossy(&heard).into()
}

#[test]
fn who_is_let_in_within_a_turn_hears_what_is_said_to_all_from_then_on() {
    let mut engine = engine();
    let [ann, bob] = [1, 2].map(|uid| engine.open(NOW, [uid; 16]).expect("there is room"));
    assert!(say(&mut engine, &mut App::default(), ann, "pass"));
    assert_eq!(engine.broadcast("first", b"1"), Ok(1));
    assert!(say(&mut engine, &mut App::default(), bob, "pass"));
    assert_eq!(engine.broadcast("second", b"2"), Ok(2));
    let said = heard(&mut engine, bob);
    assert!(!said.contains("first") && said.contains("second"), "{said}");
    assert_eq!(engine.connections(), 2);
}

#[test]
fn what_rejects_a_first_message_closes_whatever_it_would_have_said() {
    for first in ["reject", "close", r#"{"type":"echo"}"#] {
        let mut engine = engine();
        let id = engine.open(NOW, [1; 16]).expect("there is room");
        assert!(say(&mut engine, &mut App::default(), id, first));
        let said = heard(&mut engine, id);
        assert!(said.ends_with("\u{3}\u{fffd}Not authenticated"), "{said:?}");
        assert_eq!(engine.connections(), 0);
        assert_eq!(engine.broadcast("news", b"1"), Ok(0));
    }
}

#[test]
fn an_application_that_reads_no_first_message_lets_nobody_in() {
    let mut engine = engine();
    let id = engine.open(NOW, [1; 16]).expect("there is room");
    say(&mut engine, &mut Nobody, id, r#"{"type":"echo"}"#);
    assert!(heard(&mut engine, id).ends_with("Not authenticated"));
}

#[test]
fn lent_memory_knows_strangers_too() {
    let mut connections = ConnectionMemory::<2, 1024, 1024>::new();
    let (mut topics, mut turn) = (TopicMemory::<1, 1, 8>::new(), TurnMemory::<1024, 8>::new());
    let mut engine = Engine::lent(Config::default(), 1, &mut connections, &mut topics, &mut turn);
    engine.demand_authentication();
    let id = engine.open(NOW, [1; 16]).expect("there is room");
    assert_eq!(engine.broadcast("news", b"1"), Ok(0));
    assert_eq!(engine.poll_timeout(), Some(NOW + Duration::from_secs(10)));
    engine.handle_timeout(NOW + Duration::from_secs(10));
    assert!(heard(&mut engine, id).ends_with("Not authenticated"));
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Open,
    Say(usize, &'static str),
    Settle(bool),
    End(usize),
    Broadcast,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        Just(Act::Open),
        (0..4_usize, prop_oneof![Just("pass"), Just("later"), Just("no")])
            .prop_map(|(who, text)| Act::Say(who, text)),
        any::<bool>().prop_map(Act::Settle),
        (0..4_usize).prop_map(Act::End),
        Just(Act::Broadcast),
    ]
}

proptest! {
    #[test]
    fn a_broadcast_reaches_those_who_have_been_let_in_and_nobody_else(
        acts in proptest::collection::vec(act(), 0..40)
    ) {
        let (mut engine, mut app) = (engine(), App::default());
        // Who is there, who of them is known, and whose call runs.
        let mut there: Vec<(ConnectionId, bool, bool)> = Vec::new();
        for act in acts {
            match act {
                Act::Open => there.push((engine.open(NOW, [0; 16]).unwrap(), false, false)),
                Act::Say(who, text) => {
                    let Some(&(id, known, calling)) = there.get(who) else { continue };
                    // A member says what is no message.
                    let waits = !say(&mut engine, &mut app, id, text);
                    prop_assert_eq!(waits, calling);
                    match text {
                        _ if waits => {}
                        "pass" if !known => there[who].1 = true,
                        "later" if !known => {
                            // One at a time is enough here: whoever asked before is let go.
                            there.retain(|&(other, _, calling)| {
                                let left = calling && other != id;
                                if left {
                                    engine.handle_end(NOW, other);
                                }
                                !left
                            });
                            let at = there.iter().position(|(own, ..)| *own == id).unwrap();
                            there[at].2 = true;
                        }
                        _ => drop(there.remove(who)),
                    }
                }
                Act::Settle(lets_in) => {
                    let Some(call) = app.later.take() else { continue };
                    let known = there.iter_mut().find(|(id, _, calling)| *calling && *id == call.connection());
                    let settled = engine.settle(NOW, call, None, |answer| match lets_in {
                        true => answer.silent().done(),
                        false => answer.close(Close::INTERNAL),
                    });
                    prop_assert_eq!(settled, known.is_some());
                    if let Some(known) = known {
                        (known.1, known.2) = (true, false);
                        let id = known.0;
                        if !lets_in {
                            there.retain(|(own, ..)| *own != id);
                        }
                    }
                }
                Act::End(who) => {
                    if who < there.len() {
                        engine.handle_end(NOW, there.remove(who).0);
                    }
                }
                Act::Broadcast => {
                    let known = there.iter().filter(|(_, known, _)| *known).count();
                    prop_assert_eq!(engine.broadcast("news", b"1"), Ok(known));
                }
            }
            prop_assert_eq!(engine.connections(), there.len());
        }
    }
}
