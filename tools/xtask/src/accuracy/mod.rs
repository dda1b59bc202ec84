//! `cargo xtask accuracy`: how far the product's figures are from the truth, on every line of a matrix.
//!
//! For each line the truth, the page and the client, each on an instance of the line of its own. Runs are appended to a file
//! in the build folder as they end, so an interrupted matrix goes on where it was; the table is made of that file.

pub(crate) mod matrix;
mod record;
mod strain;
mod subject;
mod table;
mod truth;
mod verdict;
mod watch;

use std::collections::VecDeque;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use linklab::Line;

use crate::process::output;
use crate::{suite, workspace};
use matrix::Case;
use record::{Instrument, Record, Results};
use watch::Watch;

/// The file of runs.
const RESULTS: &str = "results.jsonl";
const GIT_LIMIT: Duration = Duration::from_secs(20);

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct AccuracyArguments {
    /// Only this line of the matrix (may be repeated)
    #[arg(long, value_name = "NAME")]
    line: Vec<String>,
    /// How often each is measured
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    repeat: u32,
    /// Only this instrument (may be repeated)
    #[arg(long, value_enum)]
    only: Vec<Instrument>,
    /// Measure on up to four instances of slow lines at once: two truths, a page, a client
    #[arg(long)]
    parallel: bool,
    /// Measure nothing: write the table of what there is
    #[arg(long)]
    table: bool,
}

struct Job {
    case: Case,
    instrument: Instrument,
    repetition: u32,
}

/// Measures what is missing and writes the table.
///
/// # Errors
/// When a line is unknown, the lab can't be used here, or a run failed (the others are made first).
pub(crate) fn run(arguments: &AccuracyArguments) -> Result<ExitCode> {
    let cases = matrix::all();
    if let Some(unknown) = arguments
        .line
        .iter()
        .find(|name| cases.iter().all(|case| case.spec.name != **name))
    {
        let names: Vec<&str> = cases.iter().map(|case| case.spec.name.as_str()).collect();
        bail!(
            "no line is called {unknown}; there are {}",
            names.join(", ")
        );
    }
    let results = Results::open(RESULTS)?;
    let failures = if arguments.table {
        0
    } else {
        measure(&cases, arguments, &results)?
    };
    table::write(&cases, &results.load()?)?;
    if failures > 0 {
        bail!("{failures} runs failed; the same command makes them again");
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(cases: &[Case], arguments: &AccuracyArguments, results: &Results) -> Result<usize> {
    if let Some(obstacle) = linklab::obstacle() {
        bail!("{obstacle}");
    }
    suite::build_product()?;
    let commit = commit()?;
    let done = results.load()?;
    let is_wanted = |job: &Job| {
        (arguments.line.is_empty() || arguments.line.contains(&job.case.spec.name))
            && (arguments.only.is_empty() || arguments.only.contains(&job.instrument))
            && !done.iter().any(|record| {
                record.case == job.case.spec.name
                    && record.instrument == job.instrument
                    && record.repetition == job.repetition
            })
    };
    let (alone, beside): (Vec<Job>, Vec<Job>) = (1..=arguments.repeat)
        .flat_map(|repetition| {
            cases.iter().flat_map(move |case| {
                let job = move |instrument| Job {
                    case: case.clone(),
                    instrument,
                    repetition,
                };
                case.instruments().into_iter().map(job)
            })
        })
        .filter(is_wanted)
        .partition(|job| job.case.is_alone() || !arguments.parallel);

    let queue_of = |instrument: Instrument, jobs: &mut Vec<Job>| {
        Mutex::new(
            jobs.extract_if(.., |job| job.instrument == instrument)
                .collect::<VecDeque<Job>>(),
        )
    };
    let mut beside = beside;
    let [truths, pages, clients] = [Instrument::Truth, Instrument::Page, Instrument::Client]
        .map(|instrument| queue_of(instrument, &mut beside));
    let failures = std::thread::scope(|scope| {
        let workers = [&truths, &truths, &pages, &clients]
            .map(|queue| scope.spawn(|| work(queue, &commit, results)));
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or(1))
            .sum::<usize>()
    });
    Ok(failures + work(&Mutex::new(alone.into()), &commit, results))
}

/// Makes the runs of a queue one after the other; the number of those that failed.
fn work(queue: &Mutex<VecDeque<Job>>, commit: &str, results: &Results) -> usize {
    let next = || {
        queue
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .pop_front()
    };
    let mut failures = 0;
    while let Some(job) = next() {
        let name = format!(
            "{} {} {}",
            job.case.spec.name,
            job.instrument.name(),
            job.repetition
        );
        match one(&job, commit).and_then(|record| results.append(&record).map(|()| record)) {
            Ok(record) => {
                let phases = record
                    .phases()
                    .map(|(_, phase)| format!("{:.1}", phase.increase_ms));
                println!(
                    "{name}: idle {:.1} ms, increases {} ms {}",
                    record.idle_ms,
                    phases.join(", "),
                    record.reasons.join("; ")
                );
            }
            Err(error) => {
                println!("{name}: failed: {error:#}");
                failures += 1;
            }
        }
    }
    failures
}

fn one(job: &Job, commit: &str) -> Result<Record> {
    let folder = workspace::scratch(&format!(
        "accuracy-{}-{}-{}",
        job.case.spec.name,
        job.instrument.name(),
        job.repetition
    ))?;
    let line = Line::create(&job.case.spec).context("the line")?;
    let watch = Watch::default();
    let record = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch.run(&line));
        let record = match job.instrument {
            Instrument::Truth => truth::measure(&job.case, &line, &watch, &folder),
            Instrument::Page | Instrument::Client => {
                subject::measure(&job.case, job.instrument, &line, &watch, &folder)
            }
        };
        watch.end();
        match watching.join() {
            Ok(watched) => watched.context("the emulator ended")?,
            Err(_) => bail!("the watch panicked"),
        }
        record
    })?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "seconds since 1970"
    )]
    let ended_unix_s = watch::now_s() as u64;
    Ok(Record {
        repetition: job.repetition,
        ended_unix_s,
        commit: commit.to_owned(),
        load_average: load_average(),
        ..record
    })
}

/// The commit of what is built here, with a `+` where files have been changed since.
fn commit() -> Result<String> {
    let git = |words: &[&str]| {
        let mut git = Command::new("git");
        git.args(words).current_dir(workspace::root());
        output(&mut git, GIT_LIMIT)
    };
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    let changes = git(&["status", "--porcelain", "--", ":!bench/*.md"])?;
    let changed = if changes.trim().is_empty() { "" } else { "+" };
    Ok(format!("{}{changed}", commit.trim()))
}

/// The machine's load average over the last minute.
fn load_average() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}
