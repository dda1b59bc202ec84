//! The client's side of an HTTP/1 connection: one request, its response, and again.

mod lifetime;

use std::time::Duration;

use tungstenite::handshake::derive_accept_key;

use super::body::BodyReader;
use super::fault::Fault;
use super::fields::{Field, write_field};
use super::head::{HeadScanner, parse_response};
use super::output::{Output, Source};
use super::request::{Method, RequestHead};
use super::response::Response;
use super::upgrade::UpgradeParts;
use crate::connection::buffers::{Inbox, Outbox};
use crate::connection::end::Closed;
use crate::connection::{
    BinarySink, BodySink, CloseReason, Filler, Patience, ProtocolError, RequestBody,
    WebSocketOptions, WrongState,
};
use crate::limits::HTTP_INTERIM_RESPONSES_MAX;
use crate::time::Instant;

/// See the module.
#[derive(Debug)]
pub(crate) struct Client {
    now: Instant,
    inbox: Inbox,
    outbox: Outbox,
    phase: Phase,
    output: Output,
    /// The request under way was HEAD.
    to_head: bool,
    sink: BodySink,
    upgrade: Option<PendingUpgrade>,
    keep_alive: bool,
    /// The latest response was of the 2xx class.
    is_success: bool,
    saw_eof: bool,
    /// When the peer last moved a byte.
    active_at: Instant,
    /// When anything last happened at all.
    used_at: Instant,
    collected: Vec<u8>,
    received_bytes: u64,
    sent_bytes: u64,
    // Events that wait to be polled, in the order in which they can come.
    filler_sent: bool,
    response: Option<Response>,
    body_complete: Option<(u64, Duration)>,
}

#[derive(Debug)]
enum Phase {
    /// No request is under way.
    Idle,
    /// The response's head is awaited.
    Head { scanner: HeadScanner, interim: u32 },
    /// In the response's body.
    Body {
        reader: BodyReader,
        head_end: Instant,
    },
    /// The answer came before the request's filler was out, and was no refusal: the rest goes on to be sent.
    Answered,
    /// 101 came: the rest of the input is a WebSocket's.
    Upgraded,
    /// Over.
    Closed(Closed),
}

/// A WebSocket that was asked for.
#[derive(Debug)]
struct PendingUpgrade {
    accept: String,
    seed: u64,
    binary: BinarySink,
}

impl Client {
    pub(crate) fn new(now: Instant, patience: Patience) -> Self {
        Self {
            now,
            inbox: Inbox::default(),
            outbox: Outbox::new(patience),
            phase: Phase::Idle,
            output: Output::Done,
            to_head: false,
            sink: BodySink::Discard,
            upgrade: None,
            keep_alive: true,
            is_success: false,
            saw_eof: false,
            active_at: now,
            used_at: now,
            collected: Vec::new(),
            received_bytes: 0,
            sent_bytes: 0,
            filler_sent: false,
            response: None,
            body_complete: None,
        }
    }

    // ---- the application ----

    pub(crate) fn request(
        &mut self,
        now: Instant,
        head: &RequestHead,
        body: RequestBody,
        sink: BodySink,
    ) -> Result<(), WrongState> {
        self.begin(now)?;
        self.to_head = head.method == Method::Head;
        self.sink = sink;
        let out = self.outbox.queue(now);
        write_request_line(out, head.method, &head.target, &head.host);
        for (name, value) in &head.fields {
            write_field(out, name, value);
        }
        let length = match &body {
            RequestBody::Empty => head.method.expects_body().then_some(0),
            RequestBody::Bytes(bytes) => Some(bytes.len() as u64),
            RequestBody::Filler { length } => Some(*length),
        };
        if let Some(length) = length {
            write_field(out, "Content-Length", &length.to_string());
        }
        out.extend_from_slice(b"\r\n");
        self.output = match body {
            RequestBody::Empty => Output::Done,
            RequestBody::Bytes(bytes) => {
                Output::of_bytes(Source::Owned(bytes), now, &mut self.outbox)
            }
            RequestBody::Filler { length } => {
                self.filler_sent = length == 0;
                Output::of_filler(Some(length))
            }
        };
        Ok(())
    }

    pub(crate) fn request_websocket(
        &mut self,
        now: Instant,
        target: &str,
        host: &str,
        nonce: [u8; 16],
        options: &WebSocketOptions,
    ) -> Result<(), WrongState> {
        self.begin(now)?;
        self.to_head = false;
        self.sink = BodySink::Discard;
        let key = base64_of_16(nonce);
        let out = self.outbox.queue(now);
        write_request_line(out, Method::Get, target, host);
        out.extend_from_slice(
            b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n",
        );
        out.extend_from_slice(b"Sec-WebSocket-Key: ");
        out.extend_from_slice(&key);
        out.extend_from_slice(b"\r\n");
        write_fields(out, &options.extra_fields);
        out.extend_from_slice(b"\r\n");
        let (half, _) = nonce.split_at(8);
        self.upgrade = Some(PendingUpgrade {
            accept: derive_accept_key(&key),
            seed: half
                .iter()
                .fold(0, |seed, &byte| seed << 8 | u64::from(byte)),
            binary: options.binary,
        });
        Ok(())
    }

