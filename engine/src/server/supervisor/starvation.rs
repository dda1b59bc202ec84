//! Tells a process that waits for a processor from one that hangs: to kill the first would cut its users off for what is the
//! machine's doing, and start one that waits as long.

use std::fs;
use std::time::Duration;

use protocol::time::Instant;

/// A heartbeat this old is looked into,
const SUSPECT_AFTER: Duration = Duration::from_millis(500);
/// and so long after each look it is decided: the first time before the policy takes the process for hung, unless the supervisor
/// has to wait for a processor, too.
const DECIDED_AFTER: Duration = Duration::from_millis(1_200);
/// A heartbeat this old is excused by nothing.
const EXCUSED_FOR: Duration = Duration::from_secs(10);

/// One thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Thread {
    id: u64,
    /// Whether it wants to run.
    is_runnable: bool,
    /// What it has had of processors.
    ran: Duration,
}

/// The threads of a process, as the kernel tells (`proc_pid_stat(5)`); `None` where it does not.
pub(super) fn threads(pid: u32) -> Option<Vec<Thread>> {
    let mut threads = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let task = task.ok()?;
        let read = |name| fs::read_to_string(task.path().join(name));
        let (Ok(stat), Ok(schedstat)) = (read("stat"), read("schedstat")) else {
            // It has just ended.
            continue;
        };
        threads.push(Thread {
            id: task.file_name().to_str()?.parse().ok()?,
            is_runnable: is_runnable(&stat),
            ran: Duration::from_nanos(ran_ns(&schedstat)?),
        });
    }
    Some(threads)
}

/// The state follows the name, which may itself hold parentheses.
fn is_runnable(stat: &str) -> bool {
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| rest.starts_with('R'))
}

fn ran_ns(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

/// What is known of a silence.
#[derive(Debug)]
struct Silence {
    /// The last sign of life before it.
    heartbeat: Instant,
    looked_at: Instant,
    threads: Vec<Thread>,
    /// Decided: it waits for no processor.
    is_hung: bool,
}

/// What a silence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Short, or a fault of the process's own.
    Judge,
    /// Not decided yet.
    Wait,
    /// Decided just now: the process waits for a processor.
    Starved,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Starvation(Option<Silence>);

impl Starvation {
    /// What is to be thought of a process that was last heard at `heartbeat`: it is starved where a thread wants to run, and did
    /// for less than half of the time. To be asked at every poll; `look` is not called while all is well.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        heartbeat: Option<Instant>,
        look: impl FnOnce() -> Option<Vec<Thread>>,
    ) -> Verdict {
        let Some(heartbeat) = heartbeat.filter(|heartbeat| now - *heartbeat >= SUSPECT_AFTER)
        else {
            self.0 = None;
            return Verdict::Judge;
        };
        if now - heartbeat >= EXCUSED_FOR {
            return Verdict::Judge;
        }
        let before = (self.0.as_ref()).filter(|silence| silence.heartbeat == heartbeat);
        if let Some(before) = before {
            if before.is_hung {
                return Verdict::Judge;
            }
            if now - before.looked_at < DECIDED_AFTER {
                return Verdict::Wait;
            }
        }
        let Some(threads) = look() else {
            return Verdict::Judge;
        };
        let is_starved = before.map(|before| {
            let half = (now - before.looked_at) / 2;
            threads.iter().any(|thread| {
                let known = before.threads.iter().find(|known| known.id == thread.id);
                thread.is_runnable
                    && known.is_some_and(|known| thread.ran.saturating_sub(known.ran) < half)
            })
        });
        self.0 = Some(Silence {
            heartbeat,
            looked_at: now,
            threads,
            is_hung: is_starved == Some(false),
        });
        match is_starved {
            None => Verdict::Wait,
            Some(true) => Verdict::Starved,
            Some(false) => Verdict::Judge,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_micros(1_000_000 + ms * 1_000)
    }

    fn thread(id: u64, is_runnable: bool, ran_ms: u64) -> Thread {
        Thread {
            id,
            is_runnable,
            ran: Duration::from_millis(ran_ms),
        }
    }

    /// What is thought of what has been silent since 0, asked every `step_ms`.
    fn verdicts(step_ms: usize, threads_at: impl Fn(u64) -> Vec<Thread>) -> Vec<(u64, Verdict)> {
        let mut starvation = Starvation::default();
        (0..20_000)
            .step_by(step_ms)
            .map(|ms| {
                let verdict = starvation.poll(at(ms), Some(at(0)), || Some(threads_at(ms)));
                (ms, verdict)
            })
            .collect()
    }

    #[test]
    fn what_wants_to_run_and_may_not_is_excused_but_not_for_ever() {
        // Another thread of it runs all the time. The supervisor may be late, too.
        for step_ms in [100, 700] {
            let threads_at = |ms| vec![thread(1, true, ms), thread(2, true, ms / 30)];
            for (ms, verdict) in verdicts(step_ms, threads_at) {
                let is_excused = verdict != Verdict::Judge;
                assert_eq!(is_excused, (500..10_000).contains(&ms), "{ms} {verdict:?}");
            }
        }
    }

    #[test]
    fn what_runs_without_an_end_or_sleeps_is_judged_before_it_counts_as_hung() {
        let threads_at = |ms| vec![thread(1, true, ms), thread(2, false, 0)];
        for (ms, verdict) in verdicts(100, threads_at) {
            let is_open = (500..1_700).contains(&ms);
            let expected = if is_open {
                Verdict::Wait
            } else {
                Verdict::Judge
            };
            assert_eq!(verdict, expected, "{ms}");
        }
    }

    #[test]
    fn what_lives_is_not_looked_at() {
        let mut starvation = Starvation::default();
        for ms in (0..5_000).step_by(100) {
            let heartbeat = at(ms.max(400) - 400);
            let verdict = starvation.poll(at(ms), Some(heartbeat), || unreachable!());
            assert_eq!(verdict, Verdict::Judge);
        }
    }

    #[test]
    fn the_kernel_tells_of_this_thread_that_it_runs() {
        let threads = threads(std::process::id()).expect("a process has threads");
        let runs = |thread: &Thread| thread.is_runnable && thread.ran > Duration::ZERO;
        assert!(threads.iter().any(runs), "{threads:?}");
    }

    #[test]
    fn a_name_with_parentheses_hides_no_state() {
        assert!(is_runnable("7 (a) S (b) R 1 7"));
        assert!(!is_runnable("7 (R) S 1 7"));
    }
}
