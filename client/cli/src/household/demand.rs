//! How much the transfers ask for in adaptive mode: what the line carries, and more while that is not enough to fill it. Pure.
//!
//! A real update takes what it can get. What the capacity phase measured is where to begin; a transfer that gets nearly all it
//! asks for has not filled the line, and asks for more.

/// A transfer that gets this share of its demand could have had more.
const SATISFIED_RATIO: f64 = 0.95;
/// How much more it then asks for.
const RAISE: f64 = 1.25;
/// Between two judgements, µs: a new demand has to show first.
const JUDGEMENT_INTERVAL_US: u64 = 2_000_000;
/// The most that is asked for, Mbit/s: what the page asks for at most, too.
const DEMAND_MBPS_MAX: f64 = 500.0;

/// One transfer's demand to the client.
#[derive(Clone, Debug)]
pub(super) struct AdaptiveDemand {
    mbps: f64,
    changes: Vec<(u64, f64)>,
    next_judgement_us: u64,
}

impl AdaptiveDemand {
    /// From `start_us` on; never below the catalogue's demand.
    pub(super) fn new(start_us: u64, catalogue_mbps: f64, capacity_mbps: f64) -> Self {
        let mbps = catalogue_mbps.max(capacity_mbps.min(DEMAND_MBPS_MAX));
        Self {
            mbps,
            changes: vec![(start_us, mbps)],
            next_judgement_us: start_us + JUDGEMENT_INTERVAL_US,
        }
    }

    /// What is asked for now, Mbit/s.
    pub(super) const fn mbps(&self) -> f64 {
        self.mbps
    }

    /// Takes what was achieved over the last second. Returns the new demand when it changes.
    pub(super) fn handle_achieved(&mut self, now_us: u64, achieved_mbps: f64) -> Option<f64> {
        if now_us < self.next_judgement_us {
            return None;
        }
        self.next_judgement_us = now_us + JUDGEMENT_INTERVAL_US;
        if self.mbps >= DEMAND_MBPS_MAX || achieved_mbps < self.mbps * SATISFIED_RATIO {
            return None;
        }
        self.mbps = (self.mbps * RAISE).min(DEMAND_MBPS_MAX);
        self.changes.push((now_us, self.mbps));
        Some(self.mbps)
    }

    /// The mean demand from the start until `end_us`, Mbit/s.
    pub(super) fn mean_mbps(&self, end_us: u64) -> f64 {
        let start_us = self.changes.first().map_or(0, |change| change.0);
        if end_us <= start_us {
            return self.mbps;
        }
        let ends = self
            .changes
            .iter()
            .skip(1)
            .map(|change| change.0)
            .chain([end_us]);
        let sum: f64 = self
            .changes
            .iter()
            .zip(ends)
            .map(|(&(at_us, mbps), until_us)| {
                until_us.min(end_us).saturating_sub(at_us) as f64 * mbps
            })
            .sum();
        sum / (end_us - start_us) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;

    #[test]
    fn a_satisfied_transfer_asks_for_more_and_another_does_not() {
        let mut demand = AdaptiveDemand::new(0, 50.0, 80.0);
        assert_eq!(demand.handle_achieved(S, 80.0), None);
        assert_eq!(demand.handle_achieved(2 * S, 79.0), Some(100.0));
        assert_eq!(demand.handle_achieved(4 * S, 90.0), None);
        assert!((demand.mean_mbps(4 * S) - 90.0).abs() < 1e-9);
    }

    #[test]
    fn a_demand_is_neither_below_the_catalogues_nor_above_the_most() {
        assert!((AdaptiveDemand::new(0, 50.0, 8.0).mbps() - 50.0).abs() < 1e-9);
        let mut demand = AdaptiveDemand::new(0, 50.0, 9_000.0);
        assert!((demand.mbps() - DEMAND_MBPS_MAX).abs() < 1e-9);
        assert_eq!(demand.handle_achieved(2 * S, 500.0), None);
    }
}