    fn begin(&mut self, now: Instant) -> Result<(), WrongState> {
        let has_waiting_event =
            self.filler_sent || self.response.is_some() || self.body_complete.is_some();
        if !matches!(self.phase, Phase::Idle) || has_waiting_event || self.saw_eof {
            return Err(WrongState);
        }
        self.note_use(now);
        self.active_at = now;
        self.upgrade = None;
        self.phase = Phase::Head {
            scanner: HeadScanner::default(),
            interim: 0,
        };
        Ok(())
    }

    /// The parts of a WebSocket, once its handshake succeeded.
    pub(crate) fn take_upgrade(&mut self) -> Option<UpgradeParts> {
        if !matches!(self.phase, Phase::Upgraded) {
            return None;
        }
        let upgrade = self.upgrade.take()?;
        Some(UpgradeParts {
            inbox: std::mem::take(&mut self.inbox),
            outbox: std::mem::take(&mut self.outbox),
            saw_eof: self.saw_eof,
            binary: upgrade.binary,
            seed: upgrade.seed,
        })
    }

    pub(crate) fn close(&mut self, now: Instant) {
        self.note_use(now);
        match self.phase {
            Phase::Idle => self.end(CloseReason::Finished),
            Phase::Head { .. } | Phase::Body { .. } => self.keep_alive = false,
            Phase::Answered => self.end(CloseReason::Finished),
            Phase::Upgraded | Phase::Closed(_) => {}
        }
    }

    // ---- input ----

    pub(crate) fn handle_input(&mut self, now: Instant, bytes: &[u8]) {
        self.note_use(now);
        self.active_at = now;
        if self.inbox.is_empty() {
            let used = self.advance(bytes);
            self.inbox.push(bytes.get(used..).unwrap_or_default());
        } else {
            self.inbox.push(bytes);
            let mut inbox = std::mem::take(&mut self.inbox);
            let used = self.advance(inbox.as_slice());
            inbox.consume(used);
            self.inbox = inbox;
        }
    }

    pub(crate) fn handle_discarded(&mut self, now: Instant, count: u64) {
        self.note_use(now);
        self.active_at = now;
        if let Phase::Body { reader, .. } = &mut self.phase {
            self.received_bytes += reader.skip(count);
            self.finish_body_if_complete();
        }
    }

    pub(crate) fn handle_eof(&mut self, now: Instant) {
        self.note_use(now);
        self.saw_eof = true;
        match &self.phase {
            Phase::Idle => self.end(CloseReason::PeerClosed { code: None }),
            Phase::Head { .. } | Phase::Answered => self.end(CloseReason::PeerVanished),
            Phase::Body { reader, head_end } => {
                if reader.ends_with_connection() {
                    let (bytes, head_end) = (reader.received_bytes(), *head_end);
                    self.keep_alive = false;
                    self.complete_body(bytes, head_end);
                } else {
                    self.end(CloseReason::PeerVanished);
                }
            }
            Phase::Upgraded | Phase::Closed(_) => {}
        }
    }

