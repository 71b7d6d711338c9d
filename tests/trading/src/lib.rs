//! A live market-data application over FastWS. Knows the market, its feed and its options; names no runtime and no binding.

pub mod feed;
pub mod market;
pub mod options;
pub mod prices;
pub mod replay;
