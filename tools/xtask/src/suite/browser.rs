//! The page in Chromium: its own end-to-end tests, against the release daemon on ports of its own.

use anyhow::Result;

use super::count::{Counts, Runner};
use super::prerequisites;
use super::step::{counted, install_page_packages, npm};
use crate::daemon::{Daemon, Place};
use crate::workspace;

pub(crate) fn run() -> Result<Counts> {
    if let Some(counts) = prerequisites::stand_in_without(&["chromium", "node", "npm"]) {
        return Ok(counts);
    }
    super::build_product()?;
    install_page_packages()?;
    let folder = workspace::scratch("browser")?;
    let daemon = Daemon::start(Place::Loopback, &folder)?;
    let mut e2e = npm(&["run", "e2e"]);
    e2e.env("BUFFERBLOAT_URL", daemon.url())
        .env("BUFFERBLOATD", workspace::release_daemon())
        .env("E2E_OUTPUT", &folder);
    let counts = counted(&mut e2e, Runner::Vitest)?;
    daemon.stop()?;
    Ok(counts)
}
