//! One stream: a request and its response, as the application sees them through a [`Connection`] of their own.
//!
//! Owns what becomes of the request's body and what is still to be sent of the response. Refuses to know frames and
//! windows: [`super::server::Server`] asks for what is next, and says what went out.
//!
//! [`Connection`]: crate::connection::Connection

use std::time::Duration;

use super::hpack::{encode_field, encode_status};
use super::request::is_connection_field;
use super::window::{ReceiveWindow, SendWindow};
use crate::connection::{BodySink, CloseReason, Event, Patience, ResponseBody, WrongState};
use crate::http1::{BodyLength, Fault, Method, Request, ResponseHead, Source};
use crate::time::Instant;

/// See the module.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(super) id: u32,
    now: Instant,
    patience: Patience,
    method: Method,
    input: Input,
    /// The peer ended its side.
    has_input_ended: bool,
    /// The body's length as announced.
    announced: Option<u64>,
    received_bytes: u64,
    collected: Vec<u8>,
    head_end: Instant,
    /// When input last moved the body on.
    active_at: Instant,
    pub(super) receive_window: ReceiveWindow,
    pub(super) send_window: SendWindow,
    awaits_continue: bool,
    /// 100 is to be sent.
    continue_due: bool,
    response: Response,
    sent_bytes: u64,
    /// Since when output waits, or when it last moved.
    pub(super) output_moved_at: Instant,
    end_reason: CloseReason,
    /// Ended before its time: by the peer, by a fault or by the application.
    is_cut: bool,
    // Events that wait to be polled, in the order in which they can come.
    request: Option<Request>,
    body_complete: Option<(u64, Duration)>,
    response_sent: bool,
    is_reported: bool,
}

/// What becomes of the request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    /// The application has not said.
    Held,
    /// It wants it.
    Wanted(BodySink),
    /// It doesn't, or has it.
    Ignored,
}

/// How far the response is.
#[derive(Debug)]
enum Response {
    None,
    /// The head, encoded, and then the body.
    Head {
        block: Vec<u8>,
        body: Body,
    },
    Body(Body),
    Sent,
}

/// What is left of a response's body.
#[derive(Debug)]
pub(super) enum Body {
    /// Nothing but the stream's end.
    End,
    /// Bytes, of which the first `sent` are out.
    Bytes { source: Source, sent: usize },
    /// Filler; `None` is without an end.
    Filler { remaining: Option<u64> },
}

impl Stream {
    /// A stream whose request is whole; `has_input_ended` says that it has no body.
    pub(super) fn new(
        now: Instant,
        id: u32,
        patience: Patience,
        request: Request,
        has_input_ended: bool,
        send_window_bytes: u32,
    ) -> Self {
        let announced = match request.body() {
            BodyLength::Bytes(length) => Some(length),
            BodyLength::None | BodyLength::Chunked | BodyLength::UntilClose => None,
        };
        Self {
            method: request.method(),
            awaits_continue: request.expects_continue(),
            announced,
            request: Some(request),
            ..Self::without_request(now, id, patience, has_input_ended, send_window_bytes)
        }
    }

    /// A stream whose request was at fault; it is answered, and no application hears of it.
    pub(super) fn refused(
        now: Instant,
        id: u32,
        patience: Patience,
        fault: Fault,
        has_input_ended: bool,
        send_window_bytes: u32,
    ) -> Self {
        let mut stream =
            Self::without_request(now, id, patience, has_input_ended, send_window_bytes);
        stream.is_reported = true;
        stream.refuse(fault, CloseReason::Refused(fault));
        stream
    }

    fn without_request(
        now: Instant,
        id: u32,
        patience: Patience,
        has_input_ended: bool,
        send_window_bytes: u32,
    ) -> Self {
        Self {
            id,
            now,
            patience,
            method: Method::Get,
            input: Input::Held,
            has_input_ended,
            announced: None,
            received_bytes: 0,
            collected: Vec::new(),
            head_end: now,
            active_at: now,
            receive_window: ReceiveWindow::new(),
            send_window: SendWindow::new(send_window_bytes),
            awaits_continue: false,
            continue_due: false,
            response: Response::None,
            sent_bytes: 0,
            output_moved_at: now,
            end_reason: CloseReason::Finished,
            is_cut: false,
            request: None,
            body_complete: None,
            response_sent: false,
            is_reported: false,
        }
    }

    // ---- input ----

    /// Whether the application must say what becomes of the request before more is parsed.
    pub(super) const fn is_undecided(&self) -> bool {
        matches!(self.input, Input::Held) && !self.has_response() && !self.is_cut
    }

    /// Whether nobody looks at the body's bytes.
    pub(super) const fn discards(&self) -> bool {
        !matches!(self.input, Input::Wanted(BodySink::Collect { .. }))
    }

    pub(super) const fn has_input_ended(&self) -> bool {
        self.has_input_ended
    }

