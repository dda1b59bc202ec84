//! One role's row: which process serves it and how it fares. Written by the supervisor alone.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use protocol::time::Instant;
use serde::Serialize;

use super::cell::ShortText;
use crate::runtime::sys::shared_memory::plain_atomics;

/// How a role fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleState {
    /// Its process is there, not all of its loops have beaten yet.
    Starting,
    /// All of its loops beat.
    Healthy,
    /// Its process ended; the next one starts after a pause.
    Restarting,
    /// It failed five times within a minute; it is tried again once a minute.
    Down,
    /// The node is stopping.
    Draining,
}

/// Why a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// Killed by this signal.
    Signal(i32),
    /// Exited with this code.
    Code(i32),
    /// Killed by the supervisor: a heartbeat was too old.
    Hung,
    /// Killed by the supervisor: no first heartbeat in time.
    NeverReady,
    /// Could not be started at all; the operating system's error number.
    NotStarted(i32),
}

impl ExitReason {
    const fn to_word(self) -> u64 {
        const fn low(value: i32) -> u64 {
            value.cast_unsigned() as u64
        }
        match self {
            Self::Signal(signal) => 1 << 32 | low(signal),
            Self::Code(code) => 2 << 32 | low(code),
            Self::Hung => 3 << 32,
            Self::NeverReady => 4 << 32,
            Self::NotStarted(errno) => 5 << 32 | low(errno),
        }
    }

    const fn from_word(word: u64) -> Option<Self> {
        // Truncation takes the low half, which is the value.
        let value = (word as u32).cast_signed();
        match word >> 32 {
            1 => Some(Self::Signal(value)),
            2 => Some(Self::Code(value)),
            3 => Some(Self::Hung),
            4 => Some(Self::NeverReady),
            5 => Some(Self::NotStarted(value)),
            _ => None,
        }
    }
}

impl std::fmt::Display for ExitReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Signal(signal) => write!(f, "killed by signal {signal}"),
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Hung => f.write_str("hung: killed after 2 s without a heartbeat"),
            Self::NeverReady => f.write_str("not ready in time: killed"),
            Self::NotStarted(errno) => {
                let error = std::io::Error::from_raw_os_error(*errno);
                write!(f, "could not be started: {error}")
            }
        }
    }
}

plain_atomics! {
    /// One role. Written by the supervisor alone.
    #[derive(Debug)]
    pub struct RoleSlot {
        name: ShortText,
        /// 1 + port; 0 when the slot is nobody's.
        port: AtomicU64,
        pid: AtomicU64,
        state: AtomicU64,
        restarts: AtomicU64,
        last_exit: AtomicU64,
        started_ns: AtomicU64,
    }
}

impl RoleSlot {
    /// Whether a role has this slot.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.port.load(Acquire) != 0
    }

    /// The role's name.
    #[must_use]
    pub fn name(&self) -> String {
        self.name.to_text()
    }

    /// The port it is served on.
    #[must_use]
    pub fn port(&self) -> u16 {
        u16::try_from(self.port.load(Acquire).saturating_sub(1)).unwrap_or(0)
    }

    /// Its process; 0 while there is none.
    #[must_use]
    pub fn pid(&self) -> u32 {
        u32::try_from(self.pid.load(Relaxed)).unwrap_or(0)
    }

    /// How it fares.
    #[must_use]
    pub fn state(&self) -> RoleState {
        match self.state.load(Acquire) {
            1 => RoleState::Healthy,
            2 => RoleState::Restarting,
            3 => RoleState::Down,
            4 => RoleState::Draining,
            _ => RoleState::Starting,
        }
    }

    /// How many times its process was started again.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Relaxed)
    }

    /// Why its last process ended; `None` when none did.
    #[must_use]
    pub fn last_exit(&self) -> Option<ExitReason> {
        ExitReason::from_word(self.last_exit.load(Relaxed))
    }

    /// When its present process was started; `None` before the first.
    #[must_use]
    pub fn started_at(&self) -> Option<Instant> {
        match self.started_ns.load(Relaxed) {
            0 => None,
            ns => Some(Instant::from_nanos(ns)),
        }
    }

    /// Gives the slot to a role. The supervisor alone calls this and what follows.
    pub fn assign(&self, name: &str, port: u16) {
        self.name.set(name);
        self.port.store(u64::from(port) + 1, Release);
    }

    /// Publishes how the role fares.
    pub fn set_state(&self, state: RoleState) {
        let word = match state {
            RoleState::Starting => 0,
            RoleState::Healthy => 1,
            RoleState::Restarting => 2,
            RoleState::Down => 3,
            RoleState::Draining => 4,
        };
        self.state.store(word, Release);
    }

    /// Publishes a process that was started.
    pub fn set_started(&self, now: Instant, pid: u32, is_restart: bool) {
        self.pid.store(u64::from(pid), Relaxed);
        self.started_ns.store(now.as_nanos(), Relaxed);
        if is_restart {
            self.restarts.fetch_add(1, Relaxed);
        }
    }

    /// Publishes a process's end.
    pub fn set_ended(&self, reason: ExitReason) {
        self.pid.store(0, Relaxed);
        self.last_exit.store(reason.to_word(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_reason_survives_its_word() {
        for reason in [
            ExitReason::Signal(9),
            ExitReason::Code(-1),
            ExitReason::Code(0),
            ExitReason::Hung,
            ExitReason::NeverReady,
            ExitReason::NotStarted(12),
        ] {
            assert_eq!(ExitReason::from_word(reason.to_word()), Some(reason));
        }
        assert_eq!(ExitReason::from_word(0), None);
    }
}
