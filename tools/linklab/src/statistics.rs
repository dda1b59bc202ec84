//! What a direction did with its packets, over all its life or between two instants.

use std::time::Duration;

use hdrhistogram::Histogram;
use protocol::time::Instant;
use serde::Serialize;

/// Longer waits than this count as this long, µs: two minutes.
const DELAY_US_MAX: u64 = 120_000_000;
/// Digits of a delay that are kept.
const DELAY_DIGITS: u8 = 3;

/// Both directions between two instants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct QueueStatistics {
    /// Time between the instants, in seconds.
    pub duration_s: f64,
    /// From the node to the home.
    pub down: DirectionStatistics,
    /// From the home to the node.
    pub up: DirectionStatistics,
}

/// One direction between two instants. The delays are the true waits in the queue of the packets that left it: from a
/// packet's arrival until its first bit was sent. Each packet counts once; percentiles are exact to 0.1 % or 1 µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct DirectionStatistics {
    /// Packets that were sent.
    pub packets: u64,
    /// Bytes of them on the wire.
    pub bytes: u64,
    /// Packets that the queue dropped.
    pub dropped_packets: u64,
    /// Packets that were lost behind the queue.
    pub lost_packets: u64,
    /// Packets that the receiving host did not take.
    pub refused_packets: u64,
    /// Mean rate of what was sent, in Mbit/s on the wire.
    pub rate_mbps: f64,
    /// Bytes in the queue at the later instant.
    pub backlog_bytes: u64,
    /// The shortest wait; absent when nothing was sent, as all of them.
    pub min_ms: Option<f64>,
    /// The mean wait.
    pub mean_ms: Option<f64>,
    /// The median wait.
    pub p50_ms: Option<f64>,
    /// The wait that 95 % did not exceed.
    pub p95_ms: Option<f64>,
    /// The wait that 99 % did not exceed.
    pub p99_ms: Option<f64>,
    /// The longest wait.
    pub max_ms: Option<f64>,
    /// How much later than its time the emulator handed over the packet that was later than 99 % of them.
    pub lateness_p99_ms: Option<f64>,
    /// The same of the latest packet.
    pub lateness_max_ms: Option<f64>,
}

/// What one direction counts.
#[derive(Clone, Debug)]
pub(crate) struct Counters {
    packets: u64,
    bytes: u64,
    pub(crate) dropped_packets: u64,
    pub(crate) lost_packets: u64,
    pub(crate) refused_packets: u64,
    delay_sum_ns: u128,
    delays_us: Histogram<u64>,
    lateness_us: Histogram<u64>,
}

/// Counters at an instant.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) at: Instant,
    pub(crate) counters: Counters,
    pub(crate) backlog_bytes: u64,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            packets: 0,
            bytes: 0,
            dropped_packets: 0,
            lost_packets: 0,
            refused_packets: 0,
            delay_sum_ns: 0,
            delays_us: delays(),
            lateness_us: delays(),
        }
    }

    /// Counts a packet that left the queue.
    pub(crate) fn count(&mut self, bytes: u32, delay: Duration) {
        self.packets += 1;
        self.bytes += u64::from(bytes);
        self.delay_sum_ns += delay.as_nanos();
        self.delays_us.saturating_record(micros(delay));
    }

    /// Counts how late a packet was handed over.
    pub(crate) fn count_lateness(&mut self, lateness: Duration) {
        self.lateness_us.saturating_record(micros(lateness));
    }

    /// Back to nothing.
    pub(crate) fn clear(&mut self) {
        self.packets = 0;
        self.bytes = 0;
        self.dropped_packets = 0;
        self.lost_packets = 0;
        self.refused_packets = 0;
        self.delay_sum_ns = 0;
        self.delays_us.reset();
        self.lateness_us.reset();
    }

    /// The statistics of what was counted in `duration`.
    pub(crate) fn statistics(&self, duration: Duration, backlog_bytes: u64) -> DirectionStatistics {
        let is_any = self.packets > 0;
        let quantile =
            |quantile: f64| is_any.then(|| self.delays_us.value_at_quantile(quantile) as f64 / 1e3);
        let has_lateness = !self.lateness_us.is_empty();
        DirectionStatistics {
            packets: self.packets,
            bytes: self.bytes,
            dropped_packets: self.dropped_packets,
            lost_packets: self.lost_packets,
            refused_packets: self.refused_packets,
            rate_mbps: self.bytes as f64 * 8.0 / 1e6 / duration.as_secs_f64().max(1e-9),
            backlog_bytes,
            min_ms: is_any.then(|| self.delays_us.min() as f64 / 1e3),
            mean_ms: is_any.then(|| self.delay_sum_ns as f64 / self.packets as f64 / 1e6),
            p50_ms: quantile(0.5),
            p95_ms: quantile(0.95),
            p99_ms: quantile(0.99),
            max_ms: is_any.then(|| self.delays_us.max() as f64 / 1e3),
            lateness_p99_ms: has_lateness
                .then(|| self.lateness_us.value_at_quantile(0.99) as f64 / 1e3),
            lateness_max_ms: has_lateness.then(|| self.lateness_us.max() as f64 / 1e3),
        }
    }
}

