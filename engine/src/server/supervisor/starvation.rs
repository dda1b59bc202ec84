//! Tells a process that waits for a processor from one that hangs: to kill the first would cut its users off for what is the
//! machine's doing, and start one that waits as long.

use std::fs;
use std::time::Duration;

use protocol::time::Instant;

/// A heartbeat this old is looked into,
const SUSPECT_AFTER: Duration = Duration::from_millis(500);
/// and so long after each look it is decided, the first time before the policy takes the process for hung.
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
}

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Starvation(Option<Silence>);

impl Starvation {
    /// Whether it has just been found that what is silent since `heartbeat` waits for a processor: a thread wants to run, and did
    /// for less than half of the time. To be asked at every poll; `look` is not called while all is well.
    pub(super) fn excuses(
        &mut self,
        now: Instant,
        heartbeat: Option<Instant>,
        look: impl FnOnce() -> Option<Vec<Thread>>,
    ) -> bool {
        let Some(heartbeat) = heartbeat.filter(|heartbeat| now - *heartbeat >= SUSPECT_AFTER)
        else {
            self.0 = None;
            return false;
        };
        let is_early = |silence: &Silence| {
            silence.heartbeat == heartbeat && now - silence.looked_at < DECIDED_AFTER
        };
        if self.0.as_ref().is_some_and(is_early) {
            return false;
        }
        let before = (self.0.take()).filter(|silence| silence.heartbeat == heartbeat);
        let Some(threads) = look() else {
            return false;
        };
        let is_starved = before.is_some_and(|before| {
            let half = (now - before.looked_at) / 2;
            let waits = |thread: &Thread| {
                let known = before.threads.iter().find(|known| known.id == thread.id);
                thread.is_runnable
                    && known.is_some_and(|known| thread.ran.saturating_sub(known.ran) < half)
            };
            threads.iter().any(waits)
        });
        self.0 = Some(Silence {
            heartbeat,
            looked_at: now,
            threads,
        });
        is_starved && now - heartbeat < EXCUSED_FOR
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

    /// When it is excused of what has been silent since 0, asked every 100 ms.
    fn excused_at_ms(threads_at: impl Fn(u64) -> Vec<Thread>) -> Vec<u64> {
        let mut starvation = Starvation::default();
        (0..20_000)
            .step_by(100)
            .filter(|&ms| starvation.excuses(at(ms), Some(at(0)), || Some(threads_at(ms))))
            .collect()
    }

    #[test]
    fn what_wants_to_run_and_may_not_is_excused_in_time_but_not_for_ever() {
        // Another thread of it runs all the time.
        let excused = excused_at_ms(|ms| vec![thread(1, true, ms), thread(2, true, ms / 30)]);
        assert_eq!(&excused[..3], [1_700, 2_900, 4_100]);
        let last = excused.last().expect("three at least");
        assert!((8_000..10_000).contains(last), "{last}");
    }

    #[test]
    fn what_runs_without_an_end_or_sleeps_is_not_excused() {
        assert!(excused_at_ms(|ms| vec![thread(1, true, ms), thread(2, false, 0)]).is_empty());
    }

    #[test]
    fn what_lives_is_not_looked_at() {
        let mut starvation = Starvation::default();
        for ms in (0..5_000).step_by(100) {
            let heartbeat = at(ms.max(400) - 400);
            assert!(!starvation.excuses(at(ms), Some(heartbeat), || unreachable!()));
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
