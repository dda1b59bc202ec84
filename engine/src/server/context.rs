//! What a role is given to run with: its configuration, its listeners, its place on the scoreboard, and the word
//! when to stop.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::live_config::LiveConfig;
use super::roles::Role;
use super::scoreboard::Scoreboard;
use crate::runtime::tls::Acceptor;

/// Everything a role needs.
#[derive(Debug)]
pub struct RoleContext {
    /// Which role.
    pub role: Role,
    /// The node's configuration; a reload changes it.
    pub config: LiveConfig,
    /// The ports that the node really listens on.
    pub ports: Vec<RolePort>,
    /// One seat for each event loop.
    pub loops: Vec<LoopSeat>,
    /// Shared with every process of the node.
    pub scoreboard: Scoreboard,
    /// What handshakes are made with, if the node speaks TLS.
    pub acceptor: Option<Arc<Acceptor>>,
    /// When to stop.
    pub drain: DrainSignal,
}

impl RoleContext {
    /// The port of the role of this name; `None` when the node has no such role.
    #[must_use]
    pub fn port_of(&self, name: &str) -> Option<u16> {
        self.ports
            .iter()
            .find(|port| port.role == name)
            .map(|port| port.port)
    }
}

/// One event loop's own: nobody else accepts from its listeners or writes its slot.
#[derive(Debug)]
pub struct LoopSeat {
    /// Its slot on the scoreboard.
    pub slot: usize,
    /// Its listeners, one for each address; non-blocking.
    pub listeners: Vec<TcpListener>,
}

/// Where a role listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolePort {
    /// The role's name.
    pub role: String,
    /// Its port, never 0.
    pub port: u16,
}

/// Whether to stop: the whole node (told on the scoreboard) or this process alone (told by SIGTERM).
///
/// A loop looks at it once a turn, and turns at least every 250 ms for its heartbeat.
#[derive(Clone, Debug)]
pub struct DrainSignal {
    process: Arc<AtomicBool>,
    scoreboard: Scoreboard,
}

impl DrainSignal {
    /// `process` is this process's own word to stop (SIGTERM sets it).
    #[must_use]
    pub fn new(process: Arc<AtomicBool>, scoreboard: Scoreboard) -> Self {
        Self {
            process,
            scoreboard,
        }
    }

    /// Stop accepting, tell the sessions, finish within five seconds: the supervisor kills what is left then.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.process.load(Ordering::Relaxed) || self.scoreboard.is_draining()
    }
}

/// How a role ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleEnd {
    /// It was told to stop and has.
    Drained,
    /// It could not go on; why, in words.
    Failed(String),
}
