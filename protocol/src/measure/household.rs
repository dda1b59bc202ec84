//! The report of a household test: each user by the model of what they do, and the household as a whole.

use super::confidence::{Completeness, PhaseEvidence, confidence};
use super::experience::{bulk, call, gaming, streaming};
use super::goodput::Counts;
use super::grade::{grade, overall_grade};
use super::impact::{Culprit, impact};
use super::latency::{PhaseLatency, round_trip_bound_us};
use super::phases::{self, Window};
use super::receiver::{LateRule, SessionReceiver};
use super::report::{Idle, duration_s, ms};
use super::statistics::Sorted;
use crate::message::household::{
    HouseholdReport, HouseholdSamples, MessageSample, ModelReport, UserReport, UserSamples,
};
use crate::message::profile::{ExperienceModel, HouseholdPhase, ReceivedStats};
use crate::message::report::{NodeSummary, Report};
use crate::message::samples::{Direction, TestSamples};

/// A window whose 95th percentile increase stays under this is stable: the first increase that no longer earns a B.
const STABLE_INCREASE_MS: f64 = 60.0;
/// Width of those windows.
const STABLE_WINDOW_US: u64 = 1_000_000;
/// The first second of the traffic does not count for those who send all the time: their flows are still starting.
const SETTLE_US: u64 = 1_000_000;

/// The samples must have been checked.
pub(super) fn compute(
    samples: &TestSamples,
    household: &HouseholdSamples,
    node: NodeSummary,
    test_id: &str,
) -> Report {
    let ran: Vec<(HouseholdPhase, Window)> = household
        .phases
        .iter()
        .map(|&span| (span.phase, span.into()))
        .collect();
    let window_of = |phase| ran.iter().find(|ran| ran.0 == phase).map(|ran| ran.1);
    let idle = Idle::of(samples, window_of(HouseholdPhase::Baseline));
    let traffic = window_of(HouseholdPhase::Traffic).map(|window| Traffic {
        samples,
        household,
        idle: &idle,
        window,
    });
    let report = HouseholdReport {
        overall_score: None,
        overall_grade: None,
        fairness: None,
        stability: None,
        mode: household.demand,
        capacity_down_mbps: household.capacity_down_mbps,
        capacity_up_mbps: household.capacity_up_mbps,
        users: Vec::new(),
    };
    let mut evidence = evidence(samples, &idle, window_of(HouseholdPhase::Baseline), None);
    let report = match &traffic {
        Some(traffic) => {
            evidence.extend(self::evidence(samples, &idle, None, Some(traffic.window)));
            traffic.report(report)
        }
        None => report,
    };
    let planned: Vec<(HouseholdPhase, Window)> = phases::household(household.demand)
        .into_iter()
        .map(|span| (span.phase, span.into()))
        .collect();
    let completeness = Completeness::of(&planned, &ran);
    Report {
        duration_s: duration_s(ran.first().map(|ran| ran.1), ran.last().map(|ran| ran.1)),
        total_grade: report.overall_grade,
        confidence: confidence(samples, &node, completeness, &evidence),
        household: Some(report),
        ..idle.report(samples, node, test_id)
    }
}

/// What is known of the baseline, or of the traffic.
fn evidence(
    samples: &TestSamples,
    idle: &Idle,
    baseline: Option<Window>,
    traffic: Option<Window>,
) -> Vec<PhaseEvidence> {
    let of = |name, window, is_graded: bool| {
        let latency = PhaseLatency::of(&samples.probes, samples.listened_until_us, window);
        PhaseEvidence {
            name,
            window,
            is_graded,
            sent: latency.sent,
            known: latency.answered + latency.lost,
            median_increase_us: None,
            low_increase_us: None,
            device_gap: idle.device_gap(samples, window),
            loaded: Vec::new(),
        }
    };
    let baseline = baseline.map(|window| of("idle phase", window, false));
    let traffic = traffic.map(|window| of("traffic phase", window, true));
    baseline.into_iter().chain(traffic).collect()
}

/// The traffic phase and what it is compared with.
struct Traffic<'a> {
    samples: &'a TestSamples,
    household: &'a HouseholdSamples,
    idle: &'a Idle,
    window: Window,
}

