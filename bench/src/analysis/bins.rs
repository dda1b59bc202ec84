//! Bytes over time in bins of 100 ms.

use std::time::Duration;

use protocol::message::profile::Pattern;
use protocol::profile::FlowProfile;

use crate::load::attempt::Sample;

/// Length of a bin.
pub(crate) const BIN: Duration = Duration::from_millis(100);
const BIN_US: u64 = 100_000;

/// Bytes by time, from a start on; what comes before it or after the last bin is not counted.
#[derive(Clone, Debug)]
pub(crate) struct Bins {
    start_us: u64,
    bytes: Vec<u64>,
}

impl Bins {
    /// As many bins as `duration` has, from `start_us` on.
    pub(crate) fn new(start_us: u64, duration: Duration) -> Self {
        let count = duration.as_micros().div_ceil(BIN.as_micros());
        Self {
            start_us,
            bytes: vec![0; usize::try_from(count).unwrap_or(0)],
        }
    }

    pub(crate) fn add(&mut self, at_us: u64, bytes: u64) {
        let Some(since_us) = at_us.checked_sub(self.start_us) else {
            return;
        };
        let index = usize::try_from(since_us / BIN_US).unwrap_or(usize::MAX);
        if let Some(bin) = self.bytes.get_mut(index) {
            *bin += bytes;
        }
    }

    pub(crate) fn bytes(&self) -> &[u64] {
        &self.bytes
    }

    /// The whole bins within a span of time.
    pub(crate) fn within(&self, from_us: u64, to_us: u64) -> &[u64] {
        let index = |at_us: u64| usize::try_from(at_us.saturating_sub(self.start_us) / BIN_US);
        let first = index(from_us + BIN_US - 1).unwrap_or(usize::MAX);
        let end = index(to_us).unwrap_or(0).min(self.bytes.len());
        self.bytes.get(first.min(end)..end).unwrap_or_default()
    }
}

/// Bins of a flow's arrivals. The schedule's start is a message's time before the first message.
pub(crate) fn arrivals(flow: &FlowProfile, samples: &[Sample], duration: Duration) -> Bins {
    let mut bins = Bins::new(0, duration);
    let first_us = samples.first().map_or(0, |first| {
        u64::from(first.bytes) * 8_000_000 / flow.rate_bps.max(1)
    });
    for sample in samples {
        bins.add(
            u64::from(sample.arrived_us) + first_us,
            u64::from(sample.bytes),
        );
    }
    bins
}

/// Share of the bytes that came in bins of the pattern's on time; `None` of another pattern, or of no bytes.
pub(crate) fn share_while_on(flow: &FlowProfile, bins: &Bins) -> Option<f64> {
    let Pattern::OnOff { on_ms, off_ms, .. } = flow.pattern else {
        return None;
    };
    let period_us = (u64::from(on_ms) + u64::from(off_ms)) * 1_000;
    let on_us = u64::from(on_ms) * 1_000;
    let all: u64 = bins.bytes.iter().sum();
    let while_on: u64 = bins
        .bytes
        .iter()
        .zip(0_u64..)
        .filter(|(_, index)| index * BIN_US % period_us < on_us)
        .map(|(bytes, _)| bytes)
        .sum();
    (all > 0).then(|| while_on as f64 / all as f64)
}

/// The bins as a line of blocks, the tallest for the fullest bin.
pub(crate) fn sparkline(bins: &[u64]) -> String {
    const BLOCKS: [char; 9] = ['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = bins.iter().copied().max().unwrap_or(0).max(1);
    bins.iter()
        .map(|bytes| {
            // Any byte at all is more than none.
            let step = (bytes * 8).div_ceil(most);
            BLOCKS[usize::try_from(step).unwrap_or(8).min(8)]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::message::samples::Direction;

    #[test]
    fn bytes_fall_into_the_bin_of_their_time() {
        let mut bins = Bins::new(1_000_000, Duration::from_millis(250));
        for (at_us, bytes) in [(999_999, 1), (1_000_000, 2), (1_100_000, 4), (1_300_000, 8)] {
            bins.add(at_us, bytes);
        }
        assert_eq!(bins.bytes(), [2, 4, 0]);
        assert_eq!(bins.within(1_000_001, 1_299_999), [4]);
        assert_eq!(bins.within(0, 1_200_000), [2, 4]);
        assert_eq!(bins.within(9_000_000, 9_900_000), [0; 0]);
    }

    #[test]
    fn the_share_while_on_is_that_of_the_first_second_of_each_period() {
        let stream = FlowProfile {
            direction: Direction::Down,
            rate_bps: 8_000_000,
            pattern: Pattern::OnOff {
                on_ms: 200,
                off_ms: 300,
                message_bytes: 1_000,
            },
        };
        let mut bins = Bins::new(0, Duration::from_secs(1));
        for (at_us, bytes) in [(0, 40), (199_999, 20), (200_000, 10), (500_000, 30)] {
            bins.add(at_us, bytes);
        }
        assert_eq!(share_while_on(&stream, &bins), Some(0.9));
    }

    #[test]
    fn a_sparkline_shows_nothing_as_a_dot_and_the_most_as_a_full_block() {
        assert_eq!(sparkline(&[0, 1, 50, 100]), "·▁▄█");
        assert_eq!(sparkline(&[0, 0]), "··");
    }
}
