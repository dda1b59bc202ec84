//! An HTTP/2 connection's end and its deadlines, and what its driver asks of it.

use super::{Reading, Server};
use crate::connection::buffers::{earlier, has_passed};
use crate::connection::end::End;
use crate::connection::{CloseReason, Event, ProtocolError, Receive};
use crate::http2::fault::{ErrorCode, Fault};
use crate::http2::frame::{write_go_away, write_reset};
use crate::http2::stream::Stream;
use crate::limits::{
    BUFFER_RELEASE_TIMEOUT, DISCARD_BYTES_MIN, HTTP_HEAD_TIMEOUT, HTTP_KEEP_ALIVE_TIMEOUT,
    HTTP2_SETTINGS_TIMEOUT, RECEIVE_BUFFER_BYTES_MAX, TRANSMIT_PIECE_BYTES,
};
use crate::time::Instant;

impl Server {
    // ---- the end ----

    /// Tells the peer what was wrong and ends the connection (section 5.4.1).
    pub(super) fn fail(&mut self, fault: Fault) {
        let reason = CloseReason::ProtocolError(ProtocolError::Http2(fault));
        self.leave(fault.code(), fault.message(), reason);
    }

    fn leave(&mut self, code: ErrorCode, message: &str, reason: CloseReason) {
        if self.end != End::Open {
            return;
        }
        write_go_away(self.outbox.queue(self.now), self.last_stream, code, message);
        self.finish(reason);
    }

    /// Ends the connection once all that was queued is written.
    fn finish(&mut self, reason: CloseReason) {
        self.end = End::Flushing {
            reason,
            lingers: true,
        };
        self.inbox.clear();
        self.block = None;
        for stream in self.streams.iter_mut() {
            stream.cut(reason);
        }
        self.advance_end();
    }

    pub(super) fn advance_end(&mut self) {
        if self.outbox.is_drained() && self.sending.is_none() {
            self.end.advance(self.now, self.saw_eof);
        }
    }

    /// Ends the connection now, whatever waits.
    pub(super) fn give_up(&mut self, reason: CloseReason) {
        self.finish(reason);
        self.outbox.abandon();
        self.sending = None;
        self.end.close(reason);
    }

    /// Lets no further stream in, and ends when those that are open have ended. Filler without an end is stopped by
    /// whoever owns its stream.
    pub(crate) fn close(&mut self, now: Instant) {
        self.note_use(now);
        if !self.is_going_away && self.end == End::Open {
            self.is_going_away = true;
            write_go_away(
                self.outbox.queue(now),
                self.last_stream,
                ErrorCode::NoError,
                "",
            );
            self.leave_if_idle();
        }
    }

    pub(super) fn leave_if_idle(&mut self) {
        if self.is_going_away && self.streams.is_empty() && self.end == End::Open {
            self.finish(CloseReason::Finished);
        }
    }

    // ---- what the driver asks ----

    pub(crate) fn poll_event(&mut self, scratch: &mut Vec<u8>) -> Option<Event> {
        scratch.clear();
        self.end.report()
    }

