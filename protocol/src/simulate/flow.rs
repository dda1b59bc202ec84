//! A loss-based flow: fills whatever queue it finds, as the download of a file does.
//!
//! CUBIC's window (RFC 9438) over simulated segments. The links keep the order of packets, so a receiver that sees a gap
//! knows what was lost, and its acknowledgements say how many so far: a lost acknowledgement loses nothing. What is not
//! here, because it does not change the queue: retransmission as such (a flow without end has no end to repair), pacing,
//! the receiver's window.

use std::time::Duration;

use crate::time::Instant;

/// Bytes of a full segment on the wire.
pub const SEGMENT_BYTES: u32 = 1_500;
/// Payload bytes in it.
pub const SEGMENT_PAYLOAD_BYTES: u32 = 1_448;
/// Bytes of an acknowledgement on the wire.
pub const ACK_BYTES: u32 = 52;

/// The window shrinks to this share on loss (RFC 9438, 4.6).
const BETA: f64 = 0.7;
/// How fast it grows back, segments / s³ (RFC 9438, 5).
const GROWTH: f64 = 0.4;
/// Initial window, segments (RFC 6928).
const WINDOW_INITIAL: f64 = 10.0;
/// Smallest window, segments: two acknowledgements' worth, so that one loss cannot silence the flow.
const WINDOW_MIN: f64 = 4.0;
/// Without any acknowledgement for this long the flow starts anew (RFC 6298 recommends 1 s at least).
const RETRANSMIT_TIMEOUT: Duration = Duration::from_secs(3);

/// A segment on its way to the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Counted from 0.
    pub number: u64,
}

/// What the receiver says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The highest segment that arrived.
    pub highest: u64,
    /// Segments found missing so far.
    pub lost: u64,
}

/// The sending side.
#[derive(Clone, Debug)]
pub struct Sender {
    next: u64,
    /// Segments whose fate is known: arrived or lost.
    resolved: u64,
    lost: u64,
    window: f64,
    /// Below it the window doubles each round trip.
    slow_start_until: f64,
    /// Window at the last loss, and when that was: the origin of the cubic curve.
    window_at_loss: f64,
    lost_at: Instant,
    /// Losses among the segments below this one belong to a loss already answered.
    recovering_below: u64,
    heard_at: Instant,
}

impl Sender {
    /// A flow that starts at `now`.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self {
            next: 0,
            resolved: 0,
            lost: 0,
            window: WINDOW_INITIAL,
            slow_start_until: f64::INFINITY,
            window_at_loss: 0.0,
            lost_at: now,
            recovering_below: 0,
            heard_at: now,
        }
    }

    /// The next segment, when the window lets one out.
    pub fn poll_segment(&mut self) -> Option<Segment> {
        let in_flight = self.next - self.resolved;
        (in_flight as f64 + 1.0 <= self.window).then(|| {
            let number = self.next;
            self.next += 1;
            Segment { number }
        })
    }

    /// Takes an acknowledgement.
    pub fn handle_ack(&mut self, now: Instant, ack: Ack) {
        if ack.highest < self.resolved {
            return;
        }
        let newly = (ack.highest + 1 - self.resolved) as f64;
        self.resolved = ack.highest + 1;
        self.heard_at = now;
        if ack.lost > self.lost {
            self.lost = ack.lost;
            if ack.highest >= self.recovering_below {
                self.shrink(now);
            }
        } else if self.window < self.slow_start_until {
            self.window += newly;
        } else {
            self.grow(now, newly);
        }
    }

    /// When the flow gives up waiting.
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        self.heard_at + RETRANSMIT_TIMEOUT
    }

    /// Starts anew when nothing was heard for too long: everything in flight counts as lost.
    pub fn handle_timeout(&mut self, now: Instant) {
        if now < self.poll_timeout() {
            return;
        }
        self.heard_at = now;
        self.resolved = self.next;
        self.slow_start_until = (self.window * BETA).max(WINDOW_MIN);
        self.window = WINDOW_MIN;
    }

    fn shrink(&mut self, now: Instant) {
        self.recovering_below = self.next;
        self.window_at_loss = self.window;
        self.lost_at = now;
        self.window = (self.window * BETA).max(WINDOW_MIN);
        self.slow_start_until = self.window;
    }

    /// RFC 9438, 4.2: W(t) = C (t − K)³ + W_max, reached at the pace of the acknowledgements.
    fn grow(&mut self, now: Instant, newly: f64) {
        let elapsed_s = (now - self.lost_at).as_secs_f64();
        let k = (self.window_at_loss * (1.0 - BETA) / GROWTH).cbrt();
        let target = GROWTH * (elapsed_s - k).powi(3) + self.window_at_loss;
        let step = ((target - self.window) / self.window).clamp(0.0, 0.5);
        self.window += step * newly;
    }
}

/// The receiving side.
#[derive(Clone, Debug, Default)]
pub struct Receiver {
    /// The segment after the highest that arrived.
    expected: u64,
    lost: u64,
    unacknowledged: u32,
}

impl Receiver {
    /// Takes a segment; every second one is acknowledged (RFC 5681, 4.2).
    pub fn handle_segment(&mut self, segment: Segment) -> Option<Ack> {
        let gap = segment.number.saturating_sub(self.expected);
        self.lost += gap;
        self.expected = segment.number + 1;
        self.unacknowledged += 1;
        (self.unacknowledged >= 2 || gap > 0).then(|| {
            self.unacknowledged = 0;
            Ack {
                highest: segment.number,
                lost: self.lost,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(sender: &mut Sender) -> Vec<Segment> {
        std::iter::from_fn(|| sender.poll_segment()).collect()
    }

    #[test]
    fn the_window_doubles_until_a_loss_and_then_shrinks_by_three_tenths_once() {
        let mut sender = Sender::new(Instant::ORIGIN);
        let mut receiver = Receiver::default();
        assert_eq!(drain(&mut sender).len(), 10);
        for number in 0..10 {
            if let Some(ack) = receiver.handle_segment(Segment { number }) {
                sender.handle_ack(Instant::from_micros(1), ack);
            }
        }
        assert_eq!(drain(&mut sender).len(), 20, "two for each that arrived");
        // Numbers 10 and 13 are lost: one loss, as both were sent before it was noticed.
        for number in [11, 12, 14] {
            if let Some(ack) = receiver.handle_segment(Segment { number }) {
                sender.handle_ack(Instant::from_micros(2), ack);
            }
        }
        assert_eq!((sender.window, sender.lost), (14.0, 2));
    }

    #[test]
    fn a_lost_acknowledgement_loses_nothing() {
        let mut sender = Sender::new(Instant::ORIGIN);
        drain(&mut sender);
        sender.handle_ack(
            Instant::from_micros(1),
            Ack {
                highest: 9,
                lost: 0,
            },
        );
        assert_eq!(sender.resolved, 10);
        // An older one that comes later is no news.
        sender.handle_ack(
            Instant::from_micros(2),
            Ack {
                highest: 3,
                lost: 0,
            },
        );
        assert_eq!(sender.resolved, 10);
    }

    #[test]
    fn a_silenced_flow_starts_anew() {
        let mut sender = Sender::new(Instant::ORIGIN);
        drain(&mut sender);
        sender.handle_timeout(Instant::from_micros(2_999_999));
        assert!(drain(&mut sender).is_empty());
        sender.handle_timeout(Instant::from_micros(3_000_000));
        assert_eq!(drain(&mut sender).len(), 4);
    }
}
