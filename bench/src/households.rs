//! The plain run: households without faults, and what each of them got.

use std::time::Duration;

use anyhow::Result;
use engine::runtime::sys::clock;

use crate::analysis::rate::mbps;
use crate::analysis::spread::Spread;
use crate::load::player::Player;
use crate::node::Node;
use crate::process_tree::{self, ProcessTree};
use crate::report::{GeneratorReport, NodeReport, Report, UserReport, derive};
use crate::run::{Load, Outcome, Running};

/// The watch on the node's memory looks this often; a look costs the node nothing and this machine a few milliseconds.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// A node that has nothing to do any more says so within this time.
pub(crate) const SETTLE: Duration = Duration::from_secs(2);

/// Plays the load and derives the report.
///
/// # Errors
/// When the node is not there, or a loop fails.
pub(crate) fn run(node: &Node, load: Load) -> Result<Report> {
    let mut tree = node.pid.map(ProcessTree::new);
    let running = Running::start(node, load)?;
    Running::wait_until(running.plan.start);
    let mut usage = NodeReport {
        pss_kib_start: tree.as_ref().map(ProcessTree::pss_kib),
        ..NodeReport::default()
    };
    let cpu_before_s = tree.as_mut().map(ProcessTree::cpu_s);
    let own_cpu_before_s = process_tree::cpu_s(std::process::id());
    let machine_before_s = process_tree::machine_cpu_s();
    let begun = clock::monotonic_now();
    running.watch(WATCH_INTERVAL, || {
        if let Some(tree) = &mut tree {
            let pss_kib = tree.pss_kib();
            usage.pss_kib_end = Some(pss_kib);
            usage.pss_kib_peak = usage.pss_kib_peak.max(Some(pss_kib));
            // Seen now, in case one of its processes ends.
            tree.cpu_s();
        }
    });
    let cpu_after_s = tree.as_mut().map(ProcessTree::cpu_s);
    usage.cpu_s = cpu_after_s
        .zip(cpu_before_s)
        .map(|(after, before)| after - before);
    let own_cpu_s = process_tree::cpu_s(std::process::id()) - own_cpu_before_s;
    let machine_s = process_tree::machine_cpu_s().zip(machine_before_s);
    let elapsed_s = (clock::monotonic_now() - begun).as_secs_f64();
    // Of a node elsewhere nothing runs here.
    let known_s = own_cpu_s + usage.cpu_s.unwrap_or(0.0);
    let other_cores =
        machine_s.map(|(after, before)| ((after - before - known_s) / elapsed_s).max(0.0));
    let outcome = running.finish()?;
    Running::wait_until(clock::monotonic_now() + SETTLE);
    look_at_the_end(node, &mut usage)?;
    usage.pss_kib_after = tree.as_ref().map(ProcessTree::pss_kib);
    Ok(report(load, &outcome, usage, own_cpu_s, other_cores))
}

fn look_at_the_end(node: &Node, usage: &mut NodeReport) -> Result<()> {
    let stats = node.stats()?;
    usage.sessions_after = stats.total.sessions;
    usage.flows_after = stats.total.flows_down + stats.total.flows_up;
    usage.probes_after = stats.total.probes;
    // The question itself is one.
    usage.connections_after = stats.total.connections.saturating_sub(1);
    usage.loop_lag_p99_us = stats.total.loop_lag_p99_us;
    usage.sessions_ended = stats.sessions_ended;
    usage.sessions_ended.retain(|_, ended| *ended > 0);
    let processes = node.process_health()?.processes;
    usage.restarts = processes.iter().map(|process| process.restarts).sum();
    Ok(())
}

fn report(
    load: Load,
    outcome: &Outcome,
    node: NodeReport,
    own_cpu_s: f64,
    other_cores: Option<f64>,
) -> Report {
    let users: Vec<UserReport> = outcome
        .profiles
        .iter()
        .map(|profile| {
            let of_user = |player: &&Player| player.profile.user_id == profile.user_id;
            let players: Vec<&Player> = outcome.players.iter().filter(of_user).collect();
            derive::user(profile, &players, load.duration)
        })
        .collect();
    let attempts = || outcome.players.iter().flat_map(|player| &player.attempts);
    let moved: u64 = outcome
        .players
        .iter()
        .flat_map(|player| player.attempts.iter().map(move |attempt| (player, attempt)))
        .map(|(player, attempt)| {
            let up = attempt.totals.as_ref().map_or(0, |t| t.up.received_bytes);
            derive::down_bytes(&player.profile, attempt, load.duration) + up
        })
        .sum();
    let expected = |user: &UserReport| user.down.expected_mbps + user.up.expected_mbps;
    Report {
        households: load.households,
        duration_s: load.duration.as_secs_f64(),
        aggregate_mbps: mbps(moved as f64, load.duration),
        aggregate_expected_mbps: users.iter().map(expected).sum::<f64>() * load.households as f64,
        users,
        probes: derive::probes(&outcome.probes),
        node,
        generator: GeneratorReport {
            cpu_s: own_cpu_s,
            loop_lag_us: Spread::of(
                outcome
                    .lags
                    .iter()
                    .map(|lag| f64::from(lag.lag_us))
                    .collect(),
            ),
            other_cores,
            skipped: attempts().map(|attempt| attempt.own_skipped).sum(),
        },
    }
}
