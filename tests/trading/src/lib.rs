//! A live market-data application over FastWS.
