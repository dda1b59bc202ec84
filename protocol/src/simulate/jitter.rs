//! Jitter that keeps the order: a delay that wanders between nothing and a bound.
//!
//! A random delay drawn for each packet and then kept in order is no jitter under load: among many packets one has nearly
//! the longest delay, and all behind it wait for it. Here the delay is a function of time alone. It moves in straight lines
//! between random values, too slowly for a later packet to overtake an earlier one, and whether the line is busy changes
//! neither its mean, half of the bound, nor its spread.

use std::time::Duration;

use super::random::Random;
use crate::time::Instant;

/// The delay moves from one value to the next in so many times the bound: its slope is between −½ and ½, above the −1
/// at which order would be lost.
const SPACING: u32 = 2;

/// A wandering delay.
#[derive(Clone, Debug)]
pub(super) struct Jitter {
    bound: Duration,
    random: Random,
    from: (Instant, Duration),
    to: (Instant, Duration),
}

impl Jitter {
    pub(super) fn new(bound: Duration, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let first = draw(&mut random, bound);
        Self {
            bound,
            from: (Instant::ORIGIN, first),
            to: (Instant::ORIGIN, first),
            random,
        }
    }

    /// The delay of a packet at `now`, which must not be before an earlier call's.
    pub(super) fn at(&mut self, now: Instant) -> Duration {
        if self.bound.is_zero() {
            return Duration::ZERO;
        }
        let spacing = self.bound * SPACING;
        if now >= self.to.0 + spacing {
            // Nothing passed for so long that any value keeps the order.
            self.to = (now, draw(&mut self.random, self.bound));
        }
        while now >= self.to.0 {
            self.from = self.to;
            self.to = (self.from.0 + spacing, draw(&mut self.random, self.bound));
        }
        let share = (now - self.from.0).as_secs_f64() / spacing.as_secs_f64();
        self.from.1.mul_f64(1.0 - share) + self.to.1.mul_f64(share)
    }
}

fn draw(random: &mut Random, bound: Duration) -> Duration {
    let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX - 1);
    Duration::from_nanos(random.below(nanos + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_ms(step_us: u64, seed: u64) -> f64 {
        let mut jitter = Jitter::new(Duration::from_millis(8), seed);
        let count = 2_000_000 / step_us.min(1_000);
        let sum: f64 = (0..count)
            .map(|number| {
                let delay = jitter.at(Instant::from_micros(number * step_us));
                assert!(delay <= Duration::from_millis(8));
                delay.as_secs_f64() * 1e3
            })
            .sum();
        sum / count as f64
    }

    #[test]
    fn the_order_is_kept() {
        let mut jitter = Jitter::new(Duration::from_millis(8), 1);
        let mut random = Random::new(2);
        let (mut sent, mut last) = (Instant::ORIGIN, Instant::ORIGIN);
        for _ in 0..100_000 {
            let scale = if random.below(50) == 0 { 40_000 } else { 100 };
            sent = sent + Duration::from_micros(random.below(scale));
            let arrival = sent + jitter.at(sent);
            assert!(arrival >= last);
            last = arrival;
        }
    }

    #[test]
    fn a_busy_line_jitters_as_an_idle_one() {
        let (idle, busy) = (mean_ms(50_000, 3), mean_ms(24, 4));
        assert!((idle - 4.0).abs() < 0.3, "{idle} ms when idle");
        assert!((busy - 4.0).abs() < 0.6, "{busy} ms when busy");
    }
}
