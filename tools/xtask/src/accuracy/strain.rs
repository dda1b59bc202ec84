//! What makes something other than the line slow: the browser, the node, a buffer. Each holds until it is dropped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use linklab::Line;

use crate::process::{Group, output};

/// A sixth of two processors.
const BROWSER_QUOTA_US: u64 = 3_333;
/// So often a browser gets it, µs: shorter than a frame, so that it is slow rather than halting.
const BROWSER_PERIOD_US: u64 = 10_000;
const SETTING_LIMIT: Duration = Duration::from_secs(10);

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strain {
    /// Nothing: the line itself is what can't be filled.
    Nothing,
    SlowBrowser,
    BusyNode,
    SendBuffer,
    ReceiveWindow,
}

impl Strain {
    /// What has to be set before the node starts.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub(crate) fn prepare(self, line: &Line) -> Result<()> {
        let set = |mut sysctl: Command, name: &str| {
            sysctl.args(["-q", "-w", &format!("net.ipv4.{name}=4096 16384 16384")]);
            output(&mut sysctl, SETTING_LIMIT).map(drop)
        };
        match self {
            Self::SendBuffer => set(line.at_node("sysctl"), "tcp_wmem"),
            Self::ReceiveWindow => set(line.at_home("sysctl"), "tcp_rmem"),
            Self::Nothing | Self::SlowBrowser | Self::BusyNode => Ok(()),
        }
    }

    /// Starves the node, whose supervisor leads the process group `node`.
    ///
    /// # Errors
    /// When a program is missing.
    pub(crate) fn starve(self, node: u32) -> Result<Vec<Group>> {
        if self != Self::BusyNode {
            return Ok(Vec::new());
        }
        let mut renice = Command::new("renice");
        renice.args(["-n", "19", "-g", &node.to_string()]);
        output(&mut renice, SETTING_LIMIT)?;
        (0..2)
            .map(|_| {
                let mut busy = Command::new("nice");
                busy.args(["-n", "-20", "sh", "-c", "while :; do :; done"]);
                busy.stdin(Stdio::null());
                Group::spawn(&mut busy)
            })
            .collect()
    }

    /// The client's command: where the node is starved, the client itself must not be.
    pub(crate) fn client(self, line: &Line, program: &str) -> Command {
        if self != Self::BusyNode {
            return line.at_home(program);
        }
        let mut command = line.at_home("chrt");
        command.args(["--fifo", "1", program]);
        command
    }

    /// The group of processes that a browser is to run in; removed when it is dropped.
    ///
    /// # Errors
    /// When the system has no such groups.
    pub(crate) fn browser(self) -> Result<Option<SlowGroup>> {
        (self == Self::SlowBrowser)
            .then(SlowGroup::create)
            .transpose()
    }
}

/// A control group with a part of the processors' time, of either version of the kernel's interface.
#[derive(Debug)]
pub(crate) struct SlowGroup {
    folder: PathBuf,
}

impl SlowGroup {
    fn create() -> Result<Self> {
        let root = Path::new("/sys/fs/cgroup");
        let (parent, limits) =
            if root.join("cpu/cpu.cfs_quota_us").is_file() || root.join("cpu/tasks").is_file() {
                let limits = vec![
                    ("cpu.cfs_period_us", BROWSER_PERIOD_US.to_string()),
                    ("cpu.cfs_quota_us", BROWSER_QUOTA_US.to_string()),
                ];
                (root.join("cpu"), limits)
            } else if root.join("cgroup.controllers").is_file() {
                let limit = format!("{BROWSER_QUOTA_US} {BROWSER_PERIOD_US}");
                (root.to_owned(), vec![("cpu.max", limit)])
            } else {
                bail!("there are no control groups here");
            };
        let folder = parent.join(format!("accuracy-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
        let group = Self { folder };
        for (name, value) in limits {
            let path = group.folder.join(name);
            fs::write(&path, value).with_context(|| path.display().to_string())?;
        }
        Ok(group)
    }

    /// The command inside the group. The group is entered first: a command of another network namespace has another `/sys`.
    #[must_use]
    pub(crate) fn enter(&self, command: &Command) -> Command {
        let script = format!(
            "echo $$ > {}/cgroup.procs && exec \"$@\"",
            self.folder.display()
        );
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, "sh"]);
        shell.arg(command.get_program()).args(command.get_args());
        shell
    }
}

impl Drop for SlowGroup {
    fn drop(&mut self) {
        // Its processes have ended by now; one that is still ending keeps it for a moment.
        for _ in 0..50 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        eprintln!("{} is left behind", self.folder.display());
    }
}
