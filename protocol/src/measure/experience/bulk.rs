//! A transfer: what it achieved of what it could have had.

/// The model's name for the reader.
pub(in crate::measure) const NAME: &str = "Transfer: achieved of what the line had left";

/// Achieved ÷ min(demand, what the line had left). More than all of it is all of it; where the others left nothing, nothing
/// was withheld. `None` when nothing was asked for or counted.
pub(in crate::measure) fn achieved_ratio(
    achieved_mbps: Option<f64>,
    demand_mbps: f64,
    available_mbps: Option<f64>,
) -> Option<f64> {
    let achieved_mbps = achieved_mbps?;
    if demand_mbps <= 0.0 {
        return None;
    }
    let possible_mbps = available_mbps.map_or(demand_mbps, |left| left.min(demand_mbps));
    if possible_mbps <= 0.0 {
        return Some(1.0);
    }
    Some((achieved_mbps / possible_mbps).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_the_demand_or_what_the_line_had_left() {
        assert_eq!(achieved_ratio(Some(25.0), 50.0, None), Some(0.5));
        assert_eq!(achieved_ratio(Some(25.0), 50.0, Some(25.0)), Some(1.0));
        assert_eq!(achieved_ratio(Some(30.0), 50.0, Some(25.0)), Some(1.0));
        assert_eq!(achieved_ratio(Some(0.0), 50.0, Some(-3.0)), Some(1.0));
        assert_eq!(achieved_ratio(None, 50.0, None), None);
        assert_eq!(achieved_ratio(Some(1.0), 0.0, None), None);
    }
}
