//! The server's side of an HTTP/1 connection.
//!
//! One exchange at a time: a request's head is read and given to the application, its body is read or thrown away, a
//! response is sent, and only then is the next head looked at. What a peer gets wrong is answered here, once, and
//! ends the connection. Every early end lingers: input is thrown away until the peer closes or for
//! `HTTP_LINGER_TIMEOUT`, for a reset would destroy the answer on its way.

mod lifetime;

use std::time::Duration;

use tungstenite::handshake::derive_accept_key;

use super::body::BodyReader;
use super::fault::Fault;
use super::fields::write_field;
use super::head::{HeadScanner, parse_request};
use super::output::{Output, Source};
use super::request::{BodyLength, Method, Request, Version};
use super::response::ResponseHead;
use super::upgrade::UpgradeParts;
use crate::connection::buffers::{Inbox, Outbox};
use crate::connection::end::End;
use crate::connection::{
    BodySink, CloseReason, Filler, Patience, ResponseBody, WebSocketOptions, WrongState,
};
use crate::limits::{HTTP_DRAINED_BODY_BYTES_MAX, TRANSMIT_PIECE_BYTES};
use crate::time::Instant;

/// See the module.
#[derive(Debug)]
pub(crate) struct Server {
    now: Instant,
    inbox: Inbox,
    outbox: Outbox,
    input: Input,
    output: Output,
    exchange: Option<Exchange>,
    end: End,
    /// No head is read after the current exchange.
    is_last: bool,
    saw_eof: bool,
    has_served: bool,
    /// Since when no exchange is under way.
    idle_since: Instant,
    /// When input last moved a body on.
    active_at: Instant,
    /// When anything last happened at all.
    used_at: Instant,
    collected: Vec<u8>,
    received_bytes: u64,
    sent_bytes: u64,
    // Events that wait to be polled, in the order in which they can come.
    body_complete: Option<(u64, Duration)>,
    response_sent: bool,
    request: Option<Request>,
}

/// Where reading is.
#[derive(Debug)]
enum Input {
    /// Before or in a head.
    Head {
        scanner: HeadScanner,
        begun: Option<Instant>,
        skipped_line: bool,
    },
    /// After a head whose body the application has not asked for.
    Held(BodyReader),
    /// In a body for the application.
    Body { reader: BodyReader, sink: BodySink },
    /// In the rest of a body that nobody wants.
    Drain(BodyReader),
    /// After the body.
    Complete,
    /// Nothing more is parsed.
    Ignored,
}

/// One request and its response.
#[derive(Clone, Copy, Debug)]
struct Exchange {
    method: Method,
    version: Version,
    keep_alive: bool,
    /// The client waits for 100, and did not get it yet.
    awaits_continue: bool,
    length: BodyLength,
    upgrade_key: Option<[u8; 24]>,
    head_end: Instant,
    response_begun: bool,
    response_done: bool,
}

impl Server {
    pub(crate) fn new(now: Instant, patience: Patience) -> Self {
        Self {
            now,
            inbox: Inbox::default(),
            outbox: Outbox::new(patience),
            input: next_head(),
            output: Output::Done,
            exchange: None,
            end: End::Open,
            is_last: false,
            saw_eof: false,
            has_served: false,
            idle_since: now,
            active_at: now,
            used_at: now,
            collected: Vec::new(),
            received_bytes: 0,
            sent_bytes: 0,
            body_complete: None,
            response_sent: false,
            request: None,
        }
    }

    // ---- input ----

    pub(crate) fn handle_input(&mut self, now: Instant, bytes: &[u8]) {
        self.note_use(now);
        if self.end != End::Open {
            return;
        }
        if self.inbox.is_empty() {
            let used = self.advance(bytes);
            self.keep(bytes.get(used..).unwrap_or_default());
        } else {
            self.inbox.push(bytes);
            self.run();
        }
    }

    pub(crate) fn handle_discarded(&mut self, now: Instant, count: u64) {
        self.note_use(now);
        if let Input::Body { reader, .. } | Input::Drain(reader) = &mut self.input {
            self.received_bytes += reader.skip(count);
            self.active_at = now;
            self.finish_body_if_complete();
        }
    }

    pub(crate) fn handle_eof(&mut self, now: Instant) {
        self.note_use(now);
        self.saw_eof = true;
        match self.end {
            End::Lingering { reason, .. } => self.end.close(reason),
            End::Open => self.run(),
            End::Flushing { .. } | End::Closed(_) => {}
        }
    }

