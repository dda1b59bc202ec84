//! Drop-tail, the queue of most modems: first in, first out, and what does not fit is dropped on arrival.

use std::time::Duration;

use super::{Fifo, Packet, Queued};
use crate::time::Instant;

/// A first-in, first-out queue of bounded length.
#[derive(Clone, Debug)]
pub struct DropTail<P> {
    limit_bytes: u64,
    fifo: Fifo<P>,
}

/// The length in bytes of a queue in which a packet waits for `depth` at most at `rate_bps`. It always holds one full
/// Ethernet frame, or nothing would ever pass.
#[must_use]
pub(super) fn depth_bytes(depth: Duration, rate_bps: u64) -> u64 {
    let bits = u128::from(rate_bps) * depth.as_nanos() / 1_000_000_000;
    u64::try_from(bits / 8).unwrap_or(u64::MAX).max(1_514)
}

impl<P> DropTail<P> {
    /// A queue that holds at most so many bytes.
    #[must_use]
    pub const fn new(limit_bytes: u64) -> Self {
        Self {
            limit_bytes,
            fifo: Fifo::new(),
        }
    }

    /// Takes a packet that arrives at `now`.
    ///
    /// # Errors
    ///
    /// Gives it back when it does not fit: it is dropped.
    pub fn enqueue(&mut self, now: Instant, packet: Packet<P>) -> Result<(), Packet<P>> {
        if self.fifo.bytes + u64::from(packet.bytes) > self.limit_bytes {
            return Err(packet);
        }
        self.fifo.push(now, packet);
        Ok(())
    }

    /// Hands out the packet that is to be sent next.
    pub fn dequeue(&mut self) -> Option<Queued<P>> {
        self.fifo.pop()
    }

    /// Bytes waiting.
    #[must_use]
    pub const fn queued_bytes(&self) -> u64 {
        self.fifo.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_dropped_and_the_rest_keeps_its_order() {
        let mut queue = DropTail::new(250);
        let packet = |payload| Packet {
            bytes: 100,
            flow: 0,
            payload,
        };
        assert!(queue.enqueue(Instant::ORIGIN, packet(1)).is_ok());
        assert!(queue.enqueue(Instant::ORIGIN, packet(2)).is_ok());
        assert_eq!(queue.enqueue(Instant::ORIGIN, packet(3)), Err(packet(3)));
        assert_eq!(queue.queued_bytes(), 200);
        assert_eq!(queue.dequeue().map(|queued| queued.packet), Some(packet(1)));
        assert_eq!(queue.dequeue().map(|queued| queued.packet), Some(packet(2)));
        assert_eq!(queue.dequeue(), None);
    }
}
