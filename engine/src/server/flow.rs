//! A load flow while it is open: whose it is, until when it may last, and what the kernel said of it.

use std::time::Duration;

use protocol::message::samples::Direction;
use protocol::time::Instant;

use super::scoreboard::{FlowRecord, TestSeat};
use crate::runtime::sys::tcp::TcpInfo;

/// How often the kernel is asked about a load flow.
pub const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);

/// On a shorter way, µs, a buffer is empty because the loop has not come round to it yet: over loopback at 100 Gbit/s it is
/// for half of the time.
const BUFFER_ROUND_TRIP_MIN_US: u32 = 1_000;

/// Most a flow may do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowLimits {
    /// The longest it may last.
    pub duration_max: Duration,
    /// The longest it may move no byte.
    pub inactivity_max: Duration,
}

/// Why a flow must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowEnd {
    /// It has lasted as long as it may.
    TimeLimit,
    /// It has moved no byte for too long.
    Inactive,
    /// Its test was ended.
    TestEnded,
}

/// One load flow.
#[derive(Debug)]
pub struct LoadFlow {
    seat: Option<TestSeat>,
    direction: Direction,
    opened: Instant,
    deadline: Instant,
    next_sample: Instant,
    inactivity_max: Duration,
    bytes_before: u64,
    bytes: u64,
    bytes_moved_at: Instant,
    first_byte_at: Option<Instant>,
    length: Option<u64>,
    kernel: KernelView,
}

impl LoadFlow {
    /// A flow that opens now, on a connection that has moved `bytes_before` payload bytes for others.
    #[must_use]
    pub fn open(
        now: Instant,
        direction: Direction,
        seat: Option<TestSeat>,
        limits: FlowLimits,
        bytes_before: u64,
    ) -> Self {
        Self {
            seat,
            direction,
            opened: now,
            deadline: now + limits.duration_max,
            next_sample: now + SAMPLE_INTERVAL,
            inactivity_max: limits.inactivity_max,
            bytes_before,
            bytes: 0,
            bytes_moved_at: now,
            first_byte_at: None,
            length: None,
            kernel: KernelView::default(),
        }
    }

    /// The test it belongs to.
    #[must_use]
    pub fn seat(&self) -> Option<TestSeat> {
        self.seat
    }

    /// A flow that ends after so many payload bytes, or never by itself.
    #[must_use]
    pub fn with_length(mut self, length: Option<u64>) -> Self {
        self.length = length;
        self
    }

    /// After how many payload bytes it ends.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// When its first payload byte was counted, to within one sample's interval before.
    #[must_use]
    pub fn first_byte_at(&self) -> Option<Instant> {
        self.first_byte_at
    }

    /// Which way its payload goes.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Payload bytes moved so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// When [`LoadFlow::sample`] is due.
    #[must_use]
    pub fn next_sample(&self) -> Instant {
        self.next_sample
    }

    /// Takes note of the connection's payload count and of the kernel's view. Returns the bytes moved since the last time.
    pub fn sample(&mut self, now: Instant, connection_bytes: u64, info: Option<TcpInfo>) -> u64 {
        let bytes = connection_bytes.saturating_sub(self.bytes_before);
        let moved = bytes.saturating_sub(self.bytes);
        if moved > 0 {
            self.bytes = bytes;
            self.first_byte_at.get_or_insert(self.bytes_moved_at);
            self.bytes_moved_at = now;
        }
        if let Some(info) = info {
            self.kernel.add(&info);
        }
        self.next_sample = now + SAMPLE_INTERVAL;
        moved
    }

    /// Whether it must end.
    #[must_use]
    pub fn end_due(&self, now: Instant, is_test_ended: bool) -> Option<FlowEnd> {
        if is_test_ended {
            Some(FlowEnd::TestEnded)
        } else if now >= self.deadline {
            Some(FlowEnd::TimeLimit)
        } else if now - self.bytes_moved_at >= self.inactivity_max {
            Some(FlowEnd::Inactive)
        } else {
            None
        }
    }

    /// What is remembered of it once it's over.
    #[must_use]
    pub fn record(&self, now: Instant) -> FlowRecord {
        self.kernel
            .record(self.direction, self.bytes, now - self.opened)
    }
}

/// `TCP_INFO` over a flow's life. The kernel's times limited by window and buffer add up over the connection, so on a
/// connection that is used again only what was added since the flow's first sample counts.
///
/// The kernel's own time limited by the send buffer starts only where an acknowledgement finds the buffer full and empty of
/// unsent data at once, and misses a buffer that holds no more than one segment of the sending call: 16 flows of 16 KiB that
/// carried a tenth of a line were limited for 0.6 % of their time by it. So the samples are counted, too, in which the
/// congestion window would have let more go than there was in the buffer.
#[derive(Clone, Copy, Debug, Default)]
struct KernelView {
    samples: u32,
    samples_send_buffer_limited: u32,
    rtt_sum_us: u64,
    rtt_max_us: u32,
    cwnd_segments_max: u32,
    delivery_rate_max_bps: u64,
    first: TcpInfo,
    last: TcpInfo,
}

