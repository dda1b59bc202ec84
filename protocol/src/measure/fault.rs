//! What can be wrong with the samples a client sends, in words that say which field and what is allowed.

use std::error::Error;
use std::fmt;

/// Samples that cannot be computed on. The client is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SamplesFault {
    /// Which of `household.users`, counted from 0, when it is one of theirs.
    pub user: Option<usize>,
    /// The field, as it is named in the JSON.
    pub field: &'static str,
    /// Which element of it, counted from 0, where it is a list.
    pub index: Option<usize>,
    /// What is wrong with it.
    pub kind: FaultKind,
}

/// The kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// More elements than allowed.
    TooMany {
        /// How many there are.
        count: usize,
        /// How many are allowed.
        allowed: usize,
    },
    /// A number above what is allowed.
    TooLarge {
        /// The number.
        value: u64,
        /// The largest allowed.
        allowed: u64,
    },
    /// A number below what it must at least be.
    TooSmall {
        /// The number.
        value: u64,
        /// The smallest allowed.
        allowed: u64,
        /// What makes it so.
        because: &'static str,
    },
    /// A phase out of its order, or a phase twice.
    PhaseOrder,
    /// One of two times that come together is missing.
    Unpaired {
        /// The other one.
        with: &'static str,
    },
    /// Not a time as RFC 3339 writes it.
    NotRfc3339,
    /// Given in a single-user test, or missing in a household test.
    WrongMode,
    /// A phase of the household out of its order, overlapping, empty, or too late.
    HouseholdPhaseOrder,
    /// A segment out of its order, or too large or late.
    SegmentOrder,
    /// A number that is negative or beyond all measure.
    NotAFigure,
    /// An empty text, or one with control characters.
    NotAName,
}

impl fmt::Display for SamplesFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = self.user {
            write!(f, "user {user} of `household.users`: ")?;
        }
        write!(f, "`{}`", self.field)?;
        if let Some(index) = self.index {
            write!(f, " of element {index}")?;
        }
        match self.kind {
            FaultKind::TooMany { count, allowed } => {
                write!(f, ": {count} elements; at most {allowed} are allowed")
            }
            FaultKind::TooLarge { value, allowed } => {
                write!(f, ": {value} is too large; at most {allowed} is allowed")
            }
            FaultKind::TooSmall {
                value,
                allowed,
                because,
            } => write!(
                f,
                ": {value} is too small; it must be at least {allowed}, {because}"
            ),
            FaultKind::PhaseOrder => write!(
                f,
                ": out of order; each phase may come once, in the order baseline, download_warmup, download, \
                 upload_warmup, upload, bidirectional"
            ),
            FaultKind::Unpaired { with } => write!(
                f,
                ": must be given together with `{with}`, or both must be null"
            ),
            FaultKind::WrongMode => write!(
                f,
                ": must be given when `mode` is `household`, and only then"
            ),
            FaultKind::HouseholdPhaseOrder => write!(
                f,
                ": each phase may come once, in the order baseline, capacity_down, capacity_up, traffic; it must begin \
                 after the one before it has ended, and end within 330 s of the test's start"
            ),
            FaultKind::SegmentOrder => write!(
                f,
                ": segments must be in the order of their completion, begin before it, and end within 330 s of the \
                 test's start"
            ),
            FaultKind::NotAFigure => {
                write!(f, ": must be a number from 0 to 10000000000000")
            }
            FaultKind::NotAName => {
                write!(
                    f,
                    ": must be a text without control characters, and not empty"
                )
            }
            FaultKind::NotRfc3339 => {
                write!(
                    f,
                    ": must be a time such as 2026-01-31T12:00:00Z (RFC 3339)"
                )
            }
        }
    }
}

impl Error for SamplesFault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_the_field_the_value_and_what_is_allowed() {
        let fault = SamplesFault {
            user: None,
            field: "probes.sent_us",
            index: Some(3),
            kind: FaultKind::TooLarge {
                value: 9,
                allowed: 8,
            },
        };
        assert_eq!(
            fault.to_string(),
            "`probes.sent_us` of element 3: 9 is too large; at most 8 is allowed"
        );
    }
}
