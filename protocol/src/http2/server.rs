//! The server's side of an HTTP/2 connection (RFC 9113): reading frames.
//!
//! A request goes to the application when its head is whole, and nothing more is parsed until it has said what becomes
//! of it, as in HTTP/1: so a body never waits in memory. Payload of DATA is counted or collected as it comes and in
//! any pieces; every other frame is read whole. What a peer gets wrong resets its stream or ends the connection, as
//! the standard says for each fault; and what costs us more than it costs him has a budget.

mod frames;
mod lifetime;
mod output;

use std::collections::VecDeque;

use super::budget::Budget;
use super::fault::{ErrorCode, Fault};
use super::frame::{END_STREAM, FRAME_HEADER_BYTES, FrameHeader, FrameKind, PADDED, write_reset};
use super::hpack::Decoder;
use super::settings::{PeerSettings, write_greeting};
use super::streams::Streams;
use super::window::{INITIAL_WINDOW_BYTES, ReceiveWindow, SendWindow};
use crate::connection::buffers::{Inbox, Outbox};
use crate::connection::end::End;
use crate::connection::{CloseReason, Connection, Event, Patience, ProtocolError, StreamId};
use crate::limits::{
    HTTP2_CONTROL_FRAMES_MAX, HTTP2_CONTROL_FRAMES_PER_S, HTTP2_ENDED_STREAMS_KEPT,
    HTTP2_FRAME_BYTES_MAX, HTTP2_RESETS_MAX, HTTP2_RESETS_PER_S, TRANSMIT_PIECE_BYTES,
};
use crate::time::Instant;

/// What a client sends first (section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// See the module.
#[derive(Debug)]
pub(crate) struct Server {
    now: Instant,
    inbox: Inbox,
    outbox: Outbox,
    reading: Reading,
    /// Since when a frame or a header block waits for its rest.
    begun: Option<Instant>,
    block: Option<HeaderBlock>,
    decoder: Decoder,
    streams: Streams,
    /// The newest stream that the peer opened.
    last_stream: u32,
    /// Streams that ended here while the peer may have been sending on them.
    ended_here: VecDeque<u32>,
    peer: PeerSettings,
    send_window: SendWindow,
    receive_window: ReceiveWindow,
    /// Until they are acknowledged.
    settings_sent_at: Option<Instant>,
    resets: Budget,
    control_frames: Budget,
    sending: Option<Sending>,
    /// The stream of the whole frames that the driver was last told of.
    offered: u32,
    /// When payload of any stream last went out.
    payload_moved_at: Instant,
    has_sent_block: bool,
    /// No further stream is let in.
    is_going_away: bool,
    end: End,
    saw_eof: bool,
    /// Since when no stream is open.
    idle_since: Instant,
    /// When anything last happened at all.
    used_at: Instant,
    received_bytes: u64,
    sent_bytes: u64,
}

/// Where reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Preface,
    /// At the start of the first frame, which must be SETTINGS.
    FirstFrame,
    Frame,
    /// In a DATA frame.
    Data {
        stream: u32,
        payload: usize,
        padding: usize,
        is_end: bool,
    },
}

/// HEADERS without its end: what CONTINUATION goes on with.
#[derive(Debug)]
struct HeaderBlock {
    stream: u32,
    is_end_of_stream: bool,
    bytes: Vec<u8>,
    continuations: usize,
}

/// A DATA frame of filler whose header is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    /// A frame of the described layout; so many of its bytes are out.
    Whole { stream: u32, position: u64 },
    /// A frame that is shorter than those.
    Short { stream: u32, remaining: u64 },
}

