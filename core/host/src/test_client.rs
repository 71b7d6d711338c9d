//! An API driven in process, for its author's tests: no network, no thread, no sleeping. Knows what a test says, nothing of shards.

use crate::settings::Settings;
use crate::simulation::Simulation;
use fastws_core::api::Api;
use fastws_core::catalog::Catalog;
use fastws_core::config::Config;
use fastws_core::frame::Opcode;
use fastws_core::publisher::Publisher;
use fastws_core::time::Duration;
use serde::Serialize;
use serde_json::Value;
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

/// A server in the test's own thread, on a clock of its own.
///
/// The clock begins at 1,700,000,000 seconds after 1970 and stands still, but for
/// [`advance`](Self::advance) and what [`TestSocket::receive_json`] waits for. Nothing else passes
/// time: a test has the same outcome each time, and a minute of updates takes no time at all.
/// Handlers and services may wait for their own clock and for each other; whatever a thread, a
/// socket or a runtime's timer is to wake does not go on.
///
/// When the last of it and its [`TestSocket`]s is dropped, nothing may be left of any client.
///
/// ```
/// use fastws_core::{api::Api, extract::{Now, Payload}, router::Router};
/// use fastws_core::{service::Updates, time::Duration, topic_route::TopicRoute};
/// use fastws_host::test_client::TestClient;
/// use serde_json::json;
///
/// async fn tick((): (), updates: Updates<i64>) {
///     loop {
///         updates.sleep(Duration::from_secs(60)).await;
///         updates.publish(&updates.unix_millis());
///     }
/// }
///
/// let double = |Payload(number): Payload<i64>| 2 * number;
/// let api = Api::new("Numbers", "1.0.0")
///     .include(Router::new().send("double", "doubled", double))
///     .include(TopicRoute::new("minutes").service(tick));
///
/// let server = TestClient::new(api);
/// let mut socket = server.connect("/ws");
/// socket.send_json(json!({"type": "double", "payload": 21}));
/// assert_eq!(socket.receive_json(), json!({"type": "doubled", "payload": 42}));
///
/// socket.send_json(json!({"type": "minutes.subscribe"}));
/// assert_eq!(socket.receive_json()["payload"]["status"], "ok");
/// // The next update is due in a minute: no message is there yet, and this one waits for it.
/// assert_eq!(socket.try_receive_json(), None);
/// assert_eq!(socket.receive_json()["payload"], 1_700_000_060_000_i64);
/// server.advance(Duration::from_secs(60));
/// assert!(socket.try_receive_json().is_some());
///
/// socket.send_json(json!({"type": "double", "payload": "a lot"}));
/// socket.expect_close(1003, "Could not validate payload");
/// assert_eq!(server.get("/healthz"), (200, "ok\n".into()));
/// ```
pub struct TestClient {
    catalog: Arc<Catalog>,
    settings: Settings,
    shards: usize,
    /// Made for the first who needs it, of what is set by then.
    simulation: OnceCell<Rc<RefCell<Simulation>>>,
    connected: Cell<usize>,
}

impl TestClient {
    /// A server of one shard, with default limits and its WebSocket at `/ws`. Panics with the
    /// mistake where the API has one.
    #[track_caller]
    pub fn new(api: Api) -> Self {
        let catalog = api.build().unwrap_or_else(|mistake| panic!("{mistake}"));
        Self {
            catalog: Arc::new(catalog),
            settings: Settings::default(),
            shards: 1,
            simulation: OnceCell::new(),
            connected: Cell::new(0),
        }
    }

    /// Limits and deadlines. Like the other settings, to be told before anybody connects.
    pub fn config(mut self, config: Config) -> Self {
        self.settings.config = config;
        self
    }

