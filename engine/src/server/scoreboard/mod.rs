//! The scoreboard: one shared segment in which every process reads what every loop and role is doing. Nothing is
//! ever asked of a busy process, and a crash cannot corrupt another's slot.
//!
//! Owns the segment's layout and its readers. Refuses to know who serves the figures, and what for.

mod acme_slot;
mod cell;
mod flow_record;
mod histogram;
mod loop_slot;
mod process_slot;
mod recent;
mod role_slot;
mod test_outcome;
mod test_row;
mod test_table;
mod tls_slot;
mod waiting;

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use protocol::time::Instant;

pub use self::acme_slot::AcmeSlot;
pub use self::cell::{Counter, Gauge, LongText, ShortText};
pub use self::flow_record::{FlowRecord, FlowSlot};
pub use self::histogram::{
    BUCKET_BOUNDS_US, BUCKETS, Counts, Histogram, RING_SECONDS, TimedHistogram, second_of,
};
pub use self::loop_slot::{Closed, LoopSlot, SESSION_END_REASONS, session_end_name};
pub use self::process_slot::{ExitReason, ProcessSlot};
pub use self::role_slot::{RoleSlot, RoleState};
pub use self::test_outcome::{GRADES, TestOutcome, grade_name};
pub use self::test_table::{
    Applicant, FLOW_RECORDS_MAX, Refusal, RefusalReason, TESTS_MAX, TestFacts, TestId, TestLimits,
    TestSeat, TestTable,
};
pub use self::tls_slot::{CertificateSource, TlsSlot};
use super::config::LogLevel;
use crate::runtime::sys::shared_memory::{SharedMapping, plain_atomics};

/// Most roles a node can have: main, ping, the redirection to HTTPS, and 14 profiles.
pub const ROLES_MAX: usize = 17;
/// Most processes a node can have: main, ping, the redirection and 64 of the profiles, rounded up.
pub const PROCESSES_MAX: usize = 80;
/// Most event loops a node can have, all roles together: 64 of main, one each of ping and the
/// redirection, 64 of the profiles, rounded up.
pub const LOOPS_MAX: usize = 136;
const MAGIC_AND_VERSION: u64 = u64::from_le_bytes(*b"bbdscor5");

plain_atomics! {
    #[derive(Debug)]
    struct Layout {
        magic: AtomicU64,
        started_ns: AtomicU64,
        started_unix_us: AtomicU64,
        secret: [AtomicU64; 4],
        draining: AtomicU64,
        log_level: AtomicU64,
        supervisor_log_lines_dropped: Counter,
        roles: [RoleSlot; ROLES_MAX],
        processes: [ProcessSlot; PROCESSES_MAX],
        loops: [LoopSlot; LOOPS_MAX],
        tests: TestTable,
        tls: TlsSlot,
        acme: AcmeSlot,
    }
}

/// The segment as this process maps it; a clone is the same mapping.
#[derive(Clone, Debug)]
pub struct Scoreboard {
    mapping: Arc<SharedMapping<Layout>>,
}

impl Scoreboard {
    /// A new one. The supervisor makes it before any child.
    ///
    /// # Errors
    /// What the kernel answers when it has no memory, descriptor or randomness left.
    pub fn create(now: Instant, unix_us: u64) -> io::Result<Self> {
        let mapping = SharedMapping::<Layout>::create()?;
        for word in &mapping.secret {
            let random = getrandom::u64().map_err(io::Error::other)?;
            word.store(random, Relaxed);
        }
        mapping.started_ns.store(now.as_nanos(), Relaxed);
        mapping.started_unix_us.store(unix_us, Relaxed);
        mapping.magic.store(MAGIC_AND_VERSION, Release);
        Ok(Self {
            mapping: Arc::new(mapping),
        })
    }

