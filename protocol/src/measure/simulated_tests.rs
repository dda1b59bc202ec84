//! The whole single-user test over simulated lines whose queues are known: what is computed must be what the queue did.
//!
//! Every assertion prints the line with its seed; the same seed gives the same run.

use std::time::Duration;

use super::grade::grade;
use super::phases::single_user;
use super::report::compute;
use crate::message::household::HouseholdReport;
use crate::message::report::{Grade, NodeSummary, PhaseReport, Report};
use crate::message::test::Phase;
use crate::simulate::household::run as household_run;
use crate::simulate::line::{LineConfig, Run, run};
use crate::simulate::link::LinkConfig;

fn line(down: (u64, u64), up: (u64, u64), seed: u64) -> LineConfig {
    let link = |(mbps, queue_ms)| {
        LinkConfig::drop_tail(
            mbps * 1_000_000,
            Duration::from_millis(8),
            Duration::from_millis(queue_ms),
        )
    };
    LineConfig {
        down: link(down),
        up: link(up),
        flows: 4,
        drift_ppm: (seed * 37 % 81) as i32 - 40,
        seed,
    }
}

fn test(config: &LineConfig) -> (Run, Report) {
    let run = run(config, &single_user());
    let report = compute(&run.samples, NodeSummary::default(), "simulated").expect("good samples");
    (run, report)
}

fn graded(report: &Report) -> [(Phase, &PhaseReport); 3] {
    let phases = &report.phases;
    [
        (Phase::Download, phases.download.as_ref().expect("ran")),
        (Phase::Upload, phases.upload.as_ref().expect("ran")),
        (
            Phase::Bidirectional,
            phases.bidirectional.as_ref().expect("ran"),
        ),
    ]
}

/// Within 5 ms or 10 %, whichever is more.
fn assert_near(computed_ms: f64, truth_ms: f64, what: &str) {
    let allowed_ms = (truth_ms * 0.1).max(5.0);
    assert!(
        (computed_ms - truth_ms).abs() <= allowed_ms,
        "{what}: computed {computed_ms:.1} ms, the queue had {truth_ms:.1} ms"
    );
}

#[test]
fn the_computed_increase_is_the_queues_and_the_grade_that_of_the_queue() {
    for (seed, (down, up)) in [
        ((100, 4), (100, 4)),
        ((50, 20), (10, 20)),
        ((50, 100), (10, 100)),
        ((20, 300), (5, 300)),
        ((50, 800), (10, 800)),
        ((8, 1_500), (2, 1_500)),
    ]
    .into_iter()
    .enumerate()
    {
        let config = line(down, up, seed as u64);
        let (run, report) = test(&config);
        for (phase, computed) in graded(&report) {
            let (down_ms, up_ms) = run.truth_ms[&phase];
            let truth_ms = down_ms + up_ms;
            let what = format!("{phase:?} on {config:?}");
            let increase_ms = computed.latency_increase_ms.expect("computed");
            println!("{what}: computed {increase_ms:.1} ms, true {truth_ms:.1} ms, {computed:?}");
            assert_near(increase_ms, truth_ms, &what);
            // At a boundary the two may fall on different sides within the error that is allowed.
            let allowed_ms = (truth_ms * 0.1).max(5.0);
            assert!(
                (grade(truth_ms - allowed_ms)..=grade(truth_ms + allowed_ms))
                    .contains(&computed.grade.expect("graded")),
                "{what}"
            );
        }
    }
}

#[test]
fn the_flows_fill_the_line_and_the_goodput_is_the_lines() {
    let config = line((50, 200), (10, 200), 11);
    let (_, report) = test(&config);
    let payload = 1_448.0 / 1_500.0;
    let download = report.phases.download.as_ref().expect("ran");
    let upload = report.phases.upload.as_ref().expect("ran");
    for (goodput, rate) in [
        (download.goodput_down_mbps, 50.0),
        (upload.goodput_up_mbps, 10.0),
    ] {
        let goodput = goodput.expect("counted");
        let most = rate * payload;
        assert!(
            goodput > most * 0.9 && goodput < most * 1.005,
            "{goodput} Mbit/s of {most} on {config:?}"
        );
    }
    assert!(
        report.confidence.reasons.is_empty(),
        "{:?}",
        report.confidence
    );
}

#[test]
fn the_direction_that_queues_gets_more_than_nine_tenths_of_the_increase() {
    for (seed, (down, up)) in [((100, 2), (10, 400)), ((20, 400), (20, 2))]
        .into_iter()
        .enumerate()
    {
        let config = line(down, up, 100 + seed as u64);
        let (run, report) = test(&config);
        for (phase, computed) in graded(&report) {
            let (down_ms, up_ms) = run.truth_ms[&phase];
            let what = format!("{phase:?} on {config:?}: {computed:?}");
            let up_computed_ms = computed.up_increase_ms.expect("four timestamps");
            let down_computed_ms = computed.down_increase_ms.expect("four timestamps");
            assert_near(up_computed_ms, up_ms, &what);
            assert_near(down_computed_ms, down_ms, &what);
            let whole_ms = up_computed_ms + down_computed_ms;
            assert!((whole_ms - computed.latency_increase_ms.expect("computed")).abs() < 1e-6);
            if up_ms > 50.0 || down_ms > 50.0 {
                let queueing_ms = if up_ms > down_ms {
                    up_computed_ms
                } else {
                    down_computed_ms
                };
                assert!(queueing_ms > 0.9 * whole_ms, "{what}");
            }
        }
    }
}

#[test]
fn a_node_clock_that_drifts_by_300_ppm_does_not_move_the_split() {
    let mut config = line((50, 5), (10, 300), 5);
    for drift_ppm in [-300, 300] {
        config.drift_ppm = drift_ppm;
        let (run, report) = test(&config);
        let (phase, upload) = graded(&report)[1];
        let (down_ms, up_ms) = run.truth_ms[&phase];
        let what = format!("{config:?}");
        assert_near(upload.up_increase_ms.expect("split"), up_ms, &what);
        assert_near(upload.down_increase_ms.expect("split"), down_ms, &what);
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let config = line((20, 50), (5, 50), 3);
    assert_eq!(test(&config).1, test(&config).1);
}

fn household(queue_ms: u64) -> HouseholdReport {
    let config = line((50, queue_ms), (10, queue_ms), 0);
    let samples = household_run(config.down, config.up, (50.0, 10.0));
    let report = compute(&samples, NodeSummary::default(), "simulated").expect("good samples");
    let household = report.household.expect("a household");
    println!("queues of {queue_ms} ms: {household:#?}");
    household
}

#[test]
fn a_household_behind_long_queues_suffers_and_is_told_why() {
    let household = household(500);
    let [alex, sarah, _, _] = &household.users[..] else {
        panic!("four users");
    };
    for user in [alex, sarah] {
        assert!(user.score.expect("judged") < 45.0, "{user:?}");
        assert!(
            user.impact
                .contains("while Computer's transfer filled the line"),
            "{user:?}"
        );
        assert_eq!(user.grade, Some(Grade::F));
    }
    assert!(household.stability.expect("probes") < 20.0);
    assert!(household.overall_grade >= Some(Grade::C), "{household:?}");
}

#[test]
fn the_same_household_behind_short_queues_is_well() {
    let household = household(20);
    for user in &household.users[..3] {
        assert!(user.score.expect("judged") >= 85.0, "{user:?}");
        assert!(user.grade <= Some(Grade::A), "{user:?}");
    }
    assert!(household.stability.expect("probes") > 95.0);
    assert!(household.overall_grade <= Some(Grade::A), "{household:?}");
}
