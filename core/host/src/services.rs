//! Which services run on this shard, and who waits for one to start. Knows no socket and no payload.

use crate::front::panicked;
use crate::inbox::End;
use crate::metrics::ServiceEvent;
use crate::shared::Shared;
use fastws_core::config::SlowConsumer;
use fastws_core::desk::{Ask, Desk, Feed, Local, Reservation, Sleep, Starter};
use fastws_core::engine::Engine;
use fastws_core::lives::Joined;
use fastws_core::respond::{Fault, Refused};
use fastws_core::retained::Kept;
use futures_lite::FutureExt;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::rc::{Rc, Weak};
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
    held: HashMap<Arc<str>, VecDeque<News>>,
    pub(crate) tasks: Vec<Local<()>>,
    events: Rc<RefCell<Vec<Event>>>,
    /// Lives that nobody is interested in, and since when.
    lingering: Vec<(Arc<str>, u64, u64)>,
}

/// One update.
pub(crate) struct News {
    pub(crate) frame: Arc<[u8]>,
    pub(crate) life: Option<u64>,
    /// The moment at which it has become the topic's last, if it has.
    pub(crate) kept: Option<u64>,
    pub(crate) policy: Option<SlowConsumer>,
}

struct Topic {
    /// Mail about a life before this one does not concern the shard.
    since: u64,
    status: Status,
}

enum Status {
    Starting(Vec<Waiter>),
    /// With places that were granted and may not be taken yet.
    Running(Vec<Weak<Reservation>>),
}

struct Waiter {
    answer: Rc<Reservation>,
    start: Option<Starter>,
}

