//! `GET /health`: whether the node can be used, by what the scoreboard says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::http1::Request;
use protocol::message::node_status::{HealthStatus, NodeHealth};

use super::{Answer, Parameters};
use crate::runtime::application::Context;
use crate::server::node::Node;
use crate::server::reply::Reply;
use crate::server::scoreboard::{RoleState, Scoreboard, TlsSlot};
use crate::server::visitor::Visitor;

/// 200 when every process serves, else 503 with the reasons.
pub fn health(
    node: &mut Node,
    context: &mut Context<'_>,
    _: &mut Visitor,
    _: &Request,
    _: &Parameters<'_>,
) -> Answer {
    let scoreboard = node.scoreboard();
    let mut findings = Findings::default();
    findings.look_at_processes(scoreboard, |_| true);
    findings.look_at_certificate(scoreboard.tls(), SystemTime::now());
    let uptime = context.now - scoreboard.started_at();
    let health = NodeHealth {
        status: findings.status,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_s: uptime.as_secs(),
        reasons: findings.reasons,
    };
    Answer::Reply(Reply::json(status_code(health.status), &health))
}

/// What a load balancer goes by.
pub(super) const fn status_code(status: HealthStatus) -> u16 {
    match status {
        HealthStatus::Ok => 200,
        HealthStatus::Degraded | HealthStatus::Down => 503,
    }
}

/// The worst that was found, and why.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) status: HealthStatus,
    pub(super) reasons: Vec<String>,
}

impl Default for Findings {
    fn default() -> Self {
        Self {
            status: HealthStatus::Ok,
            reasons: Vec::new(),
        }
    }
}

impl Findings {
    /// Something is missing.
    pub(super) fn degraded(&mut self, reason: String) {
        self.worsen(HealthStatus::Degraded, reason);
    }

    /// Looks at every process that serves one of the roles that `is_chosen` picks, and at the node itself.
    pub(super) fn look_at_processes(
        &mut self,
        scoreboard: &Scoreboard,
        is_chosen: impl Fn(usize) -> bool,
    ) {
        for process in scoreboard.processes() {
            let is_of_interest =
                (0..scoreboard.roles().len()).any(|role| is_chosen(role) && process.serves(role));
            if !is_of_interest {
                continue;
            }
            let name = process.name();
            let last = process
                .last_exit()
                .map_or(String::new(), |reason| format!(" ({reason})"));
            match process.state() {
                RoleState::Healthy | RoleState::Draining => {}
                RoleState::Starting => self.degraded(format!("process {name} is starting{last}")),
                RoleState::Restarting => {
                    self.degraded(format!("process {name} is being restarted{last}"));
                }
                RoleState::Down => {
                    self.degraded(format!(
                        "process {name} is down after five failures in a minute{last}"
                    ));
                }
            }
        }
        if scoreboard.is_draining() {
            let reason = "the node is shutting down".to_owned();
            self.worsen(HealthStatus::Down, reason);
        }
    }

    /// A certificate that could not be used takes nothing from the node while the one before is good: it is told, and the
    /// node stays in service.
    fn look_at_certificate(&mut self, tls: &TlsSlot, now: SystemTime) {
        if !tls.is_used() {
            return;
        }
        let fault = tls.fault();
        if !fault.is_empty() {
            self.reasons
                .push(format!("the old certificate is kept: {fault}"));
        }
        if now > UNIX_EPOCH + Duration::from_secs(tls.not_after_unix_s()) {
            self.degraded("the certificate has expired".to_owned());
        }
    }

    fn worsen(&mut self, worse: HealthStatus, reason: String) {
        self.status = self.status.max(worse);
        self.reasons.push(reason);
    }
}

#[cfg(test)]
mod tests {
    use protocol::time::Instant;

    use super::*;
    use crate::server::scoreboard::ExitReason;

    #[test]
    fn a_bad_new_certificate_is_told_and_an_expired_one_degrades() {
        let board = Scoreboard::create(Instant::from_micros(1), 0).unwrap();
        let tls = board.tls();
        let found = |unix_s| {
            let mut findings = Findings::default();
            findings.look_at_certificate(tls, UNIX_EPOCH + Duration::from_secs(unix_s));
            (findings.status, findings.reasons.join("; "))
        };
        assert_eq!(found(50), (HealthStatus::Ok, String::new()));
        tls.set_installed(40, 100);
        tls.set_failed("bad");
        let kept = "the old certificate is kept: bad".to_owned();
        assert_eq!(found(50), (HealthStatus::Ok, kept));
        tls.clear_fault();
        let expired = "the certificate has expired".to_owned();
        assert_eq!(found(101), (HealthStatus::Degraded, expired));
    }

    #[test]
    fn a_process_that_fails_is_named_with_the_reason_while_its_role_is_served() {
        let board = Scoreboard::create(Instant::from_micros(1), 0).unwrap();
        board.roles()[0].assign("jake", 8001);
        board.processes()[0].assign("jake", [0]);
        board.processes()[1].assign("jake/2", [0]);
        board.set_process_state(0, RoleState::Healthy);
        board.processes()[1].set_ended(ExitReason::Signal(9));
        board.set_process_state(1, RoleState::Down);
        let mut findings = Findings::default();
        findings.look_at_processes(&board, |_| true);
        assert_eq!(findings.status, HealthStatus::Degraded);
        assert_eq!(
            findings.reasons,
            ["process jake/2 is down after five failures in a minute (killed by signal 9)"]
        );
        board.set_process_state(1, RoleState::Healthy);
        let mut findings = Findings::default();
        findings.look_at_processes(&board, |_| true);
        assert_eq!(findings.status, HealthStatus::Ok);
        board.set_draining();
        findings.look_at_processes(&board, |_| false);
        assert_eq!(findings.status, HealthStatus::Down);
    }
}
