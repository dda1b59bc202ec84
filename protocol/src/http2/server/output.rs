//! What is sent, and in which order: frames about the connection, then heads and small bodies, then filler. Filler is
//! described: whole frames of one layout while windows and lengths allow, else a header and so much payload.

use super::{Sending, Server};
use crate::connection::buffers::room_in;
use crate::connection::end::End;
use crate::connection::{Filler, FillerLayout};
use crate::http2::fault::ErrorCode;
use crate::http2::filler::{HTTP2_FRAME_PAYLOAD_BYTES, HTTP2_STRIDE_BYTES, payload_before};
use crate::http2::frame::{
    END_HEADERS, END_STREAM, FRAME_HEADER_BYTES, FrameKind, write_header, write_reset,
};
use crate::http2::hpack::{begin_block, encode_status};
use crate::http2::stream::{Body, Stream};
use crate::http2::window::SendWindow;
use crate::limits::HTTP2_FRAME_BYTES_MAX;
use crate::time::Instant;

/// Frames of filler that one stream sends before the others get their turn: 64 KiB.
const FRAMES_IN_TURN: u64 = 4;

/// What the next stream with filler may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NextFiller {
    /// That many whole frames.
    Whole { stream: u32, frames: u64 },
    /// A shorter one.
    Short {
        stream: u32,
        payload: u64,
        is_end: bool,
    },
}

impl Server {
    pub(crate) fn poll_transmit(&mut self, now: Instant, buffer: &mut Vec<u8>) -> bool {
        self.now = now;
        // A frame that was begun is finished first.
        if self.sending.is_some() {
            return false;
        }
        let before = buffer.len();
        self.outbox.hand_over(buffer);
        if !self.outbox.has_pending() && matches!(self.end, End::Open) {
            let begun = buffer.len();
            self.write_responses(buffer);
            self.begin_short_frame(buffer);
            if buffer.len() > begun && self.outbox.is_drained() {
                self.outbox.note_progress(now);
            }
            self.outbox.note_handed_over(buffer.len() - begun);
        }
        buffer.len() > before
    }

    pub(crate) fn poll_filler(&mut self) -> Option<Filler> {
        if !self.outbox.is_written() {
            return None;
        }
        match self.sending {
            Some(Sending::Short { remaining, .. }) => Some(Filler {
                layout: FillerLayout::Raw,
                offset: self.sent_bytes,
                remaining,
            }),
            Some(Sending::Whole { stream, position }) => Some(Filler {
                layout: FillerLayout::Http2Frames { stream },
                offset: position,
                remaining: HTTP2_STRIDE_BYTES - position,
            }),
            None if self.outbox.has_pending() || !matches!(self.end, End::Open) => None,
            None => match self.next_filler()? {
                NextFiller::Short { .. } => None,
                NextFiller::Whole { stream, frames } => {
                    self.offered = stream;
                    Some(Filler {
                        layout: FillerLayout::Http2Frames { stream },
                        offset: 0,
                        remaining: frames * HTTP2_STRIDE_BYTES,
                    })
                }
            },
        }
    }

    pub(crate) fn handle_transmitted(&mut self, now: Instant, count: u64) {
        self.note_use(now);
        self.outbox.note_transmitted(now, count);
        self.advance_end();
    }

    pub(crate) fn handle_filler_sent(&mut self, now: Instant, count: u64) {
        self.note_use(now);
        self.outbox.note_progress(now);
        self.payload_moved_at = now;
        match self.sending {
            Some(Sending::Short { stream, remaining }) => {
                let count = count.min(remaining);
                self.sending = (count < remaining).then_some(Sending::Short {
                    stream,
                    remaining: remaining - count,
                });
                self.note_payload_sent(stream, count);
                if self.sending.is_none() {
                    self.finish_turn(stream);
                }
            }
            Some(Sending::Whole { stream, position }) => {
                let count = count.min(HTTP2_STRIDE_BYTES - position);
                self.note_whole_frames_sent(stream, position, count);
            }
            None => self.note_whole_frames_sent(self.offered, 0, count),
        }
        self.advance_end();
    }

    /// `count` bytes of whole frames are out, the first of which was out up to `position`.
    fn note_whole_frames_sent(&mut self, stream: u32, position: u64, count: u64) {
        let end = position + count;
        let payload = payload_before(end) - payload_before(position);
        let position = end % HTTP2_STRIDE_BYTES;
        self.sending = (position > 0).then_some(Sending::Whole { stream, position });
        self.note_payload_sent(stream, payload);
        if self.sending.is_none() {
            self.finish_turn(stream);
        }
    }

    fn note_payload_sent(&mut self, id: u32, payload: u64) {
        self.send_window.spend(payload);
        self.sent_bytes += payload;
        let now = self.now;
        if let Some(stream) = self.streams.find_mut(id) {
            stream.send_window.spend(payload);
            stream.note_filler_sent(now, payload);
        }
    }

    fn finish_turn(&mut self, id: u32) {
        self.streams.pass_turn(id);
        self.finish_response(id);
    }

    /// Once a response is out, the rest of its request is of no use (section 8.1).
    fn finish_response(&mut self, id: u32) {
        let is_done = self
            .streams
            .find(id)
            .is_some_and(|stream| stream.is_answered() && !stream.has_input_ended());
        if is_done {
            write_reset(self.outbox.queue(self.now), id, ErrorCode::NoError);
            self.note_ended_here(id);
        }
    }

    // ---- heads and bodies of bytes ----