impl Traffic<'_> {
    fn report(&self, empty: HouseholdReport) -> HouseholdReport {
        let rates: Vec<Rates> = self
            .household
            .users
            .iter()
            .map(|user| Rates::of(user, self.window))
            .collect();
        let unstable = self.unstable_windows();
        let users: Vec<UserReport> = self
            .household
            .users
            .iter()
            .enumerate()
            .map(|(index, user)| self.user(index, user, &rates, &unstable))
            .collect();
        let overall_score = overall_score(self.household, &users);
        HouseholdReport {
            overall_score,
            overall_grade: overall_score.map(overall_grade),
            fairness: fairness(self.household, &rates),
            stability: share_of(&unstable, false).map(|share| share * 100.0),
            users,
            ..empty
        }
    }

    fn user(
        &self,
        index: usize,
        user: &UserSamples,
        rates: &[Rates],
        unstable: &[Option<bool>],
    ) -> UserReport {
        let probes = if user.probes.is_empty() {
            &self.samples.probes
        } else {
            &user.probes
        };
        let latency = PhaseLatency::of(probes, self.samples.listened_until_us, self.window);
        let over_idle_ms = |of: fn(&Sorted) -> f64| {
            Some(ms(of(latency.rtt_us.as_ref()?) - self.idle.median_us()?))
        };
        let increase_ms = over_idle_ms(Sorted::trimmed_mean);
        let p95_increase_ms = over_idle_ms(|rtt_us| rtt_us.percentile(95.0));
        let down = self.received_down(user);
        let jitter_us = down
            .as_ref()
            .and_then(SessionReceiver::mean_jitter_us)
            .or(latency.jitter_us);
        let down = down.map(|receiver| receiver.totals(self.window.end_us));
        let (score, late_ratio, model) = match user.model {
            ExperienceModel::Gaming => {
                let late_ratio = late_ratio(down.as_ref(), user.up.as_ref());
                let score = gaming::score(p95_increase_ms, jitter_us.map(ms), late_ratio);
                let model = ModelReport::Gaming {
                    name: gaming::NAME.into(),
                    p95_increase_ms,
                };
                (score, late_ratio, model)
            }
            ExperienceModel::Call => self.call(user, down.as_ref()),
            ExperienceModel::Streaming => self.streaming(user),
            ExperienceModel::Bulk => self.bulk(index, user, rates),
        };
        let culprit = Culprit::of(self.household, self.window, index, unstable);
        UserReport {
            user_id: user.user_id.clone(),
            score,
            grade: increase_ms.map(grade),
            latency_increase_ms: increase_ms,
            jitter_ms: jitter_us.map(ms),
            late_ratio,
            down_mbps: rates[index].down_mbps,
            up_mbps: rates[index].up_mbps,
            demand_down_mbps: user.demand_down_mbps,
            demand_up_mbps: user.demand_up_mbps,
            impact: impact(&user.name, score, increase_ms, late_ratio, &model, culprit),
            model,
        }
    }

    /// The user's messages from the node, through the same receiver that the node has for those to it.
    fn received_down(&self, user: &UserSamples) -> Option<SessionReceiver> {
        let mut messages: Vec<&MessageSample> = user
            .messages
            .iter()
            .filter(|message| self.window.contains(message.received_us))
            .collect();
        messages.sort_by_key(|message| message.received_us);
        let first = messages.first()?;
        let rule = LateRule::of(user.model);
        // Above the idle line where it is known, else above the least that was seen.
        let mut receiver = match &self.idle.path {
            Some(_) => SessionReceiver::above_idle(first.received_us, rule),
            None => SessionReceiver::new(first.received_us, rule),
        };
        for message in messages {
            let transit_us = match &self.idle.path {
                Some(path) => path.down_delay_us(message.send_us, message.received_us),
                None => Some(message.received_us as f64 - message.send_us as f64),
            };
            receiver.handle_transit(
                message.received_us,
                message.flow,
                message.sequence,
                transit_us.map_or(0, |transit_us| transit_us as i64),
                0,
            );
        }
        Some(receiver)
    }

    /// The E-model of the worse direction. From mouth to ear: half the idle round trip, the median delay above it, and the
    /// jitter buffer.
    fn call(
        &self,
        user: &UserSamples,
        down: Option<&ReceivedStats>,
    ) -> (Option<f64>, Option<f64>, ModelReport) {
        let idle_ms = self.idle.median_us().map(|idle_us| ms(idle_us) / 2.0);
        let rated = |stats: &ReceivedStats| {
            let delay_ms = ms(stats.delay_us?.p50);
            let mouth_to_ear_ms =
                idle_ms? + delay_ms + ms(f64::from(super::receiver::JITTER_BUFFER_US));
            let missed_ratio = late_ratio(Some(stats), None)?;
            let r_factor = call::r_factor(mouth_to_ear_ms, missed_ratio);
            Some((r_factor, mouth_to_ear_ms, missed_ratio))
        };
        let worse = [down, user.up.as_ref()]
            .into_iter()
            .flatten()
            .filter_map(rated)
            .min_by(|a, b| a.0.total_cmp(&b.0));
        let mut messages: Vec<MessageSample> = user
            .messages
            .iter()
            .copied()
            .filter(|message| self.window.contains(message.received_us))
            .collect();
        messages.sort_by_key(|message| message.received_us);
        let model = ModelReport::Call {
            name: call::NAME.into(),
            r_factor: worse.map(|worse| worse.0),
            mos: worse.map(|worse| call::mos(worse.0)),
            mouth_to_ear_ms: worse.map(|worse| worse.1),
            missed_ratio: worse.map(|worse| worse.2),
            frozen_s: call::frozen_s(&messages, self.window.end_us),
        };
        (
            worse.map(|worse| call::score(worse.0)),
            late_ratio(down, user.up.as_ref()),
            model,
        )
    }

    fn streaming(&self, user: &UserSamples) -> (Option<f64>, Option<f64>, ModelReport) {
        let media_us = u64::from(user.segment_media_ms.unwrap_or(0)) * 1_000;
        let started_us = user
            .started_us
            .clamp(self.window.start_us, self.window.end_us);
        let playback = streaming::play(&user.segments, media_us, started_us, self.window.end_us);
        let judged = media_us > 0;
        // Segments that should have been there by the end, each within its own period.
        let due = (self.window.end_us - started_us).checked_div(media_us);
        let late_ratio = due
            .filter(|due| *due > 0)
            .map(|due| (1.0 - f64::from(playback.in_time) / due as f64).clamp(0.0, 1.0));
        let model = ModelReport::Streaming {
            name: streaming::NAME.into(),
            startup_s: playback.startup_s,
            stalls: playback.stalls,
            stalled_s: playback.stalled_s,
            stall_ratio: playback.stall_ratio,
            segments: playback.segments,
            segments_in_time: playback.in_time,
        };
        (
            judged.then(|| streaming::score(&playback)),
            late_ratio,
            model,
        )
    }

    fn bulk(
        &self,
        index: usize,
        user: &UserSamples,
        rates: &[Rates],
    ) -> (Option<f64>, Option<f64>, ModelReport) {
        let others_mbps: f64 = rates
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .filter_map(|(_, rates)| rates.down_mbps)
            .sum();
        let available_mbps = self
            .household
            .capacity_down_mbps
            .map(|capacity_mbps| (capacity_mbps - others_mbps).max(0.0));
        let achieved_ratio = bulk::achieved_ratio(
            rates[index].down_mbps,
            user.demand_down_mbps,
            available_mbps,
        );
        let model = ModelReport::Bulk {
            name: bulk::NAME.into(),
            available_mbps,
            achieved_ratio,
        };
        (achieved_ratio.map(|ratio| ratio * 100.0), None, model)
    }

    /// For each second of the traffic whether the line's 95th percentile increase was too much; `None` without a probe.
    fn unstable_windows(&self) -> Vec<Option<bool>> {
        let count = self.window.length_us() / STABLE_WINDOW_US;
        (0..count)
            .map(|number| {
                let start_us = self.window.start_us + number * STABLE_WINDOW_US;
                let second = Window {
                    start_us,
                    end_us: start_us + STABLE_WINDOW_US,
                };
                let rtts = self
                    .samples
                    .probes
                    .iter()
                    .filter(|probe| second.contains(probe.sent_us))
                    .filter_map(|probe| {
                        round_trip_bound_us(probe, self.samples.listened_until_us, self.window)
                    });
                let p95_us = Sorted::new(rtts.collect())?.percentile(95.0);
                Some(ms(p95_us - self.idle.median_us()?) >= STABLE_INCREASE_MS)
            })
            .collect()
    }
}

