//! Which updates of a topic are sent, and when. Knows their order and the time; not where they go.

use crate::time::{Duration, Instant};
use alloc::sync::Arc;

/// What a route says about the pace of its updates.
pub(crate) struct Rule<Update> {
    /// From one update that is sent to the next.
    pub(crate) interval: Duration,
    /// Whether an update is worth sending after the last that was sent.
    pub(crate) worth: Worth<Update>,
    pub(crate) keep: fn(&Update) -> Update,
}

pub(crate) type Worth<Update> = Arc<dyn Fn(&Update, &Update) -> bool + Send + Sync>;

impl<Update: Clone> Default for Rule<Update> {
    fn default() -> Self {
        Self { interval: Duration::ZERO, worth: Arc::new(|_, _| true), keep: Update::clone }
    }
}

impl<Update> Clone for Rule<Update> {
    fn clone(&self) -> Self {
        Self { interval: self.interval, worth: self.worth.clone(), keep: self.keep }
    }
}

/// One life's updates.
pub(crate) struct Pace<Update> {
    rule: Rule<Update>,
    sent: Option<(Instant, Update)>,
    /// The newest, while it is too early for it.
    kept: Option<Update>,
}

impl<Update> Pace<Update> {
    pub(crate) fn new(rule: Rule<Update>) -> Self {
        Self { rule, sent: None, kept: None }
    }

    /// Takes what is published, instead of what was kept. True: it is sent now.
    pub(crate) fn offer(&mut self, now: Instant, update: &Update) -> bool {
        self.kept = None;
        let Rule { interval, worth, keep } = &self.rule;
        if let Some((at, last)) = &self.sent {
            if !worth(last, update) {
                return false;
            }
            if now < *at + *interval {
                self.kept = Some(keep(update));
                return false;
            }
        }
        self.sent = Some((now, keep(update)));
        true
    }

    /// When it is time for what is kept.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let (at, _) = self.sent.as_ref().filter(|_| self.kept.is_some())?;
        Some(*at + self.rule.interval)
    }

    /// What was kept, to be sent now.
    pub(crate) fn take(&mut self, now: Instant) -> Option<&Update> {
        let sent = self.sent.insert((now, self.kept.take()?));
        Some(&sent.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// What is sent when, millisecond by millisecond.
    fn naive(interval: u64, step: i32, published: &[(u64, i32)], end: u64) -> Vec<(u64, i32)> {
        let mut sent: Vec<(u64, i32)> = Vec::new();
        let mut newest = None;
        for now in 0..=end {
            let news = published.iter().filter(|(at, _)| *at == now).map(|&(_, news)| Some(news));
            for news in core::iter::once(None).chain(news) {
                newest = news.or(newest);
                if let Some(update) = newest
                    && sent.last().is_none_or(|(at, last)| {
                        now >= at + interval && (update - last).abs() >= step
                    })
                {
                    sent.push((now, update));
                    newest = None;
                }
            }
        }
        sent
    }

    fn paced(interval: u64, step: i32, published: &[(u64, i32)], end: u64) -> Vec<(u64, i32)> {
        let mut pace = Pace::new(Rule {
            interval: Duration::from_millis(interval),
            worth: Arc::new(move |last: &i32, new: &i32| (new - last).abs() >= step),
            ..Rule::default()
        });
        let mut sent = Vec::new();
        let mut published = published.iter().peekable();
        loop {
            let due = pace.poll_timeout().map(|at| at.micros() / 1_000).filter(|at| *at <= end);
            let next = published.peek().map(|(at, _)| *at);
            if let Some(due) = due
                && next.is_none_or(|next| due <= next)
            {
                let update = pace.take(Instant::from_millis(due)).expect("it is due");
                sent.push((due, *update));
            } else if let Some(&(at, update)) = published.next() {
                if pace.offer(Instant::from_millis(at), &update) {
                    sent.push((at, update));
                }
            } else {
                return sent;
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_published_when_is_sent_as_the_naive_model_sends_it(
            interval in 0..20u64,
            step in 0..6i32,
            published in prop::collection::vec((0..6u64, -5..5i32), 0..40),
        ) {
            let mut now = 0;
            let published: Vec<(u64, i32)> = published
                .into_iter()
                .map(|(gap, update)| {
                    now += gap;
                    (now, update)
                })
                .collect();
            let end = now + 20;
            prop_assert_eq!(
                paced(interval, step, &published, end),
                naive(interval, step, &published, end)
            );
        }
    }
}
