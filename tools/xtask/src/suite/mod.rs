//! `cargo xtask test`: every test there is, in order, with one table and one sum at the end.

pub(crate) mod advisories;
mod browser;
mod count;
mod fuzz;
pub(crate) mod licences;
mod linklab;
mod metrics;
mod netns;
mod packaging;
pub(crate) mod prerequisites;
mod programs;
pub(crate) mod step;
mod table;
pub(crate) mod tidy;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};

pub(crate) use count::Counts;
use step::{STEPS, Step};

use crate::process::output;

/// Builds the daemon and the terminal client as users get them, so that a chore never runs old ones. Standard output stays
/// the chore's own.
///
/// # Errors
/// When one doesn't build.
pub(crate) fn build_product() -> Result<()> {
    output(&mut step::release_build_command(), step::BUILD_LIMIT)
        .map(drop)
        .context("the daemon and the client don't build")
}

/// Runs the steps (all, or the named ones), printing as it goes; fails when anything failed.
///
/// # Errors
/// When a name in `only` is no step.
pub(crate) fn run(only: &[String], list: bool) -> Result<ExitCode> {
    if list {
        for step in STEPS {
            println!("{:14} {}", step.name, step.purpose);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(unknown) = only
        .iter()
        .find(|name| STEPS.iter().all(|s| s.name != **name))
    {
        bail!("no step is called {unknown}; `cargo xtask test --list` names them");
    }
    let chosen: Vec<&Step> = STEPS
        .iter()
        .filter(|step| only.is_empty() || only.iter().any(|name| name == step.name))
        .collect();
    let mut rows = Vec::new();
    for (index, step) in chosen.iter().enumerate() {
        println!(
            "\n=== {} ({} of {}): {}",
            step.name,
            index + 1,
            chosen.len(),
            step.purpose
        );
        let started = Instant::now();
        let counts = (step.run)().unwrap_or_else(|error| {
            println!("error: {error:#}");
            Counts::failure()
        });
        let elapsed = started.elapsed();
        println!(
            "--- {}: {counts}, {:.1} s",
            step.name,
            elapsed.as_secs_f64()
        );
        rows.push(table::Row {
            name: step.name,
            counts,
            elapsed,
        });
    }
    let total: Counts = rows.iter().map(|row| row.counts).sum();
    println!("\n{}", table::render(&rows));
    println!("{total}");
    Ok(if total.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
