//! From the records to the report.

use std::time::Duration;

use protocol::measure::statistics::Sorted;
use protocol::message::profile::Pattern;
use protocol::message::samples::Direction;
use protocol::profile::{FlowProfile, Profile};

use super::{FlowReport, OnOffReport, ProbeReport, RateReport, UserReport};
use crate::analysis::bins;
use crate::analysis::pacing::{By, gap_errors_us, lateness_us};
use crate::analysis::rate::{error_percent, expected_bytes, mbps, sent_bytes_within};
use crate::analysis::spread::Spread;
use crate::load::attempt::{Attempt, Ended, Sample};
use crate::load::player::Player;
use crate::load::probes::ProbeRecords;

/// The gap error that Alex's messages may have at the 99th percentile, µs.
const GAP_ERROR_US_MAX: f64 = 1_000.0;

/// One user over all households.
pub(crate) fn user(profile: &Profile, players: &[&Player], duration: Duration) -> UserReport {
    let attempts: Vec<&Attempt> = players.iter().flat_map(|player| &player.attempts).collect();
    let whole: Vec<&Attempt> = attempts
        .iter()
        .filter(|attempt| attempt.started_at.is_some() && attempt.ended == Ended::Stopped)
        .copied()
        .collect();
    let received: Vec<_> = whole
        .iter()
        .map(|attempt| attempt.received(attempt.ended_at.unwrap_or_default()))
        .collect();
    let ups: Vec<_> = whole
        .iter()
        .filter_map(|attempt| attempt.totals.as_ref())
        .map(|totals| totals.up)
        .collect();
    let p95_median = |delays: &mut dyn Iterator<Item = f64>| {
        Sorted::new(delays.collect()).map(|sorted| sorted.median())
    };
    UserReport {
        user_id: profile.user_id.clone(),
        down: rates(profile, Direction::Down, &whole, duration),
        up: rates(profile, Direction::Up, &whole, duration),
        late: received.iter().map(|stats| stats.late).sum(),
        lost: received.iter().map(|stats| stats.lost).sum(),
        messages: received.iter().map(|stats| stats.messages).sum(),
        up_late: ups.iter().map(|stats| stats.late).sum(),
        up_lost: ups.iter().map(|stats| stats.lost).sum(),
        up_messages: ups.iter().map(|stats| stats.messages).sum(),
        down_delay_p95_us: p95_median(
            &mut received
                .iter()
                .filter_map(|stats| Some(stats.delay_us?.p95)),
        ),
        up_delay_p95_us: p95_median(&mut ups.iter().filter_map(|stats| Some(stats.delay_us?.p95))),
        flows: profile
            .flows
            .iter()
            .enumerate()
            .map(|(number, profile)| flow(number, profile, &whole))
            .collect(),
        on_off: on_off(profile, &whole, duration),
        sessions: attempts.len(),
        incomplete: players.len().saturating_sub(whole.len()),
        ended_early: players
            .iter()
            .flat_map(|player| {
                player
                    .attempts
                    .iter()
                    .map(|attempt| (player.household, attempt))
            })
            .filter(|(_, attempt)| attempt.ended != Ended::Stopped)
            .map(|(household, attempt)| format!("household {household}: {}", ended_early(attempt)))
            .collect(),
    }
}

fn ended_early(attempt: &Attempt) -> String {
    let after_s = |started| {
        let ended = attempt.ended_at.unwrap_or(started);
        format!("{:.1} s after its start", (ended - started).as_secs_f64())
    };
    let when = attempt
        .started_at
        .map_or_else(|| "before its start".to_owned(), after_s);
    match attempt.ended {
        Ended::Open => "never ended".to_owned(),
        Ended::Stopped => "as planned".to_owned(),
        Ended::ByNode(reason) => format!("{reason:?} {when}"),
        Ended::Connection(word) | Ended::Refused(word) => format!("{word} {when}"),
    }
}

