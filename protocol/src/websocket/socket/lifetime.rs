//! A WebSocket's end and its deadlines, and what its driver asks of it.

use super::super::frame::{HEADER_BYTES_MAX, MASK_BYTES, Role};
use super::{End, Reading, Waiting, WebSocket};
use crate::connection::buffers::{earlier, has_passed};
use crate::connection::end::Closed;
use crate::connection::{BinarySink, CloseReason, Event, ProtocolError, Receive};
use crate::limits::{BUFFER_RELEASE_TIMEOUT, RECEIVE_BUFFER_BYTES_MAX, WEBSOCKET_CLOSE_TIMEOUT};
use crate::time::Instant;
use crate::websocket::fault::Fault;

impl WebSocket {
    // ---- the end ----

    /// Tells the peer what it did wrong and listens to it no more.
    pub(super) fn fail(&mut self, fault: Fault) {
        let reason = CloseReason::ProtocolError(ProtocolError::WebSocket(fault));
        self.end_with(reason, fault.close_code(), fault.reason());
    }

    pub(super) fn end_with(&mut self, reason: CloseReason, code: u16, text: &str) {
        if self.end == End::Open {
            self.begin_close(code, text);
        }
        self.ignore_input();
        if matches!(self.end, End::Open | End::AwaitingPeer { .. }) {
            self.end = End::Failing {
                reason,
                until: None,
            };
        }
        self.advance_end();
    }

    /// Takes the next step to the end, once all output is written.
    pub(super) fn advance_end(&mut self) {
        if !self.outbox.is_drained() || self.filler.is_some() {
            return;
        }
        let deadline = self.now + WEBSOCKET_CLOSE_TIMEOUT;
        match self.end {
            End::AwaitingPeer { code, until: None } => {
                self.end = End::AwaitingPeer {
                    code,
                    until: Some(deadline),
                };
            }
            End::Flushing { reason } => self.closed(reason),
            End::Failing { reason, .. } if self.saw_eof => self.closed(reason),
            End::Failing {
                reason,
                until: None,
            } => {
                self.end = End::Failing {
                    reason,
                    until: Some(deadline),
                };
            }
            End::Open | End::AwaitingPeer { .. } | End::Failing { .. } | End::Closed(_) => {}
        }
    }

    pub(super) fn ignore_input(&mut self) {
        self.reading = Reading::Ignored;
        self.foreseen_frames = 0;
        self.inbox.clear();
        if self.waiting.is_none() {
            self.assembler.clear();
        }
    }

    /// Ends the connection now, whatever waits.
    pub(super) fn give_up(&mut self, reason: CloseReason) {
        self.ignore_input();
        self.outbox.abandon();
        self.filler = None;
        self.owed_pong = None;
        self.closed(reason);
    }

    pub(super) fn closed(&mut self, reason: CloseReason) {
        if !self.wants_close() {
            self.end = End::Closed(Closed::new(reason));
        }
    }

    // ---- what the driver asks ----

    pub(crate) fn poll_event(&mut self, scratch: &mut Vec<u8>) -> Option<Event> {
        scratch.clear();
        if self.waiting.is_none() && !self.inbox.is_empty() || self.saw_eof {
            self.run();
        }
        match self.waiting.take() {
            Some(Waiting::Upgraded) => return Some(Event::Upgraded),
            Some(Waiting::Pong) => {
                scratch.extend_from_slice(self.control.as_slice());
                return Some(Event::Pong);
            }
            Some(Waiting::Message(kind)) => {
                scratch.extend_from_slice(self.assembler.payload());
                self.assembler.clear();
                return Some(Event::Message(kind));
            }
            None => {}
        }
        if std::mem::take(&mut self.filler_sent) {
            return Some(Event::FillerSent);
        }
        match &mut self.end {
            End::Closed(closed) => closed.report(),
            End::Open | End::AwaitingPeer { .. } | End::Flushing { .. } | End::Failing { .. } => {
                None
            }
        }
    }

