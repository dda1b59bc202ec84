//! Checks against a running program: named, run several at a time, reported one a line.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::Result;

use crate::suite::Counts;

/// How a check came out, with what there is to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed(String),
    Failed(String),
    Skipped(String),
}

/// A check of something that `C` describes.
pub(crate) struct Check<C> {
    /// The fact that it checks.
    pub(crate) name: &'static str,
    /// Looks whether the fact holds; what it returns is printed.
    pub(crate) run: fn(&C) -> Result<Verdict>,
}

impl Verdict {
    /// Passed or failed, with the same words.
    #[must_use]
    pub(crate) fn of(holds: bool, text: String) -> Self {
        if holds {
            Self::Passed(text)
        } else {
            Self::Failed(text)
        }
    }
}

impl From<Result<String>> for Verdict {
    fn from(result: Result<String>) -> Self {
        result.map_or_else(|error| Self::Failed(format!("{error:#}")), Self::Passed)
    }
}

/// Prints one verdict and counts it.
pub(crate) fn report(name: &str, verdict: Verdict) -> Counts {
    match verdict {
        Verdict::Passed(text) if text.is_empty() => {
            println!("{name} ... ok");
            Counts::pass()
        }
        Verdict::Passed(text) => {
            // One line will do for what is as it should be.
            println!(
                "{name} ... ok ({})",
                text.lines().next().unwrap_or_default()
            );
            Counts::pass()
        }
        Verdict::Failed(text) => {
            println!("{name} ... FAILED: {text}");
            Counts::failure()
        }
        Verdict::Skipped(text) => {
            println!("{name} ... skipped: {text}");
            Counts::skip()
        }
    }
}

/// Runs the checks, `at_once` of them at a time, and counts their verdicts.
pub(crate) fn run_all<C: Sync>(context: &C, checks: &[Check<C>], at_once: usize) -> Counts {
    judge_all(checks, at_once, |check| (check.name, (check.run)(context)))
}

/// Judges all of `items`, `at_once` of them at a time, reports each by the name that `judge` gives it, and counts the verdicts.
pub(crate) fn judge_all<'a, T: Sync>(
    items: &'a [T],
    at_once: usize,
    judge: impl Fn(&'a T) -> (&'a str, Result<Verdict>) + Sync,
) -> Counts {
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..at_once.min(items.len()) {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (name, verdict) = judge(item);
                    let verdict =
                        verdict.unwrap_or_else(|error| Verdict::Failed(format!("{error:#}")));
                    let counts = report(name, verdict);
                    if let Ok(mut verdicts) = verdicts.lock() {
                        verdicts.push(counts);
                    }
                }
            });
        }
    });
    verdicts
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .into_iter()
        .sum()
}