    /// How many shards serve, as threads do in a server. Clients are theirs in turn, so that the first
    /// two of a server with two shards are on different ones.
    ///
    /// ```
    /// use fastws_core::{api::Api, client::Client, respond::Refused, router::Router};
    /// use fastws_host::test_client::TestClient;
    /// use serde_json::json;
    ///
    /// fn listen(client: Client) -> Result<(), Refused> {
    ///     client.subscribe("prices")
    /// }
    ///
    /// let router = Router::new().send("listen", "listening", listen).recv::<f64>("price");
    /// let server = TestClient::new(Api::new("Prices", "1.0.0").include(router)).shards(2);
    /// let (mut ann, mut bob) = (server.connect("/ws"), server.connect("/ws"));
    /// for socket in [&mut ann, &mut bob] {
    ///     socket.send_json(json!({"type": "listen"}));
    ///     assert_eq!(socket.receive_json(), json!({"type": "listening"}));
    /// }
    /// server.publisher().publish("prices", "price", &189.5)?;
    /// for socket in [&mut ann, &mut bob] {
    ///     let price = json!({"type": "price", "topic": "prices", "payload": 189.5});
    ///     assert_eq!(socket.receive_json(), price);
    /// }
    /// # Ok::<(), fastws_core::declared::PublishError>(())
    /// ```
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards;
        self
    }

    /// A path of the WebSocket; the first call replaces `/ws`, further ones add.
    pub fn path(mut self, path: &str) -> Self {
        self.settings.paths.push(path.into());
        self
    }

    /// Web pages that are let in, as a server's `origin`: without one, pages of `http://localhost`.
    pub fn origin(mut self, origin: &str) -> Self {
        self.settings.origins.push(origin.into());
        self
    }

    /// A client that is connected to `path`. Panics where the server refuses it.
    #[track_caller]
    pub fn connect(&self, path: &str) -> TestSocket {
        self.try_connect(path, &[])
            .unwrap_or_else(|status| panic!("the server refuses a client of {path} with {status}"))
    }

    /// The same with headers, or the HTTP status with which the server refuses it.
    ///
    /// ```
    /// use fastws_core::{api::Api, config::Config};
    /// use fastws_host::test_client::TestClient;
    ///
    /// let config = Config { connections: 1, ..Config::default() };
    /// let server = TestClient::new(Api::new("Pages", "1.0.0"))
    ///     .config(config)
    ///     .path("/stream")
    ///     .origin("https://example.org");
    /// let status = |path, origin| server.try_connect(path, &[("Origin", origin)]).err();
    /// assert_eq!(status("/ws", "https://example.org"), Some(404));
    /// assert_eq!(status("/stream", "https://example.com"), Some(403));
    /// let first = server.try_connect("/stream", &[("Origin", "https://example.org")]);
    /// assert!(first.is_ok());
    /// assert_eq!(status("/stream", "https://example.org"), Some(503));
    /// ```
    pub fn try_connect(&self, path: &str, headers: &[(&str, &str)]) -> Result<TestSocket, u16> {
        let upgrade = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let name = self.request(path, &[&upgrade, headers].concat());
        let simulation = self.simulation().clone();
        let is_open = simulation.borrow().peer(&name).is_open();
        match is_open {
            true => Ok(TestSocket { simulation, name }),
            false => Err(answer(&simulation.borrow().peer(&name).answer).0),
        }
    }

    /// Status and body of a page.
    pub fn get(&self, path: &str) -> (u16, String) {
        let name = self.request(path, &[]);
        answer(&self.simulation().borrow().peer(&name).answer)
    }

    /// For publishing from outside of handlers and services.
    pub fn publisher(&self) -> Publisher {
        self.simulation().borrow().shared().publisher()
    }

    /// Time passes for everybody; what is due meanwhile is done when it is due.
    pub fn advance(&self, time: Duration) {
        self.simulation().borrow_mut().advance(time);
    }

    /// The name of a new client that was answered.
    fn request(&self, path: &str, headers: &[(&str, &str)]) -> String {
        let mut simulation = self.simulation().borrow_mut();
        let number = self.connected.replace(self.connected.get() + 1);
        let name = number.to_string();
        simulation.connect(number % self.shards, &name).expect("owned memory has room");
        let headers: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        simulation.peer_mut(&name).send(request.as_bytes());
        let answered = simulation.wait(PATIENCE, |simulation| {
            let peer = simulation.peer(&name);
            (peer.is_open() || peer.finished).then_some(())
        });
        answered.expect("a server answers or ends every handshake in time");
        name
    }

    fn simulation(&self) -> &Rc<RefCell<Simulation>> {
        self.simulation.get_or_init(|| {
            let (catalog, settings) = (self.catalog.clone(), self.settings.clone());
            Rc::new(RefCell::new(Simulation::new(catalog, settings, self.shards)))
        })
    }
}

