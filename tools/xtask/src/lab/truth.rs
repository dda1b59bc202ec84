//! The truth of a line: what ICMP ping sees while four cubic iperf3 flows load it.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::TwoEnds;
use super::line::{Line, LineShape, NODE_ADDRESS};
use super::ping::Pings;
use crate::process::{Group, output};

/// Seconds of an unloaded line, as in the product's baseline.
const IDLE_S: u32 = 5;
/// Seconds that the flows have before anything counts.
const WARMUP_S: u32 = 5;
/// Seconds that count in each loaded phase.
const LOADED_S: u32 = 10;
/// Flows in each direction.
const FLOWS: &str = "4";
/// Seconds between pings: 20 a second, as the product probes.
const PING_INTERVAL_S: &str = "0.05";
/// Longer than any run of ping or iperf3 here can take.
const RUN_LIMIT: Duration = Duration::from_secs(40);

/// What a line of a known shape does to an independent probe.
#[derive(Debug, Serialize)]
pub(crate) struct Truth {
    line: LineShape,
    /// What ping saw.
    #[serde(flatten)]
    pub(crate) seen: Seen,
}

/// What a line does to an independent probe.
#[derive(Debug, Serialize)]
pub(crate) struct Seen {
    /// Median of the unloaded line.
    pub(crate) idle_latency_ms: f64,
    /// Load in the direction of the home.
    pub(crate) download: LoadedPhase,
    /// Load in the direction of the node.
    pub(crate) upload: LoadedPhase,
    /// Both at once.
    pub(crate) bidirectional: LoadedPhase,
}

/// What the probe saw under one kind of load.
#[derive(Debug, Serialize)]
pub(crate) struct LoadedPhase {
    /// Mean without the slowest 5 %.
    pub(crate) working_latency_ms: f64,
    /// That above the idle latency.
    pub(crate) latency_increase_ms: f64,
    /// What the home received, in Mbit/s.
    pub(crate) goodput_down_mbps: Option<f64>,
    /// What the node received, in Mbit/s.
    pub(crate) goodput_up_mbps: Option<f64>,
    pings_sent: usize,
    pings_answered: usize,
}

#[derive(Clone, Copy, Debug)]
enum Load {
    Down,
    Up,
    Both,
}

/// Makes a line of this shape and measures it; takes about a minute.
///
/// # Errors
/// When the line can't be made or a program on it fails.
pub(crate) fn measure(shape: LineShape) -> Result<Truth> {
    let line = Line::create(shape)?;
    Ok(Truth {
        line: shape,
        seen: measure_on(&line, NODE_ADDRESS)?,
    })
}

/// Measures a line whose far end has this address; takes about a minute.
///
/// # Errors
/// When a program on the line fails.
pub(crate) fn measure_on(line: &dyn TwoEnds, address: &str) -> Result<Seen> {
    let _server = start_iperf_server(line)?;
    let idle_latency_ms = ping(line, address, IDLE_S)?
        .median_ms()
        .context("the idle line answered no ping")?;
    Ok(Seen {
        idle_latency_ms,
        download: loaded(line, address, Load::Down, idle_latency_ms)?,
        upload: loaded(line, address, Load::Up, idle_latency_ms)?,
        bidirectional: loaded(line, address, Load::Both, idle_latency_ms)?,
    })
}

fn loaded(
    line: &dyn TwoEnds,
    address: &str,
    load: Load,
    idle_latency_ms: f64,
) -> Result<LoadedPhase> {
    let mut iperf = line.at_home("iperf3");
    // One second more than is looked at, so that the load outlasts the last ping.
    let seconds = (LOADED_S + 1).to_string();
    let warmup = WARMUP_S.to_string();
    iperf.args(["--json", "--client", address, "--congestion", "cubic"]);
    iperf.args(["--parallel", FLOWS, "--time", &seconds, "--omit", &warmup]);
    match load {
        Load::Down => iperf.arg("--reverse"),
        Load::Up => &mut iperf,
        Load::Both => iperf.arg("--bidir"),
    };
    let transfer = std::thread::spawn(move || output(&mut iperf, RUN_LIMIT));
    std::thread::sleep(Duration::from_secs(u64::from(WARMUP_S)));
    let pings = ping(line, address, LOADED_S)?;
    let Ok(transfer) = transfer.join() else {
        bail!("the iperf3 thread panicked")
    };
    let sums: serde_json::Value = serde_json::from_str(&transfer?).context("iperf3's JSON")?;
    let received_mbps = |name: &str| {
        sums.pointer(&format!("/end/{name}/bits_per_second"))
            .and_then(serde_json::Value::as_f64)
            .map(|bits| bits / 1e6)
    };
    let (goodput_down_mbps, goodput_up_mbps) = match load {
        Load::Down => (received_mbps("sum_received"), None),
        Load::Up => (None, received_mbps("sum_received")),
        Load::Both => (
            received_mbps("sum_received_bidir_reverse"),
            received_mbps("sum_received"),
        ),
    };
    let working_latency_ms = pings
        .trimmed_mean_ms()
        .context("the loaded line answered no ping")?;
    Ok(LoadedPhase {
        working_latency_ms,
        latency_increase_ms: working_latency_ms - idle_latency_ms,
        goodput_down_mbps,
        goodput_up_mbps,
        pings_sent: pings.sent,
        pings_answered: pings.rtts_ms.len(),
    })
}

fn ping(line: &dyn TwoEnds, address: &str, seconds: u32) -> Result<Pings> {
    let count = (seconds * 20).to_string();
    let mut ping = line.at_home("ping");
    ping.args([
        "-n",
        "-i",
        PING_INTERVAL_S,
        "-c",
        &count,
        "-W",
        "3",
        address,
    ]);
    Pings::parse(&output(&mut ping, RUN_LIMIT)?).context("ping printed no statistics")
}

fn start_iperf_server(line: &dyn TwoEnds) -> Result<Group> {
    let mut command = line.at_node("iperf3");
    command.args(["--server", "--forceflush"]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut server = Group::spawn(&mut command)?;
    let mut lines = BufReader::new(server.child.stdout.take().context("iperf3's output")?).lines();
    if !lines
        .by_ref()
        .any(|line| line.is_ok_and(|line| line.contains("listening")))
    {
        bail!("the iperf3 server ended before it listened");
    }
    // What it prints about each transfer is read away, or it would stop at a full pipe.
    std::thread::spawn(move || lines.for_each(drop));
    Ok(server)
}
