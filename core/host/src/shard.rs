//! One shard without its sockets: an engine, the handlers and services on it, and its mail.

use crate::cipher::Ciphers;
use crate::front::{Arrival, Front, panicked, report};
use crate::inbox::Mail;
use crate::services::{News, Services};
use crate::settings::Doorway;
use crate::shared::Shared;
use crate::visit::Visit;
use fastws_core::catalog::{Pending, Rest};
use fastws_core::client::Client;
use fastws_core::desk::{Desk, Local};
use fastws_core::engine::{Engine, Life, Sent, Transmit};
use fastws_core::frame::Opcode;
use fastws_core::ids::{CallId, ConnectionId, OperationId};
use fastws_core::respond::Failure;
use fastws_core::shelf::Full;
use fastws_core::time::{Duration, Instant};
use futures_lite::FutureExt;
use std::any::Any;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

/// What a driver holds, one for each of its threads.
///
/// A turn: [`handle_time`](Self::handle_time); `handle_*` for what the sockets say;
/// [`poll_task`](Self::poll_task) and a tick of the executor; [`turn`](Self::turn);
/// [`poll_transmit`](Self::poll_transmit) until all is written; [`poll_gone`](Self::poll_gone). Then,
/// unless [`is_ready`](Self::is_ready), a wait until a socket, the waker or
/// [`poll_timeout`](Self::poll_timeout).
///
/// A binding of one's own, with memory for its socket:
///
/// ```
/// use fastws_core::engine::Sent;
/// use fastws_core::frame::Opcode;
/// use fastws_core::ids::ConnectionId;
/// use fastws_core::time::{Duration, Instant};
/// use fastws_core::{api::Api, router::Router};
/// use fastws_host::peer::Peer;
/// use fastws_host::settings::{Doorway, Settings};
/// use fastws_host::shard::Shard;
/// use fastws_host::shared::Shared;
/// use fastws_host::tasks::Tasks;
/// use std::task::Waker;
///
/// /// What one thread has. A real one also has a poller, and its sockets by [`ConnectionId::slot`].
/// struct Driver {
///     shard: Shard,
///     tasks: Tasks,
///     socket: Vec<u8>,
/// }
///
/// impl Driver {
///     /// One turn, in which this connection's socket has sent these bytes.
///     fn turn(&mut self, now: Instant, id: ConnectionId, bytes: &mut [u8]) {
///         let Self { shard, tasks, socket } = self;
///         shard.handle_time(now, Duration::from_secs(1_700_000_000) + (now - Instant::ZERO));
///         shard.handle_bytes(id, bytes);
///         while let Some(task) = shard.poll_task() {
///             tasks.spawn(task);
///         }
///         while tasks.tick() {}
///         shard.turn();
///         while let Some(transmit) = shard.poll_transmit() {
///             let (id, before) = (transmit.id(), socket.len());
///             transmit.parts().for_each(|part| socket.extend_from_slice(part));
///             match shard.handle_sent(id, socket.len() - before) {
///                 Sent::Idle => {}
///                 Sent::Blocked => { /* watch the socket; when it takes bytes, `handle_writable` */ }
///                 Sent::Finished => { /* shut the writing side down, and read on */ }
///             }
///         }
///         while let Some(_gone) = shard.poll_gone() { /* drop its socket */ }
///     }
/// }
///
/// let greet = Router::new().send("greet", "greeting", || async { "hello" });
/// let catalog = Api::new("Greetings", "1.0.0").include(greet).build()?;
/// // One waker for each shard: it ends the wait of that shard's thread.
/// let shared = Shared::new(catalog, Settings::default(), vec![Waker::noop().clone()])?;
/// let shard = Shard::new(shared.clone(), 0);
/// let mut driver = Driver { shard, tasks: Tasks::default(), socket: Vec::new() };
/// let (now, listener) = (Instant::ZERO, "127.0.0.1:8000".parse()?);
///
/// let id = driver.shard.accept(None, Doorway::public(listener))?;
/// let mut request = *b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
///     Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// driver.turn(now, id, &mut request);
/// assert!(driver.socket.starts_with(b"HTTP/1.1 101 "));
///
/// let mut frame = Peer::default().frame(Opcode::Text, br#"{"type":"greet"}"#);
/// driver.turn(now, id, &mut frame);
/// assert!(driver.socket.ends_with(br#"{"type":"greeting","payload":"hello"}"#));
///
/// // The server ends when everybody has gone.
/// shared.shutdown();
/// driver.shard.handle_end(id);
/// driver.turn(now, id, &mut []);
/// assert!(driver.shard.is_drained());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Shard {
    engine: Engine<'static>,
    front: Front,
    services: Services,
    shared: Arc<Shared>,
    index: usize,
    now: Instant,
    finished: Rc<RefCell<Vec<Finished>>>,
    tasks: VecDeque<Local<()>>,
    /// What was taken from the inbox and is not done yet.
    mail: VecDeque<Mail>,
}

