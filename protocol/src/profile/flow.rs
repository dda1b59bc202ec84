//! One flow of a profile: a rate and how it is cut into messages.

use serde::{Deserialize, Serialize};

use crate::limits::{PROFILE_RATE_BPS_MAX, PROFILE_RATE_BPS_MIN, TRAFFIC_MESSAGE_BYTES_MAX};
use crate::message::profile::{FlowDescription, Pattern, TRAFFIC_HEADER_BYTES};
use crate::message::samples::Direction;

/// A flow whose numbers are within their bounds: every message is long enough for its header and short enough for a
/// receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowProfile {
    /// Which way.
    pub direction: Direction,
    /// Bits a second while sending, headers of the messages included.
    pub rate_bps: u64,
    /// How it is cut up.
    pub pattern: Pattern,
}

impl FlowProfile {
    /// The rate as a mean over the pauses of the pattern.
    #[must_use]
    pub fn mean_rate_bps(&self) -> u64 {
        match self.pattern {
            Pattern::OnOff { on_ms, off_ms, .. } => {
                let period_ms = (u64::from(on_ms) + u64::from(off_ms)).max(1);
                let mean = u128::from(self.rate_bps) * u128::from(on_ms) / u128::from(period_ms);
                u64::try_from(mean).unwrap_or(u64::MAX)
            }
            Pattern::Constant { .. } | Pattern::Frames { .. } | Pattern::Continuous { .. } => {
                self.rate_bps
            }
        }
    }

    /// The nearest rate at which every message of this pattern is within its bounds.
    #[must_use]
    pub fn clamp_rate_bps(&self, rate_bps: u64) -> u64 {
        let (min, max) = rate_range_bps(self.pattern);
        rate_bps.clamp(min, max)
    }

    /// For the catalogue's endpoint.
    #[must_use]
    pub fn describe(&self) -> FlowDescription {
        let bytes_per_second = self.rate_bps as f64 / 8.0;
        let (message_bytes, messages_per_second) = match self.pattern {
            Pattern::Constant {
                messages_per_second,
            } => by_cadence(bytes_per_second, messages_per_second),
            Pattern::Frames {
                frames_per_second, ..
            } => by_cadence(bytes_per_second, frames_per_second),
            Pattern::OnOff { message_bytes, .. } | Pattern::Continuous { message_bytes, .. } => (
                message_bytes,
                bytes_per_second / f64::from(message_bytes.max(1)),
            ),
        };
        FlowDescription {
            direction: self.direction,
            rate_bps: self.rate_bps,
            pattern: self.pattern,
            message_bytes,
            messages_per_second,
        }
    }
}

fn by_cadence(bytes_per_second: f64, messages_per_second: u32) -> (u32, f64) {
    let messages_per_second = f64::from(messages_per_second.max(1));
    (
        (bytes_per_second / messages_per_second).round() as u32,
        messages_per_second,
    )
}

/// The rates at which a pattern's smallest and largest message are within their bounds, bits a second.
pub(super) fn rate_range_bps(pattern: Pattern) -> (u64, u64) {
    // The lightest and the heaviest message of a group, against the mean: all equal, or frames and a key frame.
    let (per_second, group, heaviest) = match pattern {
        Pattern::Constant {
            messages_per_second,
        } => (messages_per_second, 1, 1),
        Pattern::Frames {
            frames_per_second,
            keyframe_interval,
            keyframe_ratio,
        } => (
            frames_per_second,
            keyframe_interval.max(1),
            keyframe_ratio.max(1),
        ),
        Pattern::OnOff { .. } | Pattern::Continuous { .. } => {
            return (PROFILE_RATE_BPS_MIN, PROFILE_RATE_BPS_MAX);
        }
    };
    let weights = u128::from(group) - 1 + u128::from(heaviest);
    // A group carries rate × group ÷ per_second bits, shared by weight. Sizes are rounded down by less than a byte.
    let rate_for = |bytes: u128, weight: u128| {
        bytes * 8 * weights * u128::from(per_second) / (weight * u128::from(group))
    };
    let least = if group == 1 { u128::from(heaviest) } else { 1 };
    let min = rate_for(TRAFFIC_HEADER_BYTES as u128 + 1, least) + 1;
    let max = rate_for(TRAFFIC_MESSAGE_BYTES_MAX as u128 - 1, u128::from(heaviest));
    let bounded = |bps: u128| {
        u64::try_from(bps)
            .unwrap_or(u64::MAX)
            .clamp(PROFILE_RATE_BPS_MIN, PROFILE_RATE_BPS_MAX)
    };
    (bounded(min), bounded(max))
}
