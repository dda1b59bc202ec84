//! The real daemon, started the way a user does, on ports that it picks itself.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Signal, kill_process};
use serde::Deserialize;

use crate::ending;
use crate::lab::TwoEnds;
use crate::lab::line::NODE_ADDRESS;
use crate::process::Group;
use crate::workspace;

/// A node is ready much sooner; a machine that is busy building may need this.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Five seconds of draining, and the rest.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Where the daemon runs.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    /// On this machine, reached by loopback.
    Loopback,
    /// At a line's far end.
    Node(&'a dyn TwoEnds),
}

/// A running daemon; killed with all its children when dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    group: Group,
    url: String,
    main_port: u16,
    ping_port: u16,
    log: PathBuf,
}

impl Daemon {
    /// Starts the release daemon and waits until it is ready; its log goes to `folder`.
    ///
    /// # Errors
    /// When it isn't built, or isn't ready in time: with the end of its log.
    pub(crate) fn start(place: Place<'_>, folder: &Path) -> Result<Self> {
        let program = workspace::release_daemon();
        ensure!(
            program.is_file(),
            "{} is not built; run `cargo build --release`",
            program.display()
        );
        let log = folder.join("daemon.log");
        let ports_file = folder.join("ports.json");
        // One left by an earlier daemon in this folder would be believed.
        let _ = std::fs::remove_file(&ports_file);
        let mut command = match place {
            Place::Loopback => Command::new(&program),
            Place::Node(line) => line.at_node(&program.to_string_lossy()),
        };
        let log_file = File::create(&log).with_context(|| log.display().to_string())?;
        command
            .args(["--port", "0", "--ping-port", "0", "--ports-file"])
            .arg(&ports_file)
            .stdin(Stdio::null())
            .stdout(log_file.try_clone()?)
            .stderr(log_file);
        let mut group = Group::spawn(&mut command)?;
        let deadline = Instant::now() + START_LIMIT;
        let (main_port, ping_port) = loop {
            if let Some(ports) = read_ports(&ports_file) {
                break ports;
            }
            if let Some(status) = group.child.try_wait()? {
                bail!("the daemon ended at its start ({status}):\n{}", tail(&log));
            }
            if Instant::now() > deadline {
                bail!(
                    "the daemon was not ready after {} s:\n{}",
                    START_LIMIT.as_secs(),
                    tail(&log)
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let host = match place {
            Place::Loopback => Ipv4Addr::LOCALHOST.to_string(),
            Place::Node(_) => NODE_ADDRESS.to_owned(),
        };
        Ok(Self {
            group,
            url: format!("http://{host}:{main_port}"),
            main_port,
            ping_port,
            log,
        })
    }

    /// `http://address:port` of the main role, without a slash at its end.
    #[must_use]
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The main role on loopback.
    #[must_use]
    pub(crate) fn main(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.main_port).into()
    }

    /// The ping role on loopback.
    #[must_use]
    pub(crate) fn ping(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ping_port).into()
    }

    /// The supervisor's process id.
    #[must_use]
    pub(crate) fn process_id(&self) -> u32 {
        self.group.child.id()
    }

    /// Asks it to stop, as a service manager does, and waits until it has.
    ///
    /// # Errors
    /// When it doesn't end in time or ends with an error.
    pub(crate) fn stop(mut self) -> Result<()> {
        let pid = ending::pid(self.group.child.id()).context("the daemon's process id")?;
        kill_process(pid, Signal::TERM).context("SIGTERM to the daemon")?;
        match self.group.wait_for(STOP_LIMIT)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => bail!("the daemon ended with {status}:\n{}", tail(&self.log)),
            None => bail!(
                "the daemon did not end in {} s after SIGTERM:\n{}",
                STOP_LIMIT.as_secs(),
                tail(&self.log)
            ),
        }
    }
}

/// The file that the daemon writes when it is ready.
#[derive(Debug, Deserialize)]
struct PortsFile {
    ports: Vec<RolePort>,
}

#[derive(Debug, Deserialize)]
struct RolePort {
    role: String,
    port: u16,
}

/// The ports of the main and the ping role; none until the daemon has written them.
fn read_ports(file: &Path) -> Option<(u16, u16)> {
    let file: PortsFile = serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()?;
    let port_of = |role: &str| {
        let found = file.ports.iter().find(|port| port.role == role);
        found.map(|found| found.port)
    };
    Some((port_of("main")?, port_of("ping")?))
}

/// The last lines of a log, indented.
fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(20);
    lines[from..]
        .iter()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
