//! The report of a test: everything else in `measure`, put together.

use super::check::check;
use super::confidence::{PhaseEvidence, confidence};
use super::direction::IdlePath;
use super::fault::SamplesFault;
use super::goodput::Goodput;
use super::grade::grade;
use super::latency::PhaseLatency;
use super::node_view::NodeView;
use super::phases;
use super::statistics::Sorted;
use crate::message::report::{GradedPhases, NodeSummary, PhaseReport, Report};
use crate::message::samples::{Direction, TestSamples};
use crate::message::test::{Phase, PhaseSpan};

/// Computes the report of a test from what the client saw and what the node counted.
///
/// # Errors
///
/// The samples are refused, with the field that is wrong and what is allowed there; the client is at fault.
pub fn compute(
    samples: &TestSamples,
    node: NodeSummary,
    test_id: &str,
) -> Result<Report, SamplesFault> {
    check(samples)?;
    let idle = Idle::of(samples);
    let mut evidence = Vec::new();
    if let Some(span) = span_of(samples, Phase::Baseline) {
        evidence.push(evidence_of(span, &idle.latency, None, [None, None]));
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
    let rtt_us = idle.latency.rtt_us.as_ref();
    Ok(Report {
        test_id: test_id.to_owned(),
        mode: samples.mode,
        started_at: samples.started_at.clone(),
        duration_s: duration_s(&samples.phases),
        total_grade,
        confidence: confidence(samples, &node, &evidence),
        idle_latency_ms: rtt_us.map(|rtt_us| ms(rtt_us.median())),
        node_idle_latency_ms: idle.node.median_us().map(ms),
        idle_p95_ms: rtt_us.map(|rtt_us| ms(rtt_us.percentile(95.0))),
        idle_jitter_ms: idle.latency.jitter_us.map(ms),
        probe_transport: samples.probe_transport,
        phases,
        node,
    })
}

/// The line without load: what the graded phases are compared with.
struct Idle {
    latency: PhaseLatency,
    path: Option<IdlePath>,
    node: NodeView,
}

impl Idle {
    fn of(samples: &TestSamples) -> Self {
        let Some(span) = span_of(samples, Phase::Baseline) else {
            return Self {
                latency: PhaseLatency::default(),
                path: None,
                node: NodeView::default(),
            };
        };
        let latency = PhaseLatency::of(samples, span);
        Self {
            path: IdlePath::fit(&samples.probes, &latency.kept),
            latency,
            node: NodeView::of(&samples.node_rtt, span),
        }
    }

    fn median_us(&self) -> Option<f64> {
        self.latency.rtt_us.as_ref().map(Sorted::median)
    }
}

fn graded_phase(
    samples: &TestSamples,
    idle: &Idle,
    span: PhaseSpan,
) -> (PhaseReport, PhaseEvidence) {
    let latency = PhaseLatency::of(samples, span);
    let rtt_us = latency.rtt_us.as_ref();
    let idle_us = idle.median_us();
    let over_idle_us = |loaded_us: Option<f64>| Some(loaded_us? - idle_us?);

    let working_us = rtt_us.map(Sorted::trimmed_mean);
    let increase_us = over_idle_us(working_us);
    let split =
        increase_us.and_then(|increase_us| idle.path.as_ref()?.split(&latency.kept, increase_us));
    let node_increase_us = NodeView::of(&samples.node_rtt, span).increase_over_us(idle.node);
    let device_gap_us = over_idle_us(rtt_us.map(Sorted::median))
        .zip(node_increase_us)
        .map(|(client_us, node_us)| client_us - node_us);

    let load = phases::load(span.phase);
    let goodput = |direction| {
        load.includes(direction)
            .then(|| Goodput::of(samples, direction, span))
            .flatten()
    };
    let (down, up) = (goodput(Direction::Down), goodput(Direction::Up));
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
    let evidence = evidence_of(span, &latency, device_gap_us, [down, up]);
    (report, evidence)
}

fn evidence_of(
    span: PhaseSpan,
    latency: &PhaseLatency,
    device_gap_us: Option<f64>,
    [down, up]: [Option<Goodput>; 2],
) -> PhaseEvidence {
    PhaseEvidence {
        span,
        sent: latency.sent,
        known: latency.answered + latency.lost,
        device_gap_us,
        down,
        up,
    }
}

fn span_of(samples: &TestSamples, phase: Phase) -> Option<PhaseSpan> {
    samples
        .phases
        .iter()
        .copied()
        .find(|span| span.phase == phase)
}

fn duration_s(spans: &[PhaseSpan]) -> f64 {
    match (spans.first(), spans.last()) {
        (Some(first), Some(last)) => (last.end_us - first.start_us) as f64 / 1e6,
        _ => 0.0,
    }
}

/// Round trips a minute (draft-ietf-ippm-responsiveness); a round trip too short to see has none.
fn responsiveness_rpm(working_us: f64) -> Option<f64> {
    (working_us > 0.0).then(|| 60e6 / working_us)
}

fn ms(us: f64) -> f64 {
    us / 1_000.0
}

#[cfg(test)]
#[path = "report_tests.rs"]
pub(super) mod tests;
