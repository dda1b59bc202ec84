//! `linklab`: runs programs at the two ends of an emulated access line.

use std::os::unix::process::CommandExt;
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use linklab::ending::{Ending, end_everything_on_signals};
use linklab::{Line, LineArguments, RecordArguments, check};

#[derive(Parser)]
#[command(
    name = "linklab",
    version,
    about = "An access line between two network namespaces, whose rates, queues and delays are known"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a command at the home end of a line; the exit code is the command's
    Run {
        #[command(flatten)]
        line: LineArguments,
        /// A shell command to run at the far end meanwhile
        #[arg(long, value_name = "COMMAND")]
        far: Option<String>,
        #[command(flatten)]
        record: RecordArguments,
        /// The command; LINKLAB_FAR and LINKLAB_FAR_V6 hold the far end's addresses
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Measure the emulator itself and print what was asked and what came; exit 1 when they are too far apart
    Check {
        /// Try this rate, in Mbit/s (may be repeated); 10, 100, 300 and 500 when absent
        #[arg(long, value_name = "MBPS")]
        rate: Vec<f64>,
    },
    /// Print a line as TOML, to begin a file of one's own with
    Show {
        #[command(flatten)]
        line: LineArguments,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Run {
            line,
            far,
            record,
            command,
        } => {
            end_everything_on_signals()?;
            run_command(line, far.as_deref(), record, command)
        }
        Command::Check { rate } => {
            end_everything_on_signals()?;
            let rates = if rate.is_empty() {
                check::RATES_MBPS
            } else {
                rate
            };
            Ok(print_figures(&check::run(rates)?))
        }
        Command::Show { line } => {
            print!("{}", toml::to_string(&line.spec()?)?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn run_command(
    arguments: &LineArguments,
    far: Option<&str>,
    record: &RecordArguments,
    command: &[String],
) -> Result<ExitCode> {
    let mut line = Line::create(&arguments.spec()?)?;
    if !line.is_realtime() {
        eprintln!("The system refused SCHED_FIFO: other programs can make packets late.");
    }
    record.begin(&mut line)?;
    let _far = far
        .map(|words| {
            let mut far = line.at_node("sh");
            far.args(["-c", words])
                .stdin(Stdio::null())
                .process_group(0);
            let child = far.spawn().context("the far end's command")?;
            anyhow::Ok(Ending::ProcessGroup(child.id()).register())
        })
        .transpose()?;
    let (program, words) = command.split_first().context("no command was given")?;
    let status = line
        .at_home(program)
        .args(words)
        .env("LINKLAB_FAR", linklab::NODE_ADDRESS)
        .env("LINKLAB_FAR_V6", linklab::NODE_ADDRESS_V6)
        .status()
        .with_context(|| format!("{program} could not be run"))?;
    record.summarize(&line)?;
    line.finish()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

fn print_figures(figures: &[check::Figure]) -> ExitCode {
    println!(
        "{:<62} {:>10} {:>10}  {:>8}",
        "what", "asked", "got", "allowed"
    );
    for figure in figures {
        println!(
            "{:<62} {:>10.3} {:>10.3} ±{:>8.3} {:<6} {}",
            figure.name,
            figure.asked,
            figure.got,
            figure.allowed,
            figure.unit,
            if figure.holds() { "ok" } else { "TOO FAR" }
        );
    }
    if figures.iter().all(check::Figure::holds) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
