//! The probes of one phase: round-trip times, losses, and the figures made of them.
//!
//! A probe belongs to the phase in which it was sent, whenever its answer came. Nothing is capped, invented or dropped:
//! an answered probe counts with its whole time, however late; a lost one counts with the time that it was waited for.

use super::phases::{LOSS_DEADLINE_US, Window};
use super::statistics::{Sorted, jitter, trimmed_len};
use crate::message::samples::ProbeSample;

/// What the probes of one phase say.
#[derive(Clone, Debug, Default)]
pub(super) struct PhaseLatency {
    /// Probes sent in the phase.
    pub(super) sent: usize,
    /// Of those, answered.
    pub(super) answered: usize,
    /// Of those, waited for until the deadline in vain. What is neither answered nor lost was in flight when the test
    /// was stopped: nobody can say how it would have ended, so it counts as nothing.
    pub(super) lost: usize,
    /// Round-trip times in µs: of the answered probes exact, of the lost ones the lower bound.
    pub(super) rtt_us: Option<Sorted>,
    /// Mean absolute difference of consecutive answered probes, µs.
    pub(super) jitter_us: Option<f64>,
    /// The answered probes that the trimmed mean keeps.
    pub(super) kept: Vec<ProbeSample>,
}

impl PhaseLatency {
    /// Evaluates the probes sent within the window. They must have been checked. `listened_until_us`: as in the samples.
    pub(super) fn of(
        probes: &[ProbeSample],
        listened_until_us: Option<u64>,
        window: impl Into<Window>,
    ) -> Self {
        let window = window.into();
        let probes = sent_within(probes, window);
        let mut latency = Self {
            sent: probes.len(),
            ..Self::default()
        };
        let mut timed: Vec<(f64, Option<ProbeSample>)> = Vec::with_capacity(probes.len());
        let mut series = Vec::with_capacity(probes.len());
        for probe in probes {
            series.push(round_trip_us(probe));
            let Some(rtt_us) = round_trip_bound_us(probe, listened_until_us, window) else {
                continue;
            };
            if probe.received_us.is_some() {
                latency.answered += 1;
                timed.push((rtt_us, Some(*probe)));
            } else {
                latency.lost += 1;
                timed.push((rtt_us, None));
            }
        }
        timed.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        latency.kept = timed[..trimmed_len(timed.len())]
            .iter()
            .filter_map(|&(_, probe)| probe)
            .collect();
        latency.jitter_us = jitter(&series);
        latency.rtt_us = Sorted::new(timed.into_iter().map(|(rtt_us, _)| rtt_us).collect());
        latency
    }

    /// Probes lost ÷ probes whose end is known.
    pub(super) fn loss_ratio(&self) -> Option<f64> {
        let known = self.answered + self.lost;
        (known > 0).then(|| self.lost as f64 / known as f64)
    }
}

/// The round trip without the time inside the node; `None` when unanswered. A coarse browser clock can make it negative
/// by a fraction of its tick: that is a round trip too short to see, zero.
#[must_use]
pub fn round_trip_us(probe: &ProbeSample) -> Option<f64> {
    let total_us = probe.received_us?.saturating_sub(probe.sent_us);
    let inside_us = match (probe.node_receive_us, probe.node_send_us) {
        (Some(receive_us), Some(send_us)) => send_us.saturating_sub(receive_us),
        _ => 0,
    };
    Some(total_us.saturating_sub(inside_us) as f64)
}

/// The round trip; of a lost probe, sent within `window`, its lower bound: the time that it was waited for. `None` of a
/// probe that was in flight when the client stopped listening.
pub(super) fn round_trip_bound_us(
    probe: &ProbeSample,
    listened_until_us: Option<u64>,
    window: Window,
) -> Option<f64> {
    if probe.received_us.is_some() {
        return round_trip_us(probe);
    }
    let listened_until_us = listened_until_us.unwrap_or(u64::MAX);
    if listened_until_us < probe.sent_us + LOSS_DEADLINE_US {
        return None;
    }
    let deadline_us = (window.end_us + LOSS_DEADLINE_US).min(listened_until_us);
    Some((deadline_us - probe.sent_us) as f64)
}

/// The probes sent within the window; `probes` are in order of sending.
fn sent_within(probes: &[ProbeSample], window: Window) -> &[ProbeSample] {
    let first = probes.partition_point(|probe| probe.sent_us < window.start_us);
    let end = probes.partition_point(|probe| probe.sent_us < window.end_us);
    &probes[first..end]
}
