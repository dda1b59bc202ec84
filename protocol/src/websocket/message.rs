//! Messages: fragments put together, in order, within a bound, and checked to be UTF-8 as they come.

use super::fault::Fault;
use super::frame::apply_mask;
use crate::connection::MessageKind;
use crate::connection::buffers::{is_large, release};
use crate::limits::WEBSOCKET_MESSAGE_BYTES_MAX;

/// The message that is being received.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    /// What is being received; `None` between messages.
    kind: Option<MessageKind>,
    payload: Vec<u8>,
    /// How much of a text's payload is known to be whole characters.
    checked_bytes: usize,
}

impl Assembler {
    pub(super) const fn kind(&self) -> Option<MessageKind> {
        self.kind
    }

    /// The last message's payload, until [`Assembler::clear`].
    pub(super) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Begins a message.
    pub(super) fn begin(&mut self, kind: MessageKind) -> Result<(), Fault> {
        if self.kind.is_some() {
            return Err(Fault::ExpectedContinuation);
        }
        self.clear();
        self.kind = Some(kind);
        Ok(())
    }

    pub(super) fn check_continuation(&self) -> Result<(), Fault> {
        match self.kind {
            Some(_) => Ok(()),
            None => Err(Fault::UnexpectedContinuation),
        }
    }

    /// Whether a frame of that payload still fits into the message.
    pub(super) fn check_room(&self, frame_bytes: u64) -> Result<(), Fault> {
        let total = frame_bytes.saturating_add(self.payload.len() as u64);
        if total > WEBSOCKET_MESSAGE_BYTES_MAX as u64 {
            return Err(Fault::MessageTooBig);
        }
        Ok(())
    }

    /// Appends a piece that begins `position` bytes into its frame.
    pub(super) fn push(
        &mut self,
        piece: &[u8],
        mask: Option<[u8; 4]>,
        position: u64,
    ) -> Result<(), Fault> {
        let start = self.payload.len();
        self.payload.extend_from_slice(piece);
        if let Some(mask) = mask {
            apply_mask(&mut self.payload[start..], mask, position);
        }
        match self.kind {
            Some(MessageKind::Text) => self.check_text(),
            Some(MessageKind::Binary) | None => Ok(()),
        }
    }

    /// Checks what came since the last call; a character that is not whole yet is looked at again.
    fn check_text(&mut self) -> Result<(), Fault> {
        match std::str::from_utf8(&self.payload[self.checked_bytes..]) {
            Ok(text) => self.checked_bytes += text.len(),
            Err(error) if error.error_len().is_none() => self.checked_bytes += error.valid_up_to(),
            Err(_) => return Err(Fault::InvalidUtf8),
        }
        Ok(())
    }

    /// Ends the message; its payload stays until [`Assembler::clear`].
    pub(super) fn finish(&mut self) -> Result<MessageKind, Fault> {
        let kind = self.kind.take().ok_or(Fault::UnexpectedContinuation)?;
        if kind == MessageKind::Text && self.checked_bytes != self.payload.len() {
            return Err(Fault::InvalidUtf8);
        }
        Ok(kind)
    }

    /// Forgets the payload, but not that a message is under way.
    pub(super) fn clear(&mut self) {
        self.payload.clear();
        self.checked_bytes = 0;
    }

    pub(super) fn is_large(&self) -> bool {
        is_large(&self.payload)
    }

    pub(super) fn release(&mut self) {
        release(&mut self.payload);
    }
}