/// An async handler's outcome.
struct Finished {
    call: CallId,
    operation: OperationId,
    echo: Option<Box<str>>,
    client: Option<Client>,
    outcome: Result<Option<Vec<u8>>, Failure>,
    took: Duration,
}

impl Shard {
    /// Shard number `index` of a server.
    pub fn new(shared: Arc<Shared>, index: usize) -> Self {
        let desk = Desk::new(shared.catalog.declared().clone(), shared.clone(), index);
        let mut seed = [0; 8];
        random(&mut seed);
        let mut engine = Engine::new(shared.settings.config.clone(), u64::from_le_bytes(seed));
        if shared.catalog.entrance().authenticator().is_some() {
            engine.demand_authentication();
        }
        if !shared.catalog.hooks().is_empty() {
            engine.watch();
        }
        Self {
            engine,
            services: Services::new(shared.clone(), index, desk.clone()),
            front: Front {
                shared: shared.clone(),
                index,
                desk,
                payload: Vec::new(),
                pending: Vec::new(),
                arrivals: HashMap::new(),
                texts: None,
            },
            shared,
            index,
            now: Instant::ZERO,
            finished: Rc::default(),
            tasks: VecDeque::new(),
            mail: VecDeque::new(),
        }
    }

    /// Tells the time: the driver's clock, and the time since 1970. Once a turn, before all else; whoever has
    /// been silent for too long by then ends in [`turn`](Self::turn), when all was read that has come.
    pub fn handle_time(&mut self, now: Instant, unix: Duration) {
        self.now = now;
        self.front.desk.handle_time(now, unix);
    }

    /// A socket was accepted, of this peer, by this listening socket. On `Full` it is to be dropped.
    pub fn accept(
        &mut self,
        peer: Option<SocketAddr>,
        doorway: Doorway,
    ) -> Result<ConnectionId, Full> {
        let id = self.engine.accept(self.now, uid())?;
        self.front.arrivals.insert(id, Arrival { peer, doorway, ..Arrival::default() });
        Ok(id)
    }

    /// Somebody else has read a request, whose bytes follow in [`handle_bytes`](Self::handle_bytes). With
    /// a guest it is let in without asking the API's door. On `Full` nobody answers it.
    pub fn visit(
        &mut self,
        visit: Visit,
        guest: Option<Rc<dyn Any>>,
    ) -> Result<ConnectionId, Full> {
        let id = self.engine.accept(self.now, uid())?;
        let (peer, doorway) = (visit.peer, Doorway::default());
        self.front.arrivals.insert(id, Arrival { peer, doorway, visit: Some(visit), guest });
        Ok(id)
    }

    /// What a connection that comes by this doorway is encrypted with, if it is.
    pub(crate) fn ciphers(&self, doorway: Doorway) -> Option<&dyn Ciphers> {
        self.shared.settings.ciphers.as_deref().filter(|_| !doorway.is_private)
    }

    /// A stream whose handshake somebody else has done, and what it is let in with. On `Full` it is to be
    /// dropped: there is no room, or it did not come by the door that the API has.
    pub fn open(&mut self, guest: Option<Rc<dyn Any>>) -> Result<ConnectionId, Full> {
        if !self.shared.catalog.entrance().takes(guest.as_deref()) {
            log::error!("a stream was attached without what the API's door yields");
            return Err(Full);
        }
        if !self.shared.admit(self.index) {
            return Err(Full);
        }
        let id = self.engine.open(self.now, uid())?;
        if let Some(guest) = guest {
            self.front.desk.admit(id, guest);
        }
        Ok(id)
    }

    /// How many bytes of this connection can be taken now; zero: stop reading until it changes;
    /// `None`: it has ended.
    #[inline]
    pub fn room(&mut self, id: ConnectionId) -> Option<usize> {
        self.engine.room(id)
    }

