//! `GET /health`: whether the node can be used, by what the scoreboard says.

use protocol::http1::Request;
use serde::Serialize;

use super::{Answer, Parameters};
use crate::runtime::application::Context;
use crate::server::node::Node;
use crate::server::reply::Reply;
use crate::server::scoreboard::{RoleState, Scoreboard};
use crate::server::visitor::Visitor;

#[derive(Debug, Serialize)]
struct Health {
    status: Status,
    version: &'static str,
    uptime_s: u64,
    reasons: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Ok,
    Degraded,
    Down,
}

/// 200 when every role is served, else 503 with the reasons.
pub fn health(
    node: &mut Node,
    context: &mut Context<'_>,
    _: &mut Visitor,
    _: &Request,
    _: &Parameters<'_>,
) -> Answer {
    let (status, reasons) = assess(node.scoreboard());
    let uptime = context.now - node.scoreboard().started_at();
    let health = Health {
        status,
        version: env!("CARGO_PKG_VERSION"),
        uptime_s: uptime.as_secs(),
        reasons,
    };
    let code = match status {
        Status::Ok => 200,
        Status::Degraded | Status::Down => 503,
    };
    Answer::Reply(Reply::json(code, &health))
}

fn assess(scoreboard: &Scoreboard) -> (Status, Vec<String>) {
    let mut status = Status::Ok;
    let mut reasons = Vec::new();
    let mut worsen = |worse: Status, reason: String| {
        status = status.max(worse);
        reasons.push(reason);
    };
    for role in scoreboard.roles() {
        if !role.is_used() {
            continue;
        }
        let name = role.name();
        match role.state() {
            RoleState::Healthy | RoleState::Draining => {}
            RoleState::Starting => worsen(Status::Degraded, format!("role {name} is starting")),
            RoleState::Restarting => {
                worsen(Status::Degraded, format!("role {name} is being restarted"));
            }
            RoleState::Down => worsen(
                Status::Degraded,
                format!("role {name} is down after five failures in a minute"),
            ),
        }
    }
    if scoreboard.is_draining() {
        worsen(Status::Down, "the node is shutting down".to_owned());
    }
    (status, reasons)
}
