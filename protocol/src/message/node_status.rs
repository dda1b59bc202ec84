//! What the node says of itself: how much it does, how well, and how its processes fare.
//!
//! Sums are since the node started and survive restarts of its processes; numbers of what is open, and rates, are of now.
//! A rate is that of the last whole second. Quantiles are of the last ten seconds, and `null` when nothing happened in them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How a role or a process fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// It serves.
    Healthy,
    /// It is there, and does not serve yet.
    Starting,
    /// It ended; it starts again after a pause.
    Restarting,
    /// The node is stopping.
    Draining,
    /// It failed five times within a minute; it is tried again once a minute.
    Down,
}

/// Whether the node can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// All of it.
    Ok,
    /// It can, with something missing.
    Degraded,
    /// It cannot.
    Down,
}

/// What some loops do: those of a process, of a role, or of the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct LoadFigures {
    /// Profile sessions that are open.
    pub sessions: u64,
    /// Connections that are open.
    pub connections: u64,
    /// Load flows to clients that are open.
    pub flows_down: u64,
    /// Load flows from clients that are open.
    pub flows_up: u64,
    /// Probe connections that are open.
    pub probes: u64,
    /// Bytes sent, headers included.
    pub sent_bytes: u64,
    /// Bytes received, headers included.
    pub received_bytes: u64,
    /// Rate to clients.
    pub down_mbps: f64,
    /// Rate from clients.
    pub up_mbps: f64,
    /// Profile sessions begun.
    pub sessions_begun: u64,
    /// Connections accepted.
    pub connections_accepted: u64,
    /// Probes answered.
    pub echoes: u64,
    /// How late the loops come to what is due: median. At most this.
    pub loop_lag_p50_us: Option<u64>,
    /// The same: 99th percentile.
    pub loop_lag_p99_us: Option<u64>,
    /// From a probe's arrival to its echo's departure: median. At most this.
    pub echo_turnaround_p50_us: Option<u64>,
    /// The same: 99th percentile.
    pub echo_turnaround_p99_us: Option<u64>,
}

/// 200 to `GET /virtual-household/stats`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct NodeStats {
    /// Since the node started.
    pub uptime_s: u64,
    /// Tests that run.
    pub tests: u32,
    /// The whole node.
    pub total: LoadFigures,
    /// Each role.
    pub roles: Vec<RoleStats>,
    /// Each process of each role.
    pub processes: Vec<ProcessStats>,
    /// Profile sessions that ended, by reason; reasons that did not occur are zero.
    pub sessions_ended: BTreeMap<String, u64>,
    /// Connections that ended, by reason.
    pub connections_closed: BTreeMap<String, u64>,
}

/// A role in [`NodeStats`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RoleStats {
    /// Its name.
    pub role: String,
    /// Its port.
    pub port: u16,
    /// How it fares.
    pub state: ServiceState,
    /// How many processes it has.
    pub processes: u32,
    /// What it does.
    #[serde(flatten)]
    pub figures: LoadFigures,
}

/// A process in [`NodeStats`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ProcessStats {
    /// Its name, as `ps` shows it.
    pub process: String,
    /// The role.
    pub role: String,
    /// What it does for that role.
    #[serde(flatten)]
    pub figures: LoadFigures,
}

/// 200 to `GET /virtual-household/process-health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ProcessHealthReport {
    /// False when one process serves all roles.
    pub multiprocess: bool,
    /// Each process of each role. In a node of one process there is a row for each role, all of the same process.
    pub processes: Vec<ProcessHealth>,
}

/// A process in [`ProcessHealthReport`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ProcessHealth {
    /// Its name, as `ps` shows it.
    pub process: String,
    /// The role.
    pub role: String,
    /// The role's port.
    pub port: u16,
    /// Its number to the operating system; `null` while it does not run.
    pub pid: Option<u32>,
    /// How it fares.
    pub state: ServiceState,
    /// Since it was started last; `null` while it does not run.
    pub uptime_s: Option<u64>,
    /// How many times it was started again.
    pub restarts: u64,
    /// Age of the oldest of its loops' heartbeats; they beat every 100 ms. `null` before the first.
    pub last_heartbeat_age_ms: Option<u64>,
    /// Why it ended last; `null` when it never did.
    pub last_exit_reason: Option<String>,
}

/// 200 or 503 to `GET /virtual-household/health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct HouseholdHealth {
    /// `down` only when no user can be served.
    pub status: HealthStatus,
    /// What is missing, in words.
    pub reasons: Vec<String>,
    /// Each user.
    pub users: Vec<UserHealth>,
}

/// A user in [`HouseholdHealth`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct UserHealth {
    /// The user.
    pub user_id: String,
    /// How the role that serves the user fares: the user's own, or main in its place.
    pub state: ServiceState,
    /// The port that clients are sent to.
    pub port: u16,
    /// Whether a process of the user's own serves them.
    pub process_isolation: bool,
}

/// 200 or 503 to `GET /health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct NodeHealth {
    /// Whether the node can be used.
    pub status: HealthStatus,
    /// The node's version.
    pub version: String,
    /// Since the node started.
    pub uptime_s: u64,
    /// What is missing, in words.
    pub reasons: Vec<String>,
    /// The node's certificate; `null` where it speaks plain HTTP.
    #[serde(default)]
    pub certificate: Option<CertificateHealth>,
}

/// Where a certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum CertificateSource {
    /// Files that the operator named.
    Files,
    /// The authority that the node asked by itself (ACME, RFC 8555).
    Acme,
    /// The node made it for itself, until it has one that others trust.
    Temporary,
}

impl CertificateSource {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Files, Self::Acme, Self::Temporary];

    /// Its name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Acme => "acme",
            Self::Temporary => "temporary",
        }
    }
}

/// The certificate in [`NodeHealth`]. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct CertificateHealth {
    /// Where the one in force comes from.
    pub source: CertificateSource,
    /// When it expires.
    pub not_after_unix_s: u64,
    /// How getting another fares; `null` where the operator sees to it.
    pub acme: Option<AcmeHealth>,
}

/// Getting certificates by oneself, in [`CertificateHealth`]. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct AcmeHealth {
    /// Whether the authority is being asked now.
    pub is_asking: bool,
    /// When a certificate was last got; `null` when none ever was.
    pub last_success_unix_s: Option<u64>,
    /// When an attempt last failed since the node started; `null` when none did.
    pub last_failure_unix_s: Option<u64>,
    /// Why the last attempt failed; `null` when it did not.
    pub last_failure: Option<String>,
    /// Attempts that failed since the last that did not.
    pub failures_in_a_row: u64,
    /// When the authority is asked next; `null` before that is known.
    pub next_attempt_unix_s: Option<u64>,
    /// The process that does it, to the operating system; `null` while it does not run.
    pub pid: Option<u32>,
    /// How many times that process was started again.
    pub restarts: u64,
}
