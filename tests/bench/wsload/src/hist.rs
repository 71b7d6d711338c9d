//! A log-linear histogram of nanoseconds, 64 buckets per power of two (error below 1.6 %). Knows
//! only numbers.

const SUB: u64 = 64;
const SUB_BITS: u32 = 6;
const BUCKETS: usize = (SUB as usize) * 40;

pub struct Hist {
    counts: Vec<u64>,
    n: u64,
    pub max: u64,
    sum: u128,
}

impl Hist {
    pub fn new() -> Self {
        Hist { counts: vec![0; BUCKETS], n: 0, max: 0, sum: 0 }
    }

    #[inline]
    fn index(v: u64) -> usize {
        if v < SUB {
            return v as usize;
        }
        let shift = 63 - v.leading_zeros() - SUB_BITS;
        let idx = (((shift + 1) as u64) << SUB_BITS) + ((v >> shift) - SUB);
        (idx as usize).min(BUCKETS - 1)
    }

    fn value(idx: usize) -> u64 {
        let idx = idx as u64;
        if idx < SUB {
            return idx;
        }
        let shift = (idx >> SUB_BITS) - 1;
        let base = (idx & (SUB - 1)) + SUB;
        (base << shift) + (1u64 << shift) / 2
    }

    #[inline]
    pub fn record(&mut self, v: u64) {
        self.counts[Self::index(v)] += 1;
        self.n += 1;
        self.sum += v as u128;
        self.max = self.max.max(v);
    }

    /// Quantile in microseconds.
    pub fn q_us(&self, q: f64) -> f64 {
        if self.n == 0 {
            return 0.0;
        }
        let want = ((self.n as f64 * q).ceil() as u64).clamp(1, self.n);
        let mut seen = 0;
        for (i, c) in self.counts.iter().enumerate() {
            seen += c;
            if seen >= want {
                return Self::value(i).min(self.max) as f64 / 1e3;
            }
        }
        self.max as f64 / 1e3
    }

    pub fn mean_us(&self) -> f64 {
        if self.n == 0 { 0.0 } else { self.sum as f64 / self.n as f64 / 1e3 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_two_percent() {
        let mut h = Hist::new();
        for v in 1..=100_000u64 {
            h.record(v * 10);
        }
        for (q, want) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0)] {
            let got = h.q_us(q);
            assert!((got - want).abs() / want < 0.02, "{q}: {got} vs {want}");
        }
        assert_eq!(h.max, 1_000_000);
    }

    #[test]
    fn indices_are_monotonic() {
        let mut last = 0;
        for v in 0..1_000_000u64 {
            let i = Hist::index(v);
            assert!(i >= last);
            last = i;
        }
    }
}
