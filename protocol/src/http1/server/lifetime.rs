//! A server connection's end and its deadlines, and what its driver asks of it.

use super::{Input, Server};
use crate::connection::buffers::{earlier, has_passed, is_large, release};
use crate::connection::end::End;
use crate::connection::{BodySink, CloseReason, Event, Receive};
use crate::http1::fault::Fault;
use crate::http1::fields::write_field;
use crate::http1::output::Output;
use crate::http1::request::Method;
use crate::http1::response::ResponseHead;
use crate::limits::{
    BUFFER_RELEASE_TIMEOUT, DISCARD_BYTES_MIN, HTTP_FIRST_REQUEST_GRACE, HTTP_HEAD_TIMEOUT,
    HTTP_KEEP_ALIVE_TIMEOUT, RECEIVE_BUFFER_BYTES_MAX, TRANSMIT_PIECE_BYTES,
};
use crate::time::Instant;

impl Server {
    // ---- the end ----

    /// Answers a fault, if the peer can still be told, and ends the connection.
    pub(super) fn refuse(&mut self, fault: Fault, reason: CloseReason) {
        if self
            .exchange
            .is_some_and(|exchange| exchange.response_begun)
        {
            // The response under way was right; only what follows cannot be read.
            self.is_last = true;
            self.input = Input::Ignored;
            self.settle();
            return;
        }
        let is_head = self
            .exchange
            .is_some_and(|exchange| exchange.method == Method::Head);
        let body = fault.reply_body();
        let out = self.outbox.queue(self.now);
        let mut head = ResponseHead::new(fault.status()).field("Content-Type", "application/json");
        if fault == Fault::UnsupportedVersion {
            head = head.field("Upgrade", "HTTP/1.1");
        }
        head.write(out);
        write_field(out, "Content-Length", &body.len().to_string());
        write_field(out, "Connection", "close");
        out.extend_from_slice(b"\r\n");
        if !is_head {
            out.extend_from_slice(&body);
        }
        self.finish(reason, true);
    }

    /// Ends the connection once all output is written; `lingers` says that the peer may still be sending.
    pub(super) fn finish(&mut self, reason: CloseReason, lingers: bool) {
        self.end = End::Flushing { reason, lingers };
        self.exchange = None;
        self.input = Input::Ignored;
        self.inbox.clear();
        if self.body_complete.is_none() {
            self.collected = Vec::new();
        }
        self.request = None;
        self.advance_end();
    }

    /// Closes where no exchange is under way; part of a request may have come.
    pub(super) fn finish_unasked(&mut self) {
        let has_begun = !self.inbox.is_empty();
        self.finish(CloseReason::Finished, has_begun);
    }

    /// Told to close, and new enough that its first request may be on its way.
    pub(super) fn is_in_grace(&self) -> bool {
        self.is_last
            && !self.has_served
            && !self.saw_eof
            && self.now < self.idle_since + HTTP_FIRST_REQUEST_GRACE
    }

    pub(super) fn advance_end(&mut self) {
        if self.outbox.is_drained() {
            self.end.advance(self.now, self.saw_eof);
        }
    }

    /// Ends the connection now, whatever waits.
    pub(super) fn give_up(&mut self, reason: CloseReason) {
        self.finish(reason, false);
        self.outbox.abandon();
        self.output = Output::Done;
        self.end.close(reason);
    }

    /// The peer sends no more, and all it sent was looked at as far as the application's pace allows.
    pub(super) fn run_into_eof(&mut self) {
        if self.end != End::Open || self.exchange.is_some() && !self.is_in_body() {
            return;
        }
        match &self.input {
            Input::Head { begun, .. } => {
                let waits_for_its_turn = self.response_sent
                    || self.body_complete.is_some()
                    || self.outbox.queued_bytes() > TRANSMIT_PIECE_BYTES;
                if begun.is_some() {
                    self.finish(CloseReason::PeerVanished, false);
                } else if self.inbox.is_empty() || !waits_for_its_turn {
                    self.finish(CloseReason::PeerClosed { code: None }, false);
                }
            }
            Input::Body { .. } => self.give_up(CloseReason::PeerVanished),
            Input::Drain(_) => {
                self.input = Input::Ignored;
                self.settle();
            }
            Input::Held(_) | Input::Complete | Input::Ignored => {}
        }
    }

    // ---- what the driver asks ----

