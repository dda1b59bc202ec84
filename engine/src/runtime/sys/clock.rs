//! The machine's monotonic clock, as the pure half's `Instant`. All processes of the node share its origin.
#![expect(unsafe_code, reason = "std hides the value of its monotonic clock")]

use protocol::time::Instant;

/// `CLOCK_MONOTONIC` now. Comparable between processes; does not run while the machine sleeps.
#[must_use]
pub fn monotonic_now() -> Instant {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the kernel fills the structure that we own.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    // CLOCK_MONOTONIC exists on every Linux: the call fails for a bad pointer only.
    debug_assert_eq!(answer, 0);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Instant::from_nanos(seconds * 1_000_000_000 + nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_does_not_go_back() {
        let first = monotonic_now();
        assert!(monotonic_now() >= first);
        assert!(first > Instant::ORIGIN);
    }
}
