//! The block from which a loop sends HTTP/2's filler: random bytes, made when they are first wanted, in frames that are
//! stamped with the stream they are for.

use std::io;

use protocol::http2::{HTTP2_STRIDE_BYTES, stamp_http2_frames};

/// 64 KiB: in the processor's nearest caches while records are sealed from it, and beyond the window of the compressors
/// that might stand in the way.
const FRAMES: usize = 4;
const BLOCK_BYTES: usize = FRAMES * HTTP2_STRIDE_BYTES as usize;

/// See the module.
#[derive(Debug)]
pub(super) struct FrameBlock {
    bytes: Box<[u8]>,
    stream: u32,
}

impl FrameBlock {
    /// A block for no stream yet.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(super) fn create() -> io::Result<Self> {
        let mut bytes = vec![0; BLOCK_BYTES].into_boxed_slice();
        getrandom::fill(&mut bytes)?;
        Ok(Self { bytes, stream: 0 })
    }

    /// Up to `length` bytes of frames of `stream`, from `offset` within a frame: the rest of that frame, or frames from
    /// their start.
    pub(super) fn frames(&mut self, stream: u32, offset: u64, length: u64) -> &[u8] {
        if self.stream != stream {
            stamp_http2_frames(stream, &mut self.bytes);
            self.stream = stream;
        }
        let start = (offset % HTTP2_STRIDE_BYTES) as usize;
        let end = (start as u64 + length).min(BLOCK_BYTES as u64) as usize;
        &self.bytes[start..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_name_the_stream_that_they_are_for() {
        let mut block = FrameBlock::create().expect("randomness");
        for stream in [5, 7, 5] {
            let frames = block.frames(stream, 0, u64::MAX);
            assert_eq!(frames.len(), BLOCK_BYTES);
            for frame in frames.chunks(HTTP2_STRIDE_BYTES as usize) {
                // 16,375 bytes of DATA, no flags.
                assert_eq!(frame[..9], [0, 0x3f, 0xf7, 0, 0, 0, 0, 0, stream as u8]);
            }
        }
        let rest = block.frames(5, 10_000, 6_384);
        assert_eq!(rest.len(), 6_384);
    }
}
