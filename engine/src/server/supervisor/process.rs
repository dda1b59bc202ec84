//! One supervised process: its roles and sockets, its child while there is one, and what the scoreboard says of it.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};

use protocol::time::Instant;

use super::handover::{HANDOVER_VARIABLE, HandedLoop, HandedRole, Handover, descriptors};
use super::inherited::LISTENERS_VARIABLE;
use super::listeners;
use super::notice::{self, Notice, NoticeSender};
use super::restart::{Action, RestartPolicy, Standing};
use super::starvation::{self, Starvation, Verdict};
use super::upgrade::TICKETS_VARIABLE;
use crate::runtime::sys::process::{ChildCommand, send_signal};
use crate::server::config::Config;
use crate::server::context::{LoopSeat, RolePort};
use crate::server::os_error;
use crate::server::roles::Role;
use crate::server::scoreboard::{ExitReason, RoleState, Scoreboard};
use crate::server::tls::Keeper;

/// Variables that are no child's business: who listens where, what the version before left, and whom to tell.
pub(super) const SUPERVISORS_OWN: &[&str] = &[
    LISTENERS_VARIABLE,
    TICKETS_VARIABLE,
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// What one process has of a role: its sockets and slots, which outlive every child.
#[derive(Debug)]
pub(super) struct SeatedRole {
    pub(super) role: Role,
    pub(super) port: u16,
    /// Whether other processes accept from the same sockets.
    pub(super) is_shared: bool,
    /// Which of the role's processes it is for, from 1.
    pub(super) number: usize,
    pub(super) seats: Vec<LoopSeat>,
}

impl SeatedRole {
    /// `jake`, or `jake/2`.
    fn name(&self) -> String {
        match self.number {
            1 => self.role.name.clone(),
            number => format!("{}/{number}", self.role.name),
        }
    }
}

/// What every child is handed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handed<'a> {
    pub(super) config: &'a Config,
    pub(super) ports: &'a [RolePort],
    pub(super) keeper: Option<&'a Keeper>,
}

/// One process. With several roles it is the node in single-process mode.
#[derive(Debug)]
pub(super) struct Process {
    /// Its slot on the scoreboard.
    index: usize,
    roles: Vec<SeatedRole>,
    policy: RestartPolicy,
    starvation: Starvation,
    child: Option<Child>,
    /// To the child, while there is one.
    notices: Option<NoticeSender>,
    was_started: bool,
    /// Why the supervisor killed the child whose end it awaits.
    killed_for: Option<ExitReason>,
    /// Given up: its sockets do not listen.
    is_silenced: bool,
}

impl Process {
    /// To be started by the first poll.
    pub(super) fn new(
        now: Instant,
        index: usize,
        roles: Vec<SeatedRole>,
        board: &Scoreboard,
    ) -> Self {
        for seated in &roles {
            board.roles()[seated.role.index].assign(&seated.role.name, seated.port);
        }
        let process = Self {
            index,
            roles,
            policy: RestartPolicy::new(now),
            starvation: Starvation::default(),
            child: None,
            notices: None,
            was_started: false,
            killed_for: None,
            is_silenced: false,
        };
        let served = process.roles.iter().map(|seated| seated.role.index);
        board.processes()[index].assign(&process.name(), served);
        process.publish(board, RoleState::Starting);
        process.assign_loops(board);
        process
    }

    /// `main`, `jake/2`, or `main+ping+alex`.
    pub(super) fn name(&self) -> String {
        let names: Vec<String> = self.roles.iter().map(SeatedRole::name).collect();
        names.join("+")
    }

    /// Its sockets, each with its role.
    pub(super) fn listeners(&self) -> impl Iterator<Item = (&SeatedRole, &TcpListener)> {
        self.roles.iter().flat_map(|seated| {
            let seats = seated.seats.iter();
            seats.flat_map(move |seat| {
                seat.listeners
                    .iter()
                    .map(move |listener| (seated, listener))
            })
        })
    }

    pub(super) fn is_running(&self) -> bool {
        self.child.is_some()
    }

    pub(super) fn is_healthy(&self) -> bool {
        matches!(self.policy.standing(), Standing::Healthy { .. })
    }

    /// Given up, but for a trial now and then.
    pub(super) fn is_down(&self) -> bool {
        matches!(self.policy.standing(), Standing::Down { .. }) || self.policy.is_on_trial()
    }

