//! One WebSocket: messages in and out, control frames answered, and the closing handshake in both directions.
//!
//! Frames are written whole, so filler is the only thing that can be cut: while a filler frame is under way nothing
//! else is handed to the driver. A binary message that nobody wants is counted from the frame headers alone.

mod control;
mod discard;
mod lifetime;

use control::ControlPayload;

use super::fault::Fault;
use super::filler::FillerSender;
use super::frame::{
    CONTROL_BYTES_MAX, HEADER_BYTES_MAX, Header, MaskSource, Opcode, Role, apply_mask, may_be_sent,
    parse_close, parse_header, write_frame, write_header,
};
use super::message::Assembler;
use crate::connection::buffers::{Inbox, Outbox, room_in};
use crate::connection::end::Closed;
use crate::connection::{BinarySink, CloseReason, Filler, FillerLayout, MessageKind, SendError};
use crate::http1::UpgradeParts;
use crate::limits::{TRANSMIT_BUFFER_BYTES_MAX, WEBSOCKET_DISCARDED_FRAME_BYTES_MAX};
use crate::time::Instant;

/// See the module.
#[derive(Debug)]
pub(crate) struct WebSocket {
    now: Instant,
    role: Role,
    binary: BinarySink,
    inbox: Inbox,
    outbox: Outbox,
    reading: Reading,
    assembler: Assembler,
    /// The latest data frame was thrown away in a piece worth a call of its own, and the next one is taken to be like it.
    expects_long_frame: bool,
    /// Frames beyond the one being read whose headers were seen before their time.
    foreseen_frames: u32,
    control: ControlPayload,
    /// The latest ping that was not answered; answering an earlier one is not needed (section 5.5.3).
    owed_pong: Option<ControlPayload>,
    masks: MaskSource,
    filler: Option<FillerSender>,
    filler_offset: u64,
    end: End,
    saw_eof: bool,
    active_at: Instant,
    used_at: Instant,
    received_bytes: u64,
    sent_bytes: u64,
    // Events that wait to be polled.
    waiting: Option<Waiting>,
    filler_sent: bool,
}

/// Where reading is.
#[derive(Clone, Copy, Debug)]
enum Reading {
    Header,
    /// A header that was foreseen: its last `left` bytes hold nothing new.
    Foreseen {
        header: Header,
        left: u8,
    },
    Payload {
        header: Header,
        position: u64,
    },
    /// Nothing more is parsed.
    Ignored,
}

/// An event of what was read; nothing more is parsed until it is polled, for its payload has one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Upgraded,
    Message(MessageKind),
    Pong,
}

/// How far the connection's end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    /// We sent a close frame and await the peer's, since all of ours was written until `until`.
    AwaitingPeer {
        code: u16,
        until: Option<Instant>,
    },
    /// Both close frames exist; over once ours is written.
    Flushing {
        reason: CloseReason,
    },
    /// We sent a close frame to a peer that we do not listen to: over when it closes, or at `until`.
    Failing {
        reason: CloseReason,
        until: Option<Instant>,
    },
    Closed(Closed),
}

impl WebSocket {
    /// A server's, after its 101 was queued in `outbox`.
    pub(crate) fn server(now: Instant, parts: UpgradeParts) -> Self {
        Self::new(now, Role::Server, parts)
    }

    /// A client's, after the server's 101 was read; reports [`Event::Upgraded`] first.
    pub(crate) fn client(now: Instant, parts: UpgradeParts) -> Self {
        let mut socket = Self::new(now, Role::Client, parts);
        socket.waiting = Some(Waiting::Upgraded);
        socket
    }

    fn new(now: Instant, role: Role, parts: UpgradeParts) -> Self {
        let UpgradeParts {
            inbox,
            outbox,
            saw_eof,
            binary,
            seed,
        } = parts;
        Self {
            now,
            role,
            binary,
            inbox,
            outbox,
            reading: Reading::Header,
            assembler: Assembler::default(),
            expects_long_frame: false,
            foreseen_frames: 0,
            control: ControlPayload::EMPTY,
            owed_pong: None,
            masks: MaskSource::new(seed),
            filler: None,
            filler_offset: 0,
            end: End::Open,
            saw_eof,
            active_at: now,
            used_at: now,
            received_bytes: 0,
            sent_bytes: 0,
            waiting: None,
            filler_sent: false,
        }
    }

