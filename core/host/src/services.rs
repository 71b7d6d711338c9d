//! Which services run on this shard, and who waits for one to start. Knows no socket and no payload.

use crate::front::panicked;
use crate::shared::Shared;
use fastws_core::desk::{Ask, Desk, Feed, Local, Reservation, Starter};
use fastws_core::engine::Engine;
use fastws_core::lives::Joined;
use fastws_core::respond::Refused;
use fastws_core::time::Duration;
use futures_lite::FutureExt;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

/// One shard's services.
pub(crate) struct Services {
    shared: Arc<Shared>,
    shard: usize,
    desk: Rc<Desk>,
    /// Topics with a service that somebody on this shard listens to or waits for.
    topics: HashMap<Arc<str>, Topic>,
    /// The futures that run on this shard.
    running: HashMap<(Arc<str>, u64), Rc<Stop>>,
    /// Updates of topics whose first subscription has not taken effect yet.
    held: HashMap<Arc<str>, VecDeque<Arc<[u8]>>>,
    pub(crate) tasks: Vec<Local<()>>,
    events: Rc<RefCell<Vec<Event>>>,
}

struct Topic {
    /// When this shard became interested: mail about what was before does not concern it.
    joined: u64,
    status: Status,
}

enum Status {
    Starting(Vec<Waiter>),
    Running,
}

struct Waiter {
    answer: Rc<Reservation>,
    start: Option<Starter>,
}

/// What a service's task says.
enum Event {
    Started(Arc<str>, u64),
    Failed(Arc<str>, u64, Refused),
    /// It was told to stop, and its future is gone.
    Stopped(Arc<str>, u64),
}

impl Services {
    pub(crate) fn new(shared: Arc<Shared>, shard: usize, desk: Rc<Desk>) -> Self {
        Self {
            shared,
            shard,
            desk,
            topics: HashMap::new(),
            running: HashMap::new(),
            held: HashMap::new(),
            tasks: Vec::new(),
            events: Rc::default(),
        }
    }

    /// A handler waits for a subscription.
    pub(crate) fn ask(&mut self, engine: &mut Engine<'static>, ask: Ask) {
        let Ask { call, topic, start, answer } = ask;
        if let Err(denied) = engine.reserve(call, &topic) {
            return answer.answer(Err(Refused::new(denied.to_string())));
        }
        let waiter = Waiter { answer, start: Some(start) };
        match self.topics.get_mut(&*topic).map(|topic| &mut topic.status) {
            Some(Status::Running) => waiter.answer.answer(Ok(())),
            Some(Status::Starting(waiters)) => waiters.push(waiter),
            None => {
                let topic: Arc<str> = Arc::from(&*topic);
                let (next, joined) = self.shared.join(&topic, self.shard);
                let status = Status::Starting(vec![waiter]);
                self.topics.insert(topic.clone(), Topic { joined, status });
                match next {
                    Joined::Start(generation) => self.start(&topic, generation),
                    Joined::Wait => {}
                    Joined::Running => self.started(&topic, joined),
                }
            }
        }
    }

    /// This shard's turn to start a topic's life, on the request of whoever waits first.
    pub(crate) fn start(&mut self, topic: &Arc<str>, generation: u64) {
        let waiting = match self.topics.get_mut(topic) {
            Some(Topic { joined, status: Status::Starting(waiters) }) if *joined <= generation => {
                waiters.iter_mut().find_map(|waiter| waiter.start.take())
            }
            _ => None,
        };
        let Some(start) = waiting else {
            // Who waited has left before it was this shard's turn: somebody else's, if anybody's.
            return self.shared.ended(topic, generation);
        };
        let stop = Rc::<Stop>::default();
        self.running.insert((topic.clone(), generation), stop.clone());
        let feed = Feed { desk: self.desk.clone(), topic: Rc::from(&**topic) };
        let (topic, events) = (topic.clone(), self.events.clone());
        self.tasks.push(Box::pin(async move {
            let life = live(feed, start, &topic, generation, &stop, &events);
            // A service may panic in its start, while it runs, and as it is dropped.
            let event = AssertUnwindSafe(life).catch_unwind().await.unwrap_or_else(|panic| {
                log::error!("the service of topic `{topic}` {}", panicked(&*panic));
                Event::Failed(topic, generation, Refused::new("the topic has failed"))
            });
            events.borrow_mut().push(event);
        }));
    }

    /// The service runs: who waited has its place.
    pub(crate) fn started(&mut self, topic: &Arc<str>, moment: u64) {
        let Some(topic) = self.topics.get_mut(topic).filter(|topic| topic.joined <= moment) else {
            return;
        };
        if let Status::Starting(waiters) = std::mem::replace(&mut topic.status, Status::Running) {
            for waiter in waiters {
                waiter.answer.answer(Ok(()));
            }
        }
    }

