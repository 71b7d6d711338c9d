//! Shards and their clients without sockets or threads, on a clock that moves when it is told to. Drives shards as a binding does; knows no rule of the protocol.

use crate::peer::Peer;
use crate::settings::{Doorway, Settings};
use crate::shard::Shard;
use crate::shared::Shared;
use crate::tasks::Tasks;
use fastws_core::catalog::Catalog;
use fastws_core::engine::Sent;
use fastws_core::ids::ConnectionId;
use fastws_core::shelf::Full;
use fastws_core::time::{Duration, Instant};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

/// Shards and clients, each of which has a name. The same wishes have the same outcome, but for what
/// handlers make of uids, which are random.
///
/// A turn costs as much as what happens in it, however many clients are there. When it is dropped all
/// clients leave, and nothing may be left of them.
///
/// ```
/// use fastws_core::frame::Opcode;
/// use fastws_core::service::Updates;
/// use fastws_core::time::Duration;
/// use fastws_core::{api::Api, topic_route::TopicRoute};
/// use fastws_host::{settings::Settings, simulation::Simulation};
///
/// async fn tick((): (), updates: Updates<u32>) {
///     for number in 1.. {
///         updates.sleep(Duration::from_secs(1)).await;
///         updates.publish(&number);
///     }
/// }
///
/// let catalog = Api::new("Clock", "1.0.0").include(TopicRoute::new("ticks").service(tick)).build()?;
/// let mut world = Simulation::new(catalog, Settings::default(), 2);
/// // One client on each shard; the service runs on one of them.
/// for (shard, name) in [(0, "ann"), (1, "bob")] {
///     world.connect(shard, name)?;
///     let peer = world.peer_mut(name);
///     peer.send(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
///         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
///         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
///     let subscribe = peer.frame(Opcode::Text, br#"{"type":"ticks.subscribe"}"#);
///     peer.send(&subscribe);
/// }
/// world.advance(Duration::from_secs(2));
/// for name in ["ann", "bob"] {
///     let peer = world.peer(name);
///     assert!(peer.is_open());
///     // The response, and two updates.
///     assert_eq!(peer.heard.len(), 3);
///     assert_eq!(peer.heard[2], r#"{"type":"ticks.update","topic":"ticks","payload":2}"#);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Simulation {
    shared: Arc<Shared>,
    places: Vec<Place>,
    names: HashMap<Rc<str>, usize>,
    seats: Vec<Seat>,
    /// What [`poll_moved`](Self::poll_moved) has not named yet.
    moved: VecDeque<usize>,
    now: Instant,
}

/// One shard and the tasks on it.
struct Place {
    shard: Shard,
    tasks: Tasks,
    /// Whose connection each slot is, by its seat.
    slots: Vec<usize>,
    /// Seats whose clients may have done something that the shard has not seen.
    touched: BTreeSet<usize>,
}

/// A client, and where the server keeps it.
struct Seat {
    name: Rc<str>,
    place: usize,
    /// `None` once the server has dropped the socket.
    id: Option<ConnectionId>,
    peer: Peer,
    moved: bool,
}

impl Simulation {
    /// A server of so many shards. Panics where it could not be served as it is set.
    pub fn new(
        catalog: impl Into<Arc<Catalog>>,
        settings: impl Into<Settings>,
        shards: usize,
    ) -> Self {
        let wakers = vec![Waker::noop().clone(); shards];
        let shared =
            Shared::new(catalog, settings, wakers).unwrap_or_else(|error| panic!("{error}"));
        let place = |index| Place {
            shard: Shard::new(shared.clone(), index),
            tasks: Tasks::default(),
            slots: Vec::new(),
            touched: BTreeSet::new(),
        };
        Self {
            places: (0..shards).map(place).collect(),
            shared,
            names: HashMap::new(),
            seats: Vec::new(),
            moved: VecDeque::new(),
            now: Instant::ZERO,
        }
    }

