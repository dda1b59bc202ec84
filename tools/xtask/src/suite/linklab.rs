//! The link emulator: its figures against what was asked, its queue against the kernel's, and nothing left behind.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use linklab::{DirectionSpec, LineSpec, check};
use rustix::process::{Signal, kill_process};

use super::count::Counts;
use super::prerequisites;
use super::step::{BUILD_LIMIT, cargo};
use crate::ending;
use crate::lab::line::{Line, LineShape, NODE_ADDRESS};
use crate::lab::{TwoEnds, truth};
use crate::process::{Group, output};
use crate::third_party::check::{Verdict, report};

/// The line that both kinds of lab make.
const SHAPE: LineShape = LineShape {
    down_mbps: 50,
    up_mbps: 10,
    queue_ms: 200,
};
/// Rates of the emulator's own check; the higher ones need a machine that has nothing else to do.
const RATES_MBPS: &[f64] = &[10.0, 100.0];
/// How much further than on a quiet machine its figures may be off here.
const BUSY: f64 = 2.0;
/// Cubic's saw over ten seconds averages differently each time: two means of one queue may differ by this share.
const SAW_SHARE: f64 = 0.15;
/// For namespaces to come and go.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn run() -> Result<Counts> {
    let needs = ["ip", "tc", "ethtool", "chrt", "ping", "iperf3"];
    if let Some(counts) = prerequisites::stand_in_without(&needs) {
        return Ok(counts);
    }
    if let Some(reason) = linklab::obstacle() {
        println!("skipped: {reason}");
        return Ok(Counts::skip());
    }
    let mut verdicts = Vec::new();
    for figure in check::run(RATES_MBPS)? {
        let text = format!("{:.3} {} for {:.3}", figure.got, figure.unit, figure.asked);
        let holds = (figure.got - figure.asked).abs() <= figure.allowed * BUSY;
        verdicts.push((figure.name.clone(), Verdict::of(holds, text)));
    }
    verdicts.push((
        "ping_sees_the_same_queue_as_behind_the_kernels_tbf".to_owned(),
        same_as_tbf().into(),
    ));
    verdicts.push((
        "hosts_send_with_the_congestion_control_of_their_end_over_both_families".to_owned(),
        sends_as_asked().into(),
    ));
    verdicts.push((
        "a_signal_ends_a_line_and_the_next_removes_a_killed_one".to_owned(),
        leaves_nothing().into(),
    ));
    Ok(verdicts
        .into_iter()
        .map(|(name, verdict)| report(&name, verdict))
        .sum())
}

/// Four cubic downloads through a line of each kind.
fn same_as_tbf() -> Result<String> {
    let tbf = {
        let line = Line::create(SHAPE)?;
        truth::download_on(&line, NODE_ADDRESS)?.latency_increase_ms
    };
    let line = linklab::Line::create(&LineSpec {
        down: DirectionSpec::drop_tail(SHAPE.down_mbps.into(), SHAPE.queue_ms.into()),
        up: DirectionSpec::drop_tail(SHAPE.up_mbps.into(), SHAPE.queue_ms.into()),
        ..LineSpec::default()
    })?;
    let emulated = truth::download_on(&line as &dyn TwoEnds, NODE_ADDRESS)?.latency_increase_ms;
    let text = format!("{emulated:.1} ms in the emulator, {tbf:.1} ms behind TBF");
    ensure!((emulated / tbf - 1.0).abs() <= SAW_SHARE, "{text}");
    Ok(text)
}

/// What the hosts' own routes say, of a line that asks for another congestion control at each end.
fn sends_as_asked() -> Result<String> {
    let (at_home, at_node) = ("cubic", "reno");
    let line = linklab::Line::create(&LineSpec {
        home_congestion: at_home.into(),
        node_congestion: at_node.into(),
        ..LineSpec::default()
    })?;
    for (name, peer) in [
        (at_home, linklab::NODE_ADDRESS),
        (at_home, linklab::NODE_ADDRESS_V6),
        (at_node, linklab::HOME_ADDRESS),
        (at_node, linklab::HOME_ADDRESS_V6),
    ] {
        let mut ip = if name == at_home {
            line.at_home("ip")
        } else {
            line.at_node("ip")
        };
        let route = output(ip.args(["route", "get", peer]), PATIENCE)?;
        ensure!(route.contains(&format!("congctl {name}")), "{route}");
    }
    Ok(String::new())
}

/// Lines of programs that are told to stop, and of one that is killed.
fn leaves_nothing() -> Result<String> {
    output(
        &mut cargo(&["build", "--locked", "--package", "linklab"]),
        BUILD_LIMIT,
    )?;
    // Beside this program, in the folder of debug builds.
    let program = std::env::current_exe()
        .context("this program's own file")?
        .with_file_name("linklab");
    let name_of = |process: u32| format!("linklab-{process}-");
    let start = || -> Result<Group> {
        let mut command = Command::new(&program);
        command.args(["run", "--", "sleep", "60"]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let group = Group::spawn(&mut command)?;
        wait_for_namespaces(&name_of(group.child.id()), true)?;
        Ok(group)
    };
    for signal in [Signal::INT, Signal::TERM] {
        let group = start()?;
        let id = group.child.id();
        kill_process(ending::pid(id).context("a process id")?, signal)?;
        wait_for_namespaces(&name_of(id), false).with_context(|| format!("after {signal:?}"))?;
    }
    let mut killed = start()?;
    let id = killed.child.id();
    kill_process(ending::pid(id).context("a process id")?, Signal::KILL)?;
    killed
        .wait_for(PATIENCE)?
        .context("a killed process stays")?;
    ensure!(
        namespaces()?.contains(&name_of(id)),
        "a killed program's namespaces went by themselves: this test shows nothing"
    );
    drop(linklab::Line::create(&LineSpec::default())?);
    wait_for_namespaces(&name_of(id), false).context("after SIGKILL and another line")?;
    Ok(String::new())
}

fn wait_for_namespaces(name: &str, are_there: bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while namespaces()?.contains(name) != are_there {
        ensure!(
            Instant::now() < deadline,
            "{name}…: {} after {} s",
            if are_there {
                "not there"
            } else {
                "still there"
            },
            PATIENCE.as_secs()
        );
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn namespaces() -> Result<String> {
    output(
        Command::new("ip").args(["netns", "list"]),
        Duration::from_secs(10),
    )
}
