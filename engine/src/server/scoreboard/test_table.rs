//! The table of tests: admission, search, end, and what all loops together have open and counted for each.
//!
//! Any main loop admits, with a compare-and-swap on the row; nobody holds a lock, so nobody can die holding one.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU64, fence};
use std::time::Duration;

use protocol::message::test::Mode;
use protocol::time::Instant;

use super::flow_record::{FlowRecord, FlowSlot};
use super::test_row::{RowBody, RowHead, RowState, RowWord};
use super::waiting::Waiting;
use crate::runtime::sys::shared_memory::plain_atomics;

/// Most tests that a node can run at once.
pub const TESTS_MAX: usize = 1024;
/// Flow records kept of one test.
pub const FLOW_RECORDS_MAX: usize = 64;
/// An ended test stays this long, for its report and for whoever asks how it ended.
const ENDED_KEPT: Duration = Duration::from_secs(60);
/// A claim takes microseconds; one this old belongs to a process that was killed.
const CLAIM_ABANDONED_AFTER: Duration = Duration::from_secs(5);
/// How long a test usually takes, seconds: a seat taken so long ago is about to be free.
const USUAL_TEST_S: u64 = 45;
/// Longest `retry_after_s`, seconds.
const RETRY_AFTER_MAX_S: u64 = 30;
/// Two loops that ask for the last seat at once can each see the other and both step back: they try again.
const ADMISSION_ATTEMPTS: usize = 4;

/// The name of a test: 128 random bits, 32 lower-case hexadecimal digits on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TestId(pub u128);

impl fmt::Display for TestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A text that is not a test's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotATestId;

impl FromStr for TestId {
    type Err = NotATestId;

    fn from_str(text: &str) -> Result<Self, NotATestId> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 32 || !text.bytes().all(is_digit) {
            return Err(NotATestId);
        }
        u128::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| NotATestId)
    }
}

/// A test's place in the table. It goes stale when the row serves another test: everything then answers "over".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TestSeat {
    pub(super) row: usize,
    pub(super) generation: u64,
}

/// What admission goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestLimits {
    /// Tests at once, node-wide; at most [`TESTS_MAX`].
    pub tests_max: u32,
    /// Tests at once from one address.
    pub tests_per_address_max: u32,
    /// How long a test may live.
    pub lifetime: Duration,
}

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// The node's.
    NodeFull,
    /// The address's.
    AddressFull,
}

impl RefusalReason {
    /// Every reason, in the order of its counter.
    pub const ALL: [Self; 2] = [Self::NodeFull, Self::AddressFull];

    /// Its name on the wire, in the log and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NodeFull => "node_full",
            Self::AddressFull => "address_full",
        }
    }
}

/// Who asks for a test, and for what.
#[derive(Clone, Copy, Debug)]
pub struct Applicant<'a> {
    /// For the limits; see [`crate::server::identity::address_key`].
    pub address_key: u64,
    /// The address, where the operator wants it in the log.
    pub address: Option<IpAddr>,
    /// What the client calls itself; at most 64 bytes are kept.
    pub client_name: &'a str,
    /// Which test.
    pub mode: Mode,
}

/// What the log says of a test that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestFacts {
    /// Its name.
    pub id: TestId,
    /// Which test it was.
    pub mode: Mode,
    /// What its client called itself.
    pub client_name: String,
    /// Its client's address, where the operator wants it in the log.
    pub address: Option<IpAddr>,
    /// When it was admitted.
    pub created_at: Instant,
    /// Payload bytes that the node received and sent for it.
    pub received_bytes: u64,
    /// See `received_bytes`.
    pub sent_bytes: u64,
}

/// No room now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which limit was reached.
    pub reason: RefusalReason,
    /// Seconds until a seat is likely to be free, 1 to 30.
    pub retry_after_s: u32,
    /// The caller's place among those refused who still ask, from 1. Advisory.
    pub queue_position: u32,
}

