//! Moments as the driver tells them. Nothing here can ask a clock.

use core::ops::{Add, Sub};
pub use core::time::Duration;

/// A moment on the driver's monotonic clock, in microseconds since a zero of its choice.
///
/// ```
/// use fastws_core::time::{Duration, Instant};
/// let opened = Instant::from_millis(1_500);
/// assert_eq!(opened + Duration::from_secs(2), Instant::from_millis(3_500));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    micros: u64,
}

impl Instant {
    /// The driver's zero.
    pub const ZERO: Self = Self { micros: 0 };

    /// The moment `micros` microseconds after the driver's zero.
    pub const fn from_micros(micros: u64) -> Self {
        Self { micros }
    }

    /// The moment `millis` milliseconds after the driver's zero. Saturates.
    pub const fn from_millis(millis: u64) -> Self {
        Self { micros: millis.saturating_mul(1_000) }
    }

    /// Microseconds since the driver's zero.
    pub const fn micros(self) -> u64 {
        self.micros
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates, so that a deadline far beyond any clock is simply never reached.
    fn add(self, later: Duration) -> Self {
        Self { micros: self.micros.saturating_add(micros(later)) }
    }
}

/// A duration as this clock counts. Saturates, and never leaves 64 bits: a device has no wider division.
pub(crate) fn micros(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000).saturating_add(duration.subsec_micros().into())
}

impl Sub for Instant {
    type Output = Duration;

    /// Zero where `earlier` is not earlier.
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_micros(self.micros.saturating_sub(earlier.micros))
    }
}
