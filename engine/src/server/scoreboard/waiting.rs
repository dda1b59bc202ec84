//! Who was refused for lack of room and is still asking: from this a refused caller learns its place.
//!
//! Advisory: nobody is admitted or refused because of it. An entry lost to a race costs a wrong place, no more.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::time::Duration;

use protocol::time::Instant;

use crate::runtime::sys::shared_memory::plain_atomics;

/// Most addresses remembered.
const WAITING_MAX: usize = 256;
/// Who has not asked again for this long has given up: twice the longest `retry_after_s`.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(60);

plain_atomics! {
    #[derive(Debug)]
    pub(super) struct Waiting {
        callers: [Caller; WAITING_MAX],
    }
}

plain_atomics! {
    #[derive(Debug)]
    struct Caller {
        /// 0 when the entry is free.
        address_key: AtomicU64,
        first_ns: AtomicU64,
        last_ns: AtomicU64,
    }
}

impl Waiting {
    /// Notes a refused caller; its place among those who still ask, from 1.
    pub(super) fn note(&self, now: Instant, address_key: u64) -> u32 {
        let key = address_key.max(1);
        let first_ns = self.entry(now, key).map_or(now.as_nanos(), |caller| {
            caller.last_ns.store(now.as_nanos(), Relaxed);
            caller.first_ns.load(Relaxed)
        });
        let earlier = self
            .callers
            .iter()
            .filter(|caller| {
                let other = caller.address_key.load(Relaxed);
                other != 0
                    && other != key
                    && caller.is_asking(now)
                    && caller.first_ns.load(Relaxed) <= first_ns
            })
            .count();
        u32::try_from(earlier + 1).unwrap_or(u32::MAX)
    }

    /// The caller was admitted.
    pub(super) fn remove(&self, address_key: u64) {
        let key = address_key.max(1);
        for caller in &self.callers {
            if caller.address_key.load(Relaxed) == key {
                caller.address_key.store(0, Relaxed);
            }
        }
    }

    /// The caller's entry: the one it has, or a new one.
    fn entry(&self, now: Instant, key: u64) -> Option<&Caller> {
        let known = self
            .callers
            .iter()
            .find(|caller| caller.address_key.load(Relaxed) == key && caller.is_asking(now));
        known.or_else(|| {
            self.callers.iter().find(|caller| {
                let present = caller.address_key.load(Relaxed);
                if present != 0 && caller.is_asking(now) {
                    return false;
                }
                let taken = caller
                    .address_key
                    .compare_exchange(present, key, AcqRel, Relaxed)
                    .is_ok();
                if taken {
                    caller.first_ns.store(now.as_nanos(), Relaxed);
                    caller.last_ns.store(now.as_nanos(), Relaxed);
                }
                taken
            })
        })
    }
}

impl Caller {
    fn is_asking(&self, now: Instant) -> bool {
        now.saturating_since(Instant::from_nanos(self.last_ns.load(Relaxed))) < GIVEN_UP_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::sys::shared_memory::SharedMapping;

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(1_000_000_000 + seconds * 1_000_000)
    }

    #[test]
    fn the_first_to_ask_is_the_first_in_line() {
        let waiting = SharedMapping::<Waiting>::create().unwrap();
        assert_eq!(waiting.note(at(0), 11), 1);
        assert_eq!(waiting.note(at(1), 22), 2);
        assert_eq!(waiting.note(at(2), 33), 3);
        assert_eq!(waiting.note(at(3), 22), 2);
        waiting.remove(11);
        assert_eq!(waiting.note(at(4), 22), 1);
        assert_eq!(waiting.note(at(4), 33), 2);
    }

    #[test]
    fn who_stops_asking_loses_the_place() {
        let waiting = SharedMapping::<Waiting>::create().unwrap();
        assert_eq!(waiting.note(at(0), 11), 1);
        assert_eq!(waiting.note(at(50), 22), 2);
        assert_eq!(waiting.note(at(61), 22), 1);
        assert_eq!(waiting.note(at(62), 11), 2);
    }

    #[test]
    fn a_full_line_still_answers() {
        let waiting = SharedMapping::<Waiting>::create().unwrap();
        for key in 1..=300 {
            assert!(waiting.note(at(1), key) >= 1);
        }
        assert_eq!(waiting.note(at(1), 400), 257);
    }
}
