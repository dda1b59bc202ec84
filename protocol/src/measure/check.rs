//! Refuses samples that cannot be computed on, before anything is computed.
//!
//! After it, every list is bounded and in order, every time is below a bound that leaves room for sums in `i64`, and no
//! answer precedes its question. A client's numbers may still be nonsense; they can no longer do harm.

use super::check_household::check_household;
use super::fault::{FaultKind, SamplesFault};
use crate::limits::{
    DOWNLOAD_BYTES_MAX, FLOWS_PER_DIRECTION_MAX, REPORT_FLOW_COUNT_SAMPLES_MAX,
    REPORT_GOODPUT_SAMPLES_MAX, REPORT_NODE_RTT_PINGS_MAX, REPORT_NODE_RTT_SAMPLES_MAX,
    REPORT_PROBES_MAX, REPORT_TIME_US_MAX,
};
use crate::message::samples::{Direction, GoodputSample, ProbeSample, TestSamples};
use crate::message::test::{Mode, PhaseSpan};

/// The node's clock counts from its boot; 2^53 µs are 285 years, and the largest integer that JavaScript keeps exact.
const NODE_TIME_US_MAX: u64 = 1 << 53;
/// Phases of the longest timeline.
const PHASES_MAX: usize = 6;

/// Checks everything; the first fault found is returned.
pub(super) fn check(samples: &TestSamples) -> Result<(), SamplesFault> {
    if !is_rfc3339(samples.started_at.as_bytes()) {
        return Err(fault("started_at", None, FaultKind::NotRfc3339));
    }
    if let Some(until_us) = samples.listened_until_us {
        at_most("listened_until_us", None, until_us, REPORT_TIME_US_MAX)?;
    }
    match (samples.mode, &samples.household) {
        (Mode::Single, None) => {}
        (Mode::Household, Some(household)) => check_household(household)?,
        (Mode::Single, Some(_)) | (Mode::Household, None) => {
            return Err(fault("household", None, FaultKind::WrongMode));
        }
    }
    check_phases(&samples.phases)?;
    check_probes(&samples.probes)?;
    check_node_rtt(samples)?;
    check_counts(&samples.goodput)?;
    check_flows(samples)?;
    count(
        "device.probe_timer_late_us",
        samples.device.probe_timer_late_us.len(),
        REPORT_PROBES_MAX,
    )
}

fn check_phases(phases: &[PhaseSpan]) -> Result<(), SamplesFault> {
    count("phases", phases.len(), PHASES_MAX)?;
    let mut earliest_us = 0;
    for (index, span) in phases.iter().enumerate() {
        let index = Some(index);
        at_least(
            "phases.start_us",
            index,
            span.start_us,
            earliest_us,
            "the end of the phase before it",
        )?;
        at_least(
            "phases.end_us",
            index,
            span.end_us,
            span.start_us.saturating_add(1),
            "after its start_us",
        )?;
        at_most("phases.end_us", index, span.end_us, REPORT_TIME_US_MAX)?;
        earliest_us = span.end_us;
    }
    match phases
        .windows(2)
        .position(|pair| pair[0].phase >= pair[1].phase)
    {
        Some(index) => Err(fault(
            "phases.phase",
            Some(index + 1),
            FaultKind::PhaseOrder,
        )),
        None => Ok(()),
    }
}

pub(super) fn check_probes(probes: &[ProbeSample]) -> Result<(), SamplesFault> {
    count("probes", probes.len(), REPORT_PROBES_MAX)?;
    let mut earliest_us = 0;
    let mut lowest_sequence = 0_u64;
    for (position, probe) in probes.iter().enumerate() {
        let index = Some(position);
        at_least(
            "probes.sequence",
            index,
            u64::from(probe.sequence),
            lowest_sequence,
            "one more than the probe before it",
        )?;
        at_least(
            "probes.sent_us",
            index,
            probe.sent_us,
            earliest_us,
            "when the probe before it was sent",
        )?;
        at_most("probes.sent_us", index, probe.sent_us, REPORT_TIME_US_MAX)?;
        check_answer(index, probe)?;
        earliest_us = probe.sent_us;
        lowest_sequence = u64::from(probe.sequence) + 1;
    }
    Ok(())
}

fn check_answer(index: Option<usize>, probe: &ProbeSample) -> Result<(), SamplesFault> {
    if let Some(received_us) = probe.received_us {
        at_least(
            "probes.received_us",
            index,
            received_us,
            probe.sent_us,
            "when the probe was sent",
        )?;
        at_most("probes.received_us", index, received_us, REPORT_TIME_US_MAX)?;
    }
    match (probe.node_receive_us, probe.node_send_us) {
        (None, None) => Ok(()),
        (Some(receive_us), Some(send_us)) => {
            at_least(
                "probes.node_send_us",
                index,
                send_us,
                receive_us,
                "when the node received the probe",
            )?;
            at_most("probes.node_send_us", index, send_us, NODE_TIME_US_MAX)
        }
        (Some(_), None) => Err(fault(
            "probes.node_send_us",
            index,
            FaultKind::Unpaired {
                with: "node_receive_us",
            },
        )),
        (None, Some(_)) => Err(fault(
            "probes.node_receive_us",
            index,
            FaultKind::Unpaired {
                with: "node_send_us",
            },
        )),
    }
}

