//! What follows a head on its way out: nothing, bytes or filler. Server and client alike.

use crate::connection::buffers::{Outbox, room_in};
use crate::connection::{Filler, FillerLayout};
use crate::time::Instant;

/// A body that is being sent.
#[derive(Debug)]
pub(super) enum Output {
    /// None, or all of it was handed over.
    Done,
    /// Bytes, of which the first `sent` were handed over.
    Bytes { source: Source, sent: usize },
    /// Filler; `None` is without an end.
    Filler { remaining: Option<u64> },
}

/// Where the bytes of a body are.
#[derive(Debug)]
pub(crate) enum Source {
    Static(&'static [u8]),
    Owned(Vec<u8>),
}

impl Source {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Static(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

/// Bodies up to this size travel in one piece with their head, so that the next request need not wait for a write.
const INLINE_BODY_BYTES_MAX: usize = 16 * 1024;

impl Output {
    /// Sends `source`: at once when it is small.
    pub(super) fn of_bytes(source: Source, now: Instant, outbox: &mut Outbox) -> Self {
        if source.as_slice().len() <= INLINE_BODY_BYTES_MAX {
            outbox.queue(now).extend_from_slice(source.as_slice());
            Self::Done
        } else {
            Self::Bytes { source, sent: 0 }
        }
    }

    /// Sends filler of that length.
    pub(super) const fn of_filler(length: Option<u64>) -> Self {
        match length {
            Some(0) => Self::Done,
            Some(_) | None => Self::Filler { remaining: length },
        }
    }

    pub(super) const fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    pub(super) const fn is_filler(&self) -> bool {
        matches!(self, Self::Filler { .. })
    }

    /// Appends what fits into `buffer`, after all that `outbox` holds; whether anything was appended.
    pub(super) fn hand_over(&mut self, outbox: &mut Outbox, buffer: &mut Vec<u8>) -> bool {
        let mut appended = outbox.hand_over(buffer);
        if outbox.has_pending() {
            return appended;
        }
        if let Self::Bytes { source, sent } = self {
            let rest = source.as_slice().get(*sent..).unwrap_or_default();
            let count = rest.len().min(room_in(buffer));
            buffer.extend_from_slice(&rest[..count]);
            outbox.note_handed_over(count);
            *sent += count;
            appended |= count > 0;
            if count == rest.len() {
                *self = Self::Done;
            }
        }
        appended
    }

    /// The filler that is next; `offset` is its place in the cycle.
    pub(super) const fn filler(&self, offset: u64) -> Option<Filler> {
        match self {
            Self::Filler { remaining } => Some(Filler {
                layout: FillerLayout::Raw,
                offset,
                remaining: match remaining {
                    Some(remaining) => *remaining,
                    None => u64::MAX,
                },
            }),
            Self::Done | Self::Bytes { .. } => None,
        }
    }

    /// `count` bytes of filler are out; how many of them counted.
    pub(super) fn note_filler_sent(&mut self, count: u64) -> u64 {
        match self {
            Self::Filler { remaining: None } => count,
            Self::Filler {
                remaining: Some(remaining),
            } => {
                let count = count.min(*remaining);
                *remaining -= count;
                if *remaining == 0 {
                    *self = Self::Done;
                }
                count
            }
            Self::Done | Self::Bytes { .. } => 0,
        }
    }

    /// Ends filler that has no end of its own; whether there was any.
    pub(super) fn stop_filler(&mut self) -> bool {
        let is_endless = matches!(self, Self::Filler { remaining: None });
        if is_endless {
            *self = Self::Done;
        }
        is_endless
    }
}