plain_atomics! {
    /// All tests of the node.
    #[derive(Debug)]
    pub struct TestTable {
        ended_generation: AtomicU64,
        heads: [RowHead; TESTS_MAX],
        bodies: [RowBody; TESTS_MAX],
        waiting: Waiting,
    }
}

impl TestTable {
    /// Admits a test, or says why not and when to ask again. Never exceeds a limit, however many loops ask at once.
    ///
    /// # Errors
    /// The limit that was reached.
    pub fn admit(
        &self,
        now: Instant,
        id: TestId,
        applicant: Applicant<'_>,
        limits: TestLimits,
    ) -> Result<TestSeat, Refusal> {
        let address_key = applicant.address_key;
        let mut reason = RefusalReason::NodeFull;
        for _ in 0..ADMISSION_ATTEMPTS {
            match self.try_admit(now, id, applicant, limits) {
                Ok(seat) => {
                    self.waiting.remove(address_key);
                    return Ok(seat);
                }
                Err(refused) => reason = refused,
            }
            std::hint::spin_loop();
        }
        Err(Refusal {
            reason,
            retry_after_s: self.retry_after_s(now, reason, address_key),
            queue_position: self.waiting.note(now, address_key),
        })
    }

    /// The test of this name, live or ended.
    #[must_use]
    pub fn find(&self, id: TestId) -> Option<TestSeat> {
        self.rows_from(id).find_map(|row| {
            let head = &self.heads[row];
            let word = head.word();
            let is_known = matches!(word.state(), RowState::Live | RowState::Ended);
            let (high, low) = halves(id);
            (is_known
                && head.id_low.load(Relaxed) == low
                && head.id_high.load(Relaxed) == high
                && head.word().generation() == word.generation())
            .then_some(TestSeat {
                row,
                generation: word.generation(),
            })
        })
    }

    /// Ends a test: its flows and sessions are to be closed by the loops that have them. `false` when it was over.
    pub fn end(&self, now: Instant, seat: TestSeat) -> bool {
        let head = &self.heads[seat.row];
        let live = RowWord::new(seat.generation, RowState::Live);
        if head.word() != live {
            return false;
        }
        // Before the state, so that no sweep sees an ended row with the end of an earlier test.
        head.ended_ns.store(now.as_nanos(), Relaxed);
        let is_first = head.change(live, RowWord::new(seat.generation, RowState::Ended));
        if is_first {
            self.ended_generation.fetch_add(1, Release);
        }
        is_first
    }

    /// Whether the test is over (or so long over that its row serves another).
    #[must_use]
    pub fn is_ended(&self, seat: TestSeat) -> bool {
        self.heads[seat.row].word() != RowWord::new(seat.generation, RowState::Live)
    }

    /// Counts every end of a test. A loop that sees it changed looks for its own flows of ended tests.
    #[must_use]
    pub fn ended_generation(&self) -> u64 {
        self.ended_generation.load(Acquire)
    }

    /// When the test was admitted and when it ends by itself; `None` when the seat is stale.
    #[must_use]
    pub fn lifetime(&self, seat: TestSeat) -> Option<(Instant, Instant)> {
        let head = &self.heads[seat.row];
        let times = (
            head.created_at(),
            Instant::from_nanos(head.expires_ns.load(Relaxed)),
        );
        fence(Acquire);
        self.is_current(seat).then_some(times)
    }

    /// What is known of the test; `None` when the seat is stale.
    #[must_use]
    pub fn facts(&self, seat: TestSeat) -> Option<TestFacts> {
        let (head, body) = (&self.heads[seat.row], &self.bodies[seat.row]);
        let id =
            u128::from(head.id_high.load(Relaxed)) << 64 | u128::from(head.id_low.load(Relaxed));
        let (received_bytes, sent_bytes) = self.bytes(seat);
        let facts = TestFacts {
            id: TestId(id),
            mode: body.mode(),
            client_name: body.client_name.to_text(),
            address: body.address(),
            created_at: head.created_at(),
            received_bytes,
            sent_bytes,
        };
        fence(Acquire);
        self.is_current(seat).then_some(facts)
    }

