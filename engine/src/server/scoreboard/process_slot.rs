//! One process's row: what it is, whether it runs, and how its predecessors ended. Written by the supervisor alone.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use protocol::time::Instant;

use super::cell::ShortText;
use super::role_slot::RoleState;
use crate::runtime::sys::shared_memory::plain_atomics;

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
    /// One process. Written by the supervisor alone.
    #[derive(Debug)]
    pub struct ProcessSlot {
        name: ShortText,
        /// A bit for each role that it serves; 0 when the slot is nobody's.
        roles: AtomicU64,
        pid: AtomicU64,
        state: AtomicU64,
        restarts: AtomicU64,
        last_exit: AtomicU64,
        started_ns: AtomicU64,
    }
}

impl ProcessSlot {
    /// Whether a process has this slot.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.roles.load(Acquire) != 0
    }

    /// `jake`, or `jake/2` for the second process of a role.
    #[must_use]
    pub fn name(&self) -> String {
        self.name.to_text()
    }

    /// Whether it serves the role of this index.
    #[must_use]
    pub fn serves(&self, role: usize) -> bool {
        self.roles.load(Acquire) >> role & 1 == 1
    }

    /// Its number to the operating system; 0 while it does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        u32::try_from(self.pid.load(Relaxed)).unwrap_or(0)
    }

    /// How it fares.
    #[must_use]
    pub fn state(&self) -> RoleState {
        RoleState::from_word(self.state.load(Acquire))
    }

    /// How many times it was started again.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Relaxed)
    }

    /// Why it ended last; `None` when it never did.
    #[must_use]
    pub fn last_exit(&self) -> Option<ExitReason> {
        ExitReason::from_word(self.last_exit.load(Relaxed))
    }

    /// When it was started last; `None` while it does not run.
    #[must_use]
    pub fn started_at(&self) -> Option<Instant> {
        match self.started_ns.load(Relaxed) {
            0 => None,
            ns => Some(Instant::from_nanos(ns)),
        }
    }

    /// Gives the slot to a process that serves the roles of these indices. The supervisor alone calls this and what
    /// follows.
    pub fn assign(&self, name: &str, roles: impl IntoIterator<Item = usize>) {
        self.name.set(name);
        let bits = roles.into_iter().fold(0, |bits, role| bits | 1 << role);
        self.roles.store(bits, Release);
    }

    /// Publishes how it fares.
    pub fn set_state(&self, state: RoleState) {
        self.state.store(state.to_word(), Release);
    }

    /// Publishes its start.
    pub fn set_started(&self, now: Instant, pid: u32, is_restart: bool) {
        self.pid.store(u64::from(pid), Relaxed);
        self.started_ns.store(now.as_nanos(), Relaxed);
        if is_restart {
            self.restarts.fetch_add(1, Relaxed);
        }
    }

    /// Publishes its end.
    pub fn set_ended(&self, reason: ExitReason) {
        self.pid.store(0, Relaxed);
        self.started_ns.store(0, Relaxed);
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
