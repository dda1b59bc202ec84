//! One test's row: its life, and what each loop has open and counted for it.
//!
//! A row is reused. Its **generation** grows with each use and is part of every seat, cell and record, so that
//! what an earlier test left behind is neither counted nor needs to be wiped.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use protocol::time::Instant;

use super::LOOPS_MAX;
use super::cell::ShortText;
use super::flow_record::FlowCell;
use super::test_table::FLOW_RECORDS_MAX;
use crate::runtime::sys::shared_memory::plain_atomics;

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowState {
    /// Nobody's.
    Free,
    /// Being filled or emptied by one loop.
    Claimed,
    /// A running test.
    Live,
    /// A test that is over; kept a while for its report.
    Ended,
}

/// State and generation in one word, so that one compare-and-swap changes both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowWord(u64);

impl RowWord {
    pub(super) const fn new(generation: u64, state: RowState) -> Self {
        let state = match state {
            RowState::Free => 0,
            RowState::Claimed => 1,
            RowState::Live => 2,
            RowState::Ended => 3,
        };
        Self(generation << 2 | state)
    }

    pub(super) const fn generation(self) -> u64 {
        self.0 >> 2
    }

    pub(super) const fn state(self) -> RowState {
        match self.0 & 3 {
            1 => RowState::Claimed,
            2 => RowState::Live,
            3 => RowState::Ended,
            _ => RowState::Free,
        }
    }
}

plain_atomics! {
    /// What is looked at when a test is searched for: apart from the bulky rest, so that a search stays in the cache.
    #[derive(Debug)]
    pub(super) struct RowHead {
        word: AtomicU64,
        pub(super) id_high: AtomicU64,
        pub(super) id_low: AtomicU64,
        pub(super) address_key: AtomicU64,
        /// When it was claimed; 0 while it is free.
        pub(super) created_ns: AtomicU64,
        pub(super) expires_ns: AtomicU64,
        pub(super) ended_ns: AtomicU64,
        /// Tag (low half of the generation) in the high half, claimed records in the low half.
        flows_claimed: AtomicU64,
        /// The generation whose line in the log is written.
        logged_generation: AtomicU64,
    }
}

impl RowHead {
    pub(super) fn word(&self) -> RowWord {
        RowWord(self.word.load(Acquire))
    }

    /// Changes the word from `from` to `to`, unless another process was first.
    pub(super) fn change(&self, from: RowWord, to: RowWord) -> bool {
        self.word
            .compare_exchange(from.0, to.0, AcqRel, Relaxed)
            .is_ok()
    }

    /// Empties a row that this loop has claimed; nothing happens if the claim was taken for abandoned meanwhile.
    pub(super) fn free(&self, generation: u64) {
        self.created_ns.store(0, Relaxed);
        self.change(
            RowWord::new(generation, RowState::Claimed),
            RowWord::new(generation, RowState::Free),
        );
    }

    pub(super) fn created_at(&self) -> Instant {
        Instant::from_nanos(self.created_ns.load(Relaxed))
    }

    /// Whether nobody has claimed the log's line of this generation before.
    pub(super) fn claim_log(&self, generation: u64) -> bool {
        self.logged_generation.fetch_max(generation, AcqRel) < generation
    }

    /// The next free record's index, for the test of this generation.
    pub(super) fn claim_flow(&self, generation: u64) -> Option<usize> {
        let tag = generation << 32;
        let next = |claimed: u64| {
            let count = if claimed & TAG_MASK == tag {
                claimed & !TAG_MASK
            } else {
                0
            };
            (count < FLOW_RECORDS_MAX as u64).then_some(tag | (count + 1))
        };
        let before = self
            .flows_claimed
            .fetch_update(AcqRel, Acquire, next)
            .ok()?;
        // Below FLOW_RECORDS_MAX by the closure above.
        Some(if before & TAG_MASK == tag {
            (before & !TAG_MASK) as usize
        } else {
            0
        })
    }

