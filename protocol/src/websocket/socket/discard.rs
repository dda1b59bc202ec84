//! Payload that is thrown away, and the headers within it. A header that is like the one before it and was seen in time lets
//! one call throw away more than one frame.

use super::super::frame::{Header, Opcode, header_bytes, parse_header};
use super::{End, Reading, WebSocket};
use crate::connection::{BinarySink, MessageKind};
use crate::limits::{DISCARD_BEHIND_HEAD_BYTES_MIN, DISCARD_BYTES_MIN};
use crate::time::Instant;

impl WebSocket {
    /// Whether a data frame's payload is counted only, but for a message's head that may be wanted.
    pub(super) fn is_counted_only(&self, header: Header) -> bool {
        let is_data = matches!(
            header.opcode,
            Opcode::Text | Opcode::Binary | Opcode::Continuation
        );
        is_data
            && self.assembler.kind() == Some(MessageKind::Binary)
            && self.binary != BinarySink::Deliver
    }

    /// Whether what follows of a data frame's payload is counted only.
    pub(super) fn is_discarding(&self, header: Header) -> bool {
        self.is_counted_only(header) && self.head_bytes_left() == 0
    }

    /// So many bytes of a binary message that is under way are still wanted by a sink that throws the rest away.
    pub(super) fn head_bytes_left(&self) -> usize {
        match self.binary {
            BinarySink::Deliver | BinarySink::Discard => 0,
            BinarySink::Head { bytes } => bytes.saturating_sub(self.assembler.payload().len()),
        }
    }

    /// A rest of a payload that is shorter is not thrown away by a call of its own.
    pub(super) const fn discard_bytes_min(&self) -> u64 {
        match self.binary {
            BinarySink::Deliver | BinarySink::Discard => DISCARD_BYTES_MIN,
            BinarySink::Head { .. } => DISCARD_BEHIND_HEAD_BYTES_MIN,
        }
    }

    /// How long the header is that is awaited behind all that may be thrown away, if it is like the last one.
    pub(crate) fn foresight_bytes(&self) -> Option<usize> {
        let header = self.repeated_header()?;
        Some(header_bytes(header))
    }

    /// Takes the header that follows all that may be thrown away, without its being read; whether it makes that more.
    pub(crate) fn foresee(&mut self, bytes: &[u8]) -> bool {
        let Some(header) = self.repeated_header() else {
            return false;
        };
        // A fault is found when it is read.
        let Ok(Some((next, _))) = parse_header(self.role, bytes) else {
            return false;
        };
        let is_like = next.is_final
            && next.opcode == Opcode::Binary
            && next.payload_bytes == header.payload_bytes;
        if is_like {
            self.foreseen_frames = self.foreseen_frames.saturating_add(1);
        }
        is_like
    }

    /// The header of whole binary messages of which nothing is wanted.
    fn repeated_header(&self) -> Option<Header> {
        let (Reading::Payload { header, .. } | Reading::Foreseen { header, .. }) = self.reading
        else {
            return None;
        };
        let is_repeated = header.is_final
            && header.opcode == Opcode::Binary
            && self.binary == BinarySink::Discard
            && header.payload_bytes >= self.discard_bytes_min()
            && self.inbox.is_empty()
            && !self.saw_eof
            && matches!(self.end, End::Open | End::AwaitingPeer { .. });
        is_repeated.then_some(header)
    }

    /// What is `left` of `header`'s frame, and those behind it that were foreseen.
    pub(super) fn foreseen_bytes(&self, header: Header, left: u64) -> u64 {
        let frame_bytes = header_bytes(header) as u64 + header.payload_bytes;
        frame_bytes
            .saturating_mul(u64::from(self.foreseen_frames))
            .saturating_add(left)
    }

    pub(crate) fn handle_discarded(&mut self, now: Instant, count: u64) {
        self.note_use(now);
        self.active_at = now;
        let mut left = count;
        while left > 0 {
            match self.reading {
                Reading::Foreseen { .. } => left -= self.skip_foreseen(left),
                Reading::Payload { header, position } => {
                    let count = left.min(header.payload_bytes - position);
                    let position = position + count;
                    left -= count;
                    self.reading = Reading::Payload { header, position };
                    self.received_bytes += count;
                    if position == header.payload_bytes {
                        self.end_frame();
                    }
                }
                Reading::Header | Reading::Ignored => return,
            }
        }
    }

    /// Behind a frame comes one that was foreseen.
    pub(super) fn expect_foreseen(&mut self, header: Header) {
        if let Some(left) = self.foreseen_frames.checked_sub(1) {
            self.foreseen_frames = left;
            self.reading = Reading::Foreseen {
                header,
                left: header_bytes(header) as u8,
            };
        }
    }

    /// Passes over at most `most` bytes of a header that was foreseen; how many.
    pub(super) fn skip_foreseen(&mut self, most: u64) -> u64 {
        let Reading::Foreseen { header, left } = self.reading else {
            return 0;
        };
        let skipped = most.min(u64::from(left)) as u8;
        if skipped == left {
            self.begin_frame(header);
        } else {
            self.reading = Reading::Foreseen {
                header,
                left: left - skipped,
            };
        }
        u64::from(skipped)
    }
}
