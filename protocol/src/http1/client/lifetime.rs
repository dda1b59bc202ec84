//! A client connection's deadlines, and what its driver asks of it.

use super::{Client, Phase};
use crate::connection::buffers::{earlier, has_passed, is_large, release};
use crate::connection::{BodySink, CloseReason, Event, Receive};
use crate::limits::{
    BUFFER_RELEASE_TIMEOUT, DISCARD_BYTES_MIN, HTTP_KEEP_ALIVE_TIMEOUT, RECEIVE_BUFFER_BYTES_MAX,
};
use crate::time::Instant;

impl Client {
    // ---- what the driver asks ----

    pub(crate) fn poll_event(&mut self, scratch: &mut Vec<u8>) -> Option<Event> {
        scratch.clear();
        if std::mem::take(&mut self.filler_sent) {
            return Some(Event::FillerSent);
        }
        if let Some(response) = self.response.take() {
            return Some(Event::Response(response));
        }
        if let Some((bytes, elapsed)) = self.body_complete.take() {
            scratch.extend_from_slice(&self.collected);
            self.collected.clear();
            release(&mut self.collected);
            return Some(Event::BodyComplete { bytes, elapsed });
        }
        match &mut self.phase {
            Phase::Closed(closed) => closed.report(),
            Phase::Idle
            | Phase::Head { .. }
            | Phase::Body { .. }
            | Phase::Answered
            | Phase::Upgraded => None,
        }
    }

    pub(crate) fn receive(&self) -> Receive {
        match &self.phase {
            Phase::Body { reader, .. }
                if self.sink == BodySink::Discard
                    && reader.payload_remaining() >= DISCARD_BYTES_MIN =>
            {
                Receive::Discard {
                    remaining: reader.payload_remaining(),
                }
            }
            Phase::Idle | Phase::Head { .. } | Phase::Body { .. } | Phase::Answered
                if !self.saw_eof && self.inbox.len() < RECEIVE_BUFFER_BYTES_MAX =>
            {
                Receive::Bytes
            }
            Phase::Idle
            | Phase::Head { .. }
            | Phase::Body { .. }
            | Phase::Answered
            | Phase::Upgraded
            | Phase::Closed(_) => Receive::Paused,
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let reading = match &self.phase {
            Phase::Closed(_) => return None,
            Phase::Idle => Some(self.active_at + HTTP_KEEP_ALIVE_TIMEOUT),
            Phase::Head { .. } | Phase::Body { .. } | Phase::Answered => {
                Some(self.active_at + self.outbox.patience().inactivity)
            }
            Phase::Upgraded => None,
        };
        let stall = self.outbox.stall_deadline(!self.output.is_done());
        let buffers = self
            .holds_idle_memory()
            .then(|| self.used_at + BUFFER_RELEASE_TIMEOUT);
        earlier(earlier(reading, stall), buffers)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if let Some(deadline) = self.outbox.stall_deadline(!self.output.is_done())
            && now >= deadline
        {
            self.end(CloseReason::WriteStalled);
        }
        match &self.phase {
            Phase::Idle if has_passed(now, self.active_at, HTTP_KEEP_ALIVE_TIMEOUT) => {
                self.end(CloseReason::IdleTimeout);
            }
            Phase::Head { .. } | Phase::Body { .. } | Phase::Answered
                if has_passed(now, self.active_at, self.outbox.patience().inactivity) =>
            {
                self.end(CloseReason::InactivityTimeout);
            }
            Phase::Idle
            | Phase::Head { .. }
            | Phase::Body { .. }
            | Phase::Answered
            | Phase::Upgraded
            | Phase::Closed(_) => {}
        }
        if self.holds_idle_memory() && has_passed(now, self.used_at, BUFFER_RELEASE_TIMEOUT) {
            self.inbox.release();
            self.outbox.release();
            release(&mut self.collected);
        }
    }

    pub(super) fn holds_idle_memory(&self) -> bool {
        self.inbox.is_large() || self.outbox.is_large() || is_large(&self.collected)
    }

    pub(super) const fn note_use(&mut self, now: Instant) {
        self.now = now;
        self.used_at = now;
    }

    pub(crate) const fn wants_close(&self) -> bool {
        matches!(self.phase, Phase::Closed(_))
    }

    pub(crate) const fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    pub(crate) const fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.outbox.queued_bytes()
    }
}
