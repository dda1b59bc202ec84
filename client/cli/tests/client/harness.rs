//! A node and a client for a test. Both are gone when it is over.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use client::address::{Family, NodeUrl};
use client::api;
use client::interrupt::Interrupt;
use engine::runtime::sys::process::send_signal;
use engine::runtime::tls::Trust;
use protocol::message::node_status::NodeStats;

/// Longer than any run here may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// The client with a clean environment, its outputs piped.
pub(crate) fn client(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bufferbloat"));
    command
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the client to its end: exit code, standard output, standard error.
pub(crate) fn run(arguments: &[&str]) -> (i32, String, String) {
    finish(client(arguments).spawn().expect("the client starts"))
}

/// Waits for its end, which must come by itself.
pub(crate) fn finish(mut child: Child) -> (i32, String, String) {
    let begun = Instant::now();
    // What it prints fits a pipe, so it may be read when it has ended.
    while child.try_wait().expect("a child to wait for").is_none() {
        if begun.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("the client did not end by itself");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().expect("its outputs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// The first lines that it prints, `count` of them, and what the rest is to be read from.
pub(crate) fn first_lines(
    child: &mut Child,
    count: usize,
) -> (Vec<String>, BufReader<ChildStdout>) {
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let lines = (0..count).map(|_| {
        let mut line = String::new();
        stdout.read_line(&mut line).expect("readable output");
        line
    });
    (lines.collect(), stdout)
}

/// A running node.
pub(crate) struct Node {
    daemon: Child,
    pub(crate) url: String,
}

impl Node {
    /// Starts one on free ports and waits until it says that it is ready.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut daemon = daemon()
            .args(["--port", "0", "--ping-port", "0", "--profile-ports", "0"])
            .args(arguments)
            .spawn()
            .expect("the daemon starts");
        let stdout = daemon.stdout.take().expect("a pipe");
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("readable output");
        let url = line
            .strip_prefix("Ready: ")
            .and_then(|rest| rest.split_once("/ ("))
            .and_then(|(url, _)| Some((url.split_once("://")?.0, url.rsplit_once(':')?.1)))
            .map(|(scheme, port)| format!("{scheme}://127.0.0.1:{port}"));
        let url = url.unwrap_or_else(|| panic!("the daemon said {line:?}"));
        Self { daemon, url }
    }

    /// Waits until what the node says of itself is so.
    pub(crate) fn wait_until(&self, is_so: impl Fn(&NodeStats) -> bool) {
        let url = NodeUrl::parse(&self.url).expect("a URL of ours");
        let sites = url.sites(Family::V4, None, Trust::Anybody);
        let site = &sites.expect("an address")[0];
        let begun = Instant::now();
        loop {
            let stats: NodeStats =
                api::get(site, "/virtual-household/stats", &Interrupt::default()).expect("stats");
            if is_so(&stats) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "never so: {stats:?}");
        }
    }

    pub(crate) fn signal(&self, signal: i32) {
        send_signal(self.daemon.id(), signal).expect("a child of ours");
    }

    /// Waits for the supervisor's end; its children die with it.
    pub(crate) fn wait(&mut self) {
        self.daemon.wait().expect("a child to wait for");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Gone already in some tests.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// The daemon with a clean environment.
pub(crate) fn daemon() -> Command {
    let mut command = Command::new(daemon_path());
    command
        .env_clear()
        // Whatever this machine has in /etc.
        .env("BUFFERBLOATD_CONFIG", "")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// The daemon beside the client; built where only this package was.
fn daemon_path() -> &'static PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let client = PathBuf::from(env!("CARGO_BIN_EXE_bufferbloat"));
        let path = client.with_file_name("bufferbloatd");
        // Cargo knows whether it is up to date; a folder other than `debug` is left to whoever chose it.
        if client
            .parent()
            .is_some_and(|folder| folder.ends_with("debug"))
        {
            let built = Command::new(env!("CARGO"))
                .args([
                    "build",
                    "--quiet",
                    "--locked",
                    "--package",
                    "engine",
                    "--bin",
                    "bufferbloatd",
                ])
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .status();
            assert!(
                built.is_ok_and(|status| status.success()),
                "the daemon could not be built"
            );
        }
        assert!(
            path.is_file(),
            "{} is not there; build the package `engine`",
            path.display()
        );
        path
    })
}