    /// A client that has not said anything. A name of somebody who has gone can be used again. On `Full`
    /// the shard has not taken it.
    pub fn connect(&mut self, shard: usize, name: &str) -> Result<(), Full> {
        let at = self.names.get(name).copied();
        assert!(at.is_none_or(|at| self.seats[at].id.is_none()), "{name} is there already");
        let Place { shard: driven, slots, .. } = &mut self.places[shard];
        driven.handle_time(self.now, UNIX + (self.now - Instant::ZERO));
        let id = driven.accept(None, Doorway::default())?;
        let (name, moved) = (Rc::from(name), false);
        let seat = Seat { name, place: shard, id: Some(id), peer: Peer::default(), moved };
        let at = at.unwrap_or(self.seats.len());
        if slots.len() <= id.slot() {
            slots.resize(id.slot() + 1, usize::MAX);
        }
        slots[id.slot()] = at;
        match self.seats.get_mut(at) {
            Some(before) => *before = Seat { moved: before.moved, ..seat },
            None => {
                self.names.insert(seat.name.clone(), at);
                self.seats.push(seat);
            }
        }
        Ok(())
    }

    /// A client's stream is reset: what it has sent and was not read is lost. The shard does what
    /// follows in its next turn.
    pub fn reset(&mut self, name: &str) {
        let peer = self.peer_mut(name);
        peer.unread.clear();
        peer.ended = true;
        let Seat { place, id, .. } = self.seats[self.names[name]];
        if let Some(id) = id {
            self.places[place].shard.handle_end(id);
        }
    }

    /// A client.
    pub fn peer(&self, name: &str) -> &Peer {
        &self.seats[self.names[name]].peer
    }

    /// A client, for it to act.
    pub fn peer_mut(&mut self, name: &str) -> &mut Peer {
        let at = *self.names.get(name).expect("a client of this name");
        let seat = &mut self.seats[at];
        self.places[seat.place].touched.insert(at);
        &mut seat.peer
    }

