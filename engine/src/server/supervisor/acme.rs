//! The process that gets certificates: started and watched as the others, but without a socket or a role.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Child;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::unistd::User;
use protocol::time::Instant;

use super::handover;
use super::privileges;
use super::process::{SUPERVISORS_OWN, exit_reason};
use super::restart::{Action, RestartPolicy, Standing};
use crate::runtime::sys::process::{ChildCommand, send_signal};
use crate::server::acme::{self, AcmeHandover, AnswersToSupervisor};
use crate::server::config::{Acme, Config};
use crate::server::scoreboard::{CertificateSource, Scoreboard};
use crate::server::tls::{Keeper, Pair};
use crate::server::{os_error, test_certificate};

/// Its name in logs and in `ps`.
const NAME: &str = "acme";

/// See the module.
#[derive(Debug)]
pub(super) struct AcmeProcess {
    acme: Acme,
    folder: PathBuf,
    policy: RestartPolicy,
    child: Option<Child>,
    answers: Option<AnswersToSupervisor>,
    was_started: bool,
}

impl AcmeProcess {
    /// To be started by the first poll, with the keeper of what it gets: the stored certificate, or one of the node's own
    /// until there is one. To be called while the node still has the rights that it was started with.
    ///
    /// # Errors
    /// In words: the authority could not be asked, or the system has no randomness.
    pub(super) fn new(
        now: Instant,
        acme: &Acme,
        config: &Config,
        board: &Scoreboard,
    ) -> Result<(Self, Keeper), String> {
        acme::check(acme).map_err(|fault| fault.to_string())?;
        let is_root = privileges::is_root();
        let folder = acme.folder(is_root || config.user.is_some());
        // A user that does not exist is told when the node is to become it.
        let owner = config.user.as_ref().filter(|_| is_root);
        let owner = owner.and_then(|name| User::from_name(name).ok().flatten());
        let owner = owner.map(|user| (user.uid.as_raw(), user.gid.as_raw()));
        if let Err(fault) = acme::prepare(&folder, owner) {
            // The process tells it again, where it can be seen.
            tracing::warn!(reason = %fault, "no place for certificates");
        }
        let keeper = keeper(now, acme, &folder, board)?;
        board.acme().set_used();
        let process = Self {
            acme: acme.clone(),
            folder,
            policy: RestartPolicy::new(now),
            child: None,
            answers: None,
            was_started: false,
        };
        Ok((process, keeper))
    }

