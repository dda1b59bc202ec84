//! One hierarchical timing wheel for each loop: a deadline for each driver, scheduled, moved and cancelled in
//! constant time (Varghese and Lauck, 1987, scheme 7). Knows keys and instants, not what they are for.
//!
//! Never early; late by less than one tick of 65.5 µs, a fifteenth of what pacing allows.

use protocol::time::Instant;

/// log2 of a tick in nanoseconds.
const TICK_SHIFT: u32 = 16;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// Six levels of 64 slots reach 52 days; a later deadline waits in the last level and is sorted in again.
const LEVELS: usize = 6;
/// Room for so many deadlines that are sorted in again at once; more make it grow.
const CASCADED_AT_FIRST: usize = 1_024;
const NONE: u32 = u32::MAX;

/// Deadlines by key. A key is a small integer (a slab index): storage grows with the largest one.
#[derive(Debug)]
pub struct TimerWheel {
    elapsed_tick: u64,
    levels: [Level; LEVELS],
    entries: Vec<Entry>,
    cascade: Vec<u32>,
}

#[derive(Debug)]
struct Level {
    occupied: u64,
    heads: [u32; SLOTS],
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    deadline_tick: u64,
    previous: u32,
    next: u32,
    place: Option<Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    level: u8,
    slot: u8,
}

impl TimerWheel {
    /// An empty wheel that starts at `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            elapsed_tick: now.as_nanos() >> TICK_SHIFT,
            levels: std::array::from_fn(|_| Level {
                occupied: 0,
                heads: [NONE; SLOTS],
            }),
            entries: Vec::new(),
            cascade: Vec::with_capacity(CASCADED_AT_FIRST),
        }
    }

    /// Sets the deadline of `key`, in place of the one it may have had.
    pub fn schedule(&mut self, key: u32, deadline: Instant) {
        self.cancel(key);
        let index = key as usize;
        if index >= self.entries.len() {
            let empty = Entry {
                deadline_tick: 0,
                previous: NONE,
                next: NONE,
                place: None,
            };
            self.entries.resize(index + 1, empty);
        }
        // Rounded up, so that nothing fires early.
        let tick = deadline.as_nanos().div_ceil(1 << TICK_SHIFT);
        self.entries[index].deadline_tick = tick.max(self.elapsed_tick);
        self.link(key);
    }

    /// Forgets the deadline of `key`.
    pub fn cancel(&mut self, key: u32) {
        if self
            .entries
            .get(key as usize)
            .is_some_and(|entry| entry.place.is_some())
        {
            self.unlink(key);
        }
    }

    /// The deadline of `key`, rounded up to the tick at which it fires.
    #[must_use]
    pub fn deadline(&self, key: u32) -> Option<Instant> {
        let entry = self.entries.get(key as usize)?;
        entry.place.map(|_| instant(entry.deadline_tick))
    }

    /// When [`TimerWheel::expire`] must be called next: at or before the earliest deadline.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Instant> {
        self.next_slot().map(|(_, start_tick)| instant(start_tick))
    }

    /// Moves the wheel to `now` and appends every key whose deadline has come to `expired`; their deadlines are forgotten.
    pub fn expire(&mut self, now: Instant, expired: &mut Vec<u32>) {
        let now_tick = now.as_nanos() >> TICK_SHIFT;
        while let Some((place, start_tick)) = self.next_slot() {
            if start_tick > now_tick {
                break;
            }
            self.elapsed_tick = self.elapsed_tick.max(start_tick);
            self.take_slot(place, expired);
        }
        self.elapsed_tick = self.elapsed_tick.max(now_tick);
    }

    fn take_slot(&mut self, place: Place, expired: &mut Vec<u32>) {
        let mut cascade = std::mem::take(&mut self.cascade);
        let level = &mut self.levels[place.level as usize];
        let mut key = std::mem::replace(&mut level.heads[place.slot as usize], NONE);
        level.occupied &= !(1 << place.slot);
        while key != NONE {
            let entry = &mut self.entries[key as usize];
            let next = entry.next;
            entry.place = None;
            if entry.deadline_tick <= self.elapsed_tick {
                expired.push(key);
            } else {
                cascade.push(key);
            }
            key = next;
        }
        for key in cascade.drain(..) {
            self.link(key);
        }
        self.cascade = cascade;
    }

    /// The earliest occupied slot and the tick at which it begins.
    fn next_slot(&self) -> Option<(Place, u64)> {
        self.levels.iter().enumerate().find_map(|(index, level)| {
            if level.occupied == 0 {
                return None;
            }
            let slot_shift = SLOT_BITS * index as u32;
            let current_slot = ((self.elapsed_tick >> slot_shift) & (SLOTS as u64 - 1)) as u32;
            let ahead = level.occupied.rotate_right(current_slot).trailing_zeros();
            let slot = (current_slot + ahead) % SLOTS as u32;
            let start_tick = ((self.elapsed_tick >> slot_shift) + u64::from(ahead)) << slot_shift;
            Some((
                Place {
                    level: index as u8,
                    slot: slot as u8,
                },
                start_tick,
            ))
        })
    }

    fn link(&mut self, key: u32) {
        let tick = self.entries[key as usize].deadline_tick;
        let place = place_of(self.elapsed_tick, tick);
        let level = &mut self.levels[place.level as usize];
        let head = std::mem::replace(&mut level.heads[place.slot as usize], key);
        level.occupied |= 1 << place.slot;
        if head != NONE {
            self.entries[head as usize].previous = key;
        }
        let entry = &mut self.entries[key as usize];
        entry.previous = NONE;
        entry.next = head;
        entry.place = Some(place);
    }

    fn unlink(&mut self, key: u32) {
        let Entry {
            previous,
            next,
            place,
            ..
        } = self.entries[key as usize];
        let Some(place) = place else { return };
        if next != NONE {
            self.entries[next as usize].previous = previous;
        }
        if previous == NONE {
            let level = &mut self.levels[place.level as usize];
            level.heads[place.slot as usize] = next;
            if next == NONE {
                level.occupied &= !(1 << place.slot);
            }
        } else {
            self.entries[previous as usize].next = next;
        }
        self.entries[key as usize].place = None;
    }
}

