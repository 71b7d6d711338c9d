//! The market: what every symbol costs, its bars and its order book. Knows the times it is told; never sees a clock, a file or a client.

use fastrand::Rng;

use crate::prices::{Bar, OrderBook, Quote, Resolution};

/// The most levels that each side of an order book has.
pub const MAX_DEPTH: usize = 50;

/// All symbols, either walking at random from a seed or following the rows of a file.
///
/// ```
/// use fastws_trading::{market::Market, prices::Resolution};
///
/// let mut market = Market::new(7);
/// market.tick(1_700_000_000_000);
/// let quote = market.quote("AAPL").expect("AAPL is listed and has traded");
/// let bar = market.bar("AAPL", Resolution::Minute).expect("so it has a bar");
/// assert!(quote.bid < quote.ask);
/// assert!(bar.low <= quote.last && quote.last <= bar.high);
/// assert!(market.quote("NOPE").is_none());
/// ```
#[derive(Clone, Debug)]
pub struct Market {
    // Sorted by symbol; a walk's row of `WALKS` has the same index.
    listings: Vec<Listing>,
    walk: Option<Walk>,
}

impl Market {
    /// A market of eight symbols that walks at random: the same seed gives the same prices, tick by tick, on every machine.
    pub fn new(seed: u64) -> Self {
        let listings = WALKS
            .iter()
            .map(|start| Listing {
                symbol: start.symbol.into(),
                decimals: start.decimals,
                spread: start.spread,
                size: start.size,
                size_decimals: if start.size < 1.0 { 3 } else { 0 },
                quote: None,
                bars: Vec::new(),
            })
            .collect();
        let middles = WALKS.iter().map(|start| start.price).collect();
        Self { listings, walk: Some(Walk { rng: Rng::with_seed(seed), middles }) }
    }

    /// A market of the symbols of `rows`, whose prices move by [`apply`](Self::apply) alone. O(rows).
    pub fn of_rows(rows: &[Bar]) -> Self {
        let mut market = Self { listings: Vec::new(), walk: None };
        for row in rows {
            let at = match market.find(&row.symbol) {
                Ok(at) => at,
                Err(at) => {
                    market.listings.insert(at, Listing::silent(&row.symbol));
                    at
                }
            };
            market.listings[at].measure(row);
        }
        market
    }

    /// Every symbol of this market, in alphabetical order, whether it has traded or not.
    pub fn symbols(&self) -> impl Iterator<Item = &str> {
        self.listings.iter().map(|listing| listing.symbol.as_str())
    }

    /// Whether the symbol exists.
    pub fn knows(&self, symbol: &str) -> bool {
        self.find(symbol).is_ok()
    }

    /// Whether prices walk at random; else rows move them.
    pub fn walks(&self) -> bool {
        self.walk.is_some()
    }

    /// Moves every symbol by one step of its walk; nothing where there is no walk.
    ///
    /// A step stands for about 100 ms, whatever `unix_ms` says: the time only dates it and chooses its bars.
    pub fn tick(&mut self, unix_ms: u64) {
        let Some(walk) = &mut self.walk else { return };
        for (at, listing) in self.listings.iter_mut().enumerate() {
            let (bid, ask, last, volume) = walk.step(at);
            listing
                .trade(Trade { open: last, high: last, low: last, close: last, volume }, unix_ms);
            listing.quote(bid, ask, last, unix_ms);
        }
    }

    /// Plays one row: its close is the last price, and the bars take it in. A symbol that is not listed changes nothing.
    pub fn apply(&mut self, row: &Bar) {
        let Ok(at) = self.find(&row.symbol) else { return };
        let &Bar { time, open, high, low, close, volume, .. } = row;
        let listing = &mut self.listings[at];
        listing.size = volume / 10.0;
        listing.trade(Trade { open, high, low, close, volume }, time);
        let decimals = listing.decimals_at(close);
        let ask = round(close + unit(decimals), decimals);
        listing.quote(close, ask, close, time);
    }

    /// The newest quote; `None` for a symbol that does not exist or has not traded yet.
    pub fn quote(&self, symbol: &str) -> Option<&Quote> {
        self.listing(symbol)?.quote.as_ref()
    }

