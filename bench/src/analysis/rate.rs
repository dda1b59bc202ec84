//! Rates against profiles.

use std::time::Duration;

use protocol::message::profile::Pattern;
use protocol::profile::FlowProfile;

use crate::load::attempt::Sample;

/// Bytes that a flow yields by its profile in its first `duration`.
pub(crate) fn expected_bytes(flow: &FlowProfile, duration: Duration) -> f64 {
    let sending_s = match flow.pattern {
        Pattern::OnOff { on_ms, off_ms, .. } => {
            let on_s = f64::from(on_ms) / 1e3;
            let period_s = on_s + f64::from(off_ms) / 1e3;
            let periods = (duration.as_secs_f64() / period_s).floor();
            periods * on_s + (duration.as_secs_f64() - periods * period_s).min(on_s)
        }
        Pattern::Constant { .. } | Pattern::Frames { .. } | Pattern::Continuous { .. } => {
            duration.as_secs_f64()
        }
    };
    flow.rate_bps as f64 / 8.0 * sending_s
}

/// Bytes of the messages that were sent within `duration` of the flow's first one, by the sender's stamps. At a fixed
/// rhythm the span ends half a period early, between two messages: else a first message that is late by a microsecond
/// would let one more in.
pub(crate) fn sent_bytes_within(flow: &FlowProfile, samples: &[Sample], duration: Duration) -> u64 {
    let half_period = match flow.pattern {
        Pattern::Constant {
            messages_per_second: per_second,
        }
        | Pattern::Frames {
            frames_per_second: per_second,
            ..
        } => Duration::from_secs(1) / (2 * per_second.max(1)),
        Pattern::OnOff { .. } | Pattern::Continuous { .. } => Duration::ZERO,
    };
    let end_us = duration.saturating_sub(half_period).as_micros();
    samples
        .iter()
        .filter(|sample| u128::from(sample.sent_us) < end_us)
        .map(|sample| u64::from(sample.bytes))
        .sum()
}

/// Megabits a second.
pub(crate) fn mbps(bytes: f64, duration: Duration) -> f64 {
    bytes * 8.0 / 1e6 / duration.as_secs_f64()
}

/// By how much `achieved` misses `expected`, percent; `None` when nothing is expected.
pub(crate) fn error_percent(achieved: f64, expected: f64) -> Option<f64> {
    (expected > 0.0).then(|| (achieved / expected - 1.0) * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::message::samples::Direction;

    fn flow(pattern: Pattern) -> FlowProfile {
        FlowProfile {
            direction: Direction::Down,
            rate_bps: 8_000_000,
            pattern,
        }
    }

    #[test]
    fn a_flow_with_pauses_is_expected_to_send_while_on() {
        let stream = flow(Pattern::OnOff {
            on_ms: 1_000,
            off_ms: 4_000,
            message_bytes: 1_000,
        });
        let expected = |ms| expected_bytes(&stream, Duration::from_millis(ms));
        assert_eq!(expected(500), 500_000.0);
        assert_eq!(expected(5_000), 1_000_000.0);
        assert_eq!(expected(7_500), 2_000_000.0);
        let game = flow(Pattern::Constant {
            messages_per_second: 64,
        });
        assert_eq!(
            expected_bytes(&game, Duration::from_millis(7_500)),
            7_500_000.0
        );
    }

    #[test]
    fn a_message_due_at_the_end_is_the_next_spans_however_punctual() {
        let at = |sent_us| Sample {
            sequence: 0,
            bytes: 10,
            sent_us,
            arrived_us: 0,
        };
        let samples = [at(0), at(500_100), at(999_900), at(1_000_000)];
        let game = flow(Pattern::Constant {
            messages_per_second: 2,
        });
        let updates = flow(Pattern::Continuous {
            message_bytes: 10,
            burst_bytes: 10,
        });
        let second = Duration::from_secs(1);
        assert_eq!(sent_bytes_within(&game, &samples, second), 20);
        assert_eq!(sent_bytes_within(&updates, &samples, second), 30);
    }

    #[test]
    fn an_error_is_relative_to_what_was_expected() {
        assert_eq!(error_percent(99.0, 100.0).map(f64::round), Some(-1.0));
        assert_eq!(error_percent(1.0, 0.0), None);
        assert_eq!(mbps(1_000_000.0, Duration::from_secs(2)), 4.0);
    }
}
