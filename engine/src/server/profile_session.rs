//! A profile session: one user's traffic on one WebSocket, paced down by the node, received up from the client.
//!
//! Each turn checks first whether the session may go on, then releases what is due and fits. Nothing here touches another
//! session: a peer that doesn't read keeps only its own messages back.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use protocol::connection::{MessageKind, SendError};
use protocol::limits::{
    PROFILE_RATE_BPS_MAX, TRAFFIC_MESSAGE_BYTES_MAX, TRANSMIT_BUFFER_BYTES_MAX,
};
use protocol::measure::receiver::{LateRule, SessionReceiver};
use protocol::message::probe::Probe;
use protocol::message::profile::{
    ExperienceModel, SentStats, SessionClientMessage, SessionEndReason, SessionLimits,
    SessionNodeMessage, SessionStats, TRAFFIC_HEADER_BYTES, TrafficHeader,
};
use protocol::message::samples::Direction;
use protocol::pacing::NumberedFlow;
use protocol::profile::Profile;
use protocol::time::Instant;

use super::endpoints::probe;
use super::flow::{FlowEnd, FlowLimits};
use super::scoreboard::TestSeat;
use crate::runtime::application::Context;
use crate::runtime::sys::{clock, tcp};

/// `session_stats` twice a second.
const STATS_INTERVAL: Duration = Duration::from_millis(500);
/// Nothing more is released while what the session sends in this time waits in the process for a socket that takes none: the
/// pacer decides what becomes of what is overdue, not a queue. Longer than [`FULL_RETRY`], or a fast session would run dry
/// between two looks (with 64 KiB and 2 ms it stopped at 262 Mbit/s).
const WAITING: Duration = Duration::from_millis(8);
/// Bounds of the same in bytes: one or two messages of a slow session, and half of what a connection takes.
const WAITING_BYTES: RangeInclusive<u64> = 4 * 1024..=TRANSMIT_BUFFER_BYTES_MAX as u64 / 2;
/// A session whose socket is full looks again after this long; the socket's own buffer keeps the line busy meanwhile.
const FULL_RETRY: Duration = Duration::from_millis(2);

/// The kernel may send by one part in so many faster than the session's rate, to make up for a lost segment.
const PACING_HEADROOM_DIVISOR: u64 = 4;

/// What a message is made of: a header of its own and bytes that nobody reads. One for each loop.
#[derive(Debug)]
pub struct MessageBuffer(Box<[u8]>);

impl MessageBuffer {
    /// Filled with random bytes, which no compressor on the way makes smaller.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn new() -> std::io::Result<Self> {
        let mut bytes = vec![0; TRAFFIC_MESSAGE_BYTES_MAX].into_boxed_slice();
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    fn message(&mut self, header: TrafficHeader, length: usize) -> &[u8] {
        let length = length.clamp(TRAFFIC_HEADER_BYTES, self.0.len());
        self.0[..TRAFFIC_HEADER_BYTES].copy_from_slice(&header.to_bytes());
        &self.0[..length]
    }
}

/// One session.
#[derive(Debug)]
pub struct ProfileSession {
    profile: Arc<Profile>,
    seat: Option<TestSeat>,
    test_id: Option<String>,
    deadline: Instant,
    inactivity_max: Duration,
    heard_at: Instant,
    next_stats: Instant,
    retry_at: Option<Instant>,
    started_at: Option<Instant>,
    /// To the client.
    flows: Vec<NumberedFlow>,
    waiting_bytes_max: usize,
    sent: SentStats,
    receiver: SessionReceiver,
    end_reason: Option<SessionEndReason>,
}

/// What a session's input came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// It was taken.
    Taken,
    /// A probe was answered after so long.
    Echoed(Duration),
    /// It was a text message of no use; the client was told why.
    Refused,
    /// The client asks for the end.
    Stop,
    /// It was binary and neither a probe nor traffic: the session must end.
    Malformed,
}