impl Server {
    pub(crate) fn new(now: Instant, patience: Patience) -> Self {
        let mut outbox = Outbox::new(patience);
        write_greeting(outbox.queue(now));
        Self {
            now,
            inbox: Inbox::default(),
            outbox,
            reading: Reading::Preface,
            begun: None,
            block: None,
            decoder: Decoder::default(),
            streams: Streams::default(),
            last_stream: 0,
            ended_here: VecDeque::new(),
            peer: PeerSettings::default(),
            send_window: SendWindow::new(INITIAL_WINDOW_BYTES),
            receive_window: ReceiveWindow::new(),
            settings_sent_at: Some(now),
            resets: Budget::new(now, HTTP2_RESETS_MAX, HTTP2_RESETS_PER_S),
            control_frames: Budget::new(now, HTTP2_CONTROL_FRAMES_MAX, HTTP2_CONTROL_FRAMES_PER_S),
            sending: None,
            offered: 0,
            payload_moved_at: now,
            has_sent_block: false,
            is_going_away: false,
            end: End::Open,
            saw_eof: false,
            idle_since: now,
            used_at: now,
            received_bytes: 0,
            sent_bytes: 0,
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
            if self.end == End::Open {
                self.inbox.push(bytes.get(used..).unwrap_or_default());
            }
        } else {
            self.inbox.push(bytes);
            self.run();
        }
    }

    pub(crate) fn handle_discarded(&mut self, now: Instant, count: u64) {
        self.note_use(now);
        if let Reading::Data { payload, .. } = self.reading
            && self.end == End::Open
        {
            let count = usize::try_from(count).map_or(payload, |count| count.min(payload));
            self.receive_payload(count, None);
            self.finish_data_if_complete();
        }
    }

    pub(crate) fn handle_eof(&mut self, now: Instant) {
        self.note_use(now);
        self.saw_eof = true;
        match self.end {
            End::Lingering { reason, .. } => self.end.close(reason),
            End::Open => {
                self.run();
                if self.end == End::Open {
                    let is_between = self.streams.is_empty() && self.inbox.is_empty();
                    self.give_up(if is_between {
                        CloseReason::PeerClosed { code: None }
                    } else {
                        CloseReason::PeerVanished
                    });
                }
            }
            End::Flushing { .. } | End::Closed(_) => {}
        }
    }

    /// Parses what waits in the inbox, as far as the application's pace allows.
    fn run(&mut self) {
        if self.inbox.is_empty() {
            return;
        }
        let mut inbox = std::mem::take(&mut self.inbox);
        let used = self.advance(inbox.as_slice());
        inbox.consume(used);
        if self.end != End::Open {
            inbox.clear();
        }
        self.inbox = inbox;
    }

    /// Uses what it can of `bytes`, which is all the unused input there is; how much was used.
    fn advance(&mut self, bytes: &[u8]) -> usize {
        let mut used = 0;
        while self.end == End::Open && !self.must_wait() {
            let rest = bytes.get(used..).unwrap_or_default();
            match self.advance_once(rest) {
                Ok(0) => {
                    let waits = !rest.is_empty() || self.block.is_some();
                    self.begun = waits.then(|| self.begun.unwrap_or(self.now));
                    return used;
                }
                Ok(count) => {
                    used += count;
                    if self.block.is_none() {
                        self.begun = None;
                    }
                }
                Err(fault) => self.fail(fault),
            }
        }
        used
    }

    /// Whether the application has to decide, or the peer to read its answers, before more is parsed.
    fn must_wait(&self) -> bool {
        self.outbox.queued_bytes() > TRANSMIT_PIECE_BYTES
            || self
                .streams
                .find(self.last_stream)
                .is_some_and(super::stream::Stream::is_undecided)
    }

    /// Reads the preface, a frame, or a piece of a DATA frame; zero when it is not there yet.
    fn advance_once(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        match self.reading {
            Reading::Preface => {
                let count = bytes.len().min(PREFACE.len());
                if bytes[..count] != PREFACE[..count] {
                    return Err(Fault::InvalidPreface);
                }
                if count < PREFACE.len() {
                    return Ok(0);
                }
                self.reading = Reading::FirstFrame;
                Ok(count)
            }
            Reading::FirstFrame | Reading::Frame => self.advance_frame(bytes),
            Reading::Data {
                payload, padding, ..
            } => {
                if bytes.is_empty() {
                    return Ok(0);
                }
                let count = bytes.len().min(payload + padding);
                let (body, rest) = bytes[..count].split_at(count.min(payload));
                self.receive_payload(body.len(), Some(body));
                if let Reading::Data { padding, .. } = &mut self.reading {
                    *padding -= rest.len();
                }
                self.finish_data_if_complete();
                Ok(count)
            }
        }
    }