    /// Whether the caller is to write the log's line of this test: the first that asks is, and nobody else.
    #[must_use]
    pub fn claim_log(&self, seat: TestSeat) -> bool {
        self.is_current(seat) && self.heads[seat.row].claim_log(seat.generation)
    }

    /// The tests that run.
    pub fn live_seats(&self) -> impl Iterator<Item = TestSeat> + '_ {
        self.heads.iter().enumerate().filter_map(|(row, head)| {
            let word = head.word();
            (word.state() == RowState::Live).then(|| TestSeat {
                row,
                generation: word.generation(),
            })
        })
    }

    /// Loop `loop_index` opened a flow (or probe, or session) of the test.
    pub fn flow_opened(&self, seat: TestSeat, loop_index: usize) {
        self.bodies[seat.row].cells[loop_index].update(seat.generation, |counts| {
            counts.open_flows += 1;
        });
    }

    /// Loop `loop_index` closed one.
    pub fn flow_closed(&self, seat: TestSeat, loop_index: usize) {
        self.bodies[seat.row].cells[loop_index].update(seat.generation, |counts| {
            counts.open_flows = counts.open_flows.saturating_sub(1);
        });
    }

    /// Loop `loop_index` moved payload of the test.
    pub fn add_bytes(&self, seat: TestSeat, loop_index: usize, received: u64, sent: u64) {
        self.bodies[seat.row].cells[loop_index].update(seat.generation, |counts| {
            counts.received_bytes += received;
            counts.sent_bytes += sent;
        });
    }

    /// What all loops together have open for the test.
    #[must_use]
    pub fn open_flows(&self, seat: TestSeat) -> u32 {
        let open = self.bodies[seat.row]
            .cells
            .iter()
            .map(|cell| cell.read(seat.generation).open_flows)
            .sum::<u64>();
        u32::try_from(open).unwrap_or(u32::MAX)
    }

    /// Payload bytes that all loops together received and sent for the test.
    #[must_use]
    pub fn bytes(&self, seat: TestSeat) -> (u64, u64) {
        self.bodies[seat.row]
            .cells
            .iter()
            .map(|cell| cell.read(seat.generation))
            .fold((0, 0), |(received, sent), counts| {
                (received + counts.received_bytes, sent + counts.sent_bytes)
            })
    }

    /// Whether loop `loop_index` had a flow or a byte of the test: by this a report chooses whose lag counts.
    #[must_use]
    pub fn has_served(&self, seat: TestSeat, loop_index: usize) -> bool {
        self.bodies[seat.row].cells[loop_index].is_of(seat.generation)
    }

    /// A place for a flow's record; `None` when the test has [`FLOW_RECORDS_MAX`] already or its seat is stale.
    #[must_use]
    pub fn claim_flow(&self, seat: TestSeat) -> Option<FlowSlot> {
        if !self.is_current(seat) {
            return None;
        }
        let index = self.heads[seat.row].claim_flow(seat.generation)?;
        Some(FlowSlot { seat, index })
    }

    /// Writes a flow's record, as often as wanted. Only the loop that claimed the slot calls this.
    pub fn write_flow(&self, slot: FlowSlot, record: FlowRecord) {
        if self.is_current(slot.seat) {
            self.bodies[slot.seat.row].flows[slot.index].write(slot.seat.generation, record);
        }
    }

    /// Claims and writes at once: for a flow that is recorded when it ends. `false` when there was no place.
    pub fn record_flow(&self, seat: TestSeat, record: FlowRecord) -> bool {
        let slot = self.claim_flow(seat);
        if let Some(slot) = slot {
            self.write_flow(slot, record);
        }
        slot.is_some()
    }

    /// The records of the test's flows, in the order in which they were claimed.
    #[must_use]
    pub fn flow_records(&self, seat: TestSeat) -> Vec<FlowRecord> {
        let claimed = self.heads[seat.row].flows_claimed(seat.generation);
        self.bodies[seat.row].flows[..claimed.min(FLOW_RECORDS_MAX)]
            .iter()
            .filter_map(|cell| cell.read(seat.generation))
            .collect()
    }

    /// Live tests.
    #[must_use]
    pub fn live_tests(&self) -> u32 {
        let live = self
            .heads
            .iter()
            .filter(|head| head.word().state() == RowState::Live)
            .count();
        u32::try_from(live).unwrap_or(u32::MAX)
    }

    /// Ends what has expired, frees what has been over for a minute, and what a killed process left half claimed.
    /// Any loop may call it, about once a second. `expired` is shown each test that this call has ended.
    pub fn sweep(&self, now: Instant, mut expired: impl FnMut(TestSeat)) {
        for (row, head) in self.heads.iter().enumerate() {
            let word = head.word();
            match word.state() {
                RowState::Free => {}
                RowState::Live => {
                    if now.as_nanos() >= head.expires_ns.load(Relaxed) {
                        let generation = word.generation();
                        let seat = TestSeat { row, generation };
                        if self.end(now, seat) {
                            expired(seat);
                        }
                    }
                }
                RowState::Ended => {
                    let ended = Instant::from_nanos(head.ended_ns.load(Relaxed));
                    if now.saturating_since(ended) >= ENDED_KEPT {
                        self.take_and_free(head, word);
                    }
                }
                RowState::Claimed => self.sweep_claim(now, head, word),
            }
        }
    }

    pub(super) fn release_loop(&self, loop_index: usize) {
        for (head, body) in self.heads.iter().zip(&self.bodies) {
            // Rows never used stay untouched, so that the kernel need not back them with memory.
            if head.word().generation() != 0 {
                body.cells[loop_index].release();
            }
        }
    }

    fn try_admit(
        &self,
        now: Instant,
        id: TestId,
        applicant: Applicant<'_>,
        limits: TestLimits,
    ) -> Result<TestSeat, RefusalReason> {
        let address_key = applicant.address_key;
        let seat = self.claim_row(id).ok_or(RefusalReason::NodeFull)?;
        let head = &self.heads[seat.row];
        head.address_key.store(address_key, Relaxed);
        head.created_ns.store(now.as_nanos(), Relaxed);
        // Of two loops that claim at once, at least one sees the other below: the limit is never exceeded.
        fence(SeqCst);
        if let Some(reason) = self.limit_reached(address_key, limits) {
            head.free(seat.generation);
            return Err(reason);
        }
        let (high, low) = halves(id);
        head.id_high.store(high, Relaxed);
        head.id_low.store(low, Relaxed);
        head.expires_ns
            .store((now + limits.lifetime).as_nanos(), Relaxed);
        self.bodies[seat.row].introduce(applicant);
        let claimed = RowWord::new(seat.generation, RowState::Claimed);
        let live = RowWord::new(seat.generation, RowState::Live);
        // It fails only if this process slept so long that its claim was taken for abandoned.
        if head.change(claimed, live) {
            Ok(seat)
        } else {
            Err(RefusalReason::NodeFull)
        }
    }

    /// A row of our own: a free one near the id's own place, else the one that has been over longest.
    fn claim_row(&self, id: TestId) -> Option<TestSeat> {
        let free = self
            .rows_from(id)
            .find_map(|row| self.claim(row, RowState::Free));
        free.or_else(|| {
            let oldest = (0..TESTS_MAX)
                .filter(|row| self.heads[*row].word().state() == RowState::Ended)
                .min_by_key(|row| self.heads[*row].ended_ns.load(Relaxed))?;
            self.claim(oldest, RowState::Ended)
        })
    }

    fn claim(&self, row: usize, from: RowState) -> Option<TestSeat> {
        let head = &self.heads[row];
        let word = head.word();
        let generation = word.generation() + 1;
        (word.state() == from && head.change(word, RowWord::new(generation, RowState::Claimed)))
            .then_some(TestSeat { row, generation })
    }

    /// Counts all claimed and live rows, the caller's own included.
    fn limit_reached(&self, address_key: u64, limits: TestLimits) -> Option<RefusalReason> {
        let (mut node, mut address) = (0_u32, 0_u32);
        for head in &self.heads {
            if matches!(head.word().state(), RowState::Claimed | RowState::Live) {
                node += 1;
                if head.address_key.load(Relaxed) == address_key {
                    address += 1;
                }
            }
        }
        if address > limits.tests_per_address_max {
            Some(RefusalReason::AddressFull)
        } else if node > limits.tests_max {
            Some(RefusalReason::NodeFull)
        } else {
            None
        }
    }

    /// Seconds until the oldest seat that counts against the caller is likely to be free.
    fn retry_after_s(&self, now: Instant, reason: RefusalReason, address_key: u64) -> u32 {
        let oldest = self
            .heads
            .iter()
            .filter(|head| head.word().state() == RowState::Live)
            .filter(|head| match reason {
                RefusalReason::NodeFull => true,
                RefusalReason::AddressFull => head.address_key.load(Relaxed) == address_key,
            })
            .map(RowHead::created_at)
            .min();
        let age_s = oldest.map_or(USUAL_TEST_S, |created| {
            now.saturating_since(created).as_secs()
        });
        let left_s = USUAL_TEST_S
            .saturating_sub(age_s)
            .clamp(1, RETRY_AFTER_MAX_S);
        u32::try_from(left_s).unwrap_or(1)
    }

    fn sweep_claim(&self, now: Instant, head: &RowHead, word: RowWord) {
        // A process killed between its claim and its first store left no time: the sweep writes one and waits.
        let started = head
            .created_ns
            .compare_exchange(0, now.as_nanos(), Relaxed, Relaxed);
        let created = Instant::from_nanos(started.err().unwrap_or(now.as_nanos()));
        if now.saturating_since(created) >= CLAIM_ABANDONED_AFTER {
            self.take_and_free(head, word);
        }
    }

    fn take_and_free(&self, head: &RowHead, word: RowWord) {
        let generation = word.generation() + 1;
        if head.change(word, RowWord::new(generation, RowState::Claimed)) {
            head.free(generation);
        }
    }

    /// Whether the seat's test is still in its row, live or ended.
    fn is_current(&self, seat: TestSeat) -> bool {
        let word = self.heads[seat.row].word();
        word.generation() == seat.generation
            && matches!(word.state(), RowState::Live | RowState::Ended)
    }

    /// All rows, beginning at the id's own place, so that a search usually ends at once.
    fn rows_from(&self, id: TestId) -> impl Iterator<Item = usize> + use<> {
        // The remainder is below TESTS_MAX.
        let start = (id.0 % TESTS_MAX as u128) as usize;
        (start..TESTS_MAX).chain(0..start)
    }
}

