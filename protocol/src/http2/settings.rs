//! SETTINGS (RFC 9113, section 6.5): ours, which never change, and what the peer's mean to us.

use super::fault::Fault;
use super::frame::{FrameKind, write_header, write_window_update};
use super::window::INITIAL_WINDOW_BYTES;
use crate::limits::{
    HTTP_HEAD_BYTES_MAX, HTTP2_FRAME_BYTES_MAX, HTTP2_STREAMS_MAX, HTTP2_WINDOW_BYTES,
};

const ENABLE_PUSH: u16 = 0x2;
const MAX_CONCURRENT_STREAMS: u16 = 0x3;
const INITIAL_WINDOW_SIZE: u16 = 0x4;
const MAX_FRAME_SIZE: u16 = 0x5;
const MAX_HEADER_LIST_SIZE: u16 = 0x6;
/// RFC 9218, section 2.1: the priorities of old are not looked at.
const NO_RFC7540_PRIORITIES: u16 = 0x9;

/// Appends what a server begins with: its settings, and a window for the whole connection that throttles no test.
/// ENABLE_CONNECT_PROTOCOL (RFC 8441) is not among them, so that browsers open WebSockets on connections of their own.
pub(super) fn write_greeting(out: &mut Vec<u8>) {
    let ours = [
        (MAX_CONCURRENT_STREAMS, HTTP2_STREAMS_MAX as u32),
        (INITIAL_WINDOW_SIZE, HTTP2_WINDOW_BYTES),
        (MAX_HEADER_LIST_SIZE, HTTP_HEAD_BYTES_MAX as u32),
        (NO_RFC7540_PRIORITIES, 1),
    ];
    write_header(out, FrameKind::Settings, 0, 0, ours.len() * 6);
    for (name, value) in ours {
        out.extend_from_slice(&name.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
    write_window_update(out, 0, HTTP2_WINDOW_BYTES - INITIAL_WINDOW_BYTES);
}

/// What the peer's settings mean to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PeerSettings {
    /// What each stream may be sent at its beginning, in bytes.
    pub(super) initial_window_bytes: u32,
}

impl Default for PeerSettings {
    fn default() -> Self {
        Self {
            initial_window_bytes: INITIAL_WINDOW_BYTES,
        }
    }
}

impl PeerSettings {
    /// After a SETTINGS frame with this payload. Frames larger than every peer must take are of no use to us: with its
    /// header, a frame of ours fills one TLS record. The table of header compression is not used at all.
    pub(super) fn updated(mut self, payload: &[u8]) -> Result<Self, Fault> {
        let (entries, []) = payload.as_chunks::<6>() else {
            return Err(Fault::InvalidFrameLength);
        };
        for &[n1, n0, v3, v2, v1, v0] in entries {
            let value = u32::from_be_bytes([v3, v2, v1, v0]);
            match u16::from_be_bytes([n1, n0]) {
                ENABLE_PUSH if value > 1 => return Err(Fault::InvalidSetting),
                INITIAL_WINDOW_SIZE if value > i32::MAX as u32 => {
                    return Err(Fault::WindowOverflow);
                }
                INITIAL_WINDOW_SIZE => self.initial_window_bytes = value,
                MAX_FRAME_SIZE if value < HTTP2_FRAME_BYTES_MAX as u32 || value >= 1 << 24 => {
                    return Err(Fault::InvalidSetting);
                }
                _ => {}
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(name: u16, value: u32) -> Vec<u8> {
        [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()
    }

    #[test]
    fn settings_are_held_to_their_ranges() {
        let updated = |name, value| PeerSettings::default().updated(&setting(name, value));
        assert_eq!(updated(2, 2), Err(Fault::InvalidSetting));
        assert_eq!(updated(4, 1 << 31), Err(Fault::WindowOverflow));
        assert_eq!(updated(5, 16_383), Err(Fault::InvalidSetting));
        assert_eq!(updated(5, 1 << 24), Err(Fault::InvalidSetting));
        assert_eq!(updated(5, (1 << 24) - 1), Ok(PeerSettings::default()));
        assert_eq!(updated(0xabcd, 7), Ok(PeerSettings::default()));
        let window = updated(4, 0).expect("a window may be closed");
        assert_eq!(window.initial_window_bytes, 0);
        assert_eq!(
            PeerSettings::default().updated(&[0; 5]),
            Err(Fault::InvalidFrameLength)
        );
    }
}