    /// A socket has sent bytes, at most [`room`](Self::room).
    #[inline]
    pub fn handle_bytes(&mut self, id: ConnectionId, bytes: &mut [u8]) {
        self.engine.handle_bytes(self.now, id, bytes, &mut self.front);
    }

    /// A stream that is framed elsewhere has sent a message. False: offer it again in a later turn.
    pub fn handle_message(&mut self, id: ConnectionId, opcode: Opcode, payload: &mut [u8]) -> bool {
        self.engine.handle_message(self.now, id, opcode, payload, &mut self.front)
    }

    /// A socket takes bytes again.
    pub fn handle_writable(&mut self, id: ConnectionId) {
        self.engine.handle_writable(id);
    }

    /// A socket's peer says nothing more, and may still read.
    pub fn handle_eof(&mut self, id: ConnectionId) {
        self.engine.handle_eof(self.now, id);
    }

    /// A socket's stream was reset, or does not take what is written to it.
    pub fn handle_end(&mut self, id: ConnectionId) {
        self.engine.handle_end(self.now, id);
    }

    /// Takes the mail and what handlers and services have said, and goes on with what waited.
    pub fn turn(&mut self) {
        let now = self.now;
        self.engine.handle_timeout(now);
        if self.mail.is_empty() {
            self.mail = self.shared.inbox(self.index).take();
        }
        // Mail has a turn's worth of its own, whatever requests have made before.
        let end = self.engine.queued() + self.shared.settings.config.turn_bytes as usize;
        while self.engine.queued() < end
            && let Some(mail) = self.mail.pop_front()
        {
            self.handle_mail(mail);
        }
        loop {
            let mut any = self.services.handle_events();
            for finished in self.finished.take() {
                any = true;
                self.settle(finished);
            }
            while let Some((call, topic)) = self.front.desk.poll_returned() {
                any = true;
                self.engine.give_back(call, &topic);
                self.handle_lives();
            }
            while let Some(ask) = self.front.desk.poll_ask() {
                any = true;
                self.services.ask(&mut self.engine, ask);
                self.handle_lives();
            }
            self.services.release(&mut self.engine);
            self.handle_lives();
            self.engine.resume(now, &mut self.front);
            if !any {
                break;
            }
        }
        self.handle_lives();
        self.tell_changes();
        self.count();
    }

    fn count(&self) {
        let Self { engine, shared, index, .. } = self;
        let (connections, subscriptions) = (engine.connections(), engine.subscriptions());
        shared.figures.count(*index, connections, subscriptions, &engine.counts());
    }

    /// Tells the API's own functions whose subscriptions have begun and ended.
    fn tell_changes(&mut self) {
        while let Some(change) = self.engine.poll_change() {
            let hooks = self.shared.catalog.hooks();
            let told = catch_unwind(AssertUnwindSafe(|| hooks.tell(&change, &self.front.desk)));
            if let Err(panic) = told {
                let what = if change.begun { "on_subscribe" } else { "on_unsubscribe" };
                log::error!("`{what}` for topic `{}` {}", change.topic, panicked(&*panic));
            }
        }
    }

    fn handle_mail(&mut self, mail: Mail) {
        let Self { services, engine, .. } = self;
        match mail {
            Mail::Update { topic, frame, life, kept, policy, tally } => {
                let reached = services.publish(engine, topic, News { frame, life, kept, policy });
                tally.iter().for_each(|tally| tally.add(reached));
            }
            Mail::Forget(topic, moment) => self.front.desk.retained.forget(&topic, moment),
            Mail::Broadcast(frame, tally) => {
                tally.add(engine.broadcast_frame(&frame).expect("owned memory has room"));
            }
            Mail::Started(topic, generation) => services.started(&topic, generation),
            Mail::Start(topic, generation) => services.start(&topic, generation),
            Mail::Linger(topic, generation, moment) => services.linger(&topic, generation, moment),
            Mail::Stop(topic, generation) => services.stop(&topic, generation),
            Mail::Failed(topic, generation, end) => {
                services.failed(engine, &topic, generation, end)
            }
            Mail::Shutdown => {
                services.shutdown();
                engine.drain(self.now);
            }
        }
        self.handle_lives();
    }

