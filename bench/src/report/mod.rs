//! The run's outcome: derived from the records, and shown as a table or as JSON.

pub(crate) mod derive;
pub(crate) mod table;

use serde::Serialize;

use crate::analysis::spread::Spread;

/// A run without faults.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) households: usize,
    pub(crate) duration_s: f64,
    pub(crate) users: Vec<UserReport>,
    /// All users' bytes in both directions ÷ the duration.
    pub(crate) aggregate_mbps: f64,
    pub(crate) aggregate_expected_mbps: f64,
    pub(crate) probes: ProbeReport,
    pub(crate) node: NodeReport,
    pub(crate) generator: GeneratorReport,
}

/// A user over all households.
#[derive(Debug, Serialize)]
pub(crate) struct UserReport {
    pub(crate) user_id: String,
    pub(crate) down: RateReport,
    pub(crate) up: RateReport,
    /// Of the messages to the user.
    pub(crate) late: u64,
    pub(crate) lost: u64,
    pub(crate) messages: u64,
    /// Of those from the user, as the node counts.
    pub(crate) up_late: u64,
    pub(crate) up_lost: u64,
    pub(crate) up_messages: u64,
    /// Medians of the sessions' 95th percentiles of delay above the least, µs.
    pub(crate) down_delay_p95_us: Option<f64>,
    pub(crate) up_delay_p95_us: Option<f64>,
    pub(crate) flows: Vec<FlowReport>,
    pub(crate) on_off: Option<OnOffReport>,
    pub(crate) sessions: usize,
    /// Households without one session from the start to the stop.
    pub(crate) incomplete: usize,
    pub(crate) ended_early: Vec<String>,
}

/// One direction of a user: Mbit/s over households.
#[derive(Debug, Serialize)]
pub(crate) struct RateReport {
    pub(crate) expected_mbps: f64,
    pub(crate) achieved_mbps: Option<Spread>,
    /// Of the household that misses the profile most, with its sign, percent.
    pub(crate) worst_error_percent: Option<f64>,
}

/// One flow's punctuality over households.
#[derive(Debug, Serialize)]
pub(crate) struct FlowReport {
    pub(crate) number: usize,
    pub(crate) direction: &'static str,
    pub(crate) pattern: &'static str,
    /// By the sender's stamps, µs behind the schedule above the most punctual message. For flows from the user: what this
    /// bench itself was late by, which is no fault of the node.
    pub(crate) sent_late_us: Option<Spread>,
    /// By arrival, the same; `None` for flows from the user.
    pub(crate) arrived_late_us: Option<Spread>,
    /// |gap − period| of a flow at a fixed rhythm, µs, by the sender's stamps and by arrival.
    pub(crate) gap_error_sent_us: Option<Spread>,
    pub(crate) gap_error_arrived_us: Option<Spread>,
    /// Households whose own p99 gap error by the sender's stamps is within 1 ms.
    pub(crate) gap_within_1ms_p99: Option<usize>,
}

/// A pattern with pauses.
#[derive(Debug, Serialize)]
pub(crate) struct OnOffReport {
    pub(crate) share_while_on_min: f64,
    pub(crate) share_while_on_median: f64,
    /// The first household's bins of 100 ms, bytes.
    pub(crate) bins: Vec<u64>,
}

/// Latency probes of all households.
#[derive(Debug, Serialize)]
pub(crate) struct ProbeReport {
    pub(crate) sent: u64,
    pub(crate) unanswered: u64,
    pub(crate) connections_lost: u64,
    pub(crate) rtt_us: Option<Spread>,
    pub(crate) in_node_us: Option<Spread>,
}

/// What the node used, and what it counts after the end.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct NodeReport {
    /// Proportional set size of all its processes, KiB; `None` when it runs elsewhere.
    pub(crate) pss_kib_start: Option<u64>,
    pub(crate) pss_kib_peak: Option<u64>,
    pub(crate) pss_kib_end: Option<u64>,
    /// Two seconds after the last session ended.
    pub(crate) pss_kib_after: Option<u64>,
    /// During the traffic.
    pub(crate) cpu_s: Option<f64>,
    pub(crate) sessions_after: u64,
    pub(crate) flows_after: u64,
    pub(crate) probes_after: u64,
    pub(crate) connections_after: u64,
    pub(crate) loop_lag_p99_us: Option<u64>,
    /// By reason, those that occurred.
    pub(crate) sessions_ended: std::collections::BTreeMap<String, u64>,
    pub(crate) restarts: u64,
}

/// This bench's own faults, so that they are not taken for the node's.
#[derive(Debug, Default, Serialize)]
pub(crate) struct GeneratorReport {
    pub(crate) cpu_s: f64,
    /// Timers' lateness and turns' lengths of the loops of users, µs.
    pub(crate) loop_lag_us: Option<Spread>,
    /// Cores that neither the node nor this bench kept busy: on a quiet machine next to none.
    pub(crate) other_cores: Option<f64>,
    /// Messages that it gave up because it stalled.
    pub(crate) skipped: u64,
}
