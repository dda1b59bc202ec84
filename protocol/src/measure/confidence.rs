//! Whether a result can be taken at its word, and if not, why: each reason with the number that shows it.
//!
//! Owns the thresholds and the words. A reason never changes a grade; it says before the grade what to think of it.

use super::goodput::Goodput;
use super::phases::Window;
use super::statistics::Sorted;
use crate::limits::FLOWS_PER_DIRECTION_MAX;
use crate::message::report::{
    Confidence, ConfidenceCode, ConfidenceLevel, ConfidenceReason, FlowSummary, NodeSummary,
};
use crate::message::samples::{Direction, ProbeTransport, TestSamples};

/// A client that sees this much more increase than the node does, at the median, in µs, was itself slow. A figure may be off
/// by 5 ms, and a slow device holds back its answers to the node's pings, too: with both ways of 300 Mbit/s on two processors
/// that also carried node and line, a browser showed 6 to 9 ms too much (A where it is A+; with 75 Mbit/s 1 ms) and the gap
/// was mostly 4 to 7 ms. With processors to spare it is 1.6 ms at most, with four labs at once on these two 3.2 ms.
pub const DEVICE_GAP_US: f64 = 4_000.0;
/// On a long way or a deep queue the same as a share of the round trip: the node's few pings of a phase see other moments of
/// the queue than the client's probes, the more so the longer they are under way (35 ms apart on a path of 600 ms).
pub const DEVICE_GAP_RATIO: f64 = 0.10;
/// A probe timer that is later than this at its 95th percentile, in µs, belongs to a device that can't keep up: half of
/// the 50 ms between two probes.
pub const TIMER_LATE_US: f64 = 25_000.0;
/// Goodput that grows by more than this from the first third of a phase to the last had not reached the line's rate:
/// twice the 5 % by which a client decides whether one more flow is worth it.
pub const STILL_RISING_RATIO: f64 = 0.10;
/// The percentile of a phase's probes by which it is told whether its queue ever drained: a few may have met a moment's gap.
pub(super) const LOW_PERCENTILE: f64 = 5.0;
/// A line that is full shows a queue, or a steady rate. Where the median probe waited less than this, in µs, as for an A+,
pub const QUEUE_SEEN_US: f64 = 5_000.0;
/// and the goodput's 90th percentile is over its 10th by more than this factor, nothing shows that it was full. On emulated
/// lines that were, it is at most 1.1 for downloads; on those that loss kept empty, from 1.6 on.
pub const UNSTEADY_DOWN_RATIO: f64 = 1.4;
/// The same for uploads, which the client hears of in lumps: at most 1.65, and from 1.8 on.
pub const UNSTEADY_UP_RATIO: f64 = 1.75;
/// What a rise from nothing is said to be.
const RISE_MAX: f64 = 10.0;
/// From here on it is not the number of flows that holds a load back, Mbit/s: a client adds none.
const FLOWS_ENOUGH_MBPS: f64 = 1_000.0;
/// Loop lag of the node, 99th percentile, in µs, above which its own delay shows in grades: near half of the 5 ms of A+.
pub const NODE_LAG_US: u64 = 2_000;
/// A load that something other than the line held back for more than this share of its busy time may not have filled
/// the line's queue.
pub const LIMITED_RATIO: f64 = 0.25;
/// Probes a second that a client is to send.
pub const PROBES_PER_SECOND: f64 = 20.0;
/// Fewer than this share of them leave gaps in the picture.
pub const PROBES_SHARE_MIN: f64 = 0.8;
/// Fewer answers than this in a phase, and its 95th percentile rests on one or two of them.
pub const PROBES_MIN: usize = 30;
/// A phase that lasted less than this share of its time in the timeline was cut short.
const PHASE_SHARE_MIN: f64 = 0.8;

/// What is known of one phase that is compared with or judged.
pub(super) struct PhaseEvidence {
    /// The phase in the words of a sentence.
    pub(super) name: &'static str,
    pub(super) window: Window,
    /// Whether a verdict rests on its latency.
    pub(super) is_graded: bool,
    pub(super) sent: usize,
    /// Probes answered or lost.
    pub(super) known: usize,
    /// The median probe's round trip above the idle line's, µs.
    pub(super) median_increase_us: Option<f64>,
    /// The same of the [`LOW_PERCENTILE`] of the probes.
    pub(super) low_increase_us: Option<f64>,
    pub(super) device_gap: Option<DeviceGap>,
    /// The directions that were to be saturated.
    pub(super) loaded: Vec<Loaded>,
}

