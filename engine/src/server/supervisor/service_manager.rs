//! What a service manager (systemd) is told: ready, alive, reloading, stopping; and the sockets that it keeps, so that a
//! restart refuses nobody. Without one, nothing is said.

use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use protocol::time::Instant;
use sd_notify::NotifyState;

use super::inherited::Unclaimed;
use crate::server::os_error;

/// The one that started this process, if one did.
#[derive(Debug)]
pub(super) struct ServiceManager {
    /// How often it wants to hear from us: half of what it waits.
    watchdog_every: Option<Duration>,
    told_alive: Instant,
}

impl ServiceManager {
    /// Asks the environment.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            watchdog_every: sd_notify::watchdog_enabled().map(|patience| patience / 2),
            told_alive: now,
        }
    }

    /// The node serves; `status` is what `systemctl status` shows.
    pub(super) fn tell_ready(&self, status: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// The configuration is being read again; [`ServiceManager::tell_ready`] ends it.
    pub(super) fn tell_reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    }

    /// The node stops.
    pub(super) fn tell_stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    /// From the supervisor's turn, so that a supervisor that hangs is noticed.
    pub(super) fn tell_alive(&mut self, now: Instant) {
        if let Some(every) = self.watchdog_every
            && now - self.told_alive >= every
        {
            self.told_alive = now;
            tell(&[NotifyState::Watchdog]);
        }
    }

    /// Has these sockets kept for the next node.
    pub(super) fn keep_listeners<'a>(
        &self,
        role: &str,
        port: u16,
        listeners: impl Iterator<Item = &'a TcpListener>,
    ) {
        let fds: Vec<BorrowedFd<'_>> = listeners.map(AsFd::as_fd).collect();
        let name = stored_name(role, port);
        // FDPOLL=0: a role that is down does not listen, and its sockets are wanted all the same.
        let message = [
            NotifyState::Custom("FDSTORE=1"),
            NotifyState::Custom("FDPOLL=0"),
            NotifyState::FdName(&name),
        ];
        if let Err(error) = sd_notify::notify_with_fds(&message, &fds) {
            let reason = os_error::reason(&error);
            tracing::warn!(
                role,
                reason,
                "the service manager does not keep the sockets"
            );
        }
    }

    /// Has a socket that nobody serves any more closed, or its port would take connections that nobody answers.
    pub(super) fn forget(&self, unclaimed: &Unclaimed) {
        tell(&[
            NotifyState::Custom("FDSTOREREMOVE=1"),
            NotifyState::FdName(&unclaimed.name),
        ]);
    }
}

/// A name of its own for each port, so that one can be forgotten.
fn stored_name(role: &str, port: u16) -> String {
    format!("{role}-{port}")
}

fn tell(message: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(message) {
        let reason = os_error::reason(&error);
        tracing::warn!(reason, "the service manager cannot be told");
    }
}