fn rates(
    profile: &Profile,
    direction: Direction,
    attempts: &[&Attempt],
    duration: Duration,
) -> RateReport {
    let expected: f64 = profile
        .flows
        .iter()
        .filter(|flow| flow.direction == direction)
        .map(|flow| expected_bytes(flow, duration))
        .sum();
    let achieved: Vec<f64> = attempts
        .iter()
        .filter_map(|attempt| match direction {
            Direction::Down => Some(down_bytes(profile, attempt, duration)),
            // The node counts what arrived; this bench stopped sending after exactly this duration.
            Direction::Up => attempt.totals.as_ref().map(|t| t.up.received_bytes),
        })
        .map(|bytes: u64| bytes as f64)
        .collect();
    RateReport {
        expected_mbps: mbps(expected, duration),
        worst_error_percent: achieved
            .iter()
            .filter_map(|bytes| error_percent(*bytes, expected))
            .max_by(|a, b| a.abs().total_cmp(&b.abs())),
        achieved_mbps: Spread::of(achieved.into_iter().map(|b| mbps(b, duration)).collect()),
    }
}

/// Of all flows to the user, by the sender's stamps.
pub(crate) fn down_bytes(profile: &Profile, attempt: &Attempt, duration: Duration) -> u64 {
    profile
        .flows
        .iter()
        .zip(&attempt.arrivals)
        .map(|(flow, arrivals)| sent_bytes_within(flow, &arrivals.samples, duration))
        .sum()
}

fn flow(number: usize, profile: &FlowProfile, attempts: &[&Attempt]) -> FlowReport {
    let collect = |of: &dyn Fn(&Attempt) -> Vec<f64>| {
        Spread::of(attempts.iter().flat_map(|attempt| of(attempt)).collect())
    };
    let late = |by| collect(&|attempt| lateness_us(profile, samples(attempt, number), by));
    let gaps = |by| collect(&|attempt| gap_errors_us(profile, samples(attempt, number), by));
    let is_down = profile.direction == Direction::Down;
    let own = || {
        collect(&|attempt| {
            let late_us = attempt.own_lateness_us[number].iter();
            late_us.copied().map(f64::from).collect()
        })
    };
    let within = attempts.iter().filter(|attempt| {
        Spread::of(gap_errors_us(profile, samples(attempt, number), By::Sender))
            .is_some_and(|spread| spread.p99 <= GAP_ERROR_US_MAX)
    });
    let has_gaps = is_down && matches!(profile.pattern, Pattern::Constant { .. });
    FlowReport {
        number,
        direction: if is_down { "down" } else { "up" },
        pattern: match profile.pattern {
            Pattern::Constant { .. } => "constant",
            Pattern::Frames { .. } => "frames",
            Pattern::OnOff { .. } => "on_off",
            Pattern::Continuous { .. } => "continuous",
        },
        sent_late_us: if is_down { late(By::Sender) } else { own() },
        arrived_late_us: late(By::Arrival),
        gap_error_sent_us: gaps(By::Sender),
        gap_error_arrived_us: gaps(By::Arrival),
        gap_within_1ms_p99: has_gaps.then(|| within.count()),
    }
}

fn samples(attempt: &Attempt, number: usize) -> &[Sample] {
    &attempt.arrivals[number].samples
}

/// Of the profile's first flow with pauses.
fn on_off(profile: &Profile, attempts: &[&Attempt], duration: Duration) -> Option<OnOffReport> {
    let (number, flow) = profile
        .flows
        .iter()
        .enumerate()
        .find(|(_, flow)| matches!(flow.pattern, Pattern::OnOff { .. }))?;
    let binned: Vec<_> = attempts
        .iter()
        .map(|attempt| bins::arrivals(flow, &attempt.arrivals[number].samples, duration))
        .collect();
    let shares = binned
        .iter()
        .filter_map(|bins| bins::share_while_on(flow, bins))
        .collect();
    let spread = Spread::of(shares)?;
    Some(OnOffReport {
        share_while_on_min: spread.min,
        share_while_on_median: spread.p50,
        bins: binned.first()?.bytes().to_vec(),
    })
}

/// All households' probes.
pub(crate) fn probes(records: &ProbeRecords) -> ProbeReport {
    let spread = |of: fn(&crate::load::probes::Echoed) -> u32| {
        Spread::of(
            records
                .echoes
                .iter()
                .map(|echo| f64::from(of(echo)))
                .collect(),
        )
    };
    ProbeReport {
        sent: records.sent,
        unanswered: records.sent.saturating_sub(records.echoes.len() as u64),
        connections_lost: records.ended_early,
        rtt_us: spread(|echo| echo.rtt_us),
        in_node_us: spread(|echo| echo.in_node_us),
    }
}
