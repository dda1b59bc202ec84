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

/// The threads of a process that want to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Runnable {
    count: usize,
    /// What they have had of processors, all together.
    ran: Duration,
}

impl Runnable {
    /// Asks the kernel (`proc_pid_stat(5)`); `None` where it does not tell.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let mut runnable = Self::default();
        for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
            let task = task.ok()?.path();
            let (Ok(stat), Ok(schedstat)) = (
                fs::read_to_string(task.join("stat")),
                fs::read_to_string(task.join("schedstat")),
            ) else {
                // It has just ended.
                continue;
            };
            if is_runnable(&stat) {
                runnable.count += 1;
                runnable.ran += Duration::from_nanos(ran_ns(&schedstat)?);
            }
        }
        Some(runnable)
    }
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
#[derive(Clone, Copy, Debug)]
struct Silence {
    /// The last sign of life before it.
    heartbeat: Instant,
    looked_at: Instant,
    runnable: Runnable,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Starvation(Option<Silence>);

impl Starvation {
    /// Whether it has just been found that what is silent since `heartbeat` waits for a processor: it wants to run, and did for
    /// less than half of the time. To be asked at every poll; `look` is not called while all is well.
    pub(super) fn excuses(
        &mut self,
        now: Instant,
        heartbeat: Option<Instant>,
        look: impl FnOnce() -> Option<Runnable>,
    ) -> bool {
        let Some(heartbeat) = heartbeat.filter(|heartbeat| now - *heartbeat >= SUSPECT_AFTER)
        else {
            self.0 = None;
            return false;
        };
        let before = self.0.filter(|silence| silence.heartbeat == heartbeat);
        if before.is_some_and(|before| now - before.looked_at < DECIDED_AFTER) {
            return false;
        }
        self.0 = look().map(|runnable| Silence {
            heartbeat,
            looked_at: now,
            runnable,
        });
        let (Some(before), Some(after)) = (before, self.0) else {
            return false;
        };
        let ran = after.runnable.ran.saturating_sub(before.runnable.ran);
        after.runnable.count > 0
            && ran * 2 < now - before.looked_at
            && now - heartbeat < EXCUSED_FOR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_micros(1_000_000 + ms * 1_000)
    }

    /// When it is excused of what has been silent since 0, asked every 100 ms, with so much of a processor in a second.
    fn excused_at_ms(count: usize, ran_ms_a_second: u64) -> Vec<u64> {
        let mut starvation = Starvation::default();
        let look = |ms: u64| {
            Some(Runnable {
                count,
                ran: Duration::from_millis(ms * ran_ms_a_second / 1_000),
            })
        };
        (0..20_000)
            .step_by(100)
            .filter(|&ms| starvation.excuses(at(ms), Some(at(0)), || look(ms)))
            .collect()
    }

    #[test]
    fn what_wants_to_run_and_may_not_is_excused_in_time_but_not_for_ever() {
        let excused = excused_at_ms(1, 30);
        assert_eq!(&excused[..3], [1_700, 2_900, 4_100]);
        assert!(
            excused
                .last()
                .is_some_and(|last| (8_000..10_000).contains(last))
        );
    }

    #[test]
    fn what_runs_without_an_end_or_sleeps_is_not_excused() {
        assert!(excused_at_ms(1, 1_000).is_empty());
        assert!(excused_at_ms(0, 0).is_empty());
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
        let runnable = Runnable::of(std::process::id()).expect("a process has threads");
        assert!(runnable.count >= 1);
        assert!(runnable.ran > Duration::ZERO);
    }

    #[test]
    fn a_name_with_parentheses_hides_no_state() {
        assert!(is_runnable("7 (a) S (b) R 1 7"));
        assert!(!is_runnable("7 (R) S 1 7"));
    }
}