    pub(crate) fn receive(&self) -> Receive {
        if let Some(receive) = self.end.receive(self.saw_eof) {
            return receive;
        }
        if let Reading::Data {
            stream, payload, ..
        } = self.reading
            && payload as u64 >= DISCARD_BYTES_MIN
            && self.inbox.is_empty()
            && self.streams.find(stream).is_none_or(Stream::discards)
        {
            return Receive::Discard {
                remaining: payload as u64,
            };
        }
        let is_full = self.inbox.len() >= RECEIVE_BUFFER_BYTES_MAX;
        if is_full || self.outbox.queued_bytes() > TRANSMIT_PIECE_BYTES {
            Receive::Paused
        } else {
            Receive::Bytes
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let deadline = match self.end {
            End::Closed(_) => return None,
            End::Lingering { until, .. } => Some(until),
            End::Flushing { .. } => None,
            End::Open => earlier(
                self.reading_deadline().map(|(at, _)| at),
                self.stream_deadline(),
            ),
        };
        let stall = self.outbox.stall_deadline(self.sending.is_some());
        let buffers = self
            .holds_idle_memory()
            .then(|| self.used_at + BUFFER_RELEASE_TIMEOUT);
        earlier(earlier(deadline, stall), buffers)
    }

    /// When the peer must have said more, and how the connection ends if it hasn't.
    fn reading_deadline(&self) -> Option<(Instant, ReadingEnd)> {
        let idle = match self.reading {
            Reading::Preface | Reading::FirstFrame => {
                Some((self.idle_since + HTTP_HEAD_TIMEOUT, ReadingEnd::Head))
            }
            Reading::Frame | Reading::Data { .. } => self
                .streams
                .is_empty()
                .then(|| (self.idle_since + HTTP_KEEP_ALIVE_TIMEOUT, ReadingEnd::Idle)),
        };
        let frame = self
            .begun
            .map(|begun| (begun + HTTP_HEAD_TIMEOUT, ReadingEnd::Frame));
        let settings = self
            .settings_sent_at
            .map(|sent| (sent + HTTP2_SETTINGS_TIMEOUT, ReadingEnd::Settings));
        [idle, frame, settings]
            .into_iter()
            .flatten()
            .min_by_key(|(at, _)| *at)
    }

    fn stream_deadline(&self) -> Option<Instant> {
        let deadlines = self.streams.iter().map(|stream| {
            earlier(
                stream.input_deadline(),
                stream.output_deadline(self.payload_moved_at),
            )
        });
        deadlines.fold(None, earlier)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        let stall = self.outbox.stall_deadline(self.sending.is_some());
        if stall.is_some_and(|at| now >= at) && !self.end.is_closed() {
            self.give_up(CloseReason::WriteStalled);
        }
        match self.end {
            End::Lingering { reason, until } if now >= until => self.end.close(reason),
            End::Open => {
                if let Some((at, end)) = self.reading_deadline()
                    && now >= at
                {
                    self.reading_timed_out(end);
                } else {
                    self.time_streams_out();
                }
            }
            End::Lingering { .. } | End::Flushing { .. } | End::Closed(_) => {}
        }
        if self.holds_idle_memory() && has_passed(now, self.used_at, BUFFER_RELEASE_TIMEOUT) {
            self.inbox.release();
            self.outbox.release();
        }
    }

    fn reading_timed_out(&mut self, end: ReadingEnd) {
        match end {
            ReadingEnd::Head => self.leave(ErrorCode::NoError, "", CloseReason::HeadTimeout),
            ReadingEnd::Idle => self.leave(ErrorCode::NoError, "", CloseReason::IdleTimeout),
            ReadingEnd::Frame => self.fail(Fault::FrameTimeout),
            ReadingEnd::Settings => self.fail(Fault::SettingsTimeout),
        }
    }

    /// Ends the streams whose peer sends nothing of its body, or opens no window for what waits; and the connection when
    /// the windows are open and nothing moves all the same.
    fn time_streams_out(&mut self) {
        let now = self.now;
        let window = self.send_window.bytes();
        let mut stalled = Vec::new();
        let mut is_transport_stalled = false;
        for stream in self.streams.iter_mut() {
            if stream.input_deadline().is_some_and(|at| now >= at) {
                stream.time_input_out(now);
            }
            let deadline = stream.output_deadline(self.payload_moved_at);
            if deadline.is_some_and(|at| now >= at) {
                is_transport_stalled |= !stream.waits_for_window(window);
                stalled.push(stream.id);
            }
        }
        if is_transport_stalled {
            self.give_up(CloseReason::WriteStalled);
            return;
        }
        for id in stalled {
            if let Some(stream) = self.streams.find_mut(id) {
                stream.cut(CloseReason::WriteStalled);
            }
            write_reset(self.outbox.queue(now), id, ErrorCode::Cancel);
            self.note_ended_here(id);
        }
    }

    fn holds_idle_memory(&self) -> bool {
        self.inbox.is_large() || self.outbox.is_large()
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

/// Which of a peer's silences lasted too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadingEnd {
    Head,
    Idle,
    Frame,
    Settings,
}
