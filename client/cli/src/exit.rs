//! What the program tells a script by its exit code; `cli::EXIT_CODES` has the same in words.

use std::process::ExitCode;

use client::fault::Fault;
use client::interrupt::INTERRUPTED_CODE;
use client::outcome::Partial;
use protocol::message::report::{ConfidenceLevel, Grade, Report};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Ran,
    OwnFault,
    Usage,
    GradeWorse,
    NoAnswer,
    Refused,
    LowConfidence,
    Incomplete,
    Interrupted,
}

impl Exit {
    /// Of a run without a result.
    pub(crate) const fn of_fault(fault: &Fault) -> Self {
        match fault {
            Fault::Usage(_) => Self::Usage,
            Fault::NoAnswer(_) | Fault::Unexpected(_) => Self::NoAnswer,
            Fault::Refused { .. } => Self::Refused,
            Fault::System(_) => Self::OwnFault,
            Fault::Interrupted => Self::Interrupted,
        }
    }

    /// Of a run with a result: what says most against relying on it.
    pub(crate) fn of_result(
        report: &Report,
        partial: Option<&Partial>,
        min_grade: Option<Grade>,
        is_strict: bool,
    ) -> Self {
        match partial {
            Some(Partial::Interrupted) => return Self::Interrupted,
            Some(Partial::NodeLost(_) | Partial::NoReport(_)) => return Self::Incomplete,
            None => {}
        }
        if is_strict && report.confidence.level == ConfidenceLevel::Reduced {
            return Self::LowConfidence;
        }
        match (min_grade, report.total_grade) {
            // Without a grade nothing is known to be good enough.
            (Some(_), None) => Self::GradeWorse,
            (Some(min_grade), Some(grade)) if grade > min_grade => Self::GradeWorse,
            _ => Self::Ran,
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Ran => 0,
            Self::OwnFault => 1,
            Self::Usage => 2,
            Self::GradeWorse => 3,
            Self::NoAnswer => 4,
            Self::Refused => 5,
            Self::LowConfidence => 6,
            Self::Incomplete => 7,
            Self::Interrupted => INTERRUPTED_CODE as u8,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::sample::outcome;

    #[test]
    fn a_grade_worse_than_wanted_has_its_own_code() {
        // It has grade C.
        let report = outcome().report;
        let exit = |min_grade| Exit::of_result(&report, None, min_grade, false);
        assert_eq!(exit(Some(Grade::B)), Exit::GradeWorse);
        assert_eq!(exit(Some(Grade::C)), Exit::Ran);
        assert_eq!(exit(Some(Grade::F)), Exit::Ran);
        assert_eq!(exit(None), Exit::Ran);
        assert_eq!(Exit::GradeWorse.code(), 3);
    }

    #[test]
    fn no_grade_is_never_good_enough() {
        let mut report = outcome().report;
        report.total_grade = None;
        assert_eq!(
            Exit::of_result(&report, None, Some(Grade::F), false),
            Exit::GradeWorse
        );
    }

    #[test]
    fn a_partial_result_is_told_before_its_grade() {
        let report = outcome().report;
        let partial = Partial::Interrupted;
        let exit = Exit::of_result(&report, Some(&partial), Some(Grade::APlus), true);
        assert_eq!((exit, exit.code()), (Exit::Interrupted, 130));
    }
}
