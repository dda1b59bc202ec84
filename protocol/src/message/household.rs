//! The household's part of the samples and of the report.

use serde::{Deserialize, Serialize};

use super::profile::{ExperienceModel, HouseholdSpan, ReceivedStats};
use super::report::Grade;
use super::samples::{GoodputSample, ProbeSample};

/// What a household test collects beside the probes of the line. The test's own `phases`, `goodput` and `flows` stay
/// empty; its `probes` run from the baseline to the end of the traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct HouseholdSamples {
    /// Whether Computer's demand was raised to what the line can carry.
    pub demand: DemandMode,
    /// The phases as they really began and ended.
    pub phases: Vec<HouseholdSpan>,
    /// What the line carried to the client in the capacity phase; `null` in standard mode.
    #[serde(default)]
    pub capacity_down_mbps: Option<f64>,
    /// What it carried from the client; `null` in standard mode.
    #[serde(default)]
    pub capacity_up_mbps: Option<f64>,
    /// The users, in the order of their cards.
    pub users: Vec<UserSamples>,
}

/// Where the demand comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum DemandMode {
    /// The catalogue's numbers.
    Standard,
    /// Computer's demand is raised until the line is full, and never below the catalogue's.
    Adaptive,
}

/// What one user's session saw. Times are µs since the start of the test on the client's clock, unless said otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct UserSamples {
    /// As in the catalogue.
    pub user_id: String,
    /// As in the catalogue.
    pub name: String,
    /// As in the catalogue.
    pub model: ExperienceModel,
    /// When the session's traffic was started.
    pub started_us: u64,
    /// The mean rate that the user needed, pauses included.
    pub demand_down_mbps: f64,
    /// The same from the user.
    pub demand_up_mbps: f64,
    /// The probes of the user's own session; empty where a queue of the session's own would be measured (a bulk
    /// transfer), then the probes of the test count.
    #[serde(default)]
    pub probes: Vec<ProbeSample>,
    /// Message bytes: to the client as the client counted them, from the client as `session_stats` told.
    #[serde(default)]
    pub goodput: Vec<GoodputSample>,
    /// The messages received, of a game or a call.
    #[serde(default)]
    pub messages: Vec<MessageSample>,
    /// The segments received, of a stream.
    #[serde(default)]
    pub segments: Vec<SegmentSample>,
    /// How much of the film a segment holds, ms: the pattern's period. `null` for others than streams.
    #[serde(default)]
    pub segment_media_ms: Option<u32>,
    /// What the node derived from the messages it received: the totals of `session_end`, else the last `session_stats`.
    #[serde(default)]
    pub up: Option<ReceivedStats>,
}

/// One traffic message from the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct MessageSample {
    /// From its header.
    pub flow: u8,
    /// From its header.
    pub sequence: u32,
    /// From its header: the node's clock.
    pub send_us: u64,
    /// When its last byte arrived.
    pub received_us: u64,
}

/// One segment of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SegmentSample {
    /// When its first message arrived.
    pub first_us: u64,
    /// When the message with the end flag arrived.
    pub complete_us: u64,
    /// Its size.
    pub bytes: u64,
}

/// The household's part of the report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct HouseholdReport {
    /// 0.3 Alex + 0.3 Sarah + 0.3 Jake + 0.1 Computer, 0 to 100; `null` when nobody could be judged.
    pub overall_score: Option<f64>,
    /// Of that score.
    pub overall_grade: Option<Grade>,
    /// Jain's index over achieved ÷ demand of the users, × 100.
    pub fairness: Option<f64>,
    /// Share of 1 s windows whose 95th percentile increase stays under 60 ms, × 100.
    pub stability: Option<f64>,
    /// Where the demand came from.
    pub mode: DemandMode,
    /// What the line carries to the client.
    pub capacity_down_mbps: Option<f64>,
    /// What it carries from the client.
    pub capacity_up_mbps: Option<f64>,
    /// The users, in the order of their cards.
    pub users: Vec<UserReport>,
}

/// What one user went through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct UserReport {
    /// The user.
    pub user_id: String,
    /// Their experience, 0 to 100; `null` when there is too little to judge it by.
    pub score: Option<f64>,
    /// Of the latency increase.
    pub grade: Option<Grade>,
    /// Working latency − idle latency.
    pub latency_increase_ms: Option<f64>,
    /// Mean absolute difference of the delays of consecutive messages, else of consecutive probes.
    pub jitter_ms: Option<f64>,
    /// Messages too late to be of use or never received ÷ messages sent, both ways; of a stream its segments.
    pub late_ratio: Option<f64>,
    /// Mean rate received by the client.
    pub down_mbps: Option<f64>,
    /// Mean rate received by the node.
    pub up_mbps: Option<f64>,
    /// Mean rate needed, pauses included.
    pub demand_down_mbps: f64,
    /// The same from the user.
    pub demand_up_mbps: f64,
    /// What it was like and why, in plain words.
    pub impact: String,
    /// The model's own figures.
    pub model: ModelReport,
}

/// The figures of the model by which a user was judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ModelReport {
    /// A game.
    Gaming {
        /// The model's name, for the reader.
        name: String,
        /// 95th percentile of the round trips − idle latency.
        p95_increase_ms: Option<f64>,
    },
    /// A call.
    Call {
        /// The model's name, for the reader.
        name: String,
        /// Transmission rating, 0 to 93.2; of the worse direction.
        r_factor: Option<f64>,
        /// Mean opinion score that belongs to it, 1 to 4.5.
        mos: Option<f64>,
        /// From mouth to ear in the worse direction, jitter buffer included.
        mouth_to_ear_ms: Option<f64>,
        /// Share of the messages that missed the jitter buffer, in the worse direction.
        missed_ratio: Option<f64>,
        /// Time during which the picture stood still.
        frozen_s: f64,
    },
    /// A stream.
    Streaming {
        /// The model's name, for the reader.
        name: String,
        /// From the start until the first segment was there; `null` when it never was.
        startup_s: Option<f64>,
        /// How often the film stopped.
        stalls: u32,
        /// For how long in all.
        stalled_s: f64,
        /// That ÷ the time since the film began.
        stall_ratio: Option<f64>,
        /// Segments that were received.
        segments: u32,
        /// Of those, received within their own period.
        segments_in_time: u32,
    },
    /// A transfer.
    Bulk {
        /// The model's name, for the reader.
        name: String,
        /// What the line had left for it; `null` where the line's capacity is not known.
        available_mbps: Option<f64>,
        /// Achieved ÷ min(demand, available).
        achieved_ratio: Option<f64>,
    },
}