impl ProfileSession {
    /// A session that waits for `start`.
    #[must_use]
    pub fn new(
        now: Instant,
        profile: Arc<Profile>,
        seat: Option<TestSeat>,
        test_id: Option<String>,
        limits: FlowLimits,
    ) -> Self {
        let receiver = SessionReceiver::new(now.as_micros(), LateRule::of(profile.model));
        Self {
            seat,
            test_id,
            deadline: now + limits.duration_max,
            inactivity_max: limits.inactivity_max,
            heard_at: now,
            next_stats: now + STATS_INTERVAL,
            retry_at: None,
            started_at: None,
            flows: Vec::new(),
            waiting_bytes_max: waiting_bytes_max(profile.rate_bps(Direction::Down)),
            profile,
            sent: SentStats::default(),
            receiver,
            end_reason: None,
        }
    }

    /// The test it belongs to.
    #[must_use]
    pub fn seat(&self) -> Option<TestSeat> {
        self.seat
    }

    /// The first message of the session, sent from `port`.
    #[must_use]
    pub fn welcome(&self, session_id: String, port: u16, limits: FlowLimits) -> SessionNodeMessage {
        let seconds = |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
        SessionNodeMessage::Welcome {
            user_id: self.profile.user_id.clone(),
            test_id: self.test_id.clone(),
            session_id,
            profile: self.profile.describe(port),
            limits: SessionLimits {
                down_mbps_max: PROFILE_RATE_BPS_MAX as f64 / 1e6,
                up_mbps_max: PROFILE_RATE_BPS_MAX as f64 / 1e6,
                inactivity_s: seconds(limits.inactivity_max),
                duration_s_max: seconds(limits.duration_max),
            },
        }
    }

    /// When the next message, or the next statistics, are due.
    #[must_use]
    pub fn next_due(&self) -> Instant {
        let next_release = self.flows.iter().map(NumberedFlow::next_deadline).min();
        let next_release = match (next_release, self.retry_at) {
            (Some(release), Some(retry)) => Some(release.max(retry)),
            (release, _) => release,
        };
        next_release.map_or(self.next_stats, |release| release.min(self.next_stats))
    }

    /// Whether it must end. To be asked before anything is released.
    #[must_use]
    pub fn end_due(&self, now: Instant, is_test_ended: bool) -> Option<FlowEnd> {
        if is_test_ended {
            Some(FlowEnd::TestEnded)
        } else if now >= self.deadline {
            Some(FlowEnd::TimeLimit)
        } else if now - self.heard_at >= self.inactivity_max {
            Some(FlowEnd::Inactive)
        } else {
            None
        }
    }

    /// Releases what is due and fits, then says how it goes if that is due.
    pub fn handle_timeout(&mut self, context: &mut Context<'_>, buffer: &mut MessageBuffer) {
        self.release(context, buffer);
        if context.now >= self.next_stats {
            self.next_stats = context.now + STATS_INTERVAL;
            if self.started_at.is_some() {
                let up = self.receiver.take_stats(context.now.as_micros());
                let stats = self.stats(context, up);
                send(context, &SessionNodeMessage::SessionStats(stats));
            }
        }
    }

    fn release(&mut self, context: &mut Context<'_>, buffer: &mut MessageBuffer) {
        let now = context.now;
        let waiting_bytes_max = self.waiting_bytes_max;
        let is_full =
            |context: &Context<'_>| context.connection.queued_transmit_bytes() >= waiting_bytes_max;
        // Full already when its turn comes: the socket takes nothing. What fills up in this turn is written right after it,
        // and what is due then goes on at once.
        self.retry_at = is_full(context).then(|| now + FULL_RETRY);
        for flow in &mut self.flows {
            loop {
                if is_full(context) {
                    return;
                }
                let Some(release) = flow.poll_release(now) else {
                    break;
                };
                let header = flow.next_header(release.flags, clock::monotonic_now());
                let message = buffer.message(header, release.bytes as usize);
                match context.connection.send_binary(now, message) {
                    Ok(()) => {
                        self.sent.messages += 1;
                        self.sent.sent_bytes += message.len() as u64;
                    }
                    // Checked above, or the connection is closing: then nothing is due any more.
                    Err(
                        SendError::Full | SendError::Closed | SendError::Busy | SendError::TooLong,
                    ) => return,
                }
            }
        }
    }

