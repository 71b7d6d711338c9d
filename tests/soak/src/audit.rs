//! Everything is checked: all that is under way has arrived, everybody has read. Knows the engine's facts.

use crate::client::{Client, Phase, Present};
use crate::rules::{self, name, route};
use crate::world::{Sums, World, waits_for};
use fastws_core::desk::{Metrics, Shards};
use std::collections::BTreeSet;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

impl World {
    pub(crate) fn audit(&mut self) {
        for who in 0..self.rules.clients {
            if self.is_there(who) {
                self.hurry(who);
                self.widen(who);
            }
        }
        self.rest();
        for place in &mut self.places {
            if let Some(client) = &mut place.client {
                // A socket that was narrow and never full has moved nobody.
                client.behind &= self.simulation.peer(&place.name).blocked;
            }
        }
        self.check_clients();
        self.check_services();
        self.check_sums();
        self.check_reach();
    }

    fn check_clients(&self) {
        let log = self.stage.log();
        let now = self.simulation.now();
        let present = Present { rules: &self.rules, log: &log, now, is_draining: false };
        let mut hooked = 0;
        for place in &self.places {
            let Some(client) = place.client.as_ref().filter(|client| client.phase == Phase::Open)
            else {
                continue;
            };
            assert!(!client.behind, "it has read everything by now: {client:?}");
            if client.asked.is_empty() {
                client.check_deadlines(&present);
            }
            if client.hung_up {
                continue;
            }
            for (topic, hearing) in client.hearings(&present) {
                hearing.check_exactly(topic);
            }
            for &topic in client.listens.keys() {
                let guest = (client.guest, topic);
                assert!(log.hooked.contains(&guest), "no hook was told of {guest:?}");
                let listens = self.simulation.listens(&place.name, &name(topic));
                assert!(listens, "{} does not listen to {}", place.name, name(topic));
            }
            hooked += client.listens.len();
        }
        assert_eq!(log.hooked.len(), hooked, "hooks were told of nobody else");
    }

    fn check_services(&self) {
        let log = self.stage.log();
        let waiting: BTreeSet<u16> = self.waiting().collect();
        for topic in (0..self.rules.topics).filter(|&topic| route(topic).serves) {
            let own = &log.topics[usize::from(topic)];
            let listens = self.listeners(topic) > 0;
            let is_alive = own.is_alive();
            assert!(is_alive || !listens, "{} has listeners and no service", name(topic));
            let may = listens || waiting.contains(&topic) || !route(topic).linger.is_zero();
            assert!(may || !is_alive, "{} has a service and no listener", name(topic));
        }
    }

    fn check_sums(&mut self) {
        let metrics = self.simulation.shared().metrics();
        let Metrics { connections, subscriptions, topics, messages_sent, .. } = metrics;
        let open = |client: &&Client| client.phase == Phase::Open;
        assert_eq!(connections, self.clients().filter(open).count(), "connections");
        assert!(connections <= self.rules.config.connections as usize, "too many connections");
        let listens: usize = self.clients().map(|client| client.listens.len()).sum();
        assert_eq!(subscriptions, listens, "subscriptions");
        let mut heard: BTreeSet<u16> =
            (0..self.rules.topics).filter(|&topic| self.listeners(topic) > 0).collect();
        assert!(topics >= heard.len(), "{topics} topics, and {} have listeners", heard.len());
        heard.extend(self.waiting());
        assert!(topics <= heard.len(), "{topics} topics, and {} are wanted", heard.len());
        let Sums { messages, gaps, told, slow, opened, unopened, unsure } = self.heard;
        let ends = metrics.closes.total() + connections as u64;
        assert!((opened..=opened + unopened).contains(&ends), "{ends} ends of {opened}");
        assert_eq!(metrics.updates_lost, 0, "no inbox was full");
        let closed: u64 = self.simulation.shards().map(|shard| shard.engine().counts().slow).sum();
        let sent = messages - gaps + metrics.updates_dropped;
        if unsure == 0 {
            assert_eq!(metrics.updates_dropped, told, "updates that were dropped");
            assert_eq!(closed, slow, "slow consumers");
            assert_eq!(messages_sent, sent, "messages");
        }
        assert!(metrics.updates_dropped >= told && closed >= slow && messages_sent >= sent);
    }

    /// Who is told of an update is who listens.
    fn check_reach(&mut self) {
        let topic = (self.simulation.now().micros() % u64::from(self.rules.topics)) as u16;
        let number = self.stage.log().publish(topic, crate::log::WORLD);
        let update = (crate::log::WORLD, number, String::new());
        let publisher = self.simulation.shared().publisher();
        let kind = format!("{}.update", route(topic).name);
        let reach = publisher.reach(rules::name(topic), &kind, &update).expect("inboxes are empty");
        let listeners = self.listeners(topic);
        self.rest();
        let reached = pin!(reach).poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(reached, Poll::Ready(listeners), "listeners of {}", name(topic));
    }

    fn clients(&self) -> impl Iterator<Item = &Client> {
        self.places.iter().filter_map(|place| place.client.as_ref())
    }

    fn listeners(&self, topic: u16) -> usize {
        self.shards.iter().map(|side| side.audience[usize::from(topic)].len()).sum()
    }

    /// Topics that some handler may wait for.
    fn waiting(&self) -> impl Iterator<Item = u16> {
        self.clients()
            .filter_map(|client| client.asked.front())
            .flat_map(|asked| waits_for(asked.ask))
    }
}