impl Snapshot {
    /// The statistics of what happened after `earlier`.
    pub(crate) fn since(mut self, earlier: &Self) -> DirectionStatistics {
        let (now, then) = (&mut self.counters, &earlier.counters);
        now.packets -= then.packets;
        now.bytes -= then.bytes;
        now.dropped_packets -= then.dropped_packets;
        now.lost_packets -= then.lost_packets;
        now.refused_packets -= then.refused_packets;
        now.delay_sum_ns -= then.delay_sum_ns;
        // They are histograms of one shape and the earlier one is part of the later.
        let _ = now.delays_us.subtract(&then.delays_us);
        let _ = now.lateness_us.subtract(&then.lateness_us);
        now.statistics(self.at - earlier.at, self.backlog_bytes)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn delays() -> Histogram<u64> {
    Histogram::new_with_bounds(1, DELAY_US_MAX, DELAY_DIGITS)
        .expect("constant bounds that hdrhistogram accepts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_two_instants_only_what_happened_there_counts() {
        let mut counters = Counters::new();
        counters.count(1_000, Duration::from_millis(700));
        counters.dropped_packets = 1;
        let earlier = Snapshot {
            at: Instant::from_micros(1_000_000),
            counters: counters.clone(),
            backlog_bytes: 5,
        };
        for ms in 1..=100 {
            counters.count(1_250, Duration::from_millis(ms));
        }
        counters.dropped_packets += 2;
        counters.count_lateness(Duration::from_micros(40));
        let later = Snapshot {
            at: Instant::from_micros(3_000_000),
            counters,
            backlog_bytes: 7,
        };
        let statistics = later.since(&earlier);
        assert_eq!(statistics.packets, 100);
        assert_eq!(statistics.dropped_packets, 2);
        assert_eq!(statistics.rate_mbps, 0.5);
        assert_eq!(statistics.backlog_bytes, 7);
        assert_eq!(statistics.mean_ms, Some(50.5));
        let near = |value: Option<f64>, ms: f64| (value.expect("packets") / ms - 1.0).abs() < 2e-3;
        assert!(near(statistics.min_ms, 1.0), "{statistics:?}");
        assert!(near(statistics.p50_ms, 50.0), "{statistics:?}");
        assert!(near(statistics.p95_ms, 95.0), "{statistics:?}");
        assert!(near(statistics.max_ms, 100.0), "{statistics:?}");
        assert_eq!(statistics.lateness_max_ms, Some(0.04));
    }

    #[test]
    fn without_packets_there_are_no_delays() {
        let statistics = Counters::new().statistics(Duration::from_secs(1), 0);
        assert_eq!(statistics, DirectionStatistics::default());
    }
}
