//! What lowers the confidence, and what does not.

use super::*;
use crate::measure::phases::{self, is_graded, load};
use crate::measure::report::tests::empty_samples;
use crate::message::test::{Phase, PhaseSpan};

fn steady(mbps: f64) -> Goodput {
    Goodput {
        mean_mbps: mbps,
        p10_mbps: mbps,
        p90_mbps: mbps,
        first_third_mbps: mbps,
        last_third_mbps: mbps,
    }
}

fn gap(gap_us: f64) -> DeviceGap {
    DeviceGap {
        gap_us,
        node_round_trip_us: 50_000.0,
    }
}

fn rising(percent: f64) -> Goodput {
    Goodput {
        last_third_mbps: 50.0 + percent / 2.0,
        ..steady(50.0)
    }
}

fn evidence() -> Vec<PhaseEvidence> {
    phases::single_user()
        .into_iter()
        .filter(|span| span.phase == Phase::Baseline || is_graded(span.phase))
        .map(|span| PhaseEvidence {
            name: "phase",
            window: span.into(),
            is_graded: is_graded(span.phase),
            sent: 200,
            known: 200,
            median_increase_us: Some(50_000.0),
            low_increase_us: Some(1_000.0),
            device_gap: Some(gap(0.0)),
            loaded: [Direction::Down, Direction::Up]
                .into_iter()
                .filter(|&direction| load(span.phase).includes(direction))
                .map(|direction| Loaded {
                    direction,
                    goodput: Some(steady(50.0)),
                    flows: 4,
                })
                .collect(),
        })
        .collect()
}

const WHOLE: Completeness = Completeness {
    planned: 6,
    missing: 0,
};

fn level(node: &NodeSummary, phases: &[PhaseEvidence]) -> ConfidenceLevel {
    confidence(&samples(), node, WHOLE, phases).level
}

fn samples() -> TestSamples {
    let mut samples = empty_samples();
    samples.phases = phases::single_user();
    samples
}

/// The one reason that this sample, node and evidence give.
fn only(
    samples: &TestSamples,
    node: &NodeSummary,
    phases: &[PhaseEvidence],
) -> (ConfidenceCode, f64) {
    let confidence = confidence(samples, node, WHOLE, phases);
    assert_eq!(confidence.reasons.len(), 1, "{confidence:?}");
    (confidence.reasons[0].code, confidence.reasons[0].value)
}

fn flow(direction: Direction, bytes: u64, receiver: f64, send_buffer: f64) -> FlowSummary {
    FlowSummary {
        direction,
        bytes,
        duration_us: 0,
        rtt_mean_us: 0,
        rtt_max_us: 0,
        rtt_min_us: 0,
        cwnd_segments_max: 0,
        retransmits: 0,
        delivery_rate_max_bps: 0,
        receiver_limited_ratio: receiver,
        send_buffer_limited_ratio: send_buffer,
    }
}

#[test]
fn a_result_that_nothing_speaks_against_has_high_confidence() {
    let confidence = confidence(&samples(), &NodeSummary::default(), WHOLE, &evidence());
    assert_eq!(confidence.level, ConfidenceLevel::High, "{confidence:?}");
    assert!(confidence.reasons.is_empty());
}

#[test]
fn a_device_is_slow_when_it_sees_four_ms_more_than_the_node() {
    let mut phases = evidence();
    phases[2].device_gap = Some(gap(4_000.0));
    assert_eq!(
        level(&NodeSummary::default(), &phases),
        ConfidenceLevel::High
    );
    phases[2].device_gap = Some(gap(12_500.0));
    assert_eq!(
        only(&samples(), &NodeSummary::default(), &phases),
        (ConfidenceCode::DeviceSlow, 12.5)
    );
    let node_round_trip_us = 200_000.0;
    let within_a_tenth = DeviceGap {
        node_round_trip_us,
        ..gap(19_000.0)
    };
    phases[2].device_gap = Some(within_a_tenth);
    assert_eq!(
        level(&NodeSummary::default(), &phases),
        ConfidenceLevel::High
    );
}

#[test]
fn a_load_that_still_rises_or_never_was_is_not_saturated() {
    let mut phases = evidence();
    phases[1].loaded[0].goodput = Some(rising(20.0));
    let (code, percent) = only(&samples(), &NodeSummary::default(), &phases);
    assert_eq!(code, ConfidenceCode::LoadNotSaturated);
    assert!((percent - 20.0).abs() < 1e-9);
    phases[1].loaded[0].goodput = None;
    assert_eq!(
        only(&samples(), &NodeSummary::default(), &phases),
        (ConfidenceCode::LoadNotSaturated, 0.0)
    );
}

#[test]
fn behind_a_queue_that_stands_a_load_that_rises_filled_the_line_all_the_same() {
    let mut phases = evidence();
    phases[1].loaded[0].goodput = Some(rising(20.0));
    phases[1].low_increase_us = Some(QUEUE_SEEN_US);
    assert_eq!(
        level(&NodeSummary::default(), &phases),
        ConfidenceLevel::High
    );
    phases[1].low_increase_us = None;
    let (code, _) = only(&samples(), &NodeSummary::default(), &phases);
    assert_eq!(code, ConfidenceCode::LoadNotSaturated);
}

