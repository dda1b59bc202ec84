//! What must not outlive a chore, however it ends: process groups and network namespaces.
//!
//! An [`Ending`] is carried out when its [`Ends`] is dropped, or by the signal thread when the chore is told to stop.
//! After a SIGKILL nothing runs: the lab removes the namespaces of dead chores when it next starts.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Exit status of a chore that was told to stop, as shells have it for SIGINT.
const INTERRUPTED: i32 = 130;

/// Longer than the making of a namespace that a signal met half done.
const SETTLING: Duration = Duration::from_millis(200);

/// One thing to end.
#[derive(Clone, Debug)]
pub enum Ending {
    /// Kill every process of the group that this process leads.
    ProcessGroup(u32),
    /// Kill every process in this network namespace, then remove it.
    Namespace(String),
}

/// Carries its ending out when dropped.
#[derive(Debug)]
pub struct Ends(u64);

struct Registry {
    next: u64,
    endings: BTreeMap<u64, Ending>,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    next: 0,
    endings: BTreeMap::new(),
});

impl Ending {
    /// Sees to it that this ending happens.
    #[must_use]
    pub fn register(self) -> Ends {
        let mut registry = lock();
        let key = registry.next;
        registry.next += 1;
        registry.endings.insert(key, self);
        Ends(key)
    }

    fn carry_out(&self) {
        match self {
            Self::ProcessGroup(leader) => {
                if let Some(group) = pid(*leader) {
                    // The group may be gone already: that is what is wanted.
                    let _ = kill_process_group(group, Signal::KILL);
                }
            }
            Self::Namespace(name) => remove_namespace(name),
        }
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        let ending = lock().endings.remove(&self.0);
        if let Some(ending) = ending {
            ending.carry_out();
        }
    }
}

/// Starts the thread that ends everything, newest first, and exits when SIGINT, SIGTERM or SIGHUP arrives.
///
/// # Errors
/// When the operating system refuses the signal handlers.
pub fn end_everything_on_signals() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("signal handlers")?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            eprintln!("Stopping (signal {signal}): ending what was started.");
            // Held until the end: nothing new begins meanwhile.
            let registry = lock();
            let endings = || registry.endings.values().rev();
            endings().for_each(Ending::carry_out);
            // What was being made when the signal came is there only now.
            thread::sleep(SETTLING);
            endings().for_each(Ending::carry_out);
            std::process::exit(INTERRUPTED);
        }
    });
    Ok(())
}

/// Kills the processes in a network namespace and removes it; one that isn't there is not an error.
pub fn remove_namespace(name: &str) {
    let listed = Command::new("ip")
        .args(["netns", "pids", name])
        .stderr(Stdio::null())
        .output();
    if let Ok(listed) = listed {
        String::from_utf8_lossy(&listed.stdout)
            .split_whitespace()
            .filter_map(|text| pid(text.parse().ok()?))
            .for_each(|pid| {
                let _ = kill_process(pid, Signal::KILL);
            });
    }
    let _ = Command::new("ip")
        .args(["netns", "delete", name])
        .stderr(Stdio::null())
        .status();
}

/// Removes the namespaces of processes that were killed before they could: those whose names are `prefix` and the id of a
/// process that is no more.
pub fn remove_leftovers(prefix: &str) {
    let Ok(listed) = Command::new("ip").args(["netns", "list"]).output() else {
        return;
    };
    for name in String::from_utf8_lossy(&listed.stdout)
        .lines()
        .filter_map(|line| line.split_whitespace().next())
    {
        let owner = name
            .strip_prefix(prefix)
            .and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists()) {
            remove_namespace(name);
        }
    }
}

/// The process id as the system calls take it; zero and what doesn't fit name no process.
pub fn pid(id: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(id).ok()?)
}

fn lock() -> std::sync::MutexGuard<'static, Registry> {
    // A panic while the map was held leaves a whole map: every change to it is one insert or one remove.
    REGISTRY
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
