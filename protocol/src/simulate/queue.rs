//! What a link does with packets that it cannot send yet.
//!
//! Drop-tail, the queue of most modems: first in, first out, and what does not fit is dropped on arrival. A discipline is
//! asked with the time at both ends, so that one which measures a packet's stay can take this one's place.

use std::collections::VecDeque;

use crate::time::Instant;

/// A packet: its size on the wire, and what the caller wants to have back at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet<P> {
    /// Bytes on the wire, all headers included.
    pub bytes: u32,
    /// Whatever it carries.
    pub payload: P,
}

/// A first-in, first-out queue of bounded length.
#[derive(Clone, Debug)]
pub struct DropTail<P> {
    limit_bytes: u64,
    queued_bytes: u64,
    packets: VecDeque<Packet<P>>,
}

impl<P> DropTail<P> {
    /// A queue that holds at most so many bytes.
    #[must_use]
    pub const fn new(limit_bytes: u64) -> Self {
        Self {
            limit_bytes,
            queued_bytes: 0,
            packets: VecDeque::new(),
        }
    }

    /// Takes a packet that arrives at `now`.
    ///
    /// # Errors
    ///
    /// Gives it back when it does not fit: it is dropped.
    pub fn enqueue(&mut self, _now: Instant, packet: Packet<P>) -> Result<(), Packet<P>> {
        let bytes = u64::from(packet.bytes);
        if self.queued_bytes + bytes > self.limit_bytes {
            return Err(packet);
        }
        self.queued_bytes += bytes;
        self.packets.push_back(packet);
        Ok(())
    }

    /// Hands out the packet to be sent at `now`.
    pub fn dequeue(&mut self, _now: Instant) -> Option<Packet<P>> {
        let packet = self.packets.pop_front()?;
        self.queued_bytes -= u64::from(packet.bytes);
        Some(packet)
    }

    /// Bytes waiting.
    #[must_use]
    pub const fn queued_bytes(&self) -> u64 {
        self.queued_bytes
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
            payload,
        };
        assert!(queue.enqueue(Instant::ORIGIN, packet(1)).is_ok());
        assert!(queue.enqueue(Instant::ORIGIN, packet(2)).is_ok());
        assert_eq!(queue.enqueue(Instant::ORIGIN, packet(3)), Err(packet(3)));
        assert_eq!(queue.queued_bytes(), 200);
        assert_eq!(queue.dequeue(Instant::ORIGIN), Some(packet(1)));
        assert_eq!(queue.dequeue(Instant::ORIGIN), Some(packet(2)));
        assert_eq!(queue.dequeue(Instant::ORIGIN), None);
    }
}
