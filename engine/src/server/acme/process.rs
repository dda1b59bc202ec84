//! The ACME process's whole life: take what the supervisor handed down, give up what it has no use for, and ask the
//! authority whenever a certificate is due.

use std::os::fd::RawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::resource::{Resource, setrlimit};
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGHUP, SIGUSR1, SIGUSR2};

use super::answer::Answers;
use super::authority;
use super::fault::AcmeFault;
use super::schedule::{self, Life, Past};
use super::store::{self, Store, Stored};
use crate::runtime::sys::clock::monotonic_now;
use crate::runtime::sys::process::inherited_descriptor;
use crate::server::config::{Acme, LogFormat, LogLevel};
use crate::server::scoreboard::Scoreboard;
use crate::server::supervisor::{handover, sandbox, upgrade_signal};
use crate::server::{log, os_error};

/// The environment variable that names the document's descriptor; who has it is the ACME process.
pub const HANDOVER_VARIABLE: &str = "BUFFERBLOATD_ACME_HANDOVER_FD";

/// The supervisor takes a process for hung that does not beat for two seconds.
const BEAT_EVERY: Duration = Duration::from_millis(250);
/// A wait is cut into such pieces, so that a clock that is put right, or a machine that slept, does not matter.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// One attempt, from the account to the chain.
const ATTEMPT_MAX: Duration = Duration::from_secs(300);

/// Ten times what it needs.
const MEMORY_BYTES_MAX: u64 = 256 << 20;

/// The document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AcmeHandover {
    /// Whose death is the process's.
    pub supervisor_pid: u32,
    /// What is wanted.
    pub acme: Acme,
    /// Where it is stored.
    pub folder: PathBuf,
    /// Whether the process gives up what it does not need.
    pub sandbox: bool,
    /// What is logged at first.
    pub log_level: LogLevel,
    /// How.
    pub log_format: LogFormat,
    /// The scoreboard's descriptor.
    pub scoreboard_fd: RawFd,
    /// The descriptor that answers are told on.
    pub answers_fd: RawFd,
}

/// Runs with the handover whose descriptor has this number.
#[must_use]
pub fn run(handover_fd: &str) -> ExitCode {
    let pid = |handover: &AcmeHandover| handover.supervisor_pid;
    let Some(handover) = handover::begin(HANDOVER_VARIABLE, handover_fd, pid) else {
        return ExitCode::FAILURE;
    };
    // An authority that never comes to the end of an answer ends this process and nothing else. Without the limit it works
    // as well.
    let _ = setrlimit(Resource::RLIMIT_DATA, MEMORY_BYTES_MAX, MEMORY_BYTES_MAX);
    // Files that the sandbox lets through have to be there.
    // Where it cannot be made, the first attempt says so.
    let _ = store::prepare(&handover.folder, None);
    let sandboxed = handover
        .sandbox
        .then(|| sandbox::close_all_but(&readable(&handover.acme), &[&handover.folder]));
    let _log = log::start(handover.log_level, handover.log_format);
    if let Some(Err(reason)) = sandboxed {
        tracing::info!(
            process = "acme",
            reason,
            "the sandbox is not complete on this kernel"
        );
    }
    match start(handover) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(
                process = "acme",
                reason = os_error::reason(&error),
                "failed"
            );
            ExitCode::FAILURE
        }
    }
}

