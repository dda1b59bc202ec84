//! What goes wrong on a loop, told in the log as sums: a thousand faults of one kind are one line.

use std::io;

use protocol::time::Instant;

use crate::server::log::counted::CountedFault;
use crate::server::os_error;
use crate::server::scoreboard::{Closed, LoopSlot, RefusalReason};

/// Ends of connections that are somebody's fault.
const CLOSED: [Closed; 4] = [
    Closed::ProtocolError,
    Closed::WriteStalled,
    Closed::TransportError,
    Closed::OverLimit,
];

/// The faults of one loop. What is counted on its slot is read from there.
#[derive(Debug)]
pub(super) struct Faults {
    closed: [Watched; CLOSED.len()],
    refused: [Watched; RefusalReason::ALL.len()],
    accept: CountedFault,
    accept_reason: String,
}

/// A counter, and how far it had come when it was looked at last.
#[derive(Clone, Copy, Debug)]
struct Watched {
    seen: u64,
    fault: CountedFault,
}

impl Watched {
    fn from(seen: u64) -> Self {
        Self {
            seen,
            fault: CountedFault::default(),
        }
    }

    fn poll(&mut self, now: Instant, count: u64) -> Option<u64> {
        self.fault.note(count.saturating_sub(self.seen));
        self.seen = count;
        self.fault.poll(now)
    }
}

impl Faults {
    /// What the slot's earlier loops have counted was theirs to tell.
    pub(super) fn new(slot: &LoopSlot) -> Self {
        Self {
            closed: CLOSED.map(|reason| Watched::from(slot.closed(reason))),
            refused: RefusalReason::ALL.map(|reason| Watched::from(slot.tests_refused(reason))),
            accept: CountedFault::default(),
            accept_reason: String::new(),
        }
    }

    /// A connection could not be accepted.
    pub(super) fn note_accept_failure(&mut self, error: &io::Error) {
        self.accept.note(1);
        self.accept_reason = os_error::reason(error);
    }

    /// Logs what is due.
    pub(super) fn poll(&mut self, now: Instant, role: &str, slot: &LoopSlot) {
        for (reason, watched) in CLOSED.into_iter().zip(&mut self.closed) {
            let Some(count) = watched.poll(now, slot.closed(reason)) else {
                continue;
            };
            let reason_name = reason.name();
            if reason == Closed::OverLimit {
                tracing::warn!(
                    role,
                    count,
                    "connections refused: connections_max is reached"
                );
            } else {
                tracing::info!(
                    role,
                    reason = reason_name,
                    count,
                    "connections ended by a fault"
                );
            }
        }
        for (reason, watched) in RefusalReason::ALL.into_iter().zip(&mut self.refused) {
            if let Some(count) = watched.poll(now, slot.tests_refused(reason)) {
                tracing::warn!(role, reason = reason.name(), count, "tests not admitted");
            }
        }
        if let Some(count) = self.accept.poll(now) {
            let reason = &self.accept_reason;
            tracing::error!(role, reason, count, "connections cannot be accepted");
        }
    }
}
