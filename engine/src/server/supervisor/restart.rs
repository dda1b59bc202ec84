//! When to start, kill and give up on a process: policy alone, with `now` as an argument.
//!
//! A process is **hung** when its oldest loop's heartbeat is [`HANG_AFTER`] old, unless it waits for a processor (see
//! `starvation`). A failed one is started again after a pause that doubles from [`BACKOFF_MIN`] to [`BACKOFF_MAX`];
//! [`HEALTHY_FORGETS`] without a failure forget the past.
//! Five failures within a minute mark it **down**: it is tried once every [`DOWN_RETRY`], so that a cause which goes
//! away (a full disk, no memory) needs no operator, and one more failure keeps it down.

use std::time::Duration;

use protocol::time::Instant;

/// A heartbeat this old is a hung loop.
pub const HANG_AFTER: Duration = Duration::from_secs(2);
/// A process whose loops have not all beaten after this long will not become ready.
pub const READY_WITHIN: Duration = Duration::from_secs(10);
/// The first pause before a restart.
pub const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// The longest.
pub const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// So long without a failure forgets all earlier ones.
pub const HEALTHY_FORGETS: Duration = Duration::from_secs(60);
/// So many failures within [`CRASH_LOOP_WINDOW`] mark the process down.
pub const CRASH_LOOP_FAILURES: usize = 5;
/// See [`CRASH_LOOP_FAILURES`].
pub const CRASH_LOOP_WINDOW: Duration = Duration::from_secs(60);
/// A process that is down is tried again this often.
pub const DOWN_RETRY: Duration = Duration::from_secs(60);
/// A supervisor that did not run for this long (stopped, or a machine without a free core) judges nobody by
/// heartbeats that it could not see: the clock starts anew.
pub const BLIND_AFTER: Duration = Duration::from_millis(1_000);

/// Where a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not running; to be started at this time.
    Waiting {
        /// When.
        until: Instant,
    },
    /// Running, not all loops have beaten yet.
    Starting {
        /// Since when.
        since: Instant,
    },
    /// Running, all loops beat.
    Healthy {
        /// Since when.
        since: Instant,
    },
    /// Told to die by SIGKILL; its end is awaited.
    Killed,
    /// Given up; to be tried at this time.
    Down {
        /// When.
        until: Instant,
    },
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// Start the process.
    Start,
    /// SIGKILL: a loop hangs.
    KillHung,
    /// SIGKILL: never ready.
    KillNeverReady,
}

/// The policy of one process.
#[derive(Clone, Debug)]
pub struct RestartPolicy {
    standing: Standing,
    backoff: Duration,
    /// The latest failures, oldest first; at most [`CRASH_LOOP_FAILURES`].
    failures: Vec<Instant>,
    is_on_trial: bool,
    judged_from: Instant,
    polled_at: Instant,
}

