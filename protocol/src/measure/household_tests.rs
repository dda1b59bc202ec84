//! Households made by hand, whose verdicts can be said beforehand.

use proptest::prelude::*;

use super::*;
use crate::measure::fault::FaultKind;
use crate::measure::report::compute;
use crate::measure::report::tests::empty_samples;
use crate::message::household::{DemandMode, SegmentSample};
use crate::message::profile::DelayStats;
use crate::message::report::{ConfidenceCode, ConfidenceLevel, Grade};
use crate::message::samples::{GoodputSample, ProbeSample};
use crate::message::test::Mode;

/// The traffic is from 15 s to 45 s; in its seconds where `is_bad` the line delays by `queue_us` downwards.
fn household(queue_us: u64, is_bad: fn(u64) -> bool) -> TestSamples {
    let delay_us = |at_us: u64| {
        let second = at_us / 1_000_000;
        if (15..45).contains(&second) && is_bad(second - 15) {
            queue_us
        } else {
            0
        }
    };
    let mut samples = empty_samples();
    samples.mode = Mode::Household;
    for sequence in 0..900_u32 {
        let sent_us = u64::from(sequence) * 50_000;
        samples.probes.push(ProbeSample {
            sequence,
            sent_us,
            received_us: Some(sent_us + 20_000 + delay_us(sent_us)),
            node_receive_us: Some(sent_us + 10_000 + NODE_AHEAD_US),
            node_send_us: Some(sent_us + 10_000 + NODE_AHEAD_US),
        });
    }
    samples.household = Some(HouseholdSamples {
        demand: DemandMode::Adaptive,
        phases: phases::household(DemandMode::Adaptive),
        capacity_down_mbps: Some(60.0),
        capacity_up_mbps: Some(20.0),
        users: vec![
            UserSamples {
                messages: messages(64, &delay_us),
                up: Some(up_stats(64 * 30)),
                ..user("alex", "Alex", ExperienceModel::Gaming, (1.5, 0.75))
            },
            UserSamples {
                messages: messages(30, &delay_us),
                up: Some(up_stats(30 * 30)),
                ..user("sarah", "Sarah", ExperienceModel::Call, (2.5, 2.5))
            },
            UserSamples {
                segments: (0..6)
                    .map(|number| {
                        let begins_us = 15_000_000 + number * 5_000_000;
                        SegmentSample {
                            first_us: begins_us,
                            complete_us: begins_us + 1_000_000,
                            bytes: 3_125_000,
                        }
                    })
                    .collect(),
                segment_media_ms: Some(5_000),
                ..user("jake", "Jake", ExperienceModel::Streaming, (5.0, 0.1))
            },
            user("computer", "Computer", ExperienceModel::Bulk, (50.0, 2.0)),
        ],
    });
    samples
}

const NODE_AHEAD_US: u64 = 7_000_000_000;

/// A user who gets exactly what is asked for; Jake gets it in the first of five seconds.
fn user(
    user_id: &str,
    name: &str,
    model: ExperienceModel,
    (down_mbps, up_mbps): (f64, f64),
) -> UserSamples {
    let mut goodput = Vec::new();
    for at_us in (15_100_000..=45_000_000_u64).step_by(100_000) {
        let in_burst = (at_us - 15_000_001) % 5_000_000 < 1_000_000;
        let down = match model {
            ExperienceModel::Streaming if in_burst => down_mbps * 5.0,
            ExperienceModel::Streaming => 0.0,
            _ => down_mbps,
        };
        for (direction, mbps) in [(Direction::Down, down), (Direction::Up, up_mbps)] {
            goodput.push(GoodputSample {
                at_us,
                direction,
                bytes: (mbps * 12_500.0) as u64,
            });
        }
    }
    UserSamples {
        user_id: user_id.into(),
        name: name.into(),
        model,
        started_us: 15_000_000,
        demand_down_mbps: down_mbps,
        demand_up_mbps: up_mbps,
        probes: Vec::new(),
        goodput,
        messages: Vec::new(),
        segments: Vec::new(),
        segment_media_ms: None,
        up: None,
    }
}

fn messages(per_second: u64, delay_us: &dyn Fn(u64) -> u64) -> Vec<MessageSample> {
    (0..per_second * 30)
        .map(|number| {
            let sent_us = 15_000_000 + number * 1_000_000 / per_second;
            MessageSample {
                flow: 0,
                sequence: number as u32,
                send_us: sent_us + NODE_AHEAD_US,
                received_us: sent_us + 10_000 + delay_us(sent_us),
            }
        })
        .filter(|message| message.received_us < 45_000_000)
        .collect()
}

fn up_stats(messages: u64) -> ReceivedStats {
    ReceivedStats {
        received_bytes: messages * 1_000,
        messages,
        late: 0,
        lost: 0,
        delay_us: Some(DelayStats {
            p50: 200.0,
            p95: 900.0,
        }),
        jitter_us: Some(100.0),
        goodput_mbps: Some(1.0),
    }
}