fn start(handover: AcmeHandover) -> std::io::Result<()> {
    // The supervisor's business; they must not kill a child that a `pkill -HUP` happens to reach.
    for signal in [SIGHUP, SIGUSR1, SIGUSR2, upgrade_signal()] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    let scoreboard = Scoreboard::open(inherited_descriptor(handover.scoreboard_fd)?)?;
    let supervisor = UnixStream::from(inherited_descriptor(handover.answers_fd)?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Names are looked up on threads of their own.
        .max_blocking_threads(4)
        .build()?;
    runtime.spawn(beat(scoreboard.clone()));
    runtime.block_on(
        Client {
            store: Store::new(&handover.acme, &handover.folder),
            acme: handover.acme,
            answers: Answers {
                scoreboard,
                supervisor,
            },
        }
        .live(),
    );
    Ok(())
}

/// What the process reads beside its folder: how names are looked up, and whom the system trusts.
fn readable(acme: &Acme) -> Vec<&Path> {
    const SYSTEM: &[&str] = &[
        "/etc/resolv.conf",
        "/etc/hosts",
        "/etc/nsswitch.conf",
        "/etc/host.conf",
        "/etc/gai.conf",
        "/etc/services",
        "/etc/ld.so.cache",
        // Not the folders above them, which have the private keys of others.
        "/etc/ssl/certs",
        "/etc/ssl/cert.pem",
        "/etc/ssl/ca-bundle.pem",
        "/etc/pki/ca-trust",
        "/etc/pki/tls/certs",
        "/etc/pki/tls/cert.pem",
        "/etc/pki/tls/cacert.pem",
        "/var/lib/ca-certificates",
        "/etc/ca-certificates",
        "/usr/share/ca-certificates",
        "/usr/local/share/ca-certificates",
        "/usr/share/pki",
        "/lib",
        "/lib64",
        "/usr/lib",
        "/usr/lib64",
        "/run/systemd/resolve",
        "/run/NetworkManager",
        "/run/resolvconf",
        "/run/nscd",
        "/proc/self",
        "/proc/sys/vm/overcommit_memory",
        "/sys/fs/cgroup",
        "/dev/urandom",
        "/dev/null",
    ];
    let own = acme.directory_ca.as_deref();
    SYSTEM.iter().map(Path::new).chain(own).collect()
}

/// Shows that the process lives, and follows the log level.
async fn beat(scoreboard: Scoreboard) {
    loop {
        scoreboard.acme().beat(monotonic_now());
        if let Some(level) = scoreboard.log_level() {
            log::set_level(level);
        }
        tokio::time::sleep(BEAT_EVERY).await;
    }
}

/// What the process has to work with.
struct Client {
    acme: Acme,
    store: Store,
    answers: Answers,
}

impl Client {
    /// Until an attempt has failed and the next is due, which is for a process started anew: the sandbox knows only the files
    /// that were there when it was closed, and `resolv.conf` above all is replaced by a rename.
    async fn live(mut self) {
        let mut due_unix_s = self.first_due_unix_s();
        let mut has_failed = false;
        loop {
            self.answers.scoreboard.acme().set_next_attempt(due_unix_s);
            wait_until(due_unix_s).await;
            if has_failed {
                // The successor waits for nothing more, whatever the clock did meanwhile.
                self.answers.scoreboard.acme().set_next_attempt(unix_s());
                return;
            }
            due_unix_s = self.attempt().await;
            has_failed = self.answers.scoreboard.acme().failures_in_a_row() != 0;
        }
    }

    /// See [`schedule::first_due_unix_s`].
    fn first_due_unix_s(&self) -> u64 {
        let acme = self.answers.scoreboard.acme();
        let stored = self.store.certificate(&self.acme.names);
        if let Some(stored) = &stored {
            acme.set_stored(stored.stored_unix_s);
        }
        let is_wanted = |stored: &&Stored| stored.has_all_names && stored.is_of_authority;
        let failures = acme.failures_in_a_row();
        schedule::first_due_unix_s(Past {
            now_unix_s: unix_s(),
            got_unix_s: stored.as_ref().map(|stored| stored.stored_unix_s),
            renewal_unix_s: (stored.as_ref())
                .filter(is_wanted)
                .map(|stored| schedule::renewal_unix_s(stored.life, chance())),
            asked_unix_s: self.store.last_attempt_unix_s(),
            backed_off_unix_s: (failures != 0).then(|| acme.next_attempt_unix_s()),
        })
    }

    /// One attempt; when the next is due.
    async fn attempt(&mut self) -> u64 {
        let begun = unix_s();
        let failures = self.answers.scoreboard.acme().failures_in_a_row() + 1;
        let backed_off = begun + schedule::backoff_s(failures, chance());
        // First, so that a process that does not survive the attempt has failed as well.
        self.answers.scoreboard.acme().set_begun(backed_off);
        let got = tokio::time::timeout(ATTEMPT_MAX, self.renew(begun)).await;
        self.answers.end();
        let got = got.unwrap_or(Err(AcmeFault::Late {
            limit_s: ATTEMPT_MAX.as_secs(),
        }));
        let now = unix_s();
        let acme = self.answers.scoreboard.acme();
        let names = self.acme.names.join(", ");
        match got {
            Ok(life) => {
                acme.set_succeeded(now);
                let next_unix_s = schedule::renewal_unix_s(life, chance()).max(now + 1);
                let next_after_s = next_unix_s - now;
                tracing::info!(names, next_after_s, "certificate got from the authority");
                next_unix_s
            }
            Err(fault) => {
                let fault = fault.to_string();
                acme.set_failed(now, &fault);
                let retry_unix_s = backed_off.max(now + schedule::BACKOFF_MIN_S);
                let retry_after_s = retry_unix_s - now;
                tracing::error!(names, reason = fault, retry_after_s, "no new certificate");
                retry_unix_s
            }
        }
    }

    async fn renew(&mut self, now_unix_s: u64) -> Result<Life, AcmeFault> {
        tracing::info!(
            names = self.acme.names.join(", "),
            challenge = self.acme.challenge.name(),
            directory = self.acme.directory,
            "asking the authority for a certificate"
        );
        let store = self.store.clone();
        store::elsewhere(move || store.begin_attempt(now_unix_s)).await?;
        let issued = authority::certificate(&self.acme, &self.store, &mut self.answers).await?;
        let store = self.store.clone();
        let life = move || store.put(&issued.chain_pem, &issued.key_pem);
        let life = store::elsewhere(life).await?;
        if schedule::renewal_unix_s(life, 0) <= unix_s() {
            let reason = "two thirds of the certificate's life are over already; is this machine's clock right?";
            return Err(AcmeFault::Local(reason.to_owned()));
        }
        Ok(life)
    }
}

/// Until then by the clock, and no longer than that was away at first: a clock may be put back meanwhile.
async fn wait_until(due_unix_s: u64) {
    let at_most = Duration::from_secs(due_unix_s.saturating_sub(unix_s()));
    let begun = tokio::time::Instant::now();
    loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let left = Duration::from_secs(due_unix_s).saturating_sub(now.unwrap_or_default());
        if left.is_zero() || begun.elapsed() >= at_most {
            return;
        }
        tokio::time::sleep(left.min(WAIT_MAX)).await;
    }
}

fn unix_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Any number: without randomness nodes come together, which is no fault of this one.
fn chance() -> u32 {
    getrandom::u32().unwrap_or_default()
}
