//! Whether the node belongs to a terminal, whose end is then its own.

use signal_hook::consts::SIGHUP;

/// A controlling terminal that is still there.
pub(super) fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// Started by `nohup`: the terminal's end is not to be ours.
pub(super) fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // Signal n is bit n - 1.
    ignored.is_some_and(|mask| mask >> (SIGHUP - 1) & 1 == 1)
}
