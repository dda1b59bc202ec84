//! The report, computed by hand for small tests; refused samples; and arbitrary ones.

use proptest::prelude::*;

use super::*;
use crate::measure::fault::FaultKind;
use crate::measure::phases;
use crate::message::report::{ConfidenceCode, Grade};
use crate::message::samples::{
    DeviceSamples, Direction, FlowCountSample, GoodputSample, NodeRttSample, ProbeSample,
    ProbeTransport,
};
use crate::message::test::{ClientDescription, Phase};

/// A test in which nothing happened.
pub(crate) fn empty_samples() -> TestSamples {
    TestSamples {
        mode: Mode::Single,
        client: ClientDescription {
            name: "test".into(),
            version: String::new(),
        },
        started_at: "2026-01-31T12:00:00Z".into(),
        phases: Vec::new(),
        probes: Vec::new(),
        listened_until_us: None,
        probe_transport: ProbeTransport::PingRole,
        node_rtt: Vec::new(),
        goodput: Vec::new(),
        flows: Vec::new(),
        device: DeviceSamples::default(),
        household: None,
    }
}

/// A probe that took `up_us`, 100 µs inside the node, and `down_us`; the node's clock is 1 000 s ahead.
fn probe(sequence: u32, sent_us: u64, up_us: u64, down_us: u64) -> ProbeSample {
    let node_receive_us = 1_000_000_000 + sent_us + up_us;
    ProbeSample {
        sequence,
        sent_us,
        received_us: Some(sent_us + up_us + 100 + down_us),
        node_receive_us: Some(node_receive_us),
        node_send_us: Some(node_receive_us + 100),
    }
}

fn lost(sequence: u32, sent_us: u64) -> ProbeSample {
    ProbeSample {
        sequence,
        sent_us,
        received_us: None,
        node_receive_us: None,
        node_send_us: None,
    }
}

/// The whole 40 s: 20 ms idle; download adds 50 ms down, upload 300 ms up, both add both; 8 Mbit/s each way.
fn whole_test() -> TestSamples {
    let mut samples = empty_samples();
    samples.phases = phases::single_user();
    for sequence in 0..800 {
        let sent_us = u64::from(sequence) * 50_000;
        let (up_us, down_us) = match sent_us / 1_000_000 {
            0..=4 => (12_000, 8_000),
            5..=19 => (12_000, 58_000),
            20..=34 => (312_000, 8_000),
            _ => (312_000, 58_000),
        };
        samples
            .probes
            .push(probe(sequence, sent_us, up_us, down_us));
    }
    for at_us in (100_000..=40_000_000_u64).step_by(100_000) {
        for (direction, from_us, to_us) in [
            (Direction::Down, 5_000_000, 20_000_000),
            (Direction::Up, 20_000_000, 35_000_000),
        ] {
            let loaded = (from_us < at_us && at_us <= to_us) || at_us > 35_000_000;
            samples.goodput.push(GoodputSample {
                at_us,
                direction,
                bytes: if loaded { 100_000 } else { 0 },
            });
        }
    }
    samples
}

fn report(samples: &TestSamples) -> Report {
    compute(samples, NodeSummary::default(), "0123").expect("good samples")
}

fn near(value: Option<f64>, expected: f64) -> bool {
    value.is_some_and(|value| (value - expected).abs() < 1e-6)
}

