//! Programs that others wrote, and clients that misbehave, against a running daemon: it is judged from outside only.

mod bad_input;
pub(crate) mod check;
mod http2_clients;
mod http_clients;
pub(crate) mod raw;
mod tls_scan;
mod websocket_clients;

use std::path::PathBuf;

use anyhow::Result;

use crate::daemon::Daemon;
use crate::suite::{Counts, prerequisites};

/// What every check may use.
pub(crate) struct Bench {
    daemon: Daemon,
    /// Where checks put their files.
    folder: PathBuf,
    /// A Python that has `websockets` and `h2`, or why there is none.
    python: Result<PathBuf, String>,
    /// A folder in which Node finds `ws`, or why there is none.
    node_folder: Result<PathBuf, String>,
}

/// Runs all checks, then stops the daemon; `folder` is for what the checks write.
///
/// # Errors
/// When the daemon doesn't stop as it should after all that.
pub(crate) fn run(daemon: Daemon, folder: PathBuf) -> Result<Counts> {
    let bench = Bench {
        daemon,
        folder: folder.clone(),
        python: websocket_clients::prepare_python(),
        node_folder: websocket_clients::prepare_node(),
    };
    // One after another: each of them can fill the machine by itself.
    let http = check::run_all(&bench, http_clients::CHECKS, 1);
    let websocket = check::run_all(&bench, websocket_clients::CHECKS, 1);
    // At once: most of them wait for a deadline of the node's.
    let bad_input = check::run_all(&bench, bad_input::CHECKS, bad_input::CHECKS.len());
    bench.daemon.stop()?;
    let http2 = http2_clients::run(&folder, bench.python)?;
    let tls = match prerequisites::stand_in_without(&["testssl"]) {
        Some(counts) => counts,
        None => tls_scan::run(&folder)?,
    };
    Ok([http, websocket, bad_input, http2, tls].into_iter().sum())
}
