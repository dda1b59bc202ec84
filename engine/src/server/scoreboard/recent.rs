//! What a loop moved in the last few seconds, second by second, so that a reader can tell a rate from one reading. One
//! writer (the loop), any number of readers.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};

use protocol::time::Instant;

use super::histogram::second_of;
use crate::runtime::sys::shared_memory::plain_atomics;

/// The second that runs, the one before it that is read, and two more for a reader that is slow.
const SECONDS: usize = 4;

plain_atomics! {
    /// Bytes of the last few seconds.
    #[derive(Debug)]
    pub(super) struct RecentBytes {
        seconds: [Second; SECONDS],
    }
}

plain_atomics! {
    #[derive(Debug)]
    struct Second {
        /// 1 + the monotonic second it counts; 0 while it is being cleared.
        stamp: AtomicU64,
        received: AtomicU64,
        sent: AtomicU64,
    }
}

impl RecentBytes {
    /// Only the owner calls this.
    pub(super) fn add(&self, now: Instant, received: u64, sent: u64) {
        let second = second_of(now);
        let slot = &self.seconds[index(second)];
        if slot.stamp.load(Relaxed) != second + 1 {
            slot.stamp.store(0, Relaxed);
            fence(Release);
            slot.received.store(0, Relaxed);
            slot.sent.store(0, Relaxed);
            slot.stamp.store(second + 1, Release);
        }
        let add = |cell: &AtomicU64, bytes: u64| {
            cell.store(cell.load(Relaxed).wrapping_add(bytes), Relaxed);
        };
        add(&slot.received, received);
        add(&slot.sent, sent);
    }

    /// Received and sent within the last whole second before `now`.
    pub(super) fn last_second(&self, now: Instant) -> (u64, u64) {
        let Some(second) = second_of(now).checked_sub(1) else {
            return (0, 0);
        };
        let slot = &self.seconds[index(second)];
        if slot.stamp.load(Acquire) != second + 1 {
            return (0, 0);
        }
        let bytes = (slot.received.load(Relaxed), slot.sent.load(Relaxed));
        fence(Acquire);
        // The second may have been reused for a later one while it was read.
        if slot.stamp.load(Relaxed) == second + 1 {
            bytes
        } else {
            (0, 0)
        }
    }
}

fn index(second: u64) -> usize {
    // The remainder is below SECONDS.
    (second % SECONDS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::sys::shared_memory::SharedMapping;

    #[test]
    fn the_last_whole_second_counts_and_no_other() {
        let recent = SharedMapping::<RecentBytes>::create().unwrap();
        let at = |ms: u64| Instant::from_micros(ms * 1_000);
        recent.add(at(10_100), 1, 10);
        recent.add(at(10_900), 2, 20);
        recent.add(at(11_000), 4, 40);
        assert_eq!(recent.last_second(at(10_950)), (0, 0));
        assert_eq!(recent.last_second(at(11_500)), (3, 30));
        assert_eq!(recent.last_second(at(12_000)), (4, 40));
        // A loop that stopped beating moves nothing.
        assert_eq!(recent.last_second(at(15_500)), (0, 0));
        recent.add(at(14_200), 8, 80);
        assert_eq!(recent.last_second(at(15_500)), (8, 80));
    }
}
