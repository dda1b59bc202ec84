//! What the node says that it has received of a user, over all sessions of the test: counts add up, figures are the latest. Pure.

use protocol::message::profile::ReceivedStats;
use protocol::message::samples::{Direction, GoodputSample};

/// A rate shown is a mean of about this long, µs.
const RATE_WINDOW_US: u64 = 900_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// Of sessions that broke.
    before: ReceivedStats,
    /// At so many µs since the start of the test.
    counts: Vec<(u64, ReceivedStats)>,
}

impl Received {
    /// The running session's own figures, as they were at `at_us`.
    pub(super) fn handle(&mut self, at_us: u64, now: &ReceivedStats) {
        let Self { before, counts } = self;
        let sum = ReceivedStats {
            received_bytes: before.received_bytes + now.received_bytes,
            messages: before.messages + now.messages,
            late: before.late + now.late,
            lost: before.lost + now.lost,
            delay_us: now.delay_us.or(before.delay_us),
            jitter_us: now.jitter_us.or(before.jitter_us),
            goodput_mbps: now.goodput_mbps,
        };
        counts.push((at_us, sum));
    }

    /// Another session begins to count.
    pub(super) fn handle_reopened(&mut self) {
        self.before = self.newest().unwrap_or_default();
    }

    /// All that is known.
    pub(super) fn newest(&self) -> Option<ReceivedStats> {
        self.counts.last().map(|&(_, stats)| stats)
    }

    /// Over the last second that the node has told of, Mbit/s.
    pub(super) fn mbps(&self) -> Option<f64> {
        let &(at_us, last) = self.counts.last()?;
        let before = self
            .counts
            .iter()
            .rev()
            .find(|(before_us, _)| before_us + RATE_WINDOW_US <= at_us);
        let Some((before_us, before)) = before else {
            return last.goodput_mbps;
        };
        let bytes = last.received_bytes.saturating_sub(before.received_bytes);
        Some(bytes as f64 * 8.0 / (at_us - before_us) as f64)
    }

    /// The bytes between one word of the node and the next.
    pub(super) fn goodput(&self) -> Vec<GoodputSample> {
        let mut samples = Vec::new();
        let (mut before_bytes, mut before_us) = (0, None);
        for &(at_us, stats) in &self.counts {
            // Of several words about one moment the first has the bytes; later ones add none to an empty interval.
            if before_us.is_some_and(|before_us| at_us <= before_us)
                || stats.received_bytes < before_bytes
            {
                continue;
            }
            samples.push(GoodputSample {
                at_us,
                direction: Direction::Up,
                bytes: stats.received_bytes - before_bytes,
            });
            before_bytes = stats.received_bytes;
            before_us = Some(at_us);
        }
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(received_bytes: u64, goodput_mbps: f64) -> ReceivedStats {
        ReceivedStats {
            received_bytes,
            messages: received_bytes / 100,
            goodput_mbps: Some(goodput_mbps),
            ..ReceivedStats::default()
        }
    }

    #[test]
    fn a_session_goes_on_where_the_last_one_ended() {
        let mut received = Received::default();
        received.handle(500_000, &stats(1_000, 1.0));
        received.handle_reopened();
        received.handle(1_500_000, &stats(300, 2.0));
        let newest = received.newest().expect("two words");
        assert_eq!((newest.received_bytes, newest.messages), (1_300, 13));
        let bytes: Vec<u64> = received.goodput().iter().map(|of| of.bytes).collect();
        assert_eq!(bytes, [1_000, 300]);
    }

    #[test]
    fn a_rate_is_of_about_a_second() {
        let mut received = Received::default();
        assert_eq!(received.mbps(), None);
        received.handle(500_000, &stats(1_000, 7.0));
        assert_eq!(received.mbps(), Some(7.0));
        received.handle(1_000_000, &stats(63_500, 1.0));
        received.handle(1_500_000, &stats(126_000, 1.0));
        assert_eq!(received.mbps(), Some(1.0));
    }

    #[test]
    fn of_two_words_about_one_moment_the_first_counts() {
        let mut received = Received::default();
        received.handle(500_000, &stats(1_000, 1.0));
        received.handle(500_000, &stats(1_200, 1.0));
        received.handle(1_000_000, &stats(2_000, 1.0));
        let samples = received.goodput();
        let bytes: Vec<u64> = samples.iter().map(|of| of.bytes).collect();
        assert_eq!(bytes, [1_000, 1_000]);
    }
}
