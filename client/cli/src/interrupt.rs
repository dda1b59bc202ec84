//! Ctrl-C and SIGTERM: the first asks for an orderly end with what was measured so far, a later one ends at once.

use std::convert::Infallible;
use std::io;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError, bounded, never};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// What a shell reports of a program that a SIGINT ended.
pub const INTERRUPTED_CODE: i32 = 130;
/// Wrappers such as timeout(1) send one signal twice, to the program and to its group: that is one wish.
const SAME_WISH: Duration = Duration::from_millis(300);

/// Whether the user wants an end: a channel whose other end is gone then. By default nobody ever does.
#[derive(Clone, Debug)]
pub struct Interrupt(Receiver<Infallible>);

impl Interrupt {
    /// Listens for the signals from now on, on a thread of its own.
    ///
    /// # Errors
    /// When the system takes no handler, or gives no thread.
    pub fn listen() -> io::Result<Self> {
        let (until_wanted, wanted) = bounded(0);
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                let mut until_wanted = Some(until_wanted);
                let mut first_at: Option<Instant> = None;
                for _ in signals.forever() {
                    let since = first_at.get_or_insert_with(Instant::now).elapsed();
                    if since > SAME_WISH {
                        std::process::exit(INTERRUPTED_CODE);
                    }
                    until_wanted.take();
                }
            })?;
        Ok(Self(wanted))
    }

    /// Whether one came.
    #[must_use]
    pub fn is_set(&self) -> bool {
        matches!(self.0.try_recv(), Err(TryRecvError::Disconnected))
    }

    /// Waits for one, so long at most; whether it came.
    #[must_use]
    pub fn comes_within(&self, limit: Duration) -> bool {
        matches!(
            self.0.recv_timeout(limit),
            Err(RecvTimeoutError::Disconnected)
        )
    }
}

impl Default for Interrupt {
    fn default() -> Self {
        Self(never())
    }
}
