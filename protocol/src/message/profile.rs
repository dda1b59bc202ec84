//! What travels in a profile session (`/ws/virtual-household/{user_id}`), and the catalogue it is described by.
//!
//! Text: [`SessionNodeMessage`] from the node, [`SessionClientMessage`] to it. Binary, both ways, little-endian:
//! `kind u8 = 16, flow u8, flags u8, reserved u8, sequence u32, send_us u64` (16 bytes), then filler up to the message's
//! size. Probes and echoes ([`super::probe`]) travel in the same session.

use serde::{Deserialize, Serialize};

use super::samples::Direction;

/// `kind` of a traffic message.
pub const TRAFFIC_KIND: u8 = 16;
/// Length of a traffic message's header in bytes, and of the shortest traffic message.
pub const TRAFFIC_HEADER_BYTES: usize = 16;
/// In `flags`: the last message of a burst (a video segment).
pub const FLAG_SEGMENT_END: u8 = 1;
/// In `flags`: a frame that stands for itself, larger than its neighbours.
pub const FLAG_KEYFRAME: u8 = 2;

/// The header of a traffic message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrafficHeader {
    /// Which of the profile's flows, by its place in [`ProfileDescription::flows`].
    pub flow: u8,
    /// [`FLAG_SEGMENT_END`] and [`FLAG_KEYFRAME`]; others are ignored.
    pub flags: u8,
    /// Counted by the sender for each flow, from 0.
    pub sequence: u32,
    /// The sender's clock, µs.
    pub send_us: u64,
}

impl TrafficHeader {
    /// Reads the header of a message; `None` when it is too short or of another kind.
    #[must_use]
    pub fn parse(message: &[u8]) -> Option<Self> {
        let (header, _) = message.split_first_chunk::<TRAFFIC_HEADER_BYTES>()?;
        let &[kind, flow, flags, _, s0, s1, s2, s3, ref send_us @ ..] = header;
        (kind == TRAFFIC_KIND).then(|| Self {
            flow,
            flags,
            sequence: u32::from_le_bytes([s0, s1, s2, s3]),
            send_us: u64::from_le_bytes(*send_us),
        })
    }

    /// The wire form.
    #[must_use]
    pub fn to_bytes(self) -> [u8; TRAFFIC_HEADER_BYTES] {
        let mut bytes = [0; TRAFFIC_HEADER_BYTES];
        bytes[0] = TRAFFIC_KIND;
        bytes[1] = self.flow;
        bytes[2] = self.flags;
        bytes[4..8].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.send_us.to_le_bytes());
        bytes
    }
}

/// How a flow's messages follow each other. The rate is the flow's own; a pattern says how it is cut up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Pattern {
    /// Messages of one size (to a byte) at one distance.
    Constant {
        /// Their number.
        messages_per_second: u32,
    },
    /// Video frames, one message each: every so many of them a larger one that stands for itself.
    Frames {
        /// Their number.
        frames_per_second: u32,
        /// A key frame every so many frames.
        keyframe_interval: u32,
        /// How many times as large a key frame is as another.
        keyframe_ratio: u32,
    },
    /// Segments of a stream: the rate while on, nothing while off.
    OnOff {
        /// Time that a segment is sent in, ms.
        on_ms: u32,
        /// Pause after it, ms.
        off_ms: u32,
        /// Size of its messages.
        message_bytes: u32,
    },
    /// As many messages as the rate allows.
    Continuous {
        /// Their size.
        message_bytes: u32,
        /// The most that may leave at once after a pause.
        burst_bytes: u32,
    },
}

/// By which model a user's experience is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ExperienceModel {
    /// Quick reactions: latency, jitter, late messages.
    Gaming,
    /// Talking: the E-model of ITU-T G.107.
    Call,
    /// Watching: a player's buffer.
    Streaming,
    /// Getting it done: achieved rate.
    Bulk,
}

/// 200 to `GET /virtual-household/profiles`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct HouseholdCatalogue {
    /// The users, in the order of their cards.
    pub profiles: Vec<ProfileDescription>,
    /// The timeline in adaptive mode.
    pub adaptive_phases: Vec<HouseholdSpan>,
    /// The timeline in standard mode.
    pub standard_phases: Vec<HouseholdSpan>,
}

