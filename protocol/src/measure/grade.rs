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
    fn the_worse_of_two_grades_is_the_greater() {
        assert!(Grade::APlus < Grade::A && Grade::A < Grade::B && Grade::D < Grade::F);
    }
}