/// What the client saw beside what the node saw.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeviceGap {
    /// The client's increase, less the node's, µs.
    pub(super) gap_us: f64,
    /// The node's round trip at the median, µs.
    pub(super) node_round_trip_us: f64,
}

impl DeviceGap {
    fn is_slow(self) -> bool {
        self.gap_us > DEVICE_GAP_US.max(self.node_round_trip_us * DEVICE_GAP_RATIO)
    }
}

/// A direction that was to be saturated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loaded {
    pub(super) direction: Direction,
    pub(super) goodput: Option<Goodput>,
    /// How many flows it had at the phase's end.
    pub(super) flows: u32,
}

/// How many phases the timeline has, and how many of them did not run to their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Completeness {
    pub(super) planned: usize,
    pub(super) missing: usize,
}

impl Completeness {
    /// Compares the phases that ran with the timeline. The first phase gives the scale: a timeline may be shorter than
    /// planned, but its shares are fixed.
    pub(super) fn of<P: PartialEq>(planned: &[(P, Window)], ran: &[(P, Window)]) -> Self {
        let length = |window: Window| window.length_us() as f64;
        let scale = match (planned.first(), ran.first()) {
            (Some(planned), Some(ran)) if planned.0 == ran.0 => length(ran.1) / length(planned.1),
            _ => 1.0,
        };
        let missing = planned
            .iter()
            .filter(|planned| {
                // A phase may begin to count late, while its load ramps up; it was cut short if it ended early.
                let slack = (1.0 - PHASE_SHARE_MIN) * length(planned.1);
                let end_us = scale * (planned.1.end_us as f64 - slack);
                !ran.iter()
                    .any(|ran| ran.0 == planned.0 && ran.1.end_us as f64 >= end_us)
            })
            .count();
        Self {
            planned: planned.len(),
            missing,
        }
    }
}

/// Weighs everything that speaks against a result. `phases` are the baseline and the judged phases that ran.
pub(super) fn confidence(
    samples: &TestSamples,
    node: &NodeSummary,
    completeness: Completeness,
    phases: &[PhaseEvidence],
) -> Confidence {
    let reasons: Vec<ConfidenceReason> = [
        incomplete(completeness),
        device_slow(phases),
        timer_late(&samples.device.probe_timer_late_us),
        not_saturated(phases),
        node_busy(node),
        limited(
            node,
            ConfidenceCode::ReceiverLimited,
            |flow| flow.receiver_limited_ratio,
            "the receiving device, not the line, held the download back",
        ),
        limited(
            node,
            ConfidenceCode::SenderLimited,
            |flow| flow.send_buffer_limited_ratio,
            "the node's send buffer, not the line, held the download back",
        ),
        too_few_probes(phases),
        probe_fallback(samples),
    ]
    .into_iter()
    .flatten()
    .collect();
    let level = if reasons.is_empty() {
        ConfidenceLevel::High
    } else {
        ConfidenceLevel::Reduced
    };
    Confidence { level, reasons }
}

fn reason(code: ConfidenceCode, value: f64, unit: &str, message: String) -> ConfidenceReason {
    ConfidenceReason {
        code,
        message,
        value,
        unit: unit.to_owned(),
    }
}

const fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Down => "download",
        Direction::Up => "upload",
    }
}

fn incomplete(Completeness { planned, missing }: Completeness) -> Option<ConfidenceReason> {
    (missing > 0).then(|| {
        reason(
            ConfidenceCode::Incomplete,
            missing as f64,
            "phases",
            format!(
                "The test was stopped early: {missing} of its {planned} phases did not run to their end."
            ),
        )
    })
}

fn device_slow(phases: &[PhaseEvidence]) -> Option<ConfidenceReason> {
    let (gap, phase) = phases
        .iter()
        .filter(|phase| phase.is_graded)
        .filter_map(|phase| Some((phase.device_gap?, phase.name)))
        .filter(|(gap, _)| gap.is_slow())
        .max_by(|(a, _), (b, _)| a.gap_us.total_cmp(&b.gap_us))?;
    let gap_ms = gap.gap_us / 1_000.0;
    Some(reason(
        ConfidenceCode::DeviceSlow,
        gap_ms,
        "ms",
        format!(
            "This device was slow, not only the line: in the {phase} it added {gap_ms:.0} ms of its own to the response \
             times. Close other programs and tabs, or try a faster device."
        ),
    ))
}

