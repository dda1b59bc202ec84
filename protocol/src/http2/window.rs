//! Flow-control windows (RFC 9113, sections 5.2 and 6.9).

use crate::limits::HTTP2_WINDOW_BYTES;

/// The largest that a window may be.
const WINDOW_MAX: i64 = (1 << 31) - 1;
/// What every window holds before anything is said of it.
pub(super) const INITIAL_WINDOW_BYTES: u32 = 65_535;

/// A window that the peer grants us. A changed setting can make it negative.
#[derive(Clone, Copy, Debug)]
pub(super) struct SendWindow(i64);

/// The window would be larger than 2^31 - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overflow;

impl SendWindow {
    pub(super) const fn new(bytes: u32) -> Self {
        Self(bytes as i64)
    }

    /// Payload that may be sent.
    pub(super) fn bytes(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0)
    }

    pub(super) fn widen(&mut self, by: i64) -> Result<(), Overflow> {
        let window = self.0 + by;
        if window > WINDOW_MAX {
            return Err(Overflow);
        }
        self.0 = window;
        Ok(())
    }

    pub(super) fn spend(&mut self, bytes: u64) {
        self.0 -= i64::try_from(bytes).unwrap_or(WINDOW_MAX);
    }
}

/// A window that we grant the peer. What arrives is counted or thrown away at once, so all of it is given back; a
/// quarter at a time, so that a test's upload costs an update for each 256 MiB and three quarters are always open.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReceiveWindow {
    left: u32,
    owed: u32,
}

impl ReceiveWindow {
    /// A window of `HTTP2_WINDOW_BYTES`.
    pub(super) const fn new() -> Self {
        Self {
            left: HTTP2_WINDOW_BYTES,
            owed: 0,
        }
    }

    /// `bytes` arrived; whether they were allowed to.
    pub(super) fn receive(&mut self, bytes: u32) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                self.owed += bytes;
                true
            }
            None => false,
        }
    }

    /// What is to be given back now.
    pub(super) fn take_update(&mut self) -> Option<u32> {
        if self.owed < HTTP2_WINDOW_BYTES / 4 {
            return None;
        }
        let update = std::mem::take(&mut self.owed);
        self.left += update;
        Some(update)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_may_go_below_zero_and_not_above_its_bound() {
        let mut window = SendWindow::new(10);
        window.spend(4);
        assert_eq!(window.widen(-10), Ok(()));
        assert_eq!(window.bytes(), 0);
        assert_eq!(window.widen(6), Ok(()));
        assert_eq!(window.bytes(), 2);
        assert_eq!(window.widen(WINDOW_MAX - 2), Ok(()));
        assert_eq!(window.widen(1), Err(Overflow));
    }

    #[test]
    fn what_arrived_is_given_back_a_quarter_at_a_time() {
        let mut window = ReceiveWindow::new();
        let quarter = HTTP2_WINDOW_BYTES / 4;
        assert!(window.receive(quarter - 1));
        assert_eq!(window.take_update(), None);
        assert!(window.receive(1));
        assert_eq!(window.take_update(), Some(quarter));
        assert!(window.receive(HTTP2_WINDOW_BYTES));
        assert!(!window.receive(1));
    }
}