    // ---- input ----

    pub(crate) fn handle_input(&mut self, now: Instant, bytes: &[u8]) {
        self.note_use(now);
        self.active_at = now;
        let mut rest = bytes;
        // A header that was cut is completed in the inbox; after it the input is used in place again.
        while !self.inbox.is_empty() && !rest.is_empty() {
            if self.waiting.is_some() || self.inbox.len() >= HEADER_BYTES_MAX {
                self.inbox.push(rest);
                self.run();
                return;
            }
            let (piece, later) = rest.split_at(rest.len().min(HEADER_BYTES_MAX));
            self.inbox.push(piece);
            self.run();
            rest = later;
            let unused = self.inbox.len();
            if unused <= piece.len() {
                let start = bytes.len() - later.len() - unused;
                rest = &bytes[start..];
                self.inbox.clear();
                break;
            }
        }
        let used = self.advance(rest);
        self.inbox.push(rest.get(used..).unwrap_or_default());
        self.check_eof();
    }

    pub(crate) fn handle_eof(&mut self, now: Instant) {
        self.note_use(now);
        self.saw_eof = true;
        if let End::Failing {
            reason,
            until: Some(_),
        } = self.end
        {
            self.closed(reason);
        }
        self.check_eof();
    }

    /// Parses what waits in the inbox, as far as the application's pace allows.
    fn run(&mut self) {
        let mut inbox = std::mem::take(&mut self.inbox);
        let used = self.advance(inbox.as_slice());
        inbox.consume(used);
        self.inbox = inbox;
        self.check_eof();
    }

    /// The peer sends no more: once all is parsed that can be, it is gone without a close.
    fn check_eof(&mut self) {
        let is_expecting_more = matches!(self.end, End::Open | End::AwaitingPeer { .. });
        if self.saw_eof && self.waiting.is_none() && is_expecting_more {
            self.give_up(CloseReason::PeerVanished);
        }
    }

    /// Uses what it can of `bytes`, which is all the unused input there is; how much was used.
    fn advance(&mut self, bytes: &[u8]) -> usize {
        let mut used = 0;
        while self.waiting.is_none() {
            let rest = bytes.get(used..).unwrap_or_default();
            match self.reading {
                Reading::Ignored => return bytes.len(),
                Reading::Header => match parse_header(self.role, rest) {
                    Ok(None) => return used,
                    Ok(Some((header, length))) => {
                        used += length;
                        self.begin_frame(header);
                    }
                    Err(fault) => self.fail(fault),
                },
                Reading::Foreseen { .. } => {
                    let skipped = self.skip_foreseen(rest.len() as u64);
                    if skipped == 0 {
                        return used;
                    }
                    used += skipped as usize;
                }
                Reading::Payload { header, position } => {
                    let remaining = header.payload_bytes - position;
                    let count =
                        usize::try_from(remaining.min(rest.len() as u64)).unwrap_or(rest.len());
                    used += count;
                    self.take_payload(header, position, &rest[..count]);
                    if count as u64 == remaining {
                        self.end_frame();
                    } else {
                        return used;
                    }
                }
            }
        }
        used
    }

    fn begin_frame(&mut self, header: Header) {
        let begun = match header.opcode {
            Opcode::Close | Opcode::Ping | Opcode::Pong => {
                self.control.length = 0;
                Ok(())
            }
            Opcode::Text => self.assembler.begin(MessageKind::Text),
            Opcode::Binary => self.assembler.begin(MessageKind::Binary),
            Opcode::Continuation => self.assembler.check_continuation(),
        };
        let bounded = begun.and_then(|()| self.check_size(header));
        match bounded {
            Ok(()) => {
                self.expects_long_frame = self.is_counted_only(header)
                    && header.payload_bytes >= self.discard_bytes_min();
                self.reading = Reading::Payload {
                    header,
                    position: 0,
                };
            }
            Err(fault) => self.fail(fault),
        }
    }

