//! Frames (RFC 9113, sections 4 and 6): nine bytes that say what follows.

use super::fault::ErrorCode;

/// Bytes before each frame's payload.
pub(crate) const FRAME_HEADER_BYTES: usize = 9;

pub(super) const END_STREAM: u8 = 0x1;
pub(super) const ACK: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const PADDED: u8 = 0x8;
pub(super) const PRIORITY: u8 = 0x20;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameKind {
    Data,
    Headers,
    Priority,
    ResetStream,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    /// To be ignored (section 5.5).
    Unknown,
}

impl FrameKind {
    const fn of(number: u8) -> Self {
        match number {
            0x0 => Self::Data,
            0x1 => Self::Headers,
            0x2 => Self::Priority,
            0x3 => Self::ResetStream,
            0x4 => Self::Settings,
            0x5 => Self::PushPromise,
            0x6 => Self::Ping,
            0x7 => Self::GoAway,
            0x8 => Self::WindowUpdate,
            0x9 => Self::Continuation,
            _ => Self::Unknown,
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::Data => 0x0,
            Self::Headers => 0x1,
            Self::Priority => 0x2,
            Self::ResetStream => 0x3,
            Self::Settings => 0x4,
            Self::PushPromise => 0x5,
            Self::Ping => 0x6,
            Self::GoAway => 0x7,
            Self::WindowUpdate => 0x8,
            Self::Continuation => 0x9,
            Self::Unknown => 0xff,
        }
    }
}

/// The nine bytes, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    /// Bytes of payload.
    pub(super) length: usize,
    pub(super) kind: FrameKind,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl FrameHeader {
    /// The header that `bytes` begins with, if all of it is there.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let header: &[u8; FRAME_HEADER_BYTES] = bytes.first_chunk()?;
        let [l2, l1, l0, kind, flags, s3, s2, s1, s0] = *header;
        Some(Self {
            length: u32::from_be_bytes([0, l2, l1, l0]) as usize,
            kind: FrameKind::of(kind),
            flags,
            // The highest bit is reserved (section 4.1).
            stream: u32::from_be_bytes([s3, s2, s1, s0]) & 0x7fff_ffff,
        })
    }

    pub(super) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The nine bytes of a header to be sent.
    pub(super) fn to_bytes(self) -> [u8; FRAME_HEADER_BYTES] {
        let [_, l2, l1, l0] = u32::try_from(self.length).unwrap_or(0).to_be_bytes();
        let [s3, s2, s1, s0] = self.stream.to_be_bytes();
        [l2, l1, l0, self.kind.number(), self.flags, s3, s2, s1, s0]
    }
}

/// Appends a frame's header.
pub(super) fn write_header(
    out: &mut Vec<u8>,
    kind: FrameKind,
    flags: u8,
    stream: u32,
    length: usize,
) {
    let header = FrameHeader {
        length,
        kind,
        flags,
        stream,
    };
    out.extend_from_slice(&header.to_bytes());
}

/// Appends RST_STREAM.
pub(super) fn write_reset(out: &mut Vec<u8>, stream: u32, code: ErrorCode) {
    write_header(out, FrameKind::ResetStream, 0, stream, 4);
    out.extend_from_slice(&code.number().to_be_bytes());
}

/// Appends WINDOW_UPDATE; stream 0 is the connection.
pub(super) fn write_window_update(out: &mut Vec<u8>, stream: u32, increment: u32) {
    write_header(out, FrameKind::WindowUpdate, 0, stream, 4);
    out.extend_from_slice(&increment.to_be_bytes());
}

/// Appends GOAWAY, with what a person needs to know as its debug data.
pub(super) fn write_go_away(out: &mut Vec<u8>, last_stream: u32, code: ErrorCode, debug: &str) {
    write_header(out, FrameKind::GoAway, 0, 0, 8 + debug.len());
    out.extend_from_slice(&last_stream.to_be_bytes());
    out.extend_from_slice(&code.number().to_be_bytes());
    out.extend_from_slice(debug.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_as_it_was_written() {
        let header = FrameHeader {
            length: 0x01_02_03,
            kind: FrameKind::Headers,
            flags: END_HEADERS | END_STREAM,
            stream: 0x7fff_fffd,
        };
        let bytes = header.to_bytes();
        assert_eq!(bytes, [1, 2, 3, 1, 5, 0x7f, 0xff, 0xff, 0xfd]);
        assert_eq!(FrameHeader::parse(&bytes), Some(header));
        assert_eq!(FrameHeader::parse(&bytes[..8]), None);
    }
}
