//! The report of a test: checked, and handed to the mode that it was run in.

use super::check::check;
use super::confidence::DeviceGap;
use super::direction::IdlePath;
use super::fault::SamplesFault;
use super::latency::PhaseLatency;
use super::node_view::{NodeView, client_excess_us};
use super::phases::Window;
use super::statistics::Sorted;
use super::{household, single_user};
use crate::message::report::{Confidence, ConfidenceLevel, GradedPhases, NodeSummary, Report};
use crate::message::samples::TestSamples;
use crate::message::test::Mode;

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
    Ok(match (samples.mode, &samples.household) {
        (Mode::Household, Some(household)) => household::compute(samples, household, node, test_id),
        (Mode::Single, _) | (Mode::Household, None) => single_user::compute(samples, node, test_id),
    })
}

/// The line without load: what everything else is compared with.
pub(super) struct Idle {
    pub(super) latency: PhaseLatency,
    pub(super) path: Option<IdlePath>,
    pub(super) node: NodeView,
}

impl Idle {
    /// From the baseline phase; without one nothing is known.
    pub(super) fn of(samples: &TestSamples, baseline: Option<Window>) -> Self {
        let Some(baseline) = baseline else {
            return Self {
                latency: PhaseLatency::default(),
                path: None,
                node: NodeView::default(),
            };
        };
        let latency = PhaseLatency::of(&samples.probes, samples.listened_until_us, baseline);
        Self {
            path: IdlePath::fit(&samples.probes, &latency.kept),
            latency,
            node: NodeView::of(&samples.node_rtt, baseline),
        }
    }

    pub(super) fn median_us(&self) -> Option<f64> {
        self.latency.rtt_us.as_ref().map(Sorted::median)
    }

    /// What the client saw more of an increase than the node did, with pings at the same moments, else with the kernel's
    /// estimate over the whole phase.
    pub(super) fn device_gap(
        &self,
        samples: &TestSamples,
        window: impl Into<Window>,
    ) -> Option<DeviceGap> {
        let window = window.into();
        let idle_us = self.median_us()?;
        let node = NodeView::of(&samples.node_rtt, window);
        let node_round_trip_us = node.median_us()?;
        let excess = client_excess_us(&samples.node_rtt, &samples.probes, window);
        let gap_us = match (excess, self.node.ping_us()) {
            (Some(excess_us), Some(node_idle_us)) => excess_us - (idle_us - node_idle_us),
            _ => {
                let latency = PhaseLatency::of(&samples.probes, samples.listened_until_us, window);
                latency.rtt_us?.median() - idle_us - node.increase_over_us(self.node)?
            }
        };
        Some(DeviceGap {
            gap_us,
            node_round_trip_us,
        })
    }

    /// The part of the report that tells of the idle line; the rest of it as of a test in which nothing else happened.
    pub(super) fn report(self, samples: &TestSamples, node: NodeSummary, test_id: &str) -> Report {
        let rtt_us = self.latency.rtt_us.as_ref();
        Report {
            test_id: test_id.to_owned(),
            mode: samples.mode,
            started_at: samples.started_at.clone(),
            duration_s: 0.0,
            total_grade: None,
            confidence: Confidence {
                level: ConfidenceLevel::High,
                reasons: Vec::new(),
            },
            idle_latency_ms: rtt_us.map(|rtt_us| ms(rtt_us.median())),
            node_idle_latency_ms: self.node.median_us().map(ms),
            idle_p95_ms: rtt_us.map(|rtt_us| ms(rtt_us.percentile(95.0))),
            idle_jitter_ms: self.latency.jitter_us.map(ms),
            probe_transport: samples.probe_transport,
            phases: GradedPhases::default(),
            household: None,
            node,
        }
    }
}

/// From the first phase's start to the last one's end.
pub(super) fn duration_s(first: Option<Window>, last: Option<Window>) -> f64 {
    match (first, last) {
        (Some(first), Some(last)) => (last.end_us - first.start_us) as f64 / 1e6,
        _ => 0.0,
    }
}

/// Milliseconds, as the report has them.
pub(super) fn ms(us: f64) -> f64 {
    us / 1_000.0
}

#[cfg(test)]
#[path = "report_tests.rs"]
pub(super) mod tests;
