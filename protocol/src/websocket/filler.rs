//! Filler: binary frames whose payload nobody reads, laid out once in a file and sent from it for ever.
//!
//! Owns the layout of the cycle (a frame at every stride) and the place of one connection in it.

use crate::connection::FillerLayout;
use crate::limits::FILLER_FRAME_PAYLOAD_BYTES;

/// Header of a filler frame without a mask: two bytes and a length of 64 bits.
pub const FILLER_HEADER_BYTES: u64 = 10;
/// Header of a filler frame with a mask: four bytes more.
pub const MASKED_FILLER_HEADER_BYTES: u64 = 14;
/// Distance between frames in a cycle of [`FillerLayout::WebSocketFrames`].
pub const FILLER_STRIDE_BYTES: u64 = FILLER_HEADER_BYTES + FILLER_FRAME_PAYLOAD_BYTES;
/// Distance between frames in a cycle of [`FillerLayout::MaskedWebSocketFrames`].
pub const MASKED_FILLER_STRIDE_BYTES: u64 = MASKED_FILLER_HEADER_BYTES + FILLER_FRAME_PAYLOAD_BYTES;

impl FillerLayout {
    /// Distance between frame starts; a cycle's length must be a multiple of it. One byte for [`FillerLayout::Raw`].
    #[must_use]
    pub const fn stride_bytes(self) -> u64 {
        match self {
            Self::Raw => 1,
            Self::WebSocketFrames => FILLER_STRIDE_BYTES,
            Self::MaskedWebSocketFrames => MASKED_FILLER_STRIDE_BYTES,
        }
    }

    /// Bytes of header at the start of each stride.
    #[must_use]
    pub const fn header_bytes(self) -> u64 {
        match self {
            Self::Raw => 0,
            Self::WebSocketFrames => FILLER_HEADER_BYTES,
            Self::MaskedWebSocketFrames => MASKED_FILLER_HEADER_BYTES,
        }
    }
}

/// Writes a frame header at every stride of `cycle`, which the caller has filled with random bytes and whose length
/// should be a multiple of the layout's stride: a rest at the end is left alone and must not be sent. The random
/// bytes already in the place of a masking key serve as the key, and the payload as already masked.
pub fn stamp_filler_cycle(layout: FillerLayout, cycle: &mut [u8]) {
    let mask_bit = match layout {
        FillerLayout::Raw => return,
        FillerLayout::WebSocketFrames => 0,
        FillerLayout::MaskedWebSocketFrames => 0x80,
    };
    let stride = usize::try_from(layout.stride_bytes()).unwrap_or(usize::MAX);
    for frame in cycle.chunks_exact_mut(stride) {
        // A final binary frame, its length in the 64 bits that 64 KiB just needs.
        frame[0] = 0x82;
        frame[1] = mask_bit | 127;
        frame[2..10].copy_from_slice(&FILLER_FRAME_PAYLOAD_BYTES.to_be_bytes());
    }
}
