//! The household's timeline, µs since the start of the test. Pure.

use std::time::Duration;

use protocol::message::profile::{HouseholdPhase, HouseholdSpan};
use protocol::message::test::{Phase, PhaseSpan};

/// The timeline stretched or shrunk to last `total`; every phase keeps its share.
pub(super) fn scaled(phases: &[HouseholdSpan], total: Duration) -> Vec<HouseholdSpan> {
    let whole_us = u128::from(end_of(phases).max(1));
    let at = |at_us: u64| {
        let scaled_us = u128::from(at_us) * total.as_micros() / whole_us;
        u64::try_from(scaled_us).unwrap_or(u64::MAX)
    };
    let spans = phases.iter().map(|span| HouseholdSpan {
        phase: span.phase,
        start_us: at(span.start_us),
        end_us: at(span.end_us),
    });
    spans.collect()
}

/// The end of the last phase.
pub(super) fn end_of(phases: &[HouseholdSpan]) -> u64 {
    phases.last().map_or(0, |span| span.end_us)
}

/// The span of a phase, if the timeline has it.
pub(super) fn span_of(phases: &[HouseholdSpan], phase: HouseholdPhase) -> Option<HouseholdSpan> {
    phases.iter().copied().find(|span| span.phase == phase)
}

/// The phases as they ran until `stopped_us`: later ones dropped, the running one cut short.
pub(super) fn phases_until(phases: &[HouseholdSpan], stopped_us: u64) -> Vec<HouseholdSpan> {
    let ran = phases.iter().filter(|span| span.start_us < stopped_us);
    ran.map(|span| HouseholdSpan {
        end_us: span.end_us.min(stopped_us),
        ..*span
    })
    .collect()
}

/// Puts the traffic off to `start_us` at its full length, where that is later than planned. Returns its span.
pub(super) fn put_off_traffic(
    phases: &mut [HouseholdSpan],
    start_us: u64,
) -> Option<HouseholdSpan> {
    let traffic = phases
        .iter_mut()
        .find(|span| span.phase == HouseholdPhase::Traffic)?;
    let delay_us = start_us.saturating_sub(traffic.start_us);
    traffic.start_us += delay_us;
    traffic.end_us += delay_us;
    Some(*traffic)
}

/// The phases before the traffic as the single-user load knows them: those that measure the capacity are its warm-ups, in
/// which it adds flows.
pub(super) fn capacity_phases(phases: &[HouseholdSpan]) -> Vec<PhaseSpan> {
    let before_traffic = phases.iter().filter_map(|span| {
        let phase = match span.phase {
            HouseholdPhase::Baseline => Phase::Baseline,
            HouseholdPhase::CapacityDown => Phase::DownloadWarmup,
            HouseholdPhase::CapacityUp => Phase::UploadWarmup,
            HouseholdPhase::Traffic => return None,
        };
        Some(PhaseSpan {
            phase,
            start_us: span.start_us,
            end_us: span.end_us,
        })
    });
    before_traffic.collect()
}

#[cfg(test)]
mod tests {
    use protocol::measure::phases::household;
    use protocol::message::household::DemandMode;

    use super::*;

    const S: u64 = 1_000_000;

    #[test]
    fn a_scaled_timeline_keeps_the_shares_of_its_phases() {
        let phases = scaled(&household(DemandMode::Adaptive), Duration::from_secs(9));
        let ends: Vec<u64> = phases.iter().map(|span| span.end_us).collect();
        assert_eq!(ends, [S, 2 * S, 3 * S, 9 * S]);
        assert!(scaled(&[], Duration::from_secs(9)).is_empty());
    }

    #[test]
    fn late_traffic_keeps_its_length_and_early_traffic_its_place() {
        let mut phases = household(DemandMode::Standard);
        let planned = span_of(&phases, HouseholdPhase::Traffic);
        assert_eq!(put_off_traffic(&mut phases, 4 * S), planned);
        let span = put_off_traffic(&mut phases, 7 * S).expect("in every timeline");
        assert_eq!((span.start_us, span.end_us), (7 * S, 37 * S));
        assert_eq!(end_of(&phases), 37 * S);
    }

    #[test]
    fn a_stopped_test_has_the_phases_until_then() {
        let ran = phases_until(&household(DemandMode::Adaptive), 12 * S);
        assert_eq!((ran.len(), end_of(&ran)), (3, 12 * S));
        assert_eq!(span_of(&ran, HouseholdPhase::Traffic), None);
    }

    #[test]
    fn the_capacity_phases_load_one_direction_after_the_other() {
        let phases = capacity_phases(&household(DemandMode::Adaptive));
        let stretches = crate::load::stretch::load_stretches(&phases);
        let spans: Vec<(u64, u64)> = stretches
            .iter()
            .map(|stretch| (stretch.start_us / S, stretch.end_us / S))
            .collect();
        assert_eq!(spans, [(5, 10), (10, 15)]);
        assert_eq!(
            capacity_phases(&household(DemandMode::Standard)).len(),
            1,
            "nothing to measure"
        );
    }
}