    /// All clients that have ever been there, the last of each name.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.seats.iter().map(|seat| &seat.peer)
    }

    /// The next client from whom a shard has read, to whom it has written or whose socket it has dropped
    /// since that client was named last.
    pub fn poll_moved(&mut self) -> Option<&str> {
        let seat = &mut self.seats[self.moved.pop_front()?];
        seat.moved = false;
        Some(&seat.name)
    }

    /// The server has dropped a client's socket.
    pub fn is_gone(&self, name: &str) -> bool {
        self.seats[self.names[name]].id.is_none()
    }

    /// A client listens to a topic.
    pub fn listens(&self, name: &str, topic: &str) -> bool {
        let Seat { place, id, .. } = self.seats[self.names[name]];
        id.is_some_and(|id| self.places[place].shard.engine().listens(id, topic))
    }

    /// What all shards share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The shards, for their facts.
    pub fn shards(&self) -> impl ExactSizeIterator<Item = &Shard> {
        self.places.iter().map(|place| &place.shard)
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// When something is due, at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.shards().filter_map(Shard::poll_timeout).min()
    }

    /// Time passes in which no shard has a turn: what becomes due is late.
    pub fn lag(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// Time passes; what is due is done when it is due.
    pub fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        self.wait(time, |_| None::<()>);
        self.now = end;
        self.run();
    }

    /// Time passes from one moment at which something is due to the next, until `outcome` yields one:
    /// `None` if it does not within `limit`.
    pub fn wait<T>(
        &mut self,
        limit: Duration,
        mut outcome: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let end = self.now + limit;
        loop {
            self.run();
            if let Some(outcome) = outcome(self) {
                return Some(outcome);
            }
            self.now = self.poll_timeout().filter(|due| *due <= end)?;
        }
    }

    /// Turns of all shards until nothing is left to do but wait.
    pub fn run(&mut self) {
        for _ in 0..MAX_TURNS {
            let mut moved = false;
            for place in 0..self.places.len() {
                moved |= self.turn(place);
            }
            // Who had its turn before may have got mail since.
            if !moved && !self.shards().any(Shard::is_ready) {
                let due = self.poll_timeout();
                assert!(due.is_none_or(|due| due > self.now), "what was due has been done");
                return;
            }
        }
        panic!("a handler or a service is ready for ever, and the shards do not come to rest");
    }

    /// One turn of one shard, while the others rest. True: it wants another one.
    pub fn turn(&mut self, shard: usize) -> bool {
        let index = shard;
        let Self { places, seats, moved: named, now, .. } = self;
        let Place { shard, tasks, slots, touched } = &mut places[index];
        shard.handle_time(*now, UNIX + (*now - Instant::ZERO));
        let mut moved = false;
        for at in std::mem::take(touched) {
            let seat = &mut seats[at];
            if let Some(id) = seat.id
                && seat.place == index
            {
                if read(shard, id, &mut seat.peer) {
                    moved = true;
                    seat.name_once(at, named);
                }
                if !seat.peer.unread.is_empty() || seat.peer.ended {
                    touched.insert(at);
                }
            }
        }
        while let Some(task) = shard.poll_task() {
            tasks.spawn(task);
        }
        for _ in 0..MAX_TURNS {
            if !tasks.tick() {
                break;
            }
            moved = true;
        }
        shard.turn();
        while let Some((id, offered)) = offer(shard) {
            let at = slots[id.slot()];
            let seat = &mut seats[at];
            let taken = seat.peer.take(*now, offered);
            match shard.handle_sent(id, taken) {
                Sent::Idle => {}
                Sent::Blocked => seat.peer.blocked = true,
                Sent::Finished => seat.peer.finish(),
            }
            moved = true;
            seat.name_once(at, named);
            touched.insert(at);
        }
        while let Some(gone) = shard.poll_gone() {
            let at = slots[gone.slot()];
            seats[at].id = None;
            seats[at].name_once(at, named);
            moved = true;
        }
        // A task that the turn has woken wants a turn for what it says.
        moved || tasks.tick() || shard.is_ready()
    }
}

impl Seat {
    fn name_once(&mut self, at: usize, named: &mut VecDeque<usize>) {
        if !std::mem::replace(&mut self.moved, true) {
            named.push_back(at);
        }
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for name in self.seats.iter().map(|seat| seat.name.clone()).collect::<Vec<_>>() {
            self.reset(&name);
        }
        self.run();
        assert!(self.shards().all(Shard::is_empty), "nothing is left on a shard");
        assert!(self.shared.is_empty(), "nothing is left between shards");
    }
}

/// What the client has sent, as far as the shard has room for it.
fn read(shard: &mut Shard, id: ConnectionId, peer: &mut Peer) -> bool {
    let mut moved = false;
    if peer.blocked && peer.window > 0 {
        peer.blocked = false;
        shard.handle_writable(id);
        moved = true;
    }
    while let Some(mut segment) = peer.unread.pop_front() {
        let Some(room) = shard.room(id) else { break };
        if room < segment.len() {
            peer.unread.push_front(segment.split_off(room));
        }
        if room == 0 {
            return moved;
        }
        shard.handle_bytes(id, &mut segment);
        moved = true;
    }
    if peer.ended {
        shard.handle_eof(id);
    }
    moved
}

/// The next socket to write to, and what.
fn offer(shard: &mut Shard) -> Option<(ConnectionId, Vec<u8>)> {
    let transmit = shard.poll_transmit()?;
    let id = transmit.id();
    let parts: Vec<&[u8]> = transmit.parts().collect();
    assert!(parts.len() <= 64 && parts.iter().all(|part| !part.is_empty()));
    Some((id, parts.concat()))
}

/// The zero of the simulated clock, since 1970.
const UNIX: Duration = Duration::from_secs(1_700_000_000);
/// More turns than anything needs between two moments.
const MAX_TURNS: usize = 100_000;
