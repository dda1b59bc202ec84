//! Goodput of one direction over one phase, from the receiver's byte counts.
//!
//! The counts come when their counter got round to it, not every 100 ms. Each is spread evenly over its own interval, and
//! an interval that crosses a boundary gives each side its part.

use super::phases::Window;
use super::statistics::Sorted;
use crate::message::samples::{Direction, FlowCountSample, GoodputSample};

/// The beginning of a phase that does not count: its flows are still starting.
const SETTLE_US: u64 = 1_000_000;
/// Width of the bins whose percentiles are reported.
const BIN_US: u64 = 100_000;
/// An interval is at most this long. A longer silence between two counts was a pause of the load, not a slow count: the
/// bytes came at its end.
const INTERVAL_US_MAX: u64 = 2_000_000;

/// Goodput of a direction in a phase, Mbit/s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Goodput {
    pub(super) mean_mbps: f64,
    pub(super) p10_mbps: f64,
    pub(super) p90_mbps: f64,
    /// Means of the first and the last third, to tell whether it was still rising.
    pub(super) first_third_mbps: f64,
    pub(super) last_third_mbps: f64,
}

impl Goodput {
    /// Goodput after the phase's first second (its first quarter, when the phase is shorter than 4 s). `None` when the
    /// receiver counted nothing then. The samples must have been checked.
    pub(super) fn of(counts: Counts<'_>, phase: impl Into<Window>) -> Option<Self> {
        let phase = phase.into();
        let settle_us = SETTLE_US.min(phase.length_us() / 4);
        let window = Window {
            start_us: phase.start_us + settle_us,
            end_us: phase.end_us,
        };
        let third_us = window.length_us() / 3;
        let first_third = Window {
            end_us: window.start_us + third_us,
            ..window
        };
        let last_third = Window {
            start_us: window.end_us - third_us,
            ..window
        };
        let mean_mbps = counts.mean_mbps(window)?;
        let bins = Sorted::new(counts.bins_mbps(window, BIN_US));
        let percentile = |p| bins.as_ref().map_or(mean_mbps, |bins| bins.percentile(p));
        Some(Self {
            mean_mbps,
            p10_mbps: percentile(10.0),
            p90_mbps: percentile(90.0),
            first_third_mbps: counts.mean_mbps(first_third).unwrap_or(0.0),
            last_third_mbps: counts.mean_mbps(last_third).unwrap_or(0.0),
        })
    }
}

/// The counts of one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts<'a> {
    pub(super) samples: &'a [GoodputSample],
    pub(super) flows: &'a [FlowCountSample],
    pub(super) direction: Direction,
    /// Nothing was counted before it.
    pub(super) since_us: u64,
}

impl Counts<'_> {
    /// Mean over a window; `None` when nothing was counted in it.
    pub(super) fn mean_mbps(self, window: Window) -> Option<f64> {
        let mut bytes = 0.0;
        let mut counted = false;
        for interval in self.intervals() {
            let share = interval.within(window.start_us, window.end_us);
            counted |= share.length_us() > 0;
            bytes += share.bytes;
        }
        counted.then(|| mbps(bytes, window.length_us()))
    }

    /// Means of the window's whole bins of this width.
    pub(super) fn bins_mbps(self, window: Window, width_us: u64) -> Vec<f64> {
        let count = window.length_us() / width_us;
        let mut bins = vec![0.0; usize::try_from(count).unwrap_or(0)];
        for interval in self.intervals() {
            let share = interval.within(window.start_us, window.end_us);
            add_to_bins(&mut bins, window.start_us, width_us, share);
        }
        bins.iter().map(|&bytes| mbps(bytes, width_us)).collect()
    }

    /// The counts as intervals. One begins at the count before it, or where the direction's first flow was opened since,
    /// whichever is later.
    fn intervals(self) -> impl Iterator<Item = Interval> {
        let mut opened = self.openings().into_iter().peekable();
        let mut opened_us = self.since_us;
        let mut before_us = 0;
        let mut carried_bytes = 0;
        self.samples
            .iter()
            .filter(move |sample| sample.direction == self.direction)
            .filter_map(move |sample| {
                while let Some(next_us) = opened.next_if(|&at_us| at_us < sample.at_us) {
                    opened_us = opened_us.max(next_us);
                }
                let start_us = before_us
                    .max(opened_us)
                    .max(sample.at_us.saturating_sub(INTERVAL_US_MAX));
                // Two counts within one tick of the clock are one count.
                carried_bytes += sample.bytes;
                if start_us >= sample.at_us {
                    return None;
                }
                before_us = sample.at_us;
                Some(Interval {
                    start_us,
                    end_us: sample.at_us,
                    bytes: std::mem::take(&mut carried_bytes) as f64,
                })
            })
    }

    /// The times at which the direction went from no flow to some.
    fn openings(self) -> Vec<u64> {
        let mut open = 0;
        let mut times_us = Vec::new();
        for change in self.flows {
            if change.direction != self.direction {
                continue;
            }
            if open == 0 && change.flows > 0 {
                times_us.push(change.at_us);
            }
            open = change.flows;
        }
        times_us
    }
}

