//! Threads that run before all others, where the system allows it.

use std::process::Command;

use crate::namespace::run;

/// The priority under SCHED_FIFO of a thread that carries packets: above any program that has none.
pub(crate) const PACKETS: u8 = 10;
/// That of a thread which measures the emulator: below it.
pub(crate) const MEASURING: u8 = 5;

/// Lets the thread of this id run before all others; false when the system refuses.
pub(crate) fn raise(thread_id: rustix::thread::Pid, priority: u8) -> bool {
    run(Command::new("chrt")
        .args(["--fifo", "--pid", &priority.to_string()])
        .arg(thread_id.as_raw_nonzero().to_string()))
    .is_ok()
}
