//! The link lab: a line whose rate and queue are known, between a home and a node, out of network namespaces.
//!
//! Needs root and the kernel's veth, bridge and TBF; owns no statistics beyond what it checks itself with.

pub(crate) mod line;
pub(crate) mod page;
pub(crate) mod ping;
pub(crate) mod truth;

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::daemon::{Daemon, Place};
use crate::{suite, workspace};
use line::{Line, LineShape};

/// Whatever has a home at one end and a node at the other.
pub(crate) trait TwoEnds {
    /// A command at the home end.
    fn at_home(&self, program: &str) -> Command;
    /// A command at the node's end.
    fn at_node(&self, program: &str) -> Command;
}

impl TwoEnds for Line {
    fn at_home(&self, program: &str) -> Command {
        Self::at_home(self, program)
    }

    fn at_node(&self, program: &str) -> Command {
        Self::at_node(self, program)
    }
}

impl TwoEnds for linklab::Line {
    fn at_home(&self, program: &str) -> Command {
        Self::at_home(self, program)
    }

    fn at_node(&self, program: &str) -> Command {
        Self::at_node(self, program)
    }
}

/// The line's properties on the command line.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct LineArguments {
    /// Rate from the node to the home, in Mbit/s
    #[arg(long, value_name = "MBPS", default_value_t = 50)]
    down: u32,
    /// Rate from the home to the node, in Mbit/s
    #[arg(long, value_name = "MBPS", default_value_t = 10)]
    up: u32,
    /// Depth of the drop-tail queue in each direction, in milliseconds at that direction's rate
    #[arg(long, value_name = "MS", default_value_t = 200)]
    queue_ms: u32,
}

impl LineArguments {
    /// The line that these arguments describe.
    #[must_use]
    pub(crate) fn shape(self) -> LineShape {
        LineShape {
            down_mbps: self.down,
            up_mbps: self.up,
            queue_ms: self.queue_ms,
        }
    }
}

/// Runs a node at the line's far end and `command` at its home end; the exit code is the command's.
///
/// # Errors
/// When the line can't be made, the node doesn't start, or the command can't be run.
pub(crate) fn run_command(arguments: LineArguments, command: &[String]) -> Result<ExitCode> {
    suite::build_daemon()?;
    let line = Line::create(arguments.shape())?;
    let daemon = Daemon::start(Place::Node(&line), &workspace::scratch("line")?)?;
    let (program, words) = command.split_first().context("no command was given")?;
    let status = line
        .at_home(program)
        .args(words)
        .env("BUFFERBLOAT_URL", daemon.url())
        .status()
        .with_context(|| format!("{program} could not be run"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    daemon.stop()?;
    Ok(ExitCode::from(code.unwrap_or(1)))
}

/// Why the lab can't be used here; `None` when it can.
#[must_use]
pub(crate) fn obstacle() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("network namespaces need root; run it with sudo".into());
    }
    let name = format!("bbl-{}-try", std::process::id());
    let tried = crate::process::quiet(Command::new("ip").args(["netns", "add", &name]));
    crate::ending::remove_namespace(&name);
    tried
        .err()
        .map(|error| format!("this machine refuses network namespaces: {error:#}"))
}
