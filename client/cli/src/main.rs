//! `bufferbloat`: the terminal client. What is measured is the library's; here it is asked for and shown.

mod cli;
mod exit;
mod show;
mod test;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use client::fault::Fault;
use client::interrupt::Interrupt;

use cli::{Cli, Command};
use exit::Exit;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let interrupt = match Interrupt::listen() {
        Ok(interrupt) => interrupt,
        Err(error) => {
            return fail(&Fault::System(format!("Ctrl-C can't be heard: {error}"))).into();
        }
    };
    let exit = match cli.command {
        Command::Test(arguments) => test::run(&arguments, &interrupt),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "bufferbloat", &mut text);
            print(&text)
        }
        Command::Man => {
            let mut text = Vec::new();
            match clap_mangen::Man::new(Cli::command()).render(&mut text) {
                Ok(()) => print(&text),
                Err(error) => fail(&Fault::System(error.to_string())),
            }
        }
    };
    exit.into()
}

/// Says what went wrong.
fn fail(fault: &Fault) -> Exit {
    anstream::eprintln!("{}: {fault}", show::style::emphasis("bufferbloat"));
    Exit::of_fault(fault)
}

/// Writes to standard output; a reader that has gone (`| head`) is no fault.
fn print(text: &[u8]) -> Exit {
    let mut stdout = anstream::stdout();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Ok(()) => Exit::Ran,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ran,
        Err(error) => fail(&Fault::System(format!("standard output: {error}"))),
    }
}
