//! How many tests passed, failed and were skipped, read from what the test runners print.

use std::fmt;
use std::iter::Sum;

/// Tests of one or more steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) skipped: u32,
}

/// Whose lines are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runner {
    /// `test result: ok. 12 passed; 0 failed; 1 ignored; …`, once for each test program.
    Cargo,
    /// `      Tests  1 failed | 12 passed | 2 skipped (15)`, once.
    Vitest,
}

impl Counts {
    /// One that passed.
    #[must_use]
    pub(crate) fn pass() -> Self {
        Self {
            passed: 1,
            ..Self::default()
        }
    }

    /// One that failed.
    #[must_use]
    pub(crate) fn failure() -> Self {
        Self {
            failed: 1,
            ..Self::default()
        }
    }

    /// One that was skipped.
    #[must_use]
    pub(crate) fn skip() -> Self {
        Self {
            skipped: 1,
            ..Self::default()
        }
    }

    /// One that passed or failed.
    #[must_use]
    pub(crate) fn of(succeeded: bool) -> Self {
        if succeeded {
            Self::pass()
        } else {
            Self::failure()
        }
    }
}

impl Runner {
    /// Adds up the counts in `output`. A runner that failed without a failed test, or that ran none, is one failure.
    #[must_use]
    pub(crate) fn counts(self, output: &str, succeeded: bool) -> Counts {
        let mut counts: Counts = output
            .lines()
            .filter_map(|line| self.count_line(&without_colours(line)))
            .sum();
        if (!succeeded && counts.failed == 0) || counts == Counts::default() {
            counts.failed += 1;
        }
        counts
    }

    fn count_line(self, line: &str) -> Option<Counts> {
        match self {
            Self::Cargo => {
                let (_, rest) = line
                    .trim_start()
                    .strip_prefix("test result: ")?
                    .split_once(". ")?;
                Some(Counts {
                    passed: number_before(rest, "passed"),
                    failed: number_before(rest, "failed"),
                    skipped: number_before(rest, "ignored"),
                })
            }
            Self::Vitest => {
                let rest = line.trim_start().strip_prefix("Tests ")?;
                Some(Counts {
                    passed: number_before(rest, "passed"),
                    failed: number_before(rest, "failed"),
                    skipped: number_before(rest, "skipped") + number_before(rest, "todo"),
                })
            }
        }
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |total, next| Self {
            passed: total.passed + next.passed,
            failed: total.failed + next.failed,
            skipped: total.skipped + next.skipped,
        })
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// The number whose next word is `word`; zero when the line doesn't have it.
fn number_before(line: &str, word: &str) -> u32 {
    let words: Vec<&str> = line.split_whitespace().collect();
    words
        .windows(2)
        .find(|pair| pair[1].trim_end_matches(';') == word)
        .and_then(|pair| pair[0].parse().ok())
        .unwrap_or(0)
}

/// The line without terminal colours: ESC, `[`, parameters, one letter.
fn without_colours(line: &str) -> String {
    let mut pieces = line.split('\u{1b}');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| {
        let end = piece
            .find(|c: char| c.is_ascii_alphabetic())
            .map_or(piece.len(), |at| at + 1);
        text + &piece[end..]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_program_of_cargo_is_added() {
        let output = "\
test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
running 3 tests
test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";
        let counts = Runner::Cargo.counts(output, false);
        assert_eq!(counts.to_string(), "14 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn vitests_coloured_line_is_read() {
        let output = "\u{1b}[2m      Tests \u{1b}[22m \u{1b}[1m\u{1b}[31m1 failed\u{1b}[39m\u{1b}[22m\u{1b}[2m | \u{1b}[22m\u{1b}[32m12 passed\u{1b}[39m | \u{1b}[33m2 skipped\u{1b}[39m\u{1b}[90m (15)\u{1b}[39m";
        let counts = Runner::Vitest.counts(output, false);
        assert_eq!(counts.to_string(), "12 passed, 1 failed, 2 skipped");
    }

    #[test]
    fn a_runner_that_failed_before_its_tests_is_one_failure() {
        assert_eq!(
            Runner::Cargo.counts("error: could not compile", false),
            Counts::failure()
        );
    }

    #[test]
    fn a_runner_that_ran_no_test_is_a_failure() {
        assert_eq!(
            Runner::Vitest.counts("No test files found", true),
            Counts::failure()
        );
    }
}