    pub(crate) fn receive(&self) -> Receive {
        match self.end {
            _ if self.saw_eof => return Receive::Paused,
            End::Failing { .. } => {
                return Receive::Discard {
                    remaining: u64::MAX,
                };
            }
            End::Flushing { .. } | End::Closed(_) => return Receive::Paused,
            End::Open | End::AwaitingPeer { .. } => {}
        }
        match self.reading {
            Reading::Payload { header, position } if self.inbox.is_empty() => {
                let left = self.foreseen_bytes(header, header.payload_bytes - position);
                if self.is_discarding(header) && left >= self.discard_bytes_min() {
                    return Receive::Discard { remaining: left };
                }
            }
            Reading::Foreseen { header, left } => {
                let left = u64::from(left) + header.payload_bytes;
                let remaining = self.foreseen_bytes(header, left);
                return Receive::Discard { remaining };
            }
            Reading::Header | Reading::Payload { .. } | Reading::Ignored => {}
        }
        if self.inbox.len() >= RECEIVE_BUFFER_BYTES_MAX {
            Receive::Paused
        } else if let Some(most) = self.bytes_to_next_payload() {
            Receive::Header { most }
        } else {
            Receive::Bytes
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let reading = match self.end {
            End::Open => Some(self.active_at + self.outbox.patience().inactivity),
            End::AwaitingPeer { until, .. } | End::Failing { until, .. } => until,
            End::Flushing { .. } => None,
            End::Closed(_) => return None,
        };
        let stall = self.outbox.stall_deadline(self.filler.is_some());
        let buffers = self
            .holds_idle_memory()
            .then(|| self.used_at + BUFFER_RELEASE_TIMEOUT);
        earlier(earlier(reading, stall), buffers)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        let is_stalled = self
            .outbox
            .stall_deadline(self.filler.is_some())
            .is_some_and(|deadline| now >= deadline);
        match self.end {
            End::Closed(_) => {}
            _ if is_stalled => self.give_up(CloseReason::WriteStalled),
            End::AwaitingPeer {
                until: Some(until), ..
            } if now >= until => self.give_up(CloseReason::CloseTimeout),
            End::Failing {
                reason,
                until: Some(until),
            } if now >= until => self.closed(reason),
            End::Open if has_passed(now, self.active_at, self.outbox.patience().inactivity) => {
                self.end_with(
                    CloseReason::InactivityTimeout,
                    1001,
                    "nothing moved for 30 s",
                );
            }
            End::Open | End::AwaitingPeer { .. } | End::Flushing { .. } | End::Failing { .. } => {}
        }
        if self.holds_idle_memory() && has_passed(now, self.used_at, BUFFER_RELEASE_TIMEOUT) {
            self.inbox.release();
            self.outbox.release();
            self.assembler.release();
        }
    }

    /// While long frames are thrown away: the rest of the current one, if it is short, and the next one's header. Its length
    /// may take 64 bits or 16, which is not known before; where it is 16, a few bytes of payload come with it.
    fn bytes_to_next_payload(&self) -> Option<usize> {
        let header_bytes = match self.role {
            Role::Server => HEADER_BYTES_MAX,
            Role::Client => HEADER_BYTES_MAX - MASK_BYTES,
        };
        let head_bytes = match self.binary {
            BinarySink::Deliver | BinarySink::Discard => 0,
            BinarySink::Head { bytes } => bytes,
        };
        let most = match self.reading {
            // Of a head that is cut, its end; what follows it can be thrown away.
            Reading::Payload { header, .. }
                if self.is_counted_only(header) && self.head_bytes_left() > 0 =>
            {
                self.head_bytes_left()
            }
            Reading::Payload { header, position } => {
                let rest = usize::try_from(header.payload_bytes - position).ok()?;
                rest.saturating_add(header_bytes + head_bytes)
            }
            Reading::Header => header_bytes + head_bytes,
            Reading::Foreseen { .. } | Reading::Ignored => return None,
        };
        let wanted = most.saturating_sub(self.inbox.len());
        (self.expects_long_frame && wanted > 0).then_some(wanted)
    }

    pub(super) fn holds_idle_memory(&self) -> bool {
        self.inbox.is_large() || self.outbox.is_large() || self.assembler.is_large()
    }

    pub(super) const fn note_use(&mut self, now: Instant) {
        self.now = now;
        self.used_at = now;
    }

    pub(crate) const fn wants_close(&self) -> bool {
        matches!(self.end, End::Closed(_))
    }

    pub(crate) const fn wants_shutdown(&self) -> bool {
        matches!(self.end, End::Failing { until: Some(_), .. })
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