#[test]
fn a_whole_test_is_computed_as_by_hand() {
    let report = report(&whole_test());
    assert_eq!(report.duration_s, 40.0);
    assert!(near(report.idle_latency_ms, 20.0));
    assert!(near(report.idle_jitter_ms, 0.0));
    let download = report.phases.download.expect("ran");
    assert!(near(download.latency_increase_ms, 50.0));
    assert!(near(download.working_latency_ms, 70.0));
    assert!(near(download.responsiveness_rpm, 60_000.0 / 70.0));
    assert!(near(download.down_increase_ms, 50.0) && near(download.up_increase_ms, 0.0));
    assert!(near(download.goodput_down_mbps, 8.0) && near(download.goodput_down_p10_mbps, 8.0));
    assert_eq!(download.goodput_up_mbps, None, "absent is null, never zero");
    assert_eq!((download.samples, download.loss_ratio), (200, Some(0.0)));
    assert_eq!(download.grade, Some(Grade::B));
    let upload = report.phases.upload.expect("ran");
    assert!(near(upload.latency_increase_ms, 300.0));
    assert!(near(upload.up_increase_ms, 300.0) && near(upload.down_increase_ms, 0.0));
    assert_eq!(upload.grade, Some(Grade::D));
    let both = report.phases.bidirectional.expect("ran");
    assert!(near(both.up_increase_ms, 300.0) && near(both.down_increase_ms, 50.0));
    assert_eq!(report.total_grade, Some(Grade::D));
    assert!(
        report.confidence.reasons.is_empty(),
        "{:?}",
        report.confidence
    );
}

#[test]
fn a_sample_belongs_to_the_phase_in_which_it_was_sent() {
    let mut samples = whole_test();
    // Sent in the last 50 ms of the download phase, answered 400 ms into the upload warm-up.
    samples.probes[399] = probe(399, 19_950_000, 12_000, 438_000);
    let download = report(&samples).phases.download.expect("ran");
    assert!(near(download.max_ms, 450.0));
    assert_eq!(download.samples, 200);
}

#[test]
fn a_lost_probe_counts_with_the_time_it_was_waited_for() {
    let mut samples = whole_test();
    for sequence in 200..300 {
        samples.probes[sequence] = lost(sequence as u32, sequence as u64 * 50_000);
    }
    let download = report(&samples).phases.download.expect("ran");
    assert_eq!(download.loss_ratio, Some(0.5));
    // The first was sent at 10 s; the phase ended at 20 s and answers were awaited until 23 s.
    assert!(near(download.max_ms, 13_000.0));
    // Kept: 100 × 70 ms and the 90 shortest of the waits 8.05, 8.1, … 12.5 s.
    let mean_ms =
        (100.0 * 70.0 + (0..90).map(|i| 8_050.0 + f64::from(i) * 50.0).sum::<f64>()) / 190.0;
    assert!(near(download.working_latency_ms, mean_ms), "{download:?}");
    assert_eq!(download.grade, Some(Grade::F));
}

#[test]
fn a_probe_in_flight_when_the_test_was_stopped_is_not_lost() {
    let mut samples = whole_test();
    samples.phases.truncate(3);
    samples.phases[2].end_us = 15_000_000;
    samples.listened_until_us = Some(15_000_000);
    samples.probes.truncate(300);
    samples.probes[299] = lost(299, 14_950_000);
    samples.probes[210] = lost(210, 10_500_000);
    let report = report(&samples);
    let download = report.phases.download.expect("ran");
    assert_eq!(
        (download.samples, download.loss_ratio),
        (100, Some(1.0 / 99.0))
    );
    assert!(near(download.max_ms, 4_500.0), "waited for until the stop");
    assert_eq!(report.phases.upload, None);
    assert_eq!(
        report.confidence.reasons[0].code,
        ConfidenceCode::Incomplete
    );
    assert_eq!(report.total_grade, Some(Grade::B));
}

#[test]
fn an_empty_test_has_no_grade_and_no_number() {
    let report = report(&empty_samples());
    assert_eq!(report.total_grade, None);
    assert_eq!(report.idle_latency_ms, None);
    assert_eq!(report.phases, GradedPhases::default());
    assert_eq!(report.confidence.reasons[0].value, 6.0);
}

#[test]
fn the_node_is_asked_whether_the_device_was_slow() {
    let mut samples = whole_test();
    for second in 1..40_u64 {
        let increase_us = match second {
            0..=5 => 0,
            6..=20 => 30_000,
            21..=35 => 300_000,
            _ => 350_000,
        };
        samples.node_rtt.push(NodeRttSample {
            at_us: second * 1_000_000,
            ping_rtt_us: vec![20_000 + increase_us; 4],
            kernel_rtt_us: None,
            kernel_min_rtt_us: None,
        });
    }
    let report = report(&samples);
    assert!(near(report.node_idle_latency_ms, 20.0));
    assert!(near(
        report.phases.download.expect("ran").node_increase_ms,
        30.0
    ));
    let reason = &report.confidence.reasons[0];
    assert_eq!(reason.code, ConfidenceCode::DeviceSlow);
    assert!((reason.value - 20.0).abs() < 1e-6);
}

