//! The raw samples of a test: what a client collects and sends, unprocessed, to be computed on.

use serde::{Deserialize, Serialize};

use super::household::HouseholdSamples;
use super::test::{ClientDescription, Mode, PhaseSpan};

/// `POST /api/tests/{id}/report`: everything the client saw, computed by nobody yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TestSamples {
    /// Which test this was.
    pub mode: Mode,
    /// Who ran it.
    pub client: ClientDescription,
    /// When it started, RFC 3339, by the client's wall clock.
    pub started_at: String,
    /// The phases as they really began and ended. A test that was stopped has fewer.
    pub phases: Vec<PhaseSpan>,
    /// Every probe sent, in order of sending, answered or not.
    pub probes: Vec<ProbeSample>,
    /// When the client stopped listening for answers; absent when it listened for 3 s after the last phase. A test
    /// that was stopped says when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub listened_until_us: Option<u64>,
    /// Which way the probes took.
    pub probe_transport: ProbeTransport,
    /// What the node said of its own view of the probe connection.
    #[serde(default)]
    pub node_rtt: Vec<NodeRttSample>,
    /// Payload bytes counted by the receiver, at most every 100 ms for each direction.
    pub goodput: Vec<GoodputSample>,
    /// How many load flows were open, at each change.
    #[serde(default)]
    pub flows: Vec<FlowCountSample>,
    /// How the device itself kept up.
    #[serde(default)]
    pub device: DeviceSamples,
    /// What a household test collects; absent in a single-user test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub household: Option<HouseholdSamples>,
}

/// One probe. Times in microseconds: `sent_us` and `received_us` since the start of the test on the client's
/// clock, the node's two on the node's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ProbeSample {
    /// Counted from 0 over the test.
    pub sequence: u32,
    /// When the client sent it.
    pub sent_us: u64,
    /// When its echo arrived; `null` when it never did.
    #[serde(default)]
    pub received_us: Option<u64>,
    /// When the node received it; `null` when lost, or when probing by `GET /ping`.
    #[serde(default)]
    pub node_receive_us: Option<u64>,
    /// When the node sent the echo; `null` when lost, or when probing by `GET /ping`.
    #[serde(default)]
    pub node_send_us: Option<u64>,
}

/// Which way the probes took; all but the first are marked in the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ProbeTransport {
    /// `/ws/ping` on the ping role, a process of its own.
    #[default]
    PingRole,
    /// `/ws/ping` on the main role, which shares its loops with load.
    MainRole,
    /// Keep-alive `GET /ping`, one at a time.
    Http,
}

/// One `node_rtt` message, with the client's time of its arrival.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct NodeRttSample {
    /// When it arrived, microseconds since the start of the test.
    pub at_us: u64,
    /// Round trips of the node's own WebSocket pings since the last message, answered below JavaScript.
    pub ping_rtt_us: Vec<u32>,
    /// The kernel's smoothed round-trip time of the probe connection (`TCP_INFO`); `null` where unavailable.
    #[serde(default)]
    pub kernel_rtt_us: Option<u32>,
    /// The kernel's minimum round-trip time of the probe connection.
    #[serde(default)]
    pub kernel_min_rtt_us: Option<u32>,
}

/// A direction, as the subscriber sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Node to client.
    Down,
    /// Client to node.
    Up,
}

/// Payload bytes that the receiver counted in one interval, over all flows of the direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct GoodputSample {
    /// The end of the interval, microseconds since the start of the test. The interval began at the sample before it
    /// in the same direction.
    pub at_us: u64,
    /// Which way.
    pub direction: Direction,
    /// Bytes received in the interval.
    pub bytes: u64,
}

/// The number of load flows open from this time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct FlowCountSample {
    /// Microseconds since the start of the test.
    pub at_us: u64,
    /// Which way.
    pub direction: Direction,
    /// How many.
    pub flows: u32,
}

/// How the device itself kept up during the test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct DeviceSamples {
    /// How late the probe worker's timer fired, for each probe in the order of `probes`, microseconds.
    #[serde(default)]
    pub probe_timer_late_us: Vec<u32>,
    /// Bytes that the upload generators had queued but not handed to the network, largest seen.
    #[serde(default)]
    pub upload_backlog_bytes_max: u64,
}
