//! One market for all shards. Knows how far the walk must go by now; never starts a task or reads a clock.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use async_channel::{Receiver, Sender};

use crate::{
    market::Market,
    prices::{Bar, OrderBook, Quote, Resolution},
};

/// A handle on a market that many threads read; a clone is another handle on the same market.
///
/// Whoever reads brings the time, and the walk catches up with it: no task runs in the background. Catching up costs
/// a step per 100 ms since the last reader of any symbol, and at most [`MAX_STEPS`]; the rest of a longer gap is
/// skipped. All methods lock for that long and never wait for I/O.
///
/// ```
/// use fastws_trading::feed::Feed;
///
/// let feed = Feed::walk(7);
/// let reader = feed.clone();
/// let quote = feed.quote("AAPL", 1_700_000_000_000);
/// assert_eq!(reader.quote("AAPL", 1_700_000_000_099), quote);
/// assert_ne!(reader.quote("AAPL", 1_700_000_000_100), quote);
/// assert_eq!(reader.quote("NOPE", 1_700_000_000_100), None);
/// ```
#[derive(Clone, Debug)]
pub struct Feed(Arc<Shared>);

impl Feed {
    /// The eight symbols of [`Market::new`], walking from now on.
    pub fn walk(seed: u64) -> Self {
        Self::of(Market::new(seed))
    }

    /// The symbols of `rows`, none of which trades before [`apply`](Self::apply) plays its first row.
    pub fn replay(rows: &[Bar]) -> Self {
        Self::of(Market::of_rows(rows))
    }

    /// Whether the symbol exists.
    pub fn knows(&self, symbol: &str) -> bool {
        self.lock().market.knows(symbol)
    }

    /// Every symbol, in alphabetical order.
    pub fn symbols(&self) -> Vec<String> {
        self.lock().market.symbols().map(Into::into).collect()
    }

    /// The quote as of `now`, in Unix milliseconds; `None` for a symbol that does not exist or has not traded yet.
    pub fn quote(&self, symbol: &str, now: u64) -> Option<Quote> {
        self.at(now).market.quote(symbol).cloned()
    }

    /// The bar being formed as of `now`, in Unix milliseconds; `None` as for [`quote`](Self::quote).
    pub fn bar(&self, symbol: &str, resolution: Resolution, now: u64) -> Option<Bar> {
        self.at(now).market.bar(symbol, resolution).cloned()
    }

    /// The book as of `now`, in Unix milliseconds; `depth` and `None` as for [`Market::orderbook`].
    pub fn orderbook(&self, symbol: &str, depth: usize, now: u64) -> Option<OrderBook> {
        self.at(now).market.orderbook(symbol, depth)
    }

    /// Plays one row of a file, as [`Market::apply`] does, and tells those who follow its symbol.
    pub fn apply(&self, row: &Bar) {
        let Pace { market, followers, .. } = &mut *self.lock();
        market.apply(row);
        followers.retain(|follower| follower.symbol != row.symbol || follower.tell(market));
    }

    /// A symbol's bars as a replay forms them: the present one, if there is one, then one for each row that
    /// [`apply`](Self::apply) plays, in order. `None` in a walk, where nobody plays rows.
    pub fn follow(&self, symbol: &str, resolution: Resolution) -> Option<Receiver<Bar>> {
        let mut pace = self.lock();
        if pace.market.walks() {
            return None;
        }
        let (bars, receiver) = async_channel::unbounded();
        let follower = Follower { symbol: symbol.into(), resolution, bars };
        follower.tell(&pace.market);
        pace.followers.push(follower);
        self.0.followed.notify_all();
        Some(receiver)
    }

    /// Blocks until somebody has begun to [`follow`](Self::follow).
    pub fn wait_for_follower(&self) {
        let alone = |pace: &mut Pace| pace.followers.is_empty();
        drop(self.0.followed.wait_while(self.lock(), alone).expect(UNPOISONED));
    }

    fn of(market: Market) -> Self {
        let pace = Pace { market, ticked: None, followers: Vec::new() };
        Self(Arc::new(Shared { pace: Mutex::new(pace), followed: Condvar::new() }))
    }

    fn at(&self, now: u64) -> MutexGuard<'_, Pace> {
        let mut pace = self.lock();
        pace.catch_up(now);
        pace
    }

    fn lock(&self) -> MutexGuard<'_, Pace> {
        self.0.pace.lock().expect(UNPOISONED)
    }
}

/// How many steps of the walk one reader makes up for: a minute.
pub const MAX_STEPS: u64 = 600;

#[derive(Debug)]
struct Shared {
    pace: Mutex<Pace>,
    followed: Condvar,
}

#[derive(Debug)]
struct Pace {
    market: Market,
    // When the newest step was due: a multiple of `STEP`.
    ticked: Option<u64>,
    followers: Vec<Follower>,
}

#[derive(Debug)]
struct Follower {
    symbol: String,
    resolution: Resolution,
    bars: Sender<Bar>,
}

impl Follower {
    // False: it has gone.
    fn tell(&self, market: &Market) -> bool {
        let bar = market.bar(&self.symbol, self.resolution);
        bar.is_none_or(|bar| self.bars.try_send(bar.clone()).is_ok())
    }
}

