//! A paced flow of traffic messages with their headers: the same at the node and at whoever plays a user.

use super::flow::{FlowPacer, Release};
use crate::message::profile::TrafficHeader;
use crate::profile::FlowProfile;
use crate::time::Instant;

/// Numbers the messages of one flow. What is given up in a stall leaves a gap in the numbers: to the receiver it is lost, as it
/// would be in a game.
#[derive(Clone, Debug)]
pub struct NumberedFlow {
    number: u8,
    sequence: u32,
    skipped: u64,
    pacer: FlowPacer,
}

impl NumberedFlow {
    /// Starts a profile's flow of that number at `start`.
    #[must_use]
    pub fn new(start: Instant, number: u8, flow: &FlowProfile) -> Self {
        Self {
            number,
            sequence: 0,
            skipped: 0,
            pacer: FlowPacer::new(start, flow),
        }
    }

    /// Which flow of its profile.
    #[must_use]
    pub const fn number(&self) -> u8 {
        self.number
    }

    /// As [`FlowPacer::poll_release`]; [`NumberedFlow::next_header`] is to follow.
    pub fn poll_release(&mut self, now: Instant) -> Option<Release> {
        self.pacer.poll_release(now)
    }

    /// As [`FlowPacer::next_deadline`].
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        self.pacer.next_deadline()
    }

    /// As [`FlowPacer::set_rate`].
    pub fn set_rate(&mut self, now: Instant, rate_bps: u64) {
        self.pacer.set_rate(now, rate_bps);
    }

    /// As [`FlowPacer::skipped`].
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.pacer.skipped()
    }

    /// The header of the message that was just released, with its flags.
    pub fn next_header(&mut self, flags: u8, send_at: Instant) -> TrafficHeader {
        let skipped = self.pacer.skipped();
        let given_up = skipped - self.skipped;
        self.skipped = skipped;
        // Sequence numbers wrap.
        self.sequence = self.sequence.wrapping_add(given_up as u32);
        let header = TrafficHeader {
            flow: self.number,
            flags,
            sequence: self.sequence,
            send_us: send_at.as_micros(),
        };
        self.sequence = self.sequence.wrapping_add(1);
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::profile::ExperienceModel;
    use crate::message::samples::Direction;
    use crate::profile::catalogue;
    use std::time::Duration;

    #[test]
    fn what_a_stall_costs_is_a_gap_in_the_numbers() {
        let profiles = catalogue();
        let game = (profiles.iter()).find(|profile| profile.model == ExperienceModel::Gaming);
        let flows = &game.expect("in the catalogue").flows;
        let down = flows.iter().find(|flow| flow.direction == Direction::Down);
        let start = Instant::ORIGIN;
        let mut flow = NumberedFlow::new(start, 3, down.expect("a flow"));
        let mut send = |now: Instant| {
            let mut headers = Vec::new();
            while let Some(release) = flow.poll_release(now) {
                headers.push(flow.next_header(release.flags, now));
            }
            (headers, flow.skipped())
        };
        let (before, skipped) = send(start);
        assert_eq!((before.len(), skipped), (1, 0));
        assert_eq!((before[0].flow, before[0].sequence), (3, 0));
        let later = start + Duration::from_secs(60);
        let (after, skipped) = send(later);
        assert!(skipped > 0);
        assert_eq!(u64::from(after[0].sequence), 1 + skipped);
        assert_eq!(after[0].send_us, later.as_micros());
    }
}
