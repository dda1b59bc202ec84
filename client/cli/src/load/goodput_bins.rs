//! Payload bytes by receiver, in 100 ms bins of the test's clock. Pure.

use protocol::message::samples::{Direction, GoodputSample};

/// Width of a bin, µs.
pub const BIN_US: u64 = 100_000;

/// The bins of a whole test, by direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoodputBins {
    down_bytes: Vec<u64>,
    up_bytes: Vec<u64>,
}

impl GoodputBins {
    /// Counts bytes received evenly between two moments, µs; no byte is lost to rounding.
    pub fn add(&mut self, direction: Direction, from_us: u64, to_us: u64, bytes: u64) {
        let bins = match direction {
            Direction::Down => &mut self.down_bytes,
            Direction::Up => &mut self.up_bytes,
        };
        let last = usize::try_from(to_us.saturating_sub(1).max(from_us) / BIN_US).unwrap_or(0);
        let first = usize::try_from(from_us / BIN_US).unwrap_or(0).min(last);
        if bins.len() <= last {
            bins.resize(last + 1, 0);
        }
        let length_us = to_us.saturating_sub(from_us).max(1);
        let mut left_bytes = bytes;
        for (index, bin) in bins.iter_mut().enumerate().take(last).skip(first) {
            let end_us = (index as u64 + 1) * BIN_US;
            let overlap_us = end_us - from_us.max(end_us - BIN_US);
            let share = u128::from(bytes) * u128::from(overlap_us) / u128::from(length_us);
            let share_bytes = u64::try_from(share).unwrap_or(0).min(left_bytes);
            *bin += share_bytes;
            left_bytes -= share_bytes;
        }
        bins[last] += left_bytes;
    }

    /// Mean over the whole bins within the two moments, µs, in Mbit/s.
    #[must_use]
    pub fn mean_mbps(&self, direction: Direction, from_us: u64, to_us: u64) -> f64 {
        let first = from_us.div_ceil(BIN_US);
        let end = to_us / BIN_US;
        if end <= first {
            return 0.0;
        }
        let bytes: u64 = (first..end).map(|index| self.bytes(direction, index)).sum();
        bytes as f64 * 8.0 / ((end - first) * BIN_US) as f64
    }

    /// Until when a direction is counted at `now_us`: an upload's count comes from the node, a round trip late.
    #[must_use]
    pub fn counted_until_us(&self, direction: Direction, now_us: u64) -> u64 {
        let bins = self.bins(direction).len() as u64;
        // The last bin may still be filling.
        now_us
            .saturating_sub(BIN_US * 3 / 2)
            .min(bins.saturating_sub(1) * BIN_US)
    }

    /// Every bin up to `end_us` as samples, empty ones included: each interval then is exactly one bin long.
    #[must_use]
    pub fn samples(&self, end_us: u64) -> Vec<GoodputSample> {
        [Direction::Down, Direction::Up]
            .into_iter()
            .flat_map(|direction| {
                (0..end_us.div_ceil(BIN_US)).map(move |index| GoodputSample {
                    at_us: (index + 1) * BIN_US,
                    direction,
                    bytes: self.bytes(direction, index),
                })
            })
            .collect()
    }

    fn bins(&self, direction: Direction) -> &[u64] {
        match direction {
            Direction::Down => &self.down_bytes,
            Direction::Up => &self.up_bytes,
        }
    }

    fn bytes(&self, direction: Direction, index: u64) -> u64 {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        self.bins(direction).get(index).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_spread_over_the_time_they_took() {
        let mut bins = GoodputBins::default();
        bins.add(Direction::Up, 50_000, 250_000, 1_000);
        assert_eq!(bins.bins(Direction::Up), [250, 500, 250]);
        bins.add(Direction::Up, 0, 100_000, 7);
        assert_eq!(bins.bins(Direction::Up), [257, 500, 250]);
        assert!(bins.bins(Direction::Down).is_empty());
    }

    #[test]
    fn no_byte_is_lost_to_rounding() {
        let mut bins = GoodputBins::default();
        bins.add(Direction::Down, 33_333, 777_777, 1_000_003);
        bins.add(Direction::Down, 777_777, 777_777, 5);
        assert_eq!(bins.bins(Direction::Down).iter().sum::<u64>(), 1_000_008);
    }

    #[test]
    fn a_mean_is_of_whole_bins_alone() {
        let mut bins = GoodputBins::default();
        bins.add(Direction::Down, 0, 1_000_000, 12_500_000);
        assert!((bins.mean_mbps(Direction::Down, 150_000, 890_000) - 100.0).abs() < 1e-9);
        assert_eq!(
            bins.mean_mbps(Direction::Down, 150_000, 190_000).to_bits(),
            0
        );
        assert_eq!(bins.counted_until_us(Direction::Down, 5_000_000), 900_000);
        assert_eq!(bins.counted_until_us(Direction::Down, 500_000), 350_000);
    }

    #[test]
    fn samples_have_every_bin_of_both_directions() {
        let mut bins = GoodputBins::default();
        bins.add(Direction::Up, 100_000, 200_000, 9);
        let samples = bins.samples(250_000);
        let at: Vec<(u64, u64)> = samples
            .iter()
            .map(|sample| (sample.at_us, sample.bytes))
            .collect();
        let third = 300_000;
        assert_eq!(
            at,
            [
                (100_000, 0),
                (200_000, 0),
                (third, 0),
                (100_000, 0),
                (200_000, 9),
                (third, 0)
            ]
        );
    }
}