    /// Does what the policy says is due.
    pub(super) fn poll(&mut self, now: Instant, handed: Handed<'_>, board: &Scoreboard) {
        self.flush_notices();
        let was_healthy = self.is_healthy();
        let mut heartbeat = self.oldest_heartbeat(board);
        let pid = self.pid();
        let look = || starvation::threads(pid);
        match self.starvation.poll(now, heartbeat, look) {
            Verdict::Judge => {}
            Verdict::Wait => heartbeat = Some(now),
            Verdict::Starved => {
                tracing::warn!(process = self.name(), pid, "waits for a processor");
                heartbeat = Some(now);
            }
        }
        match self.policy.poll(now, heartbeat) {
            Action::Nothing => {}
            Action::Start => self.start(now, handed, board),
            Action::KillHung => self.kill(ExitReason::Hung),
            Action::KillNeverReady => self.kill(ExitReason::NeverReady),
        }
        if self.is_healthy() && !was_healthy {
            tracing::info!(process = self.name(), pid = self.pid(), "ready");
            self.publish(board, RoleState::Healthy);
        }
    }

    /// Notes the child's end, if it has ended.
    pub(super) fn reap(&mut self, now: Instant, board: &Scoreboard) {
        let Some(child) = &mut self.child else {
            return;
        };
        match child.try_wait() {
            Ok(None) => {}
            Ok(Some(status)) => {
                let reason = self
                    .killed_for
                    .take()
                    .unwrap_or_else(|| exit_reason(status));
                self.child = None;
                self.notices = None;
                self.handle_end(now, reason, board);
            }
            Err(error) => {
                tracing::error!(
                    process = self.name(),
                    reason = os_error::reason(&error),
                    "cannot be waited for"
                );
            }
        }
    }

    /// Tells the child while it runs; one that is started later has it from the start.
    pub(super) fn notify(&mut self, notice: &Notice) {
        if let Some(notices) = &mut self.notices {
            notices.push(notice);
        }
        self.flush_notices();
    }

    /// Sends on what the child had no room for.
    fn flush_notices(&mut self) {
        let flushed = self.notices.as_mut().map_or(Ok(()), NoticeSender::flush);
        if let Err(error) = flushed {
            // Its end, if that is why, is noted when it is reaped.
            let reason = os_error::reason(&error);
            tracing::error!(process = self.name(), reason, "cannot be told");
            self.notices = None;
        }
    }

    /// Asks the child to finish.
    pub(super) fn drain(&self, board: &Scoreboard) {
        self.publish(board, RoleState::Draining);
        self.signal(libc::SIGTERM);
    }

    /// Ends the child at once.
    pub(super) fn kill_now(&self) {
        self.signal(libc::SIGKILL);
    }

