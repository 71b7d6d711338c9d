//! A shard on a thread of its own, with clients in its memory. Drives it as a binding does; time passes where a test says so.

use crate::{Gong, thread};
use fastws_core::catalog::Catalog;
use fastws_core::config::Config;
use fastws_core::engine::Sent;
use fastws_core::frame::Opcode;
use fastws_core::ids::ConnectionId;
use fastws_core::time::{Duration, Instant};
use fastws_races::pages::{self, Pages};
use fastws_races::peer::Peer;
use fastws_races::settings::{Doorway, Settings};
use fastws_races::shard::Shard;
use fastws_races::shared::Shared;
use fastws_races::tasks::Tasks;
use loom::thread::JoinHandle;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A server, and its shards before their threads begin.
pub(super) fn server<const SHARDS: usize>(
    catalog: &Arc<Catalog>,
    settings: Settings,
) -> (Arc<Shared>, [Place; SHARDS]) {
    let gongs = [(); SHARDS].map(|()| Gong::new());
    let wakers = gongs.iter().map(|(_, waker)| waker.clone()).collect();
    let shared = Shared::new(catalog.clone(), settings, wakers).expect("it can be served");
    let mut indexes = 0..;
    let places = gongs.map(|(gong, _)| {
        let index = indexes.next().expect("numbers do not end");
        Place::new(Shard::new(shared.clone(), index), gong)
    });
    (shared, places)
}

/// A drain takes no time, and no document is written a thousand times.
pub(super) fn settings() -> Settings {
    let config = Config { drain: Duration::ZERO, ..Config::default() };
    let pages = Pages { asyncapi: pages::Place::Off, page: pages::Place::Off, ..Pages::default() };
    Settings { config, pages, ..Settings::default() }
}

/// One shard of a server, its tasks and its clients.
pub(super) struct Place {
    pub(super) shard: Shard,
    gong: Arc<Gong>,
    tasks: Tasks,
    clients: BTreeMap<ConnectionId, Peer>,
    now: Instant,
}

impl Place {
    pub(super) fn new(shard: Shard, gong: Arc<Gong>) -> Self {
        Self { shard, gong, tasks: Tasks::default(), clients: BTreeMap::new(), now: Instant::ZERO }
    }

    /// A client that has come and asks to be let in. `None`: there is no room for it.
    pub(super) fn connect(&mut self) -> Option<ConnectionId> {
        self.request(
            "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
    }

    /// What a shard answers to who asks for a page.
    pub(super) fn page(&mut self, path: &str) -> String {
        let id = self.request(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        self.settle();
        let answer = &self.clients[&id.expect("there is room")].answer;
        String::from_utf8(answer.clone()).expect("it is text")
    }

    fn request(&mut self, request: &str) -> Option<ConnectionId> {
        self.shard.handle_time(self.now, Duration::ZERO);
        let id = self.shard.accept(None, Doorway::default()).ok()?;
        let mut peer = Peer::default();
        peer.send(request.as_bytes());
        self.clients.insert(id, peer);
        Some(id)
    }

    /// A client sends an operation without a payload.
    pub(super) fn ask(&mut self, id: ConnectionId, operation: &str) {
        self.say(id, operation, "null");
    }

    /// A client sends an operation.
    pub(super) fn say(&mut self, id: ConnectionId, operation: &str, payload: &str) {
        let message = format!(r#"{{"type":"{operation}","payload":{payload}}}"#);
        let peer = self.clients.get_mut(&id).expect("it has come");
        let frame = peer.frame(Opcode::Text, message.as_bytes());
        peer.send(&frame);
    }

    /// A client that is let in.
    pub(super) fn guest(&mut self) -> ConnectionId {
        let id = self.connect().expect("there is room");
        self.settle();
        id
    }

    /// The thread that `live` drives it on.
    pub(super) fn start(self, live: impl FnOnce(Self) + Send + 'static) -> JoinHandle<()> {
        let place = Moved(self);
        thread(move || live(place.take()))
    }

    /// The server has let it in, and has not dropped its socket.
    pub(super) fn is_open(&self, id: ConnectionId) -> bool {
        self.clients[&id].is_open() && !self.clients[&id].finished
    }

    /// What a client has heard.
    pub(super) fn heard(&self, id: ConnectionId) -> impl Iterator<Item = &str> {
        self.clients[&id].heard.iter().map(String::as_str)
    }

    /// A client's stream is reset.
    pub(super) fn reset(&mut self, id: ConnectionId) {
        self.clients.get_mut(&id).expect("it has come").unread.clear();
        self.shard.handle_end(id);
    }

    /// Turns until `outcome` yields one, and sleeps while there is nothing to do.
    pub(super) fn until<T>(&mut self, mut outcome: impl FnMut(&mut Self) -> Option<T>) -> T {
        loop {
            let moved = self.turn();
            if let Some(outcome) = outcome(self) {
                return outcome;
            }
            if !moved && !self.is_ready() {
                self.gong.wait();
            }
        }
    }

    /// Turns until the server has ended.
    pub(super) fn drain(&mut self) {
        self.until(|place| place.shard.is_drained().then_some(()));
    }

    /// Ends with the server, which the last of those that are left ends.
    pub(super) fn end_with(&mut self, left: &AtomicUsize, shared: &Shared) {
        if left.fetch_sub(1, Relaxed) == 1 {
            shared.shutdown();
        }
        self.drain();
    }

    /// Turns until there is nothing to do.
    pub(super) fn settle(&mut self) {
        while self.turn() || self.is_ready() {}
    }

    /// Time passes on this shard.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    fn is_ready(&mut self) -> bool {
        let unread = self.clients.values().any(|peer| !peer.unread.is_empty());
        unread || self.shard.is_ready() || self.tasks.tick()
    }

    /// True: something was written, and may be answered.
    pub(super) fn turn(&mut self) -> bool {
        let mut moved = false;
        let Self { shard, tasks, clients, now, .. } = self;
        shard.handle_time(*now, Duration::ZERO);
        for (id, peer) in clients.iter_mut() {
            while let Some(room @ 1..) = shard.room(*id)
                && let Some(mut segment) = peer.unread.pop_front()
            {
                assert!(segment.len() <= room, "a client says little");
                shard.handle_bytes(*id, &mut segment);
            }
            if peer.ended && shard.room(*id).is_some() {
                shard.handle_eof(*id);
            }
        }
        while let Some(task) = shard.poll_task() {
            tasks.spawn(task);
        }
        while tasks.tick() {}
        shard.turn();
        while let Some(transmit) = shard.poll_transmit() {
            moved = true;
            let (id, bytes) = (transmit.id(), transmit.parts().collect::<Vec<_>>().concat());
            let peer = clients.get_mut(&id).expect("it has come");
            let taken = peer.take(*now, bytes);
            if shard.handle_sent(id, taken) == Sent::Finished {
                peer.finish();
            }
        }
        while let Some(gone) = shard.poll_gone() {
            let peer = clients.get_mut(&gone).expect("it has come");
            peer.unread.clear();
            peer.finished = true;
        }
        moved
    }
}

/// What goes to another thread of the model before that has begun.
struct Moved<T>(T);

// SAFETY: the threads of a model are coroutines of one thread, and only one of them ever has it.
unsafe impl<T> Send for Moved<T> {}

impl<T> Moved<T> {
    fn take(self) -> T {
        self.0
    }
}
