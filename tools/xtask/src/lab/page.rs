//! The page in a real browser at the home end of a line, and its report held against the line's truth.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::line::{Line, LineShape};
use super::truth::{LoadedPhase, Truth};
use crate::daemon::{Daemon, Place};
use crate::process::output;
use crate::workspace;

/// A test takes 40 s; a browser's start, the report and a loaded machine the rest.
const RUN_LIMIT: Duration = Duration::from_secs(150);
/// A loaded phase must use this share of its direction's rate.
const SATURATION: f64 = 0.9;
/// How far an increase may be from the truth: this share of it, or [`TOLERANCE_MS`], whichever is more.
const TOLERANCE_SHARE: f64 = 0.1;
/// See [`TOLERANCE_SHARE`].
const TOLERANCE_MS: f64 = 5.0;

/// Runs one whole test of the page against `base_url` and returns the node's report. `node` is Node's command; the script
/// gets `flags` besides.
///
/// # Errors
/// When the page fails or no report came of it.
pub(crate) fn run_test(
    mut node: Command,
    base_url: &str,
    folder: &Path,
    flags: &[&str],
) -> Result<Value> {
    let report = folder.join("report.json");
    node.arg(workspace::root().join("tools/lab/run_page.mjs"))
        .arg(base_url)
        .arg(&report)
        .args(flags)
        .current_dir(workspace::root().join("client/web"));
    output(&mut node, RUN_LIMIT)?;
    let text = std::fs::read_to_string(&report).with_context(|| report.display().to_string())?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", report.display()))
}

/// The page's report of a test through a line of this shape.
///
/// # Errors
/// When the line, the node or the page fails.
pub(crate) fn report_through(shape: LineShape) -> Result<Value> {
    let folder = workspace::scratch("page-on-line")?;
    let line = Line::create(shape)?;
    let daemon = Daemon::start(Place::Node(&line), &folder)?;
    let report = run_test(line.at_home("node"), daemon.url(), &folder, &[])?;
    daemon.stop()?;
    Ok(report)
}

/// One loaded direction of a report against the line's rate: the goodput that its receiver counted.
///
/// # Errors
/// Says how much of the rate was used when it was too little.
pub(crate) fn check_saturation(
    report: &Value,
    phase: &str,
    direction: &str,
    rate_mbps: u32,
) -> Result<String> {
    let goodput = number(report, &format!("/phases/{phase}/goodput_{direction}_mbps"))?;
    let share = goodput / f64::from(rate_mbps);
    let text = format!("{goodput:.2} of {rate_mbps} Mbit/s, {:.1} %", share * 100.0);
    ensure!(
        share > SATURATION,
        "{text}; over {:.0} % is asked",
        SATURATION * 100.0
    );
    Ok(text)
}

/// One phase's increase against the truth.
///
/// # Errors
/// Says both when they are too far apart.
pub(crate) fn check_increase(report: &Value, phase: &str, truth: &Truth) -> Result<String> {
    let true_phase: &LoadedPhase = match phase {
        "download" => &truth.seen.download,
        "upload" => &truth.seen.upload,
        "bidirectional" => &truth.seen.bidirectional,
        _ => bail!("{phase} is not a loaded phase"),
    };
    let seen = number(report, &format!("/phases/{phase}/latency_increase_ms"))?;
    let true_increase = true_phase.latency_increase_ms;
    let tolerance = (true_increase * TOLERANCE_SHARE).max(TOLERANCE_MS);
    let text = format!("said {seen:.1} ms, ping {true_increase:.1} ms");
    ensure!(
        (seen - true_increase).abs() <= tolerance,
        "{text}; within {tolerance:.1} ms is asked"
    );
    Ok(text)
}

fn number(report: &Value, pointer: &str) -> Result<f64> {
    report
        .pointer(pointer)
        .and_then(Value::as_f64)
        .with_context(|| format!("the report has no number at {pointer}"))
}