    /// The one that a supervisor handed down.
    ///
    /// # Errors
    /// `InvalidData` when it is another version's, else what the kernel answers.
    pub fn open(fd: OwnedFd) -> io::Result<Self> {
        let mapping = SharedMapping::<Layout>::open(fd)?;
        if mapping.magic.load(Acquire) != MAGIC_AND_VERSION {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the shared segment is not a scoreboard of this version",
            ));
        }
        Ok(Self {
            mapping: Arc::new(mapping),
        })
    }

    /// The descriptor, to hand to a child.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.mapping.fd()
    }

    /// When the node started, by the monotonic clock.
    #[must_use]
    pub fn started_at(&self) -> Instant {
        Instant::from_nanos(self.mapping.started_ns.load(Relaxed))
    }

    /// When the node started, in microseconds since 1970.
    #[must_use]
    pub fn started_unix_us(&self) -> u64 {
        self.mapping.started_unix_us.load(Relaxed)
    }

    /// 256 random bits that all processes of this node share; tokens are made with it.
    #[must_use]
    pub fn secret(&self) -> [u8; 32] {
        let mut secret = [0; 32];
        for (bytes, word) in secret.chunks_exact_mut(8).zip(&self.mapping.secret) {
            bytes.copy_from_slice(&word.load(Relaxed).to_le_bytes());
        }
        secret
    }

    /// Whether the node is stopping.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.mapping.draining.load(Acquire) != 0
    }

    /// The node is stopping. Set by the supervisor, never taken back.
    pub fn set_draining(&self) {
        self.mapping.draining.store(1, Release);
    }

    /// What every process of the node is to log, as [`crate::server::config::LogLevel::to_word`] has it; `None` before the
    /// supervisor has set it.
    #[must_use]
    pub fn log_level(&self) -> Option<LogLevel> {
        LogLevel::from_word(self.mapping.log_level.load(Relaxed))
    }

    /// Changes what is logged. The supervisor alone calls this; every process follows at its next tick.
    pub fn set_log_level(&self, level: LogLevel) {
        self.mapping.log_level.store(level.to_word(), Relaxed);
    }

    /// Lines of the supervisor's log that nobody will read. The supervisor alone adds to it.
    #[must_use]
    pub fn supervisor_log_lines_dropped(&self) -> &Counter {
        &self.mapping.supervisor_log_lines_dropped
    }

    /// The roles' rows, unused ones at the end.
    #[must_use]
    pub fn roles(&self) -> &[RoleSlot; ROLES_MAX] {
        &self.mapping.roles
    }

    /// The role of this name.
    #[must_use]
    pub fn role_named(&self, name: &str) -> Option<(usize, &RoleSlot)> {
        self.roles()
            .iter()
            .enumerate()
            .find(|(_, role)| role.is_used() && role.name() == name)
    }

    /// The processes' rows, unused ones at the end.
    #[must_use]
    pub fn processes(&self) -> &[ProcessSlot; PROCESSES_MAX] {
        &self.mapping.processes
    }

    /// The processes that serve a role, with their slots' numbers.
    pub fn processes_of(&self, role: usize) -> impl Iterator<Item = (usize, &ProcessSlot)> {
        self.processes()
            .iter()
            .enumerate()
            .filter(move |(_, process)| process.serves(role))
    }

    /// Publishes how a process fares, and with it the roles that it serves. The supervisor alone calls this.
    pub fn set_process_state(&self, process: usize, state: RoleState) {
        let slot = &self.processes()[process];
        slot.set_state(state);
        for (index, role) in self.roles().iter().enumerate() {
            if slot.serves(index) {
                let states = self.processes_of(index).map(|(_, process)| process.state());
                role.set_state(states.min().unwrap_or(state));
            }
        }
    }

    /// Whether the process of loop `loop_index` may admit one more session of that loop's role, when it may have
    /// `sessions_max`.
    #[must_use]
    pub fn has_room(&self, loop_index: usize, sessions_max: u64) -> bool {
        let own = &self.loops()[loop_index];
        let sessions: u64 = self
            .loops()
            .iter()
            .filter(|slot| slot.role() == own.role() && slot.process() == own.process())
            .map(|slot| slot.sessions.value())
            .sum();
        sessions < sessions_max
    }

    /// Whether a role is there and has room for one more session, when each of its processes may have `sessions_max`:
    /// its clients are to be sent to it. One that is being restarted is there, for its connections wait in the backlog.
    #[must_use]
    pub fn role_has_room(&self, role: usize, sessions_max: u64) -> bool {
        if !self.roles()[role].is_used() || self.roles()[role].state() == RoleState::Down {
            return false;
        }
        let open: u64 = self
            .loops_of(role)
            .map(|(_, slot)| slot.sessions.value())
            .sum();
        let processes = self
            .processes_of(role)
            .filter(|(_, process)| process.state() != RoleState::Down)
            .count();
        open < sessions_max * processes as u64
    }

    /// The loops' rows, unused ones at the end.
    #[must_use]
    pub fn loops(&self) -> &[LoopSlot; LOOPS_MAX] {
        &self.mapping.loops
    }

    /// The loops of one role, with their slots' numbers.
    pub fn loops_of(&self, role: usize) -> impl Iterator<Item = (usize, &LoopSlot)> {
        self.loops()
            .iter()
            .enumerate()
            .filter(move |(_, slot)| slot.role() == Some(role))
    }

    /// The sum of `figure` over the loops of all roles.
    #[must_use]
    pub fn total(&self, figure: impl Fn(&LoopSlot) -> u64) -> u64 {
        let used = self.loops().iter().filter(|slot| slot.role().is_some());
        used.map(figure).sum()
    }

    /// The node's certificate.
    #[must_use]
    pub fn tls(&self) -> &TlsSlot {
        &self.mapping.tls
    }

    /// How getting certificates fares.
    #[must_use]
    pub fn acme(&self) -> &AcmeSlot {
        &self.mapping.acme
    }

    /// The tests.
    #[must_use]
    pub fn tests(&self) -> &TestTable {
        &self.mapping.tests
    }

    /// The quantile `q` (0 to 1) of loop lag over the loops that `chosen` picks, within the monotonic seconds
    /// `from_s..=to_s` (see [`second_of`]): an upper bound in microseconds. `None` when nothing was recorded.
    #[must_use]
    pub fn lag_quantile_us(
        &self,
        chosen: impl Fn(usize, &LoopSlot) -> bool,
        from_s: u64,
        to_s: u64,
        q: f64,
    ) -> Option<u64> {
        self.quantile_us(chosen, |slot| &slot.lag, from_s, to_s, q)
    }

    /// The same of the echo turnaround.
    #[must_use]
    pub fn echo_turnaround_quantile_us(
        &self,
        chosen: impl Fn(usize, &LoopSlot) -> bool,
        from_s: u64,
        to_s: u64,
        q: f64,
    ) -> Option<u64> {
        self.quantile_us(chosen, |slot| &slot.echo_turnaround, from_s, to_s, q)
    }

    /// A loop is dead: what it had open is closed. The supervisor calls this when no process writes the slot.
    pub fn release_loop(&self, index: usize) {
        self.loops()[index].release_gauges();
        self.tests().release_loop(index);
    }

    fn quantile_us(
        &self,
        chosen: impl Fn(usize, &LoopSlot) -> bool,
        histogram: impl Fn(&LoopSlot) -> &TimedHistogram,
        from_s: u64,
        to_s: u64,
        q: f64,
    ) -> Option<u64> {
        let mut counts = Counts::default();
        for (index, slot) in self.loops().iter().enumerate() {
            if slot.role().is_some() && chosen(index, slot) {
                histogram(slot).add_seconds(from_s, to_s, &mut counts);
            }
        }
        counts.quantile_us(q)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> Scoreboard {
        Scoreboard::create(Instant::from_micros(1), 2).unwrap()
    }

    #[test]
    fn a_child_sees_what_the_supervisor_wrote() {
        let board = board();
        let child = Scoreboard::open(board.fd().try_clone_to_owned().unwrap()).unwrap();
        assert_eq!(child.secret(), board.secret());
        assert_ne!(child.secret(), [0; 32]);
        board.roles()[0].assign("main", 8000);
        board.set_draining();
        assert_eq!(child.roles()[0].name(), "main");
        assert_eq!(child.roles()[0].port(), 8000);
        assert!(child.is_draining());
    }

    #[test]
    fn lag_is_asked_of_the_chosen_loops_only() {
        let board = board();
        let now = Instant::from_micros(10_000_000);
        board.loops()[0].assign(0, 0);
        board.loops()[1].assign(1, 1);
        board.loops()[0].lag.record_us(now, 90);
        board.loops()[1].lag.record_us(now, 4_000);
        let of_role = |role| move |_: usize, slot: &LoopSlot| slot.role() == Some(role);
        assert_eq!(board.lag_quantile_us(of_role(0), 10, 10, 0.99), Some(100));
        assert_eq!(board.lag_quantile_us(of_role(1), 10, 10, 0.99), Some(5_000));
        assert_eq!(board.lag_quantile_us(of_role(2), 10, 10, 0.99), None);
        assert_eq!(board.loops_of(1).count(), 1);
    }

    #[test]
    fn a_role_is_down_when_all_of_its_processes_are() {
        let board = board();
        board.roles()[2].assign("jake", 8001);
        board.processes()[2].assign("jake", [2]);
        board.processes()[3].assign("jake/2", [2]);
        for (process, state, expected) in [
            (2, RoleState::Healthy, RoleState::Healthy),
            (3, RoleState::Down, RoleState::Healthy),
            (2, RoleState::Restarting, RoleState::Restarting),
            (2, RoleState::Down, RoleState::Down),
            (3, RoleState::Starting, RoleState::Starting),
        ] {
            board.set_process_state(process, state);
            assert_eq!(board.roles()[2].state(), expected);
        }
        assert_eq!(board.processes_of(2).count(), 2);
        assert_eq!(board.role_named("jake").map(|(index, _)| index), Some(2));
    }

    #[test]
    fn a_full_process_has_no_room_and_a_role_is_full_when_all_of_its_processes_are() {
        let board = board();
        board.roles()[2].assign("jake", 8001);
        for (slot, process) in [(5, 2), (6, 3)] {
            board.processes()[process].assign("jake", [2]);
            board.set_process_state(process, RoleState::Healthy);
            board.loops()[slot].assign(2, process);
        }
        board.loops()[5].sessions.set(3);
        assert!(!board.has_room(5, 3) && board.has_room(6, 3));
        assert!(board.role_has_room(2, 3));
        board.loops()[6].sessions.set(3);
        assert!(!board.role_has_room(2, 3));
        board.loops()[6].sessions.set(0);
        board.set_process_state(3, RoleState::Down);
        assert!(
            !board.role_has_room(2, 3),
            "a process that is down has no room"
        );
        board.set_process_state(2, RoleState::Down);
        assert!(!board.role_has_room(2, 100));
        assert!(!board.role_has_room(9, 100), "there is no such role");
    }
}