fn timer_late(late_us: &[u32]) -> Option<ConfidenceReason> {
    let late_us = Sorted::new(late_us.iter().copied().map(f64::from).collect())?.percentile(95.0);
    (late_us > TIMER_LATE_US).then(|| {
        let late_ms = late_us / 1_000.0;
        reason(
            ConfidenceCode::DeviceTimerLate,
            late_ms,
            "ms",
            format!(
                "This device was too busy to measure on time: one probe in twenty left {late_ms:.0} ms late or more."
            ),
        )
    })
}

fn not_saturated(phases: &[PhaseEvidence]) -> Option<ConfidenceReason> {
    carried_nothing(phases)
        .or_else(|| still_rising(phases))
        .or_else(|| unsteady(phases))
        .or_else(|| out_of_flows(phases))
}

fn unsaturated(value: f64, unit: &str, what: &str) -> ConfidenceReason {
    let message = format!(
        "The line may not have been full: {what}. The real delay under load may be higher."
    );
    reason(ConfidenceCode::LoadNotSaturated, value, unit, message)
}

/// Every direction of every phase that was to be saturated.
fn all_loaded(phases: &[PhaseEvidence]) -> impl Iterator<Item = (&PhaseEvidence, &Loaded)> {
    phases
        .iter()
        .flat_map(|phase| phase.loaded.iter().map(move |loaded| (phase, loaded)))
}

fn carried_nothing(phases: &[PhaseEvidence]) -> Option<ConfidenceReason> {
    let carried_mbps = |loaded: &Loaded| loaded.goodput.map_or(0.0, |goodput| goodput.mean_mbps);
    let (phase, loaded) = all_loaded(phases).find(|(_, loaded)| carried_mbps(loaded) <= 0.0)?;
    let direction = direction_name(loaded.direction);
    let what = format!("in the {} the {direction} carried nothing", phase.name);
    Some(unsaturated(0.0, "%", &what))
}

/// Only where a direction is loaded alone: with both, each one's share rises and falls with the other's queue. And only where
/// the queue drained at times: behind one that stands the line is never idle, however a receiver's count, which waits for
/// what was lost, may rise (by 33 % on a 10 Mbit/s uplink that carried 9.9 all the while, with 800 ms of queue).
fn still_rising(phases: &[PhaseEvidence]) -> Option<ConfidenceReason> {
    let drained = |phase: &PhaseEvidence| {
        (phase.low_increase_us).is_none_or(|increase_us| increase_us < QUEUE_SEEN_US)
    };
    let (phase, loaded, rise) = all_loaded(phases)
        .filter(|(phase, _)| phase.loaded.len() == 1 && drained(phase))
        .filter_map(|(phase, loaded)| Some((phase, loaded, rise(loaded.goodput?))))
        .max_by(|(.., a), (.., b)| a.total_cmp(b))?;
    (rise > STILL_RISING_RATIO).then(|| {
        let percent = rise.min(RISE_MAX) * 100.0;
        let direction = direction_name(loaded.direction);
        let what = format!(
            "in the {} the {direction} was still rising by {percent:.0} %",
            phase.name
        );
        unsaturated(percent, "%", &what)
    })
}

/// Only where a direction is loaded alone, and where it is not the device that limits.
fn unsteady(phases: &[PhaseEvidence]) -> Option<ConfidenceReason> {
    let is_unsteady = |phase: &PhaseEvidence, loaded: &Loaded, goodput: Goodput| {
        let limit = match loaded.direction {
            Direction::Down => UNSTEADY_DOWN_RATIO,
            Direction::Up => UNSTEADY_UP_RATIO,
        };
        phase.loaded.len() == 1
            && phase
                .median_increase_us
                .is_some_and(|increase_us| increase_us < QUEUE_SEEN_US)
            && goodput.mean_mbps < FLOWS_ENOUGH_MBPS
            && goodput.p90_mbps > goodput.p10_mbps * limit
    };
    let (phase, loaded, goodput) = all_loaded(phases)
        .filter_map(|(phase, loaded)| Some((phase, loaded, loaded.goodput?)))
        .find(|&(phase, loaded, goodput)| is_unsteady(phase, loaded, goodput))?;
    let Goodput {
        p10_mbps, p90_mbps, ..
    } = goodput;
    let what = format!(
        "in the {} the {} swung between {p10_mbps:.1} and {p90_mbps:.1} Mbit/s while no queue built up",
        phase.name,
        direction_name(loaded.direction)
    );
    Some(unsaturated(p10_mbps, "Mbit/s", &what))
}