impl RestartPolicy {
    /// To be started at once.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            standing: Standing::Waiting { until: now },
            backoff: BACKOFF_MIN,
            failures: Vec::with_capacity(CRASH_LOOP_FAILURES),
            is_on_trial: false,
            judged_from: now,
            polled_at: now,
        }
    }

    /// Where it stands.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// Whether it was down when it was started last, and has not lived long enough since to be trusted.
    #[must_use]
    pub const fn is_on_trial(&self) -> bool {
        self.is_on_trial
    }

    /// What to do. `oldest_heartbeat` is the oldest of all its loops; `None` while one has not beaten at all.
    pub fn poll(&mut self, now: Instant, oldest_heartbeat: Option<Instant>) -> Action {
        if now - self.polled_at >= BLIND_AFTER {
            self.judged_from = now;
        }
        self.polled_at = now;
        match self.standing {
            Standing::Waiting { until } | Standing::Down { until } => {
                if now >= until {
                    Action::Start
                } else {
                    Action::Nothing
                }
            }
            Standing::Starting { since } => self.poll_starting(now, since, oldest_heartbeat),
            Standing::Healthy { since } => self.poll_healthy(now, since, oldest_heartbeat),
            Standing::Killed => Action::Nothing,
        }
    }

    /// The process was started.
    pub fn handle_started(&mut self, now: Instant) {
        self.is_on_trial = matches!(self.standing, Standing::Down { .. });
        self.standing = Standing::Starting { since: now };
        self.judged_from = now;
    }

    /// The process ended, or could not be started.
    pub fn handle_failure(&mut self, now: Instant) {
        if self.failures.len() == CRASH_LOOP_FAILURES {
            self.failures.remove(0);
        }
        self.failures.push(now);
        let is_crash_loop = self.failures.len() == CRASH_LOOP_FAILURES
            && now - self.failures[0] <= CRASH_LOOP_WINDOW;
        if is_crash_loop || self.is_on_trial {
            self.standing = Standing::Down {
                until: now + DOWN_RETRY,
            };
        } else {
            self.standing = Standing::Waiting {
                until: now + self.backoff,
            };
            self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
        }
    }

    fn poll_starting(&mut self, now: Instant, since: Instant, beat: Option<Instant>) -> Action {
        if beat.is_some() {
            self.standing = Standing::Healthy { since: now };
        } else if now - since.max(self.judged_from) >= READY_WITHIN {
            self.standing = Standing::Killed;
            return Action::KillNeverReady;
        }
        Action::Nothing
    }

    fn poll_healthy(&mut self, now: Instant, since: Instant, beat: Option<Instant>) -> Action {
        let last = beat.unwrap_or(since).max(self.judged_from);
        if now - last >= HANG_AFTER {
            self.standing = Standing::Killed;
            return Action::KillHung;
        }
        if now - since >= HEALTHY_FORGETS {
            self.failures.clear();
            self.backoff = BACKOFF_MIN;
            self.is_on_trial = false;
        }
        Action::Nothing
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_micros(1_000_000_000 + ms * 1_000)
    }

    /// Polls every 100 ms up to `to_ms` with a fresh heartbeat.
    fn live(policy: &mut RestartPolicy, from_ms: u64, to_ms: u64) {
        for ms in (from_ms..=to_ms).step_by(100) {
            assert_eq!(policy.poll(at(ms), Some(at(ms))), Action::Nothing);
        }
    }

    fn started(ms: u64) -> RestartPolicy {
        let mut policy = RestartPolicy::new(at(ms));
        assert_eq!(policy.poll(at(ms), None), Action::Start);
        policy.handle_started(at(ms));
        policy
    }

    #[test]
    fn a_loop_that_has_not_beaten_for_two_seconds_is_killed() {
        let mut policy = started(0);
        live(&mut policy, 100, 5_000);
        let last = Some(at(5_000));
        for ms in (5_100..7_000).step_by(100) {
            assert_eq!(policy.poll(at(ms), last), Action::Nothing);
        }
        assert_eq!(policy.poll(at(7_000), last), Action::KillHung);
        assert_eq!(policy.poll(at(7_100), last), Action::Nothing);
        policy.handle_failure(at(7_150));
        assert_eq!(policy.poll(at(7_200), None), Action::Nothing);
        assert_eq!(policy.poll(at(7_250), None), Action::Start);
    }

    #[test]
    fn a_process_that_never_beats_is_killed_after_ten_seconds() {
        let mut policy = started(0);
        for ms in (100..10_000).step_by(100) {
            assert_eq!(policy.poll(at(ms), None), Action::Nothing);
        }
        assert_eq!(policy.poll(at(10_000), None), Action::KillNeverReady);
    }

    #[test]
    fn the_pause_doubles_up_to_ten_seconds() {
        let mut policy = started(0);
        let mut now_ms = 0;
        for expected_ms in [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000] {
            // Lives long enough that five failures don't fall within a minute, too short to be forgiven.
            live(&mut policy, now_ms + 100, now_ms + 20_000);
            now_ms += 20_000;
            policy.handle_failure(at(now_ms));
            let until = at(now_ms + expected_ms);
            assert_eq!(policy.standing(), Standing::Waiting { until });
            now_ms += expected_ms;
            assert_eq!(policy.poll(at(now_ms), None), Action::Start);
            policy.handle_started(at(now_ms));
        }
    }

    #[test]
    fn sixty_healthy_seconds_forget_the_past() {
        let mut policy = started(0);
        for ms in [10, 200, 500] {
            policy.handle_failure(at(ms));
            policy.handle_started(at(ms));
        }
        live(&mut policy, 600, 60_600);
        policy.handle_failure(at(60_700));
        assert_eq!(policy.standing(), Standing::Waiting { until: at(60_800) });
    }

    #[test]
    fn five_failures_within_a_minute_are_down_and_one_trial_a_minute_follows() {
        let mut policy = started(0);
        for ms in [10, 20, 30, 40] {
            policy.handle_failure(at(ms));
            assert!(matches!(policy.standing(), Standing::Waiting { .. }));
            policy.handle_started(at(ms));
        }
        policy.handle_failure(at(50));
        assert_eq!(policy.standing(), Standing::Down { until: at(60_050) });
        assert_eq!(policy.poll(at(60_000), None), Action::Nothing);
        assert_eq!(policy.poll(at(60_050), None), Action::Start);
        policy.handle_started(at(60_050));
        policy.handle_failure(at(60_060));
        assert_eq!(policy.standing(), Standing::Down { until: at(120_060) });
        assert_eq!(policy.poll(at(120_060), None), Action::Start);
        policy.handle_started(at(120_060));
        live(&mut policy, 120_100, 180_200);
        policy.handle_failure(at(180_300));
        assert_eq!(policy.standing(), Standing::Waiting { until: at(180_400) });
    }

    #[test]
    fn a_supervisor_that_was_stopped_does_not_take_its_children_for_hung() {
        let mut policy = started(0);
        live(&mut policy, 100, 1_000);
        // Stopped for a minute together with its children; their heartbeats are a minute old too.
        let stale = Some(at(1_000));
        assert_eq!(policy.poll(at(61_000), stale), Action::Nothing);
        for ms in (61_100..63_000).step_by(100) {
            assert_eq!(policy.poll(at(ms), stale), Action::Nothing);
        }
        assert_eq!(policy.poll(at(63_000), stale), Action::KillHung);
    }

    proptest! {
        #[test]
        fn no_process_is_started_more_than_five_times_a_minute_by_failing(
            lives_ms in proptest::collection::vec(0_u64..3_000, 1..60),
        ) {
            let mut policy = RestartPolicy::new(at(0));
            let mut now_ms = 0;
            let mut starts = Vec::new();
            for life_ms in lives_ms {
                while policy.poll(at(now_ms), None) != Action::Start {
                    now_ms += 100;
                }
                policy.handle_started(at(now_ms));
                starts.push(now_ms);
                now_ms += life_ms;
                policy.handle_failure(at(now_ms));
            }
            for window in starts.windows(CRASH_LOOP_FAILURES + 1) {
                prop_assert!(window[CRASH_LOOP_FAILURES] - window[0] >= 60_000 - 3_000);
            }
        }
    }
}
