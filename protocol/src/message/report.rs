//! The report: what the page renders and what the terminal client prints. One shape, computed by `measure`.

use serde::{Deserialize, Serialize};

use super::household::HouseholdReport;
use super::samples::{Direction, ProbeTransport};
use super::test::Mode;

/// A grade; the order of the variants is from best to worst. Of a latency increase as said below; the household's overall
/// grade has a scale of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum Grade {
    /// Increase under 5 ms.
    #[serde(rename = "A+")]
    APlus,
    /// Under 30 ms.
    A,
    /// Under 60 ms.
    B,
    /// Under 200 ms.
    C,
    /// Under 400 ms.
    D,
    /// 400 ms and more.
    F,
}

/// The whole result of a test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Report {
    /// The test.
    pub test_id: String,
    /// Which test.
    pub mode: Mode,
    /// RFC 3339, by the client's wall clock.
    pub started_at: String,
    /// From the first phase's start to the last phase's end.
    pub duration_s: f64,
    /// The worst of the graded phases, or the household's overall grade; `null` when there is none.
    pub total_grade: Option<Grade>,
    /// How far to trust it.
    pub confidence: Confidence,
    /// Median of the baseline phase.
    pub idle_latency_ms: Option<f64>,
    /// The node's own view of the same: median of its WebSocket pings, else of the kernel's smoothed RTT.
    pub node_idle_latency_ms: Option<f64>,
    /// 95th percentile of the baseline phase.
    pub idle_p95_ms: Option<f64>,
    /// Mean absolute difference of consecutive baseline samples.
    pub idle_jitter_ms: Option<f64>,
    /// Which way the probes took.
    pub probe_transport: ProbeTransport,
    /// The three graded phases.
    pub phases: GradedPhases,
    /// What the users went through; `null` in a single-user test, whose phases are graded instead.
    #[serde(default)]
    pub household: Option<HouseholdReport>,
    /// What the node counted.
    pub node: NodeSummary,
}

/// The graded phases; `null` for a phase that did not run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct GradedPhases {
    /// Download saturated.
    pub download: Option<PhaseReport>,
    /// Upload saturated.
    pub upload: Option<PhaseReport>,
    /// Both.
    pub bidirectional: Option<PhaseReport>,
}

/// The figures of one graded phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PhaseReport {
    /// By the latency increase; `null` when there is none.
    pub grade: Option<Grade>,
    /// Working latency − idle latency.
    pub latency_increase_ms: Option<f64>,
    /// Single-sided 5 % trimmed mean of the phase's probes.
    pub working_latency_ms: Option<f64>,
    /// Median.
    pub p50_ms: Option<f64>,
    /// 90th percentile.
    pub p90_ms: Option<f64>,
    /// 95th percentile.
    pub p95_ms: Option<f64>,
    /// 99th percentile.
    pub p99_ms: Option<f64>,
    /// Largest.
    pub max_ms: Option<f64>,
    /// Mean absolute difference of consecutive samples.
    pub jitter_ms: Option<f64>,
    /// Probes never answered ÷ probes sent.
    pub loss_ratio: Option<f64>,
    /// Probes sent in the phase.
    pub samples: u32,
    /// 60 000 ÷ working latency in ms: round trips a minute.
    pub responsiveness_rpm: Option<f64>,
    /// The part of the increase that is upstream.
    pub up_increase_ms: Option<f64>,
    /// The part of the increase that is downstream.
    pub down_increase_ms: Option<f64>,
    /// The increase that the node itself saw on the probe connection.
    pub node_increase_ms: Option<f64>,
    /// Mean received after the phase's first second.
    pub goodput_down_mbps: Option<f64>,
    /// Mean received after the phase's first second.
    pub goodput_up_mbps: Option<f64>,
    /// 10th percentile of 100 ms bins.
    pub goodput_down_p10_mbps: Option<f64>,
    /// 90th percentile of 100 ms bins.
    pub goodput_down_p90_mbps: Option<f64>,
    /// 10th percentile of 100 ms bins.
    pub goodput_up_p10_mbps: Option<f64>,
    /// 90th percentile of 100 ms bins.
    pub goodput_up_p90_mbps: Option<f64>,
}

/// Whether the result can be taken at its word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Confidence {
    /// High, or reduced for the reasons below.
    pub level: ConfidenceLevel,
    /// Empty when high.
    pub reasons: Vec<ConfidenceReason>,
}

/// See [`Confidence`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ConfidenceLevel {
    /// Nothing speaks against the result.
    High,
    /// Something does.
    Reduced,
}

/// One reason, with its number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ConfidenceReason {
    /// A stable name.
    pub code: ConfidenceCode,
    /// For the reader, in plain words.
    pub message: String,
    /// The number that shows it.
    pub value: f64,
    /// Its unit.
    pub unit: String,
}

/// Why a result's confidence is reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ConfidenceCode {
    /// The client's RTT exceeds the node's by more than 5 ms at the median: the device, not the line, was slow.
    DeviceSlow,
    /// The client's probe timer fired late.
    DeviceTimerLate,
    /// Goodput was still rising at the end of a graded phase.
    LoadNotSaturated,
    /// The node's loops were late: loop lag p99 over 2 ms during the test.
    NodeBusy,
    /// A load flow was limited by its receiver's window, not by the line.
    ReceiverLimited,
    /// A load flow was limited by its sender's buffer, not by the line.
    SenderLimited,
    /// Too few probes in a phase to say.
    TooFewProbes,
    /// Probes shared their process with the load ([`ProbeTransport::MainRole`]) or went by HTTP.
    ProbeFallback,
    /// The test was stopped before its end.
    Incomplete,
}

/// What the node says about itself and about the test's flows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct NodeSummary {
    /// Its version.
    pub version: String,
    /// Its name.
    pub name: String,
    /// 99th percentile of loop lag during the test, over the loops that served it.
    pub loop_lag_p99_us: Option<u64>,
    /// Congestion control of the node's load flows.
    pub congestion_control: String,
    /// A summary for each load flow, in the order of their ends.
    pub flows: Vec<FlowSummary>,
}

/// `TCP_INFO` of one load flow, sampled every 100 ms, and the node's own byte count.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct FlowSummary {
    /// Which way the payload went.
    pub direction: Direction,
    /// Payload bytes the node sent or received.
    pub bytes: u64,
    /// Time the flow was open.
    pub duration_us: u64,
    /// Mean of the smoothed RTT samples.
    pub rtt_mean_us: u32,
    /// Largest smoothed RTT sample.
    pub rtt_max_us: u32,
    /// The kernel's minimum RTT.
    pub rtt_min_us: u32,
    /// Largest congestion window seen, segments.
    pub cwnd_segments_max: u32,
    /// Segments retransmitted.
    pub retransmits: u32,
    /// Largest delivery rate the kernel estimated.
    pub delivery_rate_max_bps: u64,
    /// Share of the busy time that the peer's receive window limited, 0 to 1.
    pub receiver_limited_ratio: f64,
    /// Share of the time that the send buffer limited, of the busy time or of the samples, 0 to 1.
    pub send_buffer_limited_ratio: f64,
}
