//! The two buffers of a connection: input that cannot be used yet, and output that has not left the process.
//!
//! Both are reused for as long as a connection is busy and given back when it is quiet.

use std::time::Duration;

use super::Patience;
use crate::limits::{IDLE_BUFFER_BYTES_MAX, TRANSMIT_PIECE_BYTES};
use crate::time::Instant;

/// Input that was taken from the driver and is not parsed yet.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    start: usize,
}

impl Inbox {
    /// Appends `more`.
    pub(crate) fn push(&mut self, more: &[u8]) {
        if more.is_empty() {
            return;
        }
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(more);
    }

    /// What is not used yet.
    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Drops the first `count` unused bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
        if self.start >= self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        }
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.start = 0;
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn is_large(&self) -> bool {
        is_large(&self.bytes)
    }

    /// Gives memory back.
    pub(crate) fn release(&mut self) {
        release(&mut self.bytes);
    }
}

/// Output: bytes that wait for the driver, and a count of those that it has and did not write yet.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pending: Vec<u8>,
    start: usize,
    in_flight_bytes: u64,
    progress_at: Instant,
    patience: Patience,
}

impl Outbox {
    /// Nothing waits.
    pub(crate) fn new(patience: Patience) -> Self {
        Self {
            patience,
            ..Self::default()
        }
    }

    /// How long the connection waits for its peer.
    pub(crate) const fn patience(&self) -> Patience {
        self.patience
    }

    /// Where to append. Output that begins to wait now has all of [`Patience::write_stall`] to move.
    pub(crate) fn queue(&mut self, now: Instant) -> &mut Vec<u8> {
        if self.is_drained() {
            self.progress_at = now;
        }
        &mut self.pending
    }

    /// Moves what fits into `buffer`; whether anything was moved.
    pub(crate) fn hand_over(&mut self, buffer: &mut Vec<u8>) -> bool {
        let waiting = self.pending.get(self.start..).unwrap_or_default();
        let count = waiting.len().min(room_in(buffer));
        if count == 0 {
            return false;
        }
        let is_all = self.start == 0 && count == self.pending.len();
        if is_all && is_large(buffer) {
            // The usual case of a busy connection needs no copy. Ours stays a large one too, so that its release is due, with
            // which the driver's goes as well.
            std::mem::swap(buffer, &mut self.pending);
        } else {
            buffer.extend_from_slice(&waiting[..count]);
            self.start += count;
            if self.start == self.pending.len() {
                self.pending.clear();
                self.start = 0;
            }
        }
        self.note_handed_over(count);
        true
    }

    /// `count` bytes went to the driver by another way than [`Outbox::queue`].
    pub(crate) fn note_handed_over(&mut self, count: usize) {
        self.in_flight_bytes = self.in_flight_bytes.saturating_add(count as u64);
    }

    /// The driver wrote `count` bytes.
    pub(crate) fn note_transmitted(&mut self, now: Instant, count: u64) {
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(count);
        self.note_progress(now);
    }

    /// Output of any kind moved, or begins to wait.
    pub(crate) const fn note_progress(&mut self, now: Instant) {
        self.progress_at = now;
    }

    /// Forgets all output: there will be no more.
    pub(crate) fn abandon(&mut self) {
        self.pending = Vec::new();
        self.start = 0;
        self.in_flight_bytes = 0;
    }

    /// Whether bytes wait for the driver.
    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether everything that the driver was given was written.
    pub(crate) const fn is_written(&self) -> bool {
        self.in_flight_bytes == 0
    }

    /// Whether nothing waits anywhere.
    pub(crate) fn is_drained(&self) -> bool {
        !self.has_pending() && self.is_written()
    }

    /// Bytes that wait, here or with the driver.
    pub(crate) fn queued_bytes(&self) -> usize {
        let in_flight = usize::try_from(self.in_flight_bytes).unwrap_or(usize::MAX);
        (self.pending.len() - self.start).saturating_add(in_flight)
    }

    /// When output counts as stalled. `more_waits` says that there is output beyond these bytes, such as filler.
    pub(crate) fn stall_deadline(&self, more_waits: bool) -> Option<Instant> {
        (more_waits || !self.is_drained()).then(|| self.progress_at + self.patience.write_stall)
    }

    pub(crate) fn is_large(&self) -> bool {
        is_large(&self.pending)
    }

    /// Gives memory back.
    pub(crate) fn release(&mut self) {
        release(&mut self.pending);
    }
}

/// Bytes by which a driver's buffer may still grow.
pub(crate) fn room_in(buffer: &[u8]) -> usize {
    TRANSMIT_PIECE_BYTES.saturating_sub(buffer.len())
}

/// Whether a buffer holds more memory than a quiet connection may keep, and does not need it.
pub(crate) fn is_large(buffer: &Vec<u8>) -> bool {
    buffer.is_empty() && buffer.capacity() > IDLE_BUFFER_BYTES_MAX
}

/// Gives an unused buffer's memory back.
pub(crate) fn release(buffer: &mut Vec<u8>) {
    if is_large(buffer) {
        *buffer = Vec::new();
    }
}

/// The earlier of two deadlines.
pub(crate) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (deadline, None) | (None, deadline) => deadline,
    }
}

/// Whether `deadline`, which is `timeout` after `since`, has passed.
pub(crate) fn has_passed(now: Instant, since: Instant, timeout: Duration) -> bool {
    now >= since + timeout
}