fn computed(samples: &TestSamples) -> (Report, HouseholdReport) {
    let report = compute(samples, NodeSummary::default(), "id").expect("good");
    let household = report.household.clone().expect("a household");
    (report, household)
}

#[test]
fn a_line_without_a_queue_is_good_for_everybody() {
    let (report, household) = computed(&household(0, |_| true));
    assert_eq!(report.duration_s, 45.0);
    assert_eq!(report.total_grade, Some(Grade::APlus));
    assert_eq!(report.confidence.level, ConfidenceLevel::High, "{report:?}");
    assert_eq!(report.phases.download, None);
    assert_eq!(household.stability, Some(100.0));
    assert!(household.fairness.expect("shares") > 99.9);
    assert!(
        household.overall_score.expect("scores") > 99.0,
        "{household:?}"
    );
    let impacts: Vec<&str> = household
        .users
        .iter()
        .map(|user| user.impact.as_str())
        .collect();
    assert_eq!(
        impacts,
        [
            "Alex's game ran smoothly, with at most 0 ms of extra delay.",
            "Sarah's call was clear (speech quality 4.4 of 4.5).",
            "Jake's film started after 1.0 s and never stopped.",
            "Computer got 100 % of what the line had to give.",
        ]
    );
    let rates: Vec<Option<f64>> = household.users.iter().map(|user| user.down_mbps).collect();
    assert_eq!(rates, [Some(1.5), Some(2.5), Some(5.0), Some(50.0)]);
}

#[test]
fn a_standing_queue_spoils_the_game_and_the_call_and_the_transfer_is_named() {
    let (report, household) = computed(&household(500_000, |_| true));
    let [alex, sarah, jake, computer] = &household.users[..] else {
        panic!("four users");
    };
    assert_eq!(alex.score, Some(0.0));
    assert_eq!(alex.grade, Some(Grade::F));
    assert!((alex.latency_increase_ms.expect("probes") - 500.0).abs() < 0.1);
    assert_eq!(
        alex.impact,
        "Alex's game lagged: one move in twenty took 500 ms longer or more, and 50 % of the updates came too late to be \
         of use while Computer's transfer filled the line."
    );
    assert!(sarah.score.expect("messages") < 45.0, "{sarah:?}");
    assert!(
        sarah
            .impact
            .contains("while Computer's transfer filled the line"),
        "{sarah:?}"
    );
    assert_eq!((jake.score, computer.score), (Some(100.0), Some(100.0)));
    assert_eq!(household.stability, Some(0.0));
    assert_eq!(report.total_grade, household.overall_grade);
    assert!(household.overall_grade > Some(Grade::B), "{household:?}");
}

#[test]
fn the_one_whose_bursts_coincide_with_the_delay_is_named() {
    // The line is bad in the first of five seconds: while Jake's segment comes.
    let (_, household) = computed(&household(400_000, |second| second % 5 == 0));
    assert_eq!(household.stability, Some(80.0));
    let alex = &household.users[0];
    assert!(
        alex.impact
            .ends_with("while Jake's bursts filled the queue."),
        "{}",
        alex.impact
    );
    // Jake himself is not told that he filled it.
    assert!(!household.users[2].impact.contains("while Jake"));
}

#[test]
fn the_call_is_rated_by_its_worse_direction() {
    let mut samples = household(0, |_| true);
    let up = &mut samples.household.as_mut().expect("household").users[1].up;
    *up = Some(ReceivedStats {
        delay_us: Some(DelayStats {
            p50: 400_000.0,
            p95: 450_000.0,
        }),
        ..up_stats(900)
    });
    let (_, household) = computed(&samples);
    let ModelReport::Call {
        mouth_to_ear_ms,
        r_factor,
        ..
    } = &household.users[1].model
    else {
        panic!("a call");
    };
    // 10 ms of the way, 400 ms of queue, 60 ms of jitter buffer.
    assert_eq!(*mouth_to_ear_ms, Some(470.0));
    assert!(r_factor.expect("rated") < 70.0);
}

#[test]
fn fairness_is_jains_index() {
    assert_eq!(jain(&[1.0, 1.0, 1.0, 1.0]), Some(1.0));
    assert_eq!(jain(&[1.0, 0.0, 0.0, 0.0]), Some(0.25));
    assert_eq!(jain(&[1.0, 0.5]), Some(2.25 / 2.5));
    assert_eq!(jain(&[0.0, 0.0]), None);
    assert_eq!(jain(&[]), None);
}

