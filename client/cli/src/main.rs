//! `bufferbloat`: the terminal client. What is measured is the library's; here it is asked for and shown.

mod cli;
mod exit;
mod ping_command;
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
        Command::Ping(arguments) => ping_command::run(&arguments, &interrupt),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "bufferbloat", &mut text);
            print(&text)
        }
        Command::Man => {
            let mut text = Vec::new();
            match manual(&mut text) {
                Ok(()) => print(&text),
                Err(error) => fail(&Fault::System(error.to_string())),
            }
        }
    };
    exit.into()
}

/// One page with every command: after the program's own, each command's options.
fn manual(text: &mut Vec<u8>) -> io::Result<()> {
    let mut command = Cli::command();
    command.build();
    clap_mangen::Man::new(command.clone()).render(text)?;
    for subcommand in command
        .get_subcommands()
        .filter(|subcommand| subcommand.get_name() != "help")
    {
        let page = clap_mangen::Man::new(subcommand.clone());
        writeln!(text, ".SH {}", subcommand.get_name().to_uppercase())?;
        page.render_synopsis_section(text)?;
        page.render_description_section(text)?;
        if subcommand.get_arguments().next().is_some() {
            page.render_options_section(text)?;
        }
    }
    Ok(())
}

/// Says what went wrong.
fn fail(fault: &Fault) -> Exit {
    anstream::eprintln!("{}: {fault}", show::style::emphasis("bufferbloat"));
    Exit::of_fault(fault)
}

/// Writes to standard output; a reader that has gone (`| head`) is no fault.
fn print(text: &[u8]) -> Exit {
    match write(text) {
        Ok(()) => Exit::Ran,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ran,
        Err(error) => fail(&Fault::System(format!("standard output: {error}"))),
    }
}

fn write(text: &[u8]) -> io::Result<()> {
    let mut stdout = anstream::stdout();
    stdout.write_all(text)?;
    stdout.flush()
}
