//! The node alone, at several sizes: households, flows and event loops.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::bulk::{Action, Kind, Layer};
use super::results::{Households, SideCost, Tail};
use super::server::Server;
use super::transfer;
use crate::households;
use crate::node::Node;
use crate::run::Load;

/// A whole period of the slowest pattern, over which starts are spread.
const SPREAD: Duration = Duration::from_secs(5);

/// A session may last so much longer than its traffic.
const SESSION_MARGIN: Duration = Duration::from_secs(60);

/// So many households for a while.
///
/// # Errors
/// When the node does not start, or a loop fails.
pub(crate) fn households(
    program: &Path,
    households: usize,
    duration: Duration,
) -> Result<Households> {
    let arguments = [
        "--tests-per-process",
        "1024",
        "--tests-max",
        "1024",
        "--tests-per-address-max",
        "1024",
    ];
    let mut arguments: Vec<String> = arguments.map(str::to_owned).into();
    // Its opening and its end are in a session's time too.
    let session_max_s = (duration + SESSION_MARGIN).as_secs();
    arguments.extend(["--session-max-s".to_owned(), session_max_s.to_string()]);
    let node = Node::start(program, &arguments)?;
    let load = Load {
        households,
        duration,
        spread: SPREAD,
        loops: 1,
        reconnects: false,
    };
    let report = households::run(&node, load)?;
    let errors = report
        .users
        .iter()
        .flat_map(|user| [user.down.worst_error_percent, user.up.worst_error_percent]);
    let rtt = report.probes.rtt_us.context("no probe was answered")?;
    // Traffic runs from the first household's start to the last one's end.
    let elapsed_s = (SPREAD + duration).as_secs_f64();
    Ok(Households {
        duration_s: report.duration_s,
        aggregate_mbps: report.aggregate_mbps,
        expected_mbps: report.aggregate_expected_mbps,
        worst_error_percent: errors.flatten().fold(0.0, |worst: f64, error| {
            if error.abs() > worst.abs() {
                error
            } else {
                worst
            }
        }),
        node_cores: report.node.cpu_s.context("the node's processor time")? / elapsed_s,
        // Households overlap but for the spread at both ends.
        pss_kib_peak: report.node.pss_kib_peak.unwrap_or(0),
        probe_p50_us: rtt.p50,
        probe_p99_us: rtt.p99,
        ended_early: report.users.iter().map(|user| user.incomplete).sum(),
        own_skipped: report.generator.skipped,
    })
}

/// A plain download of so many flows.
///
/// # Errors
/// As [`transfer::measure`].
pub(crate) fn download(server: &Server, flows: usize, window: Duration) -> Result<SideCost> {
    let kind = Kind {
        action: Action::Download,
        layer: Layer::Plain,
    };
    let sample = transfer::measure(server, kind, flows, window)?;
    let rtt = Tail::of(sample.rtts_us).context("no probe was answered")?;
    Ok(SideCost {
        gbit_per_s: sample.gbit_per_s,
        cpu_s_per_gb: sample.cpu_s_per_gb,
        probe_p50_us: rtt.p50,
        probe_p99_us: rtt.p99,
    })
}
