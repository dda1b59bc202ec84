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

/// Whether bytes are left to gather, and the pace by which that is judged.
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

    /// Whether the flow, of which so much has come in all, has been fast since it was judged last; `None` when that is less
    /// than an interval ago.
    fn judge(&mut self, now: Instant, received_bytes: u64) -> Option<bool> {
        let elapsed = now - self.judged_at;
        if elapsed < INTERVAL {
            return None;
        }
        let received = received_bytes - self.received_bytes;
        self.judged_at = now;
        self.received_bytes = received_bytes;
        let is_fast = u128::from(received) * INTERVAL.as_nanos()
            >= u128::from(FAST_BYTES) * elapsed.as_nanos();
        Some(is_fast)
    }
}

impl<S> Driver<S> {
    /// Lets bytes gather from now on if this is a fast upload.
    pub(super) fn begin_to_gather(&mut self, now: Instant) {
        if !self.gathering.is_on
            && self.is_accepted()
            && !self.transport.is_encrypted()
            && self.gathering.judge(now, self.received_bytes) == Some(true)
        {
            // Where it fails the loop is woken for every segment, as it was.
            let set = receive::set_low_water(self.transport.as_fd(), LOW_WATER_BYTES);
            self.gathering.is_on = set.is_ok();
        }
    }

    /// What little comes after the socket was emptied is left to gather. Something may have come already, the end of the
    /// stream too, that the poll will not tell again: the deadline has it looked at.
    pub(super) fn leave_to_gather(&mut self) {
        if self.gathering.is_on {
            self.is_readable = false;
        }
    }

    /// Has what has gathered taken, if it is time.
    pub(in crate::runtime) fn expire_gathering(&mut self, now: Instant) {
        if self
            .gathering
            .deadline()
            .is_none_or(|deadline| now < deadline)
        {
            return;
        }
        self.is_readable = true;
        if self.gathering.judge(now, self.received_bytes) == Some(false) {
            // Where it fails the deadline goes on.
            self.gathering.is_on = receive::set_low_water(self.transport.as_fd(), 1).is_err();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::ORIGIN + Duration::from_millis(ms)
    }

    #[test]
    fn a_flow_is_fast_by_what_it_brought_since_it_was_judged() {
        let mut gathering = Gathering::default();
        assert_eq!(gathering.judge(at(1000), FAST_BYTES), Some(false));
        assert_eq!(gathering.judge(at(1009), 3 * FAST_BYTES), None);
        assert_eq!(gathering.judge(at(1010), 2 * FAST_BYTES), Some(true));
        assert_eq!(gathering.judge(at(1030), 4 * FAST_BYTES), Some(true));
        assert_eq!(gathering.judge(at(1041), 5 * FAST_BYTES), Some(false));
    }

    #[test]
    fn only_what_gathers_has_a_deadline() {
        let mut gathering = Gathering::default();
        assert_eq!(gathering.deadline(), None);
        gathering.judge(at(20), 0);
        gathering.is_on = true;
        assert_eq!(gathering.deadline(), Some(at(20) + INTERVAL));
    }
}