    /// Payload of the body. Whether it was within what was announced.
    pub(super) fn receive(&mut self, now: Instant, payload: &[u8]) -> bool {
        self.count(now, payload.len() as u64);
        if let Input::Wanted(BodySink::Collect { limit_bytes }) = self.input {
            if self.collected.len() + payload.len() > limit_bytes {
                self.refuse(
                    Fault::BodyTooLarge,
                    CloseReason::Refused(Fault::BodyTooLarge),
                );
            } else {
                self.collected.extend_from_slice(payload);
            }
        }
        self.is_within_announced()
    }

    /// The same for payload that went by unseen.
    pub(super) fn skip(&mut self, now: Instant, count: u64) -> bool {
        self.count(now, count);
        self.is_within_announced()
    }

    fn count(&mut self, now: Instant, count: u64) {
        self.now = now;
        self.active_at = now;
        self.received_bytes += count;
    }

    fn is_within_announced(&self) -> bool {
        self.announced
            .is_none_or(|announced| self.received_bytes <= announced)
    }

    /// The peer ended its side; whether the body was as long as announced.
    pub(super) fn end_input(&mut self, now: Instant) -> bool {
        self.now = now;
        self.has_input_ended = true;
        self.complete_body();
        self.announced
            .is_none_or(|announced| self.received_bytes == announced)
    }

    fn complete_body(&mut self) {
        if self.has_input_ended && matches!(self.input, Input::Wanted(_)) {
            self.body_complete = Some((self.received_bytes, self.now - self.head_end));
            self.input = Input::Ignored;
        }
    }

    // ---- the application ----

    pub(crate) fn respond(
        &mut self,
        now: Instant,
        head: &ResponseHead,
        body: ResponseBody,
    ) -> Result<(), WrongState> {
        if self.has_response() || self.is_cut {
            return Err(WrongState);
        }
        self.now = now;
        self.begin_response(head, body);
        Ok(())
    }

    fn begin_response(&mut self, head: &ResponseHead, body: ResponseBody) {
        self.input = Input::Ignored;
        self.collected = Vec::new();
        self.continue_due = false;
        self.output_moved_at = self.now;
        let status = head.sent_status();
        let length = match &body {
            ResponseBody::Empty => Some(0),
            ResponseBody::Static(bytes) => Some(bytes.len() as u64),
            ResponseBody::Owned(bytes) => Some(bytes.len() as u64),
            ResponseBody::Filler { length } => *length,
        };
        let mut block = Vec::new();
        encode_status(&mut block, status);
        for (name, value) in &head.fields {
            if !is_connection_field(name.as_bytes()) {
                encode_field(&mut block, name, value);
            }
        }
        // As in HTTP/1 (RFC 9110, section 8.6).
        if let Some(length) = length.filter(|_| status != 204 && status != 304) {
            encode_field(&mut block, "content-length", &length.to_string());
        }
        let has_no_body = self.method == Method::Head || status == 204 || status == 304;
        let body = match body {
            _ if has_no_body || length == Some(0) => Body::End,
            ResponseBody::Empty => Body::End,
            ResponseBody::Static(bytes) => Body::Bytes {
                source: Source::Static(bytes),
                sent: 0,
            },
            ResponseBody::Owned(bytes) => Body::Bytes {
                source: Source::Owned(bytes),
                sent: 0,
            },
            ResponseBody::Filler { length } => Body::Filler { remaining: length },
        };
        self.response = Response::Head { block, body };
    }

    pub(crate) fn receive_body(&mut self, now: Instant, sink: BodySink) -> Result<(), WrongState> {
        if self.input != Input::Held || self.has_response() || self.is_cut {
            return Err(WrongState);
        }
        self.now = now;
        self.active_at = now;
        if let (BodySink::Collect { limit_bytes }, Some(announced)) = (sink, self.announced)
            && announced > limit_bytes as u64
        {
            self.refuse(
                Fault::BodyTooLarge,
                CloseReason::Refused(Fault::BodyTooLarge),
            );
            return Ok(());
        }
        self.input = Input::Wanted(sink);
        self.continue_due = self.awaits_continue && !self.has_input_ended;
        self.complete_body();
        Ok(())
    }

    pub(crate) fn stop_filler(&mut self, now: Instant) {
        self.now = now;
        if let Response::Head { body, .. } | Response::Body(body) = &mut self.response
            && matches!(body, Body::Filler { remaining: None })
        {
            *body = Body::End;
        }
    }

    /// Answers a fault, if the peer can still be told.
    fn refuse(&mut self, fault: Fault, reason: CloseReason) {
        self.end_reason = reason;
        self.input = Input::Ignored;
        if !self.has_response() {
            let head = ResponseHead::new(fault.status()).field("Content-Type", "application/json");
            self.begin_response(&head, ResponseBody::Owned(fault.reply_body()));
        }
    }

    // ---- output ----

    const fn has_response(&self) -> bool {
        !matches!(self.response, Response::None)
    }

    /// Whether 100 is to be sent now; it counts as sent.
    pub(super) const fn take_continue(&mut self) -> bool {
        std::mem::replace(&mut self.continue_due, false)
    }

    /// The response's head, once, and whether the stream ends with it.
    pub(super) fn take_head(&mut self) -> Option<(Vec<u8>, bool)> {
        match std::mem::replace(&mut self.response, Response::Sent) {
            Response::Head { block, body } => {
                let is_end = matches!(body, Body::End);
                if is_end {
                    self.response_sent = true;
                } else {
                    self.response = Response::Body(body);
                }
                Some((block, is_end))
            }
            other => {
                self.response = other;
                None
            }
        }
    }