#[test]
fn refused_samples_name_the_field_and_the_element() {
    let refuse = |spoil: fn(&mut TestSamples)| {
        let mut samples = whole_test();
        spoil(&mut samples);
        let fault = compute(&samples, NodeSummary::default(), "").expect_err("spoilt");
        (fault.field, fault.index)
    };
    assert_eq!(
        refuse(|s| s.started_at = "yesterday".into()),
        ("started_at", None)
    );
    assert_eq!(
        refuse(|s| s.phases.swap(1, 2)),
        ("phases.start_us", Some(2))
    );
    assert_eq!(
        refuse(|s| s.phases[1].phase = Phase::Upload),
        ("phases.phase", Some(2))
    );
    assert_eq!(
        refuse(|s| s.phases[5].end_us = u64::MAX),
        ("phases.end_us", Some(5))
    );
    assert_eq!(
        refuse(|s| s.probes[7].sequence = 6),
        ("probes.sequence", Some(7))
    );
    assert_eq!(
        refuse(|s| s.probes[7].sent_us = 1),
        ("probes.sent_us", Some(7))
    );
    assert_eq!(
        refuse(|s| s.probes[7].received_us = Some(1)),
        ("probes.received_us", Some(7))
    );
    assert_eq!(
        refuse(|s| s.probes[7].node_send_us = None),
        ("probes.node_send_us", Some(7))
    );
    assert_eq!(
        refuse(|s| s.probes[7].node_send_us = Some(u64::MAX)),
        ("probes.node_send_us", Some(7))
    );
    assert_eq!(
        refuse(|s| s.goodput[9].bytes = u64::MAX),
        ("goodput.bytes", Some(9))
    );
    assert_eq!(
        refuse(|s| s.device.probe_timer_late_us = vec![0; 60_001]),
        ("device.probe_timer_late_us", None)
    );
}

#[test]
fn one_element_too_many_is_refused_with_the_bound() {
    let mut samples = whole_test();
    samples.phases.push(samples.phases[5]);
    let fault = compute(&samples, NodeSummary::default(), "").expect_err("seven phases");
    assert_eq!(
        fault.kind,
        FaultKind::TooMany {
            count: 7,
            allowed: 6
        }
    );
}

prop_compose! {
    /// Times around the interesting ones, and a few of the extremes.
    fn time_us()(time_us in prop_oneof![8 => 0..45_000_000_u64, 1 => 0..400_000_000_u64, 1 => any::<u64>()]) -> u64 {
        time_us
    }
}

prop_compose! {
    fn any_probe()(
        sequence in any::<u32>(),
        sent_us in time_us(),
        rtt_us in proptest::option::of(0..20_000_000_u64),
        node in proptest::option::of((time_us(), 0..10_000_u64)),
    ) -> ProbeSample {
        ProbeSample {
            sequence,
            sent_us,
            received_us: rtt_us.map(|rtt_us| sent_us.saturating_add(rtt_us)),
            node_receive_us: node.map(|(receive_us, _)| receive_us),
            node_send_us: node.map(|(receive_us, inside_us)| receive_us.saturating_add(inside_us)),
        }
    }
}