/// Bytes that arrived evenly over a time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Interval {
    start_us: u64,
    end_us: u64,
    bytes: f64,
}

impl Interval {
    fn length_us(self) -> u64 {
        self.end_us - self.start_us
    }

    /// The part of it within two times.
    fn within(self, from_us: u64, to_us: u64) -> Self {
        let start_us = self.start_us.clamp(from_us, to_us);
        let end_us = self.end_us.clamp(from_us, to_us);
        let length_us = self.length_us();
        let bytes = if length_us == 0 {
            0.0
        } else {
            self.bytes * (end_us - start_us) as f64 / length_us as f64
        };
        Self {
            start_us,
            end_us,
            bytes,
        }
    }
}

fn add_to_bins(bins: &mut [f64], origin_us: u64, width_us: u64, interval: Interval) {
    let bin_of =
        |time_us: u64| usize::try_from((time_us - origin_us) / width_us).unwrap_or(usize::MAX);
    let first = bin_of(interval.start_us);
    let last = bin_of(interval.end_us);
    for (bin, bytes) in bins
        .iter_mut()
        .enumerate()
        .take(last.saturating_add(1))
        .skip(first)
    {
        let start_us = origin_us + bin as u64 * width_us;
        *bytes += interval.within(start_us, start_us + width_us).bytes;
    }
}

/// Bits a microsecond are megabits a second; nothing in no time is nothing.
fn mbps(bytes: f64, over_us: u64) -> f64 {
    if over_us == 0 {
        return 0.0;
    }
    bytes * 8.0 / over_us as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHASE: Window = Window {
        start_us: 10_000_000,
        end_us: 20_000_000,
    };

    fn counted(counts: &[(u64, u64)]) -> Vec<GoodputSample> {
        counts
            .iter()
            .map(|&(at_us, bytes)| GoodputSample {
                at_us,
                direction: Direction::Down,
                bytes,
            })
            .collect()
    }

    fn of(samples: &[GoodputSample], direction: Direction) -> Option<Goodput> {
        Goodput::of(counts_of(samples, &[], direction), PHASE)
    }

    fn counts_of<'a>(
        samples: &'a [GoodputSample],
        flows: &'a [FlowCountSample],
        direction: Direction,
    ) -> Counts<'a> {
        Counts {
            samples,
            flows,
            direction,
            since_us: 0,
        }
    }

    #[test]
    fn a_steady_rate_is_the_same_however_unevenly_it_is_counted() {
        // 1 byte a microsecond, counted every 70 ms and every 230 ms in turn: 8 Mbit/s.
        let mut counts = Vec::new();
        let mut at_us = 9_000_000;
        while at_us < 21_000_000 {
            for step_us in [70_000, 230_000] {
                at_us += step_us;
                counts.push((at_us, step_us));
            }
        }
        let goodput = of(&counted(&counts), Direction::Down).expect("counts");
        for mbps in [
            goodput.mean_mbps,
            goodput.p10_mbps,
            goodput.p90_mbps,
            goodput.first_third_mbps,
            goodput.last_third_mbps,
        ] {
            assert!((mbps - 8.0).abs() < 1e-9, "{goodput:?}");
        }
        assert_eq!(of(&counted(&counts), Direction::Up), None);
    }

    #[test]
    fn the_first_second_and_the_other_side_of_a_boundary_do_not_count() {
        // An interval from 10.5 to 11.5 s: half of its bytes are in the window that begins at 11 s.
        let samples = counted(&[(10_500_000, 777), (11_500_000, 2_000_000), (20_500_000, 0)]);
        let goodput = of(&samples, Direction::Down).expect("counts");
        assert_eq!(goodput.mean_mbps, 1_000_000.0 * 8.0 / 9_000_000.0);
        assert_eq!(goodput.p10_mbps, 0.0);
        // Five of the 90 bins carry 200 kB/s × 10 = 16 Mbit/s; they are the top eighteenth.
        assert_eq!(goodput.p90_mbps, 0.0);
        assert_eq!(goodput.last_third_mbps, 0.0);
    }

    #[test]
    fn bytes_are_not_spread_over_the_time_before_the_flows_opened() {
        let samples = counted(&[(5_000_000, 1), (15_000_000, 1_000_000)]);
        let flows = [
            FlowCountSample {
                at_us: 5_000_001,
                direction: Direction::Down,
                flows: 0,
            },
            FlowCountSample {
                at_us: 14_900_000,
                direction: Direction::Down,
                flows: 4,
            },
        ];
        let intervals: Vec<Interval> = counts_of(&samples, &flows, Direction::Down)
            .intervals()
            .collect();
        assert_eq!(intervals[1].start_us, 14_900_000);
    }

    #[test]
    fn two_counts_at_one_time_are_one() {
        let samples = counted(&[(1_000_000, 5), (1_000_000, 7), (1_100_000, 1)]);
        let intervals: Vec<Interval> = counts_of(&samples, &[], Direction::Down)
            .intervals()
            .collect();
        let bytes: f64 = intervals.iter().map(|interval| interval.bytes).sum();
        assert_eq!((intervals.len(), bytes), (2, 13.0));
    }
}
