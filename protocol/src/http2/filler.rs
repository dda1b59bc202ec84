//! Filler: DATA frames of one size, laid out once in a block of memory that every stream of a loop sends from.
//!
//! A frame's header names its stream, so whoever sends stamps the block first: four bytes for each frame, and never its
//! payload. With its header a frame is 16 KiB long, the most that a TLS record holds and that every peer must take, so
//! that each record is one frame.

use super::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind};
use crate::limits::HTTP2_FRAME_BYTES_MAX;

/// Distance between frames: header and payload.
pub const HTTP2_STRIDE_BYTES: u64 = HTTP2_FRAME_BYTES_MAX as u64;
/// Payload of one frame.
pub const HTTP2_FRAME_PAYLOAD_BYTES: u64 = HTTP2_STRIDE_BYTES - FRAME_HEADER_BYTES as u64;

/// Writes the header of a DATA frame of `stream` at every stride of `block`, whose length must be a multiple of
/// [`HTTP2_STRIDE_BYTES`].
pub fn stamp_http2_frames(stream: u32, block: &mut [u8]) {
    let header = FrameHeader {
        length: HTTP2_FRAME_BYTES_MAX - FRAME_HEADER_BYTES,
        kind: FrameKind::Data,
        flags: 0,
        stream,
    };
    for frame in block.chunks_exact_mut(HTTP2_FRAME_BYTES_MAX) {
        frame[..FRAME_HEADER_BYTES].copy_from_slice(&header.to_bytes());
    }
}

/// Payload in the first `wire_bytes` from a frame's start.
pub(super) const fn payload_before(wire_bytes: u64) -> u64 {
    let whole = wire_bytes / HTTP2_STRIDE_BYTES * HTTP2_FRAME_PAYLOAD_BYTES;
    whole + (wire_bytes % HTTP2_STRIDE_BYTES).saturating_sub(FRAME_HEADER_BYTES as u64)
}
