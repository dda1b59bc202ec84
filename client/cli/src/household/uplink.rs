//! The uplink half of a user's session: what leaves when, by the schedule of `protocol::pacing`, as the node's own half does it.

use std::time::Duration;

use engine::runtime::application::Context;
use engine::runtime::sys::clock;
use protocol::message::profile::{ProfileDescription, TRAFFIC_HEADER_BYTES};
use protocol::message::samples::Direction;
use protocol::pacing::NumberedFlow;
use protocol::profile::FlowProfile;
use protocol::time::Instant;

/// While so many bytes wait here nothing more is released: the pacer decides what becomes of what is overdue, not a queue.
const WAITING_BYTES_MAX: usize = 64 * 1024;
/// After that, the pacers are asked again.
const FULL_RETRY: Duration = Duration::from_millis(2);

/// The flows of one session; none before its traffic starts.
#[derive(Debug, Default)]
pub(super) struct Uplink {
    flows: Vec<NumberedFlow>,
    retry_at: Option<Instant>,
}

impl Uplink {
    /// Starts every flow that the user sends.
    pub(super) fn start(now: Instant, profile: &ProfileDescription) -> Self {
        let flows = profile.flows.iter().zip(0..);
        let ups = flows.filter(|(flow, _)| flow.direction == Direction::Up);
        let flows = ups.map(|(flow, number)| {
            let flow = FlowProfile {
                direction: flow.direction,
                rate_bps: flow.rate_bps,
                pattern: flow.pattern,
            };
            NumberedFlow::new(now, number, &flow)
        });
        Self {
            flows: flows.collect(),
            retry_at: None,
        }
    }

    /// When the next message may leave.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let deadlines = self.flows.iter().map(NumberedFlow::next_deadline);
        let release = deadlines.min()?;
        Some(self.retry_at.map_or(release, |retry| release.max(retry)))
    }

    /// Sends what is due and fits; `buffer` is filler as long as the longest message.
    pub(super) fn send_due(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) {
        self.retry_at = None;
        for flow in &mut self.flows {
            loop {
                if context.connection.queued_transmit_bytes() >= WAITING_BYTES_MAX {
                    self.retry_at = Some(context.now + FULL_RETRY);
                    return;
                }
                let Some(release) = flow.poll_release(context.now) else {
                    break;
                };
                let header = flow.next_header(release.flags, clock::monotonic_now());
                let length = (release.bytes as usize).clamp(TRAFFIC_HEADER_BYTES, buffer.len());
                buffer[..TRAFFIC_HEADER_BYTES].copy_from_slice(&header.to_bytes());
                let message = &buffer[..length];
                if context
                    .connection
                    .send_binary(context.now, message)
                    .is_err()
                {
                    // It is closing: nothing is due any more.
                    return;
                }
            }
        }
    }
}
