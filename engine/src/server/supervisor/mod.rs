//! The supervisor: opens every socket, starts the processes, restarts what fails, ends them all. It serves no
//! traffic, and it must not die of anything.
//!
//! One thread: it waits for signals, and looks at the heartbeats every 100 ms. The thread that starts the children
//! must live as long as the node: the kernel kills them when it ends.

mod acme;
pub mod child;
pub mod handover;
mod inherited;
mod listeners;
pub mod notice;
mod privileges;
mod process;
mod ready;
pub mod restart;
pub(in crate::server) mod sandbox;
mod service_manager;
mod starvation;
mod terminal;
mod upgrade;

use std::io;
use std::net::TcpListener;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mio::{Events, Interest, Poll, Token};
use protocol::time::Instant;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook_mio::v1_0::Signals;

use self::acme::AcmeProcess;
use self::inherited::Inherited;
use self::listeners::{ListenError, RoleListeners};
use self::notice::Notice;
use self::process::{Handed, Process, SeatedRole};
pub use self::ready::url_of;
use self::service_manager::ServiceManager;
use self::terminal::{has_terminal, is_hangup_ignored};
use self::upgrade::Program;
pub use self::upgrade::Successor;
use super::config::{Config, ConfigErrors, Loaded, LogLevel};
use super::context::{LoopSeat, RolePort};
use super::log;
use super::os_error;
use super::roles::{Role, roles};
use super::scoreboard::{CertificateSource, Scoreboard};
use super::tls::{HandedTickets, Keeper};
use crate::runtime::sys::clock::monotonic_now;
use crate::runtime::sys::process::raise_descriptor_limit;

/// How often heartbeats are looked at.
const TICK: Duration = Duration::from_millis(100);
/// How long a process may take to finish when the node stops.
const DRAIN: Duration = Duration::from_secs(5);
/// The children of a killed supervisor hold its ports for a moment: a successor asks so often before it gives up.
const LISTEN_ATTEMPTS: u32 = 6;

/// How the node ended.
#[derive(Debug)]
pub enum End {
    /// For good.
    Exit(ExitCode),
    /// To be started as another version.
    Upgrade(Successor),
}

/// Runs the node until it is told to stop. `reload` reads the configuration again, for SIGHUP.
#[must_use]
pub fn run(loaded: Loaded, reload: &dyn Fn() -> Result<Loaded, ConfigErrors>) -> End {
    // Before this process opens descriptors of its own.
    let inherited = Inherited::take();
    let tickets = upgrade::take_tickets();
    match Supervisor::new(loaded, inherited, tickets) {
        Ok(supervisor) => supervisor.run(reload),
        Err(reason) => {
            os_error::complain(&reason);
            End::Exit(ExitCode::FAILURE)
        }
    }
}

/// Drains the node and executes its program anew: `kill -s RTMIN`. SIGUSR1 and SIGUSR2 are the log's.
pub(super) fn upgrade_signal() -> i32 {
    libc::SIGRTMIN()
}

struct Supervisor {
    loaded: Loaded,
    scoreboard: Scoreboard,
    ports: Vec<RolePort>,
    processes: Vec<Process>,
    keeper: Option<Keeper>,
    acme: Option<AcmeProcess>,
    poll: Poll,
    signals: Signals,
    is_ready: bool,
    ends_with_terminal: bool,
    phase: Phase,
    program: io::Result<Program>,
    is_upgrading: bool,
    manager: ServiceManager,
    log_level: LogLevel,
}

/// Whether the node runs or stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    Draining {
        until: Instant,
    },
    /// Told twice, or out of time.
    Killing {
        is_asked: bool,
    },
}

