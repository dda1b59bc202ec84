//! When a figure is right: `protocol/MEASUREMENT.md`, "What true means". Written apart from the product's own code on purpose.

use super::matrix::Bloated;
use super::reading::PhaseReading;

/// First increase, in ms, that no longer earns the grade before it.
const LIMITS_MS: [f64; 5] = [5.0, 30.0, 60.0, 200.0, 400.0];
const GRADES: [&str; 6] = ["A+", "A", "B", "C", "D", "F"];
/// An increase may be off by the larger of these: ms, and a share of the truth.
const TOLERANCE_MS: f64 = 5.0;
const TOLERANCE_SHARE: f64 = 0.1;
/// A truth so near a boundary, in ms or as a share of it, may as well have the neighbour's grade.
const NEAR_MS: f64 = 3.0;
const NEAR_SHARE: f64 = 0.03;
/// The least share of an increase that has to be ascribed to the only direction with a deep queue.
const ATTRIBUTION_SHARE: f64 = 0.9;

/// Whether two increases agree, in ms.
#[must_use]
pub(crate) fn agrees(seen_ms: f64, truth_ms: f64) -> bool {
    (seen_ms - truth_ms).abs() <= TOLERANCE_MS.max(TOLERANCE_SHARE * truth_ms)
}

/// The grade of an increase, in ms.
#[must_use]
pub(crate) fn grade(increase_ms: f64) -> &'static str {
    GRADES[place(increase_ms)]
}

fn place(increase_ms: f64) -> usize {
    LIMITS_MS
        .iter()
        .filter(|&&limit_ms| increase_ms >= limit_ms)
        .count()
}

/// Whether `seen` is the grade of this true increase, or of what lies just beyond a boundary beside it.
#[must_use]
pub(crate) fn is_grade_of(seen: &str, truth_ms: f64) -> bool {
    let slack_ms = NEAR_MS.max(NEAR_SHARE * truth_ms);
    (place(truth_ms - slack_ms)..=place(truth_ms + slack_ms)).any(|place| GRADES[place] == seen)
}

/// The share of the increase that is ascribed to the direction with the deep queue; `None` where nothing was to ascribe.
#[must_use]
pub(crate) fn attribution(phase: &PhaseReading, bloated: Bloated) -> Option<f64> {
    let (up_ms, down_ms) = (
        phase.up_increase_ms?.max(0.0),
        phase.down_increase_ms?.max(0.0),
    );
    let own_ms = match bloated {
        Bloated::Down => down_ms,
        Bloated::Up => up_ms,
    };
    (up_ms + down_ms > 0.0).then(|| own_ms / (up_ms + down_ms))
}

/// Whether that share is enough.
#[must_use]
pub(crate) fn is_attributed(share: f64) -> bool {
    share > ATTRIBUTION_SHARE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tolerance_is_five_ms_or_a_tenth() {
        assert!(agrees(14.9, 10.0) && !agrees(15.1, 10.0));
        assert!(agrees(221.0, 201.0) && !agrees(222.0, 201.0));
    }

    #[test]
    fn a_neighbours_grade_counts_only_near_the_boundary() {
        assert_eq!(grade(60.0), "C");
        assert!(is_grade_of("C", 58.0) && is_grade_of("B", 58.0));
        assert!(!is_grade_of("C", 50.0) && !is_grade_of("A", 50.0));
        assert!(is_grade_of("D", 195.0) && !is_grade_of("D", 190.0));
    }

    #[test]
    fn what_is_negative_takes_nothing_from_the_other_direction() {
        let phase = PhaseReading {
            increase_ms: 99.0,
            grade: None,
            up_increase_ms: Some(-1.0),
            down_increase_ms: Some(100.0),
            goodput_down_mbps: None,
            goodput_up_mbps: None,
        };
        assert_eq!(attribution(&phase, Bloated::Down), Some(1.0));
        assert_eq!(attribution(&phase, Bloated::Up), Some(0.0));
    }
}