    /// Appends what fits: a frame for each stream in turn, until nothing more does.
    fn write_responses(&mut self, buffer: &mut Vec<u8>) {
        let mut ids: Vec<u32> = Vec::new();
        for stream in self.streams.in_turn() {
            if stream.has_bytes() {
                ids.push(stream.id);
            }
        }
        while !ids.is_empty() {
            ids.retain(|&id| {
                room_in(buffer) > FRAME_HEADER_BYTES && self.write_one_frame(id, buffer)
            });
        }
    }

    /// Whether there may be more of that stream.
    fn write_one_frame(&mut self, id: u32, buffer: &mut Vec<u8>) -> bool {
        let Some(stream) = self.streams.find_mut(id) else {
            return false;
        };
        if stream.take_continue() {
            let mut block = Vec::new();
            encode_status(&mut block, 100);
            write_block(buffer, id, &block, false, &mut self.has_sent_block);
            return true;
        }
        if let Some((block, is_end)) = stream.take_head() {
            stream.output_moved_at = self.now;
            write_block(buffer, id, &block, is_end, &mut self.has_sent_block);
            if is_end {
                self.finish_response(id);
            }
            return !is_end;
        }
        let wrote = write_data(stream, &mut self.send_window, self.now, buffer);
        if wrote {
            self.payload_moved_at = self.now;
        }
        let is_answered = stream.is_answered();
        if is_answered {
            self.finish_response(id);
        }
        wrote && !is_answered
    }

    // ---- filler ----

    /// Appends the header of a frame that is shorter than a whole one, when that is what is next.
    fn begin_short_frame(&mut self, buffer: &mut Vec<u8>) {
        if let Some(NextFiller::Short {
            stream,
            payload,
            is_end,
        }) = self.next_filler()
        {
            let flags = if is_end { END_STREAM } else { 0 };
            let length = usize::try_from(payload).unwrap_or(0);
            write_header(buffer, FrameKind::Data, flags, stream, length);
            self.sending = Some(Sending::Short {
                stream,
                remaining: payload,
            });
        }
    }

    /// The filler of the first stream in turn that has any and may send it. The last frame is never a whole one, for it
    /// ends its stream.
    fn next_filler(&self) -> Option<NextFiller> {
        let window = self.send_window.bytes();
        let mut sendable = self.streams.in_turn().filter_map(|stream| {
            let remaining = stream.filler()?.unwrap_or(u64::MAX);
            let allowed = window.min(stream.send_window.bytes());
            (allowed > 0).then_some((stream.id, remaining, allowed))
        });
        let (stream, remaining, allowed) = sendable.next()?;
        let whole = allowed.min(remaining - 1) / HTTP2_FRAME_PAYLOAD_BYTES;
        if whole > 0 {
            let is_alone = sendable.next().is_none();
            let frames = if is_alone {
                whole
            } else {
                whole.min(FRAMES_IN_TURN)
            };
            return Some(NextFiller::Whole { stream, frames });
        }
        let payload = allowed.min(remaining).min(HTTP2_FRAME_PAYLOAD_BYTES);
        Some(NextFiller::Short {
            stream,
            payload,
            is_end: payload == remaining,
        })
    }
}

impl Stream {
    /// Whether something other than filler waits to be sent.
    fn has_bytes(&self) -> bool {
        self.has_output() && self.filler().is_none() || self.is_continue_due()
    }
}

/// Appends a piece of the body, or its end; whether anything was appended.
fn write_data(
    stream: &mut Stream,
    connection: &mut SendWindow,
    now: Instant,
    buffer: &mut Vec<u8>,
) -> bool {
    let id = stream.id;
    if stream.is_cut() {
        return false;
    }
    let allowed = connection.bytes().min(stream.send_window.bytes());
    let (count, is_end) = match stream.body_mut() {
        None | Some(Body::Filler { .. }) => return false,
        Some(Body::End) => {
            write_header(buffer, FrameKind::Data, END_STREAM, id, 0);
            (0, true)
        }
        Some(Body::Bytes { source, sent }) => {
            let rest = source.as_slice().get(*sent..).unwrap_or_default();
            let room = room_in(buffer).saturating_sub(FRAME_HEADER_BYTES);
            let count = rest
                .len()
                .min(room)
                .min(HTTP2_FRAME_BYTES_MAX)
                .min(usize::try_from(allowed).unwrap_or(usize::MAX));
            if count == 0 {
                return false;
            }
            let is_end = count == rest.len();
            let flags = if is_end { END_STREAM } else { 0 };
            write_header(buffer, FrameKind::Data, flags, id, count);
            buffer.extend_from_slice(&rest[..count]);
            *sent += count;
            (count as u64, is_end)
        }
    };
    connection.spend(count);
    stream.send_window.spend(count);
    stream.output_moved_at = now;
    if is_end {
        stream.note_end_sent();
    }
    true
}

/// Appends HEADERS, and CONTINUATION where one frame does not hold the block.
fn write_block(
    buffer: &mut Vec<u8>,
    id: u32,
    block: &[u8],
    is_end: bool,
    has_sent_block: &mut bool,
) {
    let mut whole = Vec::with_capacity(block.len() + 1);
    begin_block(&mut whole, !*has_sent_block);
    whole.extend_from_slice(block);
    *has_sent_block = true;
    let mut kind = FrameKind::Headers;
    let mut pieces = whole.chunks(HTTP2_FRAME_BYTES_MAX).peekable();
    while let Some(piece) = pieces.next() {
        let mut flags = 0;
        if is_end && kind == FrameKind::Headers {
            flags |= END_STREAM;
        }
        if pieces.peek().is_none() {
            flags |= END_HEADERS;
        }
        write_header(buffer, kind, flags, id, piece.len());
        buffer.extend_from_slice(piece);
        kind = FrameKind::Continuation;
    }
}
