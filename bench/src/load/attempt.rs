//! What is written down of one session: its messages, its times and its end.

use std::time::Duration;

use protocol::connection::CloseReason;
use protocol::measure::receiver::{LateRule, SessionReceiver};
use protocol::message::profile::{ReceivedStats, SessionEndReason, SessionStats, TrafficHeader};
use protocol::profile::Profile;
use protocol::time::Instant;
use serde::Serialize;

/// A message that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// The sender's number.
    pub(crate) sequence: u32,
    /// Its size.
    pub(crate) bytes: u32,
    /// The sender's clock, µs since its first message of this flow.
    pub(crate) sent_us: u32,
    /// The kernel's time of arrival, µs since the first message of this flow.
    pub(crate) arrived_us: u32,
}

/// A flow as its receiver saw it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrivals {
    /// On the sender's clock, µs.
    pub(crate) first_sent_us: u64,
    /// On ours, µs.
    pub(crate) first_arrived_us: u64,
    pub(crate) samples: Vec<Sample>,
}

impl Arrivals {
    fn push(&mut self, arrived_us: u64, header: TrafficHeader, bytes: u32) {
        if self.samples.is_empty() {
            self.first_sent_us = header.send_us;
            self.first_arrived_us = arrived_us;
        }
        // A run is far shorter than 2^32 µs; a sender with a broken clock is seen as one whose messages all come at once.
        let since = |at: u64, first: u64| u32::try_from(at.saturating_sub(first)).unwrap_or(0);
        self.samples.push(Sample {
            sequence: header.sequence,
            bytes,
            sent_us: since(header.send_us, self.first_sent_us),
            arrived_us: since(arrived_us, self.first_arrived_us),
        });
    }
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ended {
    /// It has not.
    Open,
    /// As planned.
    Stopped,
    /// The node said why.
    ByNode(SessionEndReason),
    /// The connection was over without a word.
    Connection(&'static str),
    /// No connection came about, or the node refused it.
    Refused(&'static str),
}

/// One session of a user, from the question where it is to its end.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) asked_at: Instant,
    pub(crate) port: u16,
    /// Whether the node said that a process of the user's own serves it.
    pub(crate) is_isolated: bool,
    pub(crate) welcomed_at: Option<Instant>,
    pub(crate) started_at: Option<Instant>,
    pub(crate) ended_at: Option<Instant>,
    pub(crate) ended: Ended,
    /// By the flow's number; empty for those that are ours to send.
    pub(crate) arrivals: Vec<Arrivals>,
    receiver: SessionReceiver,
    /// How late each of our own messages left, µs; by the flow's number.
    pub(crate) own_lateness_us: Vec<Vec<u32>>,
    /// Our own messages that were given up because we stalled.
    pub(crate) own_skipped: u64,
    pub(crate) sent_messages: u64,
    pub(crate) sent_bytes: u64,
    /// The node's last word.
    pub(crate) totals: Option<SessionStats>,
}

impl Attempt {
    /// Begins with the question where the session is.
    pub(crate) fn new(now: Instant, profile: &Profile) -> Self {
        Self {
            asked_at: now,
            port: 0,
            is_isolated: false,
            welcomed_at: None,
            started_at: None,
            ended_at: None,
            ended: Ended::Open,
            arrivals: vec![Arrivals::default(); profile.flows.len()],
            receiver: SessionReceiver::new(now.as_micros(), LateRule::of(profile.model)),
            own_lateness_us: vec![Vec::new(); profile.flows.len()],
            own_skipped: 0,
            sent_messages: 0,
            sent_bytes: 0,
            totals: None,
        }
    }

    /// Traffic begins; room is made for all that is to come, so that the loop makes none while it runs.
    pub(crate) fn start(&mut self, now: Instant, profile: &Profile, duration: Duration) {
        self.started_at = Some(now);
        for (number, flow) in profile.flows.iter().enumerate() {
            let description = flow.describe();
            let mean_share = flow.mean_rate_bps() as f64 / flow.rate_bps.max(1) as f64;
            let expected = description.messages_per_second * mean_share * duration.as_secs_f64();
            let room = expected as usize + expected as usize / 8 + 64;
            match flow.direction {
                protocol::message::samples::Direction::Down => {
                    self.arrivals[number].samples.reserve(room);
                }
                protocol::message::samples::Direction::Up => {
                    self.own_lateness_us[number].reserve(room);
                }
            }
        }
    }

    /// A traffic message arrived.
    pub(crate) fn handle(&mut self, arrived_us: u64, header: TrafficHeader, bytes: u32) {
        self.receiver.handle(arrived_us, header, bytes);
        if let Some(arrivals) = self.arrivals.get_mut(usize::from(header.flow)) {
            arrivals.push(arrived_us, header, bytes);
        }
    }

    /// What was derived of all that arrived.
    pub(crate) fn received(&self, now: Instant) -> ReceivedStats {
        self.receiver.totals(now.as_micros())
    }

    /// It is over; the first reason stays.
    pub(crate) fn end(&mut self, now: Instant, ended: Ended) {
        if self.ended_at.is_none() {
            self.ended_at = Some(now);
            self.ended = ended;
        }
    }
}

/// A connection's end, in a word.
pub(crate) const fn close_word(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Finished => "finished",
        CloseReason::PeerClosed { .. } => "closed by the node",
        CloseReason::PeerVanished => "vanished",
        CloseReason::IdleTimeout | CloseReason::InactivityTimeout => "nothing moved",
        CloseReason::HeadTimeout => "no answer",
        CloseReason::HandshakeFailed => "no handshake",
        CloseReason::WriteStalled => "the node did not read",
        CloseReason::CloseTimeout => "no answer to the close",
        CloseReason::ProtocolError(_) => "protocol error",
        CloseReason::Refused(_) => "refused",
        CloseReason::Local(_) => "closed here",
    }
}
