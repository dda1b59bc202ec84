//! One event loop's row: what it is doing and how late it is. Only that loop writes it, everybody reads it.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use protocol::message::profile::SessionEndReason;
use protocol::message::report::Grade;
use protocol::time::Instant;

use super::cell::{Counter, Gauge};
use super::histogram::{Histogram, TimedHistogram};
use super::recent::RecentBytes;
use super::test_outcome::{GRADES, TestOutcome, grade_index};
use super::test_table::RefusalReason;
use crate::runtime::sys::shared_memory::plain_atomics;

/// Why a connection ended, as far as it is counted; the driver maps the connection's own reason to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// All was said.
    Finished,
    /// The peer closed in good order.
    PeerClosed,
    /// The peer was gone in the middle of something.
    PeerVanished,
    /// An idle kept-alive connection.
    IdleTimeout,
    /// A head that was never finished.
    HeadTimeout,
    /// A transfer on which nothing moved.
    InactivityTimeout,
    /// A peer that did not read.
    WriteStalled,
    /// A close frame that was not answered.
    CloseTimeout,
    /// The peer broke the protocol.
    ProtocolError,
    /// Answered with an error and closed.
    Refused,
    /// Over a limit: never served.
    OverLimit,
    /// The node closed it for its own reasons.
    Local,
    /// Its test was ended.
    TestEnded,
    /// It reached the longest duration.
    Expired,
    /// The node was stopping.
    Drained,
    /// The transport failed (reset, unreachable, TLS).
    TransportError,
}

impl Closed {
    /// How many reasons there are.
    pub const COUNT: usize = 16;

    /// Every reason, in the order of its counter.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Finished,
        Self::PeerClosed,
        Self::PeerVanished,
        Self::IdleTimeout,
        Self::HeadTimeout,
        Self::InactivityTimeout,
        Self::WriteStalled,
        Self::CloseTimeout,
        Self::ProtocolError,
        Self::Refused,
        Self::OverLimit,
        Self::Local,
        Self::TestEnded,
        Self::Expired,
        Self::Drained,
        Self::TransportError,
    ];

    /// Its name in metrics and statistics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::PeerClosed => "peer_closed",
            Self::PeerVanished => "peer_vanished",
            Self::IdleTimeout => "idle_timeout",
            Self::HeadTimeout => "head_timeout",
            Self::InactivityTimeout => "inactivity_timeout",
            Self::WriteStalled => "write_stalled",
            Self::CloseTimeout => "close_timeout",
            Self::ProtocolError => "protocol_error",
            Self::Refused => "refused",
            Self::OverLimit => "over_limit",
            Self::Local => "local",
            Self::TestEnded => "test_ended",
            Self::Expired => "expired",
            Self::Drained => "drained",
            Self::TransportError => "transport_error",
        }
    }
}

/// Every reason for which a profile session ends, in the order of its counter.
pub const SESSION_END_REASONS: [SessionEndReason; 8] = [
    SessionEndReason::Stopped,
    SessionEndReason::TestEnded,
    SessionEndReason::Inactive,
    SessionEndReason::DurationLimit,
    SessionEndReason::PeerStalled,
    SessionEndReason::PeerVanished,
    SessionEndReason::ProtocolError,
    SessionEndReason::Shutdown,
];

const fn session_end_index(reason: SessionEndReason) -> usize {
    match reason {
        SessionEndReason::Stopped => 0,
        SessionEndReason::TestEnded => 1,
        SessionEndReason::Inactive => 2,
        SessionEndReason::DurationLimit => 3,
        SessionEndReason::PeerStalled => 4,
        SessionEndReason::PeerVanished => 5,
        SessionEndReason::ProtocolError => 6,
        SessionEndReason::Shutdown => 7,
    }
}

/// The name of a reason in metrics and statistics: as it is on the wire.
#[must_use]
pub const fn session_end_name(reason: SessionEndReason) -> &'static str {
    match reason {
        SessionEndReason::Stopped => "stopped",
        SessionEndReason::TestEnded => "test_ended",
        SessionEndReason::Inactive => "inactive",
        SessionEndReason::DurationLimit => "duration_limit",
        SessionEndReason::PeerStalled => "peer_stalled",
        SessionEndReason::PeerVanished => "peer_vanished",
        SessionEndReason::ProtocolError => "protocol_error",
        SessionEndReason::Shutdown => "shutdown",
    }
}

plain_atomics! {
    /// One event loop. Written by that loop alone; the supervisor assigns it before the loop starts.
    #[derive(Debug)]
    pub struct LoopSlot {
        /// 1 + the role's index; 0 when the slot belongs to no loop.
        role: AtomicU64,
        process: AtomicU64,
        heartbeat_ns: AtomicU64,
        /// Connections open now.
        pub connections: Gauge,
        /// Load flows to the client open now.
        pub flows_down: Gauge,
        /// Load flows from the client open now.
        pub flows_up: Gauge,
        /// Probe connections open now.
        pub probes: Gauge,
        /// Profile sessions open now.
        pub sessions: Gauge,
        received_bytes: Counter,
        sent_bytes: Counter,
        recent: RecentBytes,
        /// Connections accepted.
        pub accepted: Counter,
        /// Connections that could not be accepted: no descriptor or memory was left.
        pub accept_failures: Counter,
        /// Lines of this process's log that nobody will read, because the log's reader was too slow.
        pub log_lines_dropped: Counter,
        /// Probes answered.
        pub echoes: Counter,
        /// Turns of the loop.
        pub turns: Counter,
        closed: [Counter; Closed::COUNT],
        /// Profile sessions begun.
        pub sessions_begun: Counter,
        sessions_ended: [Counter; SESSION_END_REASONS.len()],
        tests_ended: [Counter; TestOutcome::ALL.len()],
        tests_graded: [Counter; GRADES.len()],
        tests_refused: [Counter; RefusalReason::ALL.len()],
        /// How late the loop came to what was due.
        pub lag: TimedHistogram,
        /// From a probe's arrival to its echo's departure.
        pub echo_turnaround: TimedHistogram,
        /// From a connection's acceptance to the first byte that went out on it.
        pub first_byte: Histogram,
    }
}