    /// The bar being formed; `None` for a symbol that does not exist or has not traded yet.
    pub fn bar(&self, symbol: &str, resolution: Resolution) -> Option<&Bar> {
        self.listing(symbol)?.bars.get(resolution as usize)
    }

    /// The book around the newest quote, at most [`MAX_DEPTH`] levels a side; `None` as for [`quote`](Self::quote).
    ///
    /// The same until the next trade; a lesser depth is the beginning of a greater one. A side ends early where its
    /// prices would reach zero. O(depth).
    pub fn orderbook(&self, symbol: &str, depth: usize) -> Option<OrderBook> {
        let listing = self.listing(symbol)?;
        let quote = listing.quote.as_ref()?;
        let depth = depth.min(MAX_DEPTH);
        let step = f64::from(listing.spread);
        let seed = quote.time ^ quote.bid.to_bits();
        Some(OrderBook {
            symbol: quote.symbol.clone(),
            bids: listing.side(quote.bid, -step, depth, seed),
            asks: listing.side(quote.ask, step, depth, !seed),
            time: quote.time,
        })
    }

    fn listing(&self, symbol: &str) -> Option<&Listing> {
        self.find(symbol).ok().map(|at| &self.listings[at])
    }

    fn find(&self, symbol: &str) -> Result<usize, usize> {
        self.listings.binary_search_by(|listing| listing.symbol.as_str().cmp(symbol))
    }
}

#[derive(Clone, Debug)]
struct Listing {
    symbol: String,
    decimals: u32,
    // The least distance of bid and ask, and of two levels, in units of the last decimal.
    spread: u32,
    size: f64,
    size_decimals: u32,
    quote: Option<Quote>,
    // Empty until the first trade, then one per resolution.
    bars: Vec<Bar>,
}

#[derive(Clone, Copy)]
struct Trade {
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: f64,
}

impl Listing {
    fn silent(symbol: &str) -> Self {
        Self {
            symbol: symbol.into(),
            decimals: 0,
            spread: 1,
            size: 0.0,
            size_decimals: 0,
            quote: None,
            bars: Vec::new(),
        }
    }

    // A file's symbol has as many decimals as the file writes.
    fn measure(&mut self, row: &Bar) {
        for price in [row.open, row.high, row.low, row.close] {
            self.decimals = self.decimals.max(decimals(price));
        }
        self.size_decimals = self.size_decimals.max(decimals(row.volume));
    }

    // A float holds 15 digits: a price with many before the point has fewer behind it, else bid and ask would meet.
    fn decimals_at(&self, price: f64) -> u32 {
        let whole = format!("{price:.0}").len() as u32;
        self.decimals.min(DIGITS.saturating_sub(whole))
    }

    fn trade(&mut self, trade: Trade, time: u64) {
        let Trade { open, high, low, close, volume } = trade;
        for (at, resolution) in Resolution::ALL.into_iter().enumerate() {
            let start = time - time % resolution.millis();
            match self.bars.get_mut(at) {
                Some(bar) if bar.time == start => {
                    bar.high = bar.high.max(high);
                    bar.low = bar.low.min(low);
                    bar.close = close;
                    bar.volume = round(bar.volume + volume, self.size_decimals);
                }
                Some(bar) => {
                    let symbol = std::mem::take(&mut bar.symbol);
                    *bar = Bar { symbol, time: start, open, high, low, close, volume };
                }
                None => {
                    let symbol = self.symbol.clone();
                    self.bars.push(Bar { symbol, time: start, open, high, low, close, volume });
                }
            }
        }
    }

    fn quote(&mut self, bid: f64, ask: f64, last: f64, time: u64) {
        let symbol = self.quote.take().map_or_else(|| self.symbol.clone(), |quote| quote.symbol);
        self.quote = Some(Quote { symbol, bid, ask, last, time });
    }

    fn side(&self, best: f64, step: f64, depth: usize, seed: u64) -> Vec<[f64; 2]> {
        let mut rng = Rng::with_seed(seed);
        let decimals = self.decimals_at(best);
        let step = step * unit(decimals);
        let mut price = best;
        let mut levels = Vec::with_capacity(depth);
        while levels.len() < depth && price > 0.0 {
            let size = round(self.size * (0.5 + 2.0 * rng.f64()), self.size_decimals);
            levels.push([price, size.max(unit(self.size_decimals))]);
            price = round(price + step * f64::from(rng.u32(1..=3)), decimals);
        }
        levels
    }
}

