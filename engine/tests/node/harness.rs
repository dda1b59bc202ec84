//! A real `bufferbloatd` for a test: started on free ports, watched through its log, gone when the test is over.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use engine::runtime::sys::process::send_signal;

/// How long anything may take that has no bound of its own: a slow machine is no fault.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The daemon with a clean environment.
pub(crate) fn daemon(arguments: &[&str]) -> Command {
    program(env!("CARGO_BIN_EXE_bufferbloatd").as_ref(), arguments)
}

/// The same for a copy of it.
fn program(path: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(path);
    command
        .args(arguments)
        .env_clear()
        // Whatever this machine has in /etc.
        .env("BUFFERBLOATD_CONFIG", "")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the daemon to its end, which must come by itself.
pub(crate) fn run_to_end(arguments: &[&str]) -> (i32, String, String) {
    let output = daemon(arguments).output().expect("the daemon starts");
    texts(&output)
}

/// Exit code, standard output, standard error.
pub(crate) fn texts(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// A running node.
pub(crate) struct Node {
    supervisor: Child,
    pub(crate) main_port: u16,
    pub(crate) ping_port: u16,
    /// Every role but main with its port.
    pub(crate) ports: Vec<(String, u16)>,
    log: PathBuf,
}

impl Node {
    /// Starts one on free ports and waits until it says that it is ready.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_program(env!("CARGO_BIN_EXE_bufferbloatd").as_ref(), arguments)
    }

    /// The same with a copy of the program.
    pub(crate) fn start_program(path: &Path, arguments: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "bufferbloatd-test-{}-{}.log",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let log = std::env::temp_dir().join(name);
        let mut supervisor = program(path, &["--ping-port", "0", "--log-format", "json"])
            // A flag beats it.
            .env("BUFFERBLOATD_PORT", "0")
            .args(arguments)
            .stderr(File::create(&log).expect("a log file"))
            .spawn()
            .expect("the daemon starts");
        let stdout = supervisor.stdout.take().expect("a pipe");
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("readable output");
        let is_ready = line.starts_with("Ready: http");
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        assert!(is_ready, "{line:?}, log: {}", said());
        let (address, others) = line.split_once("/ (").expect("an address and the others");
        // "http://[::1]:8000" ends in the port too.
        let main_port = address
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok());
        let ports: Vec<(String, u16)> = others
            .trim_end_matches("). Press Ctrl-C to stop.\n")
            .split(", ")
            .map(|other| {
                let (role, port) = other.split_once(" on port ").expect("a role and its port");
                (role.to_owned(), port.parse().expect("a port"))
            })
            .collect();
        Self {
            supervisor,
            main_port: main_port.expect("a port"),
            ping_port: ports[0].1,
            ports,
            log,
        }
    }

    /// The port of a role other than main.
    pub(crate) fn port(&self, role: &str) -> u16 {
        let found = self.ports.iter().find(|(name, _)| name == role);
        found.map(|(_, port)| *port).expect("a role of this node")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.supervisor.id()
    }

    pub(crate) fn signal(&self, signal: i32) {
        send_signal(self.pid(), signal).expect("may signal its own child");
    }

    /// The supervisor's children with their arguments, as `ps` shows them.
    pub(crate) fn children(&self) -> Vec<(u32, String)> {
        let pid = self.pid();
        let listed = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        listed
            .unwrap_or_default()
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .map(|pid| (pid, arguments_of(pid)))
            .collect()
    }

    /// The child that serves this role.
    pub(crate) fn child(&self, role: &str) -> Option<u32> {
        self.children()
            .into_iter()
            .find(|(_, arguments)| arguments.contains(&format!(" {role} :")))
            .map(|(pid, _)| pid)
    }

    /// Messages of the log in their order, each with the process it is about.
    pub(crate) fn log(&self) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .map(|line| {
                let field = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
                (field("message"), field("process"))
            })
            .collect()
    }

    /// The log's lines with this message.
    pub(crate) fn log_lines(&self, message: &str) -> Vec<serde_json::Value> {
        self.log_text()
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|line| line["message"] == message)
            .collect()
    }

    /// The whole log as it is.
    pub(crate) fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How often a process was told to be ready.
    pub(crate) fn times_ready(&self, process: &str) -> usize {
        self.log()
            .iter()
            .filter(|(message, about)| message == "ready" && about == process)
            .count()
    }

    /// Waits for the supervisor's end.
    pub(crate) fn wait(&mut self, within: Duration) -> ExitStatus {
        let mut status = None;
        eventually("the supervisor ends", within, || {
            status = self.supervisor.try_wait().expect("a child to wait for");
            status.is_some()
        });
        status.expect("waited for")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("The node's log:\n{}", self.log_text());
        }
        // Gone already in most tests; its children die with it.
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
        let _ = std::fs::remove_file(&self.log);
    }
}

/// Looks again and again until the fact holds.
pub(crate) fn eventually(
    fact: &str,
    within: Duration,
    mut holds: impl FnMut() -> bool,
) -> Duration {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < within, "not within {within:?}: {fact}");
        std::thread::sleep(Duration::from_millis(5));
    }
    start.elapsed()
}

/// Whether the process runs: a zombie that nobody has waited for yet does not.
pub(crate) fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        let state = stat.rsplit(") ").next().unwrap_or_default();
        !state.starts_with('Z') && !state.starts_with('X')
    })
}

/// Whether something listens there.
pub(crate) fn is_listening(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

fn arguments_of(pid: u32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}
