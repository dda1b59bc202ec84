//! A fast game: latency, jitter and late messages, on this product's own scale.
//!
//! Each costs points. The knees of the latency curve are the grades' (5, 30, 60 ms) up to 60 ms, where a good player begins
//! to notice, and beyond it follow Claypool and Claypool, "Latency and player actions in online games", CACM 49(11), 2006:
//! shooting at 100 ms is measurably worse and beyond 250 ms of little use. Late messages are moves that others see jump.

use super::curve;

/// The model's name for the reader.
pub(in crate::measure) const NAME: &str = "Game: latency, jitter and late messages (own scale)";

/// Points lost by the 95th percentile of the latency increase, ms.
const LATENCY_COST: [(f64, f64); 6] = [
    (5.0, 0.0),
    (30.0, 10.0),
    (60.0, 25.0),
    (100.0, 45.0),
    (250.0, 90.0),
    (400.0, 100.0),
];
/// Points lost by jitter, ms.
const JITTER_COST: [(f64, f64); 4] = [(2.0, 0.0), (10.0, 10.0), (30.0, 30.0), (100.0, 50.0)];
/// Points lost by the share of late and lost messages.
const LATE_COST: [(f64, f64); 4] = [(0.0, 0.0), (0.01, 10.0), (0.05, 35.0), (0.25, 100.0)];

/// The score. What is not known costs nothing, but without a latency there is none.
pub(in crate::measure) fn score(
    p95_increase_ms: Option<f64>,
    jitter_ms: Option<f64>,
    late_ratio: Option<f64>,
) -> Option<f64> {
    let cost = curve(&LATENCY_COST, p95_increase_ms?)
        + jitter_ms.map_or(0.0, |jitter_ms| curve(&JITTER_COST, jitter_ms))
        + late_ratio.map_or(0.0, |late_ratio| curve(&LATE_COST, late_ratio));
    Some((100.0 - cost).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_jitter_and_lateness_each_cost_points() {
        for (p95_increase_ms, jitter_ms, late_ratio, expected) in [
            (0.0, 0.0, 0.0, 100.0),
            (-2.0, 0.5, 0.0, 100.0),
            (30.0, 2.0, 0.0, 90.0),
            (60.0, 10.0, 0.01, 55.0),
            (100.0, 2.0, 0.0, 55.0),
            (500.0, 100.0, 1.0, 0.0),
        ] {
            assert_eq!(
                score(Some(p95_increase_ms), Some(jitter_ms), Some(late_ratio)),
                Some(expected),
                "{p95_increase_ms} ms, {jitter_ms} ms, {late_ratio}"
            );
        }
        assert_eq!(score(None, Some(0.0), Some(0.0)), None);
    }
}
