//! The node under test, a black box: started here on ports of its own choice, or one that runs already.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use engine::runtime::sys::process::send_signal;
use protocol::message::node_status::{NodeStats, ProcessHealth, ProcessHealthReport};
use protocol::message::profile::HouseholdCatalogue;
use serde::Deserialize;

use crate::http;
use crate::process_tree;

const START_LIMIT: Duration = Duration::from_secs(20);
/// The node drains for five seconds.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Nodes that this bench has started.
static STARTED: AtomicUsize = AtomicUsize::new(0);

/// A node.
#[derive(Debug)]
pub(crate) struct Node {
    /// Its main port.
    pub(crate) main: SocketAddr,
    /// Its port for probes.
    pub(crate) ping: SocketAddr,
    /// Its topmost process, when it runs on this machine.
    pub(crate) pid: Option<u32>,
    /// Stops with it; `None` when it is not ours to stop.
    _started: Option<Started>,
}

#[derive(Debug)]
struct Started {
    child: Child,
    folder: PathBuf,
}

/// What of the ports file the bench needs.
#[derive(Debug, Deserialize)]
struct Ports {
    ports: Vec<RolePort>,
}

#[derive(Debug, Deserialize)]
struct RolePort {
    role: String,
    port: u16,
}

impl Ports {
    fn of(&self, role: &str) -> Result<u16> {
        let found = self.ports.iter().find(|port| port.role == role);
        found
            .map(|port| port.port)
            .with_context(|| format!("the ports file names no port of {role}"))
    }
}

impl Node {
    /// Starts `program` with these further arguments and waits until it is ready.
    ///
    /// # Errors
    /// When it does not start, or says nothing of its ports in time: its log is named.
    pub(crate) fn start(program: &Path, arguments: &[String]) -> Result<Self> {
        ensure!(
            program.is_file(),
            "{} is not there; run `cargo build --release -p engine`",
            program.display()
        );
        // One bench may have several.
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("bufferbloat-bench-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder)?;
        let ports_file = folder.join("ports.json");
        // One left by an earlier bench of the same number would be believed.
        let _ = std::fs::remove_file(&ports_file);
        let log = File::create(folder.join("node.log"))?;
        let child = Command::new(program)
            .args([
                "--port",
                "0",
                "--ping-port",
                "0",
                "--profile-ports",
                "0",
                "--ports-file",
            ])
            .arg(&ports_file)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| program.display().to_string())?;
        let pid = child.id();
        let mut started = Started { child, folder };
        let ports = started.wait_until_ready(&ports_file)?;
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Self {
            main: local(ports.of("main")?),
            ping: local(ports.of("ping")?),
            pid: Some(pid),
            _started: Some(started),
        })
    }

    /// Finds a node that runs, at `host:port` of its main role, with or without `http://` before it.
    ///
    /// # Errors
    /// When no node answers there.
    pub(crate) fn find(url: &str) -> Result<Self> {
        let authority = url.trim_start_matches("http://").trim_end_matches('/');
        let main = authority
            .to_socket_addrs()
            .with_context(|| format!("{url} is no http://HOST:PORT"))?
            .next()
            .with_context(|| format!("{authority} has no address"))?;
        let mut node = Self {
            main,
            ping: main,
            pid: None,
            _started: None,
        };
        let processes = node.process_health()?.processes;
        let ping = processes.iter().find(|process| process.role == "ping");
        if let Some(port) = ping.map(|process| process.port) {
            node.ping.set_port(port);
        }
        // On another machine the numbers name other processes, or none; only loopback is surely this one.
        if main.ip().is_loopback() {
            let main = processes.iter().find(|process| process.role == "main");
            let pid = main.and_then(|process| process.pid);
            node.pid = if process_tree_is_flat(&processes) {
                pid
            } else {
                pid.and_then(process_tree::parent)
            };
        }
        Ok(node)
    }

    /// The users and their flows.
    pub(crate) fn catalogue(&self) -> Result<HouseholdCatalogue> {
        http::json(self.main, "/virtual-household/profiles")
    }

    /// What the node counts.
    pub(crate) fn stats(&self) -> Result<NodeStats> {
        http::json(self.main, "/virtual-household/stats")
    }

    /// How its processes fare.
    pub(crate) fn process_health(&self) -> Result<ProcessHealthReport> {
        http::json(self.main, "/virtual-household/process-health")
    }
}

/// A node of one process has the same one in every row, and no supervisor above it.
fn process_tree_is_flat(processes: &[ProcessHealth]) -> bool {
    processes.len() > 1 && processes.iter().all(|row| row.pid == processes[0].pid)
}

impl Started {
    fn wait_until_ready(&mut self, ports_file: &Path) -> Result<Ports> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Ok(text) = std::fs::read(ports_file)
                && let Ok(ports) = serde_json::from_slice(&text)
            {
                return Ok(ports);
            }
            let log = self.folder.join("node.log");
            if let Some(status) = self.child.try_wait()? {
                bail!("the node ended ({status}); see {}", log.display());
            }
            if Instant::now() > deadline {
                bail!("the node was not ready in time; see {}", log.display());
            }
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Ok(Some(status)) = self.child.try_wait() {
            let log = self.folder.join("node.log");
            eprintln!("the node ended by itself ({status}); see {}", log.display());
            return;
        }
        // A refusal leaves the kill below.
        let _ = send_signal(self.child.id(), libc::SIGTERM);
        let deadline = Instant::now() + STOP_LIMIT;
        while Instant::now() < deadline {
            if let Ok(Some(_)) = self.child.try_wait() {
                let _ = std::fs::remove_dir_all(&self.folder);
                return;
            }
            sleep(Duration::from_millis(20));
        }
        // It did not stop by itself: its log stays, to be looked at.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
