//! `cargo xtask accuracy`: how far the figures of the page and of the terminal client are from those of lines whose queues are
//! known, written to `bench/ACCURACY.md`.
//!
//! Each line of a matrix is looked at three times over: by ICMP ping under iperf3, which is the truth, by the page in
//! Chromium, and by the client. Readings are kept as they come, so an interrupted run goes on where it stopped.

mod matrix;
mod reading;
mod run;
mod table;
mod verdict;

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};

use self::reading::{Reading, Witness};
use self::run::Job;
use crate::process::{is_installed, output};
use crate::{suite, workspace};

/// What is to be run.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct AccuracyArguments {
    /// Only these lines (may be repeated)
    #[arg(long, value_name = "NAME")]
    line: Vec<String>,
    /// Only these witnesses (may be repeated)
    #[arg(long, value_enum)]
    only: Vec<Witness>,
    /// How often each line is looked at
    #[arg(long, value_name = "N", default_value_t = 3)]
    repeat: u32,
    /// How many runs at once, on lines of their own
    #[arg(long, value_name = "N", default_value_t = 3)]
    at_once: usize,
    /// Forget the readings of earlier runs, of the chosen lines and witnesses
    #[arg(long)]
    fresh: bool,
    /// Run nothing, write the table from the readings that there are
    #[arg(long)]
    table: bool,
    /// Print the lines
    #[arg(long)]
    list: bool,
}

/// Runs what is missing, and writes the table. Exit code 1 when a figure is wrong.
///
/// # Errors
/// When a prerequisite is missing or the readings can't be kept.
pub(crate) fn run(arguments: &AccuracyArguments) -> Result<ExitCode> {
    let cases = matrix::cases();
    if arguments.list {
        for case in &cases {
            println!("{:10} {}", case.name, case.what);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(unknown) = arguments
        .line
        .iter()
        .find(|name| cases.iter().all(|case| case.name != **name))
    {
        bail!("no line is called {unknown}; `cargo xtask accuracy --list` names them");
    }
    let chosen = |line: &str, witness: Witness| {
        (arguments.line.is_empty() || arguments.line.iter().any(|name| name == line))
            && (arguments.only.is_empty() || arguments.only.contains(&witness))
    };
    let mut readings = kept()?;
    if arguments.fresh {
        readings.retain(|reading| !chosen(&reading.line, reading.witness));
        rewrite(&readings)?;
    }
    let mut failed = 0;
    if !arguments.table {
        prepare()?;
        let mut jobs = Vec::new();
        for repetition in 1..=arguments.repeat {
            for case in &cases {
                for witness in [Witness::Truth, Witness::Page, Witness::Client] {
                    let is_kept = readings.iter().any(|reading| {
                        reading.line == case.name
                            && reading.witness == witness
                            && reading.repetition == repetition
                    });
                    if chosen(case.name, witness) && !is_kept {
                        jobs.push(Job {
                            case: case.clone(),
                            witness,
                            repetition,
                        });
                    }
                }
            }
        }
        // Lines that need the machine for themselves come last, so that none of them is waited for in between.
        jobs.sort_by_key(|job| job.case.is_fast());
        failed = run::all(jobs, arguments.at_once, &keep)?;
        readings = kept()?;
    }
    let table = table::write(&cases, &readings);
    let file = workspace::root().join("bench/ACCURACY.md");
    std::fs::write(&file, document(&table)?).with_context(|| file.display().to_string())?;
    println!("{}", table.text);
    for wrong in &table.wrong {
        println!("wrong: {wrong}");
    }
    println!(
        "{} figures, {} wrong, {failed} runs failed; written to {}",
        table.judged,
        table.wrong.len(),
        file.display()
    );
    Ok(ExitCode::from(u8::from(
        failed > 0 || !table.wrong.is_empty(),
    )))
}

fn prepare() -> Result<()> {
    for program in ["ip", "ping", "iperf3", "chromium", "node"] {
        ensure!(
            is_installed(program),
            "{program} is not installed; `cargo xtask test --only prerequisites` can install it"
        );
    }
    if let Some(reason) = linklab::obstacle() {
        bail!("{reason}");
    }
    suite::build_daemon()?;
    suite::build_client()?;
    suite::install_page_packages()
}

fn results_file() -> PathBuf {
    workspace::target().join("accuracy/readings.jsonl")
}

fn kept() -> Result<Vec<Reading>> {
    let file = results_file();
    if !file.exists() {
        return Ok(Vec::new());
    }
    BufReader::new(File::open(&file)?)
        .lines()
        .map(|line| {
            serde_json::from_str(&line?)
                .with_context(|| format!("{} holds something else", file.display()))
        })
        .collect()
}

fn keep(reading: &Reading) -> Result<()> {
    let file = results_file();
    std::fs::create_dir_all(file.parent().context("the results' folder")?)?;
    // One write for each line: two threads may append at the same time.
    let line = serde_json::to_string(reading)? + "\n";
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)?
        .write_all(line.as_bytes())?;
    Ok(())
}

fn rewrite(readings: &[Reading]) -> Result<()> {
    let file = results_file();
    std::fs::create_dir_all(file.parent().context("the results' folder")?)?;
    File::create(file)?;
    readings.iter().try_for_each(keep)
}

fn document(table: &table::Table) -> Result<String> {
    let said = |program: &str, words: &[&str]| -> Result<String> {
        let text = output(
            Command::new(program).args(words),
            std::time::Duration::from_secs(30),
        )?;
        Ok(text.lines().next().unwrap_or_default().trim().to_owned())
    };
    let mut text = format!(
        "# Accuracy\n\nWritten by `cargo xtask accuracy` on {}, on Linux {}, with {} and {}.\n\n",
        said("date", &["-u", "+%F"])?,
        said("uname", &["-r"])?,
        said("chromium", &["--version"])?,
        said("iperf3", &["--version"])?,
    );
    text.push_str(
        "Each line is emulated between two network namespaces (`tools/linklab`), with 5 ms of propagation each way unless it says \
         otherwise. The truth is what ICMP ping sees, 20 times a second, while four cubic iperf3 flows load the line: the mean \
         without the slowest 5 %, above the idle median. A figure is right when it is within 5 ms or 10 % of the truth, whichever \
         is more, its grade is the truth's (or the neighbour's, where the truth is within 3 ms or 3 % of the boundary), and, where \
         only one direction has a deep queue, over 90 % of the increase is ascribed to it. Figures are medians, with the range of \
         the repetitions; each is judged against the truth of its own repetition.\n\n",
    );
    text.push_str(&table.text);
    let right = table.judged - table.wrong.len();
    text.push_str(&format!(
        "\n{right} of {} figures are right.\n",
        table.judged
    ));
    if !table.wrong.is_empty() {
        text.push_str("\nWrong:\n\n");
        for wrong in &table.wrong {
            text.push_str(&format!("- {wrong}\n"));
        }
    }
    Ok(text)
}
