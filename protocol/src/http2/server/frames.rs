//! What each kind of frame but DATA does.

use super::{HeaderBlock, Server};
use crate::connection::CloseReason;
use crate::http2::fault::{ErrorCode, Fault};
use crate::http2::frame::{
    ACK, END_HEADERS, END_STREAM, FrameHeader, FrameKind, PADDED, PRIORITY, write_header,
};
use crate::http2::request::{FieldList, Head};
use crate::http2::stream::Stream;
use crate::limits::{HTTP2_CONTINUATIONS_MAX, HTTP2_HEADER_BLOCK_BYTES_MAX, HTTP2_STREAMS_MAX};

impl Server {
    /// Acts on a frame that is whole, and neither DATA nor out of place within a header block.
    pub(super) fn handle_frame(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
    ) -> Result<(), Fault> {
        match header.kind {
            FrameKind::Headers => self.handle_headers(header, payload),
            FrameKind::Continuation => self.handle_continuation(header, payload),
            FrameKind::Settings => self.handle_settings(header, payload),
            FrameKind::Ping => self.handle_ping(header, payload),
            FrameKind::WindowUpdate => self.handle_window_update(header, payload),
            FrameKind::ResetStream => self.handle_reset(header, payload),
            FrameKind::Priority => self.handle_priority(header, payload),
            FrameKind::GoAway => {
                if header.stream != 0 {
                    return Err(Fault::WrongStream);
                }
                if payload.len() < 8 {
                    return Err(Fault::InvalidFrameLength);
                }
                // The peer opens no more streams; those that are open go on.
                self.charge_control_frame()
            }
            FrameKind::PushPromise => Err(Fault::Push),
            // DATA never comes here; what is not known is ignored (section 5.5).
            FrameKind::Data | FrameKind::Unknown => self.charge_control_frame(),
        }
    }

    // ---- header blocks ----

