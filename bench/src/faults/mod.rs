//! The run with faults: while households play, each role's processes are killed and stopped in turn, and clients
//! misbehave; what the others noticed of it.

mod bad_clients;
mod compare;
mod incident;
mod table;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use crate::node::Node;
use crate::run::{Load, Running};
use bad_clients::BadClient;
use compare::{Comparison, Records, Span};
use incident::{Fault, Incident, IncidentReport};

/// Before the first fault the traffic is steady.
const CALM: Duration = Duration::from_secs(5);
/// The time before a fault that the time after it is compared with, and that time: one period of the slowest pattern.
const WINDOW: Duration = Duration::from_secs(5);
/// A bad client has this long: the node's patience with it is 10 s.
const BAD_WINDOW: Duration = Duration::from_secs(15);
/// The longest session that a node allows unless it is told otherwise.
const DURATION_MAX: Duration = Duration::from_secs(290);

/// The outcome.
#[derive(Debug, Serialize)]
pub(crate) struct FaultsReport {
    households: usize,
    incidents: Vec<IncidentReport>,
    bad_clients: Vec<BadClientReport>,
    /// The node's counts two seconds after the end.
    sessions_after: u64,
    flows_after: u64,
    probes_after: u64,
}

/// One bad client.
#[derive(Debug, Serialize)]
struct BadClientReport {
    name: &'static str,
    /// What became of it.
    fate: String,
    /// The users' time with it, against a time without any.
    others: Comparison,
    /// Sessions of the households that ended meanwhile.
    sessions_ended: usize,
}

/// Plays the load's households for as long as all faults take.
///
/// # Errors
/// When the node's processes are not this machine's, or are one, or the faults take longer than a session may.
pub(crate) fn run(node: &Node, load: Load) -> Result<FaultsReport> {
    ensure!(
        node.pid.is_some(),
        "the processes of a node elsewhere can't be killed from here"
    );
    let health = node.process_health()?;
    ensure!(
        health.multiprocess,
        "a node of one process has no roles to kill one by one"
    );
    let mut roles: Vec<String> = Vec::new();
    for process in health.processes {
        if !roles.contains(&process.role) {
            roles.push(process.role);
        }
    }
    let faults: Vec<(Fault, &String)> = [Fault::Kill, Fault::Stop]
        .into_iter()
        .flat_map(|fault| roles.iter().map(move |role| (fault, role)))
        .collect();
    let count = |list: usize| u32::try_from(list).unwrap_or(u32::MAX);
    let duration = load.spread
        + CALM
        + 2 * WINDOW * count(faults.len())
        + BAD_WINDOW * count(BadClient::ALL.len() + 1)
        + CALM;
    ensure!(
        duration <= DURATION_MAX,
        "the faults of {} roles take {} s, longer than a session may last",
        roles.len(),
        duration.as_secs()
    );
    let load = Load {
        duration,
        reconnects: true,
        ..load
    };
    let running = Running::start(node, load)?;
    let plan = running.plan;
    let mut at = plan.start + load.spread + CALM;
    let mut incidents = Vec::new();
    for (fault, role) in faults {
        let before = Span::new(at, WINDOW);
        let span = Span::new(before.end, WINDOW);
        incidents.push(Incident::cause(node, fault, role, before, span)?);
        at = span.end;
    }
    let without = Span::new(at, BAD_WINDOW);
    let mut bad = Vec::new();
    at = without.end;
    for client in BadClient::ALL {
        let span = Span::new(at, BAD_WINDOW);
        Running::wait_until(span.start);
        let fate = client.misbehave(node, span.end);
        bad.push((client, span, fate));
        at = span.end;
    }
    let outcome = running.finish()?;
    Running::wait_until(plan.end + crate::households::SETTLE);
    let stats = node
        .stats()
        .context("the node does not answer after the faults")?;
    let records = Records::new(&outcome, plan);
    Ok(FaultsReport {
        households: load.households,
        incidents: incidents
            .into_iter()
            .map(|incident| incident.report(&records))
            .collect(),
        bad_clients: bad
            .into_iter()
            .map(|(client, span, fate)| BadClientReport {
                name: client.name(),
                fate,
                others: records.compare(without, span, None),
                sessions_ended: records.sessions_ended_in(span, None),
            })
            .collect(),
        sessions_after: stats.total.sessions,
        flows_after: stats.total.flows_down + stats.total.flows_up,
        probes_after: stats.total.probes,
    })
}
