//! The timelines of the tests as data: which phases, how long, under which load, graded or not.

use std::time::Duration;

use crate::message::household::DemandMode;
use crate::message::profile::{HouseholdPhase, HouseholdSpan};
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

/// The household test: phase, length in seconds, whether standard mode has it too.
const HOUSEHOLD_SECONDS: [(HouseholdPhase, u64, bool); 4] = [
    (HouseholdPhase::Baseline, 5, true),
    (HouseholdPhase::CapacityDown, 5, false),
    (HouseholdPhase::CapacityUp, 5, false),
    (HouseholdPhase::Traffic, 30, true),
];

/// A stretch of the test, µs since its start; the end is the first microsecond after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its first microsecond.
    pub start_us: u64,
    /// The first microsecond after it.
    pub end_us: u64,
}

impl Window {
    /// Its length in µs.
    #[must_use]
    pub const fn length_us(self) -> u64 {
        self.end_us.saturating_sub(self.start_us)
    }

    /// Whether a time lies in it.
    #[must_use]
    pub const fn contains(self, time_us: u64) -> bool {
        self.start_us <= time_us && time_us < self.end_us
    }
}

impl From<PhaseSpan> for Window {
    fn from(span: PhaseSpan) -> Self {
        Self {
            start_us: span.start_us,
            end_us: span.end_us,
        }
    }
}

impl From<HouseholdSpan> for Window {
    fn from(span: HouseholdSpan) -> Self {
        Self {
            start_us: span.start_us,
            end_us: span.end_us,
        }
    }
}

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

/// The timeline of the household test: 45 s in adaptive mode, 35 s in standard mode.
#[must_use]
pub fn household(demand: DemandMode) -> Vec<HouseholdSpan> {
    let mut start_us = 0;
    HOUSEHOLD_SECONDS
        .iter()
        .filter(|(.., in_standard)| *in_standard || demand == DemandMode::Adaptive)
        .map(|&(phase, seconds, _)| {
            let span = HouseholdSpan {
                phase,
                start_us,
                end_us: start_us + seconds * 1_000_000,
            };
            start_us = span.end_us;
            span
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_adaptive_mode_measures_the_capacity() {
        let adaptive = household(DemandMode::Adaptive);
        assert_eq!(adaptive.len(), 4);
        assert_eq!(adaptive[3].end_us, 45_000_000);
        let standard = household(DemandMode::Standard);
        assert_eq!(standard[1].phase, HouseholdPhase::Traffic);
        assert_eq!(
            Window::from(standard[1]).length_us(),
            30_000_000,
            "the same traffic"
        );
    }

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