fn instant(tick: u64) -> Instant {
    Instant::from_nanos(tick << TICK_SHIFT)
}

/// The level is that of the highest slot digit in which the deadline differs from the present.
fn place_of(elapsed_tick: u64, tick: u64) -> Place {
    let differing = (elapsed_tick ^ tick) | (SLOTS as u64 - 1);
    let highest_bit = 63 - differing.leading_zeros();
    let level = (highest_bit / SLOT_BITS).min(LEVELS as u32 - 1);
    let slot = (tick >> (SLOT_BITS * level)) & (SLOTS as u64 - 1);
    Place {
        level: level as u8,
        slot: slot as u8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::time::Duration;

    const TICK: Duration = Duration::from_nanos(1 << TICK_SHIFT);

    #[test]
    fn a_deadline_fires_once_and_never_early() {
        let start = Instant::from_micros(123_456);
        let mut wheel = TimerWheel::new(start);
        let deadline = start + Duration::from_micros(15_600);
        wheel.schedule(3, deadline);
        let mut expired = Vec::new();
        wheel.expire(deadline + Duration::ZERO, &mut expired);
        if expired.is_empty() {
            wheel.expire(deadline + TICK, &mut expired);
        }
        assert_eq!(expired, [3]);
        wheel.expire(deadline + Duration::from_secs(100), &mut expired);
        assert_eq!(expired, [3]);
        assert_eq!(wheel.next_expiry(), None);
    }

    #[test]
    fn a_deadline_of_the_past_fires_at_the_next_turn_and_not_twice_in_one() {
        let start = Instant::from_micros(1_000_000);
        let mut wheel = TimerWheel::new(start);
        wheel.schedule(0, Instant::ORIGIN);
        let mut expired = Vec::new();
        wheel.expire(start, &mut expired);
        assert_eq!(expired, [0]);
        wheel.schedule(0, Instant::ORIGIN);
        assert!(wheel.next_expiry().is_some_and(|next| next <= start));
    }

    #[test]
    fn a_cancelled_deadline_never_fires() {
        let mut wheel = TimerWheel::new(Instant::ORIGIN);
        for key in 0..5 {
            wheel.schedule(key, Instant::from_micros(1_000));
        }
        wheel.cancel(2);
        wheel.cancel(4);
        let mut expired = Vec::new();
        wheel.expire(Instant::from_micros(2_000), &mut expired);
        expired.sort_unstable();
        assert_eq!(expired, [0, 1, 3]);
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_sorted_map(
            operations in prop::collection::vec((0_u32..24, 0_u64..40_000_000_000, 0_u64..3_000_000_000), 1..200)
        ) {
            let mut now = Instant::from_nanos(987_654_321);
            let mut wheel = TimerWheel::new(now);
            let mut model = BTreeMap::new();
            let mut expired = Vec::new();
            for (key, ahead_ns, step_ns) in operations {
                if ahead_ns % 7 == 0 {
                    wheel.cancel(key);
                    model.remove(&key);
                } else {
                    let deadline = now + Duration::from_nanos(ahead_ns);
                    wheel.schedule(key, deadline);
                    model.insert(key, deadline);
                }
                if let (Some(next), Some(earliest)) = (wheel.next_expiry(), model.values().min()) {
                    prop_assert!(next <= *earliest + TICK);
                }
                prop_assert_eq!(wheel.next_expiry().is_some(), !model.is_empty());
                now = now + Duration::from_nanos(step_ns);
                expired.clear();
                wheel.expire(now, &mut expired);
                for key in &expired {
                    let deadline = model.remove(key);
                    prop_assert!(deadline.is_some_and(|deadline| deadline <= now), "early, or twice");
                }
                let overdue = model.values().filter(|deadline| **deadline + TICK <= now).count();
                prop_assert_eq!(overdue, 0, "late by a tick");
            }
        }
    }
}