    fn advance_frame(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let Some(header) = FrameHeader::parse(bytes) else {
            return Ok(0);
        };
        let is_first = self.reading == Reading::FirstFrame;
        if is_first && (header.kind != FrameKind::Settings || header.has(super::frame::ACK)) {
            return Err(Fault::InvalidPreface);
        }
        if header.length > HTTP2_FRAME_BYTES_MAX {
            return Err(Fault::FrameTooLarge);
        }
        if self.block.is_some() != (header.kind == FrameKind::Continuation) {
            return Err(Fault::InterruptedHeaders);
        }
        if header.kind == FrameKind::Data {
            return self.begin_data(header, bytes);
        }
        let end = FRAME_HEADER_BYTES + header.length;
        let Some(payload) = bytes.get(FRAME_HEADER_BYTES..end) else {
            return Ok(0);
        };
        self.handle_frame(header, payload)?;
        if is_first {
            self.reading = Reading::Frame;
        }
        Ok(end)
    }

    // ---- DATA ----

    /// Reads a DATA frame's header, and the length of its padding behind it.
    fn begin_data(&mut self, header: FrameHeader, bytes: &[u8]) -> Result<usize, Fault> {
        if header.stream == 0 {
            return Err(Fault::WrongStream);
        }
        let is_known = header.stream <= self.last_stream || self.is_going_away;
        if !is_known || header.stream.is_multiple_of(2) {
            return Err(Fault::UnknownStream);
        }
        let mut used = FRAME_HEADER_BYTES;
        let mut padding = 0;
        if header.has(PADDED) {
            if header.length == 0 {
                return Err(Fault::InvalidFrameLength);
            }
            let Some(&length) = bytes.get(FRAME_HEADER_BYTES) else {
                return Ok(0);
            };
            padding = usize::from(length);
            used += 1;
        }
        let around_payload = padding + used - FRAME_HEADER_BYTES;
        let payload = header
            .length
            .checked_sub(around_payload)
            .ok_or(Fault::InvalidPadding)?;
        let is_end = header.has(END_STREAM);
        if payload == 0 && !is_end {
            self.charge_control_frame()?;
        }
        self.grant(header)?;
        self.reading = Reading::Data {
            stream: header.stream,
            payload,
            padding,
            is_end,
        };
        self.finish_data_if_complete();
        Ok(used)
    }

    /// Takes a DATA frame out of its windows, padding included (section 6.9.1), and gives back what is due. A stream
    /// that ended has no window of its own any more.
    fn grant(&mut self, header: FrameHeader) -> Result<(), Fault> {
        let length = u32::try_from(header.length).unwrap_or(u32::MAX);
        if !self.receive_window.receive(length) {
            return Err(Fault::WindowExceeded);
        }
        if let Some(update) = self.receive_window.take_update() {
            self.queue_window_update(0, update);
        }
        let id = header.stream;
        match self.streams.find_mut(id) {
            Some(stream) if stream.is_cut() => {}
            Some(stream) if stream.has_input_ended() => {
                self.reset(id, ErrorCode::StreamClosed, Fault::ClosedStream)?;
            }
            Some(stream) => {
                if !stream.receive_window.receive(length) {
                    return self.reset(id, ErrorCode::FlowControl, Fault::WindowExceeded);
                }
                let update = stream.receive_window.take_update();
                if let Some(update) = update.filter(|_| !header.has(END_STREAM)) {
                    self.queue_window_update(id, update);
                }
            }
            None if self.ended_here.contains(&id) || id > self.last_stream => {}
            None => return Err(Fault::ClosedStream),
        }
        Ok(())
    }

    fn queue_window_update(&mut self, stream: u32, update: u32) {
        super::frame::write_window_update(self.outbox.queue(self.now), stream, update);
    }