    /// Does what is due, and has the keeper answer what the process wants answered.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        config: &Config,
        keeper: &mut Keeper,
        board: &Scoreboard,
    ) {
        self.reap(now, keeper, board);
        let answers = self.answers.as_mut().and_then(AnswersToSupervisor::poll);
        if let Some(answers) = answers {
            keeper.set_challenges(answers);
        }
        match self.policy.poll(now, board.acme().heartbeat()) {
            Action::Nothing => {}
            Action::Start => self.start(now, config, board),
            Action::KillHung | Action::KillNeverReady => {
                tracing::warn!(process = NAME, "killing: it does not show that it lives");
                self.kill();
            }
        }
    }

    /// Ends it, and waits until it is gone: what it stores is replaced in one piece, so it may be anywhere.
    pub(super) fn end(&mut self) {
        self.kill();
        if let Some(mut child) = self.child.take() {
            // It was told by SIGKILL.
            let _ = child.wait();
        }
    }

    fn kill(&self) {
        if let Some(child) = &self.child
            && let Err(error) = send_signal(child.id(), libc::SIGKILL)
        {
            let reason = os_error::reason(&error);
            tracing::error!(process = NAME, reason, "cannot be signalled");
        }
    }

    fn start(&mut self, now: Instant, config: &Config, board: &Scoreboard) {
        self.policy.handle_started(now);
        match self.spawn(config, board) {
            Ok((child, answers)) => {
                let pid = child.id();
                tracing::info!(process = NAME, pid, "started");
                board.acme().set_started(pid);
                board.acme().restarts.add(u64::from(self.was_started));
                self.was_started = true;
                self.child = Some(child);
                self.answers = Some(answers);
            }
            Err(error) => {
                let reason = os_error::reason(&error);
                tracing::error!(process = NAME, reason, "cannot be started");
                self.policy.handle_failure(now);
            }
        }
    }

    fn spawn(
        &self,
        config: &Config,
        board: &Scoreboard,
    ) -> io::Result<(Child, AnswersToSupervisor)> {
        let (ours, childs) = UnixStream::pair()?;
        let childs = OwnedFd::from(childs);
        let document = handover::to_memfd(&AcmeHandover {
            supervisor_pid: std::process::id(),
            acme: self.acme.clone(),
            folder: self.folder.clone(),
            sandbox: config.sandbox,
            log_level: config.log_level,
            log_format: config.log_format,
            scoreboard_fd: board.fd().as_raw_fd(),
            answers_fd: childs.as_raw_fd(),
        })?;
        let child = ChildCommand {
            arguments: &[
                "bufferbloatd".to_owned(),
                NAME.to_owned(),
                self.acme.names.join(","),
            ],
            environment: &[(acme::HANDOVER_VARIABLE, document.as_raw_fd().to_string())],
            removed: SUPERVISORS_OWN,
            inherited: &[document.as_fd(), board.fd(), childs.as_fd()],
        }
        .start()?;
        Ok((child, AnswersToSupervisor::new(ours)?))
    }

    fn reap(&mut self, now: Instant, keeper: &mut Keeper, board: &Scoreboard) {
        let ended = self.child.as_mut().map(Child::try_wait);
        let status = match ended {
            None | Some(Ok(None)) => return,
            Some(Ok(Some(status))) => status,
            Some(Err(error)) => {
                let reason = os_error::reason(&error);
                tracing::error!(process = NAME, reason, "cannot be waited for");
                return;
            }
        };
        self.child = None;
        self.answers = None;
        keeper.set_challenges(Vec::new());
        let reason = exit_reason(status).to_string();
        let acme = board.acme();
        if acme.is_asking() {
            let unix_s = SystemTime::now().duration_since(UNIX_EPOCH);
            let fault = format!("the process that asked the authority ended: {reason}");
            acme.set_failed(unix_s.map_or(0, |since| since.as_secs()), &fault);
        }
        acme.set_ended();
        self.policy.handle_failure(now);
        match self.policy.standing() {
            Standing::Waiting { until } | Standing::Down { until } => {
                let restart_after_ms = (until - now).as_millis();
                tracing::warn!(process = NAME, reason, restart_after_ms, "ended unasked");
            }
            Standing::Starting { .. } | Standing::Healthy { .. } | Standing::Killed => {}
        }
    }
}

/// Of what is stored and can be used; else of a certificate that the node makes for itself, so that its ports speak TLS from
/// the start: challenges can be answered in handshakes, and its state can be asked for.
fn keeper(
    now: Instant,
    acme: &Acme,
    folder: &std::path::Path,
    board: &Scoreboard,
) -> Result<Keeper, String> {
    let files = acme.files(folder);
    let fault = match Pair::read(&files, SystemTime::now()) {
        Ok(_) => {
            let source = CertificateSource::Acme;
            return Keeper::of_files(now, files, source, &acme.names, board);
        }
        Err(fault) => fault,
    };
    tracing::warn!(
        reason = %fault,
        "no stored certificate: a temporary one, which no browser trusts, is in force until there is one"
    );
    let (chain_pem, key_pem) = test_certificate::self_signed(&acme.names)
        .map_err(|error| format!("cannot make a temporary certificate: {error}"))?;
    let pair = Pair::check(chain_pem, key_pem, SystemTime::now())
        .map_err(|fault| format!("cannot make a temporary certificate: {fault}"))?;
    let source = CertificateSource::Acme;
    Keeper::until_files(now, pair, files, source, &acme.names, board)
}
