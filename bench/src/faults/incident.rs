//! One role's processes are killed or stopped, and somebody waits for it to serve again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use engine::runtime::sys::clock;
use engine::runtime::sys::process::send_signal;
use protocol::message::node_status::ProcessHealth;
use protocol::time::Instant;
use serde::Serialize;

use super::compare::{Comparison, Records, Span};
use crate::analysis::spread::Spread;
use crate::load::attempt::{Attempt, Ended};
use crate::node::Node;
use crate::process_tree;
use crate::raw_socket::RawSocket;
use crate::run::Running;

/// A question that is not answered within this is asked anew; one that waits in a listener's queue is answered by the
/// next process.
const ASK_PATIENCE: Duration = Duration::from_millis(500);
const ASK_PAUSE: Duration = Duration::from_millis(5);
const SIGNAL_PAUSE: Duration = Duration::from_micros(200);

/// What is done to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Kill,
    Stop,
}

impl Fault {
    const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill -9",
            Self::Stop => "SIGSTOP",
        }
    }

    const fn signal(self) -> i32 {
        match self {
            Self::Kill => libc::SIGKILL,
            Self::Stop => libc::SIGSTOP,
        }
    }
}

/// A fault that was caused.
#[derive(Debug)]
pub(super) struct Incident {
    fault: Fault,
    role: String,
    at: Instant,
    before: Span,
    /// From the fault on.
    span: Span,
    processes: usize,
    serves_again_after: Option<Duration>,
    health: Vec<String>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct IncidentReport {
    pub(super) fault: &'static str,
    pub(super) role: String,
    /// Processes that it befell: all of the role.
    pub(super) processes: usize,
    /// Until the role's own port served a new client; `None`: not in the span that was watched.
    pub(super) serves_again_s: Option<f64>,
    /// The role's own sessions; all zero for a role that has none.
    pub(super) sessions_ended: usize,
    pub(super) endings: BTreeMap<String, usize>,
    pub(super) sessions_resumed: usize,
    /// From the fault to the welcome of the session that followed, s.
    pub(super) resumed_after_s: Option<Spread>,
    /// Of those that resumed, how many main serves.
    pub(super) resumed_on_main: usize,
    /// Attempts to resume that came to nothing.
    pub(super) attempts_refused: usize,
    pub(super) others: Comparison,
    /// Sessions of other roles that ended meanwhile.
    pub(super) other_sessions_ended: usize,
    /// The role's processes by process-health, at the end of the span.
    pub(super) health: Vec<String>,
}

impl Incident {
    /// Waits for the span's start, causes the fault, and watches until its end.
    ///
    /// # Errors
    /// When the node does not tell its processes, or they are not ours to signal.
    pub(super) fn cause(
        node: &Node,
        fault: Fault,
        role: &str,
        before: Span,
        span: Span,
    ) -> Result<Self> {
        Running::wait_until(span.start);
        let rows_before = processes_of(node, role)?;
        let port = rows_before.first().map(|process| process.port);
        let port = port.with_context(|| format!("the node has no role {role}"))?;
        let pids: Vec<u32> = rows_before
            .iter()
            .filter_map(|process| process.pid)
            .collect();
        ensure!(!pids.is_empty(), "role {role} has no process");
        let at = clock::monotonic_now();
        for pid in &pids {
            send_signal(*pid, fault.signal())
                .with_context(|| format!("signal to {role}, {pid}"))?;
        }
        // A signal needs a moment; who is served in it was served before the fault.
        while pids.iter().any(|pid| process_tree::may_run(*pid))
            && clock::monotonic_now() < span.end
        {
            sleep(SIGNAL_PAUSE);
        }
        let peer = SocketAddr::new(node.main.ip(), port);
        let mut serves_again_after = None;
        while serves_again_after.is_none() && clock::monotonic_now() < span.end {
            if serves(peer, role).is_some() {
                serves_again_after = Some(clock::monotonic_now() - at);
            } else {
                sleep(ASK_PAUSE);
            }
        }
        Running::wait_until(span.end);
        // A main that is still down can't tell.
        let health = processes_of(node, role)
            .map(|after| after.iter().map(|row| told(&rows_before, row)).collect())
            .unwrap_or_default();
        Ok(Self {
            fault,
            role: role.to_owned(),
            at,
            before,
            span,
            processes: pids.len(),
            serves_again_after,
            health,
        })
    }

