//! Grades from the latency increase.

use crate::message::report::Grade;

/// First increase, in ms, that no longer earns the grade. A boundary belongs to the worse grade. The scale is that of
/// the bufferbloat community's tests, so that results can be compared.
const INCREASE_MS_LIMITS: [(f64, Grade); 5] = [
    (5.0, Grade::APlus),
    (30.0, Grade::A),
    (60.0, Grade::B),
    (200.0, Grade::C),
    (400.0, Grade::D),
];

/// The grade of a latency increase in ms. A negative increase (the line was faster under load) is an A+.
#[must_use]
pub fn grade(latency_increase_ms: f64) -> Grade {
    INCREASE_MS_LIMITS
        .iter()
        .find(|(limit_ms, _)| latency_increase_ms < *limit_ms)
        .map_or(Grade::F, |&(_, grade)| grade)
}

/// Least score that earns the grade, of a household as a whole.
const SCORE_LIMITS: [(f64, Grade); 5] = [
    (95.0, Grade::APlus),
    (85.0, Grade::A),
    (75.0, Grade::B),
    (60.0, Grade::C),
    (45.0, Grade::D),
];

/// The grade of a household's overall score, 0 to 100.
#[must_use]
pub fn overall_grade(score: f64) -> Grade {
    SCORE_LIMITS
        .iter()
        .find(|(limit, _)| score >= *limit)
        .map_or(Grade::F, |&(_, grade)| grade)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_belongs_to_the_worse_grade() {
        for (increase_ms, expected) in [
            (-3.0, Grade::APlus),
            (0.0, Grade::APlus),
            (4.999, Grade::APlus),
            (5.0, Grade::A),
            (29.999, Grade::A),
            (30.0, Grade::B),
            (59.999, Grade::B),
            (60.0, Grade::C),
            (199.999, Grade::C),
            (200.0, Grade::D),
            (399.999, Grade::D),
            (400.0, Grade::F),
            (60_000.0, Grade::F),
        ] {
            assert_eq!(grade(increase_ms), expected, "{increase_ms} ms");
        }
    }

    #[test]
    fn a_score_at_a_boundary_earns_the_better_grade() {
        for (score, expected) in [
            (100.0, Grade::APlus),
            (95.0, Grade::APlus),
            (94.999, Grade::A),
            (85.0, Grade::A),
            (84.999, Grade::B),
            (75.0, Grade::B),
            (74.999, Grade::C),
            (60.0, Grade::C),
            (59.999, Grade::D),
            (45.0, Grade::D),
            (44.999, Grade::F),
            (0.0, Grade::F),
        ] {
            assert_eq!(overall_grade(score), expected, "{score}");
        }
    }

    #[test]
    fn the_worse_of_two_grades_is_the_greater() {
        assert!(Grade::APlus < Grade::A && Grade::A < Grade::B && Grade::D < Grade::F);
    }
}
