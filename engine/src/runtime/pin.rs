//! Which core a loop runs on.

/// Binds the calling thread to the `index`-th of the cores that this process may use, wrapping around. Where there are fewer
/// cores than loops, or none can be named, the thread is left to the scheduler.
pub fn pin_current_thread(index: usize) -> bool {
    let Some(cores) = core_affinity::get_core_ids() else {
        return false;
    };
    match cores.get(index % cores.len().max(1)) {
        Some(core) => core_affinity::set_for_current(*core),
        None => false,
    }
}