/// What a user achieved, Mbit/s.
#[derive(Clone, Copy, Debug)]
struct Rates {
    down_mbps: Option<f64>,
    up_mbps: Option<f64>,
}

impl Rates {
    /// Over the traffic phase, without its first second; of a stream over all of it, since its bursts come once a period.
    fn of(user: &UserSamples, traffic: Window) -> Self {
        let settle_us = match user.model {
            ExperienceModel::Streaming => 0,
            ExperienceModel::Gaming | ExperienceModel::Call | ExperienceModel::Bulk => {
                SETTLE_US.min(traffic.length_us() / 4)
            }
        };
        let window = Window {
            start_us: traffic.start_us + settle_us,
            ..traffic
        };
        let mean_mbps = |direction| {
            let counts = Counts {
                samples: &user.goodput,
                flows: &[],
                direction,
                since_us: user.started_us,
            };
            counts.mean_mbps(window)
        };
        Self {
            down_mbps: mean_mbps(Direction::Down),
            up_mbps: mean_mbps(Direction::Up),
        }
    }
}

/// Late and lost messages ÷ messages sent, over both directions.
fn late_ratio(down: Option<&ReceivedStats>, up: Option<&ReceivedStats>) -> Option<f64> {
    let (mut bad, mut all) = (0.0, 0.0);
    for stats in [down, up].into_iter().flatten() {
        bad += stats.late as f64 + stats.lost as f64;
        all += stats.messages as f64 + stats.lost as f64;
    }
    (all > 0.0).then(|| (bad / all).clamp(0.0, 1.0))
}