    /// Takes a message from the client.
    pub fn handle_message(
        &mut self,
        context: &mut Context<'_>,
        kind: MessageKind,
        payload: &[u8],
    ) -> Handled {
        self.heard_at = context.now;
        match kind {
            MessageKind::Text => self.handle_text(context, payload),
            MessageKind::Binary => self.handle_binary(context, payload),
        }
    }

    fn handle_binary(&mut self, context: &mut Context<'_>, payload: &[u8]) -> Handled {
        if let Some(header) = TrafficHeader::parse(payload) {
            let received_at = context.received_at.unwrap_or(context.now);
            let bytes = u32::try_from(payload.len()).unwrap_or(u32::MAX);
            self.receiver.handle(received_at.as_micros(), header, bytes);
            return Handled::Taken;
        }
        match Probe::parse(payload) {
            Some(probe) => Handled::Echoed(probe::answer(context, probe)),
            None => Handled::Malformed,
        }
    }

    fn handle_text(&mut self, context: &mut Context<'_>, payload: &[u8]) -> Handled {
        match serde_json::from_slice(payload) {
            Ok(SessionClientMessage::Start) => {
                self.start(context.now);
                self.pace_in_kernel(context, self.profile.rate_bps(Direction::Down));
                Handled::Taken
            }
            Ok(SessionClientMessage::SetDemand { down_mbps, up_mbps }) => {
                match demand(down_mbps).and_then(|down_bps| demand(up_mbps).map(|_| down_bps)) {
                    Ok(Some(down_bps)) => {
                        self.set_demand(context.now, down_bps);
                        self.pace_in_kernel(context, down_bps);
                    }
                    // The client paces its own direction; the node only holds it to the same bounds.
                    Ok(None) => {}
                    Err(message) => return refuse(context, "invalid_demand", message),
                }
                Handled::Taken
            }
            Ok(SessionClientMessage::ClientStats { .. }) => Handled::Taken,
            Ok(SessionClientMessage::Stop) => Handled::Stop,
            Err(error) => refuse(
                context,
                "invalid_message",
                format!("not a message of a profile session: {error}"),
            ),
        }
    }

    /// The traffic begins. Once: a second `start` changes nothing.
    fn start(&mut self, now: Instant) {
        if self.started_at.is_some() {
            return;
        }
        self.started_at = Some(now);
        self.receiver = SessionReceiver::new(now.as_micros(), LateRule::of(self.profile.model));
        self.next_stats = now + STATS_INTERVAL;
        let flows = self.profile.flows.iter().enumerate();
        self.flows = flows
            .filter(|(_, flow)| flow.direction == Direction::Down)
            // A profile has at most eight flows.
            .map(|(number, flow)| NumberedFlow::new(now, number as u8, flow))
            .collect();
    }

    /// Lets the kernel spread a large message's segments: at once they would stand before everybody else's in the line.
    fn pace_in_kernel(&self, context: &Context<'_>, down_bps: u64) {
        match self.profile.model {
            ExperienceModel::Streaming | ExperienceModel::Bulk => {
                let bytes_per_s =
                    down_bps / 8 / PACING_HEADROOM_DIVISOR * (PACING_HEADROOM_DIVISOR + 1);
                // Where the kernel can't, the messages leave in one piece.
                let _ = tcp::set_pacing_rate(context.socket(), bytes_per_s);
            }
            // A late message is a lost one: these leave as fast as they can.
            ExperienceModel::Gaming | ExperienceModel::Call => {}
        }
    }

    fn set_demand(&mut self, now: Instant, down_bps: u64) {
        self.waiting_bytes_max = waiting_bytes_max(down_bps);
        let rates_bps = self.profile.rates_for_demand(Direction::Down, down_bps);
        for flow in &mut self.flows {
            if let Some(rate_bps) = rates_bps.get(usize::from(flow.number())) {
                flow.set_rate(now, *rate_bps);
            }
        }
    }

