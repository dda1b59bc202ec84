//! A stream, by its player's buffer.
//!
//! Segments fill the buffer, the film empties it at one second a second. The player begins when the first segment's period is
//! over (it holds one segment in reserve) and the segment is there; so a segment is in time exactly when it is complete
//! within its own period. When the buffer is empty the film stands until the next segment is complete. What viewers mind:
//! starts of more than two seconds, and stops (Krishnan and Sitaraman, "Video stream quality impacts viewer behavior",
//! IMC 2012).

use super::curve;
use crate::message::household::SegmentSample;

/// The model's name for the reader.
pub(in crate::measure) const NAME: &str = "Stream: a player's buffer";

/// Points lost by the start-up delay, s.
const STARTUP_COST: [(f64, f64); 4] = [(2.0, 0.0), (4.0, 10.0), (8.0, 25.0), (15.0, 40.0)];
/// Points lost by the share of the time in which the film stood.
const STALL_COST: [(f64, f64); 5] = [
    (0.0, 0.0),
    (0.01, 15.0),
    (0.05, 40.0),
    (0.2, 80.0),
    (0.5, 100.0),
];
/// Points lost by each stop, whatever its length, and by all of them at most.
const STOP_COST: f64 = 5.0;
const STOPS_COST_MAX: f64 = 20.0;

/// What the player went through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::measure) struct Playback {
    /// Until the first segment was there; `None` when it never was.
    pub(in crate::measure) startup_s: Option<f64>,
    pub(in crate::measure) stalls: u32,
    pub(in crate::measure) stalled_s: f64,
    /// Of the time since the film began; `None` when it didn't.
    pub(in crate::measure) stall_ratio: Option<f64>,
    pub(in crate::measure) segments: u32,
    pub(in crate::measure) in_time: u32,
}

/// Plays the segments, in the order of their completion, from `started_us` until `end_us`; each holds `media_us` of film.
pub(in crate::measure) fn play(
    segments: &[SegmentSample],
    media_us: u64,
    started_us: u64,
    end_us: u64,
) -> Playback {
    let complete: Vec<u64> = segments
        .iter()
        .map(|segment| segment.complete_us)
        .filter(|complete_us| (started_us..end_us).contains(complete_us))
        .collect();
    let in_time = (1_u64..)
        .zip(&complete)
        .filter(|&(number, &complete_us)| complete_us <= started_us + number * media_us)
        .count();
    let mut playback = Playback {
        startup_s: None,
        stalls: 0,
        stalled_s: 0.0,
        stall_ratio: None,
        segments: u32::try_from(complete.len()).unwrap_or(u32::MAX),
        in_time: u32::try_from(in_time).unwrap_or(u32::MAX),
    };
    let Some((&first_us, rest)) = complete.split_first() else {
        return playback;
    };
    playback.startup_s = Some(seconds(first_us - started_us));
    let began_us = first_us.max(started_us + media_us);
    let mut empty_us = began_us + media_us;
    let mut stalled_us = 0;
    for &refilled_us in rest.iter().chain([&end_us]) {
        if refilled_us > empty_us {
            stalled_us += refilled_us - empty_us;
            playback.stalls += 1;
            empty_us = refilled_us;
        }
        empty_us += media_us;
    }
    playback.stalled_s = seconds(stalled_us);
    if end_us > began_us {
        playback.stall_ratio = Some(stalled_us as f64 / (end_us - began_us) as f64);
    }
    playback
}

/// The score: nothing when the film never began.
pub(in crate::measure) fn score(playback: &Playback) -> f64 {
    let Some(startup_s) = playback.startup_s else {
        return 0.0;
    };
    let cost = curve(&STARTUP_COST, startup_s)
        + curve(&STALL_COST, playback.stall_ratio.unwrap_or(0.0))
        + (f64::from(playback.stalls) * STOP_COST).min(STOPS_COST_MAX);
    (100.0 - cost).max(0.0)
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEDIA_US: u64 = 5_000_000;

    fn played(complete_s: &[f64]) -> Playback {
        let segments: Vec<SegmentSample> = complete_s
            .iter()
            .map(|&complete_s| SegmentSample {
                first_us: 0,
                complete_us: (complete_s * 1e6) as u64 + 100_000_000,
                bytes: 1,
            })
            .collect();
        play(&segments, MEDIA_US, 100_000_000, 130_000_000)
    }

    #[test]
    fn segments_in_time_play_without_a_stop() {
        let playback = played(&[1.0, 6.0, 11.5, 16.0, 24.9, 26.0]);
        assert_eq!(playback.startup_s, Some(1.0));
        assert_eq!((playback.stalls, playback.stalled_s), (0, 0.0));
        assert_eq!((playback.segments, playback.in_time), (6, 6));
        assert_eq!(score(&playback), 100.0);
    }

    #[test]
    fn a_late_segment_stops_the_film_until_it_is_there() {
        // The second is needed at 10 s and comes at 12 s; the third is then needed at 17 s.
        let playback = played(&[1.0, 12.0, 16.0, 21.0, 26.0]);
        assert_eq!((playback.stalls, playback.stalled_s), (1, 2.0));
        assert_eq!(playback.stall_ratio, Some(2.0 / 25.0));
        assert_eq!(playback.in_time, 1, "the later ones miss their periods");
        // 40 + 40 × 3/15 for the ratio, 5 for the stop.
        assert_eq!(score(&playback), 100.0 - 48.0 - 5.0);
    }

    #[test]
    fn a_film_that_runs_dry_stands_until_the_end() {
        let playback = played(&[1.0]);
        assert_eq!((playback.stalls, playback.stalled_s), (1, 20.0));
        assert_eq!(playback.stall_ratio, Some(0.8));
        assert_eq!(score(&playback), 0.0);
    }

    #[test]
    fn a_film_that_never_begins_scores_nothing() {
        let playback = played(&[]);
        assert_eq!(playback.startup_s, None);
        assert_eq!(score(&playback), 0.0);
    }
}
