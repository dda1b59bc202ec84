//! A child's whole life: take what the supervisor handed down, run the roles, end.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;

use landlock::RulesetStatus;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};

use super::handover::{self, HANDOVER_VARIABLE, Handover};
use super::notice::{Notice, NoticeReader};
use super::{sandbox, upgrade_signal};
use crate::runtime::payload::Payload;
use crate::runtime::sys::process::set_thread_nice;
use crate::runtime::tls::Acceptor;
use crate::server::context::{RoleContext, RoleEnd};
use crate::server::live_config::LiveConfig;
use crate::server::roles::Role;
use crate::server::tls::HandedCredentials;
use crate::server::{log, os_error, serve};

/// Runs the roles of the handover whose descriptor has this number.
#[must_use]
pub fn run(handover_fd: &str) -> ExitCode {
    let pid = |handover: &Handover| handover.supervisor_pid;
    let Some(handover) = handover::begin(HANDOVER_VARIABLE, handover_fd, pid) else {
        return ExitCode::FAILURE;
    };
    // Files, each for a moment with a name in a folder: the last things that are opened by a path.
    let payloads = payloads(&handover);
    let is_sandboxed = handover.config.sandbox;
    let files = is_sandboxed.then(sandbox::close_files);
    let _log = log::start(handover.config.log_level, handover.config.log_format);
    let opened = drain_flag()
        .and_then(|drain| handover.open(drain))
        .and_then(|opened| Ok((opened, payloads?)))
        .and_then(|(opened, payloads)| {
            listen_to_supervisor(opened.notices, opened.config, opened.acceptor)?;
            Ok((opened.contexts, payloads))
        });
    match opened {
        Ok((contexts, payloads)) => run_roles(contexts, &payloads, files),
        Err(error) => {
            tracing::error!(
                reason = os_error::reason(&error),
                "cannot take over from the supervisor"
            );
            ExitCode::FAILURE
        }
    }
}

/// One for each loop of a role that sends bulk, for the roles of a process to share; see [`serve::run`].
fn payloads(handover: &Handover) -> std::io::Result<Vec<Arc<Payload>>> {
    let senders = handover.roles.iter();
    let loops = senders
        .filter(|handed| serve::sends_bulk(&handed.role))
        .map(|handed| handed.loops.len())
        .max();
    let payloads = Payload::create_alike(loops.unwrap_or(0))?;
    Ok(payloads.into_iter().map(Arc::new).collect())
}

/// A thread that takes what the supervisor says; it ends with the supervisor.
fn listen_to_supervisor(
    mut notices: NoticeReader,
    config: LiveConfig,
    acceptor: Option<Arc<Acceptor>>,
) -> std::io::Result<()> {
    let listen = move || {
        loop {
            match notices.read() {
                Ok(Some(Notice::Config(fresh))) => config.set(*fresh),
                Ok(Some(Notice::Credentials(fresh))) => {
                    if let Some(acceptor) = &acceptor {
                        take_over(acceptor, &fresh);
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    let reason = os_error::reason(&error);
                    tracing::error!(reason, "cannot hear the supervisor any more");
                    return;
                }
            }
        }
    };
    std::thread::Builder::new()
        .name("notices".to_owned())
        .spawn(listen)?;
    Ok(())
}

fn take_over(acceptor: &Acceptor, fresh: &HandedCredentials) {
    match fresh.open() {
        Ok(credentials) => {
            acceptor.replace(credentials);
            tracing::debug!("uses new credentials");
        }
        // A challenge's, for the supervisor has checked the rest.
        Err(fault) => tracing::error!(reason = %fault, "new credentials cannot be used"),
    }
}

/// SIGTERM and SIGINT drain this process; the others are the supervisor's business and must not kill a child that a
/// `pkill -HUP` happens to reach.
fn drain_flag() -> std::io::Result<Arc<AtomicBool>> {
    let drain = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&drain))?;
    }
    for signal in [SIGHUP, SIGUSR1, SIGUSR2, upgrade_signal()] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(drain)
}

/// The loops' threads inherit it. Without the right to it the node works all the same, if with less even echoes.
fn set_priority(role: &Role) {
    if role.nice != 0
        && let Err(error) = set_thread_nice(role.nice)
    {
        let (name, nice, reason) = (&role.name, role.nice, os_error::reason(&error));
        tracing::info!(role = name, nice, reason, "runs at the usual priority");
    }
}

/// What a role's thread says.
enum Progress {
    /// All its loops have their threads.
    Started,
    /// It is over.
    Ended(String, RoleEnd),
}

/// One thread for each role. The first that fails takes the process with it: the supervisor starts all anew. `files` is
/// what the sandbox has taken already, `None` without one.
fn run_roles(
    contexts: Vec<RoleContext>,
    payloads: &[Arc<Payload>],
    files: Option<FilesClosed>,
) -> ExitCode {
    let (told, progress) = mpsc::channel();
    let mut starting = contexts.len();
    let mut running = contexts.len();
    for context in contexts {
        let (told, payloads) = (told.clone(), payloads.to_vec());
        let role = context.role.name.clone();
        let name = role.clone();
        let spawned = std::thread::Builder::new()
            .name(name.clone())
            .spawn(move || {
                set_priority(&context.role);
                // The receiver is gone only when the process is ending anyway.
                let started = || {
                    let _ = told.send(Progress::Started);
                };
                let run = std::panic::AssertUnwindSafe(|| serve::run(context, &payloads, started));
                let end = std::panic::catch_unwind(run)
                    .unwrap_or_else(|_| RoleEnd::Failed("panicked".to_owned()));
                let _ = told.send(Progress::Ended(role, end));
            });
        if let Err(error) = spawned {
            tracing::error!(
                role = name,
                reason = os_error::reason(&error),
                "cannot start a thread"
            );
            return ExitCode::FAILURE;
        }
    }
    drop(told);
    for progress in progress {
        match progress {
            Progress::Started => {
                starting -= 1;
                if let (0, Some(files)) = (starting, &files) {
                    close_sandbox(files);
                }
            }
            Progress::Ended(role, RoleEnd::Drained) => {
                tracing::debug!(role, "drained");
                running -= 1;
                if running == 0 {
                    break;
                }
            }
            Progress::Ended(role, RoleEnd::Failed(reason)) => {
                tracing::error!(role, reason, "failed");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// What Landlock enforces, or why it does not.
type FilesClosed = Result<RulesetStatus, String>;

/// All threads are there: nothing but their loops' work is left to do.
fn close_sandbox(files: &FilesClosed) {
    let calls = sandbox::close_system_calls();
    match (files, &calls) {
        (Ok(RulesetStatus::FullyEnforced), Ok(())) => tracing::debug!("sandbox closed"),
        (files, calls) => {
            let (landlock, seccomp) = (format!("{files:?}"), format!("{calls:?}"));
            tracing::info!(
                landlock,
                seccomp,
                "the sandbox is not complete on this kernel"
            );
        }
    }
}
