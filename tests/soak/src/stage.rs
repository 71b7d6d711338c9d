//! The application whose server is tried: handlers and services that do as they are asked or ordered, and log it.

use crate::log::{FAULTS, Guest, HANDLERS, Log, Moment, SERVICE};
use crate::rules::{self, ROUTES, Route};
use crate::step::{Fate, Order};
use fastws_core::api::Api;
use fastws_core::client::Client;
use fastws_core::declared::PublishError;
use fastws_core::door::{HttpError, Visitor};
use fastws_core::extract::{self, Clock, Payload, State};
use fastws_core::hooks::Subscriber;
use fastws_core::respond::{Close, Failure, Fault, Refused};
use fastws_core::router::Router;
use fastws_core::service::Updates;
use fastws_core::time::Duration;
use fastws_core::topic_route::TopicRoute;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

/// An update: its source, its number there, and filling.
pub type Update = (u8, u32, String);

/// The log, shared by handlers, services and the world.
#[derive(Clone)]
pub struct Stage(Arc<Mutex<Log>>);

impl Stage {
    /// A stage for one server after the other.
    pub fn new(log: Log) -> Self {
        Self(Arc::new(Mutex::new(log)))
    }

    /// The log, for a moment.
    pub fn log(&self) -> std::sync::MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The application.
    pub fn api(&self) -> Api {
        let (begun, ended) = (self.clone(), self.clone());
        let router = Router::new()
            .send("echo", "echoed", |Payload(text): Payload<String>| text)
            .send("publish", "published", publish)
            .send("later", "late", later)
            .send("pair", "paired", pair)
            .send("fail", "failed", fail)
            .recv::<Update>("all");
        let mut api = Api::new("Soak", "1")
            .state(self.clone())
            .door(door)
            .on_subscribe(move |who, topic| begun.hook(who, topic, true))
            .on_unsubscribe(move |who, topic| ended.hook(who, topic, false))
            .include(router);
        let routes = ROUTES.iter().zip(0..).map(|(route, at)| self.route(at, route));
        let routes: Vec<_> = routes.collect();
        for route in &routes {
            api = api.include(route.clone());
        }
        api.state(routes)
    }

    fn route(&self, at: u16, route: &Route) -> TopicRoute<u16, Update> {
        let mut family =
            TopicRoute::new(route.name).topic(|room: &u16| room.to_string()).linger(route.linger);
        if route.retains {
            family = family.retain_last();
        }
        if let Some(policy) = route.policy {
            family = family.slow_consumer(policy);
        }
        if !route.serves {
            return family;
        }
        let stage = self.clone();
        family.service(async move |room: u16, updates: Updates<Update>| {
            start(stage.clone(), room * ROUTES.len() as u16 + at, updates).await
        })
    }

    fn hook(&self, who: &Subscriber<'_>, topic: &str, begun: bool) {
        let mut log = self.log();
        match (who.guest::<Guest>(), rules::topic(topic)) {
            (Some(guest), Some(topic)) => log.hook(*guest, topic, begun),
            _ => log.wrong = Some(format!("a hook is told of {topic}, and nobody")),
        }
    }
}

/// What the words of a planned panic are, so that others are found.
pub const PLANNED: &str = "as the steps say";

fn door(visitor: &Visitor<'_>) -> Result<Guest, HttpError> {
    let number = |name| visitor.query(name).and_then(|value| value.parse::<u32>().ok());
    match (number("who"), number("life"), number("shard")) {
        (Some(who), Some(life), Some(shard)) => Ok(Guest { who, life, shard: shard as u8 }),
        _ => Err(HttpError::new(401, "nobody")),
    }
}

fn publish(
    Payload(topic): Payload<u16>,
    client: Client,
    guest: extract::Guest<Guest>,
    stage: State<Stage>,
) -> Result<(), PublishError> {
    let source = HANDLERS + guest.shard;
    let number = stage.log().publish(topic, source);
    let kind = format!("{}.update", rules::route(topic).name);
    client.publish(rules::name(topic), &kind, &(source, number, String::new()))
}