prop_compose! {
    fn any_samples()(
        tidy in any::<bool>(),
        boundaries in proptest::collection::vec(time_us(), 6),
        probes in proptest::collection::vec(any_probe(), 0..300),
        counts in proptest::collection::vec((time_us(), any::<bool>(), 0..1_u64 << 41), 0..100),
        flows in proptest::collection::vec((time_us(), any::<bool>(), 0..17_u32), 0..10),
        node_rtt in proptest::collection::vec((time_us(), proptest::collection::vec(any::<u32>(), 0..4), any::<Option<u32>>()), 0..40),
        late_us in proptest::collection::vec(any::<u32>(), 0..20),
        listened_until_us in proptest::option::of(time_us()),
    ) -> TestSamples {
        let direction = |is_up| if is_up { Direction::Up } else { Direction::Down };
        let mut samples = empty_samples();
        samples.phases = phases::single_user();
        samples.probes = probes;
        samples.goodput = counts
            .into_iter()
            .map(|(at_us, is_up, bytes)| GoodputSample { at_us, direction: direction(is_up), bytes })
            .collect();
        samples.flows = flows
            .into_iter()
            .map(|(at_us, is_up, flows)| FlowCountSample { at_us, direction: direction(is_up), flows })
            .collect();
        samples.node_rtt = node_rtt
            .into_iter()
            .map(|(at_us, ping_rtt_us, kernel_rtt_us)| NodeRttSample {
                at_us, ping_rtt_us, kernel_rtt_us, kernel_min_rtt_us: None,
            })
            .collect();
        samples.device.probe_timer_late_us = late_us;
        samples.listened_until_us = listened_until_us;
        if tidy {
            tidy_up(&mut samples, boundaries);
        }
        samples
    }
}

/// Makes arbitrary samples pass the check, so that what is behind it is tried too.
fn tidy_up(samples: &mut TestSamples, mut boundaries: Vec<u64>) {
    let bound = |time_us: &mut u64| *time_us %= 300_000_000;
    boundaries.iter_mut().for_each(bound);
    boundaries.sort_unstable();
    boundaries.dedup();
    samples.phases.truncate(boundaries.len() - 1);
    for (span, times) in samples.phases.iter_mut().zip(boundaries.windows(2)) {
        (span.start_us, span.end_us) = (times[0], times[1]);
    }
    samples
        .probes
        .iter_mut()
        .for_each(|probe| bound(&mut probe.sent_us));
    samples.probes.sort_by_key(|probe| probe.sent_us);
    for (sequence, probe) in samples.probes.iter_mut().enumerate() {
        probe.sequence = sequence as u32;
        probe.received_us = probe
            .received_us
            .map(|received_us| probe.sent_us + received_us % 20_000_000);
        if let (Some(receive_us), Some(send_us)) =
            (&mut probe.node_receive_us, &mut probe.node_send_us)
        {
            bound(receive_us);
            *send_us = *receive_us + *send_us % 10_000;
        }
    }
    samples
        .goodput
        .iter_mut()
        .for_each(|sample| bound(&mut sample.at_us));
    samples
        .goodput
        .iter_mut()
        .for_each(|sample| sample.bytes %= 1 << 40);
    samples.goodput.sort_by_key(|sample| sample.at_us);
    samples
        .flows
        .iter_mut()
        .for_each(|flow| bound(&mut flow.at_us));
    samples.flows.sort_by_key(|flow| flow.at_us);
    samples.flows.iter_mut().for_each(|flow| flow.flows %= 17);
    samples
        .node_rtt
        .iter_mut()
        .for_each(|sample| bound(&mut sample.at_us));
    samples.node_rtt.sort_by_key(|sample| sample.at_us);
    if let Some(until_us) = &mut samples.listened_until_us {
        bound(until_us);
    }
}

/// Fails on a number that JSON cannot carry: `serde_json` writes NaN and infinities as `null`, and `null` reads back as
/// `None` or not at all.
pub(crate) fn assert_all_numbers_are_finite(report: &Report) {
    let text = serde_json::to_string(report).expect("serialises");
    let read: Report = serde_json::from_str(&text).expect("reads back");
    let absent = |report: &Report| format!("{report:?}").matches("None").count();
    assert_eq!(absent(&read), absent(report), "{report:?}");
}

proptest! {
    #[test]
    fn arbitrary_samples_give_a_fault_or_a_report_of_finite_numbers(samples in any_samples()) {
        if let Ok(report) = compute(&samples, NodeSummary::default(), "x") {
            assert_all_numbers_are_finite(&report);
        }
    }
}
