//! One user of one household: plays the user's side of a session, as the page's worker does.

use std::sync::Arc;
use std::time::Duration;

use engine::runtime::application::Context;
use engine::runtime::sys::clock;
use protocol::message::profile::{
    SessionClientMessage, SessionNodeMessage, TRAFFIC_HEADER_BYTES, TrafficHeader,
};
use protocol::message::samples::Direction;
use protocol::pacing::NumberedFlow;
use protocol::profile::Profile;
use protocol::time::Instant;

use super::attempt::{Attempt, Ended};

/// With so much waiting the node does not keep up: messages wait for their turn in the pacer, not in our memory.
const WAITING_BYTES_MAX: usize = 256 * 1024;
/// After that, the pacers are asked again.
const FULL_RETRY: Duration = Duration::from_millis(5);
/// After the end of the traffic: what is on its way arrives before the session is stopped.
const LINGER: Duration = Duration::from_millis(500);

/// A user.
#[derive(Debug)]
pub(crate) struct Player {
    pub(crate) household: usize,
    pub(crate) profile: Arc<Profile>,
    pub(crate) start_at: Instant,
    pub(crate) stop_at: Instant,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) is_done: bool,
    flows: Vec<NumberedFlow>,
    retry_at: Option<Instant>,
    /// Of this session's binary messages so far.
    received_bytes: u64,
    phase: Phase,
}

/// Where the current session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The node has not welcomed us yet.
    Opening,
    /// It has; the time to start has not come.
    Waiting,
    /// Traffic runs.
    Running,
    /// Our traffic is over; the node's last messages arrive.
    Lingering,
    /// We said stop.
    Stopping,
}

impl Player {
    pub(crate) fn new(
        household: usize,
        profile: Arc<Profile>,
        start_at: Instant,
        stop_at: Instant,
    ) -> Self {
        Self {
            household,
            profile,
            start_at,
            stop_at,
            attempts: Vec::new(),
            is_done: false,
            flows: Vec::new(),
            retry_at: None,
            received_bytes: 0,
            phase: Phase::Opening,
        }
    }

    /// A new session begins with the question where it is.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.attempts.push(Attempt::new(now, &self.profile));
        self.phase = Phase::Opening;
        self.flows.clear();
        self.retry_at = None;
        self.received_bytes = 0;
    }

    /// The current session.
    pub(crate) fn attempt(&mut self) -> Option<&mut Attempt> {
        self.attempts.last_mut()
    }

    /// When to ask again.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        match self.phase {
            Phase::Opening | Phase::Stopping => None,
            // A session that follows one that ended early starts at once, and is not late for it.
            Phase::Waiting => {
                let welcomed_at = self.attempts.last().and_then(|attempt| attempt.welcomed_at);
                Some(self.start_at.max(welcomed_at.unwrap_or_default()))
            }
            Phase::Lingering => Some(self.stop_at + LINGER),
            Phase::Running => {
                let release = self.flows.iter().map(NumberedFlow::next_deadline);
                let release = release.min().unwrap_or(self.stop_at);
                let release = self.retry_at.map_or(release, |retry| release.max(retry));
                Some(release.min(self.stop_at))
            }
        }
    }

    /// Does what is due. `buffer` is filler, long enough for the largest message.
    pub(crate) fn handle_timeout(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) {
        match self.phase {
            Phase::Opening | Phase::Stopping => {}
            Phase::Waiting if context.now >= self.start_at => self.start(context),
            Phase::Waiting => {}
            Phase::Running if context.now >= self.stop_at => self.phase = Phase::Lingering,
            Phase::Running => self.release(context, buffer),
            Phase::Lingering if context.now >= self.stop_at + LINGER => {
                self.phase = Phase::Stopping;
                say(context, &SessionClientMessage::Stop);
            }
            Phase::Lingering => {}
        }
    }

    fn start(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        self.phase = Phase::Running;
        say(context, &SessionClientMessage::Start);
        let ups = self.profile.flows.iter().enumerate();
        self.flows = ups
            .filter(|(_, flow)| flow.direction == Direction::Up)
            // A profile has at most eight flows.
            .map(|(number, flow)| NumberedFlow::new(now, number as u8, flow))
            .collect();
        let duration = self.stop_at - now;
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.start(now, &self.profile, duration);
        }
    }

    fn release(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) {
        self.retry_at = None;
        let Some(attempt) = self.attempts.last_mut() else {
            return;
        };
        for flow in &mut self.flows {
            loop {
                if context.connection.queued_transmit_bytes() >= WAITING_BYTES_MAX {
                    self.retry_at = Some(context.now + FULL_RETRY);
                    return;
                }
                let due = flow.next_deadline();
                let Some(release) = flow.poll_release(context.now) else {
                    break;
                };
                let header = flow.next_header(release.flags, clock::monotonic_now());
                let length = (release.bytes as usize).clamp(TRAFFIC_HEADER_BYTES, buffer.len());
                buffer[..TRAFFIC_HEADER_BYTES].copy_from_slice(&header.to_bytes());
                if context
                    .connection
                    .send_binary(context.now, &buffer[..length])
                    .is_err()
                {
                    // It is closing: nothing is due any more.
                    return;
                }
                let late_us = (context.now - due).as_micros();
                attempt.own_lateness_us[usize::from(flow.number())]
                    .push(u32::try_from(late_us).unwrap_or(u32::MAX));
                attempt.sent_messages += 1;
                attempt.sent_bytes += length as u64;
            }
            attempt.own_skipped = attempt.own_skipped.max(flow.skipped());
        }
    }

    /// A binary message came; `payload` is its head.
    pub(crate) fn handle_binary(&mut self, context: &Context<'_>, payload: &[u8]) {
        let received_bytes = context.connection.received_payload_bytes();
        let bytes = received_bytes - self.received_bytes;
        self.received_bytes = received_bytes;
        let arrived_at = context.received_at.unwrap_or(context.now);
        if let (Some(header), Some(attempt)) =
            (TrafficHeader::parse(payload), self.attempts.last_mut())
        {
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            attempt.handle(arrived_at.as_micros(), header, bytes);
        }
    }

    /// A text message came.
    pub(crate) fn handle_text(&mut self, context: &Context<'_>, payload: &[u8]) {
        let Ok(message) = serde_json::from_slice(payload) else {
            return;
        };
        let Some(attempt) = self.attempts.last_mut() else {
            return;
        };
        match message {
            SessionNodeMessage::Welcome { .. } => {
                attempt.welcomed_at = Some(context.now);
                self.phase = Phase::Waiting;
            }
            SessionNodeMessage::SessionEnd { reason, totals } => {
                attempt.totals = Some(totals);
                let ended = if self.phase == Phase::Stopping {
                    Ended::Stopped
                } else {
                    Ended::ByNode(reason)
                };
                attempt.end(context.now, ended);
            }
            SessionNodeMessage::SessionStats(_) | SessionNodeMessage::Error { .. } => {}
        }
    }
}

fn say(context: &mut Context<'_>, message: &SessionClientMessage) {
    if let Ok(text) = serde_json::to_string(message) {
        // A session that is closing hears nothing any more.
        let _ = context.connection.send_text(context.now, &text);
    }
}