impl RowBody {
    fn introduce(&self, applicant: Applicant<'_>) {
        self.client_name.set(applicant.client_name);
        let mode = match applicant.mode {
            Mode::Single => 0,
            Mode::Household => 1,
        };
        self.mode.store(mode, Relaxed);
        // Nobody connects from the address of all zeros.
        let bits = match applicant.address {
            None => 0,
            Some(IpAddr::V4(address)) => address.to_ipv6_mapped().to_bits(),
            Some(IpAddr::V6(address)) => address.to_bits(),
        };
        self.address_high.store((bits >> 64) as u64, Relaxed);
        self.address_low.store(bits as u64, Relaxed);
    }

    fn mode(&self) -> Mode {
        match self.mode.load(Relaxed) {
            0 => Mode::Single,
            _ => Mode::Household,
        }
    }

    fn address(&self) -> Option<IpAddr> {
        let (high, low) = (
            self.address_high.load(Relaxed),
            self.address_low.load(Relaxed),
        );
        let bits = u128::from(high) << 64 | u128::from(low);
        (bits != 0).then(|| IpAddr::V6(Ipv6Addr::from_bits(bits)).to_canonical())
    }
}

fn halves(id: TestId) -> (u64, u64) {
    // Truncation takes the low half.
    ((id.0 >> 64) as u64, id.0 as u64)
}

#[cfg(test)]
#[path = "test_table_tests.rs"]
mod tests;
