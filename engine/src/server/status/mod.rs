//! `bufferbloatd status`: how a running node fares, for a person at a terminal. Asks the node by HTTP, so that it can be any
//! node; nothing of it is asked of a busy process.

mod certificate;
mod fetch;
mod table;

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

use protocol::message::node_status::{HealthStatus, NodeHealth, NodeStats, ProcessHealthReport};

use self::fetch::{Fetcher, NodeUrl};
use super::os_error;
use crate::runtime::tls::Trust;

/// Exit code for a node that answers but does not serve everything.
const EXIT_DEGRADED: u8 = 1;
/// Exit code when no node answers.
const EXIT_UNREACHABLE: u8 = 3;

/// What a node says of itself.
#[derive(Debug)]
pub(crate) struct NodeStatus {
    url: String,
    health: NodeHealth,
    stats: NodeStats,
    processes: ProcessHealthReport,
}

/// Why there is nothing to show, and what to do.
#[derive(Debug)]
pub(crate) struct StatusFault(String);

impl fmt::Display for StatusFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Shows the node at `url`. The exit code: 0 when all of it serves, 1 when not, 2 for a URL that is none, 3 when nobody
/// answers.
#[must_use]
pub fn run(url: &str, trust: Trust<'_>) -> ExitCode {
    let url = match NodeUrl::parse(url) {
        Ok(url) => url,
        Err(fault) => {
            os_error::complain(&fault);
            return ExitCode::from(2);
        }
    };
    let status = match ask(&url, trust) {
        Ok(status) => status,
        Err(fault) => {
            os_error::complain(&fault);
            return ExitCode::from(EXIT_UNREACHABLE);
        }
    };
    let text = table::render(&status, table::columns());
    // It takes the colours out where they are not wanted: NO_COLOR, a pipe, a dumb terminal.
    let _ = anstream::stdout().write_all(text.as_bytes());
    match status.health.status {
        HealthStatus::Ok => ExitCode::SUCCESS,
        HealthStatus::Degraded | HealthStatus::Down => ExitCode::from(EXIT_DEGRADED),
    }
}

fn ask(url: &NodeUrl, trust: Trust<'_>) -> Result<NodeStatus, StatusFault> {
    let mut fetcher = Fetcher::connect(url, trust)?;
    Ok(NodeStatus {
        health: fetcher.json("/health")?,
        stats: fetcher.json("/virtual-household/stats")?,
        processes: fetcher.json("/virtual-household/process-health")?,
        url: url.to_string(),
    })
}
