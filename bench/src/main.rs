//! Plays households against a node, and the node against its peers.

mod analysis;
mod compare;
mod faults;
mod hot_paths;
mod households;
mod http;
mod instructions;
mod load;
mod node;
mod process_tree;
mod raw_socket;
mod report;
mod run;

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use serde::Serialize;

use node::Node;
use run::Load;

#[derive(Debug, Parser)]
#[command(about = "Plays households against a node, and the node against its peers.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every user of every household at once, for a while.
    Households(HouseholdsArguments),
    /// The node and its peers (nginx, iperf3) side by side: throughput, cost, latency, memory.
    Compare(compare::Arguments),
    /// Instructions of a round of each hot path, counted by valgrind's callgrind.
    Instructions {
        /// Only do this one, so that somebody else can count.
        #[arg(long, requires = "rounds")]
        one: Option<String>,
        /// So many times.
        #[arg(long, requires = "one")]
        rounds: Option<u64>,
    },
}

#[derive(Debug, Args)]
struct HouseholdsArguments {
    /// How many households.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    count: u16,
    /// How long each user's traffic lasts, seconds; whole periods of the patterns (5 s) compare best. Above 290 the node
    /// must be told to allow it: `-- --session-max-s 400`.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    duration: u64,
    /// Households start evenly spread over this time, milliseconds; 0 starts all at once, so that their bursts coincide.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(0..=60_000))]
    spread_ms: u64,
    /// Loops that play the users.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    loops: u16,
    /// Kill and stop each role's processes in turn and let clients misbehave meanwhile; takes as long as that takes.
    #[arg(long, conflicts_with = "duration")]
    faults: bool,
    /// A node that runs already, http://HOST:PORT of its main role.
    #[arg(long)]
    url: Option<String>,
    /// The node to start when there is no --url.
    #[arg(long, default_value = "target/release/bufferbloatd")]
    node: PathBuf,
    /// Write the report to this file too, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Further arguments for the node that is started.
    #[arg(last = true)]
    node_arguments: Vec<String>,
}

impl HouseholdsArguments {
    fn find_node(&self) -> Result<Node> {
        match &self.url {
            Some(url) => Node::find(url),
            None => Node::start(&self.node, &self.node_arguments),
        }
    }

    fn load(&self) -> Load {
        Load {
            households: usize::from(self.count),
            duration: Duration::from_secs(self.duration),
            spread: Duration::from_millis(self.spread_ms),
            loops: usize::from(self.loops),
            reconnects: false,
        }
    }

    fn tell(&self, report: &(impl Display + Serialize)) -> Result<()> {
        print!("{report}");
        if let Some(path) = &self.json {
            let text = serde_json::to_vec_pretty(report)?;
            std::fs::write(path, text).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }
}

fn main() -> Result<()> {
    let command = Cli::parse().command;
    // Hundreds of connections; where it can't be raised, connections that fail say so.
    let _ = engine::runtime::sys::process::raise_descriptor_limit();
    match command {
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Instructions { one, rounds } => match (one, rounds) {
            (Some(name), Some(rounds)) => instructions::run_one(&name, rounds),
            (None, _) | (_, None) => instructions::print(),
        },
        Command::Households(arguments) => {
            let node = arguments.find_node()?;
            if arguments.faults {
                arguments.tell(&faults::run(&node, arguments.load())?)
            } else {
                arguments.tell(&households::run(&node, arguments.load())?)
            }
        }
    }
}