/// The share of the known windows that are as asked for.
fn share_of(windows: &[Option<bool>], unstable: bool) -> Option<f64> {
    let known = windows.iter().flatten().count();
    let matching = windows
        .iter()
        .flatten()
        .filter(|&&is| is == unstable)
        .count();
    (known > 0).then(|| matching as f64 / known as f64)
}

/// Jain's index (Jain, Chiu, Hawe, DEC-TR-301, 1984) over achieved ÷ demand, × 100: 100 when all got the same share of what
/// they needed, 100 ÷ n when one got everything. More than all of the demand is all of it.
fn fairness(household: &HouseholdSamples, rates: &[Rates]) -> Option<f64> {
    let shares: Vec<f64> = household
        .users
        .iter()
        .zip(rates)
        .filter_map(|(user, rates)| {
            let demand = user.demand_down_mbps + user.demand_up_mbps;
            let achieved = rates.down_mbps.unwrap_or(0.0).min(user.demand_down_mbps)
                + rates.up_mbps.unwrap_or(0.0).min(user.demand_up_mbps);
            (demand > 0.0).then(|| achieved / demand)
        })
        .collect();
    jain(&shares).map(|index| index * 100.0)
}

fn jain(shares: &[f64]) -> Option<f64> {
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    (squares > 0.0).then(|| sum * sum / (shares.len() as f64 * squares))
}

/// Three parts for each who plays, talks or watches, one for each transfer: for the four users of the catalogue 0.3, 0.3, 0.3
/// and 0.1. Who could not be judged does not count.
fn overall_score(household: &HouseholdSamples, users: &[UserReport]) -> Option<f64> {
    let (mut sum, mut weights) = (0.0, 0.0);
    for (samples, report) in household.users.iter().zip(users) {
        let weight = match samples.model {
            ExperienceModel::Gaming | ExperienceModel::Call | ExperienceModel::Streaming => 3.0,
            ExperienceModel::Bulk => 1.0,
        };
        if let Some(score) = report.score {
            sum += weight * score;
            weights += weight;
        }
    }
    (weights > 0.0).then(|| sum / weights)
}

#[cfg(test)]
#[path = "household_tests.rs"]
mod tests;
