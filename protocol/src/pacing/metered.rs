//! Messages as a token bucket lets them out: `continuous` and `on_off`.
//!
//! A continuous flow is the bucket. A segmented one gives each period the exact bytes of its mean rate, lets them out at
//! the rate while on, and pauses when they are out. A segment that the line could not take in its period goes on into the
//! next one, as a player waits for the segment it asked for; of those that pile up behind it only one is kept.

use std::time::Duration;

use super::bucket::TokenBucket;
use super::flow::Release;
use crate::message::profile::{FLAG_SEGMENT_END, TRAFFIC_HEADER_BYTES};
use crate::time::Instant;

/// The burst covers at least what the rate yields in this time: what a loop's turn may be late by without loss of rate.
const BURST_MS: u64 = 5;

#[derive(Clone, Debug)]
pub(super) struct Metered {
    bucket: TokenBucket,
    rate_bps: u64,
    message_bytes: u32,
    /// At least so many bytes of burst.
    burst_bytes: u32,
    segments: Option<Segments>,
}

/// Where a segmented flow is.
#[derive(Clone, Debug)]
struct Segments {
    start: Instant,
    on: Duration,
    period: Duration,
    /// The segment being sent, or the next one when `left_bytes` is `None`.
    number: u64,
    left_bytes: Option<u64>,
    skipped: u64,
}

impl Metered {
    pub(super) fn continuous(
        start: Instant,
        rate_bps: u64,
        message_bytes: u32,
        burst_bytes: u32,
    ) -> Self {
        Self {
            bucket: TokenBucket::new(
                start,
                rate_bps,
                burst_for(rate_bps, message_bytes, burst_bytes),
            ),
            rate_bps,
            message_bytes,
            burst_bytes,
            segments: None,
        }
    }

    pub(super) fn segments(
        start: Instant,
        rate_bps: u64,
        message_bytes: u32,
        on_ms: u32,
        off_ms: u32,
    ) -> Self {
        let on = Duration::from_millis(u64::from(on_ms.max(1)));
        Self {
            segments: Some(Segments {
                start,
                on,
                period: on + Duration::from_millis(u64::from(off_ms)),
                number: 0,
                left_bytes: None,
                skipped: 0,
            }),
            ..Self::continuous(start, rate_bps, message_bytes, 0)
        }
    }

    pub(super) fn poll_release(&mut self, now: Instant) -> Option<Release> {
        self.begin_segment(now);
        let bytes = self.next_bytes()?;
        if !self.bucket.take(now, u64::from(bytes)) {
            return None;
        }
        let mut flags = 0;
        if let Some(segments) = &mut self.segments {
            let left_bytes = segments.left_bytes.unwrap_or(0) - u64::from(bytes);
            segments.left_bytes = Some(left_bytes);
            if left_bytes == 0 {
                flags = FLAG_SEGMENT_END;
                segments.finish(now);
            }
        }
        Some(Release { bytes, flags })
    }

    pub(super) fn next_deadline(&self) -> Instant {
        match (&self.segments, self.next_bytes()) {
            (Some(segments), None) => segments.starts_at(segments.number),
            (_, bytes) => self
                .bucket
                .ready_at(u64::from(bytes.unwrap_or(self.message_bytes)))
                .unwrap_or(Instant::from_nanos(u64::MAX)),
        }
    }

    /// A segment that has begun keeps its bytes; the next one has those of the new rate.
    pub(super) fn set_rate(&mut self, now: Instant, rate_bps: u64) {
        self.rate_bps = rate_bps;
        let burst_bytes = burst_for(rate_bps, self.message_bytes, self.burst_bytes);
        self.bucket.set_rate(now, rate_bps, burst_bytes);
    }

    pub(super) fn skipped(&self) -> u64 {
        self.segments
            .as_ref()
            .map_or(0, |segments| segments.skipped)
    }

    /// Begins the next segment when its time has come, with an empty bucket: a pause earns no burst.
    fn begin_segment(&mut self, now: Instant) {
        let Some(segments) = &mut self.segments else {
            return;
        };
        let starts_at = segments.starts_at(segments.number);
        if segments.left_bytes.is_some() || now < starts_at {
            return;
        }
        segments.left_bytes = Some(segments.bytes(self.rate_bps));
        // One that begins on time fills from its start; one that was held up, from where the last one ended.
        let from = starts_at.max(segments.idle_since(now));
        let burst_bytes = burst_for(self.rate_bps, self.message_bytes, self.burst_bytes);
        self.bucket = TokenBucket::new(from, self.rate_bps, burst_bytes);
    }

    /// The size of the next message; `None` between segments. The last message of a segment takes a rest too short for a
    /// header of its own with it.
    fn next_bytes(&self) -> Option<u32> {
        let Some(segments) = &self.segments else {
            return Some(self.message_bytes);
        };
        let left_bytes = segments.left_bytes?;
        let whole = u64::from(self.message_bytes);
        let bytes = if left_bytes >= whole + TRAFFIC_HEADER_BYTES as u64 {
            whole
        } else {
            left_bytes
        };
        Some(u32::try_from(bytes).unwrap_or(u32::MAX))
    }
}

impl Segments {
    fn starts_at(&self, number: u64) -> Instant {
        let nanos = self.period.as_nanos() * u128::from(number);
        self.start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Bytes of a segment: what the rate yields while on, at least a header.
    fn bytes(&self, rate_bps: u64) -> u64 {
        let bytes = u128::from(rate_bps) * self.on.as_nanos() / 8_000_000_000;
        u64::try_from(bytes)
            .unwrap_or(u64::MAX)
            .max(TRAFFIC_HEADER_BYTES as u64)
    }

    /// On to the next segment, or past those that a stall made pointless: one of them is kept.
    fn finish(&mut self, now: Instant) {
        let elapsed = (now - self.start).as_nanos();
        let due = u64::try_from(elapsed / self.period.as_nanos()).unwrap_or(u64::MAX);
        let next = (self.number + 1).max(due.saturating_sub(1));
        self.skipped += next - self.number - 1;
        self.number = next;
        self.left_bytes = None;
    }

    /// A segment whose time has long come begins now.
    fn idle_since(&self, now: Instant) -> Instant {
        let late = now - self.starts_at(self.number);
        if late > Duration::from_millis(BURST_MS) {
            now
        } else {
            self.starts_at(self.number)
        }
    }
}

/// The burst: what is configured, two messages, and what the rate yields in a loop's turn, whichever is most.
fn burst_for(rate_bps: u64, message_bytes: u32, burst_bytes: u32) -> u64 {
    let turn_bytes = rate_bps / 8 * BURST_MS / 1_000;
    let two_messages = 2 * u64::from(message_bytes) + TRAFFIC_HEADER_BYTES as u64;
    turn_bytes.max(two_messages).max(u64::from(burst_bytes))
}
