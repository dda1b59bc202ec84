//! `GET /health`: whether the node can be used, by what the scoreboard says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::http1::Request;
use protocol::message::node_status::{
    AcmeHealth, CertificateHealth, CertificateSource, HealthStatus, NodeHealth,
};

use super::{Answer, Parameters};
use crate::runtime::application::Context;
use crate::server::node::Node;
use crate::server::reply::Reply;
use crate::server::scoreboard::{AcmeSlot, RoleState, Scoreboard, TlsSlot};
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
    let (tls, acme) = (scoreboard.tls(), scoreboard.acme());
    findings.look_at_certificate(tls, acme, SystemTime::now());
    let uptime = context.now - scoreboard.started_at();
    let health = NodeHealth {
        status: findings.status,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_s: uptime.as_secs(),
        reasons: findings.reasons,
        certificate: certificate(tls, acme),
    };
    Answer::Reply(Reply::json(status_code(health.status), &health))
}

/// The certificate in force, and how getting the next one fares.
fn certificate(tls: &TlsSlot, acme: &AcmeSlot) -> Option<CertificateHealth> {
    let some = |unix_s: u64| Some(unix_s).filter(|unix_s| *unix_s != 0);
    let of_acme = || AcmeHealth {
        is_asking: acme.is_asking(),
        last_success_unix_s: some(acme.last_success_unix_s()),
        last_failure_unix_s: some(acme.last_failure_unix_s()),
        last_failure: Some(acme.fault()).filter(|fault| !fault.is_empty()),
        failures_in_a_row: acme.failures_in_a_row(),
        next_attempt_unix_s: some(acme.next_attempt_unix_s()),
        pid: u32::try_from(acme.pid()).ok().filter(|pid| *pid != 0),
        restarts: acme.restarts.value(),
    };
    Some(CertificateHealth {
        source: tls.source()?,
        not_after_unix_s: tls.not_after_unix_s(),
        acme: acme.is_used().then(of_acme),
    })
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
    fn look_at_certificate(&mut self, tls: &TlsSlot, acme: &AcmeSlot, now: SystemTime) {
        if !tls.is_used() {
            return;
        }
        let fault = tls.fault();
        if !fault.is_empty() {
            self.reasons
                .push(format!("the old certificate is kept: {fault}"));
        }
        let missing = tls.missing_names();
        if !missing.is_empty() {
            self.reasons
                .push(format!("the certificate is not yet for {missing}"));
        }
        if now > UNIX_EPOCH + Duration::from_secs(tls.not_after_unix_s()) {
            self.degraded("the certificate has expired".to_owned());
        }
        if tls.source() == Some(CertificateSource::Temporary) {
            let reason = "the certificate is a temporary one that no browser trusts, until the authority gives another";
            self.degraded(reason.to_owned());
        }
        let fault = acme.fault();
        if !fault.is_empty() {
            self.reasons.push(format!("no new certificate: {fault}"));
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
            findings.look_at_certificate(
                tls,
                board.acme(),
                UNIX_EPOCH + Duration::from_secs(unix_s),
            );
            (findings.status, findings.reasons.join("; "))
        };
        assert_eq!(found(50), (HealthStatus::Ok, String::new()));
        tls.set_installed(40, 100, CertificateSource::Files);
        tls.set_failed("bad");
        let kept = "the old certificate is kept: bad".to_owned();
        assert_eq!(found(50), (HealthStatus::Ok, kept));
        tls.clear_fault();
        tls.set_missing_names("b.example");
        let missing = "the certificate is not yet for b.example".to_owned();
        assert_eq!(found(50), (HealthStatus::Ok, missing));
        tls.set_missing_names("");
        let expired = "the certificate has expired".to_owned();
        assert_eq!(found(101), (HealthStatus::Degraded, expired));
    }

    #[test]
    fn a_temporary_certificate_degrades_and_a_renewal_that_failed_is_told() {
        let board = Scoreboard::create(Instant::from_micros(1), 0).unwrap();
        let (tls, acme) = (board.tls(), board.acme());
        let found = || {
            let mut findings = Findings::default();
            findings.look_at_certificate(tls, acme, UNIX_EPOCH + Duration::from_secs(50));
            (findings.status, findings.reasons.join("; "))
        };
        assert_eq!(certificate(tls, acme), None);
        acme.set_used();
        tls.set_installed(40, 100, CertificateSource::Temporary);
        let (status, reasons) = found();
        assert_eq!(status, HealthStatus::Degraded);
        assert!(reasons.contains("temporary one that no browser trusts"));
        tls.set_installed(41, 100, CertificateSource::Acme);
        acme.set_begun(120);
        acme.set_failed(45, "refused");
        let told = "no new certificate: refused".to_owned();
        assert_eq!(found(), (HealthStatus::Ok, told));
        let health = certificate(tls, acme).unwrap();
        assert_eq!(
            (health.source, health.not_after_unix_s),
            (CertificateSource::Acme, 100)
        );
        let health = health.acme.unwrap();
        assert_eq!(health.last_failure.as_deref(), Some("refused"));
        assert_eq!(
            (health.last_success_unix_s, health.last_failure_unix_s),
            (None, Some(45))
        );
        assert_eq!(
            (health.next_attempt_unix_s, health.failures_in_a_row),
            (Some(120), 1)
        );
        acme.set_succeeded(130);
        assert_eq!(found(), (HealthStatus::Ok, String::new()));
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
