//! The command line: every flag, its default and its help. `bufferbloat man` and `bufferbloat completions` are made of it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use client::address::{Family, NodeUrl};
use client::api::Reach;
use protocol::message::household::DemandMode;
use protocol::message::report::Grade;

/// Shown below the help, and in the manual.
const EXIT_CODES: &str = "\
Exit codes:
    0  the test ran
    1  this machine or the output was at fault
    2  the command line was wrong
    3  the grade is worse than --min-grade
    4  no node answers there
    5  the node refuses: it, or this address, runs as many tests as it may
    6  with --strict: the result's confidence is reduced
    7  the node was lost in the middle, or gave no report: the result is a part of one
  130  interrupted; what was measured until then was printed, marked as partial";

/// Measures what load does to the latency of your line.
#[derive(Debug, Parser)]
#[command(name = "bufferbloat", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a test of the page: the line (idle, download, upload, both at once; 40 seconds) or a household on it.
    #[command(after_help = EXIT_CODES)]
    Test(TestArguments),
    /// Probe the node without load, as ping(8) does.
    Ping(PingArguments),
    /// Print the shell's completions for this program.
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Print the manual page, to be read with `man -l -`.
    Man,
}

/// Which node, and how to reach it.
#[derive(Args, Clone, Debug)]
pub(crate) struct NodeArguments {
    /// The node, as http://HOST[:PORT] or https://HOST[:PORT].
    #[arg(value_parser = NodeUrl::parse)]
    url: NodeUrl,
    /// Use IPv4 alone.
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,
    /// Use IPv6 alone.
    #[arg(short = '6', long)]
    ipv6: bool,
    /// Connect from this address of the machine.
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<IpAddr>,
    /// Take any certificate of an https node, even one that proves nothing.
    #[arg(long)]
    insecure: bool,
}

impl NodeArguments {
    pub(crate) fn reach(&self) -> Reach {
        Reach {
            url: self.url.clone(),
            family: match (self.ipv4, self.ipv6) {
                (true, _) => Family::V4,
                (false, true) => Family::V6,
                (false, false) => Family::Any,
            },
            local: self.bind,
            is_insecure: self.insecure,
        }
    }
}

/// `bufferbloat test`.
#[derive(Args, Clone, Debug)]
pub(crate) struct TestArguments {
    #[command(flatten)]
    pub(crate) node: NodeArguments,
    /// Put a virtual household on the line instead, everybody at once, and say what each of them goes through. Takes 45 seconds.
    #[arg(long)]
    pub(crate) household: bool,
    /// With --household: whether transfers ask for more until the line is full, or for what the catalogue says [default: adaptive]
    #[arg(long, value_name = "MODE", value_enum, requires = "household")]
    demand: Option<DemandArgument>,
    /// Print the report as JSON, as the node gives it to the page.
    #[arg(long, conflicts_with = "csv")]
    pub(crate) json: bool,
    /// Print one line of comma-separated values for each test, below a line with their names.
    #[arg(long)]
    pub(crate) csv: bool,
    /// Write a picture of the run to this file. With --repeat, each test's replaces the last.
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// How long the test lasts, seconds, instead of the node's own time. Every phase keeps its share; short ones say little.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(4..=240))]
    duration: Option<u64>,
    /// Exit with 3 when the grade is worse than this one.
    #[arg(long, value_name = "GRADE", value_enum, ignore_case = true)]
    pub(crate) min_grade: Option<GradeArgument>,
    /// Exit with 6 when the result's confidence is reduced, whatever its grade.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Run so many tests one after the other; 0 runs them until Ctrl-C. The exit code is that of the last that was not 0.
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub(crate) repeat: u32,
    /// From the start of one test to that of the next, seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) interval: u64,
    /// TCP congestion control of all that is sent; `default` leaves the machine's own. One that avoids filling queues hides what
    /// most senders would do.
    #[arg(long, value_name = "NAME", default_value = "cubic")]
    congestion_control: String,
    /// Show no progress.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

impl TestArguments {
    pub(crate) fn congestion_control(&self) -> Option<String> {
        (self.congestion_control != "default").then(|| self.congestion_control.clone())
    }

    /// Of the household's transfers.
    pub(crate) fn demand(&self) -> DemandMode {
        match self.demand {
            None | Some(DemandArgument::Adaptive) => DemandMode::Adaptive,
            Some(DemandArgument::Standard) => DemandMode::Standard,
        }
    }

    /// `None` is the node's own timeline.
    pub(crate) fn duration(&self) -> Option<Duration> {
        self.duration.map(Duration::from_secs)
    }
}

/// `bufferbloat ping`.
#[derive(Args, Clone, Debug)]
pub(crate) struct PingArguments {
    #[command(flatten)]
    pub(crate) node: NodeArguments,
    /// Stop after so many probes.
    #[arg(short, long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub(crate) count: Option<u32>,
    /// From one probe to the next, seconds.
    #[arg(short, long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    interval: Duration,
    /// Print the summary alone.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

impl PingArguments {
    pub(crate) const fn interval(&self) -> Duration {
        self.interval
    }
}

/// Seconds and parts of them, from a hundredth to a minute.
fn interval(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.01..=60.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("not between 0.01 and 60 seconds".to_owned()),
    }
}

/// Where the household's demand comes from.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum DemandArgument {
    /// Transfers ask for more until the line is full
    Adaptive,
    /// Everybody asks for what the catalogue says
    Standard,
}

/// A grade on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum GradeArgument {
    #[value(name = "A+")]
    APlus,
    #[value(name = "A")]
    A,
    #[value(name = "B")]
    B,
    #[value(name = "C")]
    C,
    #[value(name = "D")]
    D,
    #[value(name = "F")]
    F,
}

impl From<GradeArgument> for Grade {
    fn from(argument: GradeArgument) -> Self {
        match argument {
            GradeArgument::APlus => Self::APlus,
            GradeArgument::A => Self::A,
            GradeArgument::B => Self::B,
            GradeArgument::C => Self::C,
            GradeArgument::D => Self::D,
            GradeArgument::F => Self::F,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