    pub(crate) fn poll_event(&mut self, scratch: &mut Vec<u8>) -> Option<Event> {
        scratch.clear();
        if let Some((bytes, elapsed)) = self.body_complete.take() {
            scratch.extend_from_slice(&self.collected);
            self.collected.clear();
            release(&mut self.collected);
            return Some(Event::BodyComplete { bytes, elapsed });
        }
        if std::mem::take(&mut self.response_sent) {
            return Some(Event::ResponseSent);
        }
        if self.request.is_none() && self.end == End::Open {
            self.run();
        }
        if let Some(request) = self.request.take() {
            return Some(Event::Request(request));
        }
        self.end.report()
    }

    pub(crate) fn receive(&self) -> Receive {
        if let Some(receive) = self.end.receive(self.saw_eof) {
            return receive;
        }
        match &self.input {
            Input::Body {
                reader,
                sink: BodySink::Discard,
            }
            | Input::Drain(reader)
                if reader.payload_remaining() >= DISCARD_BYTES_MIN =>
            {
                Receive::Discard {
                    remaining: reader.payload_remaining(),
                }
            }
            Input::Ignored => Receive::Discard {
                remaining: u64::MAX,
            },
            Input::Head { .. }
            | Input::Held(_)
            | Input::Body { .. }
            | Input::Drain(_)
            | Input::Complete => {
                if self.inbox.len() >= RECEIVE_BUFFER_BYTES_MAX {
                    Receive::Paused
                } else {
                    Receive::Bytes
                }
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let reading = match self.end {
            End::Closed(_) => return None,
            End::Lingering { until, .. } => Some(until),
            End::Flushing { .. } => None,
            End::Open => self.reading_deadline(),
        };
        let stall = self.outbox.stall_deadline(!self.output.is_done());
        let buffers = self
            .holds_idle_memory()
            .then(|| self.used_at + BUFFER_RELEASE_TIMEOUT);
        earlier(earlier(reading, stall), buffers)
    }

    pub(super) fn reading_deadline(&self) -> Option<Instant> {
        match &self.input {
            Input::Head { .. } if self.is_last && !self.has_served && self.exchange.is_none() => {
                Some(self.idle_since + HTTP_FIRST_REQUEST_GRACE)
            }
            Input::Head { begun, .. } => Some(match begun {
                Some(begun) => *begun + HTTP_HEAD_TIMEOUT,
                None if self.has_served => self.idle_since + HTTP_KEEP_ALIVE_TIMEOUT,
                None => self.idle_since + HTTP_HEAD_TIMEOUT,
            }),
            Input::Body { .. } | Input::Drain(_) => {
                Some(self.active_at + self.outbox.patience().inactivity)
            }
            Input::Held(_) | Input::Complete | Input::Ignored => None,
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if let Some(deadline) = self.outbox.stall_deadline(!self.output.is_done())
            && now >= deadline
            && !self.end.is_closed()
        {
            self.give_up(CloseReason::WriteStalled);
        }
        match self.end {
            End::Lingering { reason, until } if now >= until => self.end.close(reason),
            End::Open if self.reading_deadline().is_some_and(|at| now >= at) => {
                self.reading_timed_out();
            }
            End::Open | End::Flushing { .. } | End::Lingering { .. } | End::Closed(_) => {}
        }
        if self.holds_idle_memory() && has_passed(now, self.used_at, BUFFER_RELEASE_TIMEOUT) {
            self.inbox.release();
            self.outbox.release();
            release(&mut self.collected);
        }
    }

    pub(super) fn reading_timed_out(&mut self) {
        match &self.input {
            Input::Head { .. } if self.is_last && !self.has_served => self.finish_unasked(),
            Input::Head { begun: Some(_), .. } => {
                self.refuse(Fault::HeadTimeout, CloseReason::HeadTimeout);
            }
            Input::Head { begun: None, .. } if self.has_served => {
                self.finish(CloseReason::IdleTimeout, false);
            }
            Input::Head { begun: None, .. } => self.finish(CloseReason::HeadTimeout, false),
            Input::Body { .. } | Input::Drain(_) => {
                self.refuse(Fault::BodyTimeout, CloseReason::InactivityTimeout);
            }
            Input::Held(_) | Input::Complete | Input::Ignored => {}
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
        self.end.is_closed()
    }

    pub(crate) const fn wants_shutdown(&self) -> bool {
        matches!(self.end, End::Lingering { .. })
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
