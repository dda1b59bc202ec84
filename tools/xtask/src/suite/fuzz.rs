//! A short run of every fuzz target, on stable Rust: libFuzzer with the compiler's own coverage passes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::count::Counts;
use super::prerequisites;
use super::step::{BUILD_LIMIT, cargo};
use crate::process::{output, show};
use crate::third_party::check::{Verdict, judge_all};
use crate::workspace;

/// What cargo-fuzz passes to a nightly compiler, less what only nightly has.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Clink-dead-code -Cdebug-assertions --cfg fuzzing";
/// Seconds for each target.
const SECONDS: u64 = 20;
/// Targets that run at a time: a processor for each of them on the smallest machine that runs this.
const AT_ONCE: usize = 2;
/// Seconds beyond those, for its start and its end.
const GRACE: Duration = Duration::from_secs(60);

/// The fuzz targets' own workspace.
#[must_use]
pub(crate) fn folder() -> PathBuf {
    workspace::root().join("protocol/fuzz")
}

pub(crate) fn run() -> Result<Counts> {
    if let Some(counts) = prerequisites::stand_in_without(&["g++"]) {
        return Ok(counts);
    }
    let targets = targets()?;
    let build_folder = workspace::target().join("fuzz");
    // With a target named, the flags are for the targets and not for build scripts, which have no libFuzzer to link to.
    let host = host_triple()?;
    let built = show(
        cargo(&["build", "--locked", "--release", "--target", &host])
            .current_dir(folder())
            .env("CARGO_TARGET_DIR", &build_folder)
            .env("RUSTFLAGS", INSTRUMENTATION),
        BUILD_LIMIT,
    )?;
    ensure!(
        built.succeeded,
        "the fuzz targets don't build: {}",
        built.how
    );
    let findings = workspace::scratch("fuzz-findings")?;
    let programs = build_folder.join(&host).join("release");
    Ok(judge_all(&targets, AT_ONCE, |target| {
        println!("$ {target} for {SECONDS} s");
        (target, fuzz(&programs.join(target), &findings, target))
    }))
}

/// One target's run; what it finds is kept in `findings`.
fn fuzz(program: &Path, findings: &Path, target: &str) -> Result<Verdict> {
    let finished = show(
        Command::new(program)
            .arg(format!("-max_total_time={SECONDS}"))
            .args([
                "-verbosity=0",
                "-print_final_stats=1",
                "-timeout=10",
                "-rss_limit_mb=2048",
            ])
            .arg(format!("-artifact_prefix={}/{target}-", findings.display())),
        Duration::from_secs(SECONDS) + GRACE,
    )?;
    let runs = finished
        .output
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
        .map_or("no", str::trim);
    Ok(Verdict::of(
        finished.succeeded,
        format!("{runs} runs, {}", finished.how),
    ))
}

fn host_triple() -> Result<String> {
    let version = output(
        Command::new("rustc")
            .arg("-vV")
            .current_dir(workspace::root()),
        Duration::from_secs(20),
    )?;
    version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("rustc -vV names no host")
}

fn targets() -> Result<Vec<String>> {
    let manifest = folder().join("Cargo.toml");
    let text =
        std::fs::read_to_string(&manifest).with_context(|| manifest.display().to_string())?;
    let manifest: toml::Table = text.parse().context("protocol/fuzz/Cargo.toml")?;
    let targets: Vec<String> = manifest
        .get("bin")
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|bin| Some(bin.get("name")?.as_str()?.to_owned()))
        .collect();
    ensure!(
        !targets.is_empty(),
        "protocol/fuzz/Cargo.toml names no target"
    );
    Ok(targets)
}