    /// Parses what waits in the inbox, as far as the application's pace allows.
    fn run(&mut self) {
        let mut inbox = std::mem::take(&mut self.inbox);
        let used = self.advance(inbox.as_slice());
        inbox.consume(used);
        self.inbox = inbox;
        if self.end != End::Open || matches!(self.input, Input::Ignored) {
            self.inbox.clear();
        }
        if self.saw_eof {
            self.run_into_eof();
        }
    }

    /// Keeps input that could not be used yet.
    fn keep(&mut self, rest: &[u8]) {
        if self.end == End::Open && !matches!(self.input, Input::Ignored) {
            self.inbox.push(rest);
        }
    }

    /// Uses what it can of `bytes`, which is all the unused input there is; how much was used.
    fn advance(&mut self, bytes: &[u8]) -> usize {
        let mut used = 0;
        while self.end == End::Open {
            let rest = bytes.get(used..).unwrap_or_default();
            match &mut self.input {
                Input::Head { .. } => match self.advance_head(rest) {
                    Ok(0) => break,
                    Ok(count) => used += count,
                    Err(fault) => self.refuse(fault, CloseReason::Refused(fault)),
                },
                Input::Body { .. } | Input::Drain(_) => {
                    if rest.is_empty() {
                        break;
                    }
                    match self.advance_body(rest) {
                        Ok(count) => used += count,
                        Err(fault) => self.refuse(fault, CloseReason::Refused(fault)),
                    }
                }
                Input::Held(_) | Input::Complete => break,
                Input::Ignored => return bytes.len(),
            }
        }
        used
    }

    /// Zero when the head is not whole, or when its turn has not come.
    fn advance_head(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let has_waiting_event =
            self.body_complete.is_some() || self.response_sent || self.request.is_some();
        if has_waiting_event || self.outbox.queued_bytes() > TRANSMIT_PIECE_BYTES {
            return Ok(0);
        }
        let Input::Head {
            scanner,
            begun,
            skipped_line,
        } = &mut self.input
        else {
            return Ok(0);
        };
        if bytes.is_empty() {
            return Ok(0);
        }
        begun.get_or_insert(self.now);
        // One empty line before a request line is forgiven (RFC 9112, section 2.2).
        if !*skipped_line && bytes.first() == Some(&b'\r') {
            match bytes.get(1) {
                None => return Ok(0),
                Some(b'\n') => {
                    *skipped_line = true;
                    return Ok(2);
                }
                Some(_) => return Err(Fault::BareLineEnd),
            }
        }
        let Some(length) = scanner.scan(bytes)? else {
            return Ok(0);
        };
        let request = parse_request(&bytes[..length])?;
        self.exchange = Some(Exchange {
            method: request.method,
            version: request.version,
            keep_alive: request.keep_alive,
            awaits_continue: request.expects_continue,
            length: request.body,
            upgrade_key: request.websocket_upgrade().ok().map(|upgrade| upgrade.key),
            head_end: self.now,
            response_begun: false,
            response_done: false,
        });
        self.input = Input::Held(BodyReader::new(request.body));
        self.request = Some(request);
        Ok(length)
    }

    fn advance_body(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let collected = &mut self.collected;
        let (reader, limit) = match &mut self.input {
            Input::Body {
                reader,
                sink: BodySink::Collect { limit_bytes },
            } => (reader, Some(*limit_bytes)),
            Input::Body {
                reader,
                sink: BodySink::Discard,
            }
            | Input::Drain(reader) => (reader, None),
            Input::Head { .. } | Input::Held(_) | Input::Complete | Input::Ignored => {
                return Ok(0);
            }
        };
        let before = reader.received_bytes();
        let mut is_too_large = false;
        let used = reader.advance(bytes, |payload| {
            if let Some(limit) = limit {
                is_too_large |= collected.len() + payload.len() > limit;
                if !is_too_large {
                    collected.extend_from_slice(payload);
                }
            }
        })?;
        self.received_bytes += reader.received_bytes() - before;
        self.active_at = self.now;
        if is_too_large {
            return Err(Fault::BodyTooLarge);
        }
        self.finish_body_if_complete();
        Ok(used)
    }

