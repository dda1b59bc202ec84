//! Admission: what a client asks for before a test, and what the node answers.

use serde::{Deserialize, Serialize};

/// Which of the two tests is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Idle, download, upload, both: one user.
    Single,
    /// Four users at once.
    Household,
}

/// The phases of a single-user test, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// No load: the idle latency.
    Baseline,
    /// Download ramps to saturation; shown, not graded.
    DownloadWarmup,
    /// Download saturated; graded.
    Download,
    /// Upload ramps to saturation; shown, not graded.
    UploadWarmup,
    /// Upload saturated; graded.
    Upload,
    /// Both directions saturated; graded.
    Bidirectional,
}

/// A phase with its time, in microseconds since the start of the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PhaseSpan {
    /// Which phase.
    pub phase: Phase,
    /// Its first microsecond.
    pub start_us: u64,
    /// The first microsecond after it.
    pub end_us: u64,
}

/// `POST /api/tests`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TestRequest {
    /// Which test.
    pub mode: Mode,
    /// Who asks.
    pub client: ClientDescription,
}

/// The program that runs the test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ClientDescription {
    /// `web`, `terminal` or another program's own name; at most 64 bytes are kept.
    pub name: String,
    /// Its version; at most 64 bytes are kept.
    #[serde(default)]
    pub version: String,
}

/// 201 to `POST /api/tests`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TestAdmission {
    /// 128 random bits, 32 lower-case hexadecimal digits. Every flow carries it as `test_id=`.
    pub test_id: String,
    /// Proof of ownership for `report` and `DELETE`: `Authorization: Bearer …`.
    pub token: String,
    /// Seconds until the test ends by itself and the token with it.
    pub expires_s: u32,
    /// Where everything is, host and scheme as the client sees them.
    pub endpoints: Endpoints,
    /// The timeline to follow; empty for a household, whose timelines are in its catalogue.
    pub phases: Vec<PhaseSpan>,
    /// Most load flows in one direction.
    pub flows_max: u32,
}

/// Absolute URLs, without `test_id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Endpoints {
    /// Probe echo on the ping role.
    pub ping_ws: String,
    /// Probe echo on the main role: for firewalls that let only the main port through.
    pub ping_ws_fallback: String,
    /// `GET /ping`, the last resort where WebSockets are blocked.
    pub ping_http: String,
    /// Opens and warms a connection.
    pub warmup: String,
    /// Download by HTTP.
    pub download: String,
    /// Upload by HTTP.
    pub upload: String,
    /// Download by WebSocket.
    pub bulk_download_ws: String,
    /// Upload by WebSocket, with progress messages.
    pub bulk_upload_ws: String,
    /// Where the samples go.
    pub report: String,
    /// What `DELETE` is sent to.
    pub test: String,
}

/// 200 to `DELETE /api/tests/{id}`, and to `GET /api/tests/{id}`: what the node itself counts of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TestStatus {
    /// The test.
    pub test_id: String,
    /// Whether it was ended (by `DELETE`, by its report, or by its age).
    pub ended: bool,
    /// Load flows and probes of this test that the node still has open.
    pub open_flows: u32,
    /// Payload bytes received so far over all flows of this test, brought up to date every 100 ms: the receiver's count for
    /// uploads that carry no progress messages of their own.
    #[cfg_attr(test, ts(type = "number"))]
    pub received_bytes: u64,
}
