//! When messages left and arrived, against their schedule.

use protocol::message::profile::Pattern;
use protocol::profile::FlowProfile;

use crate::load::attempt::Sample;

/// By which clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The sender's stamps.
    Sender,
    /// The kernel's times of arrival.
    Arrival,
}

impl By {
    fn at_us(self, sample: &Sample) -> f64 {
        f64::from(match self {
            Self::Sender => sample.sent_us,
            Self::Arrival => sample.arrived_us,
        })
    }
}

/// How late each message was, µs above the most punctual one. A message at a fixed time is due at its number's; one that a
/// bucket lets out is due when the rate has yielded it, so that what a stall cost stays visible until it is made up for.
pub(crate) fn lateness_us(flow: &FlowProfile, samples: &[Sample], by: By) -> Vec<f64> {
    let mut bytes_before = 0_u64;
    let mut late: Vec<f64> = samples
        .iter()
        .map(|sample| {
            bytes_before += u64::from(sample.bytes);
            by.at_us(sample) - due_us(flow, sample.sequence, bytes_before)
        })
        .collect();
    let least = late.iter().copied().fold(f64::INFINITY, f64::min);
    for late in &mut late {
        *late -= least;
    }
    late
}

/// Since the flow's start, µs; `bytes` includes the message itself.
fn due_us(flow: &FlowProfile, sequence: u32, bytes: u64) -> f64 {
    let yields_us = |bytes: f64| bytes * 8e6 / flow.rate_bps as f64;
    match flow.pattern {
        Pattern::Constant {
            messages_per_second: per_second,
        }
        | Pattern::Frames {
            frames_per_second: per_second,
            ..
        } => f64::from(sequence) * 1e6 / f64::from(per_second),
        Pattern::Continuous { .. } => yields_us(bytes as f64),
        Pattern::OnOff { on_ms, off_ms, .. } => {
            let segment_bytes = (flow.rate_bps * u64::from(on_ms) / 8_000).max(1);
            // The last byte of a segment belongs to it.
            let segment = bytes.saturating_sub(1) / segment_bytes;
            let start_us = segment as f64 * (f64::from(on_ms) + f64::from(off_ms)) * 1e3;
            start_us + yields_us((bytes - segment * segment_bytes) as f64)
        }
    }
}

/// |gap − period| of each two consecutive messages of a flow at a fixed rhythm, µs; none of another.
pub(crate) fn gap_errors_us(flow: &FlowProfile, samples: &[Sample], by: By) -> Vec<f64> {
    let Pattern::Constant {
        messages_per_second,
    } = flow.pattern
    else {
        return Vec::new();
    };
    let period_us = 1e6 / f64::from(messages_per_second);
    samples
        .windows(2)
        .filter(|pair| pair[1].sequence == pair[0].sequence.wrapping_add(1))
        .map(|pair| (by.at_us(&pair[1]) - by.at_us(&pair[0]) - period_us).abs())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::message::samples::Direction;

    fn flow(rate_bps: u64, pattern: Pattern) -> FlowProfile {
        FlowProfile {
            direction: Direction::Down,
            rate_bps,
            pattern,
        }
    }

    fn sample(sequence: u32, bytes: u32, sent_us: u32, arrived_us: u32) -> Sample {
        Sample {
            sequence,
            bytes,
            sent_us,
            arrived_us,
        }
    }

    const GAME: Pattern = Pattern::Constant {
        messages_per_second: 100,
    };

    #[test]
    fn a_late_message_of_a_rhythm_is_late_alone_and_a_missing_one_shifts_nothing() {
        let game = flow(800_000, GAME);
        let samples = [
            sample(0, 1_000, 0, 50),
            sample(1, 1_000, 10_300, 10_400),
            sample(3, 1_000, 30_000, 30_050),
        ];
        assert_eq!(lateness_us(&game, &samples, By::Sender), [0.0, 300.0, 0.0]);
        assert_eq!(lateness_us(&game, &samples, By::Arrival), [0.0, 350.0, 0.0]);
        assert_eq!(gap_errors_us(&game, &samples, By::Sender), [300.0]);
    }

    #[test]
    fn a_bucket_that_makes_up_for_a_stall_is_punctual_again() {
        // 1 byte a microsecond.
        let pattern = Pattern::Continuous {
            message_bytes: 1_000,
            burst_bytes: 1_000,
        };
        let updates = flow(8_000_000, pattern);
        let samples = [
            sample(0, 1_000, 0, 0),
            sample(1, 1_000, 1_500, 0),
            sample(2, 1_000, 2_000, 0),
        ];
        assert_eq!(
            lateness_us(&updates, &samples, By::Sender),
            [0.0, 500.0, 0.0]
        );
        assert_eq!(gap_errors_us(&updates, &samples, By::Sender), [0.0; 0]);
    }

    #[test]
    fn segments_are_due_at_their_periods() {
        let pattern = Pattern::OnOff {
            on_ms: 1,
            off_ms: 4,
            message_bytes: 500,
        };
        let stream = flow(8_000_000, pattern);
        let samples = [
            sample(0, 500, 0, 0),
            sample(1, 500, 500, 0),
            sample(2, 500, 5_020, 0),
        ];
        assert_eq!(lateness_us(&stream, &samples, By::Sender), [0.0, 0.0, 20.0]);
    }
}