    fn finish_body_if_complete(&mut self) {
        match &self.input {
            Input::Body { reader, .. } if reader.is_complete() => {
                let head_end = self.exchange.map_or(self.now, |exchange| exchange.head_end);
                self.body_complete = Some((reader.received_bytes(), self.now - head_end));
                self.input = Input::Complete;
            }
            Input::Drain(reader) if reader.is_complete() => {
                self.input = Input::Complete;
                self.settle();
            }
            Input::Head { .. }
            | Input::Held(_)
            | Input::Body { .. }
            | Input::Drain(_)
            | Input::Complete
            | Input::Ignored => {}
        }
    }

    const fn is_in_body(&self) -> bool {
        matches!(self.input, Input::Body { .. } | Input::Drain(_))
    }

    // ---- the application ----

    pub(crate) fn respond(
        &mut self,
        now: Instant,
        head: &ResponseHead,
        body: ResponseBody,
    ) -> Result<(), WrongState> {
        let Some(mut exchange) = self.exchange.filter(|exchange| !exchange.response_begun) else {
            return Err(WrongState);
        };
        if self.end != End::Open {
            return Err(WrongState);
        }
        self.note_use(now);
        let body_can_be_kept_up_with = self.leave_body(exchange);
        let is_endless = matches!(body, ResponseBody::Filler { length: None });
        self.is_last |=
            !exchange.keep_alive || head.close || is_endless || !body_can_be_kept_up_with;
        exchange.response_begun = true;
        self.exchange = Some(exchange);

        let status = head.sent_status();
        let has_no_body = exchange.method == Method::Head || status == 204 || status == 304;
        let length = match &body {
            ResponseBody::Empty => Some(0),
            ResponseBody::Static(bytes) => Some(bytes.len() as u64),
            ResponseBody::Owned(bytes) => Some(bytes.len() as u64),
            ResponseBody::Filler { length } => *length,
        };
        let out = self.outbox.queue(now);
        head.write(out);
        // 204 must not have a length, and 304 would have to repeat that of the 200 (RFC 9110, section 8.6).
        if let Some(length) = length.filter(|_| status != 204 && status != 304) {
            write_field(out, "Content-Length", &length.to_string());
        }
        if self.is_last {
            write_field(out, "Connection", "close");
        } else if exchange.version == Version::Http10 {
            write_field(out, "Connection", "keep-alive");
        }
        out.extend_from_slice(b"\r\n");
        if !has_no_body {
            self.output = match body {
                ResponseBody::Empty => Output::Done,
                ResponseBody::Static(bytes) => {
                    Output::of_bytes(Source::Static(bytes), now, &mut self.outbox)
                }
                ResponseBody::Owned(bytes) => {
                    Output::of_bytes(Source::Owned(bytes), now, &mut self.outbox)
                }
                ResponseBody::Filler { length } => Output::of_filler(length),
            };
        }
        self.finish_response_if_done();
        self.run();
        Ok(())
    }

    /// Decides what becomes of a body that was not read; whether the next request can be found behind it.
    fn leave_body(&mut self, exchange: Exchange) -> bool {
        let (Input::Held(reader) | Input::Body { reader, .. }) = &self.input else {
            return true;
        };
        let reader = *reader;
        self.collected = Vec::new();
        if reader.is_complete() {
            self.input = Input::Complete;
            return true;
        }
        let is_small = reader
            .announced_remaining()
            .is_some_and(|remaining| remaining <= HTTP_DRAINED_BODY_BYTES_MAX);
        // A client that still waits for 100 may send the body or not: nobody can tell what its next bytes are.
        if is_small && !exchange.awaits_continue {
            self.input = Input::Drain(reader);
            self.active_at = self.now;
            true
        } else {
            self.input = Input::Ignored;
            self.inbox.clear();
            false
        }
    }