    fn start(&mut self, now: Instant, handed: Handed<'_>, board: &Scoreboard) {
        self.assign_loops(board);
        let spawned = self
            .set_silenced(false)
            .and_then(|()| self.spawn(handed, board));
        match spawned {
            Ok((child, notices)) => {
                let pid = child.id();
                tracing::info!(process = self.name(), pid, "started");
                self.policy.handle_started(now);
                board.processes()[self.index].set_started(now, pid, self.was_started);
                self.child = Some(child);
                self.notices = Some(notices);
                self.was_started = true;
                // Nobody is sent to a process that was down before it has shown that it lives.
                if !self.policy.is_on_trial() {
                    self.publish(board, RoleState::Starting);
                }
            }
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(libc::EIO);
                self.policy.handle_started(now);
                self.handle_end(now, ExitReason::NotStarted(errno), board);
            }
        }
    }

    fn spawn(&self, handed: Handed<'_>, board: &Scoreboard) -> io::Result<(Child, NoticeSender)> {
        let (notices, childs_end) = notice::channel()?;
        let role = |seated: &SeatedRole| HandedRole {
            role: seated.role.clone(),
            loops: seated.seats.iter().map(HandedLoop::of).collect(),
        };
        let handover = Handover {
            supervisor_pid: std::process::id(),
            config: handed.config.clone(),
            ports: handed.ports.to_vec(),
            credentials: handed.keeper.map(Keeper::handed),
            roles: self.roles.iter().map(role).collect(),
            scoreboard_fd: board.fd().as_raw_fd(),
            notices_fd: childs_end.as_raw_fd(),
        }
        .to_memfd()?;
        let mut inherited = vec![handover.as_fd(), board.fd(), childs_end.as_fd()];
        inherited.extend(
            self.roles
                .iter()
                .flat_map(|seated| descriptors(&seated.seats)),
        );
        let mut arguments = vec!["bufferbloatd".to_owned()];
        for seated in &self.roles {
            arguments.push(seated.name());
            arguments.push(format!(":{}", seated.port));
        }
        let child = ChildCommand {
            arguments: &arguments,
            environment: &[(HANDOVER_VARIABLE, handover.as_raw_fd().to_string())],
            removed: SUPERVISORS_OWN,
            inherited: &inherited,
        }
        .start()?;
        Ok((child, notices))
    }

    fn handle_end(&mut self, now: Instant, reason: ExitReason, board: &Scoreboard) {
        // No process writes these slots now: what the dead loops had open is closed.
        for seated in &self.roles {
            for seat in &seated.seats {
                board.release_loop(seat.slot);
            }
        }
        board.processes()[self.index].set_ended(reason);
        if board.is_draining() {
            tracing::info!(process = self.name(), reason = %reason, "ended");
            return;
        }
        self.policy.handle_failure(now);
        match self.policy.standing() {
            Standing::Down { until } => {
                tracing::error!(
                    process = self.name(),
                    reason = %reason,
                    retry_after_s = (until - now).as_secs(),
                    "down: failed too often"
                );
                self.publish(board, RoleState::Down);
                // A connection that waited here would wait in vain, while others of its role could serve it.
                if let Err(error) = self.set_silenced(true) {
                    let reason = os_error::reason(&error);
                    tracing::error!(process = self.name(), reason, "cannot stop listening");
                }
            }
            Standing::Waiting { until } => {
                tracing::warn!(
                    process = self.name(),
                    reason = %reason,
                    restart_after_ms = u64::try_from((until - now).as_millis()).unwrap_or(u64::MAX),
                    "ended unasked"
                );
                self.publish(board, RoleState::Restarting);
            }
            Standing::Starting { .. } | Standing::Healthy { .. } | Standing::Killed => {}
        }
    }

    fn kill(&mut self, reason: ExitReason) {
        tracing::warn!(process = self.name(), pid = self.pid(), reason = %reason, "killing");
        self.killed_for = Some(reason);
        self.signal(libc::SIGKILL);
    }

    /// The child is not reaped yet, so its number cannot belong to another process.
    fn signal(&self, signal: i32) {
        if let Some(child) = &self.child
            && let Err(error) = send_signal(child.id(), signal)
        {
            tracing::error!(
                process = self.name(),
                signal,
                reason = os_error::reason(&error),
                "cannot be signalled"
            );
        }
    }

    fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    fn assign_loops(&self, board: &Scoreboard) {
        for seated in &self.roles {
            for seat in &seated.seats {
                board.loops()[seat.slot].assign(seated.role.index, self.index);
            }
        }
    }

    fn publish(&self, board: &Scoreboard, state: RoleState) {
        board.set_process_state(self.index, state);
    }

    /// Stops listening, or begins again; on all of its sockets, and the first fault is told.
    fn set_silenced(&mut self, is_silenced: bool) -> io::Result<()> {
        if self.is_silenced == is_silenced {
            return Ok(());
        }
        let own = self.roles.iter().filter(|seated| !seated.is_shared);
        let seats = own.flat_map(|seated| &seated.seats);
        let mut listeners = seats.flat_map(|seat| &seat.listeners);
        let changed = if is_silenced {
            listeners.try_for_each(listeners::silence)
        } else {
            listeners
                .clone()
                .try_for_each(listeners::listen_again)
                .inspect_err(|_| {
                    for listener in listeners {
                        // Those that do not listen say so.
                        let _ = listeners::silence(listener);
                    }
                })
        };
        if changed.is_ok() {
            self.is_silenced = is_silenced;
        }
        changed
    }

    /// `None` while a loop has not beaten at all.
    fn oldest_heartbeat(&self, board: &Scoreboard) -> Option<Instant> {
        let mut oldest = None;
        for seat in self.roles.iter().flat_map(|seated| &seated.seats) {
            let beat = board.loops()[seat.slot].heartbeat()?;
            oldest = Some(oldest.map_or(beat, |known: Instant| known.min(beat)));
        }
        oldest
    }
}

pub(super) fn exit_reason(status: ExitStatus) -> ExitReason {
    match (status.signal(), status.code()) {
        (Some(signal), _) => ExitReason::Signal(signal),
        (None, code) => ExitReason::Code(code.unwrap_or(-1)),
    }
}