    /// What follows the head, once that is out.
    pub(super) const fn body_mut(&mut self) -> Option<&mut Body> {
        match &mut self.response {
            Response::Body(body) => Some(body),
            Response::None | Response::Head { .. } | Response::Sent => None,
        }
    }

    /// The filler that is next: `None` if it's not filler's turn.
    pub(super) const fn filler(&self) -> Option<Option<u64>> {
        match &self.response {
            Response::Body(Body::Filler { remaining }) if !self.is_cut => Some(*remaining),
            _ => None,
        }
    }

    /// `bytes` of filler are out.
    pub(super) fn note_filler_sent(&mut self, now: Instant, bytes: u64) {
        self.now = now;
        self.sent_bytes += bytes;
        self.output_moved_at = now;
        if let Response::Body(Body::Filler {
            remaining: Some(remaining),
        }) = &mut self.response
        {
            *remaining = remaining.saturating_sub(bytes);
            if *remaining == 0 {
                self.note_end_sent();
            }
        }
    }

    /// The response is out.
    pub(super) fn note_end_sent(&mut self) {
        self.response = Response::Sent;
        self.response_sent = true;
    }

    /// Whether 100 is to be sent.
    pub(super) const fn is_continue_due(&self) -> bool {
        self.continue_due && !self.is_cut
    }

    /// Whether all of the response is out.
    pub(super) const fn is_answered(&self) -> bool {
        matches!(self.response, Response::Sent) && !self.is_cut
    }

    /// Whether something of the response waits.
    pub(super) const fn has_output(&self) -> bool {
        !self.is_cut && matches!(self.response, Response::Head { .. } | Response::Body(_))
    }

    /// Whether what waits may not be sent for want of a window; `connection_bytes` is the connection's.
    pub(super) fn waits_for_window(&self, connection_bytes: u64) -> bool {
        let needs_window = matches!(
            self.response,
            Response::Body(Body::Bytes { .. } | Body::Filler { .. })
        );
        needs_window && self.send_window.bytes().min(connection_bytes) == 0
    }

    // ---- the end ----

    /// Ends it before its time.
    pub(super) fn cut(&mut self, reason: CloseReason) {
        if !self.is_cut {
            self.is_cut = true;
            self.end_reason = reason;
            self.collected = Vec::new();
        }
    }

    pub(super) const fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Whether all is said on both sides, or cut off.
    pub(super) const fn is_over(&self) -> bool {
        self.is_cut || matches!(self.response, Response::Sent)
    }

    /// Whether the application knows of its end, or never knew of it at all.
    pub(super) const fn is_forgotten(&self) -> bool {
        self.is_reported && self.is_over()
    }

    pub(super) fn poll_event(&mut self, scratch: &mut Vec<u8>) -> Option<Event> {
        if self.is_reported {
            return None;
        }
        if self.request.is_some() && self.is_cut {
            // Nobody has heard of it.
            self.is_reported = true;
            return None;
        }
        if let Some(request) = self.request.take() {
            return Some(Event::Request(request));
        }
        if !self.is_cut {
            if let Some((bytes, elapsed)) = self.body_complete.take() {
                scratch.extend_from_slice(&self.collected);
                self.collected = Vec::new();
                return Some(Event::BodyComplete { bytes, elapsed });
            }
            if std::mem::take(&mut self.response_sent) {
                return Some(Event::ResponseSent);
            }
        }
        if self.is_over() {
            self.is_reported = true;
            return Some(Event::Closed(self.end_reason));
        }
        None
    }

    /// When the peer must have sent more of a body that is wanted.
    pub(super) fn input_deadline(&self) -> Option<Instant> {
        let waits = matches!(self.input, Input::Wanted(_)) && !self.has_input_ended && !self.is_cut;
        waits.then(|| self.active_at + self.patience.inactivity)
    }

    /// When output that waits counts as stalled; `moved_at` is when any stream's last moved.
    pub(super) fn output_deadline(&self, moved_at: Instant) -> Option<Instant> {
        self.has_output()
            .then(|| self.output_moved_at.max(moved_at) + self.patience.write_stall)
    }

    /// The body did not come.
    pub(super) fn time_input_out(&mut self, now: Instant) {
        self.now = now;
        self.refuse(Fault::BodyTimeout, CloseReason::InactivityTimeout);
    }

    pub(crate) const fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    pub(crate) const fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// Bytes of the response that wait; filler is not counted.
    pub(crate) fn queued_bytes(&self) -> usize {
        match &self.response {
            Response::Head { block, body } => block.len() + body.queued_bytes(),
            Response::Body(body) => body.queued_bytes(),
            Response::None | Response::Sent => 0,
        }
    }
}

impl Body {
    fn queued_bytes(&self) -> usize {
        match self {
            Self::Bytes { source, sent } => source.as_slice().len() - sent,
            Self::End | Self::Filler { .. } => 0,
        }
    }
}
