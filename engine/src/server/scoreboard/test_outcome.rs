//! How tests ended and what they found, as it is counted.

use protocol::message::report::Grade;

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestOutcome {
    /// Its report was computed.
    Reported,
    /// Its client ended it without a report.
    Stopped,
    /// Nobody ended it within the longest time that a test may last.
    Expired,
    /// The node was stopping.
    Shutdown,
}

impl TestOutcome {
    /// Every outcome, in the order of its counter.
    pub const ALL: [Self; 4] = [Self::Reported, Self::Stopped, Self::Expired, Self::Shutdown];

    /// Its name in the log and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Stopped => "stopped",
            Self::Expired => "expired",
            Self::Shutdown => "shutdown",
        }
    }
}

/// Every total grade that a report can have, in the order of its counter.
pub const GRADES: [Option<Grade>; 7] = [
    Some(Grade::APlus),
    Some(Grade::A),
    Some(Grade::B),
    Some(Grade::C),
    Some(Grade::D),
    Some(Grade::F),
    None,
];

/// The name of a grade in the log and in metrics: as people read it.
#[must_use]
pub const fn grade_name(grade: Option<Grade>) -> &'static str {
    match grade {
        Some(Grade::APlus) => "A+",
        Some(Grade::A) => "A",
        Some(Grade::B) => "B",
        Some(Grade::C) => "C",
        Some(Grade::D) => "D",
        Some(Grade::F) => "F",
        None => "none",
    }
}

/// The place of a grade in [`GRADES`].
pub(super) const fn grade_index(grade: Option<Grade>) -> usize {
    match grade {
        Some(Grade::APlus) => 0,
        Some(Grade::A) => 1,
        Some(Grade::B) => 2,
        Some(Grade::C) => 3,
        Some(Grade::D) => 4,
        Some(Grade::F) => 5,
        None => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_and_grade_is_at_its_own_counter_with_its_name_on_the_wire() {
        for (index, outcome) in TestOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
        for (index, grade) in GRADES.into_iter().enumerate() {
            assert_eq!(grade_index(grade), index);
            let wire = serde_json::to_value(grade).unwrap();
            assert_eq!(wire.as_str().unwrap_or("none"), grade_name(grade));
        }
    }
}
