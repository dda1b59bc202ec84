//! Bodies: where one ends (RFC 9112, sections 6 and 7). Counts payload to the byte and keeps none of it.

use super::fault::Fault;
use super::head::is_token;
use super::request::BodyLength;
use crate::limits::{HTTP_CHUNK_LINE_BYTES_MAX, HTTP_TRAILER_BYTES_MAX};

/// Reads one body from input in pieces of any size.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyReader {
    state: State,
    received_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Bytes { remaining: u64 },
    UntilClose,
    ChunkSize { size: u64, line_bytes: usize },
    ChunkExtension { size: u64, line_bytes: usize },
    ChunkLineEnd { size: u64 },
    ChunkData { remaining: u64 },
    ChunkDataCr,
    ChunkDataLf,
    TrailerStart { total_bytes: usize },
    TrailerName { total_bytes: usize },
    TrailerValue { total_bytes: usize },
    TrailerLineEnd { total_bytes: usize },
    LastLineEnd,
    Complete,
}

impl BodyReader {
    pub(super) const fn new(length: BodyLength) -> Self {
        let state = match length {
            BodyLength::None | BodyLength::Bytes(0) => State::Complete,
            BodyLength::Bytes(remaining) => State::Bytes { remaining },
            BodyLength::UntilClose => State::UntilClose,
            BodyLength::Chunked => State::ChunkSize {
                size: 0,
                line_bytes: 0,
            },
        };
        Self {
            state,
            received_bytes: 0,
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    pub(super) fn ends_with_connection(&self) -> bool {
        self.state == State::UntilClose
    }

    /// Payload bytes so far.
    pub(super) const fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// Payload bytes that come next and need no look at.
    pub(super) const fn payload_remaining(&self) -> u64 {
        match self.state {
            State::Bytes { remaining } | State::ChunkData { remaining } => remaining,
            State::UntilClose => u64::MAX,
            State::ChunkSize { .. }
            | State::ChunkExtension { .. }
            | State::ChunkLineEnd { .. }
            | State::ChunkDataCr
            | State::ChunkDataLf
            | State::TrailerStart { .. }
            | State::TrailerName { .. }
            | State::TrailerValue { .. }
            | State::TrailerLineEnd { .. }
            | State::LastLineEnd
            | State::Complete => 0,
        }
    }

    /// Bytes to the body's end, if its length was announced.
    pub(super) const fn announced_remaining(&self) -> Option<u64> {
        match self.state {
            State::Bytes { remaining } => Some(remaining),
            State::Complete => Some(0),
            State::UntilClose
            | State::ChunkSize { .. }
            | State::ChunkExtension { .. }
            | State::ChunkLineEnd { .. }
            | State::ChunkData { .. }
            | State::ChunkDataCr
            | State::ChunkDataLf
            | State::TrailerStart { .. }
            | State::TrailerName { .. }
            | State::TrailerValue { .. }
            | State::TrailerLineEnd { .. }
            | State::LastLineEnd => None,
        }
    }

    /// `count` payload bytes, at most [`BodyReader::payload_remaining`], went by unseen; how many of them counted.
    pub(super) fn skip(&mut self, count: u64) -> u64 {
        let count = count.min(self.payload_remaining());
        self.received_bytes += count;
        match &mut self.state {
            State::Bytes { remaining } => {
                *remaining -= count;
                if *remaining == 0 {
                    self.state = State::Complete;
                }
            }
            State::ChunkData { remaining } => {
                *remaining -= count;
                if *remaining == 0 {
                    self.state = State::ChunkDataCr;
                }
            }
            State::UntilClose
            | State::ChunkSize { .. }
            | State::ChunkExtension { .. }
            | State::ChunkLineEnd { .. }
            | State::ChunkDataCr
            | State::ChunkDataLf
            | State::TrailerStart { .. }
            | State::TrailerName { .. }
            | State::TrailerValue { .. }
            | State::TrailerLineEnd { .. }
            | State::LastLineEnd
            | State::Complete => {}
        }
        count
    }

    /// Takes what belongs to the body from the front of `bytes` and hands payload to `sink`; how much was taken.
    pub(super) fn advance(
        &mut self,
        bytes: &[u8],
        mut sink: impl FnMut(&[u8]),
    ) -> Result<usize, Fault> {
        let mut used = 0;
        while !self.is_complete() {
            let rest = &bytes[used..];
            let Some(&byte) = rest.first() else {
                break;
            };
            let available = self.payload_remaining().min(rest.len() as u64);
            if available > 0 {
                let count = usize::try_from(available).unwrap_or(rest.len());
                sink(&rest[..count]);
                self.skip(available);
                used += count;
            } else {
                self.state = self.state.after(byte)?;
                used += 1;
            }
        }
        Ok(used)
    }
}

impl State {
    /// The state after one byte of framing.
    fn after(self, byte: u8) -> Result<Self, Fault> {
        match self {
            Self::ChunkSize { size, line_bytes } => chunk_size(size, line_bytes, byte),
            Self::ChunkExtension { size, line_bytes } => match byte {
                b'\r' => Ok(Self::ChunkLineEnd { size }),
                b'\n' => Err(Fault::BareLineEnd),
                _ if byte.is_ascii_control() && byte != b'\t' => Err(Fault::InvalidChunk),
                _ if line_bytes >= HTTP_CHUNK_LINE_BYTES_MAX => Err(Fault::ChunkLineTooLong),
                _ => Ok(Self::ChunkExtension {
                    size,
                    line_bytes: line_bytes + 1,
                }),
            },
            Self::ChunkLineEnd { size } => match (byte, size) {
                (b'\n', 0) => Ok(Self::TrailerStart { total_bytes: 0 }),
                (b'\n', remaining) => Ok(Self::ChunkData { remaining }),
                _ => Err(Fault::BareLineEnd),
            },
            Self::ChunkDataCr => expect(byte, b'\r', Self::ChunkDataLf, Fault::InvalidChunk),
            Self::ChunkDataLf => {
                let next = Self::ChunkSize {
                    size: 0,
                    line_bytes: 0,
                };
                expect(byte, b'\n', next, Fault::InvalidChunk)
            }
            Self::TrailerStart { total_bytes } => match byte {
                b'\r' => Ok(Self::LastLineEnd),
                b'\n' => Err(Fault::BareLineEnd),
                _ => trailer_name(total_bytes, byte),
            },
            Self::TrailerName { total_bytes } => match byte {
                b':' => Ok(Self::TrailerValue {
                    total_bytes: one_more(total_bytes)?,
                }),
                _ => trailer_name(total_bytes, byte),
            },
            Self::TrailerValue { total_bytes } => match byte {
                b'\r' => Ok(Self::TrailerLineEnd { total_bytes }),
                b'\n' => Err(Fault::BareLineEnd),
                _ if byte.is_ascii_control() && byte != b'\t' => Err(Fault::InvalidTrailer),
                _ => Ok(Self::TrailerValue {
                    total_bytes: one_more(total_bytes)?,
                }),
            },
            Self::TrailerLineEnd { total_bytes } => {
                let next = Self::TrailerStart {
                    total_bytes: one_more(total_bytes)?,
                };
                expect(byte, b'\n', next, Fault::BareLineEnd)
            }
            Self::LastLineEnd => expect(byte, b'\n', Self::Complete, Fault::BareLineEnd),
            // Payload states take whole slices and never come here; a complete body takes nothing.
            Self::Bytes { .. } | Self::UntilClose | Self::ChunkData { .. } | Self::Complete => {
                Ok(self)
            }
        }
    }
}

fn expect(byte: u8, wanted: u8, next: State, fault: Fault) -> Result<State, Fault> {
    if byte == wanted { Ok(next) } else { Err(fault) }
}

/// A byte of a chunk's size line before its extensions. Nothing but digits: no sign, no prefix, no space.
fn chunk_size(size: u64, line_bytes: usize, byte: u8) -> Result<State, Fault> {
    if let Some(digit) = char::from(byte).to_digit(16) {
        // Leading zeros are digits too, so the line's bound is what ends them.
        if line_bytes >= HTTP_CHUNK_LINE_BYTES_MAX {
            return Err(Fault::ChunkLineTooLong);
        }
        let size = size
            .checked_mul(16)
            .and_then(|size| size.checked_add(u64::from(digit)))
            .ok_or(Fault::InvalidChunk)?;
        return Ok(State::ChunkSize {
            size,
            line_bytes: line_bytes + 1,
        });
    }
    match byte {
        b'\n' => Err(Fault::BareLineEnd),
        _ if line_bytes == 0 => Err(Fault::InvalidChunk),
        b'\r' => Ok(State::ChunkLineEnd { size }),
        b';' => Ok(State::ChunkExtension {
            size,
            line_bytes: line_bytes + 1,
        }),
        _ => Err(Fault::InvalidChunk),
    }
}

fn trailer_name(total_bytes: usize, byte: u8) -> Result<State, Fault> {
    if !is_token(byte) {
        return Err(Fault::InvalidTrailer);
    }
    Ok(State::TrailerName {
        total_bytes: one_more(total_bytes)?,
    })
}

fn one_more(total_bytes: usize) -> Result<usize, Fault> {
    if total_bytes >= HTTP_TRAILER_BYTES_MAX {
        return Err(Fault::TrailersTooLarge);
    }
    Ok(total_bytes + 1)
}
