//! Ctrl-C and SIGTERM: the first asks for an orderly end with what was measured so far, a later one ends at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// What a shell reports of a program that a SIGINT ended.
pub const INTERRUPTED_CODE: i32 = 130;
/// Wrappers such as timeout(1) send one signal twice, to the program and to its group: that is one wish.
const SAME_WISH: Duration = Duration::from_millis(300);

/// Whether the user wants an end.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens for the signals from now on, on a thread of its own.
    ///
    /// # Errors
    /// When the system takes no handler, or gives no thread.
    pub fn listen() -> io::Result<Self> {
        let interrupt = Self::default();
        let is_wanted = Arc::clone(&interrupt.0);
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                let mut first_at: Option<Instant> = None;
                for _ in signals.forever() {
                    let since = first_at.get_or_insert_with(Instant::now).elapsed();
                    if since > SAME_WISH {
                        std::process::exit(INTERRUPTED_CODE);
                    }
                    is_wanted.store(true, Ordering::Relaxed);
                }
            })?;
        Ok(interrupt)
    }

    /// Whether one came.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
