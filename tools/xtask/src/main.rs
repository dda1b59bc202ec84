//! The project's chores: `cargo xtask test` and its parts, and the link lab.
//!
//! Treats the product as black boxes: programs that are built, started and looked at from outside.

mod accuracy;
mod daemon;
mod deb;
mod ending;
mod isolation;
mod lab;
mod process;
mod suite;
mod third_party;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::accuracy::AccuracyArguments;
use crate::lab::LineArguments;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's chores", version)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run every test there is; exit 1 when anything failed
    Test {
        /// Run only these steps (may be repeated)
        #[arg(long, value_name = "STEP")]
        only: Vec<String>,
        /// Print the steps and what each one is, and run nothing
        #[arg(long)]
        list: bool,
    },
    /// Check the style rules that a compiler doesn't
    Tidy,
    /// Check the licence of every Rust and npm dependency
    Licences,
    /// Build the Debian package from the release daemon; prints where it is
    Deb,
    /// Run a node and a command at the two ends of an emulated line (root only)
    Line {
        #[command(flatten)]
        line: LineArguments,
        /// The command to run at the home end; BUFFERBLOAT_URL holds the node's address
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// What ICMP ping sees on an emulated line under four cubic iperf3 flows, as JSON (root only)
    Truth {
        #[command(flatten)]
        line: LineArguments,
    },
    /// Hold the page's and the client's figures against the truth on a matrix of lines, and write bench/ACCURACY.md (root only)
    Accuracy(AccuracyArguments),
    /// Probe round trips on the ping role, quiet and while eight downloads load the main role, as JSON
    Isolation,
}

fn main() -> ExitCode {
    match run(Arguments::parse().chore) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> Result<ExitCode> {
    ending::end_everything_on_signals()?;
    match chore {
        Chore::Test { only, list } => suite::run(&only, list),
        Chore::Tidy => Ok(suite::tidy::print()),
        Chore::Licences => suite::licences::print(),
        Chore::Deb => deb::print(),
        Chore::Line { line, command } => lab::run_command(line, &command),
        Chore::Accuracy(arguments) => accuracy::run(&arguments),
        Chore::Isolation => {
            let comparisons = isolation::measure()?;
            println!("{}", serde_json::to_string_pretty(&comparisons)?);
            Ok(ExitCode::SUCCESS)
        }
        Chore::Truth { line } => {
            let truth = lab::truth::measure(line.shape())?;
            println!("{}", serde_json::to_string_pretty(&truth)?);
            Ok(ExitCode::SUCCESS)
        }
    }
}
