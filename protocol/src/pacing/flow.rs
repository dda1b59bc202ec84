//! The pacer of one flow: whatever its pattern, one way to ask it.

use super::metered::Metered;
use super::metronome::Metronome;
use crate::message::profile::Pattern;
use crate::profile::FlowProfile;
use crate::time::Instant;

/// A message that may leave now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// Its size, header included.
    pub bytes: u32,
    /// For its header: [`crate::message::profile::FLAG_SEGMENT_END`], [`crate::message::profile::FLAG_KEYFRAME`].
    pub flags: u8,
}

/// Paces one flow from a start on.
#[derive(Clone, Debug)]
pub struct FlowPacer(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// Messages at fixed times.
    Metronome(Metronome),
    /// Messages as a bucket lets them out.
    Metered(Metered),
}

impl FlowPacer {
    /// Starts a flow at `start`. The rate is held to what the pattern can do.
    #[must_use]
    pub fn new(start: Instant, flow: &FlowProfile) -> Self {
        let rate_bps = flow.clamp_rate_bps(flow.rate_bps);
        Self(match flow.pattern {
            Pattern::Constant {
                messages_per_second,
            } => Kind::Metronome(Metronome::new(start, rate_bps, messages_per_second, 1, 1)),
            Pattern::Frames {
                frames_per_second,
                keyframe_interval,
                keyframe_ratio,
            } => Kind::Metronome(Metronome::new(
                start,
                rate_bps,
                frames_per_second,
                keyframe_interval,
                keyframe_ratio,
            )),
            Pattern::OnOff {
                on_ms,
                off_ms,
                message_bytes,
            } => Kind::Metered(Metered::segments(
                start,
                rate_bps,
                message_bytes,
                on_ms,
                off_ms,
            )),
            Pattern::Continuous {
                message_bytes,
                burst_bytes,
            } => Kind::Metered(Metered::continuous(
                start,
                rate_bps,
                message_bytes,
                burst_bytes,
            )),
        })
    }

    /// The next message, if it may leave by `now`. Ask until `None`. Don't ask while the message could not be written: a
    /// message released is a message sent.
    pub fn poll_release(&mut self, now: Instant) -> Option<Release> {
        match &mut self.0 {
            Kind::Metronome(metronome) => metronome.poll_release(now),
            Kind::Metered(metered) => metered.poll_release(now),
        }
    }

    /// When to ask next. In the past when a message is due already.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        match &self.0 {
            Kind::Metronome(metronome) => metronome.next_deadline(),
            Kind::Metered(metered) => metered.next_deadline(),
        }
    }

    /// Changes the rate from the next message on; hold it to [`FlowProfile::clamp_rate_bps`] first.
    pub fn set_rate(&mut self, now: Instant, rate_bps: u64) {
        match &mut self.0 {
            Kind::Metronome(metronome) => metronome.set_rate(rate_bps),
            Kind::Metered(metered) => metered.set_rate(now, rate_bps),
        }
    }

    /// Messages (of a continuous flow none, of a segmented one whole segments) that were given up because of stalls.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        match &self.0 {
            Kind::Metronome(metronome) => metronome.skipped(),
            Kind::Metered(metered) => metered.skipped(),
        }
    }
}
