//! Which direction queues: the split of a latency increase by the four timestamps of each probe.
//!
//! The one-way times `node_receive − sent` (up) and `received − node_send` (down) are taken on two clocks. Their offset
//! adds to one what it takes from the other and cancels against each direction's own idle time. Their drift does not
//! cancel: 50 ppm are 2 ms in 40 s. It is removed with a straight line under the samples of both directions:
//!
//! For a drift δ the idle time of a direction is the lowest line of that slope under its samples. Too large a δ lets the
//! line rise above later idle samples of one direction, so the line must be lowered there; too small a δ does so in the
//! other direction. The true δ therefore maximises the sum of the two lines' heights, whichever samples happened to be
//! idle: the quiet seconds before, between and after the load all count by themselves, and so does the idle direction
//! while the other one is loaded. (The idea of fitting under the samples: Moon, Skelly, Towsley, "Estimation and removal
//! of clock skew from network delay measurements", INFOCOM 1999.) The sum is a concave function of δ. Where only the
//! baseline was idle it is nearly flat, and noise would choose; so of all δ that are as good as the best within the noise
//! of the idle line, the smallest is taken.

use super::latency::round_trip_us;
use super::statistics::{Sorted, mean};
use crate::message::samples::ProbeSample;

/// Largest drift between two clocks that is believed: quartz is specified to 100 ppm, and a virtual machine's clock under
/// correction reaches 500 ppm, the slew limit of NTP (RFC 5905).
const DRIFT_MAX: f64 = 500e-6;
/// Two lines whose heights differ by less than this, in µs, are equally good: the resolution of a browser's clock.
const HEIGHT_TOLERANCE_US: f64 = 100.0;
/// The tolerance grows with the noise of the idle line, up to this, in µs.
const HEIGHT_TOLERANCE_US_MAX: f64 = 2_000.0;
/// The split of an increase that is small against this, in µs, is half and half rather than a quotient of noise.
const SHARE_SOFTENING_US: f64 = 1_000.0;

/// The idle one-way times of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdlePath {
    /// A one-way time that both directions are counted from, so that clock offsets do not cost precision.
    origin_up_us: i64,
    origin_down_us: i64,
    /// How much faster the node's clock runs, as a ratio.
    drift: f64,
    /// Heights of the two lines at time 0.
    floor_up_us: f64,
    floor_down_us: f64,
    /// Median height of the baseline's samples above the lines.
    idle_up_us: f64,
    idle_down_us: f64,
}

/// An increase by direction. The two add up to the increase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Split {
    pub(super) up_us: f64,
    pub(super) down_us: f64,
}

impl IdlePath {
    /// Fits the path under all probes of a test; `baseline` are those of the idle phase. `None` when the probes carry no
    /// times of the node.
    pub(super) fn fit(probes: &[ProbeSample], baseline: &[ProbeSample]) -> Option<Self> {
        let (first_up_us, first_down_us) = baseline.iter().find_map(one_way_us)?;
        let mut path = Self {
            origin_up_us: first_up_us,
            origin_down_us: first_down_us,
            drift: 0.0,
            floor_up_us: 0.0,
            floor_down_us: 0.0,
            idle_up_us: 0.0,
            idle_down_us: 0.0,
        };
        let points: Vec<Heights> = probes.iter().filter_map(|p| path.heights(p)).collect();
        let up = lower_hull(points.iter().map(|point| point.up).collect());
        let down = lower_hull(points.iter().map(|point| point.down).collect());

        path.drift = fit_drift(&up, &down, height_tolerance_us(baseline));
        path.floor_up_us = floor(&up, path.drift);
        path.floor_down_us = floor(&down, -path.drift);
        let idle: Vec<(f64, f64)> = baseline.iter().filter_map(|p| path.queued(p)).collect();
        path.idle_up_us = Sorted::new(idle.iter().map(|queued| queued.0).collect())?.median();
        path.idle_down_us = Sorted::new(idle.iter().map(|queued| queued.1).collect())?.median();
        Some(path)
    }

