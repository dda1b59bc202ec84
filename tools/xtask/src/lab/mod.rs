//! The link lab: a line whose rate and queue are known, between a home and a node, out of network namespaces.
//!
//! Two kinds of line: `linklab`'s, whose queue and true delay are known, and one out of the kernel's bridge and TBF, with
//! which the former is compared. Needs root; owns no statistics beyond what it checks itself with.

pub(crate) mod client;
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
    suite::build_product()?;
    let line = Line::create(arguments.shape())?;
    let daemon = Daemon::start(Place::Node(&line), &workspace::scratch("line")?)?;
    let code = run_at_home(&line, &daemon, command)?;
    daemon.stop()?;
    Ok(code)
}

/// Runs a command at the home end, with the node's address in its environment; the exit code is the command's.
fn run_at_home(line: &dyn TwoEnds, daemon: &Daemon, command: &[String]) -> Result<ExitCode> {
    let (program, words) = command.split_first().context("no command was given")?;
    let status = line
        .at_home(program)
        .args(words)
        .env("BUFFERBLOAT_URL", daemon.url())
        .status()
        .with_context(|| format!("{program} could not be run"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

/// What `lab run` is told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    line: linklab::LineArguments,
    #[command(flatten)]
    record: linklab::RecordArguments,
    /// The command to run at the home end; BUFFERBLOAT_URL holds the node's address
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Runs a node at the far end of an emulated line and a command at its home end; the exit code is the command's.
///
/// # Errors
/// When the line can't be made, the node doesn't start, or the command can't be run.
pub(crate) fn run_on_linklab(arguments: &RunArguments) -> Result<ExitCode> {
    suite::build_product()?;
    let mut line = linklab::Line::create(&arguments.line.spec()?)?;
    arguments.record.begin(&mut line)?;
    let folder = workspace::scratch(&format!("lab-{}", std::process::id()))?;
    let daemon = Daemon::start(Place::Node(&line), &folder)?;
    let code = run_at_home(&line, &daemon, &arguments.command)?;
    arguments.record.summarize(&line)?;
    daemon.stop()?;
    line.finish()?;
    Ok(code)
}
