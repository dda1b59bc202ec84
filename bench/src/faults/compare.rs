//! Two spans of a run beside each other: what each user got, and how the probes fared.

use std::time::Duration;

use protocol::time::Instant;
use serde::Serialize;

use crate::analysis::bins::{BIN, Bins};
use crate::analysis::rate::{error_percent, mbps};
use crate::analysis::spread::Spread;
use crate::load::Plan;
use crate::load::attempt::{Attempt, Ended};
use crate::load::probes::Echoed;
use crate::run::Outcome;

/// From one moment to another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) start: Instant,
    pub(crate) end: Instant,
}

impl Span {
    pub(crate) fn new(start: Instant, duration: Duration) -> Self {
        Self {
            start,
            end: start + duration,
        }
    }

    pub(crate) fn has(self, moment: Instant) -> bool {
        (self.start..self.end).contains(&moment)
    }
}

/// A run's records by user and time.
#[derive(Debug)]
pub(crate) struct Records<'a> {
    outcome: &'a Outcome,
    /// By user: what arrived from the node.
    bins: Vec<(String, Bins)>,
}

/// One span against another.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    pub(crate) users: Vec<UserComparison>,
    pub(crate) probe_rtt_before_us: Option<Spread>,
    pub(crate) probe_rtt_after_us: Option<Spread>,
    /// This bench's own: where it was late, the users' figures are of it.
    pub(crate) own_lag_before_us: Option<Spread>,
    pub(crate) own_lag_after_us: Option<Spread>,
}

/// One user, all households together.
#[derive(Debug, Serialize)]
pub(crate) struct UserComparison {
    pub(crate) user_id: String,
    pub(crate) before_mbps: f64,
    pub(crate) after_mbps: f64,
    pub(crate) change_percent: Option<f64>,
    /// The emptiest bin of 100 ms, as a rate.
    pub(crate) least_bin_before_mbps: f64,
    pub(crate) least_bin_after_mbps: f64,
}

impl<'a> Records<'a> {
    pub(crate) fn new(outcome: &'a Outcome, plan: Plan) -> Self {
        let bins = outcome.profiles.iter().map(|profile| {
            let mut bins = Bins::new(plan.start.as_micros(), plan.end - plan.start);
            for attempt in attempts_of(outcome, &profile.user_id) {
                for flow in &attempt.arrivals {
                    for sample in &flow.samples {
                        let at_us = flow.first_arrived_us + u64::from(sample.arrived_us);
                        bins.add(at_us, u64::from(sample.bytes));
                    }
                }
            }
            (profile.user_id.clone(), bins)
        });
        Self {
            bins: bins.collect(),
            outcome,
        }
    }

    /// All users, but for the one whose role is at fault.
    pub(crate) fn compare(&self, before: Span, after: Span, except: Option<&str>) -> Comparison {
        let users = self
            .bins
            .iter()
            .filter(|(user_id, _)| Some(user_id.as_str()) != except)
            .map(|(user_id, bins)| compare(user_id, whole(bins, before), whole(bins, after)));
        Comparison {
            users: users.collect(),
            probe_rtt_before_us: self.probe_rtt(before),
            probe_rtt_after_us: self.probe_rtt(after),
            own_lag_before_us: self.own_lag(before),
            own_lag_after_us: self.own_lag(after),
        }
    }

    /// Sessions of a user.
    pub(crate) fn attempts_of(&self, user_id: &str) -> impl Iterator<Item = &'a Attempt> + use<'a> {
        let user_id = user_id.to_owned();
        attempts(self.outcome)
            .filter(move |(of, _)| *of == user_id)
            .map(|(_, attempt)| attempt)
    }

    /// How many sessions with traffic ended in this span other than as planned.
    pub(crate) fn sessions_ended_in(&self, span: Span, except: Option<&str>) -> usize {
        attempts(self.outcome)
            .filter(|(user_id, attempt)| {
                Some(*user_id) != except
                    && attempt.started_at.is_some()
                    && attempt.ended != Ended::Stopped
                    && attempt.ended_at.is_some_and(|at| span.has(at))
            })
            .count()
    }

    fn probe_rtt(&self, span: Span) -> Option<Spread> {
        let in_span = |echo: &&Echoed| span.has(Instant::from_micros(echo.sent_us));
        let echoes = self.outcome.probes.echoes.iter().filter(in_span);
        Spread::of(echoes.map(|echo| f64::from(echo.rtt_us)).collect())
    }

    fn own_lag(&self, span: Span) -> Option<Spread> {
        let lags = self.outcome.lags.iter().filter(|lag| span.has(lag.at));
        Spread::of(lags.map(|lag| f64::from(lag.lag_us)).collect())
    }
}

fn attempts(outcome: &Outcome) -> impl Iterator<Item = (&str, &Attempt)> {
    outcome.players.iter().flat_map(|player| {
        let attempts = player.attempts.iter();
        attempts.map(|attempt| (player.profile.user_id.as_str(), attempt))
    })
}

fn attempts_of<'a>(outcome: &'a Outcome, user_id: &str) -> impl Iterator<Item = &'a Attempt> {
    attempts(outcome)
        .filter(move |(of, _)| *of == user_id)
        .map(|(_, attempt)| attempt)
}

fn whole(bins: &Bins, span: Span) -> &[u64] {
    bins.within(span.start.as_micros(), span.end.as_micros())
}

fn compare(user_id: &str, before: &[u64], after: &[u64]) -> UserComparison {
    let mean_mbps = |bins: &[u64]| {
        let bytes: u64 = bins.iter().sum();
        mbps(bytes as f64 / bins.len().max(1) as f64, BIN)
    };
    let least_mbps = |bins: &[u64]| mbps(bins.iter().min().copied().unwrap_or(0) as f64, BIN);
    UserComparison {
        user_id: user_id.to_owned(),
        before_mbps: mean_mbps(before),
        after_mbps: mean_mbps(after),
        change_percent: error_percent(mean_mbps(after), mean_mbps(before)),
        least_bin_before_mbps: least_mbps(before),
        least_bin_after_mbps: least_mbps(after),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dip_shows_in_the_least_bin_and_in_the_mean() {
        let compared = compare("alex", &[50_000, 50_000], &[50_000, 25_000]);
        let rounded = [
            compared.before_mbps,
            compared.after_mbps,
            compared.least_bin_before_mbps,
            compared.least_bin_after_mbps,
        ]
        .map(|mbps| (mbps * 1e6).round());
        assert_eq!(rounded, [4e6, 3e6, 4e6, 2e6]);
        assert_eq!(compared.change_percent.map(f64::round), Some(-25.0));
        assert_eq!(compare("alex", &[], &[]).change_percent, None);
    }

    #[test]
    fn a_span_has_its_first_moment_and_not_its_end() {
        let span = Span::new(Instant::from_micros(10), Duration::from_micros(5));
        assert!(span.has(span.start) && !span.has(span.end));
    }
}