    /// The service has refused, or ended: nothing of this life is left on this shard.
    pub(crate) fn failed(
        &mut self,
        engine: &mut Engine<'static>,
        topic: &Arc<str>,
        moment: u64,
        refused: &Refused,
    ) {
        if self.topics.get(topic).is_none_or(|topic| topic.joined > moment) {
            return;
        }
        engine.end_topic(topic);
        if let Some(Topic { status: Status::Starting(waiters), .. }) = self.topics.remove(topic) {
            for waiter in waiters {
                waiter.answer.answer(Err(refused.clone()));
            }
        }
    }

    /// Nobody on this shard is interested in a topic any more.
    pub(crate) fn leave(&mut self, topic: &str) {
        self.held.remove(topic);
        if let Some((topic, Topic { status, .. })) = self.topics.remove_entry(topic) {
            if let Status::Starting(waiters) = status {
                for waiter in waiters {
                    waiter.answer.answer(Err(Refused::new("the connection has ended")));
                }
            }
            self.shared.leave(&topic, self.shard);
        }
    }

    /// Drops the future of this life.
    pub(crate) fn stop(&mut self, topic: &Arc<str>, generation: u64) {
        if let Some(stop) = self.running.get(&(topic.clone(), generation)) {
            stop.stop();
        }
    }

    /// Takes what the services' tasks have said. True if there was anything.
    pub(crate) fn handle_events(&mut self) -> bool {
        let events = self.events.take();
        let any = !events.is_empty();
        for event in events {
            match event {
                Event::Started(topic, generation) => self.shared.started(&topic, generation),
                Event::Failed(topic, generation, refused) => {
                    self.running.remove(&(topic.clone(), generation));
                    self.shared.failed(&topic, generation, &refused);
                    // It may have been told to stop before it failed.
                    self.shared.ended(&topic, generation);
                }
                Event::Stopped(topic, generation) => {
                    self.running.remove(&(topic.clone(), generation));
                    self.shared.ended(&topic, generation);
                }
            }
        }
        any
    }

    /// An update for this shard's listeners; it is held while the first of them waits for its reply.
    pub(crate) fn publish(
        &mut self,
        engine: &mut Engine<'static>,
        topic: Arc<str>,
        frame: Arc<[u8]>,
    ) {
        if let Some(held) = self.held.get_mut(&topic) {
            if held.len() == MAX_HELD {
                held.pop_front();
            }
            held.push_back(frame);
            return;
        }
        let audience = engine.publish_frame(&topic, &frame, None).expect("owned memory has room");
        if audience.listeners == 0 && audience.awaited {
            self.held.insert(topic, VecDeque::from([frame]));
        }
    }

    /// Lets go of what was held for topics whose first listener is there now.
    pub(crate) fn release(&mut self, engine: &mut Engine<'static>) {
        self.held.retain(|topic, frames| {
            while let Some(frame) = frames.front() {
                let audience =
                    engine.publish_frame(topic, frame, None).expect("owned memory has room");
                if audience.listeners == 0 && audience.awaited {
                    return true;
                }
                frames.pop_front();
            }
            false
        });
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.tasks.is_empty() && self.events.borrow().is_empty()
    }

    /// Nothing runs, nobody waits, nothing is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.topics.is_empty() && self.running.is_empty() && self.held.is_empty()
    }
}

/// One life of one topic, from its start to the end of its future, and how it ended.
async fn live(
    feed: Feed,
    start: Starter,
    topic: &Arc<str>,
    generation: u64,
    stop: &Stop,
    events: &RefCell<Vec<Event>>,
) -> Event {
    let late = feed.desk.sleep(START);
    let late = async {
        late.await;
        Some(Err(Refused::new("the topic did not start in time")))
    };
    let begun = async { Some(start(feed).await) };
    let run = match stopped(stop, begun.or(late)).await {
        None => return Event::Stopped(topic.clone(), generation),
        Some(Err(refused)) => return Event::Failed(topic.clone(), generation, refused),
        Some(Ok(run)) => run,
    };
    events.borrow_mut().push(Event::Started(topic.clone(), generation));
    let ended = async {
        run.await;
        Some(())
    };
    match stopped(stop, ended).await {
        None => Event::Stopped(topic.clone(), generation),
        Some(()) => Event::Failed(topic.clone(), generation, Refused::new("the topic has ended")),
    }
}

/// Drops `future` when it is told to stop.
async fn stopped<T>(stop: &Stop, future: impl Future<Output = Option<T>>) -> Option<T> {
    let told = poll_fn(|context| match stop.told.get() {
        true => Poll::Ready(None),
        false => {
            stop.waker.replace(Some(context.waker().clone()));
            Poll::Pending
        }
    });
    told.or(future).await
}

#[derive(Default)]
struct Stop {
    told: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Stop {
    fn stop(&self) {
        self.told.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// Time for a service to start.
const START: Duration = Duration::from_secs(10);
/// Updates that are held for a topic that starts; the oldest give way.
const MAX_HELD: usize = 1024;