    /// Splits `increase_us`, the increase of a phase whose kept probes these are. What the probes with four timestamps
    /// do not explain of it (lost probes, the median of a sum not being the sum of medians) is shared out in proportion.
    pub(super) fn split(&self, kept: &[ProbeSample], increase_us: f64) -> Option<Split> {
        let queued: Vec<(f64, f64)> = kept.iter().filter_map(|p| self.queued(p)).collect();
        let up: Vec<f64> = queued.iter().map(|queued| queued.0).collect();
        let down: Vec<f64> = queued.iter().map(|queued| queued.1).collect();
        let up_us = mean(&up)? - self.idle_up_us;
        let down_us = mean(&down)? - self.idle_down_us;
        let share = (up_us.max(0.0) + SHARE_SOFTENING_US / 2.0)
            / (up_us.max(0.0) + down_us.max(0.0) + SHARE_SOFTENING_US);
        let unexplained_us = increase_us - up_us - down_us;
        let up_us = up_us + share * unexplained_us;
        Some(Split {
            up_us,
            down_us: increase_us - up_us,
        })
    }

    /// How far above the idle line something was that the node sent at `node_send_us` on its clock. Traffic messages are
    /// stamped with the clock that stamps echoes: the machine's, which is one for all processes of a node.
    pub(super) fn down_delay_us(&self, node_send_us: u64, received_us: u64) -> Option<f64> {
        let transit_us = signed(received_us)? - signed(node_send_us)?;
        let height_us = (transit_us - self.origin_down_us) as f64;
        Some(height_us - self.floor_down_us + self.drift * received_us as f64)
    }

    /// How far above the idle lines a probe was, up and down.
    fn queued(&self, probe: &ProbeSample) -> Option<(f64, f64)> {
        let Heights { up, down } = self.heights(probe)?;
        Some((
            up.1 - self.floor_up_us - self.drift * up.0,
            down.1 - self.floor_down_us + self.drift * down.0,
        ))
    }

    fn heights(&self, probe: &ProbeSample) -> Option<Heights> {
        let (up_us, down_us) = one_way_us(probe)?;
        let received_us = probe.received_us?;
        Some(Heights {
            up: (probe.sent_us as f64, (up_us - self.origin_up_us) as f64),
            down: (received_us as f64, (down_us - self.origin_down_us) as f64),
        })
    }
}

/// A probe in both directions, as (client's time, one-way time above the origin), µs.
#[derive(Clone, Copy, Debug)]
struct Heights {
    up: (f64, f64),
    down: (f64, f64),
}

/// One-way times up and down, each with the clocks' offset in it. Checked times are below 2^53, so nothing overflows.
fn one_way_us(probe: &ProbeSample) -> Option<(i64, i64)> {
    let sent_us = signed(probe.sent_us)?;
    let received_us = signed(probe.received_us?)?;
    let node_receive_us = signed(probe.node_receive_us?)?;
    let node_send_us = signed(probe.node_send_us?)?;
    Some((node_receive_us - sent_us, received_us - node_send_us))
}

fn signed(time_us: u64) -> Option<i64> {
    i64::try_from(time_us).ok()
}

/// The noise of the idle line: a quarter of the median's distance to the minimum of the idle round trips.
fn height_tolerance_us(baseline: &[ProbeSample]) -> f64 {
    let noise_us = Sorted::new(baseline.iter().filter_map(round_trip_us).collect())
        .map_or(0.0, |idle| idle.median() - idle.min());
    (HEIGHT_TOLERANCE_US + noise_us / 4.0).min(HEIGHT_TOLERANCE_US_MAX)
}

/// Height at time 0 of the highest line of this slope that lies under all points.
fn floor(hull: &[(f64, f64)], slope: f64) -> f64 {
    hull.iter()
        .map(|&(time, height)| height - slope * time)
        .fold(f64::INFINITY, f64::min)
}

/// The points that a line from below can touch: the lower convex hull (Andrew's monotone chain).
fn lower_hull(mut points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut hull: Vec<(f64, f64)> = Vec::new();
    for point in points {
        while let [.., a, b] = hull[..] {
            let turn = (b.0 - a.0) * (point.1 - a.1) - (b.1 - a.1) * (point.0 - a.0);
            if turn > 0.0 {
                break;
            }
            hull.pop();
        }
        hull.push(point);
    }
    hull
}

