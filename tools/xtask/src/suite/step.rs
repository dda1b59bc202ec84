//! The steps of `cargo xtask test`, in order: cheap ones first, so that a mistake shows early.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::count::{Counts, Runner};
use super::{
    advisories, browser, fuzz, licences, linklab, metrics, netns, packaging, prerequisites,
    programs, tidy,
};
use crate::process::{show, words};
use crate::workspace;

/// One step.
#[derive(Debug)]
pub(crate) struct Step {
    /// What `--only` calls it.
    pub(crate) name: &'static str,
    /// What it does, in a few words.
    pub(crate) purpose: &'static str,
    /// Runs it; an error is one failure.
    pub(crate) run: fn() -> Result<Counts>,
}

/// All of them.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "prerequisites",
        purpose: "find the programs that the tests need, install what can be installed",
        run: prerequisites::run,
    },
    Step {
        name: "format",
        purpose: "rustfmt leaves every crate as it is",
        run: format,
    },
    Step {
        name: "tidy",
        purpose: "style rules that a compiler doesn't check",
        run: tidy::run,
    },
    Step {
        name: "clippy",
        purpose: "no warning in the whole workspace, tests included",
        run: clippy,
    },
    Step {
        name: "rust",
        purpose: "unit, property, simulation and end-to-end tests of every crate",
        run: rust_tests,
    },
    Step {
        name: "page",
        purpose: "types, lint and unit tests of the page",
        run: page,
    },
    Step {
        name: "licences",
        purpose: "every dependency's licence is on the list",
        run: licences::run,
    },
    Step {
        name: "advisories",
        purpose: "no dependency has a known vulnerability",
        run: advisories::run,
    },
    Step {
        name: "daemon",
        purpose: "build the daemon and the terminal client as users get them",
        run: release_build,
    },
    Step {
        name: "packaging",
        purpose: "the Debian package, the systemd unit and the installation scripts",
        run: packaging::run,
    },
    Step {
        name: "programs",
        purpose: "curl, wrk, testssl, Python's websockets, Node's ws and bad input against the real daemon",
        run: programs::run,
    },
    Step {
        name: "metrics",
        purpose: "Prometheus' own tool against the metrics and the alert rules",
        run: metrics::run,
    },
    Step {
        name: "browser",
        purpose: "the page in Chromium against the real daemon",
        run: browser::run,
    },
    Step {
        name: "linklab",
        purpose: "the link emulator: asked and got, against the kernel's TBF, and what it leaves behind",
        run: linklab::run,
    },
    Step {
        name: "netns",
        purpose: "the page through an emulated line, against what ping sees on it",
        run: netns::run,
    },
    Step {
        name: "fuzz",
        purpose: "every fuzz target for 20 s",
        run: fuzz::run,
    },
];

/// Long enough to build everything from nothing on two cores that are shared.
pub(crate) const BUILD_LIMIT: Duration = Duration::from_secs(20 * 60);

fn format() -> Result<Counts> {
    let workspace = one(&mut cargo(&["fmt", "--all", "--check"]))?;
    let fuzz = one(cargo(&["fmt", "--all", "--check"]).current_dir(fuzz::folder()))?;
    Ok([workspace, fuzz].into_iter().sum())
}

fn clippy() -> Result<Counts> {
    one(&mut cargo(&[
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}

/// Tests of one program at a time: those of the node and the client wait most of their time, for a node's start or a phase's
/// end, so a test for each processor leaves the processors idle.
const TESTS_AT_ONCE: &str = "4";

fn rust_tests() -> Result<Counts> {
    counted(
        cargo(&["test", "--locked", "--workspace", "--no-fail-fast"])
            .env("RUST_TEST_THREADS", TESTS_AT_ONCE),
        Runner::Cargo,
    )
}

fn page() -> Result<Counts> {
    let install = one(&mut npm(&["ci", "--no-audit", "--no-fund"]))?;
    if install.failed > 0 {
        return Ok(install);
    }
    let types = one(&mut npm(&["run", "check"]))?;
    let lint = one(&mut npm(&["run", "lint"]))?;
    let tests = counted(&mut npm(&["test"]), Runner::Vitest)?;
    Ok([install, types, lint, tests].into_iter().sum())
}

fn release_build() -> Result<Counts> {
    one(&mut release_build_command())
}

/// Builds the daemon and the terminal client as users get them.
#[must_use]
pub(crate) fn release_build_command() -> Command {
    cargo(&[
        "build",
        "--locked",
        "--release",
        "--package",
        "engine",
        "--package",
        "bufferbloat",
    ])
}

/// A command that counts as one test.
///
/// # Errors
/// When it can't be started.
pub(crate) fn one(command: &mut Command) -> Result<Counts> {
    println!("$ {}", words(command));
    let finished = show(command, BUILD_LIMIT)?;
    if !finished.succeeded {
        println!("`{}`: {}", words(command), finished.how);
    }
    Ok(Counts::of(finished.succeeded))
}

/// A command that counts its own tests.
///
/// # Errors
/// When it can't be started.
pub(crate) fn counted(command: &mut Command, runner: Runner) -> Result<Counts> {
    println!("$ {}", words(command));
    let finished = show(command, BUILD_LIMIT)?;
    if !finished.succeeded {
        println!("`{}`: {}", words(command), finished.how);
    }
    Ok(runner.counts(&finished.output, finished.succeeded))
}

/// cargo in the workspace's root.
#[must_use]
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(workspace::root());
    // What `cargo run` tells this program about itself is not for the cargo that it starts.
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("CARGO_PKG_") || name_text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Sees to it that the page's packages are installed, for a step that runs without the page's own.
///
/// # Errors
/// When npm can't install them.
pub(crate) fn install_page_packages() -> Result<()> {
    if !page_folder().join("node_modules").is_dir() {
        anyhow::ensure!(
            one(&mut npm(&["ci", "--no-audit", "--no-fund"]))?.failed == 0,
            "the page's packages could not be installed"
        );
    }
    Ok(())
}

/// npm in the page's folder.
#[must_use]
pub(crate) fn npm(arguments: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(page_folder());
    command
}

/// Where the page's sources are.
#[must_use]
pub(crate) fn page_folder() -> std::path::PathBuf {
    workspace::root().join(Path::new("client/web"))
}