#[test]
fn with_both_directions_loaded_a_share_may_rise() {
    let mut phases = evidence();
    phases[3].loaded[0].goodput = Some(rising(50.0));
    assert_eq!(
        level(&NodeSummary::default(), &phases),
        ConfidenceLevel::High
    );
    phases[3].loaded[0].goodput = Some(steady(0.0));
    assert_eq!(
        only(&samples(), &NodeSummary::default(), &phases),
        (ConfidenceCode::LoadNotSaturated, 0.0)
    );
}

#[test]
fn a_load_that_swings_over_an_empty_queue_may_not_have_filled_the_line() {
    let swinging = Goodput {
        p10_mbps: 2.5,
        p90_mbps: 5.0,
        ..steady(4.0)
    };
    let mut phases = evidence();
    phases[1].loaded[0].goodput = Some(swinging);
    assert_eq!(
        level(&NodeSummary::default(), &phases),
        ConfidenceLevel::High
    );
    phases[1].median_increase_us = Some(200.0);
    assert_eq!(
        only(&samples(), &NodeSummary::default(), &phases),
        (ConfidenceCode::LoadNotSaturated, 2.5)
    );
    let steadier = Goodput {
        p90_mbps: 3.4,
        ..swinging
    };
    phases[1].loaded[0].goodput = Some(steadier);
    assert_eq!(
        level(&NodeSummary::default(), &phases),
        ConfidenceLevel::High
    );
}

#[test]
fn a_load_that_ran_out_of_flows_may_not_have_filled_the_line() {
    let mut phases = evidence();
    phases[2].loaded[0].flows = 15;
    assert_eq!(
        level(&NodeSummary::default(), &phases),
        ConfidenceLevel::High
    );
    phases[2].loaded[0].flows = 16;
    assert_eq!(
        only(&samples(), &NodeSummary::default(), &phases),
        (ConfidenceCode::LoadNotSaturated, 16.0)
    );
    phases[2].loaded[0].goodput = Some(steady(1_000.0));
    assert_eq!(
        level(&NodeSummary::default(), &phases),
        ConfidenceLevel::High
    );
}

#[test]
fn a_busy_node_says_so() {
    let mut node = NodeSummary {
        loop_lag_p99_us: Some(2_000),
        ..NodeSummary::default()
    };
    assert_eq!(level(&node, &evidence()), ConfidenceLevel::High);
    node.loop_lag_p99_us = Some(3_500);
    assert_eq!(
        only(&samples(), &node, &evidence()),
        (ConfidenceCode::NodeBusy, 3.5)
    );
}

#[test]
fn limited_flows_are_weighted_by_their_bytes_and_only_downloads_count() {
    let mut node = NodeSummary {
        flows: vec![
            flow(Direction::Down, 300, 0.4, 0.0),
            flow(Direction::Down, 100, 0.0, f64::NAN),
            flow(Direction::Up, 1_000_000, 1.0, 1.0),
        ],
        ..NodeSummary::default()
    };
    let (code, percent) = only(&samples(), &node, &evidence());
    assert_eq!(code, ConfidenceCode::ReceiverLimited);
    assert!((percent - 30.0).abs() < 1e-9);
    node.flows[0] = flow(Direction::Down, 300, 0.0, 0.9);
    assert_eq!(
        only(&samples(), &node, &evidence()).0,
        ConfidenceCode::SenderLimited
    );
}

#[test]
fn too_few_probes_a_late_timer_and_a_fallback_are_told() {
    let mut phases = evidence();
    phases[3].sent = 79;
    phases[3].known = 79;
    assert_eq!(
        only(&samples(), &NodeSummary::default(), &phases),
        (ConfidenceCode::TooFewProbes, 79.0)
    );
    let mut late = samples();
    late.device.probe_timer_late_us = vec![30_000; 100];
    assert_eq!(
        only(&late, &NodeSummary::default(), &evidence()),
        (ConfidenceCode::DeviceTimerLate, 30.0)
    );
    let mut fallback = samples();
    fallback.probe_transport = ProbeTransport::Http;
    assert_eq!(
        only(&fallback, &NodeSummary::default(), &evidence()).0,
        ConfidenceCode::ProbeFallback
    );
}

#[test]
fn a_test_that_was_stopped_is_incomplete_and_a_shorter_timeline_is_not() {
    let windows = |spans: Vec<PhaseSpan>| -> Vec<(Phase, Window)> {
        spans
            .into_iter()
            .map(|span| (span.phase, span.into()))
            .collect()
    };
    let planned = windows(phases::single_user());
    let mut stopped = phases::single_user();
    stopped.pop();
    stopped[4].end_us = 27_000_000;
    let stopped = Completeness::of(&planned, &windows(stopped));
    assert_eq!(stopped.missing, 2);
    assert_eq!(incomplete(stopped).expect("a reason").value, 2.0);
    let short = windows(phases::scaled(std::time::Duration::from_secs(8)));
    assert_eq!(Completeness::of(&planned, &short), WHOLE);
    assert_eq!(Completeness::of(&planned, &[]).missing, 6);
}