/// A client of a [`TestClient`]. It answers pings and closes by itself; dropping it ends its stream
/// without a close frame.
///
/// What cannot be done panics with what has happened instead.
///
/// The example is at [`TestClient`].
pub struct TestSocket {
    simulation: Rc<RefCell<Simulation>>,
    name: String,
}

impl TestSocket {
    /// Sends a message, and lets everybody do at once what follows.
    #[track_caller]
    pub fn send_json(&mut self, message: impl Serialize) {
        match serde_json::to_string(&message) {
            Ok(text) => self.send_text(&text),
            Err(mistake) => panic!("the message has no JSON: {mistake}"),
        }
    }

    /// Sends a text that need not be a message.
    ///
    /// ```
    /// # use fastws_core::api::Api;
    /// # use fastws_host::test_client::TestClient;
    /// let server = TestClient::new(Api::new("Nothing", "1.0.0"));
    /// let mut socket = server.connect("/ws");
    /// socket.send_text("hello?");
    /// socket.expect_close(1003, "Could not decode message");
    /// ```
    #[track_caller]
    pub fn send_text(&mut self, text: &str) {
        let mut simulation = self.simulation.borrow_mut();
        let is_gone = simulation.is_gone(&self.name);
        let peer = simulation.peer_mut(&self.name);
        if peer.ended || is_gone {
            panic!("nothing can be sent: the server has {}", ending(&peer.closed));
        }
        let frame = peer.frame(Opcode::Text, text.as_bytes());
        peer.send(&frame);
        simulation.run();
    }

    /// The next message. Where none is there yet, it lets time pass until one comes, at most a minute.
    #[track_caller]
    pub fn receive_json(&mut self) -> Value {
        match self.next(PATIENCE) {
            Some(Event::Message(message)) => message,
            Some(Event::End(closed)) => {
                panic!("a message was due, and the server has {}", ending(&closed))
            }
            None => panic!("a message was due, and none came in {PATIENCE:?} of simulated time"),
        }
    }

    /// The next message if it is there already: no time passes.
    #[track_caller]
    pub fn try_receive_json(&mut self) -> Option<Value> {
        match self.next(Duration::ZERO)? {
            Event::Message(message) => Some(message),
            Event::End(closed) => panic!("the server has {}", ending(&closed)),
        }
    }

    /// The server closes, and sends no further message before. Where it has not closed yet, time
    /// passes until it does, at most a minute.
    #[track_caller]
    pub fn expect_close(&mut self, code: u16, reason: &str) {
        let due = format!("a close with {code} `{reason}` was due");
        match self.next(PATIENCE) {
            Some(Event::End(Some(closed))) if (closed.0, &*closed.1) == (code, reason) => {}
            Some(Event::End(closed)) => panic!("{due}, and the server has {}", ending(&closed)),
            Some(Event::Message(message)) => panic!("{due}, and a message came: {message}"),
            None => panic!("{due}, and none came in {PATIENCE:?} of simulated time"),
        }
    }

    /// What comes next within `limit`. An end comes again each time.
    fn next(&mut self, limit: Duration) -> Option<Event> {
        self.simulation.borrow_mut().wait(limit, |simulation| {
            let is_gone = simulation.is_gone(&self.name);
            let peer = simulation.peer_mut(&self.name);
            match peer.heard.pop_front() {
                Some(text) => {
                    let message = serde_json::from_str(&text).expect("a server sends JSON");
                    Some(Event::Message(message))
                }
                None if peer.closed.is_some() || is_gone => Some(Event::End(peer.closed.clone())),
                None => None,
            }
        })
    }
}

impl Drop for TestSocket {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let mut simulation = self.simulation.borrow_mut();
            simulation.reset(&self.name);
            simulation.run();
        }
    }
}

enum Event {
    Message(Value),
    /// With code and reason, if there was a close frame.
    End(Option<(u16, String)>),
}

fn ending(closed: &Option<(u16, String)>) -> String {
    match closed {
        Some((code, reason)) => format!("closed the connection with {code} `{reason}`"),
        None => "ended the connection without a close".into(),
    }
}

/// Status and body of a whole answer.
fn answer(bytes: &[u8]) -> (u16, String) {
    let answer = String::from_utf8_lossy(bytes);
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("an answer has a status"), body.into())
}

/// How much simulated time a test waits for what it expects.
const PATIENCE: Duration = Duration::from_secs(60);