/// What a service's task says.
enum Event {
    Started(Arc<str>, u64),
    Refused(Arc<str>, u64, Refused),
    Ended(Arc<str>, u64, Fault),
    /// Nobody has come back since this moment.
    Lapsed(Arc<str>, u64, u64),
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
            lingering: Vec::new(),
        }
    }

    /// A handler waits for a subscription.
    pub(crate) fn ask(&mut self, engine: &mut Engine<'static>, ask: Ask) {
        let Ask { call, topic, leaving, start, answer } = ask;
        if Rc::strong_count(&answer) == 1 {
            // Nobody waits for it any more.
            return;
        }
        if let Err(denied) = engine.reserve(call, &topic, leaving) {
            return answer.answer(Err(Refused::new(denied.to_string())));
        }
        let waiter = Waiter { answer, start: Some(start) };
        match self.topics.get_mut(&*topic).map(|topic| &mut topic.status) {
            Some(Status::Running(granted)) => grant(granted, &waiter.answer),
            Some(Status::Starting(waiters)) => waiters.push(waiter),
            None => {
                let topic: Arc<str> = Arc::from(&*topic);
                let joined = self.shared.join(&topic, self.shard);
                self.desk.retained.forget_lives_before(&topic, joined.since());
                let status = Status::Starting(vec![waiter]);
                self.topics.insert(topic.clone(), Topic { since: joined.since(), status });
                match joined {
                    Joined::Start(generation) => self.start(&topic, generation),
                    Joined::Wait(_) => {}
                    Joined::Running(generation) => self.started(&topic, generation),
                }
            }
        }
    }

    /// This shard's turn to start a topic's life, on the request of whoever waits first.
    pub(crate) fn start(&mut self, topic: &Arc<str>, generation: u64) {
        let waiting = match self.topics.get_mut(topic) {
            Some(Topic { since, status: Status::Starting(waiters) }) if *since <= generation => {
                waiters.iter_mut().find_map(|waiter| waiter.start.take())
            }
            _ => None,
        };
        let Some(start) = waiting else {
            // Who waited has left before it was this shard's turn: somebody else's, if anybody's.
            return self.shared.ended(topic, generation);
        };
        self.shared.count_service(topic, ServiceEvent::Start);
        let stop = Rc::<Stop>::default();
        self.running.insert((topic.clone(), generation), stop.clone());
        let feed = Feed { desk: self.desk.clone(), topic: Rc::from(&**topic), life: generation };
        let (topic, events) = (topic.clone(), self.events.clone());
        let late = self.desk.sleep(self.shared.settings.config.start);
        self.tasks.push(Box::pin(async move {
            let life = live(feed, start, late, &topic, generation, &stop, &events);
            // A service may panic in its start, while it runs, and as it is dropped.
            let event = AssertUnwindSafe(life).catch_unwind().await.unwrap_or_else(|panic| {
                log::error!("the service of topic `{topic}` {}", panicked(&*panic));
                Event::Ended(topic, generation, Fault::failed())
            });
            events.borrow_mut().push(event);
        }));
    }

    /// The service runs: who waited has its place.
    pub(crate) fn started(&mut self, topic: &Arc<str>, generation: u64) {
        if let Some(Topic { since, status }) = self.topics.get_mut(topic)
            && *since <= generation
            && let Status::Starting(waiters) = status
        {
            let mut granted = Vec::new();
            for waiter in waiters.drain(..) {
                grant(&mut granted, &waiter.answer);
            }
            *status = Status::Running(granted);
        }
    }

    /// The service has refused, or ended: nothing of this life is left on this shard.
    pub(crate) fn failed(
        &mut self,
        engine: &mut Engine<'static>,
        topic: &Arc<str>,
        generation: u64,
        end: End,
    ) {
        if !self.concerns(topic, Some(generation)) {
            return;
        }
        match self.topics.remove(topic).map(|topic| topic.status) {
            Some(Status::Starting(waiters)) => {
                for waiter in waiters {
                    waiter.answer.answer(Err(end.refused.clone()));
                }
            }
            Some(Status::Running(granted)) => {
                engine
                    .publish_frame(topic, &end.frame, Some(SlowConsumer::Close))
                    .expect("owned memory has room");
                let held = self.held.remove(topic).unwrap_or_default();
                let held = held.into_iter().map(|news| news.frame);
                let last_words: Rc<[_]> = held.chain([end.frame]).collect();
                for granted in granted.iter().filter_map(Weak::upgrade) {
                    granted.leave(last_words.clone());
                }
            }
            None => {}
        }
        engine.end_topic(topic);
    }

    /// Whether mail of this life, if it is of any, is for who listens to the topic now.
    fn concerns(&self, topic: &str, life: Option<u64>) -> bool {
        life.is_none_or(|life| self.topics.get(topic).is_some_and(|topic| topic.since <= life))
    }

    /// Nobody on this shard is interested in a topic any more.
    pub(crate) fn leave(&mut self, topic: &str) {
        for news in self.held.remove(topic).into_iter().flatten() {
            keep(&self.desk, topic, news);
        }
        if let Some((topic, Topic { status, .. })) = self.topics.remove_entry(topic) {
            if let Status::Starting(waiters) = status {
                for waiter in waiters {
                    waiter.answer.answer(Err(Refused::new("the connection has ended")));
                }
            }
            self.shared.leave(&topic, self.shard);
        }
    }

    /// Waits for somebody to come back to this life, which nobody is interested in since that moment.
    pub(crate) fn linger(&mut self, topic: &Arc<str>, generation: u64, moment: u64) {
        if self.shared.is_draining() {
            return self.lapse(topic, generation, moment);
        }
        self.lingering.push((topic.clone(), generation, moment));
        let sleep = self.desk.sleep(self.shared.catalog.declared().linger(topic));
        let (topic, events) = (topic.clone(), self.events.clone());
        self.tasks.push(Box::pin(async move {
            sleep.await;
            events.borrow_mut().push(Event::Lapsed(topic, generation, moment));
        }));
    }

    /// The server ends: nobody is waited for.
    pub(crate) fn shutdown(&mut self) {
        for (topic, generation, moment) in std::mem::take(&mut self.lingering) {
            self.lapse(&topic, generation, moment);
        }
    }

    fn lapse(&mut self, topic: &Arc<str>, generation: u64, moment: u64) {
        if self.shared.lapse(topic, generation, moment) {
            self.stop(topic, generation);
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
                Event::Refused(topic, generation, refused) => {
                    self.fail(topic, generation, End { refused, frame: Arc::default() });
                }
                Event::Ended(topic, generation, fault) => {
                    let frame = self.shared.catalog.declared().fault(&topic, fault.clone());
                    let frame = frame.unwrap_or_default().into();
                    self.fail(topic, generation, End { refused: fault.into(), frame });
                }
                Event::Lapsed(topic, generation, moment) => {
                    self.lingering.retain(|(_, _, known)| *known != moment);
                    self.lapse(&topic, generation, moment);
                }
                Event::Stopped(topic, generation) => {
                    self.running.remove(&(topic.clone(), generation));
                    self.shared.count_service(&topic, ServiceEvent::Stop);
                    self.shared.ended(&topic, generation);
                }
            }
        }
        any
    }

    fn fail(&mut self, topic: Arc<str>, generation: u64, end: End) {
        self.shared.count_service(&topic, ServiceEvent::Failure);
        self.running.remove(&(topic.clone(), generation));
        self.shared.failed(&topic, generation, &end);
        // It may have been told to stop before it failed.
        self.shared.ended(&topic, generation);
    }

    /// An update for this shard's listeners; it is held while the first of them waits for its reply.
    /// Tells how many it was queued for.
    pub(crate) fn publish(
        &mut self,
        engine: &mut Engine<'static>,
        topic: Arc<str>,
        news: News,
    ) -> usize {
        if !self.concerns(&topic, news.life) {
            if !self.topics.contains_key(&topic) {
                keep(&self.desk, &topic, news);
            }
            return 0;
        }
        if let Some(held) = self.held.get_mut(&topic) {
            if held.len() == MAX_HELD {
                held.pop_front();
            }
            held.push_back(news);
            return 0;
        }
        let audience =
            engine.publish_frame(&topic, &news.frame, news.policy).expect("owned memory has room");
        match audience.listeners == 0 && audience.awaited {
            true => drop(self.held.insert(topic, VecDeque::from([news]))),
            false => keep(&self.desk, &topic, news),
        }
        audience.listeners
    }

    /// Lets go of what was held for topics whose first listener is there now.
    pub(crate) fn release(&mut self, engine: &mut Engine<'static>) {
        self.held.retain(|topic, held| {
            while let Some(news) = held.pop_front() {
                let audience = engine.publish_frame(topic, &news.frame, news.policy);
                let audience = audience.expect("owned memory has room");
                if audience.listeners == 0 && audience.awaited {
                    held.push_front(news);
                    return true;
                }
                keep(&self.desk, topic, news);
            }
            false
        });
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.tasks.is_empty() && self.events.borrow().is_empty()
    }

    /// Nothing runs, nobody waits, nothing is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.topics.is_empty()
            && self.running.is_empty()
            && self.held.is_empty()
            && self.desk.retained.is_empty()
    }
}

