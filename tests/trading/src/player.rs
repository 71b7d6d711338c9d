//! Opens the market that the options ask for, and plays a file's rows at their pace. Knows no topic and no client.

use std::thread;

use crate::{
    feed::Feed,
    options::Options,
    prices::Bar,
    replay::{self, ReplayError},
};

/// The market that the options ask for: a random walk, or a file that a thread of its own plays.
///
/// The file's first row is played when somebody follows a bar, so that its rows are not over before anybody listens.
///
/// # Errors
/// As [`replay::read`]; nothing has started then.
pub fn open(options: &Options) -> Result<Feed, ReplayError> {
    let Some(file) = &options.replay else { return Ok(Feed::walk(options.seed)) };
    let rows = replay::read(file)?;
    let feed = Feed::replay(&rows);
    let (stage, speed) = (feed.clone(), options.speed);
    thread::spawn(move || play(&stage, &rows, speed));
    Ok(feed)
}

fn play(feed: &Feed, rows: &[Bar], speed: f64) {
    feed.wait_for_follower();
    log::info!("the replay begins: {} rows at {speed} times real time", rows.len());
    let mut previous = rows.first();
    for row in rows {
        previous.iter().for_each(|previous| thread::sleep(replay::delay(previous, row, speed)));
        feed.apply(row);
        previous = Some(row);
    }
    log::info!("the replay has ended: {} rows", rows.len());
}
