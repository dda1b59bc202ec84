//! One role's row: its name, its port, and how it fares, which is how its processes fare together. Written by the
//! supervisor alone.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

use protocol::message::node_status::ServiceState;

use super::cell::ShortText;
use crate::runtime::sys::shared_memory::plain_atomics;

/// How a process fares, or a role: a role as the best of its processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RoleState {
    /// All loops beat.
    Healthy,
    /// The process is there, not all of its loops have beaten yet.
    Starting,
    /// The process ended; the next one starts after a pause.
    Restarting,
    /// The node is stopping.
    Draining,
    /// It failed five times within a minute; it is tried again once a minute.
    Down,
}

impl RoleState {
    /// A segment of zeros says `Starting`.
    pub(super) const fn to_word(self) -> u64 {
        match self {
            Self::Starting => 0,
            Self::Healthy => 1,
            Self::Restarting => 2,
            Self::Down => 3,
            Self::Draining => 4,
        }
    }

    pub(super) const fn from_word(word: u64) -> Self {
        match word {
            1 => Self::Healthy,
            2 => Self::Restarting,
            3 => Self::Down,
            4 => Self::Draining,
            _ => Self::Starting,
        }
    }
}

impl From<RoleState> for ServiceState {
    fn from(state: RoleState) -> Self {
        match state {
            RoleState::Healthy => Self::Healthy,
            RoleState::Starting => Self::Starting,
            RoleState::Restarting => Self::Restarting,
            RoleState::Draining => Self::Draining,
            RoleState::Down => Self::Down,
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
        state: AtomicU64,
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

    /// How it fares: as the best of its processes, so it is down only when all of them are.
    #[must_use]
    pub fn state(&self) -> RoleState {
        RoleState::from_word(self.state.load(Acquire))
    }

    /// Gives the slot to a role. The supervisor alone calls this and what follows.
    pub fn assign(&self, name: &str, port: u16) {
        self.name.set(name);
        self.port.store(u64::from(port) + 1, Release);
    }

    /// Publishes how the role fares.
    pub(super) fn set_state(&self, state: RoleState) {
        self.state.store(state.to_word(), Release);
    }
}
