//! Filler: binary frames whose payload nobody reads, laid out once in a file and sent from it for ever.
//!
//! Owns the layout of the cycle (a frame at every stride) and the place of one connection in it.

use crate::connection::{Filler, FillerLayout};
use crate::http2::{HTTP2_FRAME_PAYLOAD_BYTES, HTTP2_STRIDE_BYTES};
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
            Self::Http2Frames { .. } => HTTP2_STRIDE_BYTES,
        }
    }

    /// Bytes of header at the start of each stride.
    #[must_use]
    pub const fn header_bytes(self) -> u64 {
        match self {
            Self::Raw => 0,
            Self::WebSocketFrames => FILLER_HEADER_BYTES,
            Self::MaskedWebSocketFrames => MASKED_FILLER_HEADER_BYTES,
            Self::Http2Frames { .. } => HTTP2_STRIDE_BYTES - HTTP2_FRAME_PAYLOAD_BYTES,
        }
    }
}

/// Writes a frame header at every stride of `cycle`, which the caller has filled with random bytes and whose length
/// should be a multiple of the layout's stride: a rest at the end is left alone and must not be sent. The random
/// bytes already in the place of a masking key serve as the key, and the payload as already masked.
pub fn stamp_filler_cycle(layout: FillerLayout, cycle: &mut [u8]) {
    let mask_bit = match layout {
        FillerLayout::Raw | FillerLayout::Http2Frames { .. } => return,
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

/// What one connection still has to send: whole frames of the cycle, then at most one shorter frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct FillerSender {
    layout: FillerLayout,
    /// Place in the cycle.
    offset: u64,
    /// Wire bytes of the current frame that are out.
    position: u64,
    /// Frames that are not out, the current one included; `None` is without an end.
    frames: Option<u64>,
    tail: Tail,
}

/// The shorter frame at the end of finite filler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    None,
    /// Its header was not handed over.
    Due {
        payload_bytes: u64,
    },
    /// Its header was, and this much payload was not.
    Begun {
        remaining: u64,
    },
}

impl FillerSender {
    /// Sends `payload_bytes`, or endlessly, from `offset` in the cycle of `layout`.
    pub(super) const fn new(layout: FillerLayout, offset: u64, payload_bytes: Option<u64>) -> Self {
        let (frames, tail) = match payload_bytes {
            None => (None, Tail::None),
            Some(bytes) => {
                let tail = match bytes % FILLER_FRAME_PAYLOAD_BYTES {
                    0 => Tail::None,
                    payload_bytes => Tail::Due { payload_bytes },
                };
                (Some(bytes / FILLER_FRAME_PAYLOAD_BYTES), tail)
            }
        };
        Self {
            layout,
            offset,
            position: 0,
            frames,
            tail,
        }
    }

    /// Place in the cycle, for the next filler to go on from.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) const fn is_done(&self) -> bool {
        matches!((self.frames, self.tail), (Some(0), Tail::None))
    }

    /// Whether the peer is owed the rest of a frame, so that nothing else may be sent.
    pub(super) const fn is_mid_frame(&self) -> bool {
        self.position > 0 || matches!(self.tail, Tail::Begun { .. })
    }

    /// Ends with the current frame.
    pub(super) fn stop(&mut self) {
        self.frames = Some(u64::from(self.position > 0));
        if let Tail::Due { .. } = self.tail {
            self.tail = Tail::None;
        }
    }

    /// The payload length of the shorter frame, when it is that frame's turn; its header counts as handed over then.
    pub(super) const fn begin_tail(&mut self) -> Option<u64> {
        if let (Some(0), Tail::Due { payload_bytes }) = (self.frames, self.tail) {
            self.tail = Tail::Begun {
                remaining: payload_bytes,
            };
            Some(payload_bytes)
        } else {
            None
        }
    }

    /// What to send next: to the end of the current frame if `yields`, else as much as there is.
    pub(super) const fn next(&self, yields: bool) -> Option<Filler> {
        if let Tail::Begun { remaining } = self.tail {
            return Some(Filler {
                layout: FillerLayout::Raw,
                offset: self.offset,
                remaining,
            });
        }
        let stride = self.layout.stride_bytes();
        let most = u64::MAX / stride;
        let frames = match self.frames {
            Some(0) => return None,
            _ if yields => 1,
            Some(frames) if frames < most => frames,
            Some(_) | None => most,
        };
        Some(Filler {
            layout: self.layout,
            offset: self.offset,
            remaining: frames * stride - self.position,
        })
    }

    /// `count` wire bytes are out; how many of them are payload.
    pub(super) fn note_sent(&mut self, count: u64) -> u64 {
        if let Tail::Begun { remaining } = self.tail {
            let count = count.min(remaining);
            self.tail = match remaining - count {
                0 => Tail::None,
                remaining => Tail::Begun { remaining },
            };
            return count;
        }
        let stride = self.layout.stride_bytes();
        let left = match self.frames {
            Some(frames) => frames.saturating_mul(stride).saturating_sub(self.position),
            None => u64::MAX - self.position,
        };
        let count = count.min(left);
        let before = self.payload_before(self.position);
        let end = self.position + count;
        let payload = self.payload_before(end) - before;
        if let Some(frames) = &mut self.frames {
            *frames -= end / stride;
        }
        self.position = end % stride;
        self.offset = self.offset.wrapping_add(count);
        // The cycle starts again long before 64 bits are full, but only at a frame's start.
        if self.position == 0 && self.offset > u64::MAX / 2 {
            self.offset = 0;
        }
        payload
    }

    /// Payload in the first `wire_bytes` from a frame's start.
    const fn payload_before(&self, wire_bytes: u64) -> u64 {
        let stride = self.layout.stride_bytes();
        let whole = wire_bytes / stride * FILLER_FRAME_PAYLOAD_BYTES;
        whole + (wire_bytes % stride).saturating_sub(self.layout.header_bytes())
    }
}