#[derive(Clone, Debug)]
struct Walk {
    rng: Rng,
    // Not rounded: a step may be less than the last decimal.
    middles: Vec<f64>,
}

impl Walk {
    // Bid, ask, last price and volume of the next step.
    fn step(&mut self, at: usize) -> (f64, f64, f64, f64) {
        let Start { price, decimals, spread, step, size, .. } = WALKS[at];
        let middle = &mut self.middles[at];
        // A uniform step of this width has the standard deviation `step`; the pull keeps a server of weeks plausible.
        let width = step * 3f64.sqrt();
        *middle += *middle * width * (2.0 * self.rng.f64() - 1.0) + (price - *middle) * PULL;
        let bid = round(*middle, decimals);
        let apart = f64::from(spread * self.rng.u32(1..=2));
        let ask = round(bid + apart * unit(decimals), decimals);
        let last = if self.rng.bool() { bid } else { ask };
        (bid, ask, last, 2.0 * size * self.rng.f64())
    }
}

struct Start {
    symbol: &'static str,
    price: f64,
    decimals: u32,
    spread: u32,
    // The standard deviation of one step, in parts of the price.
    step: f64,
    // What changes hands in one step, on average.
    size: f64,
}

fn round(value: f64, decimals: u32) -> f64 {
    let scale = scale(decimals);
    let scaled = value * scale;
    // Beyond this a float has no digit left to round.
    if scaled.abs() >= 2f64.powi(53) { value } else { scaled.round() / scale }
}

fn unit(decimals: u32) -> f64 {
    1.0 / scale(decimals)
}

fn scale(decimals: u32) -> f64 {
    10u64.pow(decimals) as f64
}

// How many digits the shortest text of a number has behind the point.
fn decimals(value: f64) -> u32 {
    let text = value.to_string();
    text.split_once('.').map_or(0, |(_, part)| (part.len() as u32).min(DIGITS))
}

const DIGITS: u32 = 15;

const PULL: f64 = 1e-5;