#[test]
fn one_who_could_not_be_judged_does_not_count() {
    let mut samples = household(0, |_| true);
    let users = &mut samples.household.as_mut().expect("household").users;
    users[1].messages.clear();
    users[1].up = None;
    users[3].demand_down_mbps = 100.0;
    samples
        .household
        .as_mut()
        .expect("household")
        .capacity_down_mbps = None;
    let (_, household) = computed(&samples);
    assert_eq!(household.users[1].score, None);
    assert_eq!(
        household.users[1].impact,
        "Too little of Sarah's traffic came through to say how it was."
    );
    // (3 × 100 + 3 × 100 + 1 × 50) ÷ 7; Alex's and Jake's are exact.
    assert_eq!(household.overall_score, Some(650.0 / 7.0));
}

#[test]
fn a_household_that_was_stopped_is_incomplete() {
    let mut samples = household(0, |_| true);
    let spoilt = samples.household.as_mut().expect("household");
    spoilt.phases[3].end_us = 25_000_000;
    let (report, _) = computed(&samples);
    assert_eq!(
        report.confidence.reasons[0].code,
        ConfidenceCode::Incomplete
    );
    let spoilt = samples.household.as_mut().expect("household");
    spoilt.phases.pop();
    let (report, household) = computed(&samples);
    assert_eq!((report.total_grade, household.overall_score), (None, None));
    assert!(household.users.is_empty());
}

#[test]
fn refused_household_samples_name_the_user_and_the_field() {
    let refuse = |spoil: fn(&mut HouseholdSamples)| {
        let mut samples = household(0, |_| true);
        spoil(samples.household.as_mut().expect("household"));
        let fault = compute(&samples, NodeSummary::default(), "").expect_err("spoilt");
        (fault.user, fault.field)
    };
    assert_eq!(
        refuse(|h| h.users[1].messages[3].flow = 200),
        (Some(1), "messages.flow")
    );
    assert_eq!(
        refuse(|h| h.users[2].segments.swap(0, 1)),
        (Some(2), "segments")
    );
    assert_eq!(
        refuse(|h| h.users[0].demand_up_mbps = -1.0),
        (Some(0), "demand_up_mbps")
    );
    assert_eq!(refuse(|h| h.users[0].name.clear()), (Some(0), "name"));
    assert_eq!(refuse(|h| h.phases.swap(0, 1)), (None, "household.phases"));
    assert_eq!(
        refuse(|h| h.capacity_up_mbps = Some(f64::MAX)),
        (None, "household.capacity_up_mbps")
    );
    assert_eq!(
        refuse(|h| h.users = vec![h.users[0].clone(); 17]),
        (None, "household.users")
    );
    let mut samples = household(0, |_| true);
    samples.mode = Mode::Single;
    let fault = compute(&samples, NodeSummary::default(), "").expect_err("wrong mode");
    assert_eq!(fault.kind, FaultKind::WrongMode);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_a_client_claims_the_report_holds_finite_numbers(
        demand_mbps in 0.0..1e13_f64,
        capacity_mbps in proptest::option::of(0.0..1e13_f64),
        delay_us in proptest::option::of(0.0..1e13_f64),
        counts in (0..1_u64 << 53, 0..1_u64 << 53, 0..1_u64 << 53),
        received_us in proptest::collection::vec((0..330_000_000_u64, 0..1_u64 << 53, any::<u32>(), 0..8_u8), 0..60),
        complete_us in proptest::collection::vec(0..330_000_000_u64, 0..20),
        media_ms in proptest::option::of(0..120_000_u32),
        started_us in 0..330_000_000_u64,
        model in prop_oneof![
            Just(ExperienceModel::Gaming), Just(ExperienceModel::Call),
            Just(ExperienceModel::Streaming), Just(ExperienceModel::Bulk)
        ],
    ) {
        let mut samples = household(100_000, |second| second % 3 == 0);
        let claimed = samples.household.as_mut().expect("household");
        claimed.capacity_down_mbps = capacity_mbps;
        let mut complete_us = complete_us;
        complete_us.sort_unstable();
        for user in &mut claimed.users {
            user.model = model;
            user.demand_down_mbps = demand_mbps;
            user.started_us = started_us;
            user.segment_media_ms = media_ms;
            user.messages = received_us
                .iter()
                .map(|&(received_us, send_us, sequence, flow)| MessageSample { flow, sequence, send_us, received_us })
                .collect();
            user.segments = complete_us
                .iter()
                .map(|&complete_us| SegmentSample { first_us: 0, complete_us, bytes: 1 })
                .collect();
            user.up = Some(ReceivedStats {
                messages: counts.0,
                late: counts.1,
                lost: counts.2,
                delay_us: delay_us.map(|delay_us| DelayStats { p50: delay_us, p95: delay_us }),
                ..up_stats(1)
            });
        }
        let (report, household) = computed(&samples);
        crate::measure::report::tests::assert_all_numbers_are_finite(&report);
        for user in &household.users {
            prop_assert!(user.score.is_none_or(|score| (0.0..=100.0).contains(&score)), "{user:?}");
        }
        prop_assert!(household.fairness.is_none_or(|fairness| (0.0..=100.001).contains(&fairness)));
    }
}