/// A user of the household and the traffic that stands for what they do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ProfileDescription {
    /// The user's name in addresses: lower-case letters, digits and dashes.
    pub user_id: String,
    /// The user's name for people.
    pub name: String,
    /// What they do, in a word or two.
    pub activity: String,
    /// What that is like, in a sentence.
    pub description: String,
    /// The port of the user's own process.
    pub port: u16,
    /// How their experience is judged.
    pub model: ExperienceModel,
    /// Rate to the user while sending: the sum of the flows'.
    pub down_mbps: f64,
    /// Rate from the user while sending.
    pub up_mbps: f64,
    /// The same as a mean over the pauses of the pattern: what the user needs.
    pub mean_down_mbps: f64,
    /// Mean rate from the user.
    pub mean_up_mbps: f64,
    /// Its flows; a flow's number in [`TrafficHeader::flow`] is its place here.
    pub flows: Vec<FlowDescription>,
}

/// One flow of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct FlowDescription {
    /// Which way.
    pub direction: Direction,
    /// Bits a second while sending, headers of the messages included.
    pub rate_bps: u64,
    /// How it is cut up.
    pub pattern: Pattern,
    /// Mean size of a message.
    pub message_bytes: u32,
    /// Messages a second while sending.
    pub messages_per_second: f64,
}

/// The phases of a household test, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum HouseholdPhase {
    /// No load: the idle latency.
    Baseline,
    /// What the line carries to the client (adaptive mode only).
    CapacityDown,
    /// What it carries from the client (adaptive mode only).
    CapacityUp,
    /// All users at once.
    Traffic,
}

/// A phase of a household test with its time, in microseconds since the start of the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct HouseholdSpan {
    /// Which phase.
    pub phase: HouseholdPhase,
    /// Its first microsecond.
    pub start_us: u64,
    /// The first microsecond after it.
    pub end_us: u64,
}

/// 200 to `GET /ws/virtual-household/{user_id}` without an upgrade: where to connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SessionRedirect {
    /// Always true.
    pub redirect: bool,
    /// Where the session is, host and scheme as the client sees them.
    pub websocket_url: String,
    /// Its port.
    pub port: u16,
    /// The user.
    pub user_id: String,
    /// Always `simple_multiprocess`.
    pub architecture: String,
    /// Whether a process of its own serves the user; false when the main process stands in.
    pub process_isolation: bool,
}

/// A text message of the node in a profile session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SessionNodeMessage {
    /// The first message: what the session is.
    Welcome {
        /// The user.
        user_id: String,
        /// The test it belongs to; `null` for a session without one.
        test_id: Option<String>,
        /// The session's own name.
        session_id: String,
        /// The traffic to expect and to send.
        profile: ProfileDescription,
        /// The bounds.
        limits: SessionLimits,
    },
    /// How it goes; twice a second.
    SessionStats(SessionStats),
    /// The last message: why the session ends, and its totals.
    SessionEnd {
        /// Why.
        reason: SessionEndReason,
        /// Over the whole session.
        totals: SessionStats,
    },
    /// The peer's message could not be used; the session goes on.
    Error {
        /// A stable name in `snake_case`.
        code: String,
        /// What happened, why, what to do.
        message: String,
    },
}

/// The bounds of a session.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SessionLimits {
    /// The most that `set_demand` may ask for.
    pub down_mbps_max: f64,
    /// The same in the other direction.
    pub up_mbps_max: f64,
    /// The session ends when the client is silent for this long.
    pub inactivity_s: u32,
    /// The session ends after this long.
    pub duration_s_max: u32,
}

/// What a session has moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SessionStats {
    /// Since `start`.
    pub elapsed_us: u64,
    /// To the client, counted by the node as its sender.
    pub down: SentStats,
    /// From the client, counted by the node as its receiver.
    pub up: ReceivedStats,
    /// The kernel's smoothed round-trip time of the session's connection; `null` where unavailable.
    #[serde(default)]
    pub kernel_rtt_us: Option<u32>,
    /// Segments retransmitted on it; `null` where unavailable.
    #[serde(default)]
    pub retransmits: Option<u32>,
}

