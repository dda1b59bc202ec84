//! How the node's certificate fares. Written by the supervisor alone.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

pub use protocol::message::node_status::CertificateSource;

use super::cell::{Counter, LongText};
use crate::runtime::sys::shared_memory::plain_atomics;

plain_atomics! {
    /// The certificate in force, and what was wrong with the last one that was to replace it.
    #[derive(Debug)]
    pub struct TlsSlot {
        installed_unix_s: AtomicU64,
        not_after_unix_s: AtomicU64,
        source: AtomicU64,
        /// Certificates put in force since the node started, the first included.
        pub installs: Counter,
        /// Certificates that could not be used.
        pub failures: Counter,
        fault: LongText,
        missing_names: LongText,
    }
}

impl TlsSlot {
    /// Whether the node has a certificate at all.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.installed_unix_s.load(Relaxed) != 0
    }

    /// When the certificate in force was put in force, in seconds since 1970.
    #[must_use]
    pub fn installed_unix_s(&self) -> u64 {
        self.installed_unix_s.load(Relaxed)
    }

    /// When the certificate in force expires, in seconds since 1970.
    #[must_use]
    pub fn not_after_unix_s(&self) -> u64 {
        self.not_after_unix_s.load(Relaxed)
    }

    /// Where the certificate in force comes from; `None` without one.
    #[must_use]
    pub fn source(&self) -> Option<CertificateSource> {
        let word = self.source.load(Relaxed);
        let mut all = CertificateSource::ALL.into_iter();
        all.find(|source| word_of(*source) == word)
    }

    /// What is wrong with the newest certificate, which is not in force for that; empty when nothing is.
    #[must_use]
    pub fn fault(&self) -> String {
        self.fault.to_text()
    }

    /// Names that are wanted and that the certificate in force is not for; empty when it is for all.
    #[must_use]
    pub fn missing_names(&self) -> String {
        self.missing_names.to_text()
    }

    /// A certificate is in force. The supervisor alone calls this and what follows.
    pub fn set_installed(&self, unix_s: u64, not_after_unix_s: u64, source: CertificateSource) {
        self.source.store(word_of(source), Relaxed);
        self.not_after_unix_s.store(not_after_unix_s, Relaxed);
        self.installed_unix_s.store(unix_s, Relaxed);
        self.installs.add(1);
        self.fault.set("");
    }

    /// The certificate in force is not for these names.
    pub fn set_missing_names(&self, names: &str) {
        self.missing_names.set(names);
    }

    /// The newest certificate cannot be used.
    pub fn set_failed(&self, fault: &str) {
        self.failures.add(1);
        self.fault.set(fault);
    }

    /// The newest certificate is the one in force.
    pub fn clear_fault(&self) {
        self.fault.set("");
    }
}

/// 0 is none.
const fn word_of(source: CertificateSource) -> u64 {
    match source {
        CertificateSource::Files => 1,
        CertificateSource::Acme => 2,
        CertificateSource::Temporary => 3,
    }
}
