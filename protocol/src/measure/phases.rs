//! The timeline of the single-user test as data: which phases, how long, under which load, graded or not.

use std::time::Duration;

use crate::message::samples::Direction;
use crate::message::test::{Phase, PhaseSpan};

/// Length of the single-user test.
pub const SINGLE_USER_DURATION: Duration = Duration::from_secs(40);

/// A probe that was not answered this long after the end of its phase is lost, in µs. A client keeps listening until
/// then.
pub const LOSS_DEADLINE_US: u64 = 3_000_000;

/// The single-user test: phase, first second, second after the last.
const SINGLE_USER_SECONDS: [(Phase, u64, u64); 6] = [
    (Phase::Baseline, 0, 5),
    (Phase::DownloadWarmup, 5, 10),
    (Phase::Download, 10, 20),
    (Phase::UploadWarmup, 20, 25),
    (Phase::Upload, 25, 35),
    (Phase::Bidirectional, 35, 40),
];

/// Which directions a phase loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Node to client.
    pub down: bool,
    /// Client to node.
    pub up: bool,
}

impl Load {
    /// Whether the phase loads this direction.
    #[must_use]
    pub const fn includes(self, direction: Direction) -> bool {
        match direction {
            Direction::Down => self.down,
            Direction::Up => self.up,
        }
    }
}

/// The load of a phase.
#[must_use]
pub const fn load(phase: Phase) -> Load {
    let (down, up) = match phase {
        Phase::Baseline => (false, false),
        Phase::DownloadWarmup | Phase::Download => (true, false),
        Phase::UploadWarmup | Phase::Upload => (false, true),
        Phase::Bidirectional => (true, true),
    };
    Load { down, up }
}

/// Whether a phase gets a grade. The baseline is what the others are compared with; a warm-up is shown only.
#[must_use]
pub const fn is_graded(phase: Phase) -> bool {
    match phase {
        Phase::Download | Phase::Upload | Phase::Bidirectional => true,
        Phase::Baseline | Phase::DownloadWarmup | Phase::UploadWarmup => false,
    }
}

/// The timeline of the 40 s single-user test.
#[must_use]
pub fn single_user() -> Vec<PhaseSpan> {
    scaled(SINGLE_USER_DURATION)
}

/// The same timeline stretched or shrunk to last `total`, for tests of the test: each phase keeps its share of the
/// time. Phases touch; a boundary is rounded down to a whole microsecond.
#[must_use]
pub fn scaled(total: Duration) -> Vec<PhaseSpan> {
    let total_us = total.as_micros();
    let at = |second: u64| {
        let us = total_us * u128::from(second) / u128::from(SINGLE_USER_DURATION.as_secs());
        u64::try_from(us).unwrap_or(u64::MAX)
    };
    SINGLE_USER_SECONDS
        .iter()
        .map(|&(phase, start, end)| PhaseSpan {
            phase,
            start_us: at(start),
            end_us: at(end),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_single_user_test_lasts_forty_seconds_without_gaps() {
        let spans = single_user();
        assert_eq!(spans[0].start_us, 0);
        assert_eq!(spans[5].end_us, 40_000_000);
        for pair in spans.windows(2) {
            assert_eq!(pair[0].end_us, pair[1].start_us);
            assert!(pair[0].phase < pair[1].phase);
        }
        assert_eq!(spans[2].end_us - spans[2].start_us, 10_000_000);
    }

    #[test]
    fn a_scaled_timeline_keeps_the_shares_of_its_phases() {
        let spans = scaled(Duration::from_secs(8));
        let ends: Vec<u64> = spans.iter().map(|span| span.end_us).collect();
        assert_eq!(
            ends,
            [
                1_000_000, 2_000_000, 4_000_000, 5_000_000, 7_000_000, 8_000_000
            ]
        );
    }

    #[test]
    fn only_saturated_phases_are_graded_and_each_is_loaded() {
        for span in single_user() {
            let load = load(span.phase);
            assert!(!is_graded(span.phase) || load.down || load.up);
        }
        assert_eq!(
            load(Phase::Bidirectional),
            Load {
                down: true,
                up: true
            }
        );
        assert_eq!(
            load(Phase::Baseline),
            Load {
                down: false,
                up: false
            }
        );
    }
}
