//! One user of the household: plays the user's side of a session, as the page's worker does, and keeps what it saw.

use std::time::Duration;

use engine::runtime::application::Context;
use engine::runtime::sys::clock;
use protocol::message::household::UserSamples;
use protocol::message::probe::{Echo, Probe};
use protocol::message::profile::{
    ExperienceModel, Pattern, ProfileDescription, SessionClientMessage, SessionNodeMessage,
    SessionStats, TrafficHeader,
};
use protocol::message::samples::{Direction, GoodputSample};
use protocol::time::Instant;

use super::demand::AdaptiveDemand;
use super::downlink::{Downlink, has_probes};
use super::received::Received;
use super::uplink::Uplink;
use crate::line::micros;
use crate::load::goodput_bins::BIN_US;
use crate::probe::schedule::{DueProbe, PROBE_INTERVAL_US, ProbeSchedule};
use crate::probe::{AnsweredProbe, ProbeBatch, SentProbe};
use crate::sample_log::SampleLog;

/// Rates shown and judged are means of this long, µs.
const RATE_WINDOW_US: u64 = 1_000_000;
/// Probes sent before the test to warm the path; their sequence tells them from real ones.
const WARM_SEQUENCE: u32 = u32::MAX;
const WARM_PROBES: u32 = 5;

/// When the users' traffic runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct UserRun {
    /// When the test started.
    pub(super) start: Instant,
    /// When the traffic starts, µs since then.
    pub(super) from_us: u64,
    /// When it ends.
    pub(super) to_us: u64,
    /// What transfers ask for at first, Mbit/s; `None` in standard mode.
    pub(super) capacity_down_mbps: Option<f64>,
}

impl UserRun {
    fn since_us(&self, at: Instant) -> u64 {
        micros(at - self.start)
    }

    fn instant(&self, at_us: u64) -> Instant {
        self.start + Duration::from_micros(at_us)
    }
}

/// A user at the moment, for watching.
#[derive(Clone, Debug, Default)]
pub struct UserNow {
    /// For people.
    pub name: String,
    /// What they do, in a word or two.
    pub activity: String,
    /// Received by the user over the last second, Mbit/s; `None` before the traffic.
    pub down_mbps: Option<f64>,
    /// Received from the user over the last second that the node has told of, Mbit/s.
    pub up_mbps: Option<f64>,
    /// The latency of the session's own probes, ms; `None` where it has none, or none yet.
    pub latency_ms: Option<f64>,
    /// Whether the session has probes of its own; where not, those of the line tell.
    pub has_own_probes: bool,
}

/// A user.
#[derive(Debug)]
pub(super) struct User {
    pub(super) profile: ProfileDescription,
    downlink: Downlink,
    uplink: Uplink,
    received: Received,
    probes: SampleLog,
    schedule: Option<ProbeSchedule>,
    demand: Option<AdaptiveDemand>,
    run: Option<UserRun>,
    /// When the traffic was first started, µs.
    started_us: Option<u64>,
    /// When this session's traffic began, µs.
    session_start_us: u64,
    /// The traffic of this session was started.
    is_running: bool,
    /// No more traffic.
    is_stopping: bool,
    /// The node has said its totals, or will not any more.
    pub(super) is_finished: bool,
}

impl User {
    /// `recorded` are the flows whose messages are kept one by one.
    pub(super) fn new(profile: ProfileDescription, recorded: &[usize]) -> Self {
        Self {
            downlink: Downlink::new(&profile, recorded),
            profile,
            uplink: Uplink::default(),
            received: Received::default(),
            probes: SampleLog::default(),
            schedule: None,
            demand: None,
            run: None,
            started_us: None,
            session_start_us: 0,
            is_running: false,
            is_stopping: false,
            is_finished: false,
        }
    }

    pub(super) fn set_run(&mut self, run: UserRun) {
        self.run = Some(run);
        if self.has_own_probes() {
            let schedule = ProbeSchedule::between(PROBE_INTERVAL_US, run.from_us, run.to_us);
            self.schedule = Some(schedule);
        } else {
            self.demand = run.capacity_down_mbps.map(|capacity_mbps| {
                AdaptiveDemand::new(run.from_us, self.profile.mean_down_mbps, capacity_mbps)
            });
        }
    }

    fn has_own_probes(&self) -> bool {
        has_probes(self.profile.model)
    }

    /// Whether a session is, or will be, of use at `now`.
    pub(super) fn needs_session(&self, now: Instant) -> bool {
        let is_over = self.run.is_some_and(|run| run.since_us(now) >= run.to_us);
        !self.is_stopping && !is_over
    }

