//! The summary of one flow as it lies in shared memory: written by the flow's loop, read by whoever makes the
//! report, never torn.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};

use protocol::message::report::FlowSummary;
use protocol::message::samples::Direction;

use super::test_table::TestSeat;
use crate::runtime::sys::shared_memory::plain_atomics;

/// [`FlowSummary`] in integers, and whether the flow is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowRecord {
    /// Which way the payload went.
    pub direction: Direction,
    /// Whether the flow has ended: the figures are final.
    pub is_finished: bool,
    /// Payload bytes the node sent or received.
    pub bytes: u64,
    /// Time the flow was open.
    pub duration_us: u64,
    /// Mean of the smoothed RTT samples.
    pub rtt_mean_us: u32,
    /// Largest smoothed RTT sample.
    pub rtt_max_us: u32,
    /// The kernel's minimum RTT.
    pub rtt_min_us: u32,
    /// Largest congestion window seen, segments.
    pub cwnd_segments_max: u32,
    /// Segments retransmitted.
    pub retransmits: u32,
    /// Largest delivery rate the kernel estimated.
    pub delivery_rate_max_bps: u64,
    /// Share of the busy time that the peer's receive window limited, millionths.
    pub receiver_limited_ppm: u32,
    /// Share of the busy time that the send buffer limited, millionths.
    pub send_buffer_limited_ppm: u32,
}

const WORDS: usize = 9;

impl FlowRecord {
    /// The same as the report carries it.
    #[must_use]
    pub fn summary(&self) -> FlowSummary {
        FlowSummary {
            direction: self.direction,
            bytes: self.bytes,
            duration_us: self.duration_us,
            rtt_mean_us: self.rtt_mean_us,
            rtt_max_us: self.rtt_max_us,
            rtt_min_us: self.rtt_min_us,
            cwnd_segments_max: self.cwnd_segments_max,
            retransmits: self.retransmits,
            delivery_rate_max_bps: self.delivery_rate_max_bps,
            receiver_limited_ratio: f64::from(self.receiver_limited_ppm) / 1e6,
            send_buffer_limited_ratio: f64::from(self.send_buffer_limited_ppm) / 1e6,
        }
    }

    fn to_words(self, generation: u64) -> [u64; WORDS] {
        let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let direction = match self.direction {
            Direction::Down => 0,
            Direction::Up => 1,
        };
        [
            generation,
            direction | u64::from(self.is_finished) << 1,
            self.bytes,
            self.duration_us,
            pair(self.rtt_mean_us, self.rtt_max_us),
            pair(self.rtt_min_us, self.cwnd_segments_max),
            u64::from(self.retransmits),
            self.delivery_rate_max_bps,
            pair(self.receiver_limited_ppm, self.send_buffer_limited_ppm),
        ]
    }

    fn from_words(words: &[u64; WORDS]) -> Self {
        // Truncation takes the low half of a pair.
        let low = |word: u64| word as u32;
        let high = |word: u64| (word >> 32) as u32;
        Self {
            direction: if words[1] & 1 == 0 {
                Direction::Down
            } else {
                Direction::Up
            },
            is_finished: words[1] & 2 != 0,
            bytes: words[2],
            duration_us: words[3],
            rtt_mean_us: low(words[4]),
            rtt_max_us: high(words[4]),
            rtt_min_us: low(words[5]),
            cwnd_segments_max: high(words[5]),
            retransmits: low(words[6]),
            delivery_rate_max_bps: words[7],
            receiver_limited_ppm: low(words[8]),
            send_buffer_limited_ppm: high(words[8]),
        }
    }
}

/// A place for one flow's record, claimed by [`super::TestTable::claim_flow`]. Its holder alone writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowSlot {
    pub(super) seat: TestSeat,
    pub(super) index: usize,
}

plain_atomics! {
    /// One record with its version: odd while it is being written (for good, if its writer was killed then).
    #[derive(Debug)]
    pub(super) struct FlowCell {
        version: AtomicU64,
        words: [AtomicU64; WORDS],
    }
}