    fn handle_headers(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Fault> {
        if header.stream == 0 {
            return Err(Fault::WrongStream);
        }
        if header.stream.is_multiple_of(2) {
            return Err(Fault::UnknownStream);
        }
        let mut fragment = payload;
        let mut padding = 0;
        if header.has(PADDED) {
            let (&length, rest) = fragment.split_first().ok_or(Fault::InvalidFrameLength)?;
            padding = usize::from(length);
            fragment = rest;
        }
        if header.has(PRIORITY) {
            fragment = fragment.get(5..).ok_or(Fault::InvalidFrameLength)?;
        }
        let length = fragment
            .len()
            .checked_sub(padding)
            .ok_or(Fault::InvalidPadding)?;
        let fragment = &fragment[..length];
        let is_end_of_stream = header.has(END_STREAM);
        if header.has(END_HEADERS) {
            return self.handle_block(header.stream, fragment, is_end_of_stream);
        }
        self.block = Some(HeaderBlock {
            stream: header.stream,
            is_end_of_stream,
            bytes: fragment.to_vec(),
            continuations: 0,
        });
        Ok(())
    }

    fn handle_continuation(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Fault> {
        let Some(mut block) = self.block.take() else {
            return Err(Fault::InterruptedHeaders);
        };
        if block.stream != header.stream {
            return Err(Fault::InterruptedHeaders);
        }
        block.continuations += 1;
        let is_too_large = block.bytes.len() + payload.len() > HTTP2_HEADER_BLOCK_BYTES_MAX
            || block.continuations > HTTP2_CONTINUATIONS_MAX;
        if is_too_large {
            return Err(Fault::HeaderBlockTooLarge);
        }
        block.bytes.extend_from_slice(payload);
        if header.has(END_HEADERS) {
            self.handle_block(block.stream, &block.bytes, block.is_end_of_stream)
        } else {
            self.block = Some(block);
            Ok(())
        }
    }

    /// A header block is whole. Whatever becomes of its stream, it is decoded: the table is the connection's.
    fn handle_block(&mut self, id: u32, block: &[u8], is_end: bool) -> Result<(), Fault> {
        let mut list = FieldList::default();
        self.decoder
            .decode(block, |name, value| list.push(name, value))
            .map_err(|_| Fault::InvalidHeaderBlock)?;
        if id > self.last_stream {
            return self.open_stream(id, list, is_end);
        }
        match self.streams.find(id) {
            Some(stream) if stream.is_cut() => Ok(()),
            Some(stream) if stream.has_input_ended() => {
                self.reset(id, ErrorCode::StreamClosed, Fault::ClosedStream)
            }
            // Trailers, of which nobody wants to know (section 8.1).
            Some(_) if is_end && list.is_trailers() => {
                self.end_input(id);
                Ok(())
            }
            Some(_) => self.reset(id, ErrorCode::Protocol, Fault::MalformedRequest),
            None if self.ended_here.contains(&id) => Ok(()),
            None => Err(Fault::ClosedStream),
        }
    }

    fn open_stream(&mut self, id: u32, list: FieldList, is_end: bool) -> Result<(), Fault> {
        if self.is_going_away {
            // Beyond the last stream of our GOAWAY: the peer knows to ask somebody else (section 6.8).
            return Ok(());
        }
        self.last_stream = id;
        if self.streams.len() >= HTTP2_STREAMS_MAX {
            return self.reset(id, ErrorCode::RefusedStream, Fault::TooManyStreams);
        }
        let patience = self.outbox.patience();
        let window_bytes = self.peer.initial_window_bytes;
        let stream = match list.finish(!is_end) {
            Head::Malformed => {
                return self.reset(id, ErrorCode::Protocol, Fault::MalformedRequest);
            }
            Head::Request(request) => {
                Stream::new(self.now, id, patience, request, is_end, window_bytes)
            }
            Head::Refused(fault) => {
                Stream::refused(self.now, id, patience, fault, is_end, window_bytes)
            }
        };
        self.streams.push(stream);
        Ok(())
    }

    // ---- the others ----

    fn handle_settings(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Fault> {
        if header.stream != 0 {
            return Err(Fault::WrongStream);
        }
        if header.has(ACK) {
            if !payload.is_empty() {
                return Err(Fault::InvalidFrameLength);
            }
            self.settings_sent_at = None;
            return self.charge_control_frame();
        }
        self.charge_control_frame()?;
        let updated = self.peer.updated(payload)?;
        // The change applies to all open streams (section 6.9.2).
        let change =
            i64::from(updated.initial_window_bytes) - i64::from(self.peer.initial_window_bytes);
        self.peer = updated;
        for stream in self.streams.iter_mut() {
            if stream.send_window.bytes() == 0 {
                stream.output_moved_at = self.now;
            }
            stream
                .send_window
                .widen(change)
                .map_err(|_| Fault::WindowOverflow)?;
        }
        write_header(self.outbox.queue(self.now), FrameKind::Settings, ACK, 0, 0);
        Ok(())
    }

    fn handle_ping(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Fault> {
        if header.stream != 0 {
            return Err(Fault::WrongStream);
        }
        if payload.len() != 8 {
            return Err(Fault::InvalidFrameLength);
        }
        self.charge_control_frame()?;
        if !header.has(ACK) {
            let out = self.outbox.queue(self.now);
            write_header(out, FrameKind::Ping, ACK, 0, payload.len());
            out.extend_from_slice(payload);
        }
        Ok(())
    }

    fn handle_window_update(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Fault> {
        let bytes: [u8; 4] = payload.try_into().map_err(|_| Fault::InvalidFrameLength)?;
        let increment = i64::from(u32::from_be_bytes(bytes) & 0x7fff_ffff);
        let id = header.stream;
        if id == 0 {
            if increment == 0 {
                return Err(Fault::EmptyWindowUpdate);
            }
            // What it lets go has all of its time to move.
            if self.send_window.bytes() == 0 {
                self.payload_moved_at = self.now;
            }
            return self
                .send_window
                .widen(increment)
                .map_err(|_| Fault::WindowOverflow);
        }
        self.check_opened(id)?;
        let Some(stream) = self.streams.find_mut(id).filter(|stream| !stream.is_cut()) else {
            return Ok(());
        };
        if increment == 0 {
            return self.reset(id, ErrorCode::Protocol, Fault::EmptyWindowUpdate);
        }
        if stream.send_window.bytes() == 0 {
            stream.output_moved_at = self.now;
        }
        if stream.send_window.widen(increment).is_err() {
            return self.reset(id, ErrorCode::FlowControl, Fault::WindowOverflow);
        }
        Ok(())
    }

    fn handle_reset(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Fault> {
        if header.stream == 0 {
            return Err(Fault::WrongStream);
        }
        if payload.len() != 4 {
            return Err(Fault::InvalidFrameLength);
        }
        self.check_opened(header.stream)?;
        // Opening and resetting is work for us and none for the peer.
        if !self.resets.take(self.now) {
            return Err(Fault::TooManyResets);
        }
        if let Some(stream) = self.streams.find_mut(header.stream) {
            stream.cut(CloseReason::PeerClosed { code: None });
        }
        Ok(())
    }

    /// Priorities are not looked at (RFC 9113, section 5.3.2), only their frames' form is.
    fn handle_priority(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Fault> {
        if header.stream == 0 {
            return Err(Fault::WrongStream);
        }
        self.charge_control_frame()?;
        if payload.len() == 5 {
            return Ok(());
        }
        self.reset(
            header.stream,
            ErrorCode::FrameSize,
            Fault::InvalidFrameLength,
        )
    }

    /// Whether the peer has opened that stream at any time.
    fn check_opened(&self, id: u32) -> Result<(), Fault> {
        // While we are going away, newer streams are ignored, not unknown.
        if !id.is_multiple_of(2) && (id <= self.last_stream || self.is_going_away) {
            Ok(())
        } else {
            Err(Fault::UnknownStream)
        }
    }
}
