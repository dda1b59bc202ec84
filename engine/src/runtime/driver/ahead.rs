//! Seeing the headers between pieces of payload before they come to be read, so that one call throws several pieces away.
//!
//! Each call that takes bytes from a full socket tells the peer of it, and over loopback does the peer's work too. One call for
//! each frame of 64 KiB and one for its header cost 64 uploads 0.45 CPU-s/GB, 4 of them 0.28; looked ahead up to the budget,
//! 0.17 and 0.18.

use std::io;

use protocol::connection::Receive;

use super::{DRIVE_BUDGET_BYTES, Driver};

/// Longer than any header that is looked for.
const SEEN_BYTES_MAX: usize = 16;
/// So much must have come in one drive before it is looked ahead: a slow flow's calls would find nothing.
const BUSY_BYTES: usize = 64 * 1024;

/// Whether it is worth while to look ahead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sight {
    /// Little comes at a time: most likely nothing would be seen.
    #[default]
    Near,
    /// What was looked for last was there.
    Far,
    /// The kernel can't.
    Blind,
}

/// What may be thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Foreseen {
    /// Bytes.
    pub(super) remaining: u64,
    /// Whether nothing had arrived beyond them.
    pub(super) is_all: bool,
}

impl<S> Driver<S> {
    /// How much may be thrown away, of which `remaining` bytes are known: what has arrived is looked at as far as `budget`
    /// goes.
    pub(super) fn look_ahead(&mut self, mut remaining: u64, budget: usize) -> Foreseen {
        let is_worthwhile = match self.sight {
            Sight::Near => self.gathering.is_on() || DRIVE_BUDGET_BYTES - budget >= BUSY_BYTES,
            Sight::Far => true,
            Sight::Blind => false,
        };
        let mut is_all = false;
        if !is_worthwhile || remaining >= budget as u64 {
            return Foreseen { remaining, is_all };
        }
        let known = remaining;
        while remaining < budget as u64
            && let Some(wanted) = self.connection.foresight_bytes()
        {
            let mut header = [0; SEEN_BYTES_MAX];
            let header = &mut header[..wanted.min(SEEN_BYTES_MAX)];
            match self.transport.peek(remaining as usize, header) {
                Ok(length) if self.connection.foresee(&header[..length]) => {}
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    self.sight = Sight::Blind;
                    return Foreseen { remaining, is_all };
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    is_all = true;
                    break;
                }
                Ok(_) | Err(_) => break,
            }
            match self.connection.receive() {
                Receive::Discard { remaining: more } => remaining = more,
                Receive::Bytes | Receive::Header { .. } | Receive::Paused => break,
            }
        }
        self.sight = if remaining > known {
            Sight::Far
        } else {
            Sight::Near
        };
        Foreseen { remaining, is_all }
    }
}
