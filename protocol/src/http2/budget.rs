//! How often a peer may do what costs us more than it costs him.

use crate::time::Instant;

/// A bucket of events: full at first, refilled at a steady rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    capacity: u32,
    refill_per_s: u32,
    left: u32,
    refilled_at: Instant,
}

impl Budget {
    pub(super) const fn new(now: Instant, capacity: u32, refill_per_s: u32) -> Self {
        Self {
            capacity,
            refill_per_s,
            left: capacity,
            refilled_at: now,
        }
    }

    /// Takes one; whether there was one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let elapsed_ms = u64::try_from(now.saturating_since(self.refilled_at).as_millis());
        let earned = elapsed_ms.unwrap_or(u64::MAX) / 1000 * u64::from(self.refill_per_s);
        if earned > 0 {
            let left = u64::from(self.left).saturating_add(earned);
            self.left = u32::try_from(left).map_or(self.capacity, |left| left.min(self.capacity));
            self.refilled_at = now;
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_budget_holds_its_capacity_and_refills_by_the_second() {
        let at = |ms| Instant::ORIGIN + Duration::from_millis(ms);
        let mut budget = Budget::new(at(0), 3, 2);
        let taken = |budget: &mut Budget, now| (0..10).filter(|_| budget.take(now)).count();
        assert_eq!(taken(&mut budget, at(0)), 3);
        assert_eq!(taken(&mut budget, at(999)), 0);
        assert_eq!(taken(&mut budget, at(1000)), 2);
        assert_eq!(taken(&mut budget, at(60_000)), 3);
    }
}
