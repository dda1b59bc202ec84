//! What load on the main role does to a probe on the ping role: quiet and loaded in one run, with the cores named.
//!
//! Judges nothing: how much a busy machine disturbs a probe depends on how many cores are left for it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::daemon::{Daemon, Place};
use crate::process::{Group, output};
use crate::third_party::raw::{Raw, frame};
use crate::{suite, workspace};

/// Downloads that load the main role.
const FLOWS: usize = 8;
/// Probes a run: ten seconds of them.
const PROBES: u32 = 2000;
/// Between two probes.
const PROBE_INTERVAL: Duration = Duration::from_millis(5);
/// The load has to be at full speed before probes count.
const LOAD_WARMUP: Duration = Duration::from_secs(1);
const BINARY: u8 = 2;

/// One comparison.
#[derive(Debug, Serialize)]
pub(crate) struct Isolation {
    /// Cores that the node's main role and the load generators may use.
    loaded_cores: String,
    /// Cores that nothing of the load may use.
    free_cores: usize,
    flows: usize,
    quiet: Spread,
    loaded: Spread,
    p99_difference_us: i64,
}

/// Round trips of the probes of one run.
#[derive(Clone, Copy, Debug, Serialize)]
struct Spread {
    p50_us: u64,
    p99_us: u64,
    max_us: u64,
}

/// Compares twice: the load kept off the last core, and the load wherever the system puts it.
///
/// # Errors
/// When the daemon, a download or a probe fails.
pub(crate) fn measure() -> Result<Vec<Isolation>> {
    suite::build_product()?;
    let cores = std::thread::available_parallelism()?.get();
    let mut comparisons = Vec::new();
    if cores > 1 {
        comparisons.push(compare(cores, Some(cores - 1))?);
    }
    comparisons.push(compare(cores, None)?);
    Ok(comparisons)
}

fn compare(cores: usize, kept_free: Option<usize>) -> Result<Isolation> {
    let daemon = Daemon::start(Place::Loopback, &workspace::scratch("isolation")?)?;
    let loaded_cores = format!("0-{}", kept_free.unwrap_or(cores) - 1);
    if let Some(free) = kept_free {
        for (pid, role) in children(&daemon)? {
            let cores = if role == "ping" {
                free.to_string()
            } else {
                loaded_cores.clone()
            };
            pin(&pid, &cores)?;
        }
        pin(&std::process::id().to_string(), &free.to_string())?;
    }
    let quiet = probe(&daemon)?;
    let load: Vec<Group> = (0..FLOWS)
        .map(|_| {
            let url = format!("{}/download", daemon.url());
            let mut curl = Command::new("taskset");
            curl.args([
                "--cpu-list",
                &loaded_cores,
                "curl",
                "--silent",
                "--noproxy",
                "*",
            ]);
            curl.args(["--output", "/dev/null", &url]);
            Group::spawn(
                curl.stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null()),
            )
        })
        .collect::<Result<_>>()?;
    std::thread::sleep(LOAD_WARMUP);
    let loaded = probe(&daemon);
    drop(load);
    pin(&std::process::id().to_string(), &format!("0-{}", cores - 1))?;
    let loaded = loaded?;
    daemon.stop()?;
    Ok(Isolation {
        loaded_cores,
        free_cores: usize::from(kept_free.is_some()),
        flows: FLOWS,
        quiet,
        loaded,
        p99_difference_us: loaded.p99_us.cast_signed() - quiet.p99_us.cast_signed(),
    })
}

/// The supervisor's children: process id and role, the second word of what `ps` shows.
fn children(daemon: &Daemon) -> Result<Vec<(String, String)>> {
    let parent = daemon.process_id().to_string();
    let listed = output(
        Command::new("ps").args(["-o", "pid=,args=", "--ppid", &parent]),
        Duration::from_secs(10),
    )?;
    let children: Vec<(String, String)> = listed
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?.to_owned(), words.nth(1)?.to_owned()))
        })
        .collect();
    ensure!(
        children.len() > 1,
        "the daemon has not one process for each role: {listed}"
    );
    Ok(children)
}

/// Keeps a process with all its threads on these cores.
fn pin(pid: &str, cores: &str) -> Result<()> {
    output(
        Command::new("taskset").args(["--all-tasks", "--cpu-list", "--pid", cores, pid]),
        Duration::from_secs(10),
    )
    .map(drop)
}

fn probe(daemon: &Daemon) -> Result<Spread> {
    let mut raw = Raw::upgrade(daemon.ping(), "/ws/ping")?;
    raw.send_at_once()?;
    let mut rtts_us = Vec::new();
    let started = Instant::now();
    for sequence in 0..PROBES {
        let due = started + PROBE_INTERVAL * sequence;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let mut probe = [0; 16];
        probe[0] = 1;
        probe[4..8].copy_from_slice(&sequence.to_le_bytes());
        let sent = Instant::now();
        raw.send(&frame(BINARY, &probe, true))?;
        let echo = raw.binary_message()?;
        rtts_us.push(u64::try_from(sent.elapsed().as_micros())?);
        ensure!(
            echo.get(4..8) == Some(&sequence.to_le_bytes()),
            "another probe's echo"
        );
    }
    rtts_us.sort_unstable();
    let at = |percent: usize| {
        rtts_us
            .get((rtts_us.len() * percent / 100).min(rtts_us.len() - 1))
            .copied()
    };
    Ok(Spread {
        p50_us: at(50).context("no probe")?,
        p99_us: at(99).context("no probe")?,
        max_us: at(100).context("no probe")?,
    })
}