/// Each addition of flows raised the goodput, until there were no more to add.
fn out_of_flows(phases: &[PhaseEvidence]) -> Option<ConfidenceReason> {
    let is_out = |loaded: &Loaded| {
        loaded.flows as usize >= FLOWS_PER_DIRECTION_MAX
            && loaded
                .goodput
                .is_some_and(|goodput| goodput.mean_mbps < FLOWS_ENOUGH_MBPS)
    };
    let (_, loaded) = all_loaded(phases).find(|(_, loaded)| is_out(loaded))?;
    let (flows, direction) = (loaded.flows, direction_name(loaded.direction));
    let what = format!("the {direction} grew with each of {flows} flows, and more are not allowed");
    Some(unsaturated(f64::from(flows), "flows", &what))
}

/// How much goodput rose from the first third to the last.
fn rise(goodput: Goodput) -> f64 {
    if goodput.first_third_mbps > 0.0 {
        goodput.last_third_mbps / goodput.first_third_mbps - 1.0
    } else if goodput.last_third_mbps > 0.0 {
        RISE_MAX
    } else {
        0.0
    }
}

fn node_busy(node: &NodeSummary) -> Option<ConfidenceReason> {
    let lag_us = node.loop_lag_p99_us?;
    (lag_us > NODE_LAG_US).then(|| {
        let lag_ms = lag_us as f64 / 1_000.0;
        reason(
            ConfidenceCode::NodeBusy,
            lag_ms,
            "ms",
            format!(
                "The test server was busy: it reacted up to {lag_ms:.1} ms late, which is not your line's doing."
            ),
        )
    })
}

/// How long something else than the line held the node's own sending back: the mean over the download flows, weighted by
/// their bytes. For an upload the node only receives, and `TCP_INFO` knows such times of the sender alone.
fn limited(
    node: &NodeSummary,
    code: ConfidenceCode,
    ratio: impl Fn(&FlowSummary) -> f64,
    what: &str,
) -> Option<ConfidenceReason> {
    let (mut weighted, mut bytes) = (0.0, 0.0);
    for flow in &node.flows {
        let ratio = ratio(flow);
        if flow.direction == Direction::Down && ratio.is_finite() {
            weighted += ratio.clamp(0.0, 1.0) * flow.bytes as f64;
            bytes += flow.bytes as f64;
        }
    }
    let ratio = if bytes > 0.0 { weighted / bytes } else { 0.0 };
    (ratio > LIMITED_RATIO).then(|| {
        let percent = ratio * 100.0;
        reason(
            code,
            percent,
            "%",
            format!("For {percent:.0} % of the time {what}, so the line may not have been full."),
        )
    })
}

fn too_few_probes(phases: &[PhaseEvidence]) -> Option<ConfidenceReason> {
    let short = |phase: &&PhaseEvidence| {
        let seconds = phase.window.length_us() as f64 / 1e6;
        (phase.sent as f64) < seconds * PROBES_PER_SECOND * PROBES_SHARE_MIN
            || phase.known < PROBES_MIN
    };
    let fewest = phases
        .iter()
        .filter(short)
        .min_by_key(|phase| phase.known)?;
    Some(reason(
        ConfidenceCode::TooFewProbes,
        fewest.known as f64,
        "probes",
        format!(
            "Only {} measurements were made in the {}: too few to be sure.",
            fewest.known, fewest.name
        ),
    ))
}

fn probe_fallback(samples: &TestSamples) -> Option<ConfidenceReason> {
    let way = match samples.probe_transport {
        ProbeTransport::PingRole => return None,
        ProbeTransport::MainRole => {
            "shared a connection port with the load, as a firewall blocks the other one"
        }
        ProbeTransport::Http => "went by plain web requests, as WebSockets are blocked",
    };
    Some(reason(
        ConfidenceCode::ProbeFallback,
        samples.probes.len() as f64,
        "probes",
        format!("The measurements {way}: they are less exact."),
    ))
}

#[cfg(test)]
#[path = "confidence_tests.rs"]
mod tests;
