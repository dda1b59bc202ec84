//! The terminal client at the home end of a line.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::line::{Line, LineShape};
use crate::daemon::{Daemon, Place};
use crate::process::capture;
use crate::workspace;

/// A test takes 40 s; connecting, the last answers and the report the rest.
const RUN_LIMIT: Duration = Duration::from_secs(120);

/// The release client, as it was built.
#[must_use]
pub(crate) fn program() -> String {
    let program = workspace::target().join("release/bufferbloat");
    program.to_string_lossy().into_owned()
}

/// Runs one whole test and returns the node's report. `client` is the client's command; it gets `flags` besides.
///
/// # Errors
/// When it printed no report, with what it said instead.
pub(crate) fn run_test(
    mut client: Command,
    base_url: &str,
    folder: &Path,
    flags: &[&str],
) -> Result<Value> {
    client
        .args(["test", "--json", "--quiet", base_url])
        .args(flags);
    let captured = capture(&mut client, RUN_LIMIT)?;
    std::fs::write(folder.join("report.json"), &captured.stdout)?;
    let printed: Value = serde_json::from_str(&captured.stdout).with_context(|| {
        format!(
            "the client printed no report ({:?}): {}",
            captured.status,
            captured.stderr.trim()
        )
    })?;
    // The client may put the report beside what it knows besides.
    Ok(printed.get("report").cloned().unwrap_or(printed))
}

/// The client's report of a test through a line of this shape.
///
/// # Errors
/// When the line, the node or the client fails.
pub(crate) fn report_through(shape: LineShape) -> Result<Value> {
    let folder = workspace::scratch("client-on-line")?;
    let line = Line::create(shape)?;
    let daemon = Daemon::start(Place::Node(&line), &folder)?;
    let report = run_test(line.at_home(&program()), daemon.url(), &folder, &[])?;
    daemon.stop()?;
    Ok(report)
}
