//! Prometheus' own tool against what the node exposes and what it is packaged with: the metrics, and the alert rules with
//! their tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::count::Counts;
use super::prerequisites;
use crate::daemon::{Daemon, Place};
use crate::process::{is_installed, output, quiet};
use crate::third_party::check::report;
use crate::workspace;

const PROMTOOL: &str = "promtool";
/// Debian's package of it, which is mostly a server that nobody wants started here.
const PACKAGE: &str = "prometheus";
const LIMIT: Duration = Duration::from_secs(60);
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(5 * 60);

pub(crate) fn run() -> Result<Counts> {
    if let Some(counts) = prerequisites::stand_in_without(&["curl"]) {
        return Ok(counts);
    }
    let promtool = match promtool() {
        Ok(promtool) => promtool,
        Err(error) => {
            println!("{PROMTOOL} can't be had from Debian's {PACKAGE}: {error:#}");
            return Ok(prerequisites::missing());
        }
    };
    super::build_product()?;
    let folder = workspace::scratch("metrics")?;
    let daemon = Daemon::start(Place::Loopback, &folder)?;
    let packaging = workspace::root().join("tools/packaging");
    let in_packaging = |arguments: &[&str]| {
        output(
            Command::new(&promtool)
                .args(arguments)
                .current_dir(&packaging),
            LIMIT,
        )
        .map(|text| text.trim().to_owned())
    };
    let verdicts = [
        (
            "promtool_accepts_the_metrics",
            check_metrics(&promtool, &daemon, &folder),
        ),
        (
            "promtool_accepts_the_alert_rules",
            in_packaging(&["check", "rules", "alerts.yml"]),
        ),
        (
            "each_tested_alert_fires_when_it_should",
            in_packaging(&["test", "rules", "alerts_test.yml"]),
        ),
    ];
    daemon.stop()?;
    Ok(verdicts
        .into_iter()
        .map(|(name, verdict)| report(name, verdict.into()))
        .sum())
}

/// The metrics after a download, an upload and a refused request, so that there is something in them.
fn check_metrics(promtool: &Path, daemon: &Daemon, folder: &Path) -> Result<String> {
    let url = daemon.url().trim_end_matches('/');
    let curl = |arguments: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--output"]);
        quiet(command.args(arguments))
    };
    curl(&["/dev/null", &format!("{url}/download?bytes=1000000")])?;
    curl(&["/dev/null", "--data", "x", &format!("{url}/upload")])?;
    curl(&["/dev/null", &format!("{url}/nothing")])?;
    let file = folder.join("metrics.txt");
    curl(&[&file.to_string_lossy(), &format!("{url}/metrics")])?;
    let text = std::fs::read_to_string(&file)?;
    ensure!(
        text.contains("# TYPE bufferbloatd_loop_lag_seconds histogram"),
        "these are no metrics: {text}"
    );
    // It reads standard input only, and also exits with a fault when it has nothing but style to complain of.
    let script = "exec \"$0\" check metrics < \"$1\"";
    output(
        Command::new("sh")
            .args(["-c", script])
            .arg(promtool)
            .arg(&file),
        LIMIT,
    )?;
    let families = text
        .lines()
        .filter(|line| line.starts_with("# TYPE "))
        .count();
    Ok(format!("{families} families"))
}

/// The tool, taken out of its package where it isn't installed.
fn promtool() -> Result<PathBuf> {
    if is_installed(PROMTOOL) {
        return Ok(PROMTOOL.into());
    }
    let folder = workspace::target().join("xtask-tools");
    let tool = folder.join(PROMTOOL);
    if tool.is_file() {
        return Ok(tool);
    }
    std::fs::create_dir_all(&folder)?;
    let fetch = || {
        let mut command = Command::new("apt-get");
        let command = command
            .args(["--quiet", "download", PACKAGE])
            .current_dir(&folder);
        output(command, DOWNLOAD_LIMIT)
    };
    fetch().or_else(|_| {
        // The lists may be missing, or older than the archive.
        output(
            Command::new("apt-get").args(["--quiet", "update"]),
            DOWNLOAD_LIMIT,
        )?;
        fetch()
    })?;
    let script = format!(
        "set -e; for package in {PACKAGE}_*.deb; do dpkg-deb --fsys-tarfile \"$package\" | tar -xO ./usr/bin/{PROMTOOL} > \
         part; rm \"$package\"; done; chmod +x part; mv part {PROMTOOL}"
    );
    output(
        Command::new("sh")
            .args(["-c", &script])
            .current_dir(&folder),
        LIMIT,
    )
    .context("its package can't be unpacked")?;
    Ok(tool)
}
