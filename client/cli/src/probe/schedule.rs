//! When probes are due: on a fixed grid of the test's clock, whatever became of earlier ones. Pure.

/// Twenty probes a second.
pub const PROBE_INTERVAL_US: u64 = 50_000;

/// The schedule of one test.
#[derive(Clone, Copy, Debug)]
pub struct ProbeSchedule {
    interval_us: u64,
    slot: u64,
    sequence: u32,
    end_us: u64,
}

/// A probe that is to be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueProbe {
    /// Counted from 0.
    pub sequence: u32,
    /// How late it is.
    pub late_us: u64,
}

impl ProbeSchedule {
    /// From 0 on; no probe is due at or after `end_us`.
    #[must_use]
    pub fn new(interval_us: u64, end_us: u64) -> Self {
        Self {
            interval_us: interval_us.max(1),
            slot: 0,
            sequence: 0,
            end_us,
        }
    }

    /// The same between two moments, on the same grid.
    #[must_use]
    pub fn between(interval_us: u64, from_us: u64, end_us: u64) -> Self {
        let mut schedule = Self::new(interval_us, end_us);
        schedule.slot = from_us.div_ceil(schedule.interval_us);
        schedule
    }

    /// When the next probe is due, µs since the start; `None` when there is none any more.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        let due_us = self.slot.saturating_mul(self.interval_us);
        (due_us < self.end_us).then_some(due_us)
    }

    /// The probe to send at `now_us`; `None` when none is due. Slots that a stalled loop slept through are not made up for: a
    /// burst would measure its own queue. Their lateness shows in the probe that follows.
    pub fn poll_probe(&mut self, now_us: u64) -> Option<DueProbe> {
        let due_us = self.poll_timeout()?;
        if now_us < due_us {
            return None;
        }
        if now_us >= self.end_us {
            self.slot = self.end_us.div_ceil(self.interval_us);
            return None;
        }
        let probe = DueProbe {
            sequence: self.sequence,
            late_us: now_us - due_us,
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.slot = now_us / self.interval_us + 1;
        Some(probe)
    }

    /// The probe whose time came by `now_us`, and when that was, where no probe can leave: each slot is one, for each is a probe
    /// that the user would have waited for in vain.
    pub fn poll_missed(&mut self, now_us: u64) -> Option<(DueProbe, u64)> {
        let due_us = self.poll_timeout().filter(|&due_us| due_us <= now_us)?;
        self.poll_probe(due_us).map(|probe| (probe, due_us))
    }

    /// Ends it: no probe is due any more.
    pub fn end(&mut self) {
        self.end_us = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_keep_to_the_grid_after_a_late_one() {
        let mut schedule = ProbeSchedule::new(PROBE_INTERVAL_US, 1_000_000);
        let probe = |sequence, late_us| Some(DueProbe { sequence, late_us });
        assert_eq!(schedule.poll_probe(0), probe(0, 0));
        assert_eq!(schedule.poll_probe(49_999), None);
        assert_eq!(schedule.poll_probe(63_000), probe(1, 13_000));
        assert_eq!(schedule.poll_timeout(), Some(100_000));
    }

    #[test]
    fn slots_slept_through_are_not_made_up_for() {
        let mut schedule = ProbeSchedule::new(PROBE_INTERVAL_US, 1_000_000);
        let late = DueProbe {
            sequence: 0,
            late_us: 420_000,
        };
        assert_eq!(schedule.poll_probe(420_000), Some(late));
        assert_eq!(schedule.poll_timeout(), Some(450_000));
    }

    #[test]
    fn a_schedule_that_begins_late_keeps_to_the_grid() {
        let schedule = ProbeSchedule::between(PROBE_INTERVAL_US, 120_000, 1_000_000);
        assert_eq!(schedule.poll_timeout(), Some(150_000));
    }

    #[test]
    fn without_a_connection_every_slot_is_a_probe() {
        let mut schedule = ProbeSchedule::new(PROBE_INTERVAL_US, 1_000_000);
        let missed = std::iter::from_fn(|| schedule.poll_missed(120_000));
        let at: Vec<u64> = missed.map(|(_, due_us)| due_us).collect();
        assert_eq!(at, [0, 50_000, 100_000]);
        assert_eq!(schedule.poll_timeout(), Some(150_000));
    }

    #[test]
    fn nothing_is_due_from_the_end_on() {
        let mut schedule = ProbeSchedule::new(PROBE_INTERVAL_US, 100_000);
        assert!(schedule.poll_probe(0).is_some());
        assert_eq!(schedule.poll_probe(100_000), None);
        assert_eq!(schedule.poll_timeout(), None);
        let mut schedule = ProbeSchedule::new(PROBE_INTERVAL_US, 100_000);
        schedule.end();
        assert_eq!(schedule.poll_probe(0), None);
    }
}
