//! How many load flows one direction needs: more while the last addition still paid, and none of one that did not: with both
//! ways full, flows beyond what fills the line only hold its queues fuller. Pure; fed with goodput.

/// Flows that a direction starts with; one flow may be limited by its window rather than by the line.
pub const FLOWS_AT_START: u32 = 4;
/// Flows added at a time: six additions from 4 to 16 fit the 5 s of a warm-up.
const FLOWS_PER_ADDITION: u32 = 2;
/// An addition paid when goodput afterwards is more than this many times the goodput before.
const WORTHWHILE_GAIN: f64 = 1.05;
/// From an addition to its judgement, µs: connecting, slow start, and a measured window after both.
const JUDGEMENT_INTERVAL_US: u64 = 700_000;
/// The end of the interval over which goodput is measured for the judgement, µs.
pub const JUDGEMENT_WINDOW_US: u64 = 400_000;
/// From here on processors, not a flow's window, are what limits (four windows of 6 MB fill this at 200 ms), and further
/// flows cost them more than they bring: none is added, Mbit/s.
const ENOUGH_MBPS: f64 = 1_000.0;

/// Decides, for one direction, when to add flows.
#[derive(Clone, Copy, Debug)]
pub struct FlowCount {
    flows: u32,
    flows_max: u32,
    goodput_before_mbps: f64,
    last_addition: u32,
    next_judgement_us: u64,
    is_settled: bool,
}

impl FlowCount {
    /// `flows_at_start` is what an earlier phase reached, or [`FLOWS_AT_START`].
    #[must_use]
    pub fn new(now_us: u64, flows_max: u32, flows_at_start: u32) -> Self {
        Self {
            flows: flows_at_start.min(flows_max).max(1),
            flows_max,
            goodput_before_mbps: 0.0,
            last_addition: 0,
            next_judgement_us: now_us + JUDGEMENT_INTERVAL_US,
            is_settled: false,
        }
    }

    /// How many flows should be open now.
    #[must_use]
    pub const fn flows(&self) -> u32 {
        self.flows
    }

    /// Whether [`FlowCount::handle_goodput`] should be called at `now_us`.
    #[must_use]
    pub const fn is_due(&self, now_us: u64) -> bool {
        !self.is_settled && now_us >= self.next_judgement_us
    }

    /// Takes the mean goodput over the last [`JUDGEMENT_WINDOW_US`] in Mbit/s. Returns how many flows to add, 0 for none. The
    /// count settles at the first addition that did not pay, without that addition: a second try would read the line's noise
    /// as a gain.
    pub fn handle_goodput(&mut self, now_us: u64, goodput_mbps: f64) -> u32 {
        if !self.is_due(now_us) {
            return 0;
        }
        let did_pay = goodput_mbps > self.goodput_before_mbps * WORTHWHILE_GAIN;
        let addition = FLOWS_PER_ADDITION.min(self.flows_max.saturating_sub(self.flows));
        if goodput_mbps >= ENOUGH_MBPS || !did_pay || addition == 0 {
            self.is_settled = true;
            if !did_pay {
                self.flows -= self.last_addition;
            }
            return 0;
        }
        self.goodput_before_mbps = goodput_mbps;
        self.last_addition = addition;
        self.flows += addition;
        self.next_judgement_us = now_us + JUDGEMENT_INTERVAL_US;
        addition
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: u64 = JUDGEMENT_INTERVAL_US;

    #[test]
    fn flows_are_added_while_they_pay() {
        let mut count = FlowCount::new(0, 16, FLOWS_AT_START);
        assert_eq!(count.handle_goodput(STEP - 1, 50.0), 0);
        assert_eq!(count.handle_goodput(STEP, 50.0), 2);
        assert_eq!(count.handle_goodput(2 * STEP, 60.0), 2);
        assert_eq!(count.handle_goodput(3 * STEP, 62.0), 0);
        assert_eq!(count.handle_goodput(4 * STEP, 100.0), 0);
        assert_eq!(count.flows(), 6);
    }

    #[test]
    fn neither_the_maximum_nor_a_fast_line_gets_more() {
        let mut count = FlowCount::new(0, 5, FLOWS_AT_START);
        assert_eq!(count.handle_goodput(STEP, 50.0), 1);
        assert_eq!(count.handle_goodput(2 * STEP, 500.0), 0);
        let mut count = FlowCount::new(0, 16, FLOWS_AT_START);
        assert_eq!(count.handle_goodput(STEP, 1_000.0), 0);
        assert_eq!(count.flows(), FLOWS_AT_START);
    }
}
