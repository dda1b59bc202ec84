//! Refuses household samples that cannot be computed on: see `check`.

use super::check::{at_most, check_counts, check_probes, count, fault};
use super::fault::{FaultKind, SamplesFault};
use crate::limits::{
    DOWNLOAD_BYTES_MAX, PROFILE_FLOWS_MAX, PROFILE_PERIOD_MS_MAX, PROFILE_TEXT_BYTES_MAX,
    REPORT_MESSAGES_MAX, REPORT_SEGMENTS_MAX, REPORT_TIME_US_MAX, REPORT_USERS_MAX,
};
use crate::message::household::{HouseholdSamples, UserSamples};
use crate::message::profile::ReceivedStats;

/// No line and no clock has more than this of anything: far above 10 Tbit/s in Mbit/s and a month in µs, far below where a
/// sum of squares would lose its meaning.
const FIGURE_MAX: f64 = 1e13;
/// Phases of the household's timeline.
const PHASES_MAX: usize = 4;
/// Clocks and counters: the largest integer that JavaScript keeps exact.
const INTEGER_MAX: u64 = 1 << 53;

pub(super) fn check_household(household: &HouseholdSamples) -> Result<(), SamplesFault> {
    count("household.phases", household.phases.len(), PHASES_MAX)?;
    let mut before = None;
    for (index, span) in household.phases.iter().enumerate() {
        let earliest_us = before.map_or(0, |(_, end_us)| end_us);
        let is_in_order = before.is_none_or(|(phase, _)| phase < span.phase)
            && earliest_us <= span.start_us
            && span.start_us < span.end_us
            && span.end_us <= REPORT_TIME_US_MAX;
        if !is_in_order {
            return Err(fault(
                "household.phases",
                Some(index),
                FaultKind::HouseholdPhaseOrder,
            ));
        }
        before = Some((span.phase, span.end_us));
    }
    for (field, capacity_mbps) in [
        ("household.capacity_down_mbps", household.capacity_down_mbps),
        ("household.capacity_up_mbps", household.capacity_up_mbps),
    ] {
        figure(field, capacity_mbps)?;
    }
    count("household.users", household.users.len(), REPORT_USERS_MAX)?;
    for (index, user) in household.users.iter().enumerate() {
        check_user(user).map_err(|fault| SamplesFault {
            user: Some(index),
            ..fault
        })?;
    }
    Ok(())
}

fn check_user(user: &UserSamples) -> Result<(), SamplesFault> {
    text("user_id", &user.user_id)?;
    text("name", &user.name)?;
    at_most("started_us", None, user.started_us, REPORT_TIME_US_MAX)?;
    figure("demand_down_mbps", Some(user.demand_down_mbps))?;
    figure("demand_up_mbps", Some(user.demand_up_mbps))?;
    check_probes(&user.probes)?;
    check_counts(&user.goodput)?;
    count("messages", user.messages.len(), REPORT_MESSAGES_MAX)?;
    for (index, message) in user.messages.iter().enumerate() {
        let index = Some(index);
        let flow = u64::from(message.flow);
        at_most("messages.flow", index, flow, PROFILE_FLOWS_MAX as u64 - 1)?;
        at_most("messages.send_us", index, message.send_us, INTEGER_MAX)?;
        at_most(
            "messages.received_us",
            index,
            message.received_us,
            REPORT_TIME_US_MAX,
        )?;
    }
    count("segments", user.segments.len(), REPORT_SEGMENTS_MAX)?;
    let mut earliest_us = 0;
    for (index, segment) in user.segments.iter().enumerate() {
        let is_in_order = segment.first_us <= segment.complete_us
            && earliest_us <= segment.complete_us
            && segment.complete_us <= REPORT_TIME_US_MAX
            && segment.bytes <= DOWNLOAD_BYTES_MAX;
        if !is_in_order {
            return Err(fault("segments", Some(index), FaultKind::SegmentOrder));
        }
        earliest_us = segment.complete_us;
    }
    let media_ms = user.segment_media_ms.unwrap_or(0);
    at_most(
        "segment_media_ms",
        None,
        u64::from(media_ms),
        2 * u64::from(PROFILE_PERIOD_MS_MAX),
    )?;
    user.up.as_ref().map_or(Ok(()), check_stats)
}

fn check_stats(stats: &ReceivedStats) -> Result<(), SamplesFault> {
    for (field, value) in [
        ("up.received_bytes", stats.received_bytes),
        ("up.messages", stats.messages),
        ("up.late", stats.late),
        ("up.lost", stats.lost),
    ] {
        at_most(field, None, value, INTEGER_MAX)?;
    }
    figure("up.delay_us.p50", stats.delay_us.map(|delay| delay.p50))?;
    figure("up.delay_us.p95", stats.delay_us.map(|delay| delay.p95))?;
    figure("up.jitter_us", stats.jitter_us)?;
    figure("up.goodput_mbps", stats.goodput_mbps)
}

/// A number that is not negative and not beyond all measure.
fn figure(field: &'static str, value: Option<f64>) -> Result<(), SamplesFault> {
    match value {
        Some(value) if !(0.0..=FIGURE_MAX).contains(&value) => {
            Err(fault(field, None, FaultKind::NotAFigure))
        }
        Some(_) | None => Ok(()),
    }
}

fn text(field: &'static str, text: &str) -> Result<(), SamplesFault> {
    count(field, text.len(), PROFILE_TEXT_BYTES_MAX)?;
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(fault(field, None, FaultKind::NotAName));
    }
    Ok(())
}