impl KernelView {
    fn add(&mut self, info: &TcpInfo) {
        if self.samples == 0 {
            self.first = *info;
        }
        self.samples += 1;
        let is_send_buffer_limited = info.unsent_bytes == 0
            && info.unacknowledged_segments < info.cwnd_segments
            && info.rtt_us >= BUFFER_ROUND_TRIP_MIN_US;
        self.samples_send_buffer_limited += u32::from(is_send_buffer_limited);
        self.rtt_sum_us += u64::from(info.rtt_us);
        self.rtt_max_us = self.rtt_max_us.max(info.rtt_us);
        self.cwnd_segments_max = self.cwnd_segments_max.max(info.cwnd_segments);
        self.delivery_rate_max_bps = self.delivery_rate_max_bps.max(info.delivery_rate_bps);
        self.last = *info;
    }

    fn record(&self, direction: Direction, bytes: u64, duration: Duration) -> FlowRecord {
        let busy_us = self.last.busy_us.saturating_sub(self.first.busy_us);
        let share_ppm = |last_us: u64, first_us: u64| {
            let limited_us = last_us.saturating_sub(first_us).min(busy_us);
            limited_us
                .saturating_mul(1_000_000)
                .checked_div(busy_us)
                .unwrap_or(0) as u32
        };
        // Of an upload nothing waits in the node's buffer.
        let seen_limited = match direction {
            Direction::Down => self.samples_send_buffer_limited,
            Direction::Up => 0,
        };
        let seen_limited_ppm = u64::from(seen_limited)
            .saturating_mul(1_000_000)
            .checked_div(u64::from(self.samples))
            .unwrap_or(0) as u32;
        FlowRecord {
            direction,
            is_finished: true,
            bytes,
            duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            rtt_mean_us: self
                .rtt_sum_us
                .checked_div(u64::from(self.samples))
                .unwrap_or(0) as u32,
            rtt_max_us: self.rtt_max_us,
            rtt_min_us: self.last.rtt_min_us,
            cwnd_segments_max: self.cwnd_segments_max,
            retransmits: self.last.retransmits.saturating_sub(self.first.retransmits),
            delivery_rate_max_bps: self.delivery_rate_max_bps,
            receiver_limited_ppm: share_ppm(
                self.last.receiver_limited_us,
                self.first.receiver_limited_us,
            ),
            send_buffer_limited_ppm: share_ppm(
                self.last.send_buffer_limited_us,
                self.first.send_buffer_limited_us,
            )
            .max(seen_limited_ppm),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: FlowLimits = FlowLimits {
        duration_max: Duration::from_secs(300),
        inactivity_max: Duration::from_secs(30),
    };

    fn at(seconds: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(seconds)
    }

    #[test]
    fn a_flow_counts_only_its_own_bytes() {
        let mut flow = LoadFlow::open(at(0), Direction::Up, None, LIMITS, 1_000);
        assert_eq!(flow.sample(at(1), 1_500, None), 500);
        assert_eq!(flow.sample(at(2), 1_700, None), 200);
        assert_eq!(flow.bytes(), 700);
        assert_eq!(flow.record(at(2)).bytes, 700);
    }

    #[test]
    fn a_flow_ends_when_nothing_moves_when_its_time_is_up_and_when_its_test_ends() {
        let mut flow = LoadFlow::open(at(0), Direction::Down, None, LIMITS, 0);
        flow.sample(at(1), 10, None);
        assert_eq!(flow.end_due(at(30), false), None);
        assert_eq!(flow.end_due(at(31), false), Some(FlowEnd::Inactive));
        assert_eq!(flow.end_due(at(2), true), Some(FlowEnd::TestEnded));
        flow.sample(at(299), 20, None);
        assert_eq!(flow.end_due(at(300), false), Some(FlowEnd::TimeLimit));
    }

    #[test]
    fn shares_of_time_count_from_the_first_sample() {
        let mut flow = LoadFlow::open(at(0), Direction::Down, None, LIMITS, 0);
        let first = TcpInfo {
            busy_us: 1_000,
            receiver_limited_us: 900,
            rtt_us: 10,
            ..TcpInfo::default()
        };
        let last = TcpInfo {
            busy_us: 2_000,
            receiver_limited_us: 1_150,
            rtt_us: 30,
            ..TcpInfo::default()
        };
        flow.sample(at(1), 1, Some(first));
        flow.sample(at(2), 2, Some(last));
        let record = flow.record(at(2));
        assert_eq!(record.receiver_limited_ppm, 250_000);
        assert_eq!((record.rtt_mean_us, record.rtt_max_us), (20, 30));
    }

    #[test]
    fn a_send_buffer_that_holds_less_than_the_congestion_window_is_seen_though_the_kernel_counts_no_time_for_it()
     {
        let limited = TcpInfo {
            rtt_us: 80_000,
            cwnd_segments: 100,
            unacknowledged_segments: 40,
            unsent_bytes: 0,
            ..TcpInfo::default()
        };
        let is_near = TcpInfo {
            rtt_us: 20,
            ..limited
        };
        let waits_for_the_line = TcpInfo {
            unsent_bytes: 16_384,
            ..limited
        };
        let fills_the_window = TcpInfo {
            unacknowledged_segments: 100,
            ..limited
        };
        let mut flow = LoadFlow::open(at(0), Direction::Down, None, LIMITS, 0);
        let seen = [limited, waits_for_the_line, fills_the_window, is_near];
        for (second, info) in (1..).zip(seen) {
            flow.sample(at(second), second, Some(info));
        }
        assert_eq!(flow.record(at(5)).send_buffer_limited_ppm, 250_000);
        let mut upload = LoadFlow::open(at(0), Direction::Up, None, LIMITS, 0);
        upload.sample(at(1), 1, Some(limited));
        assert_eq!(upload.record(at(2)).send_buffer_limited_ppm, 0);
    }
}