    /// When the session of this user is to be looked at again.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let run = self.run.filter(|_| !self.is_stopping)?;
        if !self.is_running {
            return Some(run.instant(run.from_us));
        }
        let probe = self.schedule.and_then(|schedule| schedule.poll_timeout());
        let due = [
            self.uplink.next_due(),
            probe.map(|due_us| run.instant(due_us)),
            Some(run.instant(run.to_us)),
        ];
        due.into_iter().flatten().min()
    }

    /// Does what is due in a session that stands; `buffer` is filler.
    pub(super) fn handle_timeout(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) {
        let Some(run) = self.run else {
            return;
        };
        if self.is_stopping || context.now < run.instant(run.from_us) {
            return;
        }
        let now_us = run.since_us(context.now);
        if now_us >= run.to_us {
            self.stop(context);
            return;
        }
        if !self.is_running {
            self.start_traffic(context, now_us);
        }
        self.send_probe(context, run);
        self.uplink.send_due(context, buffer);
    }

    /// No more traffic; the node's totals follow.
    pub(super) fn stop(&mut self, context: &mut Context<'_>) {
        if !std::mem::replace(&mut self.is_stopping, true) {
            say(context, &SessionClientMessage::Stop);
        }
    }

    /// The same without a session: without the totals the last statistics stand.
    pub(super) fn stop_without_session(&mut self) {
        self.is_stopping = true;
        self.is_finished = true;
    }

    /// Warms the path of the first session.
    pub(super) fn warm(&self, context: &mut Context<'_>) {
        for _ in 0..WARM_PROBES {
            send_probe(context, WARM_SEQUENCE, 0);
        }
    }

    /// A session stands again in the place of one that broke.
    pub(super) fn handle_reopened(&mut self, now: Instant) {
        if let Some(run) = self.run {
            self.downlink.handle_reopened(run.since_us(now));
        }
        self.received.handle_reopened();
        self.uplink = Uplink::default();
        self.is_running = false;
    }

    /// Without a session the traffic's time comes all the same, and the probes that are due count as sent and lost: to the user
    /// they are.
    pub(super) fn handle_absence(&mut self, now: Instant) {
        let Some(run) = self.run else {
            return;
        };
        let now_us = run.since_us(now);
        if now < run.instant(run.from_us) || self.is_stopping {
            return;
        }
        self.started_us.get_or_insert(run.from_us);
        while let Some((probe, due_us)) = self
            .schedule
            .as_mut()
            .and_then(|schedule| schedule.poll_missed(now_us))
        {
            self.note_sent(probe, due_us);
        }
    }

    fn start_traffic(&mut self, context: &mut Context<'_>, now_us: u64) {
        self.started_us.get_or_insert(now_us);
        self.is_running = true;
        self.session_start_us = now_us;
        say(context, &SessionClientMessage::Start);
        // Before its start a session has no flows whose demand could be set.
        if let Some(demand) = &self.demand {
            say_demand(context, demand.mbps());
        }
        self.uplink = Uplink::start(context.now, &self.profile);
    }

    fn send_probe(&mut self, context: &mut Context<'_>, run: UserRun) {
        let sent_us = run.since_us(clock::monotonic_now());
        let due = self
            .schedule
            .as_mut()
            .and_then(|schedule| schedule.poll_probe(sent_us));
        if let Some(probe) = due {
            self.note_sent(probe, sent_us);
            send_probe(context, probe.sequence, sent_us);
        }
    }

    fn note_sent(&mut self, probe: DueProbe, sent_us: u64) {
        self.probes.handle_batch(ProbeBatch {
            sent: vec![SentProbe {
                sequence: probe.sequence,
                sent_us,
                late_us: u32::try_from(probe.late_us).unwrap_or(u32::MAX),
            }],
            ..ProbeBatch::default()
        });
    }

    pub(super) fn handle_binary(&mut self, context: &Context<'_>, payload: &[u8]) {
        let (Some(run), Some(_)) = (self.run, self.started_us) else {
            return;
        };
        let received_us = run.since_us(context.received_at.unwrap_or(context.now));
        if let Some(header) = TrafficHeader::parse(payload) {
            self.downlink
                .handle(header, payload.len() as u64, received_us);
        } else if let Some(echo) =
            Echo::parse(payload).filter(|echo| echo.sequence != WARM_SEQUENCE)
        {
            self.probes.handle_batch(ProbeBatch {
                answered: vec![AnsweredProbe {
                    sequence: echo.sequence,
                    received_us,
                    node_receive_us: Some(echo.node_receive_us),
                    node_send_us: Some(echo.node_send_us),
                }],
                ..ProbeBatch::default()
            });
        }
    }

    /// Takes what the node says of the session.
    pub(super) fn handle_said(&mut self, now: Instant, said: &SessionNodeMessage) {
        match said {
            SessionNodeMessage::SessionStats(stats) => self.handle_stats(now, stats),
            SessionNodeMessage::SessionEnd { totals, .. } => {
                self.handle_stats(now, totals);
                self.is_finished |= self.is_stopping;
            }
            SessionNodeMessage::Welcome { .. } | SessionNodeMessage::Error { .. } => {}
        }
    }

    /// The node's own time since the start says when it counted; when its word arrives, in a full queue, is another matter.
    fn handle_stats(&mut self, now: Instant, stats: &SessionStats) {
        if let (Some(run), Some(_)) = (self.run, self.started_us) {
            let counted_us = self.session_start_us + stats.elapsed_us;
            self.received
                .handle(run.since_us(now).min(counted_us), &stats.up);
        }
    }

    /// The new demand where more would be taken than is asked for, Mbit/s; called ten times a second.
    pub(super) fn poll_demand(&mut self, now: Instant) -> Option<f64> {
        let run = self.run.filter(|_| self.needs_session(now))?;
        let now_us = run.since_us(now);
        let achieved_mbps = self.down_mbps(now_us)?;
        self.demand.as_mut()?.handle_achieved(now_us, achieved_mbps)
    }

    fn down_mbps(&self, now_us: u64) -> Option<f64> {
        let started_us = self.started_us?;
        let to_us = now_us.saturating_sub(2 * BIN_US);
        let from_us = to_us.saturating_sub(RATE_WINDOW_US).max(started_us);
        let bins = &self.downlink.bins;
        Some(bins.mean_mbps(Direction::Down, from_us, to_us))
    }

    /// For watching.
    pub(super) fn now(&self, now: Instant) -> UserNow {
        let now_us = self.run.map_or(0, |run| run.since_us(now));
        UserNow {
            name: self.profile.name.clone(),
            activity: self.profile.activity.clone(),
            down_mbps: self.down_mbps(now_us),
            up_mbps: self.received.mbps(),
            latency_ms: self.probes.now_ms(now_us),
            has_own_probes: self.has_own_probes(),
        }
    }

    /// The user's part of the report until `end_us`.
    pub(super) fn samples(&self, end_us: u64) -> UserSamples {
        let profile = &self.profile;
        let demand_down_mbps = match &self.demand {
            Some(demand) => demand.mean_mbps(end_us),
            None => profile.mean_down_mbps,
        };
        UserSamples {
            user_id: profile.user_id.clone(),
            name: profile.name.clone(),
            model: profile.model,
            started_us: self.started_us.unwrap_or(end_us).min(end_us),
            demand_down_mbps,
            demand_up_mbps: profile.mean_up_mbps,
            probes: self.probes.probes.clone(),
            goodput: self.goodput(end_us),
            messages: self.downlink.messages.clone(),
            segments: self.downlink.segments.clone(),
            segment_media_ms: segment_media_ms(profile),
            up: self.received.newest(),
        }
    }

    fn goodput(&self, end_us: u64) -> Vec<GoodputSample> {
        let mut samples = self.downlink.bins.samples(end_us);
        samples.retain(|sample| sample.direction == Direction::Down);
        samples.extend(self.received.goodput());
        samples.sort_by_key(|sample| sample.at_us);
        samples
    }
}