// Livelier than the real ones, so that a candle of 1 % forms within minutes.
const WALKS: [Start; 8] = [
    Start { symbol: "AAPL", price: 229.87, decimals: 2, spread: 1, step: 1e-4, size: 140.0 },
    Start { symbol: "AMZN", price: 186.4, decimals: 2, spread: 1, step: 1.2e-4, size: 110.0 },
    Start { symbol: "BTCUSD", price: 67_250.0, decimals: 2, spread: 50, step: 2e-4, size: 0.25 },
    Start { symbol: "ETHUSD", price: 3_480.0, decimals: 2, spread: 5, step: 2.4e-4, size: 0.9 },
    Start { symbol: "EURUSD", price: 1.0842, decimals: 5, spread: 3, step: 2e-5, size: 90_000.0 },
    Start { symbol: "GOOG", price: 172.5, decimals: 2, spread: 1, step: 1.1e-4, size: 90.0 },
    Start { symbol: "MSFT", price: 428.15, decimals: 2, spread: 1, step: 0.9e-4, size: 75.0 },
    Start { symbol: "TSLA", price: 251.3, decimals: 2, spread: 2, step: 2.2e-4, size: 260.0 },
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_a_bar(bar: &Bar) -> bool {
        let inside = |price| bar.low <= price && price <= bar.high;
        inside(bar.open) && inside(bar.close) && bar.volume >= 0.0
    }

    fn is_a_book(book: &OrderBook) -> bool {
        let sorted = |a: &[f64; 2], b: &[f64; 2]| a[0] < b[0];
        let full = |side: &[[f64; 2]]| side.iter().all(|[price, size]| *price > 0.0 && *size > 0.0);
        book.bids.iter().rev().is_sorted_by(|a, b| sorted(a, b))
            && book.asks.is_sorted_by(sorted)
            && book.bids[0][0] < book.asks[0][0]
            && full(&book.bids)
            && full(&book.asks)
    }

    // What the invariants say of one symbol at one moment.
    fn check(market: &Market, symbol: &str, depth: usize) {
        let quote = market.quote(symbol).expect("it has traded");
        assert!(quote.bid < quote.ask && quote.bid > 0.0, "{quote:?}");
        assert!(quote.last == quote.bid || quote.last == quote.ask, "{quote:?}");
        for resolution in Resolution::ALL {
            let bar = market.bar(symbol, resolution).expect("it has traded");
            assert!(is_a_bar(bar), "{bar:?}");
            assert_eq!(bar.close, quote.last);
            assert_eq!(bar.time, quote.time - quote.time % resolution.millis());
        }
        let book = market.orderbook(symbol, depth).expect("it has traded");
        assert!(is_a_book(&book), "{book:?}");
        assert_eq!((book.bids[0][0], book.asks[0][0]), (quote.bid, quote.ask));
        let deepest = market.orderbook(symbol, MAX_DEPTH).expect("it has traded");
        assert!(deepest.bids.starts_with(&book.bids) && deepest.asks.starts_with(&book.asks));
    }

    prop_compose! {
        fn price()(digits in 1u64..1_000_000_000, decimals in 0u32..9) -> f64 {
            digits as f64 / scale(decimals)
        }
    }

    prop_compose! {
        fn row()(
            symbol in "[ABC]",
            time in 0u64..400_000_000,
            mut prices in prop::array::uniform4(price()),
            volume in 0.0..1e9,
        ) -> Bar {
            prices.sort_by(f64::total_cmp);
            let [low, open, close, high] = prices;
            Bar { symbol, time, open, high, low, close, volume }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

        #[test]
        fn a_walk_never_crosses_and_its_bars_hold_its_quotes(
            seed: u64, start in 0u64..1 << 41, step in 1u64..40_000_000, depth in 1..=MAX_DEPTH,
        ) {
            let mut market = Market::new(seed);
            for tick in 0..40 {
                market.tick(start + tick * step);
                for symbol in WALKS.map(|walk| walk.symbol) {
                    check(&market, symbol, depth);
                    let book = market.orderbook(symbol, depth).expect("it has traded");
                    prop_assert_eq!((book.bids.len(), book.asks.len()), (depth, depth));
                }
            }
        }

        #[test]
        fn a_bar_is_exactly_the_trades_of_its_span(
            seed: u64, start in 0u64..1 << 41, step in 1u64..30_000,
        ) {
            let mut market = Market::new(seed);
            let mut lasts: Vec<(u64, f64)> = Vec::new();
            for tick in 0..60 {
                market.tick(start + tick * step);
                let quote = market.quote("TSLA").expect("it has traded");
                lasts.push((quote.time, quote.last));
                for resolution in Resolution::ALL {
                    let bar = market.bar("TSLA", resolution).expect("it has traded");
                    let span = lasts.iter().filter(|(time, _)| *time >= bar.time).map(|(_, last)| *last);
                    let first = span.clone().next().expect("the newest is in its span");
                    prop_assert_eq!(bar.open, first);
                    prop_assert_eq!(bar.high, span.clone().fold(first, f64::max));
                    prop_assert_eq!(bar.low, span.clone().fold(first, f64::min));
                }
            }
        }

        #[test]
        fn the_same_seed_walks_the_same_way(seed: u64, other: u64) {
            let walk = |seed| {
                let mut market = Market::new(seed);
                (0..50).map(|tick| { market.tick(tick * 100); market.quote("BTCUSD").cloned() }).collect::<Vec<_>>()
            };
            prop_assert_eq!(walk(seed), walk(seed));
            prop_assert!(seed == other || walk(seed) != walk(other));
        }

        #[test]
        fn rows_of_any_size_never_cross(rows in prop::collection::vec(row(), 1..30), depth in 1..=MAX_DEPTH) {
            let mut market = Market::of_rows(&rows);
            for row in &rows {
                market.apply(row);
                prop_assert_eq!(market.quote(&row.symbol).expect("just played").last, row.close);
                check(&market, &row.symbol, depth);
            }
        }
    }

    fn flat(symbol: &str, time: u64, price: f64) -> Bar {
        let symbol = symbol.into();
        Bar { symbol, time, open: price, high: price, low: price, close: price, volume: 1.5 }
    }

    #[test]
    fn walked_prices_have_no_more_decimals_than_their_symbol() {
        let mut market = Market::new(3);
        for tick in 0..2_000 {
            market.tick(tick * 100);
        }
        for walk in WALKS {
            let quote = market.quote(walk.symbol).expect("it has traded");
            let book = market.orderbook(walk.symbol, 50).expect("it has traded");
            for price in
                book.bids.iter().chain(&book.asks).map(|level| level[0]).chain([quote.last])
            {
                assert!(decimals(price) <= walk.decimals, "{} {price}", walk.symbol);
            }
            let bar = market.bar(walk.symbol, Resolution::Day).expect("it has traded");
            assert!(decimals(bar.volume) <= 3 && bar.volume > 0.0, "{bar:?}");
        }
    }

    #[test]
    fn a_walk_of_a_day_stays_near_where_it_began() {
        let mut walk = Market::new(11).walk.expect("a market with a seed walks");
        for (at, start) in WALKS.iter().enumerate() {
            // Five standard deviations of a walk that is pulled back; without the pull a day leads farther.
            let far = 5.0 * start.step / (2.0 * PULL).sqrt();
            for _ in 0..24 * 36_000 {
                let (bid, ..) = walk.step(at);
                assert!((bid / start.price - 1.0).abs() < far, "{} {bid}", start.symbol);
            }
        }
    }

    // trading: R1
    #[test]
    fn symbols_are_listed_before_they_trade() {
        let mut market = Market::new(1);
        assert!(market.knows("ETHUSD") && !market.knows("ethusd"));
        assert_eq!(market.symbols().collect::<Vec<_>>(), WALKS.map(|walk| walk.symbol));
        assert!(market.symbols().is_sorted());
        assert!(
            market.quote("ETHUSD").is_none() && market.bar("ETHUSD", Resolution::Day).is_none()
        );
        market.tick(5);
        assert!(market.orderbook("ETHUSD", 1).is_some() && market.orderbook("NOPE", 1).is_none());
    }

    #[test]
    fn a_market_of_rows_lists_their_symbols_and_does_not_walk() {
        let rows = [flat("XYZ", 0, 5.25), flat("ABC", 61_000, 7.0), flat("XYZ", 62_000, 5.5)];
        let mut market = Market::of_rows(&rows);
        assert_eq!(market.symbols().collect::<Vec<_>>(), ["ABC", "XYZ"]);
        market.tick(1);
        assert!(market.quote("XYZ").is_none());
        market.apply(&rows[0]);
        let quote = market.quote("XYZ").expect("it has traded");
        assert_eq!((quote.bid, quote.ask, quote.last, quote.time), (5.25, 5.26, 5.25, 0));
        market.apply(&flat("AAPL", 0, 1.0));
        assert!(market.quote("AAPL").is_none() && market.quote("ABC").is_none());
    }

    #[test]
    fn rows_of_one_span_become_one_bar() {
        let rows = [flat("XYZ", 60_000, 5.0), flat("XYZ", 90_000, 7.0), flat("XYZ", 120_000, 6.0)];
        let mut market = Market::of_rows(&rows);
        rows.iter().for_each(|row| market.apply(row));
        let five = market.bar("XYZ", Resolution::FiveMinutes).expect("it has traded");
        let expected = Bar { high: 7.0, close: 6.0, volume: 4.5, ..flat("XYZ", 0, 5.0) };
        assert_eq!(*five, expected);
        assert_eq!(market.bar("XYZ", Resolution::Minute), Some(&rows[2]));
    }

    #[test]
    fn buyers_end_where_their_prices_would_reach_zero() {
        let rows = [flat("XYZ", 0, 0.02)];
        let mut market = Market::of_rows(&rows);
        market.apply(&rows[0]);
        let book = market.orderbook("XYZ", 50).expect("it has traded");
        assert!(book.bids.len() <= 2 && book.asks.len() == 50, "{book:?}");
    }

    #[test]
    fn a_depth_beyond_the_greatest_is_the_greatest() {
        let mut market = Market::new(1);
        market.tick(0);
        assert_eq!(market.orderbook("AAPL", usize::MAX), market.orderbook("AAPL", MAX_DEPTH));
    }
}
