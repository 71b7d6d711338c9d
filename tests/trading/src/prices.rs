//! What the market says about a symbol, and how clients write it. Knows shapes and names; never sees where a price comes from.

use fastws_core::payload;
use std::{fmt, str::FromStr};

/// Prices and volume of one symbol over one span of time; `low <= open, close <= high`.
#[payload]
#[derive(PartialEq)]
pub struct Bar {
    /// Whose prices these are, as in `AAPL`.
    pub symbol: String,
    /// Where the span begins, in Unix milliseconds.
    pub time: u64,
    /// The first price.
    pub open: f64,
    /// The highest price.
    pub high: f64,
    /// The lowest price.
    pub low: f64,
    /// The last price so far.
    pub close: f64,
    /// How much changed hands.
    pub volume: f64,
}

/// What a symbol costs right now; `bid < ask`, and the last trade was at one of the two.
#[payload]
#[derive(PartialEq)]
pub struct Quote {
    /// Whose price this is.
    pub symbol: String,
    /// The best price that somebody pays.
    pub bid: f64,
    /// The best price that somebody takes.
    pub ask: f64,
    /// The price of the last trade.
    pub last: f64,
    /// When, in Unix milliseconds.
    pub time: u64,
}

/// Who would buy and sell at which price; each level is `[price, size]`, the best first.
///
/// The best bid and the best ask are those of the quote of the same time.
#[payload]
#[derive(PartialEq)]
pub struct OrderBook {
    /// Whose book this is.
    pub symbol: String,
    /// Buyers, by falling price.
    pub bids: Vec<[f64; 2]>,
    /// Sellers, by rising price.
    pub asks: Vec<[f64; 2]>,
    /// When, in Unix milliseconds.
    pub time: u64,
}

/// How long a bar is. Bars begin at whole multiples of it since 1970, so a day is a day of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// One minute, written `1`.
    Minute,
    /// Five minutes, written `5`.
    FiveMinutes,
    /// Fifteen minutes, written `15`.
    QuarterHour,
    /// Sixty minutes, written `60`.
    Hour,
    /// One day, written `1D`.
    Day,
}

impl Resolution {
    /// Every resolution, the shortest first.
    pub const ALL: [Self; 5] =
        [Self::Minute, Self::FiveMinutes, Self::QuarterHour, Self::Hour, Self::Day];

    /// How a topic and a request write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute => "1",
            Self::FiveMinutes => "5",
            Self::QuarterHour => "15",
            Self::Hour => "60",
            Self::Day => "1D",
        }
    }

    /// Its length in milliseconds.
    pub const fn millis(self) -> u64 {
        60_000
            * match self {
                Self::Minute => 1,
                Self::FiveMinutes => 5,
                Self::QuarterHour => 15,
                Self::Hour => 60,
                Self::Day => 24 * 60,
            }
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The client asked for a resolution that no bar has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownResolution;

impl fmt::Display for UnknownResolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a resolution is one of 1, 5, 15, 60 and 1D")
    }
}

impl std::error::Error for UnknownResolution {}

impl FromStr for Resolution {
    type Err = UnknownResolution;

    fn from_str(name: &str) -> Result<Self, UnknownResolution> {
        Self::ALL.into_iter().find(|one| one.name() == name).ok_or(UnknownResolution)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // trading: O20
    #[test]
    fn a_resolution_reads_what_it_writes() {
        for resolution in Resolution::ALL {
            assert_eq!(resolution.to_string().parse(), Ok(resolution));
        }
        let unknown = "2".parse::<Resolution>().expect_err("nobody has two minutes");
        assert_eq!(unknown.to_string(), "a resolution is one of 1, 5, 15, 60 and 1D");
    }

    // trading: O4 O7 O8
    #[test]
    fn payloads_have_the_documented_members() {
        let bar = Bar {
            symbol: "XYZ".into(),
            time: 60_000,
            open: 2.0,
            high: 2.5,
            low: 1.0,
            close: 2.25,
            volume: 10.0,
        };
        let expected = serde_json::json!({
            "symbol": "XYZ", "time": 60_000, "open": 2.0, "high": 2.5, "low": 1.0, "close": 2.25, "volume": 10.0,
        });
        assert_eq!(serde_json::to_value(&bar).expect("a bar is JSON"), expected);
        let quote = Quote { symbol: "XYZ".into(), bid: 2.25, ask: 2.5, last: 2.25, time: 1 };
        let expected =
            serde_json::json!({"symbol": "XYZ", "bid": 2.25, "ask": 2.5, "last": 2.25, "time": 1});
        assert_eq!(serde_json::to_value(&quote).expect("a quote is JSON"), expected);
        let book =
            OrderBook { symbol: "XYZ".into(), bids: vec![[2.25, 7.0]], asks: vec![], time: 1 };
        let expected =
            serde_json::json!({"symbol": "XYZ", "bids": [[2.25, 7.0]], "asks": [], "time": 1});
        assert_eq!(serde_json::to_value(&book).expect("a book is JSON"), expected);
    }
}
