//! Faults that may come by the thousand: each kind is logged at once when it first happens, then at most once every ten
//! seconds with how often it happened meanwhile.

use std::time::Duration;

use protocol::time::Instant;

/// Between two lines of one kind.
pub const QUIET: Duration = Duration::from_secs(10);

/// One kind of fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountedFault {
    logged_at: Option<Instant>,
    unlogged: u64,
}

impl CountedFault {
    /// It happened `times` times. Nothing is logged by this.
    pub fn note(&mut self, times: u64) {
        self.unlogged += times;
    }

    /// How often it happened since its last line, when a line is due.
    #[must_use]
    pub fn poll(&mut self, now: Instant) -> Option<u64> {
        let is_quiet = self.logged_at.is_some_and(|at| now - at < QUIET);
        if self.unlogged == 0 || is_quiet {
            return None;
        }
        self.logged_at = Some(now);
        Some(std::mem::take(&mut self.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Instant {
        Instant::from_micros(second * 1_000_000)
    }

    #[test]
    fn the_first_is_told_at_once_and_the_rest_as_a_sum() {
        let mut fault = CountedFault::default();
        assert_eq!(fault.poll(at(1)), None);
        fault.note(1);
        assert_eq!(fault.poll(at(1)), Some(1));
        for second in 2..11 {
            fault.note(1_000);
            assert_eq!(fault.poll(at(second)), None, "{second}");
        }
        assert_eq!(fault.poll(at(11)), Some(9_000));
        assert_eq!(fault.poll(at(30)), None);
        fault.note(2);
        assert_eq!(fault.poll(at(31)), Some(2));
    }
}