    /// Why it ended; a connection that is over without a word is that of a peer that vanished.
    #[must_use]
    pub fn end_reason(&self) -> SessionEndReason {
        self.end_reason.unwrap_or(SessionEndReason::PeerVanished)
    }

    /// The connection is over; a reason that was given before it was stays.
    pub fn handle_closed(&mut self, reason: SessionEndReason) {
        self.end_reason.get_or_insert(reason);
    }

    /// The session is over. Returns its last message.
    #[must_use]
    pub fn end(&mut self, context: &Context<'_>, reason: SessionEndReason) -> SessionNodeMessage {
        self.end_reason = Some(reason);
        let up = self.receiver.totals(context.now.as_micros());
        SessionNodeMessage::SessionEnd {
            reason,
            totals: self.stats(context, up),
        }
    }

    fn stats(
        &self,
        context: &Context<'_>,
        up: protocol::message::profile::ReceivedStats,
    ) -> SessionStats {
        let info = context.tcp_info().ok();
        let elapsed = self
            .started_at
            .map(|started| context.now - started)
            .unwrap_or_default();
        SessionStats {
            elapsed_us: u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            down: self.sent,
            up,
            kernel_rtt_us: info.map(|info| info.rtt_us),
            retransmits: info.map(|info| info.retransmits),
        }
    }
}

fn waiting_bytes_max(rate_bps: u64) -> usize {
    let bytes = u128::from(rate_bps / 8) * WAITING.as_micros() / 1_000_000;
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    bytes.clamp(*WAITING_BYTES.start(), *WAITING_BYTES.end()) as usize
}

/// A demand in bits a second, held to its bounds.
fn demand(mbps: Option<f64>) -> Result<Option<u64>, String> {
    let max_mbps = PROFILE_RATE_BPS_MAX as f64 / 1e6;
    match mbps {
        None => Ok(None),
        Some(mbps) if mbps.is_finite() && (0.0..=max_mbps).contains(&mbps) => {
            Ok(Some((mbps * 1e6) as u64))
        }
        Some(_) => Err(format!("a demand must be 0 to {max_mbps} Mbit/s")),
    }
}

fn refuse(context: &mut Context<'_>, code: &str, message: String) -> Handled {
    send(
        context,
        &SessionNodeMessage::Error {
            code: code.to_owned(),
            message,
        },
    );
    Handled::Refused
}

/// Sends a text message. A client that does not read misses it; the connection's own deadline sees to the rest.
pub fn send(context: &mut Context<'_>, message: &SessionNodeMessage) {
    if let Ok(text) = serde_json::to_string(message) {
        let _ = context.connection.send_text(context.now, &text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demand_is_held_to_its_bounds() {
        assert_eq!(demand(None), Ok(None));
        assert_eq!(demand(Some(300.5)), Ok(Some(300_500_000)));
        assert_eq!(demand(Some(0.0)), Ok(Some(0)));
        for mbps in [-1.0, f64::NAN, f64::INFINITY, 10_001.0] {
            assert!(demand(Some(mbps)).is_err(), "{mbps}");
        }
    }

    #[test]
    fn what_may_wait_grows_with_the_rate_within_bounds() {
        assert_eq!(waiting_bytes_max(1_500_000), 4 * 1024);
        assert_eq!(waiting_bytes_max(400_000_000), 400_000);
        assert_eq!(waiting_bytes_max(u64::MAX), TRANSMIT_BUFFER_BYTES_MAX / 2);
    }

    #[test]
    fn a_message_has_its_header_and_its_length() {
        let mut buffer = MessageBuffer::new().expect("randomness");
        let header = TrafficHeader {
            flow: 2,
            flags: 1,
            sequence: 9,
            send_us: 77,
        };
        let message = buffer.message(header, 1_400);
        assert_eq!(message.len(), 1_400);
        assert_eq!(TrafficHeader::parse(message), Some(header));
        assert_eq!(buffer.message(header, 3).len(), TRAFFIC_HEADER_BYTES);
    }
}
