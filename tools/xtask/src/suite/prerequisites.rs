//! The programs that the tests need: found, installed where that is possible, or named with how to get them.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::count::Counts;
use crate::process::{is_installed, output, show};

/// A program and where it comes from.
struct Program {
    name: &'static str,
    /// Debian's package; `None` where Debian's may be too old.
    package: Option<&'static str>,
    /// What to do where the package can't be installed.
    advice: &'static str,
}

const PROGRAMS: &[Program] = &[
    Program {
        name: "node",
        package: None,
        advice: "install Node.js 20.19 or newer with npm from your distribution or from nodejs.org",
    },
    Program {
        name: "npm",
        package: None,
        advice: "install Node.js 20.19 or newer with npm from your distribution or from nodejs.org",
    },
    debian("chromium", "chromium"),
    debian("ip", "iproute2"),
    debian("tc", "iproute2"),
    debian("ethtool", "ethtool"),
    debian("ping", "iputils-ping"),
    debian("iperf3", "iperf3"),
    debian("curl", "curl"),
    debian("wrk", "wrk"),
    debian("nghttp", "nghttp2-client"),
    debian("h2load", "nghttp2-client"),
    debian("openssl", "openssl"),
    debian("testssl", "testssl.sh"),
    debian("pebble", "pebble"),
    debian("pebble-challtestsrv", "pebble"),
    debian("python3", "python3"),
    debian("ps", "procps"),
    debian("taskset", "util-linux"),
    debian("g++", "g++"),
];

/// Packages without a program of their own to look for: the module that Python must be able to import, the package.
const PYTHON_MODULES: &[(&str, &str)] = &[("ensurepip", "python3-venv")];

/// The oldest Node.js that the page's tools run on: major, minor.
const NODE_VERSION_MIN: (u32, u32) = (20, 19);

/// An installation that takes longer has no network.
const INSTALL_LIMIT: Duration = Duration::from_secs(10 * 60);

const fn debian(name: &'static str, package: &'static str) -> Program {
    Program {
        name,
        package: Some(package),
        advice: "",
    }
}

pub(crate) fn run() -> Result<Counts> {
    let packages = missing_packages();
    if !packages.is_empty() && can_install() {
        install(&packages)?;
    }
    let mut counts = Counts::default();
    for program in PROGRAMS {
        if is_installed(program.name) {
            counts.passed += 1;
            continue;
        }
        match program.package {
            Some(package) => println!(
                "{} is missing: `apt-get install {package}` on Debian and Ubuntu brings it.",
                program.name
            ),
            None => println!("{} is missing: {}.", program.name, program.advice),
        }
        counts = [counts, missing()].into_iter().sum();
    }
    if let Some(version) = old_node() {
        println!("Node.js {version} is too old: {}.", PROGRAMS[0].advice);
        counts = [counts, missing()].into_iter().sum();
    }
    for (module, package) in PYTHON_MODULES {
        if can_import(module) {
            counts.passed += 1;
        } else {
            println!(
                "Python has no {module}: `apt-get install {package}` on Debian and Ubuntu brings it."
            );
            counts = [counts, missing()].into_iter().sum();
        }
    }
    Ok(counts)
}

/// What a step counts as when one of these programs is missing; `None` when all are there.
#[must_use]
pub(crate) fn stand_in_without(programs: &[&str]) -> Option<Counts> {
    let absent: Vec<&str> = programs
        .iter()
        .copied()
        .filter(|program| !is_installed(program))
        .collect();
    (!absent.is_empty()).then(|| {
        println!(
            "not run: {} missing (see the prerequisites)",
            absent.join(", ")
        );
        missing()
    })
}

/// In CI a missing program is a failure, or a green run could have tested little; elsewhere a person decides.
#[must_use]
pub(crate) fn missing() -> Counts {
    if std::env::var_os("CI").is_some() {
        Counts::failure()
    } else {
        Counts::skip()
    }
}

/// The version of a Node.js that is too old; none when it's new enough or not there.
fn old_node() -> Option<String> {
    let printed = output(
        Command::new("node").arg("--version"),
        Duration::from_secs(20),
    )
    .ok()?;
    let version = printed.trim().trim_start_matches('v');
    let mut numbers = version.split('.').map_while(|number| number.parse().ok());
    let is_old = (numbers.next()?, numbers.next()?) < NODE_VERSION_MIN;
    is_old.then(|| version.to_owned())
}

fn missing_packages() -> Vec<&'static str> {
    let mut packages: Vec<&str> = PROGRAMS
        .iter()
        .filter(|program| !is_installed(program.name))
        .filter_map(|program| program.package)
        .chain(
            PYTHON_MODULES
                .iter()
                .filter(|(module, _)| !can_import(module))
                .map(|(_, package)| *package),
        )
        .collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn can_import(module: &str) -> bool {
    output(
        Command::new("python3").args(["-c", &format!("import {module}")]),
        Duration::from_secs(20),
    )
    .is_ok()
}

fn can_install() -> bool {
    rustix::process::geteuid().is_root() && is_installed("apt-get")
}

fn install(packages: &[&str]) -> Result<()> {
    println!("Installing {}.", packages.join(", "));
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .args(["--quiet", "--yes"])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive");
        show(&mut command, INSTALL_LIMIT)
    };
    // Old lists may do; what then can't be installed is named below.
    apt(&["update"])?;
    apt(&[&["install", "--no-install-recommends"], packages].concat())?;
    Ok(())
}
