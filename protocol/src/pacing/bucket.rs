//! An integer token bucket that loses nothing to rounding.
//!
//! Tokens are bytes. What an interval yields above whole bytes is carried to the next in units of a bit × nanosecond, so
//! that the rate is exact over any time, however often the bucket is asked. A full bucket yields nothing: that is what
//! bounds the burst after a pause.

use std::time::Duration;

use crate::time::Instant;

/// Bit × nanoseconds in a byte at 1 bit/s.
const UNITS_PER_BYTE: u128 = 8 * 1_000_000_000;

/// A token bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    rate_bps: u64,
    burst_bytes: u64,
    tokens_bytes: u64,
    /// Below [`UNITS_PER_BYTE`]; zero when the bucket is full.
    remainder: u128,
    filled_at: Instant,
}

impl TokenBucket {
    /// An empty bucket that fills from `now` on.
    #[must_use]
    pub const fn new(now: Instant, rate_bps: u64, burst_bytes: u64) -> Self {
        Self {
            rate_bps,
            burst_bytes,
            tokens_bytes: 0,
            remainder: 0,
            filled_at: now,
        }
    }

    /// Takes so many bytes, if they are there. Time that goes back is time that stands still.
    pub fn take(&mut self, now: Instant, bytes: u64) -> bool {
        self.fill(now);
        let enough = bytes <= self.tokens_bytes;
        if enough {
            self.tokens_bytes -= bytes;
        }
        enough
    }

    /// The bytes that could be taken.
    pub fn available_bytes(&mut self, now: Instant) -> u64 {
        self.fill(now);
        self.tokens_bytes
    }

    /// The first instant at which so many bytes can be taken; `None` when they never can: more than the burst, or no
    /// rate.
    #[must_use]
    pub fn ready_at(&self, bytes: u64) -> Option<Instant> {
        if bytes <= self.tokens_bytes {
            return Some(self.filled_at);
        }
        if bytes > self.burst_bytes || self.rate_bps == 0 {
            return None;
        }
        let missing = u128::from(bytes - self.tokens_bytes) * UNITS_PER_BYTE - self.remainder;
        let nanos = missing.div_ceil(u128::from(self.rate_bps));
        Some(self.filled_at + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// Changes the rate and the burst from `now` on; tokens above the new burst are gone.
    pub fn set_rate(&mut self, now: Instant, rate_bps: u64, burst_bytes: u64) {
        self.fill(now);
        self.rate_bps = rate_bps;
        self.burst_bytes = burst_bytes;
        if self.tokens_bytes >= burst_bytes {
            self.tokens_bytes = burst_bytes;
            self.remainder = 0;
        }
    }

    fn fill(&mut self, now: Instant) {
        let elapsed = (now - self.filled_at).as_nanos();
        if elapsed == 0 {
            return;
        }
        self.filled_at = now;
        let units = elapsed * u128::from(self.rate_bps) + self.remainder;
        let bytes = u64::try_from(units / UNITS_PER_BYTE).unwrap_or(u64::MAX);
        if bytes >= self.burst_bytes - self.tokens_bytes {
            self.tokens_bytes = self.burst_bytes;
            self.remainder = 0;
        } else {
            self.tokens_bytes += bytes;
            self.remainder = units % UNITS_PER_BYTE;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn the_remainder_is_carried_exactly() {
        // 7 bit/s: a byte every 1 142 857 142.857… ns. Asked every 0.1 s for 8 000 s, it has yielded 7 000 bytes.
        let mut bucket = TokenBucket::new(at(0), 7, 10);
        let taken = (1..=80_000_u64)
            .filter(|tenth| bucket.take(at(tenth * 100_000_000), 1))
            .count();
        assert_eq!(taken, 7_000);
    }

    #[test]
    fn a_stall_yields_the_burst_and_no_more() {
        let mut bucket = TokenBucket::new(at(0), 8_000_000_000, 1_500);
        assert_eq!(bucket.available_bytes(at(3_600_000_000_000)), 1_500);
        assert!(bucket.take(at(3_600_000_000_000), 1_500));
        assert!(!bucket.take(at(3_600_000_000_000), 1));
        assert_eq!(bucket.ready_at(1), Some(at(3_600_000_000_001)));
    }

    #[test]
    fn more_than_the_burst_is_never_ready() {
        let bucket = TokenBucket::new(at(5), 1_000, 100);
        assert_eq!(bucket.ready_at(101), None);
        assert_eq!(TokenBucket::new(at(5), 0, 100).ready_at(1), None);
        assert_eq!(bucket.ready_at(0), Some(at(5)));
    }

    #[test]
    fn a_lower_burst_takes_the_tokens_above_it() {
        let mut bucket = TokenBucket::new(at(0), 8_000_000_000, 1_000);
        assert_eq!(bucket.available_bytes(at(1_000)), 1_000);
        bucket.set_rate(at(1_000), 8_000_000_000, 300);
        assert_eq!(bucket.available_bytes(at(1_000)), 300);
    }

    proptest! {
        #[test]
        fn no_window_ever_carries_more_than_rate_and_burst(
            rate_bps in 0..20_000_000_000_u64,
            burst_bytes in 1..100_000_u64,
            steps in proptest::collection::vec((0..50_000_000_u64, 0..120_000_u64), 1..200),
        ) {
            let mut bucket = TokenBucket::new(at(0), rate_bps, burst_bytes);
            let mut now_nanos = 0;
            let mut taken: Vec<(u64, u64)> = Vec::new();
            for (pause_nanos, bytes) in steps {
                now_nanos += pause_nanos;
                if bucket.take(at(now_nanos), bytes) {
                    taken.push((now_nanos, bytes));
                }
            }
            for (first, &(from_nanos, _)) in taken.iter().enumerate() {
                let mut sum = 0_u128;
                for &(to_nanos, bytes) in &taken[first..] {
                    sum += u128::from(bytes);
                    let elapsed = u128::from(to_nanos - from_nanos);
                    let allowed = u128::from(burst_bytes) * UNITS_PER_BYTE
                        + elapsed * u128::from(rate_bps)
                        + UNITS_PER_BYTE;
                    prop_assert!(sum * UNITS_PER_BYTE < allowed, "{sum} bytes in {elapsed} ns");
                }
            }
        }

        #[test]
        fn how_often_it_is_asked_changes_nothing(
            rate_bps in 1..1_000_000_000_u64,
            pauses in proptest::collection::vec(0..1_000_000_u64, 1..100),
        ) {
            // A burst that is never reached: every byte counts.
            let mut often = TokenBucket::new(at(0), rate_bps, u64::MAX);
            let mut once = often.clone();
            let mut now_nanos = 0;
            for pause_nanos in pauses {
                now_nanos += pause_nanos;
                often.fill(at(now_nanos));
            }
            once.fill(at(now_nanos));
            prop_assert_eq!(often, once);
        }

        #[test]
        fn it_is_ready_exactly_when_it_says(
            rate_bps in 1..20_000_000_000_u64,
            start_nanos in 0..1_000_000_u64,
            bytes in 1..10_000_u64,
        ) {
            let mut bucket = TokenBucket::new(at(0), rate_bps, 10_000);
            bucket.fill(at(start_nanos));
            let ready = bucket.ready_at(bytes).expect("within the burst");
            if ready > bucket.filled_at {
                let before = at(ready.as_nanos() - 1);
                prop_assert!(!bucket.clone().take(before, bytes));
            }
            prop_assert!(bucket.take(ready, bytes));
        }
    }
}
