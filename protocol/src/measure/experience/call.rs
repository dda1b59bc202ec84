//! A call, by the E-model of ITU-T G.107.
//!
//! R = 93.2 − Idd − Ie,eff: the rating of a line whose every other parameter has the Recommendation's default value, less
//! what delay takes (Idd, equation 7-27) and what lost speech takes (Ie,eff, equation 7-29, random loss). A message that
//! misses the jitter buffer is lost speech. A picture that stands still is told beside it.

use super::curve;
use crate::message::household::MessageSample;

/// The model's name for the reader.
pub(in crate::measure) const NAME: &str = "Call: E-model, ITU-T G.107";

/// R of the default parameters (G.107, clause 7.7).
const R_DEFAULT: f64 = 93.2;
/// Robustness against loss of a codec with concealment: G.711 with packet-loss concealment, random loss (G.113, Appendix I).
const BPL: f64 = 25.1;
/// Impairment of the codec itself: none.
const IE: f64 = 0.0;

/// From R to points: the categories of user satisfaction of ITU-T G.109 (90, 80, 70, 60, 50: very satisfied, satisfied, some,
/// many, nearly all dissatisfied) at the places of our grades.
const POINTS: [(f64, f64); 7] = [
    (0.0, 0.0),
    (50.0, 20.0),
    (60.0, 40.0),
    (70.0, 60.0),
    (80.0, 80.0),
    (90.0, 95.0),
    (93.2, 100.0),
];

/// The rating for a one-way delay from mouth to ear and the share of speech that is lost.
pub(in crate::measure) fn r_factor(mouth_to_ear_ms: f64, lost_ratio: f64) -> f64 {
    let lost_percent = lost_ratio.clamp(0.0, 1.0) * 100.0;
    let ie_eff = IE + (95.0 - IE) * lost_percent / (lost_percent + BPL);
    (R_DEFAULT - delay_impairment(mouth_to_ear_ms) - ie_eff).max(0.0)
}

/// Idd: nothing up to 100 ms.
fn delay_impairment(mouth_to_ear_ms: f64) -> f64 {
    if mouth_to_ear_ms <= 100.0 {
        return 0.0;
    }
    let x = (mouth_to_ear_ms / 100.0).log2();
    let sixth = |x: f64| (1.0 + x.powi(6)).powf(1.0 / 6.0);
    25.0 * (sixth(x) - 3.0 * sixth(x / 3.0) + 2.0)
}

/// The mean opinion score of a rating (G.107, Annex B).
pub(in crate::measure) fn mos(r_factor: f64) -> f64 {
    if r_factor <= 0.0 {
        return 1.0;
    }
    if r_factor >= 100.0 {
        return 4.5;
    }
    (1.0 + 0.035 * r_factor + r_factor * (r_factor - 60.0) * (100.0 - r_factor) * 7e-6).max(1.0)
}

/// The score of a rating.
pub(in crate::measure) fn score(r_factor: f64) -> f64 {
    curve(&POINTS, r_factor)
}

/// For how long the picture stood still, seconds: the frames' gaps that the W3C's `webrtc-stats` calls a freeze (longer than
/// three mean intervals and than 150 ms above one), of the flow where it was longest, up to `end_us`. Messages are in the
/// order of their arrival.
pub(in crate::measure) fn frozen_s(messages: &[MessageSample], end_us: u64) -> f64 {
    let mut flows: Vec<u8> = messages.iter().map(|message| message.flow).collect();
    flows.sort_unstable();
    flows.dedup();
    flows
        .into_iter()
        .map(|flow| {
            let times: Vec<(u32, u64)> = messages
                .iter()
                .filter(|message| message.flow == flow)
                .map(|message| (message.sequence, message.received_us))
                .collect();
            frozen_flow_s(&times, end_us)
        })
        .fold(0.0, f64::max)
}

fn frozen_flow_s(times: &[(u32, u64)], end_us: u64) -> f64 {
    let (Some(first), Some(last)) = (times.first(), times.last()) else {
        return 0.0;
    };
    // The mean distance at which frames were sent, so that a freeze does not raise its own threshold.
    let frames = last.0.wrapping_sub(first.0).max(1);
    let interval_us = last.1.saturating_sub(first.1) as f64 / f64::from(frames);
    let threshold_us = (3.0 * interval_us).max(interval_us + 150_000.0);
    let ends = times.iter().skip(1).map(|time| time.1).chain([end_us]);
    let frozen_us: f64 = times
        .iter()
        .zip(ends)
        .map(|(time, next_us)| next_us.saturating_sub(time.1) as f64)
        .filter(|gap_us| *gap_us > threshold_us)
        .map(|gap_us| gap_us - interval_us)
        .sum();
    frozen_us / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64, within: f64) -> bool {
        (a - b).abs() <= within
    }

    #[test]
    fn the_rating_is_that_of_the_recommendation() {
        // By hand: X = 1 and X = 2. And 5 % of loss.
        assert_eq!(r_factor(60.0, 0.0), 93.2);
        assert_eq!(r_factor(100.0, 0.0), 93.2);
        assert!(
            near(delay_impairment(200.0), 3.04, 0.01),
            "{}",
            delay_impairment(200.0)
        );
        assert!(
            near(delay_impairment(400.0), 24.07, 0.01),
            "{}",
            delay_impairment(400.0)
        );
        assert!(near(r_factor(50.0, 0.05), 93.2 - 95.0 * 5.0 / 30.1, 1e-9));
        assert_eq!(r_factor(5_000.0, 1.0), 0.0);
    }

    #[test]
    fn the_opinion_score_is_that_of_annex_b() {
        assert!(near(mos(93.2), 4.41, 0.005));
        assert!(near(mos(70.0), 3.597, 0.005));
        assert!(near(mos(50.0), 2.575, 0.005));
        assert_eq!((mos(0.0), mos(100.0)), (1.0, 4.5));
    }

    #[test]
    fn points_follow_the_satisfaction_of_users() {
        assert_eq!(score(93.2), 100.0);
        assert_eq!(score(75.0), 70.0);
        assert_eq!(score(0.0), 0.0);
        assert!(score(r_factor(560.0, 0.0)) < 45.0);
    }

    #[test]
    fn a_picture_that_stands_still_is_counted() {
        let message = |sequence: u32, received_us| MessageSample {
            flow: 0,
            sequence,
            send_us: 0,
            received_us,
        };
        // 30 frames a second for 10 s; frames 100 to 160 come all at once, 2 s late.
        let messages: Vec<MessageSample> = (0..300)
            .map(|frame: u32| {
                let due_us = u64::from(frame) * 33_333;
                let received_us = if (100..=160).contains(&frame) {
                    5_333_280
                } else {
                    due_us
                };
                message(frame, received_us)
            })
            .collect();
        let frozen_s = frozen_s(&messages, 10_000_000);
        assert!(near(frozen_s, 2.0, 0.01), "{frozen_s}");
        assert_eq!(super::frozen_s(&messages[..90], 3_000_000), 0.0);
        assert!(near(super::frozen_s(&messages[..90], 5_000_000), 2.0, 0.01));
        assert_eq!(super::frozen_s(&[], 5_000_000), 0.0);
    }
}
