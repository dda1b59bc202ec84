//! Other people's programs, and bad input, against the real daemon on loopback.

use anyhow::Result;

use super::count::Counts;
use super::prerequisites;
use crate::daemon::{Daemon, Place};
use crate::{third_party, workspace};

pub(crate) fn run() -> Result<Counts> {
    if let Some(counts) = prerequisites::stand_in_without(&[
        "curl", "wrk", "nghttp", "h2load", "openssl", "python3", "node", "npm",
    ]) {
        return Ok(counts);
    }
    super::build_product()?;
    let folder = workspace::scratch("programs")?;
    let daemon = Daemon::start(Place::Loopback, &folder)?;
    third_party::run(daemon, folder)
}
