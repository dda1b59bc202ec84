//! The product on a line: the page in Chromium or the terminal client, and the figures of its report.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use linklab::{Line, NODE_ADDRESS, NODE_ADDRESS_V6};
use serde_json::Value;

use super::matrix::{Case, Transport};
use super::record::{Instrument, PhaseFigures, Record};
use super::strain::Strain;
use super::watch::Watch;
use crate::daemon::{Daemon, Place};
use crate::lab::{client, page};
use crate::process::output;
use crate::workspace;

const MAKING_LIMIT: Duration = Duration::from_secs(20);
/// When the graded phases count, seconds since the start.
const GRADED_S: [(&str, f64, f64); 3] = [
    ("download", 10.0, 20.0),
    ("upload", 25.0, 35.0),
    ("bidirectional", 36.5, 40.0),
];

/// Runs one test.
///
/// # Errors
/// When the node or the test fails.
pub(crate) fn measure(
    case: &Case,
    instrument: Instrument,
    line: &Line,
    watch: &Watch,
    folder: &Path,
) -> Result<Record> {
    let strain = case
        .strain
        .map_or(Strain::Nothing, |strained| strained.strain);
    strain.prepare(line)?;
    let daemon = start(case, line, folder)?;
    let starving = strain.starve(daemon.process_id())?;
    let report = test(case, strain, instrument, line, &daemon, folder)?;
    drop(starving);
    daemon.stop()?;
    // For whoever asks why a figure is what it is: it has the node's sight of every flow.
    std::fs::write(folder.join("report.json"), report.to_string())?;
    record(case, instrument, watch, &report)
}

fn start(case: &Case, line: &Line, folder: &Path) -> Result<Daemon> {
    let place = Place::Node(line);
    if case.transport == Transport::Http {
        return Daemon::start(place, folder);
    }
    let (key, certificate) = (folder.join("key.pem"), folder.join("certificate.pem"));
    let mut make = Command::new(workspace::release_daemon());
    make.arg("make-test-certificate")
        .arg(folder)
        .arg(NODE_ADDRESS);
    output(&mut make, MAKING_LIMIT)?;
    let (key, certificate) = (key.to_string_lossy(), certificate.to_string_lossy());
    let mut flags = vec!["--ssl-keyfile", &*key, "--ssl-certfile", &*certificate];
    if case.transport == Transport::Http2 {
        flags.push("--http2");
    }
    Daemon::start_with(place, folder, "https", &flags)
}

/// Runs one test against a node that is there.
fn test(
    case: &Case,
    strain: Strain,
    instrument: Instrument,
    line: &Line,
    daemon: &Daemon,
    folder: &Path,
) -> Result<Value> {
    let url = if case.is_ipv6 {
        daemon
            .url()
            .replace(NODE_ADDRESS, &format!("[{NODE_ADDRESS_V6}]"))
    } else {
        daemon.url().to_owned()
    };
    let is_secure = case.transport != Transport::Http;
    match instrument {
        Instrument::Truth => bail!("the truth is no subject"),
        Instrument::Page => {
            let flags: &[&str] = if is_secure {
                &["--ignore-certificate-errors"]
            } else {
                &[]
            };
            let group = strain.browser()?;
            let node = line.at_home("node");
            let node = match &group {
                Some(group) => group.enter(&node),
                None => node,
            };
            page::run_test(node, &url, folder, flags)
        }
        Instrument::Client => {
            let flags: &[&str] = if is_secure { &["--insecure"] } else { &[] };
            let command = strain.client(line, &client::program());
            client::run_test(command, &url, folder, flags)
        }
    }
}

fn record(case: &Case, instrument: Instrument, watch: &Watch, report: &Value) -> Result<Record> {
    let number = |pointer: &str| {
        report
            .pointer(pointer)
            .and_then(Value::as_f64)
            .with_context(|| format!("the report has no number at {pointer}"))
    };
    let text = |pointer: &str| {
        report
            .pointer(pointer)
            .and_then(Value::as_str)
            .with_context(|| format!("the report has no text at {pointer}"))
    };
    let start_s = unix_s(text("/started_at")?)?;
    let mut phases = [PhaseFigures::default(); 3];
    for (figures, (phase, from_s, to_s)) in phases.iter_mut().zip(GRADED_S) {
        let at = |name: &str| number(&format!("/phases/{phase}/{name}")).ok();
        *figures = PhaseFigures {
            increase_ms: number(&format!("/phases/{phase}/latency_increase_ms"))?,
            up_ms: at("up_increase_ms"),
            down_ms: at("down_increase_ms"),
            goodput_down_mbps: at("goodput_down_mbps"),
            goodput_up_mbps: at("goodput_up_mbps"),
            ..PhaseFigures::default()
        };
        watch.fill(figures, start_s + from_s, start_s + to_s);
    }
    let [download, upload, bidirectional] = phases;
    let reasons = report
        .pointer("/confidence/reasons")
        .and_then(Value::as_array)
        .context("the report has no reasons")?
        .iter()
        .map(|reason| {
            format!(
                "{} {:.1} {}",
                reason["code"].as_str().unwrap_or("?"),
                reason["value"].as_f64().unwrap_or(f64::NAN),
                reason["unit"].as_str().unwrap_or("?"),
            )
        })
        .collect();
    Ok(Record {
        case: case.spec.name.clone(),
        instrument,
        repetition: 0,
        ended_unix_s: 0,
        commit: String::new(),
        load_average: None,
        idle_ms: number("/idle_latency_ms")?,
        download,
        upload,
        bidirectional,
        settled: None,
        total_grade: text("/total_grade")?.to_owned(),
        reasons,
    })
}

/// Seconds since 1970 of an RFC 3339 time, as GNU date reads it.
fn unix_s(rfc3339: &str) -> Result<f64> {
    let mut date = Command::new("date");
    date.args(["--date", rfc3339, "+%s.%N"]);
    let text = output(&mut date, Duration::from_secs(10))?;
    text.trim()
        .parse()
        .with_context(|| format!("date made {text} of {rfc3339}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_read_to_the_millisecond() {
        let seconds = unix_s("2026-11-24T10:00:00.250Z").expect("a time");
        assert!((seconds - 1_795_514_400.25).abs() < 1e-3, "{seconds}");
    }
}
