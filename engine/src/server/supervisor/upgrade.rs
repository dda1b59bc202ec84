//! Becoming another version of the program without refusing anybody: the node drains, and its process executes the file
//! that it was started from, which may be a new one by now. The listening sockets stay open throughout.

use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::handover;
use super::inherited::{self, LISTENERS_VARIABLE};
use crate::runtime::sys::process::keep_on_exec;
use crate::server::cli::CHECK_CONFIG;
use crate::server::os_error;
use crate::server::tls::HandedTickets;

/// Names the descriptor of the keys of session tickets.
pub(super) const TICKETS_VARIABLE: &str = "BUFFERBLOATD_TICKETS_FD";

/// How long the new program may take to read its configuration.
const CHECK_PATIENCE: Duration = Duration::from_secs(5);

/// How this process was started.
#[derive(Clone, Debug)]
pub(super) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// This one.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub(super) fn current() -> io::Result<Self> {
        Ok(Self {
            path: std::env::current_exe()?,
            arguments: std::env::args_os().skip(1).collect(),
        })
    }

    /// Whether the file that is there now can be started with the same arguments: it is asked to check its configuration.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) fn check(&self) -> Result<(), String> {
        let shown = self.path.display();
        let mut child = Command::new(&self.path)
            .args(&self.arguments)
            .arg(CHECK_CONFIG)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("{shown} cannot be started: {error}"))?;
        let begun = Instant::now();
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => {
                    return Err(format!("{shown} does not take its configuration: {status}"));
                }
                Ok(None) if begun.elapsed() < CHECK_PATIENCE => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Ok(None) | Err(_) => {
                    // Its end is all that is wanted of it.
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(format!("{shown} does not check its configuration in time"));
                }
            }
        }
    }
}

/// Everything that the next version needs.
#[derive(Debug)]
pub struct Successor {
    pub(super) program: Program,
    /// Each with its role.
    pub(super) listeners: Vec<(String, TcpListener)>,
    /// So that who comes back resumes as before; `None` where the node speaks plain HTTP.
    pub(super) tickets: Option<HandedTickets>,
}

/// The keys of session tickets that the version before used, if it was one with TLS. To be called once, before any other
/// descriptor is opened.
pub(super) fn take_tickets() -> Option<HandedTickets> {
    let number = std::env::var(TICKETS_VARIABLE).ok()?;
    // A version with other keys than this one knows is no reason not to start: handshakes are whole ones then.
    handover::take(&number)
        .inspect_err(|error| {
            let reason = os_error::reason(error);
            tracing::warn!(reason, "sessions from before the upgrade are not resumed");
        })
        .ok()
}

impl Successor {
    /// Becomes it. Returns only when that cannot be done.
    #[must_use]
    pub fn start(self) -> io::Error {
        let named = || (self.listeners.iter()).map(|(role, listener)| (role.as_str(), listener));
        for (_, listener) in named() {
            if let Err(error) = keep_on_exec(listener) {
                return error;
            }
        }
        let mut command = Command::new(&self.program.path);
        command
            .args(&self.program.arguments)
            .env(LISTENERS_VARIABLE, inherited::list(named()))
            // That of the version before the one before.
            .env_remove(TICKETS_VARIABLE);
        // Without them sessions are not resumed, which is no reason to stay the old version.
        let tickets = self.tickets.as_ref().map(|tickets| {
            let tickets = handover::to_memfd(tickets)?;
            keep_on_exec(&tickets).map(|()| tickets)
        });
        let tickets = match tickets.transpose() {
            Ok(tickets) => tickets,
            Err(error) => {
                os_error::complain(&error);
                None
            }
        };
        if let Some(tickets) = &tickets {
            command.env(TICKETS_VARIABLE, tickets.as_raw_fd().to_string());
        }
        command.exec()
    }
}
