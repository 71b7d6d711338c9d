//! Shards and their clients without sockets or threads, on a clock that moves when it is told to. Drives shards as a binding does; knows no rule of the protocol.

use crate::peer::Peer;
use crate::settings::{Doorway, Settings};
use crate::shard::Shard;
use crate::shared::Shared;
use crate::tasks::Tasks;
use fastws_core::catalog::Catalog;
use fastws_core::engine::Sent;
use fastws_core::ids::ConnectionId;
use fastws_core::time::{Duration, Instant};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Waker;

/// Shards and clients, each of which has a name. The same wishes have the same outcome, but for what
/// handlers make of uids, which are random.
///
/// When it is dropped all clients leave, and nothing may be left of them.
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
///     world.connect(shard, name);
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
/// # Ok::<(), fastws_core::api::BuildError>(())
/// ```
pub struct Simulation {
    shared: Arc<Shared>,
    places: Vec<Place>,
    seats: BTreeMap<String, Seat>,
    now: Instant,
}

/// One shard and the tasks on it.
struct Place {
    shard: Shard,
    tasks: Tasks,
}

/// A client, and where the server keeps it.
struct Seat {
    place: usize,
    /// `None` once the server has dropped the socket.
    id: Option<ConnectionId>,
    peer: Peer,
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
        let place =
            |index| Place { shard: Shard::new(shared.clone(), index), tasks: Tasks::default() };
        let places = (0..shards).map(place).collect();
        Self { shared, places, seats: BTreeMap::new(), now: Instant::ZERO }
    }

    /// A client that has not said anything. A name of somebody who has gone can be used again.
    pub fn connect(&mut self, shard: usize, name: &str) {
        let place = &mut self.places[shard].shard;
        place.handle_time(self.now, UNIX + (self.now - Instant::ZERO));
        let id = place.accept(None, Doorway::default()).expect("owned memory has room");
        let seat = Seat { place: shard, id: Some(id), peer: Peer::default() };
        let before = self.seats.insert(name.into(), seat);
        assert!(before.is_none_or(|seat| seat.id.is_none()), "{name} is there already");
    }

    /// A client's stream is reset: what it has sent and was not read is lost. The shard does what
    /// follows in its next turn.
    pub fn reset(&mut self, name: &str) {
        let seat = self.seats.get_mut(name).expect("a client of this name");
        seat.peer.unread.clear();
        seat.peer.ended = true;
        if let Some(id) = seat.id {
            self.places[seat.place].shard.handle_end(id);
        }
    }

    /// A client.
    pub fn peer(&self, name: &str) -> &Peer {
        &self.seats[name].peer
    }

    /// A client, for it to act.
    pub fn peer_mut(&mut self, name: &str) -> &mut Peer {
        &mut self.seats.get_mut(name).expect("a client of this name").peer
    }

    /// All clients that have ever been there, the last of each name.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.seats.values().map(|seat| &seat.peer)
    }

    /// The server has dropped a client's socket.
    pub fn is_gone(&self, name: &str) -> bool {
        self.seats[name].id.is_none()
    }

    /// What all shards share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The shards, for their facts.
    pub fn shards(&self) -> impl ExactSizeIterator<Item = &Shard> {
        self.places.iter().map(|place| &place.shard)
    }

    /// When something is due, at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.shards().filter_map(Shard::poll_timeout).min()
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
            if !moved {
                let due = self.poll_timeout();
                assert!(due.is_none_or(|due| due > self.now), "what was due has been done");
                return;
            }
        }
        panic!("a handler or a service is ready for ever, and the shards do not come to rest");
    }

    /// One turn of one shard, while the others rest. True: it wants another one.
    pub fn turn(&mut self, shard: usize) -> bool {
        let Self { places, seats, now, .. } = self;
        let index = shard;
        let Place { shard, tasks } = &mut places[index];
        shard.handle_time(*now, UNIX + (*now - Instant::ZERO));
        let mut moved = false;
        for Seat { id, peer, place } in seats.values_mut() {
            if let Some(id) = *id
                && *place == index
            {
                moved |= read(shard, id, peer);
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
        moved |= transmit(shard, seats, index, *now);
        while let Some(gone) = shard.poll_gone() {
            seat(seats, index, gone).id = None;
            moved = true;
        }
        // A task that the turn has woken wants a turn for what it says.
        moved || tasks.tick() || shard.is_ready()
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for name in self.seats.keys().cloned().collect::<Vec<_>>() {
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

/// Writes what there is to be written, as far as sockets take it.
fn transmit(
    shard: &mut Shard,
    seats: &mut BTreeMap<String, Seat>,
    index: usize,
    now: Instant,
) -> bool {
    let mut moved = false;
    while let Some(transmit) = shard.poll_transmit() {
        let id = transmit.id();
        let parts: Vec<&[u8]> = transmit.parts().collect();
        assert!(parts.len() <= 64 && parts.iter().all(|part| !part.is_empty()));
        let peer = &mut seat(seats, index, id).peer;
        let taken = peer.take(now, parts.concat());
        moved = true;
        match shard.handle_sent(id, taken) {
            Sent::Idle => {}
            Sent::Blocked => peer.blocked = true,
            Sent::Finished => peer.finish(),
        }
    }
    moved
}

fn seat(seats: &mut BTreeMap<String, Seat>, index: usize, id: ConnectionId) -> &mut Seat {
    let mut seats = seats.values_mut();
    seats
        .find(|seat| seat.place == index && seat.id == Some(id))
        .expect("every connection is a client's")
}

/// The zero of the simulated clock, since 1970.
const UNIX: Duration = Duration::from_secs(1_700_000_000);
/// More turns than anything needs between two moments.
const MAX_TURNS: usize = 100_000;