    fn handle_lives(&mut self) {
        while let Some(life) = self.engine.poll_life() {
            match life {
                Life::First(topic) => self.shared.count_topic(topic, true),
                Life::Last(topic) => {
                    // First, since what lingers is not forgotten.
                    self.services.leave(topic);
                    self.shared.count_topic(topic, false);
                }
            }
        }
        while let Some(topic) = self.front.desk.poll_expected() {
            self.shared.count_topic(&topic, false);
        }
    }

    fn settle(&mut self, finished: Finished) {
        let Finished { call, operation, echo, client, outcome, took } = finished;
        self.shared.figures.calls(self.index, operation).time(took);
        let catalog = &self.shared.catalog;
        self.engine.settle(self.now, call, echo.as_deref(), |answer| {
            let (payload, failure) = match outcome {
                Ok(payload) => (payload, None),
                Err(failure) => (None, Some(failure)),
            };
            let result = failure.map_or(Ok(payload.as_deref()), Err);
            let (verdict, rest) = catalog.settle(operation, answer, client.as_ref(), result);
            if let Rest::Trouble(trouble) = rest {
                report(catalog.name(operation), trouble);
            }
            verdict
        });
    }

    /// The next future to be run on this thread until it ends: a handler or a service. They begin in
    /// the order in which they were asked for.
    pub fn poll_task(&mut self) -> Option<Local<()>> {
        for pending in std::mem::take(&mut self.front.pending) {
            self.tasks.push_back(self.call(pending));
        }
        self.tasks.extend(self.services.tasks.drain(..));
        self.tasks.pop_front()
    }

    fn call(&self, pending: Pending) -> Local<()> {
        let Pending { call, operation, echo, client, outcome } = pending;
        let finished = self.finished.clone();
        let begun = std::time::Instant::now();
        Box::pin(async move {
            let outcome = AssertUnwindSafe(outcome).catch_unwind().await;
            let outcome = outcome.unwrap_or_else(|panic| Err(panicked(&*panic)));
            let took = begun.elapsed();
            finished.borrow_mut().push(Finished { call, operation, echo, client, outcome, took });
        })
    }

    /// The next socket to write to; [`handle_sent`](Self::handle_sent) follows.
    #[inline]
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        self.engine.poll_transmit(self.now)
    }

    /// A socket has taken `sent` bytes of what was offered last.
    #[inline]
    pub fn handle_sent(&mut self, id: ConnectionId, sent: usize) -> Sent {
        self.engine.handle_sent(self.now, id, sent)
    }

    /// The next connection whose socket is to be dropped.
    pub fn poll_gone(&mut self) -> Option<ConnectionId> {
        // Whoever goes is still known by what it was let in with.
        self.tell_changes();
        let Some(id) = self.engine.poll_gone() else {
            // What was written in this turn is known before the next, and whose topics it has ended.
            self.handle_lives();
            self.count();
            return None;
        };
        self.front.arrivals.remove(&id);
        self.front.desk.forget(id);
        Some(id)
    }

    /// When [`handle_time`](Self::handle_time) is wanted, at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let desk = self.front.desk.poll_timeout();
        [self.engine.poll_timeout(), desk].into_iter().flatten().min()
    }

    /// There is more to do before anything has to be waited for.
    pub fn is_ready(&self) -> bool {
        self.engine.is_ready()
            || self.front.desk.is_ready()
            || !self.front.pending.is_empty()
            || !self.finished.borrow().is_empty()
            || !self.tasks.is_empty()
            || !self.services.is_idle()
            || !self.mail.is_empty()
            || !self.shared.inbox(self.index).is_empty()
    }

    /// The server ends, everybody has gone, and no service of this shard runs any more.
    pub fn is_drained(&self) -> bool {
        self.shared.is_draining() && self.is_empty()
    }

    /// No connection, topic, service or call is left.
    pub fn is_empty(&self) -> bool {
        self.engine.is_empty() && self.engine.topics() == 0 && self.services.is_empty()
    }

    /// The engine's facts.
    pub fn engine(&self) -> &Engine<'static> {
        &self.engine
    }
}

impl Drop for Shard {
    /// What it leaves behind is known after its end, too.
    fn drop(&mut self) {
        self.count();
        let mail = std::mem::take(&mut self.mail);
        self.shared.end(self.index, self.is_empty(), mail);
    }
}

fn uid() -> [u8; 16] {
    let mut uid = [0; 16];
    random(&mut uid);
    uid
}

fn random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system has randomness");
}
