//! Messages at fixed times: `constant` and `frames`.
//!
//! Message k is due k ÷ cadence seconds after the start, computed from the start each time, so that no error adds up. Its
//! size is the difference of two exact running totals, so that the rate is exact although a size is whole bytes. Frames
//! come in groups: a key frame of some weight, then frames of weight 1.

use std::time::Duration;

use super::flow::Release;
use crate::limits::TRAFFIC_MESSAGE_BYTES_MAX;
use crate::message::profile::{FLAG_KEYFRAME, TRAFFIC_HEADER_BYTES};
use crate::time::Instant;

/// What is overdue by more than this is given up: a late picture or move is of no use, and sending it would only queue.
/// Three periods of the fastest profile, and more than any turn of a loop that is not hung.
const CARRIED: Duration = Duration::from_millis(50);

#[derive(Clone, Debug)]
pub(super) struct Metronome {
    start: Instant,
    rate_bps: u64,
    per_second: u32,
    group: u32,
    key_weight: u32,
    /// The next message, counted from the start.
    next: u64,
    skipped: u64,
}

impl Metronome {
    pub(super) fn new(
        start: Instant,
        rate_bps: u64,
        per_second: u32,
        group: u32,
        key_weight: u32,
    ) -> Self {
        Self {
            start,
            rate_bps,
            per_second: per_second.max(1),
            group: group.max(1),
            key_weight: key_weight.max(1),
            next: 0,
            skipped: 0,
        }
    }

    pub(super) fn poll_release(&mut self, now: Instant) -> Option<Release> {
        if now < self.next_deadline() {
            return None;
        }
        self.give_up_stale(now);
        let release = Release {
            bytes: self.bytes(self.next),
            flags: if self.is_keyframe(self.next) {
                FLAG_KEYFRAME
            } else {
                0
            },
        };
        self.next += 1;
        Some(release)
    }

    pub(super) fn next_deadline(&self) -> Instant {
        self.due(self.next)
    }

    /// The message that is next keeps its time and its place in the group; the totals begin anew at its group.
    pub(super) fn set_rate(&mut self, rate_bps: u64) {
        let place = self.next % u64::from(self.group);
        let group_start = self.next - place;
        self.start = self.due(group_start);
        self.next = place;
        self.rate_bps = rate_bps;
    }

    pub(super) const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Skips what is overdue by too much, except for the latest message that is due: one late message is no burst.
    fn give_up_stale(&mut self, now: Instant) {
        let latest_due = self.due_before(now - self.start);
        let carried_from = self.due_before((now - self.start).saturating_sub(CARRIED)) + 1;
        let keep_from = carried_from.min(latest_due);
        if keep_from > self.next && (now - self.start) > CARRIED {
            self.skipped += keep_from - self.next;
            self.next = keep_from;
        }
    }

    /// The last message due within this time of the start.
    fn due_before(&self, elapsed: Duration) -> u64 {
        let count = elapsed.as_nanos() * u128::from(self.per_second) / 1_000_000_000;
        // A due time is rounded down, so message `count + 1` may already be due.
        let count = u64::try_from(count).unwrap_or(u64::MAX - 1);
        if self.due(count + 1) - self.start <= elapsed {
            count + 1
        } else {
            count
        }
    }

    fn due(&self, message: u64) -> Instant {
        let nanos = u128::from(message) * 1_000_000_000 / u128::from(self.per_second);
        self.start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn bytes(&self, message: u64) -> u32 {
        let bytes = self.total_bytes(message + 1) - self.total_bytes(message);
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        bytes.clamp(TRAFFIC_HEADER_BYTES, TRAFFIC_MESSAGE_BYTES_MAX) as u32
    }

    /// Bytes of all messages before this one.
    fn total_bytes(&self, message: u64) -> u128 {
        let group = u128::from(self.group);
        let group_weight = group - 1 + u128::from(self.key_weight);
        let message = u128::from(message);
        let in_group = match message % group {
            0 => 0,
            place => place - 1 + u128::from(self.key_weight),
        };
        let weight = message / group * group_weight + in_group;
        u128::from(self.rate_bps) * weight * group
            / (8 * u128::from(self.per_second) * group_weight)
    }

    fn is_keyframe(&self, message: u64) -> bool {
        self.group > 1 && message.is_multiple_of(u64::from(self.group))
    }
}
