//! What a process and its descendants use, as `/proc` says: proportional memory and processor time.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// Clock ticks of `/proc/PID/stat` in a second: 100 on every Linux that user programs see (proc(5), `_SC_CLK_TCK`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Usage of a tree of processes, followed through the ends of its members.
#[derive(Debug)]
pub(crate) struct ProcessTree {
    root: u32,
    /// Of every member ever seen: its processor time when it was last seen.
    cpu_ticks: BTreeMap<u32, u64>,
}

impl ProcessTree {
    pub(crate) fn new(root: u32) -> Self {
        Self {
            root,
            cpu_ticks: BTreeMap::new(),
        }
    }

    /// Proportional set size of all members, KiB (shared pages count once in all). A member whose share may not be read
    /// counts nothing.
    pub(crate) fn pss_kib(&self) -> u64 {
        self.members().into_iter().filter_map(pss_kib).sum()
    }

    /// Processor time of all members so far, seconds; of one that has ended, as of the last call.
    pub(crate) fn cpu_s(&mut self) -> f64 {
        for pid in self.members() {
            if let Some(ticks) = cpu_ticks(pid) {
                self.cpu_ticks.insert(pid, ticks);
            }
        }
        self.cpu_ticks.values().sum::<u64>() as f64 / TICKS_PER_SECOND
    }

    /// The same of the members that live, to the nanosecond where the kernel keeps such an account (`schedstat`): for
    /// differences over a time in which no thread ends.
    pub(crate) fn exact_cpu_s(&mut self) -> f64 {
        let exact: Option<u64> = self.members().into_iter().map(run_ns).sum();
        match exact {
            Some(ns) => ns as f64 / 1e9,
            None => self.cpu_s(),
        }
    }

    /// All processes of the tree, the topmost first.
    fn members(&self) -> Vec<u32> {
        let mut members = vec![self.root];
        let mut next = 0;
        while let Some(pid) = members.get(next).copied() {
            next += 1;
            members.extend(children(pid));
        }
        members
    }
}

/// Processor time of one process so far, seconds; zero once it is gone.
pub(crate) fn cpu_s(pid: u32) -> f64 {
    cpu_ticks(pid).unwrap_or(0) as f64 / TICKS_PER_SECOND
}

/// Processor time of the whole machine so far but for its idling, seconds, over all cores.
pub(crate) fn machine_cpu_s() -> Option<f64> {
    busy_ticks(&fs::read_to_string("/proc/stat").ok()?).map(|ticks| ticks as f64 / TICKS_PER_SECOND)
}

/// Whether a process may run: it is neither stopped nor ended.
pub(crate) fn may_run(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit_once(") ")?.1.chars().next())
        .is_some_and(|state| !matches!(state, 'T' | 't' | 'Z' | 'X'))
}

/// Of `/proc/stat`'s first line: all but idle and waiting for disks; a guest's time is in its host's.
fn busy_ticks(stat: &str) -> Option<u64> {
    let ticks: Vec<u64> = stat
        .lines()
        .next()?
        .strip_prefix("cpu ")?
        .split_whitespace()
        .filter_map(|ticks| ticks.parse().ok())
        .collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = ticks[..] else {
        return None;
    };
    Some(user + nice + system + irq + softirq + steal)
}

fn children(pid: u32) -> Vec<u32> {
    // Every thread may have started some.
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect()
}

/// The parent of a process; `None` once it is gone.
pub(crate) fn parent(pid: u32) -> Option<u32> {
    stat_field(pid, 3)?.try_into().ok()
}

fn pss_kib(pid: u32) -> Option<u64> {
    let path = PathBuf::from(format!("/proc/{pid}/smaps_rollup"));
    let rollup = fs::read_to_string(path).ok()?;
    rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|kib| kib.parse().ok())
}

/// Time that a process's threads have run.
fn run_ns(pid: u32) -> Option<u64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    threads
        .flatten()
        .map(|thread| {
            let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        })
        .sum()
}

fn cpu_ticks(pid: u32) -> Option<u64> {
    Some(stat_field(pid, 13)? + stat_field(pid, 14)?)
}

fn stat_field(pid: u32, index: usize) -> Option<u64> {
    field_of(
        &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?,
        index,
    )
}

/// A field of `/proc/PID/stat`, counted from 0; the second one, the name, may hold anything, spaces and brackets too.
fn field_of(stat: &str, index: usize) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split_whitespace()
        .nth(index.checked_sub(2)?)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_past_a_name_with_spaces_and_brackets() {
        let stat = "41 (a (b) c) S 7 41 41 0 -1 4194560 100 0 0 0 250 50 0 0 20";
        assert_eq!(field_of(stat, 3), Some(7));
        assert_eq!(field_of(stat, 13), Some(250));
        assert_eq!(field_of(stat, 14), Some(50));
        assert_eq!(field_of("no", 3), None);
    }

    #[test]
    fn a_machine_is_busy_with_all_but_idling() {
        let stat = "cpu  1 2 4 1000 1000 8 16 32 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(busy_ticks(stat), Some(63));
        assert_eq!(busy_ticks("intr 1 2"), None);
    }

    #[test]
    fn a_process_that_runs_may_and_one_that_is_gone_may_not() {
        assert!(may_run(std::process::id()));
        assert!(!may_run(u32::MAX));
    }

    #[test]
    fn exact_time_agrees_with_ticks() {
        let mut tree = ProcessTree::new(std::process::id());
        let begun = std::time::Instant::now();
        while begun.elapsed() < std::time::Duration::from_millis(50) {}
        let (exact, ticks) = (tree.exact_cpu_s(), tree.cpu_s());
        assert!(exact > 0.0);
        // The account by ticks has other threads' ends in it, and is cut to 10 ms.
        assert!(exact <= ticks + 0.5, "{exact} {ticks}");
    }

    #[test]
    fn a_process_uses_memory() {
        assert!(ProcessTree::new(std::process::id()).pss_kib() > 0);
    }
}