/// To both topics of a route or to none.
async fn pair(
    Payload(topics): Payload<[u16; 2]>,
    client: Client,
    routes: State<Vec<TopicRoute<u16, Update>>>,
) -> String {
    let route = &routes[usize::from(topics[0]) % ROUTES.len()];
    match route.subscribe_all(&client, topics.map(rules::room)).await {
        Ok(_) => "ok".into(),
        Err(refused) => refused.to_string(),
    }
}

async fn later(Payload(millis): Payload<u64>, clock: Clock) -> u64 {
    clock.sleep(Duration::from_millis(millis)).await;
    millis
}

fn fail(Payload(how): Payload<String>) -> Result<(), Failure> {
    match how.as_str() {
        "panic" => panic!("{PLANNED}"),
        "close" => Err(Close::new(4001, PLANNED).into()),
        _ => Err(std::io::Error::other(PLANNED).into()),
    }
}

/// A service that the log knows to be there.
struct Alive {
    stage: Stage,
    topic: u16,
}

impl Alive {
    fn with<T>(&self, change: impl FnOnce(&mut crate::log::Life, Moment) -> T) -> T {
        let mut log = self.stage.log();
        let moment = log.tick();
        let life = log.topics[usize::from(self.topic)].lives.last_mut();
        change(life.expect("it has begun"), moment)
    }

    fn publish(&self, updates: &Updates<Update>, len: u16) {
        let number = self.stage.log().publish(self.topic, SERVICE);
        updates.publish(&(SERVICE, number, filling(len)));
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.with(|life, moment| life.ended = Some(moment));
    }
}

async fn start(
    stage: Stage,
    topic: u16,
    updates: Updates<Update>,
) -> Result<impl Future<Output = Result<(), Fault>>, Refused> {
    let fate = stage.log().begin(topic);
    let alive = Alive { stage, topic };
    match fate {
        Fate::Run => {}
        Fate::Slow(millis) => {
            alive.publish(&updates, 0);
            updates.sleep(Duration::from_millis(millis.into())).await;
        }
        Fate::Refuse => {
            alive.with(|life, _| life.fault = Some(PLANNED));
            return Err(PLANNED.into());
        }
        Fate::Panic => {
            alive.with(|life, _| life.fault = Some(FAILED));
            panic!("{PLANNED}");
        }
        Fate::Never => {
            alive.with(|life, _| life.fault = Some(LATE));
            std::future::pending().await
        }
    }
    alive.with(|life, moment| life.started = Some(moment));
    Ok(run(alive, updates))
}

async fn run(alive: Alive, updates: Updates<Update>) -> Result<(), Fault> {
    loop {
        let order = poll_fn(|context| {
            let mut log = alive.stage.log();
            let topic = &mut log.topics[usize::from(alive.topic)];
            match topic.orders.pop_front() {
                Some(order) => Poll::Ready(order),
                None => {
                    topic.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        });
        match order.await {
            Order::Publish(len) => alive.publish(&updates, len),
            Order::Stumble => {
                let number = alive.stage.log().publish(alive.topic, FAULTS);
                updates.error(Fault::new("stumble", number.to_string()));
            }
            Order::End => {
                alive.with(|life, _| life.fault = Some(PLANNED));
                return Err(Fault::new("end", PLANNED));
            }
            Order::Panic => {
                alive.with(|life, _| life.fault = Some(FAILED));
                panic!("{PLANNED}");
            }
        }
    }
}

/// Bytes of no meaning.
pub fn filling(len: u16) -> String {
    "x".repeat(len.into())
}

/// What clients read of a service that has panicked.
const FAILED: &str = "the topic has failed";
/// What they read of one that does not start.
const LATE: &str = "the topic did not start in time";
