//! One run of one witness on one line, and many of them beside each other.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::matrix::Case;
use super::reading::{PhaseReading, Reading, Witness};
use crate::daemon::{Daemon, Place};
use crate::lab::{page, truth};
use crate::process::capture;
use crate::workspace;

/// Lines whose rates add up to more than this are not measured beside each other, in Mbit/s: the machine, not the line,
/// would be the limit.
const BESIDE_MBPS: f64 = 180.0;
/// A test of the client takes 40 s and its report.
const CLIENT_LIMIT: Duration = Duration::from_secs(120);

/// One run that is to be made.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// On which line.
    pub(crate) case: Case,
    /// By whom.
    pub(crate) witness: Witness,
    /// Which time, from 1.
    pub(crate) repetition: u32,
}

impl Job {
    fn rate_mbps(&self) -> f64 {
        self.case.line.down.rate_mbps + self.case.line.up.rate_mbps
    }

    /// Whether it disturbs none of `running`.
    fn fits(&self, running: &[Self]) -> bool {
        if running.is_empty() {
            return true;
        }
        let beside_mbps: f64 = running.iter().map(Self::rate_mbps).sum();
        let needs_all = self.case.is_fast() || running.iter().any(|job| job.case.is_fast());
        let is_second_page =
            self.witness == Witness::Page && running.iter().any(|job| job.witness == Witness::Page);
        !needs_all && !is_second_page && beside_mbps + self.rate_mbps() <= BESIDE_MBPS
    }

    /// What it is called in messages and folders.
    #[must_use]
    pub(crate) fn name(&self) -> String {
        let witness = match self.witness {
            Witness::Truth => "truth",
            Witness::Page => "page",
            Witness::Client => "client",
        };
        format!("{}-{witness}-{}", self.case.name, self.repetition)
    }
}

/// Makes the run.
///
/// # Errors
/// When the line, the node or the witness fails.
fn take(job: &Job) -> Result<Reading> {
    let Job {
        case,
        witness,
        repetition,
    } = job;
    let line = linklab::Line::create(&case.line)?;
    let address = if case.is_v6 {
        linklab::NODE_ADDRESS_V6
    } else {
        linklab::NODE_ADDRESS
    };
    if *witness == Witness::Truth {
        line.restart_schedule()?;
        let seen = truth::measure_on(&line, address)?;
        let phase = |phase: &truth::LoadedPhase| PhaseReading {
            increase_ms: phase.latency_increase_ms,
            grade: None,
            up_increase_ms: None,
            down_increase_ms: None,
            goodput_down_mbps: phase.goodput_down_mbps,
            goodput_up_mbps: phase.goodput_up_mbps,
        };
        return Ok(Reading {
            line: case.name.to_owned(),
            witness: *witness,
            repetition: *repetition,
            idle_latency_ms: seen.idle_latency_ms,
            phases: [
                phase(&seen.download),
                phase(&seen.upload),
                phase(&seen.bidirectional),
            ],
            doubts: Vec::new(),
        });
    }
    let folder = workspace::scratch(&format!("accuracy/{}", job.name()))?;
    let daemon = Daemon::start(Place::Node(&line), &folder)?;
    let url = if case.is_v6 {
        format!("http://[{address}]:{}", daemon.main().port())
    } else {
        daemon.url().to_owned()
    };
    let report = if *witness == Witness::Page {
        page::run_test(line.at_home("node"), &url, &folder, || {
            line.restart_schedule().context("the line's schedule")
        })?
    } else {
        line.restart_schedule()?;
        let mut client = line.at_home(&workspace::release_client().to_string_lossy());
        let ran = capture(client.args(["test", &url, "--json"]), CLIENT_LIMIT)?;
        std::fs::write(folder.join("report.json"), &ran.stdout)?;
        serde_json::from_str(&ran.stdout).with_context(|| {
            format!(
                "the client answered {:?}: {}",
                ran.status,
                ran.stderr.trim()
            )
        })?
    };
    daemon.stop()?;
    Reading::of_report(case.name, *witness, *repetition, &report)
}

#[derive(Debug, Default)]
struct Board {
    waiting: VecDeque<Job>,
    running: Vec<Job>,
}

/// Makes all `jobs`, up to `at_once` of them beside each other where they don't disturb one another, and hands each reading
/// to `keep` as it comes. Returns how many failed; each is named on standard error.
///
/// # Errors
/// When `keep` fails.
pub(crate) fn all(
    jobs: Vec<Job>,
    at_once: usize,
    keep: &(dyn Fn(&Reading) -> Result<()> + Sync),
) -> Result<usize> {
    let begun = Instant::now();
    let total = jobs.len();
    let board = Mutex::new(Board {
        waiting: jobs.into(),
        running: Vec::new(),
    });
    let changed = Condvar::new();
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(job) = next(&board, &changed) {
                    let outcome = take(&job).and_then(|reading| {
                        keep(&reading)?;
                        Ok(reading)
                    });
                    let mut held = lock(&board);
                    held.running.retain(|running| running.name() != job.name());
                    let left = held.waiting.len() + held.running.len();
                    drop(held);
                    changed.notify_all();
                    let said = match outcome {
                        Ok(reading) => summary(&reading),
                        Err(error) => {
                            lock(&failures).push(job.name());
                            format!("failed: {error:#}")
                        }
                    };
                    println!(
                        "[{:4} s, {left:3} of {total} left] {:22} {said}",
                        begun.elapsed().as_secs(),
                        job.name()
                    );
                }
            });
        }
    });
    Ok(lock(&failures).len())
}

/// The next job, once one fits; `None` when all are taken.
fn next(board: &Mutex<Board>, changed: &Condvar) -> Option<Job> {
    let mut held = lock(board);
    loop {
        if held.waiting.is_empty() {
            return None;
        }
        let fitting = held.waiting.iter().position(|job| job.fits(&held.running));
        if let Some(job) = fitting.and_then(|position| held.waiting.remove(position)) {
            held.running.push(job.clone());
            return Some(job);
        }
        held = changed.wait(held).unwrap_or_else(PoisonError::into_inner);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn summary(reading: &Reading) -> String {
    let increases = reading
        .phases
        .each_ref()
        .map(|phase| format!("{:.1}", phase.increase_ms));
    format!(
        "idle {:.1} ms, increases {} ms {}",
        reading.idle_latency_ms,
        increases.join(" "),
        reading.doubts.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::super::matrix::cases;
    use super::*;

    fn job(name: &str, witness: Witness) -> Job {
        let case = cases()
            .into_iter()
            .find(|case| case.name == name)
            .expect("a case");
        Job {
            case,
            witness,
            repetition: 1,
        }
    }

    #[test]
    fn slow_lines_run_beside_each_other_but_never_two_browsers() {
        let page = job("tail-200", Witness::Page);
        assert!(job("tail-500", Witness::Truth).fits(std::slice::from_ref(&page)));
        assert!(!job("tail-500", Witness::Page).fits(&[page]));
    }

    #[test]
    fn a_fast_line_has_the_machine_for_itself() {
        let fast = job("fibre", Witness::Truth);
        assert!(fast.fits(&[]));
        assert!(!fast.fits(&[job("dsl", Witness::Client)]));
        assert!(!job("dsl", Witness::Client).fits(&[fast]));
    }
}