impl Supervisor {
    fn new(
        loaded: Loaded,
        inherited: Inherited,
        tickets: Option<HandedTickets>,
    ) -> Result<Self, String> {
        // While the file is there: a new one may have taken its place when it is needed.
        let program = Program::current();
        let ends_with_terminal = has_terminal() && !is_hangup_ignored();
        // Before all else, so that a signal during the start is not lost.
        let (poll, signals) = watch_signals()
            .map_err(|error| format!("cannot wait for signals: {}", os_error::reason(&error)))?;
        raise_limit(&loaded.config);
        let config = &loaded.config;
        let now = monotonic_now();
        let unix_us = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(0));
        let scoreboard = Scoreboard::create(now, unix_us)
            .map_err(|error| format!("cannot make the scoreboard: {}", os_error::reason(&error)))?;
        // Before the sockets, so that a certificate that cannot be used disturbs nobody.
        let (acme, mut keeper) = match (&config.acme, &config.tls) {
            (Some(wanted), _) => {
                let (process, keeper) = AcmeProcess::new(now, wanted, config, &scoreboard)?;
                (Some(process), Some(keeper))
            }
            (None, Some(files)) => {
                let source = CertificateSource::Files;
                let keeper = Keeper::of_files(now, files.clone(), source, &[], &scoreboard)?;
                (None, Some(keeper))
            }
            (None, None) => (None, None),
        };
        if let (Some(keeper), Some(tickets)) = (&mut keeper, tickets) {
            keeper.take_over_tickets(now, tickets);
        }
        let opened = open_all(config, &inherited).map_err(|error| error.to_string())?;
        let manager = ServiceManager::new(now);
        keep_listeners(&manager, &opened, inherited);
        give_up_root(config)?;
        let ports = opened
            .iter()
            .map(|(role, opened)| RolePort {
                role: role.name.clone(),
                port: opened.port,
            })
            .collect();
        let seated = seat(opened);
        let groups = if config.multiprocess {
            seated.into_iter().map(|role| vec![role]).collect()
        } else {
            vec![seated]
        };
        let processes = groups
            .into_iter()
            .enumerate()
            .map(|(index, roles)| Process::new(now, index, roles, &scoreboard))
            .collect();
        let log_level = config.log_level;
        scoreboard.set_log_level(log_level);
        Ok(Self {
            loaded,
            scoreboard,
            ports,
            processes,
            keeper,
            acme,
            poll,
            signals,
            is_ready: false,
            ends_with_terminal,
            phase: Phase::Serving,
            program,
            is_upgrading: false,
            manager,
            log_level,
        })
    }

    fn run(mut self, reload: &dyn Fn() -> Result<Loaded, ConfigErrors>) -> End {
        if let Err(errors) = self.ask_again_as_user(reload) {
            os_error::complain(&errors);
            return End::Exit(ExitCode::FAILURE);
        }
        let congestion_control = &self.loaded.config.congestion_control;
        if congestion_control != "cubic" {
            tracing::warn!(
                congestion_control,
                "load does not use cubic: results do not compare with those of other nodes"
            );
        }
        let mut events = Events::with_capacity(8);
        loop {
            let now = monotonic_now();
            self.poll_certificate(now);
            self.poll_processes(now);
            self.poll_phase(now);
            self.manager.tell_alive(now);
            self.scoreboard
                .supervisor_log_lines_dropped()
                .add(log::take_dropped_lines());
            if self.phase != Phase::Serving && !self.processes.iter().any(Process::is_running) {
                break;
            }
            if let Err(error) = self.poll.poll(&mut events, Some(TICK))
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(reason = os_error::reason(&error), "cannot wait for signals");
                // Without the wait this would be a busy loop; the heartbeats are looked at all the same.
                std::thread::sleep(TICK);
            }
            self.handle_signals(reload);
        }
        if let (true, Phase::Draining { .. } | Phase::Killing { is_asked: false }, Ok(program)) =
            (self.is_upgrading, self.phase, &self.program)
        {
            tracing::info!("drained: starting anew");
            let program = program.clone();
            let listeners = self.processes.iter().flat_map(Process::listeners);
            let listeners: io::Result<Vec<(String, TcpListener)>> = listeners
                .map(|(seated, listener)| Ok((seated.role.name.clone(), listener.try_clone()?)))
                .collect();
            match listeners {
                Ok(listeners) => {
                    return End::Upgrade(Successor {
                        program,
                        listeners,
                        tickets: self.keeper.as_ref().map(Keeper::tickets),
                    });
                }
                Err(error) => {
                    let reason = os_error::reason(&error);
                    tracing::error!(reason, "cannot hand the sockets on");
                }
            }
        }
        if let (Some(path), true) = (&self.loaded.config.ports_file, self.is_ready) {
            // It may be gone already; a stale one is the worse fault.
            let _ = std::fs::remove_file(path);
        }
        End::Exit(match self.phase {
            Phase::Killing { is_asked: true } => ExitCode::FAILURE,
            Phase::Serving | Phase::Draining { .. } | Phase::Killing { is_asked: false } => {
                tracing::info!("stopped");
                ExitCode::SUCCESS
            }
        })
    }

    /// Children that run are told of new credentials; those that start later begin with them.
    fn poll_certificate(&mut self, now: Instant) {
        let Some(keeper) = &mut self.keeper else {
            return;
        };
        if let (Some(acme), Phase::Serving, true) = (&mut self.acme, self.phase, self.is_ready) {
            acme.poll(now, &self.loaded.config, keeper, &self.scoreboard);
        }
        keeper.poll(now, &self.scoreboard);
        if let Some(news) = keeper.take_news() {
            let notice = Notice::Credentials(Box::new(news));
            for process in &mut self.processes {
                process.notify(&notice);
            }
        }
    }

    /// What root may do, the user that the node has become may not: a congestion control above all, and where that cannot
    /// be set, the kernel's own would be used, which may be one that hides the queue.
    fn ask_again_as_user(
        &mut self,
        reload: &dyn Fn() -> Result<Loaded, ConfigErrors>,
    ) -> Result<(), ConfigErrors> {
        if self.loaded.config.user.is_some() {
            self.loaded.take_live(&reload()?);
        }
        Ok(())
    }

    fn poll_processes(&mut self, now: Instant) {
        let handed = Handed {
            config: &self.loaded.config,
            ports: &self.ports,
            keeper: self.keeper.as_ref(),
        };
        for process in &mut self.processes {
            process.reap(now, &self.scoreboard);
            if self.phase == Phase::Serving {
                process.poll(now, handed, &self.scoreboard);
            }
        }
        // Main is the first, and serves the users of those that are down.
        let is_settled = |process: &Process| process.is_healthy() || process.is_down();
        if !self.is_ready
            && self.processes.first().is_some_and(Process::is_healthy)
            && self.processes.iter().all(is_settled)
        {
            self.is_ready = true;
            self.tell_ready();
        }
    }

    fn tell_ready(&self) {
        if let Some(path) = &self.loaded.config.ports_file
            && let Err(error) = ready::write_ports_file(path, &self.ports)
        {
            let (path, reason) = (path.display().to_string(), os_error::reason(&error));
            tracing::error!(path, reason, "cannot write the ports file");
        }
        let line = ready::line(&self.loaded.config, &self.ports);
        // A standard output that is closed, or full and read by nobody, is no reason to stop serving.
        let _ = std::thread::Builder::new()
            .name("ready".to_owned())
            .spawn(move || io::Write::write_all(&mut io::stdout(), format!("{line}\n").as_bytes()));
        self.manager.tell_ready(&ready::status(&self.ports));
    }

    fn handle_signals(&mut self, reload: &dyn Fn() -> Result<Loaded, ConfigErrors>) {
        let pending: Vec<i32> = self.signals.pending().collect();
        for signal in pending {
            match signal {
                SIGTERM | SIGINT => self.handle_stop(),
                SIGHUP if self.ends_with_terminal && !has_terminal() => self.handle_stop(),
                SIGHUP if self.is_ready => {
                    self.manager.tell_reloading();
                    self.handle_reload(reload);
                    self.manager.tell_ready(&ready::status(&self.ports));
                }
                SIGHUP => self.handle_reload(reload),
                upgrade if upgrade == upgrade_signal() => self.handle_upgrade(),
                SIGUSR1 => self.set_log_level(self.log_level.louder()),
                SIGUSR2 => self.set_log_level(self.log_level.quieter()),
                // SIGCHLD has done its work by waking the loop.
                _ => {}
            }
        }
    }

    /// For the whole node, until it is changed again or the node starts anew.
    fn set_log_level(&mut self, level: LogLevel) {
        let before = std::mem::replace(&mut self.log_level, level);
        self.scoreboard.set_log_level(level);
        // Told while the louder of both is in force, so that it is seen.
        log::set_level(before.max(level));
        let (level_name, before_name) = (level.name(), before.name());
        match before.max(level) {
            LogLevel::Error => {}
            LogLevel::Warn => tracing::warn!(
                log_level = level_name,
                before = before_name,
                "log level set"
            ),
            LogLevel::Info | LogLevel::Debug | LogLevel::Trace => {
                tracing::info!(
                    log_level = level_name,
                    before = before_name,
                    "log level set"
                );
            }
        }
        log::set_level(level);
    }

    /// Only once it's known that the new program can be started.
    fn handle_upgrade(&mut self) {
        if self.phase != Phase::Serving {
            return;
        }
        let checked = match &self.program {
            Ok(program) => program.check(),
            Err(error) => Err(os_error::reason(error)),
        };
        match checked {
            Ok(()) => {
                tracing::info!(within_s = DRAIN.as_secs(), "upgrading: draining");
                self.is_upgrading = true;
                self.drain();
            }
            Err(reason) => tracing::error!(reason, "not upgraded: the node goes on as it is"),
        }
    }

    fn drain(&mut self) {
        self.phase = Phase::Draining {
            until: monotonic_now() + DRAIN,
        };
        self.scoreboard.set_draining();
        if let Some(acme) = &mut self.acme {
            acme.end();
        }
        for process in &self.processes {
            process.drain(&self.scoreboard);
        }
    }

    fn handle_stop(&mut self) {
        match self.phase {
            Phase::Serving => {
                tracing::info!(within_s = DRAIN.as_secs(), "stopping");
                self.manager.tell_stopping();
                self.drain();
            }
            // The first word to stop while it drains for its successor: it ends all the same.
            Phase::Draining { .. } if self.is_upgrading => {
                self.is_upgrading = false;
                self.manager.tell_stopping();
            }
            Phase::Draining { .. } | Phase::Killing { .. } => {
                self.phase = Phase::Killing { is_asked: true };
                self.kill_all();
            }
        }
    }

    fn poll_phase(&mut self, now: Instant) {
        match self.phase {
            Phase::Draining { until } if now >= until => {
                tracing::warn!("not finished in time: killing");
                self.phase = Phase::Killing { is_asked: false };
                self.kill_all();
            }
            Phase::Serving | Phase::Draining { .. } | Phase::Killing { .. } => {}
        }
    }

    fn kill_all(&self) {
        for process in &self.processes {
            process.kill_now();
        }
    }

    /// Changes what a running node can, and tells what needs a restart: sockets, processes and loops. The log level is the
    /// file's again, whatever signals have made of it.
    fn handle_reload(&mut self, reload: &dyn Fn() -> Result<Loaded, ConfigErrors>) {
        let fresh = match reload() {
            Ok(fresh) => fresh,
            Err(errors) => {
                for error in &errors.0 {
                    tracing::error!(reason = %error, "configuration not reloaded");
                }
                return;
            }
        };
        let changes = self.loaded.take_live(&fresh);
        let log_level = fresh.config.log_level;
        if changes.is_empty() && log_level == self.log_level {
            tracing::info!("configuration read again: nothing changed");
        }
        for change in &changes {
            let (key, before, after) = (&change.key, &change.before, &change.after);
            if change.is_live {
                tracing::info!(key, before, after, "changed");
            } else {
                tracing::warn!(key, before, after, "takes effect at a restart");
            }
        }
        if changes.iter().any(|change| change.is_live) {
            let notice = Notice::Config(Box::new(self.loaded.config.clone()));
            for process in &mut self.processes {
                process.notify(&notice);
            }
        }
        if log_level != self.log_level {
            self.set_log_level(log_level);
        }
        // What the authority gave is read when there is another one.
        if let (Some(keeper), Some(files)) = (&mut self.keeper, &self.loaded.config.tls) {
            keeper.reload_files(files.clone(), &self.scoreboard);
        }
    }
}

