//! Python's `websockets` and Node's `ws`, each installed into the build folder.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::Bench;
use super::check::{Check, Verdict};
use crate::process::output;
use crate::workspace;

/// A transfer of 1 GiB through an interpreter takes some seconds.
const RUN_LIMIT: Duration = Duration::from_secs(120);
/// An installation that takes longer has no network.
const INSTALL_LIMIT: Duration = Duration::from_secs(180);

pub(super) const CHECKS: &[Check<Bench>] = &[
    Check {
        name: "python_websockets_probes_the_main_role",
        run: |bench| python(bench, "ping", Role::Main),
    },
    Check {
        name: "python_websockets_probes_the_ping_role",
        run: |bench| python(bench, "ping", Role::Ping),
    },
    Check {
        name: "python_websockets_downloads_to_the_byte",
        run: |bench| python(bench, "download", Role::Main),
    },
    Check {
        name: "python_websockets_upload_of_1_gib_is_counted_to_the_byte",
        run: |bench| python(bench, "upload", Role::Main),
    },
    Check {
        name: "python_websockets_is_refused_compression",
        run: |bench| python(bench, "compression", Role::Main),
    },
    Check {
        name: "node_ws_probes_the_main_role",
        run: |bench| node(bench, "ping", Role::Main),
    },
    Check {
        name: "node_ws_probes_the_ping_role",
        run: |bench| node(bench, "ping", Role::Ping),
    },
    Check {
        name: "node_ws_ping_is_answered",
        run: |bench| node(bench, "control-ping", Role::Main),
    },
    Check {
        name: "node_ws_downloads_to_the_byte",
        run: |bench| node(bench, "download", Role::Main),
    },
    Check {
        name: "node_ws_upload_of_1_gib_is_counted_to_the_byte",
        run: |bench| node(bench, "upload", Role::Main),
    },
    Check {
        name: "node_ws_is_refused_compression",
        run: |bench| node(bench, "compression", Role::Main),
    },
];

#[derive(Clone, Copy)]
enum Role {
    Main,
    Ping,
}

/// A virtual environment with the pinned `websockets` and `h2`; the reason when there can't be one.
pub(super) fn prepare_python() -> Result<PathBuf, String> {
    let folder = workspace::target().join("xtask/venv");
    let python = folder.join("bin/python");
    let requirements = scripts().join("requirements.txt");
    let prepare = || -> Result<()> {
        if !python.is_file() {
            output(
                Command::new("python3").args(["-m", "venv"]).arg(&folder),
                INSTALL_LIMIT,
            )?;
        }
        output(
            Command::new(&python)
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--requirement",
                ])
                .arg(&requirements),
            INSTALL_LIMIT,
        )?;
        Ok(())
    };
    prepare()
        .map(|()| python.clone())
        .map_err(|error| format!("websockets and h2 could not be installed: {error:#}"))
}

/// A copy of the scripts' package with `ws` beside it; the reason when there can't be one.
pub(super) fn prepare_node() -> Result<PathBuf, String> {
    let prepare = || -> Result<PathBuf> {
        let folder = workspace::scratch("third-party")?;
        for file in ["package.json", "package-lock.json", "ws_check.mjs"] {
            std::fs::copy(scripts().join(file), folder.join(file))?;
        }
        output(
            Command::new("npm")
                .args(["ci", "--no-audit", "--no-fund"])
                .current_dir(&folder),
            INSTALL_LIMIT,
        )?;
        Ok(folder)
    };
    prepare().map_err(|error| format!("ws could not be installed: {error:#}"))
}

fn python(bench: &Bench, fact: &str, role: Role) -> Result<Verdict> {
    let python = match &bench.python {
        Ok(python) => python,
        Err(reason) => return Ok(Verdict::Skipped(reason.clone())),
    };
    let script = scripts().join("websockets_check.py");
    let seen = output(
        Command::new(python)
            .arg(script)
            .args([fact, &url(bench, role)]),
        RUN_LIMIT,
    )?;
    Ok(Verdict::Passed(seen.trim().to_owned()))
}

fn node(bench: &Bench, fact: &str, role: Role) -> Result<Verdict> {
    let folder = match &bench.node_folder {
        Ok(folder) => folder,
        Err(reason) => return Ok(Verdict::Skipped(reason.clone())),
    };
    let seen = output(
        Command::new("node")
            .args(["ws_check.mjs", fact, &url(bench, role)])
            .current_dir(folder),
        RUN_LIMIT,
    )?;
    Ok(Verdict::Passed(seen.trim().to_owned()))
}

fn url(bench: &Bench, role: Role) -> String {
    match role {
        Role::Main => format!("ws://{}", bench.daemon.main()),
        Role::Ping => format!("ws://{}", bench.daemon.ping()),
    }
}

pub(super) fn scripts() -> PathBuf {
    workspace::root().join("tools/third-party")
}
