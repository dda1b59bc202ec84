//! What a user went through, 0 to 100, by a model of what they do.
//!
//! One file for a model, each with its sources. Refuses to know the household: a model sees one user's figures.

pub(super) mod bulk;
pub(super) mod call;
pub(super) mod gaming;
pub(super) mod streaming;

/// A curve through points in ascending order of x: straight between them, level outside.
fn curve(points: &[(f64, f64)], x: f64) -> f64 {
    let above = points.partition_point(|&(point_x, _)| point_x < x);
    match (
        above.checked_sub(1).map(|below| points[below]),
        points.get(above),
    ) {
        (Some((x0, y0)), Some(&(x1, y1))) => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
        (None, Some(&(_, y))) | (Some((_, y)), None) => y,
        (None, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_straight_between_its_points_and_level_outside() {
        let points = [(10.0, 0.0), (20.0, 50.0), (40.0, 100.0)];
        for (x, y) in [
            (0.0, 0.0),
            (10.0, 0.0),
            (15.0, 25.0),
            (20.0, 50.0),
            (30.0, 75.0),
            (99.0, 100.0),
        ] {
            assert_eq!(curve(&points, x), y, "{x}");
        }
    }
}
