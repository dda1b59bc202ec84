//! The report of the single-user test: three graded phases against the baseline.

use super::confidence::{Completeness, LOW_PERCENTILE, Loaded, PhaseEvidence, confidence};
use super::goodput::{Counts, Goodput};
use super::grade::grade;
use super::latency::PhaseLatency;
use super::node_view::NodeView;
use super::phases::{self, Window};
use super::report::{Idle, duration_s, ms};
use super::statistics::Sorted;
use crate::message::report::{GradedPhases, NodeSummary, PhaseReport, Report};
use crate::message::samples::{Direction, TestSamples};
use crate::message::test::{Phase, PhaseSpan};

/// The samples must have been checked.
pub(super) fn compute(samples: &TestSamples, node: NodeSummary, test_id: &str) -> Report {
    let baseline = span_of(samples, Phase::Baseline);
    let idle = Idle::of(samples, baseline.map(Window::from));
    let mut evidence = Vec::new();
    if let Some(span) = baseline {
        evidence.push(evidence_of(span, &idle.latency));
    }
    let mut graded = |phase| {
        let span = span_of(samples, phase)?;
        let (report, phase_evidence) = graded_phase(samples, &idle, span);
        evidence.push(phase_evidence);
        Some(report)
    };
    let phases = GradedPhases {
        download: graded(Phase::Download),
        upload: graded(Phase::Upload),
        bidirectional: graded(Phase::Bidirectional),
    };
    let total_grade = [&phases.download, &phases.upload, &phases.bidirectional]
        .into_iter()
        .filter_map(|phase| phase.as_ref()?.grade)
        .max();
    let ran = windows(&samples.phases);
    let completeness = Completeness::of(&windows(&phases::single_user()), &ran);
    Report {
        duration_s: duration_s(
            ran.first().map(|(_, window)| *window),
            ran.last().map(|(_, window)| *window),
        ),
        total_grade,
        confidence: confidence(samples, &node, completeness, &evidence),
        phases,
        ..idle.report(samples, node, test_id)
    }
}

fn graded_phase(
    samples: &TestSamples,
    idle: &Idle,
    span: PhaseSpan,
) -> (PhaseReport, PhaseEvidence) {
    let latency = PhaseLatency::of(&samples.probes, samples.listened_until_us, span);
    let rtt_us = latency.rtt_us.as_ref();
    let idle_us = idle.median_us();
    let over_idle_us = |loaded_us: Option<f64>| Some(loaded_us? - idle_us?);

    let working_us = rtt_us.map(Sorted::trimmed_mean);
    let increase_us = over_idle_us(working_us);
    let split =
        increase_us.and_then(|increase_us| idle.path.as_ref()?.split(&latency.kept, increase_us));
    let node_increase_us = NodeView::of(&samples.node_rtt, span).increase_over_us(idle.node);
    let device_gap = idle.device_gap(samples, span);

    let goodput = |direction| Goodput::of(counts(samples, direction), span);
    let loaded: Vec<Loaded> = [Direction::Down, Direction::Up]
        .into_iter()
        .filter(|&direction| phases::load(span.phase).includes(direction))
        .map(|direction| Loaded {
            direction,
            goodput: goodput(direction),
            flows: flows_at(samples, direction, span.end_us),
        })
        .collect();
    let of = |direction| {
        loaded
            .iter()
            .find(|loaded| loaded.direction == direction)?
            .goodput
    };
    let (down, up) = (of(Direction::Down), of(Direction::Up));
    let percentile_ms = |p| rtt_us.map(|rtt_us| ms(rtt_us.percentile(p)));
    let increase_ms = increase_us.map(ms);
    let report = PhaseReport {
        grade: increase_ms.map(grade),
        latency_increase_ms: increase_ms,
        working_latency_ms: working_us.map(ms),
        p50_ms: percentile_ms(50.0),
        p90_ms: percentile_ms(90.0),
        p95_ms: percentile_ms(95.0),
        p99_ms: percentile_ms(99.0),
        max_ms: rtt_us.map(|rtt_us| ms(rtt_us.max())),
        jitter_ms: latency.jitter_us.map(ms),
        loss_ratio: latency.loss_ratio(),
        samples: u32::try_from(latency.sent).unwrap_or(u32::MAX),
        responsiveness_rpm: working_us.and_then(responsiveness_rpm),
        up_increase_ms: split.map(|split| ms(split.up_us)),
        down_increase_ms: split.map(|split| ms(split.down_us)),
        node_increase_ms: node_increase_us.map(ms),
        goodput_down_mbps: down.map(|goodput| goodput.mean_mbps),
        goodput_up_mbps: up.map(|goodput| goodput.mean_mbps),
        goodput_down_p10_mbps: down.map(|goodput| goodput.p10_mbps),
        goodput_down_p90_mbps: down.map(|goodput| goodput.p90_mbps),
        goodput_up_p10_mbps: up.map(|goodput| goodput.p10_mbps),
        goodput_up_p90_mbps: up.map(|goodput| goodput.p90_mbps),
    };
    let median_increase_us = over_idle_us(rtt_us.map(Sorted::median));
    let low_increase_us = over_idle_us(rtt_us.map(|rtt_us| rtt_us.percentile(LOW_PERCENTILE)));
    let evidence = PhaseEvidence {
        median_increase_us,
        low_increase_us,
        device_gap,
        loaded,
        ..evidence_of(span, &latency)
    };
    (report, evidence)
}

fn evidence_of(span: PhaseSpan, latency: &PhaseLatency) -> PhaseEvidence {
    PhaseEvidence {
        name: name(span.phase),
        window: span.into(),
        is_graded: phases::is_graded(span.phase),
        sent: latency.sent,
        known: latency.answered + latency.lost,
        median_increase_us: None,
        low_increase_us: None,
        device_gap: None,
        loaded: Vec::new(),
    }
}

/// The flows that a direction had at a time: an addition that was taken back is none.
fn flows_at(samples: &TestSamples, direction: Direction, until_us: u64) -> u32 {
    samples
        .flows
        .iter()
        .rfind(|sample| sample.direction == direction && sample.at_us < until_us)
        .map_or(0, |sample| sample.flows)
}

/// A phase in the words of a sentence.
const fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Baseline => "idle phase",
        Phase::DownloadWarmup => "download warm-up",
        Phase::Download => "download phase",
        Phase::UploadWarmup => "upload warm-up",
        Phase::Upload => "upload phase",
        Phase::Bidirectional => "phase with both directions",
    }
}

fn counts(samples: &TestSamples, direction: Direction) -> Counts<'_> {
    Counts {
        samples: &samples.goodput,
        flows: &samples.flows,
        direction,
        since_us: 0,
    }
}

fn span_of(samples: &TestSamples, phase: Phase) -> Option<PhaseSpan> {
    samples
        .phases
        .iter()
        .copied()
        .find(|span| span.phase == phase)
}

fn windows(spans: &[PhaseSpan]) -> Vec<(Phase, Window)> {
    spans
        .iter()
        .map(|&span| (span.phase, span.into()))
        .collect()
}

/// Round trips a minute (draft-ietf-ippm-responsiveness); a round trip too short to see has none.
fn responsiveness_rpm(working_us: f64) -> Option<f64> {
    (working_us > 0.0).then(|| 60e6 / working_us)
}