    pub(super) fn flows_claimed(&self, generation: u64) -> usize {
        let claimed = self.flows_claimed.load(Acquire);
        if claimed & TAG_MASK == generation << 32 {
            (claimed & !TAG_MASK) as usize
        } else {
            0
        }
    }
}

const TAG_MASK: u64 = 0xffff_ffff_0000_0000;

plain_atomics! {
    /// The bulky part of a row.
    #[derive(Debug)]
    pub(super) struct RowBody {
        pub(super) client_name: ShortText,
        pub(super) mode: AtomicU64,
        pub(super) address_high: AtomicU64,
        pub(super) address_low: AtomicU64,
        pub(super) cells: [LoopCell; LOOPS_MAX],
        pub(super) flows: [FlowCell; FLOW_RECORDS_MAX],
    }
}

plain_atomics! {
    /// What one loop has of one test. Only that loop writes it (the supervisor, when the loop is dead). A cache line of
    /// its own: loops that serve one test must not slow each other down.
    #[derive(Debug)]
    #[repr(align(64))]
    pub(super) struct LoopCell {
        generation: AtomicU64,
        open_flows: AtomicU64,
        received_bytes: AtomicU64,
        sent_bytes: AtomicU64,
    }
}

/// What a loop counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LoopCounts {
    pub(super) open_flows: u64,
    pub(super) received_bytes: u64,
    pub(super) sent_bytes: u64,
}

impl LoopCell {
    /// Changes the counts for the test of `generation`; nothing happens when the row serves a later one already.
    pub(super) fn update(&self, generation: u64, change: impl FnOnce(&mut LoopCounts)) {
        let present = self.generation.load(Relaxed);
        if present > generation {
            return;
        }
        let mut counts = if present == generation {
            self.counts()
        } else {
            LoopCounts::default()
        };
        change(&mut counts);
        self.open_flows.store(counts.open_flows, Relaxed);
        self.received_bytes.store(counts.received_bytes, Relaxed);
        self.sent_bytes.store(counts.sent_bytes, Relaxed);
        self.generation.store(generation, Release);
    }

    /// The counts for the test of `generation`.
    pub(super) fn read(&self, generation: u64) -> LoopCounts {
        if self.generation.load(Acquire) == generation {
            self.counts()
        } else {
            LoopCounts::default()
        }
    }

    /// Whether the loop had anything to do with the test of `generation`.
    pub(super) fn is_of(&self, generation: u64) -> bool {
        self.generation.load(Acquire) == generation
    }

    /// The loop is dead, its flows with it; what it counted stays.
    pub(super) fn release(&self) {
        self.open_flows.store(0, Relaxed);
    }

    fn counts(&self) -> LoopCounts {
        LoopCounts {
            open_flows: self.open_flows.load(Relaxed),
            received_bytes: self.received_bytes.load(Relaxed),
            sent_bytes: self.sent_bytes.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::sys::shared_memory::SharedMapping;

    #[test]
    fn a_cell_forgets_the_earlier_test_and_ignores_its_stragglers() {
        let cell = SharedMapping::<LoopCell>::create().unwrap();
        cell.update(1, |counts| counts.open_flows += 3);
        assert_eq!(cell.read(1).open_flows, 3);
        cell.update(2, |counts| counts.open_flows += 1);
        assert_eq!(cell.read(2).open_flows, 1);
        assert_eq!(cell.read(1), LoopCounts::default());
        cell.update(1, |counts| counts.open_flows -= 1);
        assert_eq!(cell.read(2).open_flows, 1);
    }

    #[test]
    fn records_are_claimed_once_and_anew_for_each_test() {
        let head = SharedMapping::<RowHead>::create().unwrap();
        for index in 0..FLOW_RECORDS_MAX {
            assert_eq!(head.claim_flow(1), Some(index));
        }
        assert_eq!(head.claim_flow(1), None);
        assert_eq!(head.flows_claimed(1), FLOW_RECORDS_MAX);
        assert_eq!(head.claim_flow(2), Some(0));
        assert_eq!(head.flows_claimed(1), 0);
    }
}
