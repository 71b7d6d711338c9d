//! What must change nothing, for a world that is compared with one that was spared it; and what fits into
//! memory when everybody has left.

use super::peers::name;
use super::world::World;
use fastws_core::action::{Close, Denied, Unpublished};
use fastws_core::dispatch::{Answer, Call, Dispatch, Verdict};
use fastws_core::engine::{Audience, Sent};
use fastws_core::frame::Opcode;
use fastws_core::ids::OperationId;
use fastws_core::shelf::Full;
use fastws_core::time::Instant;

/// What the smallest memory holds.
pub(crate) const SEATS: usize = 3;
pub(crate) const ROOMS: usize = 2;
pub(crate) const LINKS: usize = 3;
pub(crate) const BYTES: usize = 1_000;

impl World<'_> {
    /// Tells the engine what is no news, and asks for what it has to refuse.
    pub(super) fn nudge(&mut self) {
        if self.engine.poll_timeout().is_none_or(|at| at > self.now) {
            self.engine.handle_timeout(self.now);
        }
        for peer in self.peers.all.iter().filter(|peer| !peer.blocked || peer.gone) {
            self.engine.handle_writable(peer.id);
        }
        self.ask_for_the_gone();
        self.ask_for_calls();
        let no_text = b"\x82\x00";
        let told = self.engine.publish_frame("t0", no_text, None);
        assert_eq!(told, Err(Unpublished::NotAFrame));
        assert_eq!(self.engine.broadcast_frame(no_text), Err(Unpublished::NotAFrame));
        if self.peers.tight {
            self.ask_for_too_much();
        }
    }

    fn ask_for_the_gone(&mut self) {
        for peer in self.peers.all.iter().filter(|peer| peer.gone) {
            self.engine.handle_end(self.now, peer.id);
            self.engine.handle_eof(self.now, peer.id);
            self.engine.close(self.now, peer.id, Close::INTERNAL);
            self.engine.handle_bytes(self.now, peer.id, &mut [1], &mut Nobody);
            assert_eq!(self.engine.handle_sent(self.now, peer.id, 0), Sent::Idle);
            assert_eq!(self.engine.room(peer.id), None);
            assert!((0..3).all(|topic| !self.engine.listens(peer.id, &name(topic))));
        }
    }

    fn ask_for_calls(&mut self) {
        let long = "x".repeat(2_000);
        for peer in &self.peers.all {
            if let Some((call, _)) = peer.calling
                && peer.is_open()
            {
                for refused in ["", &long] {
                    let reserved = self.engine.reserve(call, refused, 0);
                    // It may have been closed, unseen until now.
                    assert!(matches!(reserved, Err(Denied::Name | Denied::Gone)));
                }
                if peer.listens.len() + peer.reserved.len() == 2 {
                    let reserved = self.engine.reserve(call, "t3", 0);
                    assert!(matches!(reserved, Err(Denied::TooManyTopics | Denied::Gone)));
                }
                self.engine.give_back(call, "t3");
            }
            if let Some(call) = peer.late {
                assert!(!self.engine.settle(self.now, call, None, |_| panic!("it was settled")));
                assert_eq!(self.engine.reserve(call, "t0", 0), Err(Denied::Gone));
                self.engine.give_back(call, "t0");
            }
        }
    }

    fn ask_for_too_much(&mut self) {
        let long = [b'1'; BYTES];
        let told = self.engine.publish("t0", "u", &long, None);
        let nobody = |told: Audience| told.listeners == 0;
        assert!(told.is_err() || told.is_ok_and(nobody), "more than a turn holds");
        let told = self.engine.broadcast("u", &long);
        assert!(told == Err(Full) || told == Ok(0), "more than a turn holds");
        if self.peers.all.iter().filter(|peer| !peer.gone).count() == SEATS {
            assert_eq!(self.engine.open(self.now, [3; 16]), Err(Full));
            assert_eq!(self.engine.accept(self.now, [3; 16]), Err(Full));
        }
    }

    /// Wakes just before the next deadline, or before `until` if that comes first.
    pub(super) fn wake_early(&mut self, until: Instant) {
        let told = self.engine.poll_timeout();
        let next = told.map_or(until, |at| at.min(until));
        let early = Instant::from_micros(next.micros().saturating_sub(1));
        if early > self.now {
            self.engine.handle_timeout(early);
            assert_eq!(self.engine.poll_timeout(), told);
        }
    }

    /// In the smallest memory, as much fits as in the beginning.
    pub(super) fn refill(&mut self) {
        let engine = &mut self.engine;
        let seats = [(); SEATS].map(|()| engine.open(self.now, [3; 16]).expect("it left its seat"));
        assert_eq!(engine.open(self.now, [3; 16]), Err(Full));
        let mut links = 0;
        for id in seats {
            for kind in ["x0", "x1", "x2"] {
                let mut text = format!("{{\"type\":\"{kind}\"}}").into_bytes();
                let mut guests = Guests { links: &mut links };
                assert!(engine.handle_message(self.now, id, Opcode::Text, &mut text, &mut guests));
            }
        }
        assert_eq!((links, engine.subscriptions(), engine.topics()), (LINKS, LINKS, ROOMS));
    }
}

/// Who subscribes to as much as there is room for.
struct Guests<'l> {
    links: &'l mut usize,
}

impl Dispatch for Guests<'_> {
    fn find(&self, name: &str) -> Option<OperationId> {
        name.strip_prefix('x').and_then(|number| number.parse().ok()).map(OperationId)
    }

    fn call(&mut self, call: Call<'_>, answer: Answer<'_, '_>) -> Verdict {
        let mut effects = answer.silent();
        match effects.subscribe(&format!("x{}", call.operation.0)) {
            Ok(new) => *self.links += usize::from(new),
            Err(denied) => assert!(matches!(denied, Denied::Full | Denied::TooManyTopics)),
        }
        effects.done()
    }
}

/// Who is asked for nothing.
struct Nobody;

impl Dispatch for Nobody {
    fn find(&self, _: &str) -> Option<OperationId> {
        None
    }

    fn call(&mut self, call: Call<'_>, _: Answer<'_, '_>) -> Verdict {
        unreachable!("{:?} was never found", call.operation)
    }
}