/// How much of a film a segment holds, ms: its pattern's period. `None` for others than streams.
fn segment_media_ms(profile: &ProfileDescription) -> Option<u32> {
    if profile.model != ExperienceModel::Streaming {
        return None;
    }
    profile.flows.iter().find_map(|flow| match flow.pattern {
        Pattern::OnOff { on_ms, off_ms, .. } if flow.direction == Direction::Down => {
            Some(on_ms.saturating_add(off_ms))
        }
        Pattern::OnOff { .. }
        | Pattern::Constant { .. }
        | Pattern::Frames { .. }
        | Pattern::Continuous { .. } => None,
    })
}

pub(super) fn say_demand(context: &mut Context<'_>, down_mbps: f64) {
    say(
        context,
        &SessionClientMessage::SetDemand {
            down_mbps: Some(down_mbps),
            up_mbps: None,
        },
    );
}

fn say(context: &mut Context<'_>, message: &SessionClientMessage) {
    if let Ok(text) = serde_json::to_string(message) {
        // A session that is closing hears nothing any more.
        let _ = context.connection.send_text(context.now, &text);
    }
}

fn send_probe(context: &mut Context<'_>, sequence: u32, client_send_us: u64) {
    let bytes = Probe {
        sequence,
        client_send_us,
    }
    .to_bytes();
    // Without room it is one that no echo answers.
    let _ = context.connection.send_binary(context.now, &bytes);
}