    fn check_size(&self, header: Header) -> Result<(), Fault> {
        match header.opcode {
            Opcode::Close | Opcode::Ping | Opcode::Pong => Ok(()),
            Opcode::Text | Opcode::Binary | Opcode::Continuation
                if self.is_counted_only(header) =>
            {
                if header.payload_bytes > WEBSOCKET_DISCARDED_FRAME_BYTES_MAX {
                    Err(Fault::MessageTooBig)
                } else {
                    Ok(())
                }
            }
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                self.assembler.check_room(header.payload_bytes)
            }
        }
    }

    fn take_payload(&mut self, header: Header, position: u64, piece: &[u8]) {
        match header.opcode {
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                if self.assembler.kind() == Some(MessageKind::Binary) {
                    self.received_bytes += piece.len() as u64;
                }
                let wanted = if self.is_counted_only(header) {
                    piece.len().min(self.head_bytes_left())
                } else {
                    piece.len()
                };
                if wanted > 0
                    && let Err(fault) =
                        (self.assembler).push(&piece[..wanted], header.mask, position)
                {
                    self.fail(fault);
                    return;
                }
            }
            Opcode::Close | Opcode::Ping | Opcode::Pong => {
                let place = self.control.push(piece);
                if let Some(mask) = header.mask {
                    apply_mask(place, mask, position);
                }
            }
        }
        self.reading = Reading::Payload {
            header,
            position: position + piece.len() as u64,
        };
    }

    fn end_frame(&mut self) {
        let Reading::Payload { header, .. } = self.reading else {
            return;
        };
        self.reading = Reading::Header;
        match header.opcode {
            Opcode::Close => self.handle_close(),
            Opcode::Ping => {
                if self.end == End::Open {
                    self.owed_pong = Some(self.control);
                }
            }
            Opcode::Pong => self.announce(Waiting::Pong),
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                if !header.is_final {
                    return;
                }
                let is_discarded =
                    self.is_counted_only(header) && self.binary == BinarySink::Discard;
                match self.assembler.finish() {
                    Ok(_) if is_discarded => self.expect_foreseen(header),
                    Ok(kind) => self.announce(Waiting::Message(kind)),
                    Err(fault) => self.fail(fault),
                }
            }
        }
    }

    /// Lets the application know, unless it has already closed.
    fn announce(&mut self, event: Waiting) {
        if self.end == End::Open {
            self.waiting = Some(event);
        } else {
            self.assembler.clear();
        }
    }

    fn handle_close(&mut self) {
        let code = match parse_close(self.control.as_slice()) {
            Ok(code) => code,
            Err(fault) => {
                self.fail(fault);
                return;
            }
        };
        self.ignore_input();
        match self.end {
            End::Open => {
                let payload = code.map(u16::to_be_bytes);
                self.queue_close(payload.as_ref().map_or(&[][..], |payload| payload));
                self.end = End::Flushing {
                    reason: CloseReason::PeerClosed { code },
                };
            }
            End::AwaitingPeer { code, .. } => {
                self.end = End::Flushing {
                    reason: CloseReason::Local(code),
                };
            }
            End::Flushing { .. } | End::Failing { .. } | End::Closed(_) => {}
        }
        self.advance_end();
    }

    // ---- the application ----

    pub(crate) fn send(
        &mut self,
        now: Instant,
        kind: MessageKind,
        payload: &[u8],
    ) -> Result<(), SendError> {
        let opcode = match kind {
            MessageKind::Text => Opcode::Text,
            MessageKind::Binary => Opcode::Binary,
        };
        self.send_frame(now, opcode, payload)
    }

    pub(crate) fn send_ping(&mut self, now: Instant, payload: &[u8]) -> Result<(), SendError> {
        if payload.len() > CONTROL_BYTES_MAX {
            return Err(SendError::TooLong);
        }
        self.send_frame(now, Opcode::Ping, payload)
    }

    fn send_frame(
        &mut self,
        now: Instant,
        opcode: Opcode,
        payload: &[u8],
    ) -> Result<(), SendError> {
        if self.end != End::Open {
            return Err(SendError::Closed);
        }
        let frame_bytes = payload.len().saturating_add(HEADER_BYTES_MAX);
        if self.outbox.queued_bytes().saturating_add(frame_bytes) > TRANSMIT_BUFFER_BYTES_MAX {
            return Err(SendError::Full);
        }
        self.note_use(now);
        let mask = self.next_mask();
        write_frame(self.queue(), opcode, mask, payload);
        Ok(())
    }

    pub(crate) fn send_filler(
        &mut self,
        now: Instant,
        payload_bytes: Option<u64>,
    ) -> Result<(), SendError> {
        if self.end != End::Open {
            return Err(SendError::Closed);
        }
        if self.filler.is_some() || self.filler_sent {
            return Err(SendError::Busy);
        }
        self.note_use(now);
        if self.outbox.is_drained() {
            self.outbox.note_progress(now);
        }
        let layout = match self.role {
            Role::Server => FillerLayout::WebSocketFrames,
            Role::Client => FillerLayout::MaskedWebSocketFrames,
        };
        self.filler = Some(FillerSender::new(layout, self.filler_offset, payload_bytes));
        self.finish_filler_if_done();
        Ok(())
    }

    pub(crate) fn stop_filler(&mut self, now: Instant) {
        self.note_use(now);
        if let Some(filler) = &mut self.filler {
            filler.stop();
        }
        self.finish_filler_if_done();
    }

    pub(crate) fn close(&mut self, now: Instant, code: u16, reason: &str) {
        if self.end != End::Open {
            return;
        }
        self.note_use(now);
        self.begin_close(code, reason);
        self.end = End::AwaitingPeer { code, until: None };
    }

    /// Queues a close frame with a code that may be sent and as much of the reason as fits.
    fn begin_close(&mut self, code: u16, reason: &str) {
        let code = if may_be_sent(code) { code } else { 1000 };
        let mut payload = ControlPayload::EMPTY;
        payload.push(&code.to_be_bytes());
        let mut end = reason.len().min(CONTROL_BYTES_MAX - 2);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        payload.push(&reason.as_bytes()[..end]);
        self.queue_close(payload.as_slice());
    }

    fn queue_close(&mut self, payload: &[u8]) {
        self.owed_pong = None;
        if let Some(filler) = &mut self.filler {
            filler.stop();
        }
        self.finish_filler_if_done();
        let mask = self.next_mask();
        write_frame(self.queue(), Opcode::Close, mask, payload);
    }

    // ---- output ----

    pub(crate) fn poll_transmit(&mut self, now: Instant, buffer: &mut Vec<u8>) -> bool {
        self.now = now;
        if self.filler.as_ref().is_some_and(FillerSender::is_mid_frame) {
            return false;
        }
        if let Some(pong) = self.owed_pong.take() {
            let mask = self.next_mask();
            write_frame(self.queue(), Opcode::Pong, mask, pong.as_slice());
        }
        let appended = self.outbox.hand_over(buffer);
        if self.outbox.has_pending() || room_in(buffer) < HEADER_BYTES_MAX {
            return appended;
        }
        // The header of the last, shorter frame goes straight to the driver, so that nothing can get between it
        // and its payload.
        if let Some(payload_bytes) = self.filler.as_mut().and_then(FillerSender::begin_tail) {
            let start = buffer.len();
            let mask = self.next_mask();
            let header = Header {
                is_final: true,
                opcode: Opcode::Binary,
                mask,
                payload_bytes,
            };
            write_header(buffer, header);
            self.outbox.note_handed_over(buffer.len() - start);
            return true;
        }
        appended
    }

    pub(crate) fn poll_filler(&self) -> Option<Filler> {
        let filler = self.filler.as_ref()?;
        let something_waits = self.outbox.has_pending() || self.owed_pong.is_some();
        if !self.outbox.is_written() || (something_waits && !filler.is_mid_frame()) {
            return None;
        }
        filler.next(something_waits)
    }

    pub(crate) fn handle_transmitted(&mut self, now: Instant, count: u64) {
        self.note_use(now);
        self.outbox.note_transmitted(now, count);
        self.advance_end();
    }

    pub(crate) fn handle_filler_sent(&mut self, now: Instant, count: u64) {
        self.note_use(now);
        if let Some(filler) = &mut self.filler {
            self.sent_bytes += filler.note_sent(count);
            self.active_at = now;
            self.outbox.note_progress(now);
            self.finish_filler_if_done();
        }
    }

    fn finish_filler_if_done(&mut self) {
        if let Some(filler) = self.filler.filter(FillerSender::is_done) {
            self.filler_offset = filler.offset();
            self.filler = None;
            self.filler_sent = true;
        }
    }

    fn queue(&mut self) -> &mut Vec<u8> {
        self.outbox.queue(self.now)
    }

    const fn next_mask(&mut self) -> Option<[u8; 4]> {
        match self.role {
            Role::Server => None,
            Role::Client => Some(self.masks.next()),
        }
    }
}