impl LoopSlot {
    /// The loop is alive. Call it at least every 250 ms.
    pub fn beat(&self, now: Instant) {
        self.heartbeat_ns.store(now.as_nanos(), Release);
    }

    /// The last beat; `None` before the first.
    #[must_use]
    pub fn heartbeat(&self) -> Option<Instant> {
        match self.heartbeat_ns.load(Acquire) {
            0 => None,
            ns => Some(Instant::from_nanos(ns)),
        }
    }

    /// Counts a connection that ended.
    pub fn count_closed(&self, reason: Closed) {
        self.closed[reason as usize].add(1);
    }

    /// How many connections ended for `reason`.
    #[must_use]
    pub fn closed(&self, reason: Closed) -> u64 {
        self.closed[reason as usize].value()
    }

    /// Counts bytes that went over its sockets, payload and all.
    pub fn count_bytes(&self, now: Instant, received: u64, sent: u64) {
        self.received_bytes.add(received);
        self.sent_bytes.add(sent);
        self.recent.add(now, received, sent);
    }

    /// Bytes received since the node started, payload and all.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes.value()
    }

    /// Bytes sent since the node started, payload and all.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes.value()
    }

    /// Bytes received and sent within the last whole second before `now`.
    #[must_use]
    pub fn bytes_last_second(&self, now: Instant) -> (u64, u64) {
        self.recent.last_second(now)
    }

    /// Counts a profile session that ended.
    pub fn count_session_ended(&self, reason: SessionEndReason) {
        self.sessions_ended[session_end_index(reason)].add(1);
    }

    /// How many profile sessions ended for `reason`.
    #[must_use]
    pub fn sessions_ended(&self, reason: SessionEndReason) -> u64 {
        self.sessions_ended[session_end_index(reason)].value()
    }

    /// Counts a test that ended.
    pub fn count_test_ended(&self, outcome: TestOutcome) {
        self.tests_ended[outcome as usize].add(1);
    }

    /// How many tests ended so.
    #[must_use]
    pub fn tests_ended(&self, outcome: TestOutcome) -> u64 {
        self.tests_ended[outcome as usize].value()
    }

    /// Counts a report with this total grade.
    pub fn count_test_graded(&self, grade: Option<Grade>) {
        self.tests_graded[grade_index(grade)].add(1);
    }

    /// How many reports had this total grade.
    #[must_use]
    pub fn tests_graded(&self, grade: Option<Grade>) -> u64 {
        self.tests_graded[grade_index(grade)].value()
    }

    /// Counts a test that was not admitted.
    pub fn count_test_refused(&self, reason: RefusalReason) {
        self.tests_refused[reason as usize].add(1);
    }

    /// How many tests were not admitted for `reason`.
    #[must_use]
    pub fn tests_refused(&self, reason: RefusalReason) -> u64 {
        self.tests_refused[reason as usize].value()
    }

    /// Index of the role whose loop this is; `None` when it is nobody's.
    #[must_use]
    pub fn role(&self) -> Option<usize> {
        usize::try_from(self.role.load(Acquire))
            .ok()?
            .checked_sub(1)
    }

    /// Index of the process that it runs in.
    #[must_use]
    pub fn process(&self) -> usize {
        usize::try_from(self.process.load(Relaxed)).unwrap_or(usize::MAX)
    }

    /// Gives the slot to a loop of a role that is about to start: the gauges of its predecessor go to zero, its
    /// counters and histograms go on. The supervisor calls this while nobody else writes the slot.
    pub fn assign(&self, role: usize, process: usize) {
        self.process.store(process as u64, Relaxed);
        self.role.store(role as u64 + 1, Release);
        self.heartbeat_ns.store(0, Release);
        self.release_gauges();
    }

    /// What a dead loop had open is gone with it.
    pub(super) fn release_gauges(&self) {
        for gauge in [
            &self.connections,
            &self.flows_down,
            &self.flows_up,
            &self.probes,
            &self.sessions,
        ] {
            gauge.set(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::sys::shared_memory::SharedMapping;

    #[test]
    fn a_reassigned_slot_keeps_its_counters_and_loses_its_gauges() {
        let slot = SharedMapping::<LoopSlot>::create().unwrap();
        assert_eq!(slot.role(), None);
        slot.assign(1, 3);
        slot.beat(Instant::from_micros(5));
        slot.connections.increment();
        slot.accepted.add(3);
        slot.count_closed(Closed::WriteStalled);
        slot.assign(1, 3);
        assert_eq!((slot.role(), slot.process()), (Some(1), 3));
        assert_eq!(slot.heartbeat(), None);
        assert_eq!(slot.connections.value(), 0);
        assert_eq!(slot.accepted.value(), 3);
        assert_eq!(slot.closed(Closed::WriteStalled), 1);
    }

    #[test]
    fn every_reason_is_at_its_own_counter() {
        for (index, reason) in Closed::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index, "{}", reason.name());
        }
    }

    #[test]
    fn every_end_of_a_session_is_at_its_own_counter_with_its_name_on_the_wire() {
        for (index, reason) in SESSION_END_REASONS.into_iter().enumerate() {
            assert_eq!(session_end_index(reason), index);
            let name = serde_json::to_value(reason).unwrap();
            assert_eq!(name, session_end_name(reason));
        }
    }
}