    pub(crate) fn receive_body(&mut self, now: Instant, sink: BodySink) -> Result<(), WrongState> {
        let Input::Held(reader) = &self.input else {
            return Err(WrongState);
        };
        let reader = *reader;
        let Some(exchange) = self
            .exchange
            .as_mut()
            .filter(|exchange| !exchange.response_begun)
        else {
            return Err(WrongState);
        };
        let awaits_continue = std::mem::take(&mut exchange.awaits_continue);
        let exchange = *exchange;
        self.note_use(now);
        self.active_at = now;
        if exchange.length == BodyLength::None && exchange.method.expects_body() {
            let fault = Fault::LengthRequired;
            self.refuse(fault, CloseReason::Refused(fault));
            return Ok(());
        }
        if let (BodySink::Collect { limit_bytes }, BodyLength::Bytes(length)) =
            (sink, exchange.length)
            && length > limit_bytes as u64
        {
            let fault = Fault::BodyTooLarge;
            self.refuse(fault, CloseReason::Refused(fault));
            return Ok(());
        }
        self.input = Input::Body { reader, sink };
        self.collected.clear();
        if awaits_continue && !reader.is_complete() && self.inbox.is_empty() {
            self.outbox
                .queue(now)
                .extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        self.finish_body_if_complete();
        self.run();
        Ok(())
    }

    /// Writes the 101 and gives up what a WebSocket goes on with.
    pub(crate) fn upgrade(
        &mut self,
        now: Instant,
        options: &WebSocketOptions,
    ) -> Result<UpgradeParts, WrongState> {
        let key = match (&self.input, self.exchange, self.end) {
            (Input::Held(_), Some(exchange), End::Open) if !exchange.response_begun => {
                exchange.upgrade_key.ok_or(WrongState)?
            }
            _ => return Err(WrongState),
        };
        let out = self.outbox.queue(now);
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
        );
        write_field(out, "Sec-WebSocket-Accept", &derive_accept_key(&key));
        for (name, value) in &options.extra_fields {
            write_field(out, name, value);
        }
        out.extend_from_slice(b"\r\n");
        Ok(UpgradeParts {
            inbox: std::mem::take(&mut self.inbox),
            outbox: std::mem::take(&mut self.outbox),
            saw_eof: self.saw_eof,
            binary: options.binary,
            seed: 0,
        })
    }

    pub(crate) fn stop_filler(&mut self, now: Instant) {
        self.note_use(now);
        if self.output.stop_filler() {
            self.finish_response_if_done();
        }
    }

    pub(crate) fn close(&mut self, now: Instant) {
        self.note_use(now);
        self.is_last = true;
        self.stop_filler(now);
        if self.end == End::Open && self.exchange.is_none() && !self.is_in_grace() {
            self.finish_unasked();
        }
    }

    // ---- output ----

    pub(crate) fn poll_transmit(&mut self, now: Instant, buffer: &mut Vec<u8>) -> bool {
        self.now = now;
        let was_done = self.output.is_done();
        let appended = self.output.hand_over(&mut self.outbox, buffer);
        if !was_done {
            self.finish_response_if_done();
        }
        appended
    }

    pub(crate) fn poll_filler(&self) -> Option<Filler> {
        if self.outbox.is_drained() {
            self.output.filler(self.sent_bytes)
        } else {
            None
        }
    }

    pub(crate) fn handle_transmitted(&mut self, now: Instant, count: u64) {
        self.note_use(now);
        self.outbox.note_transmitted(now, count);
        self.advance_end();
    }

    pub(crate) fn handle_filler_sent(&mut self, now: Instant, count: u64) {
        self.note_use(now);
        if self.output.is_done() {
            return;
        }
        self.sent_bytes += self.output.note_filler_sent(count);
        self.outbox.note_progress(now);
        self.finish_response_if_done();
    }

    fn finish_response_if_done(&mut self) {
        if !self.output.is_done() {
            return;
        }
        if let Some(exchange) = &mut self.exchange
            && exchange.response_begun
            && !exchange.response_done
        {
            exchange.response_done = true;
            self.response_sent = true;
        }
        self.settle();
    }

    /// Goes on to the next exchange, or to the end, when both halves of this one are done.
    fn settle(&mut self) {
        let is_done = self.exchange.is_some_and(|exchange| exchange.response_done);
        if !is_done || self.end != End::Open {
            return;
        }
        match self.input {
            Input::Complete if !self.is_last => {
                self.exchange = None;
                self.input = next_head();
                self.has_served = true;
                self.idle_since = self.now;
            }
            Input::Complete => {
                let has_more = !self.inbox.is_empty();
                self.finish(CloseReason::Finished, has_more);
            }
            Input::Ignored => self.finish(CloseReason::Finished, true),
            Input::Head { .. } | Input::Held(_) | Input::Body { .. } | Input::Drain(_) => {}
        }
    }
}

fn next_head() -> Input {
    Input::Head {
        scanner: HeadScanner::default(),
        begun: None,
        skipped_line: false,
    }
}