/// Who comes from now on gets it.
fn keep(desk: &Desk, topic: &str, News { frame, life, kept, .. }: News) {
    if let Some(moment) = kept {
        desk.retained.keep(topic, Kept { moment, life, frame });
    }
}

/// One life of one topic, from its start to the end of its future, and how it ended.
async fn live(
    feed: Feed,
    start: Starter,
    late: Sleep,
    topic: &Arc<str>,
    generation: u64,
    stop: &Stop,
    events: &RefCell<Vec<Event>>,
) -> Event {
    let late = async {
        late.await;
        Some(Err(Refused::new("the topic did not start in time")))
    };
    let begun = async { Some(start(feed).await) };
    let run = match stopped(stop, begun.or(late)).await {
        None => return Event::Stopped(topic.clone(), generation),
        Some(Err(refused)) => return Event::Refused(topic.clone(), generation, refused),
        Some(Ok(run)) => run,
    };
    events.borrow_mut().push(Event::Started(topic.clone(), generation));
    match stopped(stop, async { Some(run.await) }).await {
        None => Event::Stopped(topic.clone(), generation),
        Some(fault) => Event::Ended(topic.clone(), generation, fault),
    }
}

/// Grants a place. It is known as long as its handler runs.
fn grant(granted: &mut Vec<Weak<Reservation>>, place: &Rc<Reservation>) {
    granted.retain(|granted| granted.strong_count() > 0);
    granted.push(Rc::downgrade(place));
    place.answer(Ok(()));
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

/// Updates that are held for a topic that starts; the oldest give way.
const MAX_HELD: usize = 1024;