/// What a sender counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SentStats {
    /// Bytes of messages.
    pub sent_bytes: u64,
    /// Messages.
    pub messages: u64,
}

/// What a receiver derives from what arrived. Counts are since the start; delays, jitter and goodput are of the time
/// since the message before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ReceivedStats {
    /// Bytes of messages.
    pub received_bytes: u64,
    /// Messages.
    pub messages: u64,
    /// Of those, too late to be of use to this profile.
    pub late: u64,
    /// Messages that never came.
    pub lost: u64,
    /// One-way delay above the least seen; `null` when nothing came.
    pub delay_us: Option<DelayStats>,
    /// Interarrival jitter by RFC 3550, 6.4.1, the largest of the flows'; `null` when there were no two messages.
    pub jitter_us: Option<f64>,
    /// `null` when no time has passed.
    pub goodput_mbps: Option<f64>,
}

/// Percentiles of one-way delay above the least seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct DelayStats {
    /// Median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum SessionEndReason {
    /// The client said `stop`.
    Stopped,
    /// The test was ended, by `DELETE` or by its age.
    TestEnded,
    /// The client was silent for too long.
    Inactive,
    /// The session was as long as one may be.
    DurationLimit,
    /// The client did not read what was sent to it.
    PeerStalled,
    /// The connection is gone.
    PeerVanished,
    /// The client broke the protocol.
    ProtocolError,
    /// The node shuts down.
    Shutdown,
}

/// A text message of the client in a profile session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SessionClientMessage {
    /// Begin the traffic.
    Start,
    /// Change the rates of this session, within its limits. A direction that is `null` stays as it is.
    SetDemand {
        /// To the client.
        #[serde(default)]
        down_mbps: Option<f64>,
        /// From the client.
        #[serde(default)]
        up_mbps: Option<f64>,
    },
    /// How the client fares as the receiver of what the node sends.
    ClientStats {
        /// From the node.
        down: ReceivedStats,
    },
    /// End the session.
    Stop,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traffic_header_survives_the_wire() {
        let header = TrafficHeader {
            flow: 3,
            flags: FLAG_SEGMENT_END,
            sequence: 0x0102_0304,
            send_us: 1 << 50,
        };
        let mut message = header.to_bytes().to_vec();
        assert_eq!(message[..8], [16, 3, 1, 0, 4, 3, 2, 1]);
        assert_eq!(TrafficHeader::parse(&message), Some(header));
        message.extend([0xff; 100]);
        assert_eq!(TrafficHeader::parse(&message), Some(header));
        assert_eq!(TrafficHeader::parse(&message[..15]), None);
        message[0] = 1;
        assert_eq!(TrafficHeader::parse(&message), None);
    }

    #[test]
    fn the_clients_messages_are_those_of_the_wire_protocol() {
        for (text, message) in [
            (r#"{"type":"start"}"#, SessionClientMessage::Start),
            (r#"{"type":"stop","x":1}"#, SessionClientMessage::Stop),
            (
                r#"{"type":"set_demand","down_mbps":120.5}"#,
                SessionClientMessage::SetDemand {
                    down_mbps: Some(120.5),
                    up_mbps: None,
                },
            ),
        ] {
            let read: SessionClientMessage = serde_json::from_str(text).expect(text);
            assert_eq!(read, message);
        }
    }

    #[test]
    fn session_stats_carry_their_type_beside_their_fields() {
        let stats = SessionStats {
            elapsed_us: 5,
            down: SentStats::default(),
            up: ReceivedStats::default(),
            kernel_rtt_us: Some(7),
            retransmits: None,
        };
        let json = serde_json::to_value(SessionNodeMessage::SessionStats(stats)).expect("json");
        assert_eq!(json["type"], "session_stats");
        assert_eq!(json["kernel_rtt_us"], 7);
        assert_eq!(json["up"]["delay_us"], serde_json::Value::Null);
    }
}