impl Pace {
    fn catch_up(&mut self, now: u64) {
        let due = now - now % STEP;
        let steps = match self.ticked {
            None => 1,
            // A reader a little late sees the market of the others; a clock set back by more starts over.
            Some(ticked) if due <= ticked => u64::from(ticked - due > MAX_STEPS * STEP),
            Some(ticked) => ((due - ticked) / STEP).min(MAX_STEPS),
        };
        for left in (0..steps).rev() {
            self.market.tick(due - left * STEP);
            self.ticked = Some(due);
        }
    }
}

// Milliseconds from one quote to the next.
const STEP: u64 = 100;

const UNPOISONED: &str = "nothing panics while it holds the market";

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_700_000_000_000;

    // trading: S17
    #[test]
    fn a_seed_gives_one_walk_and_another_seed_another() {
        let walk = |seed: u64| {
            let feed = Feed::walk(seed);
            let quote = |step: u64| feed.quote("AAPL", NOON + step * STEP);
            (0..50).map(quote).collect::<Vec<_>>()
        };
        assert_eq!(walk(1), walk(1));
        assert_ne!(walk(1), walk(2));
    }

    // trading: R1
    #[test]
    fn reading_often_and_reading_once_see_the_same_walk() {
        let (often, once) = (Feed::walk(5), Feed::walk(5));
        once.quote("AAPL", NOON);
        for now in (NOON..=NOON + 55_000).step_by(37) {
            often.quote("MSFT", now);
        }
        for symbol in once.symbols() {
            let now = NOON + 55_000;
            assert_eq!(often.quote(&symbol, now), once.quote(&symbol, now));
            for resolution in Resolution::ALL {
                assert_eq!(often.bar(&symbol, resolution, now), once.bar(&symbol, resolution, now));
            }
        }
    }

    #[test]
    fn after_a_long_gap_the_walk_makes_up_for_a_minute() {
        let feed = Feed::walk(5);
        feed.quote("AAPL", NOON);
        let late = NOON + 86_400_000;
        let quote = feed.quote("AAPL", late).expect("AAPL is listed");
        let mut stepped = Market::new(5);
        (0..=MAX_STEPS).for_each(|_| stepped.tick(late));
        assert_eq!(Some(&quote), stepped.quote("AAPL"));
    }

    #[test]
    fn a_late_reader_moves_nothing_and_a_clock_set_back_starts_over() {
        let feed = Feed::walk(5);
        let quote = feed.quote("AAPL", NOON);
        assert_eq!(feed.quote("AAPL", NOON - 60_000), quote);
        let earlier = feed.quote("AAPL", NOON - 3_600_000).expect("AAPL is listed");
        assert_eq!(earlier.time, NOON - 3_600_000);
        let next = feed.quote("AAPL", NOON - 3_599_900).expect("AAPL is listed");
        assert_eq!(next.time, NOON - 3_599_900);
    }

    #[test]
    fn time_begins_at_zero() {
        let feed = Feed::walk(5);
        assert_eq!(feed.quote("AAPL", 99).map(|quote| quote.time), Some(0));
        assert_eq!(feed.quote("AAPL", 250).map(|quote| quote.time), Some(200));
    }

    // trading: R3
    #[test]
    fn a_follower_gets_the_present_bar_and_then_every_row_once_and_in_order() {
        let rows = [1, 2, 3].map(row);
        let feed = Feed::replay(&rows);
        let early = feed.follow("XYZ", Resolution::Minute).expect("a replay can be followed");
        let other = feed.follow("ABC", Resolution::Minute).expect("a replay can be followed");
        feed.apply(&rows[0]);
        feed.apply(&rows[1]);
        let late = feed.follow("XYZ", Resolution::Minute).expect("a replay can be followed");
        feed.apply(&rows[2]);
        let got = |bars: Receiver<Bar>| std::iter::from_fn(move || bars.try_recv().ok());
        assert!(got(early).eq(rows.clone()));
        assert!(got(late).eq(rows[1..].to_vec()));
        assert!(other.is_empty());
    }

    #[test]
    fn a_walk_cannot_be_followed() {
        assert!(Feed::walk(5).follow("AAPL", Resolution::Minute).is_none());
    }

    #[test]
    fn rows_played_on_one_thread_are_read_on_the_others() {
        let row = row(1);
        let feed = Feed::replay(std::slice::from_ref(&row));
        assert!(feed.knows("XYZ") && !feed.knows("AAPL"));
        assert_eq!(feed.bar("XYZ", Resolution::Minute, NOON), None);
        feed.apply(&row);
        let read = || feed.bar("XYZ", Resolution::Minute, NOON);
        let bars = std::thread::scope(|scope| {
            let readers = [scope.spawn(read), scope.spawn(read)];
            readers.map(|reader| reader.join().expect("a reader does not panic"))
        });
        assert_eq!(bars, [Some(row.clone()), Some(row)]);
        assert_eq!(feed.orderbook("XYZ", 3, NOON).map(|book| book.bids[0][0]), Some(5.5));
    }

    fn row(minute: u64) -> Bar {
        Bar {
            symbol: "XYZ".into(),
            time: minute * 60_000,
            open: 5.0,
            high: 6.0,
            low: 4.5,
            close: 5.5,
            volume: 10.0,
        }
    }
}