    /// With what the households noticed of it.
    pub(super) fn report(self, records: &Records<'_>) -> IncidentReport {
        let attempts: Vec<&Attempt> = records.attempts_of(&self.role).collect();
        let ended: Vec<&Attempt> = attempts
            .iter()
            .filter(|attempt| {
                attempt.started_at.is_some()
                    && attempt.ended != Ended::Stopped
                    && attempt.ended_at.is_some_and(|at| self.span.has(at))
            })
            .copied()
            .collect();
        let begun_since = |attempt: &&&Attempt| self.span.has(attempt.asked_at);
        let resumed: Vec<(&Attempt, Instant)> = attempts
            .iter()
            .filter(begun_since)
            .filter_map(|attempt| Some((*attempt, attempt.welcomed_at?)))
            .collect();
        let mut endings = BTreeMap::new();
        for attempt in &ended {
            *endings.entry(word(attempt.ended)).or_insert(0) += 1;
        }
        IncidentReport {
            fault: self.fault.name(),
            processes: self.processes,
            serves_again_s: self.serves_again_after.map(|after| after.as_secs_f64()),
            sessions_ended: ended.len(),
            endings,
            sessions_resumed: resumed.len(),
            resumed_after_s: Spread::of(
                resumed
                    .iter()
                    .map(|(_, welcomed)| (*welcomed - self.at).as_secs_f64())
                    .collect(),
            ),
            resumed_on_main: resumed
                .iter()
                .filter(|(attempt, _)| !attempt.is_isolated)
                .count(),
            attempts_refused: attempts
                .iter()
                .filter(begun_since)
                .filter(|attempt| matches!(attempt.ended, Ended::Refused(_)))
                .count(),
            others: records.compare(self.before, self.span, Some(&self.role)),
            other_sessions_ended: records.sessions_ended_in(self.span, Some(&self.role)),
            health: self.health,
            role: self.role,
        }
    }
}

/// Whether the role takes a new client: main and ping as such, a user's with a welcome.
fn serves(peer: SocketAddr, role: &str) -> Option<()> {
    let mut socket = RawSocket::connect(peer, None, ASK_PATIENCE).ok()?;
    match role {
        "main" => {
            // The role may be missing others; that it answers is what counts.
            socket
                .ask("GET /health HTTP/1.1\r\nHost: node\r\n\r\n")
                .ok()
                .map(|_| ())
        }
        "ping" => (socket.open("/ws/ping").ok()? == 101).then_some(()),
        user_id => {
            let target = format!("/ws/virtual-household/{user_id}");
            (socket.open(&target).ok()? == 101).then_some(())?;
            socket.wait_for(b"\"welcome\"").ok()
        }
    }
}

fn processes_of(node: &Node, role: &str) -> Result<Vec<ProcessHealth>> {
    let mut processes = node.process_health()?.processes;
    processes.retain(|process| process.role == role);
    Ok(processes)
}

/// A process's row, against the one before the fault.
fn told(before: &[ProcessHealth], after: &ProcessHealth) -> String {
    let was = before.iter().find(|row| row.process == after.process);
    format!(
        "{}: {:?}, {} → {} restarts, up {} s, {}",
        after.process,
        after.state,
        was.map_or(0, |row| row.restarts),
        after.restarts,
        after.uptime_s.unwrap_or(0),
        after.last_exit_reason.as_deref().unwrap_or("never ended")
    )
}

fn word(ended: Ended) -> String {
    match ended {
        Ended::Open => "never ended".to_owned(),
        Ended::Stopped => "stopped".to_owned(),
        Ended::ByNode(reason) => format!("{reason:?}"),
        Ended::Connection(word) | Ended::Refused(word) => word.to_owned(),
    }
}