    /// Uses what it can of `bytes`, which is all the unused input there is; how much was used.
    fn advance(&mut self, bytes: &[u8]) -> usize {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            if rest.is_empty() {
                return used;
            }
            let step = match &self.phase {
                Phase::Idle | Phase::Answered => Err(Fault::UnexpectedResponse),
                Phase::Head { .. } => self.advance_head(rest),
                Phase::Body { .. } => self.advance_body(rest),
                Phase::Upgraded => Ok(0),
                Phase::Closed(_) => return bytes.len(),
            };
            match step {
                Ok(0) => return used,
                Ok(count) => used += count,
                Err(fault) => {
                    self.end(CloseReason::ProtocolError(ProtocolError::Http(fault)));
                    return bytes.len();
                }
            }
        }
    }

    fn advance_head(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let Phase::Head { scanner, interim } = &mut self.phase else {
            return Ok(0);
        };
        let Some(length) = scanner.scan(bytes)? else {
            return Ok(0);
        };
        let response = parse_response(&bytes[..length], self.to_head)?;
        match response.status {
            101 => {
                let accept = self.upgrade.as_ref().map(|upgrade| upgrade.accept.as_str());
                if !is_upgrade(&response, accept) {
                    return Err(Fault::InvalidUpgrade);
                }
                self.phase = Phase::Upgraded;
            }
            100..=199 => {
                *interim += 1;
                if *interim > HTTP_INTERIM_RESPONSES_MAX {
                    return Err(Fault::TooManyInterimResponses);
                }
                *scanner = HeadScanner::default();
            }
            _ => {
                self.keep_alive &= response.keep_alive;
                self.is_success = (200..300).contains(&response.status);
                self.collected.clear();
                self.phase = Phase::Body {
                    reader: BodyReader::new(response.body),
                    head_end: self.now,
                };
                self.response = Some(response);
                self.finish_body_if_complete();
            }
        }
        Ok(length)
    }

    fn advance_body(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let Phase::Body { reader, .. } = &mut self.phase else {
            return Ok(0);
        };
        let before = reader.received_bytes();
        let collected = &mut self.collected;
        let sink = self.sink;
        let mut is_too_large = false;
        let used = reader.advance(bytes, |payload| {
            if let BodySink::Collect { limit_bytes } = sink {
                is_too_large |= collected.len() + payload.len() > limit_bytes;
                if !is_too_large {
                    collected.extend_from_slice(payload);
                }
            }
        })?;
        self.received_bytes += reader.received_bytes() - before;
        if is_too_large {
            return Err(Fault::BodyTooLarge);
        }
        self.finish_body_if_complete();
        Ok(used)
    }

    fn finish_body_if_complete(&mut self) {
        if let Phase::Body { reader, head_end } = &self.phase
            && reader.is_complete()
        {
            let (bytes, head_end) = (reader.received_bytes(), *head_end);
            self.complete_body(bytes, head_end);
        }
    }

    fn complete_body(&mut self, bytes: u64, head_end: Instant) {
        self.body_complete = Some((bytes, self.now - head_end));
        if self.keep_alive && self.output.is_done() {
            self.phase = Phase::Idle;
        } else if self.keep_alive && self.is_success && self.output.is_filler() {
            // It keeps the connection, so it takes the rest (RFC 9112, section 9.5).
            self.phase = Phase::Answered;
        } else {
            // A server that refused before it had the whole request does not want the rest.
            self.phase = Phase::Closed(Closed::new(CloseReason::Finished));
            self.drop_output();
        }
    }

    fn end(&mut self, reason: CloseReason) {
        if matches!(self.phase, Phase::Closed(_)) {
            return;
        }
        self.phase = Phase::Closed(Closed::new(reason));
        self.collected = Vec::new();
        self.drop_output();
    }

    fn drop_output(&mut self) {
        self.outbox.abandon();
        self.output = Output::Done;
        self.inbox.clear();
    }

    // ---- output ----

    pub(crate) fn poll_transmit(&mut self, now: Instant, buffer: &mut Vec<u8>) -> bool {
        self.now = now;
        self.output.hand_over(&mut self.outbox, buffer)
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
    }

    pub(crate) fn handle_filler_sent(&mut self, now: Instant, count: u64) {
        self.note_use(now);
        if self.output.is_done() {
            return;
        }
        self.sent_bytes += self.output.note_filler_sent(count);
        self.active_at = now;
        self.outbox.note_progress(now);
        self.filler_sent |= self.output.is_done();
        if self.output.is_done() && matches!(self.phase, Phase::Answered) {
            self.phase = Phase::Idle;
        }
    }
}

/// The target and host come from the program, not from a peer; a character that would end the line early is sent
/// as its escape all the same.
fn write_request_line(out: &mut Vec<u8>, method: Method, target: &str, host: &str) {
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    for byte in target.bytes() {
        if byte.is_ascii_graphic() {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
    write_field(out, "Host", host);
}

fn write_fields(out: &mut Vec<u8>, fields: &[Field]) {
    for (name, value) in fields {
        write_field(out, name, value);
    }
}

/// What RFC 6455, section 4.1, has a client check of a 101. Nothing optional was offered, so nothing may be chosen.
fn is_upgrade(response: &Response, accept: Option<&str>) -> bool {
    let fields = &response.fields;
    let mut accepts = fields.values("sec-websocket-accept");
    accept.is_some()
        && accepts.next() == accept.map(str::as_bytes)
        && accepts.next().is_none()
        && fields.has_token("upgrade", "websocket")
        && fields.has_token("connection", "upgrade")
        && fields.values("sec-websocket-extensions").next().is_none()
        && fields.values("sec-websocket-protocol").next().is_none()
}

/// Base64 (RFC 4648, section 4) of a key: 22 digits and two signs of padding.
fn base64_of_16(bytes: [u8; 16]) -> [u8; 24] {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut padded = [0; 18];
    padded[..16].copy_from_slice(&bytes);
    let mut text = [b'='; 24];
    for (three, four) in padded.chunks_exact(3).zip(text.chunks_exact_mut(4)) {
        let group = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        for (place, digit) in four.iter_mut().enumerate() {
            *digit = DIGITS[(group >> (18 - 6 * place) & 63) as usize];
        }
    }
    text[22] = b'=';
    text[23] = b'=';
    text
}
