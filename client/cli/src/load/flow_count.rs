//! How many load flows one direction needs: more while the last addition still paid, and none of one that did not: with both
//! ways full, flows beyond what fills the line only hold its queues fuller. What the first flows gain while they start is not
//! an addition's merit, so none is made before they are done. Pure; fed with goodput.

/// Flows that a direction starts with; one flow may be limited by its window rather than by the line.
pub const FLOWS_AT_START: u32 = 4;
/// Flows added at a time: from 4 to 16 in six additions, which fit the 5 s of a warm-up on a line of few milliseconds.
const FLOWS_PER_ADDITION: u32 = 2;
/// An addition paid when goodput afterwards is more than this many times the goodput before.
const WORTHWHILE_GAIN: f64 = 1.05;
/// From an addition to its judgement, µs: connecting, slow start, and a measured window after both.
const JUDGEMENT_INTERVAL_US: u64 = 700_000;
/// The end of the interval over which goodput is measured for the judgement, µs.
pub const JUDGEMENT_WINDOW_US: u64 = 400_000;
/// Goodput that rises by itself is waited for over this time, µs: two judgements. Slow start to 100 Mbit/s takes eight round
/// trips of 80 ms; where it takes longer, more flows fill the line sooner.
const START_US: u64 = 2 * JUDGEMENT_INTERVAL_US;
/// From here on processors, not a flow's window, are what limits (four windows of 6 MB fill this at 200 ms), and further
/// flows cost them more than they bring: none is added, Mbit/s.
const ENOUGH_MBPS: f64 = 1_000.0;

/// Decides, for one direction, when to add flows.
#[derive(Clone, Copy, Debug)]
pub struct FlowCount {
    flows: u32,
    flows_max: u32,
    /// The most that was carried in the interval before the last judgement, and since then.
    best_before_mbps: f64,
    best_mbps: f64,
    last_addition: u32,
    started_us: u64,
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
            best_before_mbps: 0.0,
            best_mbps: 0.0,
            last_addition: 0,
            started_us: now_us + START_US,
            next_judgement_us: now_us + JUDGEMENT_INTERVAL_US,
            is_settled: false,
        }
    }

    /// How many flows should be open now.
    #[must_use]
    pub const fn flows(&self) -> u32 {
        self.flows
    }

    /// Takes the mean goodput over the last [`JUDGEMENT_WINDOW_US`] in Mbit/s, as often as there is news of it. Returns how
    /// many flows to add, 0 for none. An addition is held against the best of the interval before it, not against the dip
    /// that follows an overflow of the queue. The count settles at the first addition that did not pay, without that addition: a
    /// second try would read the line's noise as a gain.
    pub fn handle_goodput(&mut self, now_us: u64, goodput_mbps: f64) -> u32 {
        if self.is_settled {
            return 0;
        }
        self.best_mbps = self.best_mbps.max(goodput_mbps);
        if now_us < self.next_judgement_us {
            return 0;
        }
        self.next_judgement_us = now_us + JUDGEMENT_INTERVAL_US;
        if self.best_before_mbps <= 0.0 && self.best_mbps <= 0.0 {
            // On a long path nothing has been counted yet, which says nothing of the flows.
            return 0;
        }
        let is_more = goodput_mbps > self.best_before_mbps * WORTHWHILE_GAIN;
        self.best_before_mbps = std::mem::take(&mut self.best_mbps);
        let is_tried = self.last_addition > 0;
        let is_enough = goodput_mbps >= ENOUGH_MBPS;
        if !is_tried && !is_enough && now_us < self.started_us {
            return 0;
        }
        let did_not_pay = is_tried && !is_more;
        let addition = FLOWS_PER_ADDITION.min(self.flows_max.saturating_sub(self.flows));
        if is_enough || did_not_pay || addition == 0 {
            self.is_settled = true;
            if did_not_pay {
                self.flows -= self.last_addition;
            }
            return 0;
        }
        self.last_addition = addition;
        self.flows += addition;
        addition
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: u64 = JUDGEMENT_INTERVAL_US;

    /// The number of flows after each judgement.
    fn grow(mut count: FlowCount, goodputs_mbps: &[f64]) -> Vec<u32> {
        let mut now_us = 0;
        goodputs_mbps
            .iter()
            .map(|&goodput_mbps| {
                now_us += STEP;
                count.handle_goodput(now_us, goodput_mbps);
                count.flows()
            })
            .collect()
    }

    #[test]
    fn nothing_is_judged_before_its_time() {
        let mut count = FlowCount::new(0, 16, FLOWS_AT_START);
        assert_eq!(count.handle_goodput(STEP, 50.0), 0);
        assert_eq!(count.handle_goodput(2 * STEP - 1, 50.0), 0);
        assert_eq!(count.handle_goodput(2 * STEP, 50.0), 2);
    }

    #[test]
    fn an_addition_after_a_dip_pays_when_it_beats_what_was_before_the_dip() {
        let mut count = FlowCount::new(0, 16, FLOWS_AT_START);
        assert_eq!(count.handle_goodput(STEP, 48.0), 0);
        assert_eq!(count.handle_goodput(STEP + STEP / 2, 48.0), 0);
        assert_eq!(count.handle_goodput(2 * STEP, 40.0), 2);
        assert_eq!(count.handle_goodput(3 * STEP, 48.0), 0);
        assert_eq!(count.flows(), FLOWS_AT_START);
    }

    #[test]
    fn flows_are_added_while_they_pay_and_the_last_addition_is_taken_back() {
        let count = FlowCount::new(0, 16, FLOWS_AT_START);
        assert_eq!(
            grow(count, &[50.0, 50.0, 60.0, 62.0, 100.0]),
            [4, 6, 8, 6, 6]
        );
    }

    #[test]
    fn what_the_first_flows_gain_by_themselves_is_no_reason_for_more() {
        let count = FlowCount::new(0, 16, FLOWS_AT_START);
        assert_eq!(grow(count, &[16.0, 48.0, 48.0]), [4, 6, 4]);
    }

    #[test]
    fn nothing_is_tried_before_anything_was_counted() {
        let count = FlowCount::new(0, 16, FLOWS_AT_START);
        assert_eq!(grow(count, &[0.0, 0.0, 16.0, 48.0, 48.0]), [4, 4, 6, 8, 6]);
    }

    #[test]
    fn a_long_slow_start_gets_more_flows() {
        let count = FlowCount::new(0, 16, FLOWS_AT_START);
        assert_eq!(grow(count, &[1.0, 4.0, 16.0, 40.0, 40.0]), [4, 6, 8, 10, 8]);
    }

    #[test]
    fn neither_the_maximum_nor_a_fast_line_gets_more() {
        let count = FlowCount::new(0, 5, FLOWS_AT_START);
        assert_eq!(grow(count, &[50.0, 50.0, 500.0]), [4, 5, 5]);
        let count = FlowCount::new(0, 16, FLOWS_AT_START);
        assert_eq!(grow(count, &[1_000.0, 1_000.0, 3_000.0]), [4, 4, 4]);
    }
}