impl FlowCell {
    /// Writes the record of a test's `generation`. One writer.
    pub(super) fn write(&self, generation: u64, record: FlowRecord) {
        let version = self.version.load(Relaxed) | 1;
        self.version.store(version, Relaxed);
        fence(Release);
        for (cell, word) in self.words.iter().zip(record.to_words(generation)) {
            cell.store(word, Relaxed);
        }
        self.version.store(version.wrapping_add(1), Release);
    }

    /// The record, if it was written whole and belongs to `generation`.
    pub(super) fn read(&self, generation: u64) -> Option<FlowRecord> {
        // A writer holds it for nanoseconds: the third attempt meets the same one only if it was killed or preempted.
        (0..3)
            .find_map(|_| self.read_once())
            .and_then(|words| (words[0] == generation).then(|| FlowRecord::from_words(&words)))
    }

    fn read_once(&self) -> Option<[u64; WORDS]> {
        let version = self.version.load(Acquire);
        if version % 2 == 1 {
            return None;
        }
        let words = std::array::from_fn(|word| self.words[word].load(Relaxed));
        fence(Acquire);
        (self.version.load(Relaxed) == version).then_some(words)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::runtime::sys::shared_memory::SharedMapping;

    pub(crate) fn record(bytes: u64) -> FlowRecord {
        FlowRecord {
            direction: Direction::Up,
            is_finished: true,
            bytes,
            duration_us: bytes,
            rtt_mean_us: 1,
            rtt_max_us: 2,
            rtt_min_us: 3,
            cwnd_segments_max: 4,
            retransmits: 5,
            delivery_rate_max_bps: bytes,
            receiver_limited_ppm: 500_000,
            send_buffer_limited_ppm: 7,
        }
    }

    #[test]
    fn a_reader_never_sees_half_a_record() {
        let cell = SharedMapping::<FlowCell>::create().unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for bytes in 0..20_000 {
                    cell.write(1, record(bytes));
                }
            });
            while !writer.is_finished() {
                if let Some(read) = cell.read(1) {
                    assert_eq!(read.bytes, read.duration_us);
                    assert_eq!(read.bytes, read.delivery_rate_max_bps);
                }
            }
        });
        assert_eq!(cell.read(1), Some(record(19_999)));
        assert_eq!(cell.read(2), None);
    }

    #[test]
    fn a_record_whose_writer_was_killed_is_not_read_and_can_be_written_again() {
        let cell = SharedMapping::<FlowCell>::create().unwrap();
        cell.write(1, record(5));
        cell.version.store(cell.version.load(Relaxed) + 1, Relaxed);
        assert_eq!(cell.read(1), None);
        cell.write(1, record(6));
        assert_eq!(cell.read(1), Some(record(6)));
    }

    #[test]
    fn the_summary_has_ratios() {
        let summary = record(1).summary();
        assert!((summary.receiver_limited_ratio - 0.5).abs() < 1e-9);
        assert_eq!(summary.direction, Direction::Up);
    }

    proptest! {
        #[test]
        fn every_field_survives_its_words(
            bytes: u64, a: u32, b: u32, c: u32, d: u32, e: u32, ppm in 0_u32..=1_000_000, is_finished: bool,
        ) {
            let record = FlowRecord {
                direction: if a % 2 == 0 { Direction::Down } else { Direction::Up },
                is_finished,
                bytes,
                duration_us: bytes ^ 1,
                rtt_mean_us: a,
                rtt_max_us: b,
                rtt_min_us: c,
                cwnd_segments_max: d,
                retransmits: e,
                delivery_rate_max_bps: bytes ^ 2,
                receiver_limited_ppm: ppm,
                send_buffer_limited_ppm: 1_000_000 - ppm,
            };
            prop_assert_eq!(FlowRecord::from_words(&record.to_words(9)), record);
        }
    }
}
