//! A result for the tests of what is shown: 10 ms idle, +20 ms under download, +120 ms under upload.

use client::outcome::Outcome;
use protocol::measure;
use protocol::message::household::{DemandMode, HouseholdSamples, UserSamples};
use protocol::message::profile::ExperienceModel;
use protocol::message::report::NodeSummary;
use protocol::message::samples::{
    DeviceSamples, Direction, FlowCountSample, GoodputSample, ProbeSample, ProbeTransport,
    TestSamples,
};
use protocol::message::test::{ClientDescription, Mode};

/// Computed by `protocol` from samples made up.
pub(crate) fn outcome() -> Outcome {
    let samples = samples();
    let report =
        measure::report::compute(&samples, NodeSummary::default(), "0").expect("sound samples");
    Outcome {
        report,
        samples,
        partial: None,
        warnings: Vec::new(),
        sponsor: None,
    }
}

/// A household of two, Alex at +50 ms and Computer with all that was left of 100/20 Mbit/s.
pub(crate) fn household_outcome() -> Outcome {
    let samples = household_samples();
    let report =
        measure::report::compute(&samples, NodeSummary::default(), "0").expect("sound samples");
    Outcome {
        report,
        samples,
        partial: None,
        warnings: Vec::new(),
        sponsor: None,
    }
}

fn household_samples() -> TestSamples {
    let phases = measure::phases::household(DemandMode::Adaptive);
    let is_traffic = |at_us: u64| at_us >= 15_000_000;
    let probe = |sequence: u32| {
        let sent_us = u64::from(sequence) * 50_000;
        let late_us = if is_traffic(sent_us) { 50_000 } else { 0 };
        let received_us = sent_us + 10_000 + late_us;
        ProbeSample {
            sequence,
            sent_us,
            received_us: Some(received_us),
            node_receive_us: Some(received_us - 5_000),
            node_send_us: Some(received_us - 5_000),
        }
    };
    let user = |user_id: &str, name: &str, model, down_mbps: f64, up_mbps: f64| UserSamples {
        user_id: user_id.to_owned(),
        name: name.to_owned(),
        model,
        started_us: 15_000_000,
        demand_down_mbps: down_mbps,
        demand_up_mbps: up_mbps,
        probes: match model {
            ExperienceModel::Bulk => Vec::new(),
            _ => (300..900).map(probe).collect(),
        },
        goodput: (151..=450)
            .flat_map(|bin| {
                let count = |direction, mbps: f64| GoodputSample {
                    at_us: bin * 100_000,
                    direction,
                    bytes: (mbps * 12_500.0) as u64,
                };
                [
                    count(Direction::Down, down_mbps),
                    count(Direction::Up, up_mbps),
                ]
            })
            .collect(),
        messages: Vec::new(),
        segments: Vec::new(),
        segment_media_ms: None,
        up: None,
    };
    TestSamples {
        mode: Mode::Household,
        phases: Vec::new(),
        probes: (0..900).map(probe).collect(),
        goodput: Vec::new(),
        flows: Vec::new(),
        household: Some(HouseholdSamples {
            demand: DemandMode::Adaptive,
            phases,
            capacity_down_mbps: Some(100.0),
            capacity_up_mbps: Some(20.0),
            users: vec![
                user("alex", "Alex", ExperienceModel::Gaming, 1.5, 0.75),
                user("computer", "Computer", ExperienceModel::Bulk, 95.0, 2.0),
            ],
        }),
        ..samples()
    }
}

fn samples() -> TestSamples {
    let latency_us = |at_us: u64| match at_us / 1_000_000 {
        0..5 => 10_000,
        5..20 => 30_000,
        _ => 130_000,
    };
    let probes = (0..800_u32).map(|sequence| {
        let sent_us = u64::from(sequence) * 50_000;
        let received_us = sent_us + latency_us(sent_us);
        ProbeSample {
            sequence,
            sent_us,
            received_us: Some(received_us),
            node_receive_us: Some(received_us - 5_000),
            node_send_us: Some(received_us - 5_000),
        }
    });
    let goodput = |direction, from: u64, to: u64, bytes: u64| {
        (1..=400).map(move |bin| GoodputSample {
            at_us: bin * 100_000,
            direction,
            bytes: if (from..to).contains(&((bin - 1) / 10)) {
                bytes
            } else {
                0
            },
        })
    };
    let down = goodput(Direction::Down, 5, 20, 600_000);
    TestSamples {
        mode: Mode::Single,
        client: ClientDescription {
            name: "terminal".to_owned(),
            version: String::new(),
        },
        started_at: "2026-11-24T10:00:00.000Z".to_owned(),
        phases: measure::phases::single_user(),
        probes: probes.collect(),
        listened_until_us: None,
        probe_transport: ProbeTransport::PingRole,
        node_rtt: Vec::new(),
        goodput: down
            .chain(goodput(Direction::Up, 20, 40, 120_000))
            .collect(),
        flows: vec![FlowCountSample {
            at_us: 5_000_000,
            direction: Direction::Down,
            flows: 4,
        }],
        device: DeviceSamples::default(),
        household: None,
    }
}
