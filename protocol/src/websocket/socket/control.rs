//! The payload of a ping, pong or close frame, which arrives in pieces and is bounded by its kind.

use super::CONTROL_BYTES_MAX;

/// The payload of a control frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct ControlPayload {
    pub(super) bytes: [u8; CONTROL_BYTES_MAX],
    pub(super) length: usize,
}

impl ControlPayload {
    pub(super) const EMPTY: Self = Self {
        bytes: [0; CONTROL_BYTES_MAX],
        length: 0,
    };

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Appends what fits; a valid header announced no more.
    pub(super) fn push(&mut self, piece: &[u8]) -> &mut [u8] {
        let start = self.length;
        let count = piece.len().min(CONTROL_BYTES_MAX - start);
        self.length += count;
        let place = &mut self.bytes[start..start + count];
        place.copy_from_slice(&piece[..count]);
        place
    }
}