    /// `count` bytes of the current DATA frame's payload: these, or unseen ones.
    fn receive_payload(&mut self, count: usize, bytes: Option<&[u8]>) {
        let Reading::Data {
            stream, payload, ..
        } = &mut self.reading
        else {
            return;
        };
        *payload -= count;
        let id = *stream;
        self.received_bytes += count as u64;
        let Some(stream) = self.streams.find_mut(id).filter(|stream| !stream.is_cut()) else {
            return;
        };
        let is_within = match bytes {
            Some(bytes) => stream.receive(self.now, bytes),
            None => stream.skip(self.now, count as u64),
        };
        if !is_within {
            self.reset_malformed(id);
        }
    }

    fn finish_data_if_complete(&mut self) {
        let Reading::Data {
            stream: id,
            payload: 0,
            padding: 0,
            is_end,
        } = self.reading
        else {
            return;
        };
        self.reading = Reading::Frame;
        if is_end {
            self.end_input(id);
        }
    }

    /// The peer ended its side of a stream.
    fn end_input(&mut self, id: u32) {
        let now = self.now;
        let stream = self.streams.find_mut(id).filter(|stream| !stream.is_cut());
        if let Some(stream) = stream
            && !stream.end_input(now)
        {
            self.reset_malformed(id);
        }
    }

    // ---- faults ----

    /// Ends one stream with an error; the peer may do so only so often.
    fn reset(&mut self, id: u32, code: ErrorCode, fault: Fault) -> Result<(), Fault> {
        if !self.resets.take(self.now) {
            return Err(Fault::TooManyResets);
        }
        write_reset(self.outbox.queue(self.now), id, code);
        self.note_ended_here(id);
        if let Some(stream) = self.streams.find_mut(id) {
            stream.cut(CloseReason::ProtocolError(ProtocolError::Http2(fault)));
        }
        Ok(())
    }

    /// A request that is none (section 8.1.1).
    fn reset_malformed(&mut self, id: u32) {
        if let Err(fault) = self.reset(id, ErrorCode::Protocol, Fault::MalformedRequest) {
            self.fail(fault);
        }
    }

    /// What the peer still sends on this stream is to be ignored.
    fn note_ended_here(&mut self, id: u32) {
        if self.ended_here.len() >= HTTP2_ENDED_STREAMS_KEPT {
            self.ended_here.pop_front();
        }
        self.ended_here.push_back(id);
    }

    fn charge_control_frame(&mut self) -> Result<(), Fault> {
        if self.control_frames.take(self.now) {
            Ok(())
        } else {
            Err(Fault::TooManyControlFrames)
        }
    }

    // ---- the application ----

    pub(crate) fn poll_stream_event(&mut self, scratch: &mut Vec<u8>) -> Option<(StreamId, Event)> {
        scratch.clear();
        self.forget_streams();
        loop {
            for stream in self.streams.iter_mut() {
                if let Some(event) = stream.poll_event(scratch) {
                    return Some((StreamId(stream.id), event));
                }
            }
            let before = self.inbox.len();
            self.run();
            if self.inbox.len() == before {
                return None;
            }
        }
    }

    pub(crate) fn stream_mut(&mut self, id: StreamId) -> Option<&mut Connection> {
        self.streams.connection_mut(id.0)
    }

    /// The application gives a stream up.
    pub(crate) fn abort_stream(&mut self, now: Instant, id: StreamId) {
        self.note_use(now);
        if let Some(stream) = self
            .streams
            .find_mut(id.0)
            .filter(|stream| !stream.is_cut())
        {
            stream.cut(CloseReason::Finished);
            write_reset(self.outbox.queue(now), id.0, ErrorCode::Cancel);
            self.note_ended_here(id.0);
        }
    }

    /// Drops the streams whose end was told.
    fn forget_streams(&mut self) {
        if self.streams.is_empty() {
            return;
        }
        self.streams.retain(|stream| !stream.is_forgotten());
        if self.streams.is_empty() {
            self.idle_since = self.now;
        }
        self.leave_if_idle();
    }
}
