//! A result for the tests of what is shown: 10 ms idle, +20 ms under download, +120 ms under upload.

use client::single::Outcome;
use protocol::measure;
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
