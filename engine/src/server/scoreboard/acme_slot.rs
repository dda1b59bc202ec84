//! How the node's certificate authority fares. Written by the process that speaks with it, but for what says otherwise.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use protocol::time::Instant;

use super::cell::{Counter, LongText, ShortText};
use crate::runtime::sys::shared_memory::plain_atomics;

plain_atomics! {
    /// What was tried, what came of it, and when the next attempt is. Times are seconds since 1970, 0 for none.
    #[derive(Debug)]
    pub struct AcmeSlot {
        used: AtomicU64,
        heartbeat_ns: AtomicU64,
        pid: AtomicU64,
        last_success_unix_s: AtomicU64,
        last_failure_unix_s: AtomicU64,
        next_attempt_unix_s: AtomicU64,
        failures_in_a_row: AtomicU64,
        asking: AtomicU64,
        /// Certificates that were got since the node started.
        pub successes: Counter,
        /// Attempts that brought none.
        pub failures: Counter,
        /// How many times the process was started again. The supervisor's.
        pub restarts: Counter,
        fault: LongText,
        thumbprint: ShortText,
        /// Whether the thumbprint is to be told.
        is_answering: AtomicU64,
    }
}

impl AcmeSlot {
    /// Whether the node gets its certificate by itself.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.used.load(Relaxed) != 0
    }

    /// It does. The supervisor's.
    pub fn set_used(&self) {
        self.used.store(1, Relaxed);
    }

    /// When the process last showed that it lives; `None` before the first time.
    #[must_use]
    pub fn heartbeat(&self) -> Option<Instant> {
        match self.heartbeat_ns.load(Relaxed) {
            0 => None,
            ns => Some(Instant::from_nanos(ns)),
        }
    }

    /// The process lives.
    pub fn beat(&self, now: Instant) {
        self.heartbeat_ns.store(now.as_nanos().max(1), Relaxed);
    }

    /// Its number to the operating system; 0 while it does not run.
    #[must_use]
    pub fn pid(&self) -> u64 {
        self.pid.load(Relaxed)
    }

    /// A process was started. The supervisor's, and no process writes the slot meanwhile.
    pub fn set_started(&self, pid: u32) {
        self.heartbeat_ns.store(0, Relaxed);
        self.pid.store(u64::from(pid), Relaxed);
    }

    /// The process has ended: nobody is answered any more. The supervisor's.
    pub fn set_ended(&self) {
        self.pid.store(0, Relaxed);
        self.set_answering(None);
    }

    /// When the last certificate was got.
    #[must_use]
    pub fn last_success_unix_s(&self) -> u64 {
        self.last_success_unix_s.load(Relaxed)
    }

    /// When an attempt last failed.
    #[must_use]
    pub fn last_failure_unix_s(&self) -> u64 {
        self.last_failure_unix_s.load(Relaxed)
    }

    /// When the next attempt is due. Not before then, even by a process that was started anew.
    #[must_use]
    pub fn next_attempt_unix_s(&self) -> u64 {
        self.next_attempt_unix_s.load(Relaxed)
    }

    /// Attempts that failed since the last that did not.
    #[must_use]
    pub fn failures_in_a_row(&self) -> u64 {
        self.failures_in_a_row.load(Relaxed)
    }

    /// Why the last attempt failed; empty when it did not.
    #[must_use]
    pub fn fault(&self) -> String {
        self.fault.to_text()
    }

    /// Nothing before then.
    pub fn set_next_attempt(&self, unix_s: u64) {
        self.next_attempt_unix_s.store(unix_s, Relaxed);
    }

    /// What is stored was got then, by an earlier run.
    pub fn set_stored(&self, unix_s: u64) {
        self.last_success_unix_s.store(unix_s, Relaxed);
    }

    /// Whether the authority is being asked.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        self.asking.load(Relaxed) != 0
    }

    /// An attempt begins; if it comes to no end, nothing before `next_unix_s`.
    pub fn set_begun(&self, next_unix_s: u64) {
        self.set_next_attempt(next_unix_s);
        self.asking.store(1, Relaxed);
    }

    /// An attempt brought a certificate.
    pub fn set_succeeded(&self, unix_s: u64) {
        self.asking.store(0, Relaxed);
        self.last_success_unix_s.store(unix_s, Relaxed);
        self.failures_in_a_row.store(0, Relaxed);
        self.successes.add(1);
        self.fault.set("");
    }

    /// An attempt failed.
    pub fn set_failed(&self, unix_s: u64, fault: &str) {
        self.asking.store(0, Relaxed);
        self.last_failure_unix_s.store(unix_s, Relaxed);
        let failures = self.failures_in_a_row().saturating_add(1);
        self.failures_in_a_row.store(failures, Relaxed);
        self.failures.add(1);
        self.fault.set(fault);
    }

    /// The account key's thumbprint (RFC 7638), by which challenges over HTTP are answered while an order is open.
    #[must_use]
    pub fn answering(&self) -> Option<String> {
        (self.is_answering.load(Acquire) != 0).then(|| self.thumbprint.to_text())
    }

    /// Challenges over HTTP are answered by this thumbprint, or not at all.
    pub fn set_answering(&self, thumbprint: Option<&str>) {
        if let Some(thumbprint) = thumbprint {
            self.thumbprint.set(thumbprint);
        }
        self.is_answering
            .store(u64::from(thumbprint.is_some()), Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::sys::shared_memory::SharedMapping;

    #[test]
    fn failures_add_up_until_one_succeeds_and_challenges_are_answered_while_asked_to() {
        let slot = SharedMapping::<AcmeSlot>::create().unwrap();
        assert!(!slot.is_used());
        slot.set_failed(10, "refused");
        slot.set_failed(70, "refused again");
        assert_eq!((slot.failures_in_a_row(), slot.failures.value()), (2, 2));
        assert_eq!(slot.fault(), "refused again");
        slot.set_succeeded(190);
        assert_eq!((slot.failures_in_a_row(), slot.failures.value()), (0, 2));
        assert_eq!(
            (slot.fault(), slot.last_failure_unix_s()),
            (String::new(), 70)
        );
        assert_eq!(slot.answering(), None);
        slot.set_answering(Some("abc"));
        assert_eq!(slot.answering().as_deref(), Some("abc"));
        slot.set_ended();
        assert_eq!(slot.answering(), None);
    }
}
