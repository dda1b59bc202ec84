//! Letting bytes gather in the socket of a fast upload before the loop is woken for them, so that one wake-up and one call
//! serve several frames of a WebSocket.

use std::os::fd::AsFd;
use std::time::Duration;

use protocol::time::Instant;

use super::Driver;
use crate::runtime::sys::receive;

/// So much gathers before the loop is woken (`SO_RCVLOWAT`).
const LOW_WATER_BYTES: usize = 256 * 1024;
/// What has gathered is taken this often however little it is, and the flow's pace judged.
const INTERVAL: Duration = Duration::from_millis(10);
/// A flow that brings so much in one interval (1.7 Gbit/s) is fast: what it sends waits 1.3 ms at most.
const FAST_BYTES: u64 = 2 * 1024 * 1024;

/// Whether bytes are left to gather, and the pace by which that was judged.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gathering {
    is_on: bool,
    judged_at: Instant,
    received_bytes: u64,
}

impl Gathering {
    pub(super) const fn is_on(&self) -> bool {
        self.is_on
    }

    /// When what has gathered is to be taken.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.is_on.then(|| self.judged_at + INTERVAL)
    }
}

impl<S> Driver<S> {
    /// Looks at the pace of an upload once in an interval.
    pub(super) fn judge_pace(&mut self, now: Instant) {
        let elapsed = now - self.gathering.judged_at;
        if elapsed < INTERVAL {
            return;
        }
        let received = self.received_bytes - self.gathering.received_bytes;
        let is_fast = u128::from(received) * INTERVAL.as_nanos()
            >= u128::from(FAST_BYTES) * elapsed.as_nanos();
        let is_on = is_fast && self.is_accepted() && !self.transport.is_encrypted();
        if is_on != self.gathering.is_on {
            let bytes = if is_on { LOW_WATER_BYTES } else { 1 };
            // Where it fails the loop is woken for every segment, as it was.
            let is_set = receive::set_low_water(self.transport.as_fd(), bytes).is_ok();
            self.gathering.is_on = is_on && is_set;
            // From now on nothing else would have what was left, or the end, looked at.
            self.is_readable |= !self.gathering.is_on;
        }
        self.gathering.judged_at = now;
        self.gathering.received_bytes = self.received_bytes;
    }

    /// What has gathered is to be taken, if it is time.
    pub(in crate::runtime) fn expire_gathering(&mut self, now: Instant) {
        if self
            .gathering
            .deadline()
            .is_some_and(|deadline| deadline <= now)
        {
            self.is_readable = true;
            self.judge_pace(now);
        }
    }
}