fn watch_signals() -> io::Result<(Poll, Signals)> {
    let poll = Poll::new()?;
    let mut signals = Signals::new([
        SIGTERM,
        SIGINT,
        SIGHUP,
        SIGCHLD,
        SIGUSR1,
        SIGUSR2,
        upgrade_signal(),
    ])?;
    poll.registry()
        .register(&mut signals, Token(0), Interest::READABLE)?;
    Ok((poll, signals))
}

/// Children inherit the limit.
fn raise_limit(config: &Config) {
    // Beside its connections a process has listeners, timers, a log and the like.
    let wanted = config.limits.connections_max.get() + 256;
    match raise_descriptor_limit() {
        Ok(limit) if limit >= wanted => {}
        Ok(limit) => tracing::warn!(
            limit,
            wanted,
            "too few file descriptors for connections_max; raise `ulimit -Hn`"
        ),
        Err(error) => tracing::warn!(
            reason = os_error::reason(&error),
            "cannot raise the limit of file descriptors"
        ),
    }
}

/// The ports are open: nothing that follows needs root.
fn give_up_root(config: &Config) -> Result<(), String> {
    match &config.user {
        Some(user) => privileges::become_user(user),
        None => {
            if privileges::is_root() {
                tracing::info!("runs as root; --user NAME gives that up once the ports are open");
            }
            Ok(())
        }
    }
}

