//! What has happened on one shard, in numbers. Knows no connection.

/// What has happened since the engine began.
///
/// ```
/// use fastws_core::config::Config;
/// use fastws_core::engine::Engine;
/// use fastws_core::time::Instant;
///
/// let mut engine = Engine::new(Config::default(), 0);
/// let id = engine.open(Instant::ZERO, [7; 16])?;
/// engine.handle_end(Instant::ZERO, id);
/// let counts = engine.counts();
/// assert_eq!((counts.received, counts.closes.total()), (0, 1));
/// # Ok::<(), fastws_core::shelf::Full>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Messages that were read.
    pub received: u64,
    /// Replies, and updates once for each listener.
    pub sent: u64,
    /// Bytes that sockets have sent, handshakes and frames' heads among them. Of a stream that is framed
    /// elsewhere only what its messages hold.
    pub bytes_received: u64,
    /// Bytes that sockets have taken.
    pub bytes_sent: u64,
    /// Connections that were closed for being slow.
    pub slow: u64,
    /// Updates that were dropped for a slow reader that lives on, once for each listener.
    pub dropped: u64,
    /// Connections that have ended.
    pub closes: Closes,
}

/// Connections that have ended, by the code of the close frame that came first: the server's, or the
/// peer's, which is 1005 where it has none. 1006 counts those that ended without a close frame.
///
/// Each connection that was open is counted once, when its end begins. The numbers are in the order of
/// [`LABELS`](Self::LABELS): what peers send makes no new ones.
///
/// ```
/// use fastws_core::config::Config;
/// use fastws_core::engine::Engine;
/// use fastws_core::time::Instant;
///
/// let mut engine = Engine::new(Config::default(), 0);
/// let id = engine.open(Instant::ZERO, [7; 16])?;
/// engine.handle_end(Instant::ZERO, id);
/// let ends = engine.counts().closes.iter().find(|(label, _)| *label == "1006");
/// assert_eq!(ends, Some(("1006", 1)));
/// # Ok::<(), fastws_core::shelf::Full>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closes(pub [u64; Self::LABELS.len()]);

impl Closes {
    /// What is counted together: one code, or all of a range (RFC 6455 section 7.4.2).
    pub const LABELS: [&str; 17] = [
        "1000", "1001", "1002", "1003", "1005", "1006", "1007", "1008", "1009", "1010", "1011",
        "1012", "1013", "1014", "3xxx", "4xxx", "other",
    ];

    pub(crate) fn count(&mut self, code: u16) {
        let label = match code {
            1000..=1003 => code - 1000,
            1005..=1014 => code - 1001,
            3000..=3999 => 14,
            4000..=4999 => 15,
            _ => 16,
        };
        self.0[usize::from(label)] += 1;
    }

    /// The labels and their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Self::LABELS.into_iter().zip(self.0)
    }

    /// Connections that have ended, whatever the code.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn each_code_is_counted_under_its_own_label_or_its_ranges() {
        for code in 0..=u16::MAX {
            let mut closes = Closes::default();
            closes.count(code);
            let counted = closes.iter().find(|(_, count)| *count == 1).expect("it is counted");
            let own = code.to_string();
            let label = match code {
                1004 | 1015 => "other",
                1000..=1014 => &own,
                3000..=3999 => "3xxx",
                4000..=4999 => "4xxx",
                _ => "other",
            };
            assert_eq!((counted.0, closes.total()), (label, 1));
        }
    }
}
