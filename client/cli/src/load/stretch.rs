//! The timeline of the load: over which time a direction's flows stay open, and from when a phase counts. Pure.

use protocol::measure::phases::{is_graded, load};
use protocol::message::samples::Direction;
use protocol::message::test::{Phase, PhaseSpan};

/// How long a graded phase without a warm-up of its own ramps before it counts, µs. Both directions start at once, each
/// through the other's queue: on a 50/10 Mbit/s line with 200 ms of queue the download needs this long to come back.
const UNWARMED_RAMP_US: u64 = 1_500_000;
/// The same as a share of a phase that is shorter than in the 40 s test, percent.
const UNWARMED_RAMP_PERCENT: u64 = 30;
/// How long the node may take to agree that a stretch's flows are gone, µs, before the next counts all the same.
const GONE_LIMIT_US: u64 = 1_000_000;

/// A time over which one direction's load flows stay open: every phase that needs them, without a break. The uploads go on
/// when the downloads join them, so the upstream queue never drains in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadStretch {
    /// Which way.
    pub direction: Direction,
    /// Its first microsecond.
    pub start_us: u64,
    /// The first microsecond after it.
    pub end_us: u64,
}

/// The stretches of both directions, in the order in which they begin.
#[must_use]
pub fn load_stretches(phases: &[PhaseSpan]) -> Vec<LoadStretch> {
    let mut stretches: Vec<LoadStretch> = Vec::new();
    for span in phases {
        for direction in [Direction::Down, Direction::Up] {
            if !load(span.phase).includes(direction) {
                continue;
            }
            let running = stretches
                .iter_mut()
                .find(|stretch| stretch.direction == direction && stretch.end_us == span.start_us);
            match running {
                Some(stretch) => stretch.end_us = span.end_us,
                None => stretches.push(LoadStretch {
                    direction,
                    start_us: span.start_us,
                    end_us: span.end_us,
                }),
            }
        }
    }
    stretches
}

/// Whether flows may be added in a phase: only where nothing is graded, so that a graded phase is steady.
#[must_use]
pub const fn is_ramping(phase: Phase) -> bool {
    match phase {
        Phase::DownloadWarmup | Phase::UploadWarmup => true,
        Phase::Baseline | Phase::Download | Phase::Upload | Phase::Bidirectional => false,
    }
}

/// The phase at a time: the first one before the start, `None` from the end on.
#[must_use]
pub fn phase_at(phases: &[PhaseSpan], at_us: u64) -> Option<PhaseSpan> {
    phases.iter().copied().find(|span| at_us < span.end_us)
}

/// The end of the last phase, µs since the start of the test.
#[must_use]
pub fn end_of(phases: &[PhaseSpan]) -> u64 {
    phases.last().map_or(0, |span| span.end_us)
}

/// The phases as they ran until `stopped_us`: later ones dropped, the running one cut short.
#[must_use]
pub fn phases_until(phases: &[PhaseSpan], stopped_us: u64) -> Vec<PhaseSpan> {
    phases
        .iter()
        .filter(|span| span.start_us < stopped_us)
        .map(|span| PhaseSpan {
            end_us: span.end_us.min(stopped_us),
            ..*span
        })
        .collect()
}

/// A graded phase that load joins at its start, at `at_us`, counts from when the new flows have ramped up.
pub fn ramp_unwarmed(phases: &mut [PhaseSpan], at_us: u64) {
    let joined = phases
        .iter_mut()
        .find(|span| span.start_us == at_us && is_graded(span.phase));
    if let Some(span) = joined {
        let share_us = (span.end_us - span.start_us) * UNWARMED_RAMP_PERCENT / 100;
        span.start_us += UNWARMED_RAMP_US.min(share_us);
    }
}

/// When a graded phase counts at the latest, though the node still has flows of the one before: half of a short one is left.
#[must_use]
pub const fn latest_start_us(planned: PhaseSpan) -> u64 {
    let half_us = (planned.end_us - planned.start_us) / 2;
    let waited_us = if half_us < GONE_LIMIT_US {
        half_us
    } else {
        GONE_LIMIT_US
    };
    planned.start_us + waited_us
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use protocol::measure::phases::{scaled, single_user};

    use super::*;

    #[test]
    fn a_phase_that_waits_for_flows_to_be_gone_keeps_half_of_itself() {
        let phase = |end_us| PhaseSpan {
            phase: Phase::Upload,
            start_us: 5_000_000,
            end_us,
        };
        assert_eq!(latest_start_us(phase(15_000_000)), 6_000_000);
        assert_eq!(latest_start_us(phase(6_000_000)), 5_500_000);
    }

    #[test]
    fn uploads_run_through_into_the_phase_of_both_directions() {
        let s = 1_000_000;
        let stretch = |direction, start: u64, end: u64| LoadStretch {
            direction,
            start_us: start * s,
            end_us: end * s,
        };
        assert_eq!(
            load_stretches(&single_user()),
            [
                stretch(Direction::Down, 5, 20),
                stretch(Direction::Up, 20, 40),
                stretch(Direction::Down, 35, 40),
            ]
        );
    }

    #[test]
    fn only_the_phase_of_both_directions_ramps_unwarmed() {
        let mut phases = single_user();
        for stretch in load_stretches(&single_user()) {
            ramp_unwarmed(&mut phases, stretch.start_us);
        }
        let starts: Vec<u64> = phases.iter().map(|span| span.start_us).collect();
        assert_eq!(
            starts,
            [0, 5_000_000, 10_000_000, 20_000_000, 25_000_000, 36_500_000]
        );
    }

    #[test]
    fn a_short_test_ramps_for_its_share() {
        let mut phases = scaled(Duration::from_secs(8));
        ramp_unwarmed(&mut phases, 7_000_000);
        assert_eq!(phases[5].start_us, 7_300_000);
    }

    #[test]
    fn a_stopped_test_has_the_phases_until_then() {
        let ran = phases_until(&single_user(), 12_000_000);
        assert_eq!(ran.len(), 3);
        assert_eq!(ran[2].end_us, 12_000_000);
        assert_eq!(
            phase_at(&ran, 11_000_000).map(|span| span.phase),
            Some(Phase::Download)
        );
        assert_eq!(phase_at(&ran, 12_000_000), None);
        assert_eq!(end_of(&ran), 12_000_000);
    }
}
