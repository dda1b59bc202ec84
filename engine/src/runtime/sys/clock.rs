//! The machine's clocks, read raw: the monotonic one as the pure half's [`Instant`], and its distance from the
//! wall clock in which the kernel stamps received packets.

use std::time::Duration;

use protocol::time::Instant;

/// Now, on `CLOCK_MONOTONIC`: nanoseconds since boot, the same in every process of the machine.
#[must_use]
pub fn monotonic_now() -> Instant {
    Instant::from_nanos(read_ns(libc::CLOCK_MONOTONIC))
}

/// Turns a wall-clock time of the recent past (as the kernel stamps packets) into a monotonic instant.
///
/// `None` when it lies in the future or more than ten seconds back: then the wall clock was stepped meanwhile.
#[must_use]
pub fn monotonic_from_wall(wall_ns: u64) -> Option<Instant> {
    const AGE_MAX: Duration = Duration::from_secs(10);
    let wall_now_ns = read_ns(libc::CLOCK_REALTIME);
    let now_ns = read_ns(libc::CLOCK_MONOTONIC);
    let age_ns = wall_now_ns.checked_sub(wall_ns)?;
    if u128::from(age_ns) > AGE_MAX.as_nanos() {
        return None;
    }
    now_ns.checked_sub(age_ns).map(Instant::from_nanos)
}

fn read_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid, writable timespec, and both clocks exist on every Linux.
    let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
    debug_assert_eq!(result, 0);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds * 1_000_000_000 + nanos
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_time_of_now_is_a_monotonic_time_of_now() {
        let before = monotonic_now();
        let wall_ns = read_ns(libc::CLOCK_REALTIME);
        let converted = monotonic_from_wall(wall_ns).expect("just now is not in the future");
        assert!(converted + Duration::from_millis(1) >= before);
        assert!(converted <= monotonic_now());
    }

    #[test]
    fn a_wall_time_of_the_future_or_of_long_ago_is_refused() {
        let wall_ns = read_ns(libc::CLOCK_REALTIME);
        assert_eq!(monotonic_from_wall(wall_ns + 1_000_000_000), None);
        assert_eq!(monotonic_from_wall(wall_ns - 11_000_000_000), None);
    }
}