fn check_node_rtt(samples: &TestSamples) -> Result<(), SamplesFault> {
    count(
        "node_rtt",
        samples.node_rtt.len(),
        REPORT_NODE_RTT_SAMPLES_MAX,
    )?;
    let times = samples.node_rtt.iter().map(|sample| sample.at_us);
    ascending("node_rtt.at_us", times)?;
    for sample in &samples.node_rtt {
        count(
            "node_rtt.ping_rtt_us",
            sample.ping_rtt_us.len(),
            REPORT_NODE_RTT_PINGS_MAX,
        )?;
    }
    Ok(())
}

pub(super) fn check_counts(counts: &[GoodputSample]) -> Result<(), SamplesFault> {
    count("goodput", counts.len(), REPORT_GOODPUT_SAMPLES_MAX)?;
    // The two directions are counted in two places, so each is in order, but not the two together.
    for direction in [Direction::Down, Direction::Up] {
        let times = counts
            .iter()
            .filter(|sample| sample.direction == direction)
            .map(|sample| sample.at_us);
        ascending("goodput.at_us", times)?;
    }
    for (index, sample) in counts.iter().enumerate() {
        at_most(
            "goodput.bytes",
            Some(index),
            sample.bytes,
            DOWNLOAD_BYTES_MAX,
        )?;
    }
    Ok(())
}

fn check_flows(samples: &TestSamples) -> Result<(), SamplesFault> {
    count("flows", samples.flows.len(), REPORT_FLOW_COUNT_SAMPLES_MAX)?;
    ascending("flows.at_us", samples.flows.iter().map(|flow| flow.at_us))?;
    for (index, flow) in samples.flows.iter().enumerate() {
        at_most(
            "flows.flows",
            Some(index),
            u64::from(flow.flows),
            FLOWS_PER_DIRECTION_MAX as u64,
        )?;
    }
    Ok(())
}

pub(super) fn fault(field: &'static str, index: Option<usize>, kind: FaultKind) -> SamplesFault {
    SamplesFault {
        user: None,
        field,
        index,
        kind,
    }
}

pub(super) fn count(field: &'static str, count: usize, allowed: usize) -> Result<(), SamplesFault> {
    if count <= allowed {
        return Ok(());
    }
    Err(fault(field, None, FaultKind::TooMany { count, allowed }))
}

pub(super) fn at_most(
    field: &'static str,
    index: Option<usize>,
    value: u64,
    allowed: u64,
) -> Result<(), SamplesFault> {
    if value <= allowed {
        return Ok(());
    }
    Err(fault(field, index, FaultKind::TooLarge { value, allowed }))
}

fn at_least(
    field: &'static str,
    index: Option<usize>,
    value: u64,
    allowed: u64,
    because: &'static str,
) -> Result<(), SamplesFault> {
    if value >= allowed {
        return Ok(());
    }
    let kind = FaultKind::TooSmall {
        value,
        allowed,
        because,
    };
    Err(fault(field, index, kind))
}

/// Times that don't go back, and stay below the end of the longest test.
fn ascending(field: &'static str, times_us: impl Iterator<Item = u64>) -> Result<(), SamplesFault> {
    let mut earliest_us = 0;
    for (index, time_us) in times_us.enumerate() {
        let index = Some(index);
        at_least(
            field,
            index,
            time_us,
            earliest_us,
            "the time of the one before it",
        )?;
        at_most(field, index, time_us, REPORT_TIME_US_MAX)?;
        earliest_us = time_us;
    }
    Ok(())
}

/// The form of RFC 3339 `date-time`: digits and separators where they belong. Whether the day exists is not asked: the
/// text is only shown and sorted by.
fn is_rfc3339(text: &[u8]) -> bool {
    let shape = |text: &[u8], shape: &[u8]| {
        text.len() == shape.len()
            && text.iter().zip(shape).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                form => byte.eq_ignore_ascii_case(form),
            })
    };
    let Some((seconds, rest)) = text.split_at_checked(19) else {
        return false;
    };
    let fraction_bytes = match rest.strip_prefix(b".") {
        Some(digits) => {
            1 + digits
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count()
        }
        None => 0,
    };
    let zone = &rest[fraction_bytes..];
    shape(seconds, b"0000-00-00T00:00:00")
        && (fraction_bytes == 0 || (2..=10).contains(&fraction_bytes))
        && (shape(zone, b"Z") || shape(zone, b"+00:00") || shape(zone, b"-00:00"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_form_of_rfc3339_is_a_start() {
        for good in [
            "2026-11-24T10:00:00Z",
            "2026-11-24T10:00:00.123Z",
            "2026-11-24t10:00:00+02:00",
            "2026-11-24T10:00:00.123456789-11:30",
        ] {
            assert!(is_rfc3339(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "2026-11-24",
            "2026-11-24T10:00:00",
            "2026-11-24T10:00:00.Z",
            "2026-11-24T10:00:00.1234567890Z",
            "2026-11-24T10:00:00<b>",
            "2026-11-24T10:00:00+0200",
            "2026-11-24 10:00:00Z",
            "20261-1-24T10:00:00Z",
        ] {
            assert!(!is_rfc3339(bad.as_bytes()), "{bad}");
        }
    }
}