/// Has the service manager keep the sockets in use, and close those that are not any more.
fn keep_listeners(
    manager: &ServiceManager,
    opened: &[(Role, RoleListeners)],
    inherited: Inherited,
) {
    let ports: Vec<u16> = opened.iter().map(|(_, opened)| opened.port).collect();
    for unclaimed in inherited.close(&ports) {
        let (name, address) = (&unclaimed.name, unclaimed.address.to_string());
        tracing::warn!(
            name,
            address,
            "closing a socket of no role: nobody listens there any more"
        );
        manager.forget(&unclaimed);
    }
    for (role, opened) in opened {
        manager.keep_listeners(&role.name, opened.port, opened.loops.iter().flatten());
    }
}

fn open_all(
    config: &Config,
    inherited: &Inherited,
) -> Result<Vec<(Role, RoleListeners)>, ListenError> {
    let mut attempt = 1;
    loop {
        let opened: Result<Vec<_>, ListenError> = roles(config)
            .into_iter()
            .map(|role| listeners::open(&role, config, inherited).map(|opened| (role, opened)))
            .collect();
        match opened {
            Err(failed) if failed.is_in_use() && attempt < LISTEN_ATTEMPTS => {
                attempt += 1;
                std::thread::sleep(TICK);
            }
            opened => return opened,
        }
    }
}

/// Gives every loop of every role a slot of its own, and every process of a role its loops.
fn seat(opened: Vec<(Role, RoleListeners)>) -> Vec<SeatedRole> {
    let mut slots = 0..;
    let mut seated = Vec::new();
    for (role, opened) in opened {
        let mut seats = opened
            .loops
            .into_iter()
            .zip(&mut slots)
            .map(|(listeners, slot)| LoopSeat { slot, listeners });
        for number in 1..=role.processes {
            seated.push(SeatedRole {
                role: role.clone(),
                port: opened.port,
                is_shared: opened.is_shared && role.processes > 1,
                number,
                seats: seats.by_ref().take(role.loops).collect(),
            });
        }
    }
    seated
}