/// The smallest drift whose two lines are, together, within the tolerance of the highest possible.
fn fit_drift(up: &[(f64, f64)], down: &[(f64, f64)], tolerance_us: f64) -> f64 {
    let height = |drift: f64| floor(up, drift) + floor(down, -drift);
    // Ternary search of a concave function: 60 thirds of 1 000 ppm are far below a part in 10^12.
    let (mut low, mut high) = (-DRIFT_MAX, DRIFT_MAX);
    for _ in 0..60 {
        let third = (high - low) / 3.0;
        if height(low + third) < height(high - third) {
            low += third;
        } else {
            high -= third;
        }
    }
    let best = f64::midpoint(low, high);
    let enough = height(best) - tolerance_us;
    // From zero to the best the height only rises: bisect for the first drift that is high enough.
    if height(0.0) >= enough {
        return 0.0;
    }
    let (mut too_small, mut sufficient) = (0.0, best);
    for _ in 0..40 {
        let middle = f64::midpoint(too_small, sufficient);
        if height(middle) >= enough {
            sufficient = middle;
        } else {
            too_small = middle;
        }
    }
    sufficient
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A probe over a line with these one-way times, seen by a node whose clock is off by `offset_us` and drifts.
    fn probe(sequence: u32, up_us: u64, down_us: u64, drift: f64) -> ProbeSample {
        let sent_us = u64::from(sequence) * 50_000;
        let node_clock = |time_us: u64| 9_000_000_000 + time_us + (time_us as f64 * drift) as u64;
        ProbeSample {
            sequence,
            sent_us,
            received_us: Some(sent_us + up_us + down_us + 40),
            node_receive_us: Some(node_clock(sent_us + up_us)),
            node_send_us: Some(node_clock(sent_us + up_us + 40)),
        }
    }

    /// 5 s idle, 15 s with `up_us`/`down_us` on top, 5 s idle in the other direction's favour.
    fn test(queue_up_us: u64, queue_down_us: u64, drift: f64) -> Vec<ProbeSample> {
        (0..500)
            .map(|sequence| {
                let jitter_us = u64::from(sequence * 7919 % 13) * 30;
                let loaded = (100..400).contains(&sequence);
                probe(
                    sequence,
                    10_000 + jitter_us + if loaded { queue_up_us } else { 0 },
                    5_000 + jitter_us + if loaded { queue_down_us } else { 0 },
                    drift,
                )
            })
            .collect()
    }

    #[test]
    fn clock_offset_and_drift_do_not_reach_the_split() {
        for drift in [0.0, 50e-6, 400e-6] {
            for (queue_up_us, queue_down_us) in [(80_000, 0), (0, 80_000), (20_000, 60_000)] {
                let probes = test(queue_up_us, queue_down_us, drift);
                let path = IdlePath::fit(&probes, &probes[..100]).expect("four timestamps");
                let split = path.split(&probes[100..400], 80_000.0).expect("probes");
                assert!(
                    (split.up_us - queue_up_us as f64).abs() < 500.0,
                    "drift {drift}: {split:?}"
                );
                assert!((split.up_us + split.down_us - 80_000.0).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn without_a_later_idle_sample_no_drift_is_invented() {
        // Both directions stay loaded to the end, so the drift is only seen within the baseline, where noise exceeds it.
        let mut probes = test(100_000, 100_000, 0.0);
        probes.truncate(400);
        let path = IdlePath::fit(&probes, &probes[..100]).expect("four timestamps");
        assert_eq!(path.drift, 0.0);
        let split = path.split(&probes[100..], 200_000.0).expect("probes");
        assert!((split.up_us - 100_000.0).abs() < 500.0, "{split:?}");
    }

    #[test]
    fn the_drift_is_found_to_a_few_parts_in_a_million() {
        let probes = test(80_000, 0, 200e-6);
        let path = IdlePath::fit(&probes, &probes[..100]).expect("four timestamps");
        assert!((path.drift - 200e-6).abs() < 20e-6, "{}", path.drift);
    }

    #[test]
    fn the_hull_keeps_what_a_line_from_below_can_touch() {
        let points = vec![(0.0, 1.0), (1.0, 5.0), (2.0, 0.0), (3.0, 9.0), (4.0, 2.0)];
        assert_eq!(lower_hull(points), [(0.0, 1.0), (2.0, 0.0), (4.0, 2.0)]);
        assert_eq!(floor(&[(0.0, 1.0), (2.0, 0.0), (4.0, 2.0)], 0.5), -1.0);
    }

    #[test]
    fn probes_without_the_nodes_times_are_not_split() {
        let mut probes = test(1_000, 0, 0.0);
        for probe in &mut probes {
            probe.node_receive_us = None;
            probe.node_send_us = None;
        }
        assert!(IdlePath::fit(&probes, &probes[..100]).is_none());
    }
}
