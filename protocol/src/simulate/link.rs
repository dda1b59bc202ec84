//! One direction of a line: a rate, a queue before it, and the time light takes.

use std::collections::VecDeque;
use std::time::Duration;

use super::queue::{DropTail, Packet};
use crate::time::Instant;

/// What a link is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkConfig {
    /// Bits a second on the wire; at least 1.
    pub rate_bps: u64,
    /// Time from the last bit sent to the packet's arrival.
    pub propagation: Duration,
    /// The longest a packet can wait in the queue.
    pub queue: Duration,
}

impl LinkConfig {
    /// The queue's length in bytes at this rate. It always holds one full packet, or nothing would ever pass.
    #[must_use]
    pub fn queue_bytes(&self) -> u64 {
        let bits = u128::from(self.rate_bps) * self.queue.as_nanos() / 1_000_000_000;
        u64::try_from(bits / 8).unwrap_or(u64::MAX).max(1_514)
    }
}

/// A link: packets in by [`Link::send`], packets out by [`Link::poll`] when [`Link::poll_timeout`] says.
#[derive(Clone, Debug)]
pub struct Link<P> {
    config: LinkConfig,
    queue: DropTail<P>,
    /// The packet whose bits are leaving, and when the last of them has left.
    sending: Option<(Instant, Packet<P>)>,
    /// What a packet's time on the wire is above whole nanoseconds, in bits × 10^9 modulo the rate; carried to the next, so
    /// that the rate is exact in the long run.
    remainder: u128,
    /// Packets on their way, with their arrival.
    travelling: VecDeque<(Instant, P)>,
}

impl<P> Link<P> {
    /// An empty link.
    #[must_use]
    pub fn new(config: LinkConfig) -> Self {
        Self {
            config,
            queue: DropTail::new(config.queue_bytes()),
            sending: None,
            remainder: 0,
            travelling: VecDeque::new(),
        }
    }

    /// Takes a packet at `now`, which must not be before any earlier call's.
    ///
    /// # Errors
    ///
    /// Gives the packet back when the queue dropped it.
    pub fn send(&mut self, now: Instant, packet: Packet<P>) -> Result<(), Packet<P>> {
        self.advance(now);
        self.queue.enqueue(now, packet)?;
        if self.sending.is_none() {
            self.start_next(now);
        }
        Ok(())
    }

    /// The next packet that has arrived by `now`.
    pub fn poll(&mut self, now: Instant) -> Option<P> {
        self.advance(now);
        self.travelling
            .pop_front_if(|(arrival, _)| *arrival <= now)
            .map(|(_, payload)| payload)
    }

    /// When the next packet arrives or leaves; `None` when the link is empty.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let leaves = self.sending.as_ref().map(|(end, _)| *end);
        let arrives = self.travelling.front().map(|(arrival, _)| *arrival);
        leaves.into_iter().chain(arrives).min()
    }

    /// How long a packet that came at `now` would wait before its first bit is sent.
    #[must_use]
    pub fn queueing_delay(&self, now: Instant) -> Duration {
        let rest = self
            .sending
            .as_ref()
            .map_or(Duration::ZERO, |(end, _)| *end - now);
        let bits = u128::from(self.queue.queued_bytes()) * 8;
        let nanos = bits * 1_000_000_000 / u128::from(self.config.rate_bps.max(1));
        rest + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Lets every packet leave whose last bit was sent by `now`.
    fn advance(&mut self, now: Instant) {
        while let Some((end, packet)) = self.sending.take_if(|(end, _)| *end <= now) {
            self.travelling
                .push_back((end + self.config.propagation, packet.payload));
            self.start_next(end);
        }
    }

    fn start_next(&mut self, at: Instant) {
        let Some(packet) = self.queue.dequeue(at) else {
            return;
        };
        let rate = u128::from(self.config.rate_bps.max(1));
        let work = u128::from(packet.bytes) * 8 * 1_000_000_000 + self.remainder;
        self.remainder = work % rate;
        let nanos = u64::try_from(work / rate).unwrap_or(u64::MAX);
        self.sending = Some((at + Duration::from_nanos(nanos), packet));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(rate_bps: u64, queue_ms: u64) -> Link<u32> {
        Link::new(LinkConfig {
            rate_bps,
            propagation: Duration::from_millis(10),
            queue: Duration::from_millis(queue_ms),
        })
    }

    fn packet(payload: u32) -> Packet<u32> {
        Packet {
            bytes: 1_500,
            payload,
        }
    }

    #[test]
    fn a_lone_packet_takes_its_bits_and_the_propagation() {
        // 12 000 bits at 12 Mbit/s are 1 ms.
        let mut link = link(12_000_000, 100);
        link.send(Instant::ORIGIN, packet(7)).expect("fits");
        assert_eq!(link.poll(Instant::from_micros(10_999)), None);
        assert_eq!(link.poll_timeout(), Some(Instant::from_micros(11_000)));
        assert_eq!(link.poll(Instant::from_micros(11_000)), Some(7));
        assert_eq!(link.poll_timeout(), None);
    }

    #[test]
    fn a_full_queue_delays_by_its_length_and_drops_the_rest() {
        let mut link = link(12_000_000, 100);
        let sent = (0..500)
            .filter(|&number| link.send(Instant::ORIGIN, packet(number)).is_ok())
            .count();
        // A hundred in the queue and one on the wire.
        assert_eq!(sent, 101);
        assert_eq!(
            link.queueing_delay(Instant::ORIGIN),
            Duration::from_millis(101)
        );
        assert_eq!(
            link.queueing_delay(Instant::from_micros(400)),
            Duration::from_micros(100_600)
        );
    }

    #[test]
    fn the_rate_is_exact_in_the_long_run() {
        // 12 000 bits at 7 Mbit/s are 1 714 285.71… ns: the fraction must not be lost.
        let mut link = link(7_000_000, 10_000);
        for number in 0..7_000 {
            // Fewer than the queue holds: 7 Mbit/s × 10 s are 5 833 packets, so make room by time.
            let now = Instant::from_micros(u64::from(number) * 1_000);
            assert!(link.send(now, packet(number)).is_ok());
        }
        // 7 000 × 12 000 bits at 7 Mbit/s: 12 s, and the propagation.
        let mut arrived = 0;
        while link.poll(Instant::from_micros(12_009_999)).is_some() {
            arrived += 1;
        }
        assert_eq!(arrived, 6_999);
        assert_eq!(link.poll(Instant::from_micros(12_010_000)), Some(6_999));
    }
}
