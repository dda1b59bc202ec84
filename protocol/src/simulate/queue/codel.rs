//! CoDel, controlled delay: drops at the queue's head once packets have stayed too long for too long.
//!
//! RFC 8289, section 5 gives the algorithm as code, with these names. The state of the control law stands apart from the
//! queue, because FQ-CoDel has one for each of its many.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Fifo, Packet, Queued};
use crate::time::Instant;

/// Fewer bytes than this in a queue are not worth a drop: one full Ethernet frame (RFC 8289, 5.4: `maxpacket`).
const PACKET_BYTES_MAX: u64 = 1_514;

/// CoDel's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoDelConfig {
    /// The stay that is acceptable for long.
    pub target: Duration,
    /// How long a stay above the target is a burst; about the longest round trip of the flows.
    pub interval: Duration,
    /// Packets that the queue holds at most; further ones are dropped on arrival.
    pub limit_packets: usize,
}

impl CoDelConfig {
    /// RFC 8289, 4.4 recommends 5 ms and 100 ms; it has no limit, 1 000 packets is Linux's.
    pub const RFC: Self = Self {
        target: Duration::from_millis(5),
        interval: Duration::from_millis(100),
        limit_packets: 1_000,
    };
}

/// The control law of one queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Control {
    /// When the stay has been above the target for an interval, if it has been above it since.
    first_above: Option<Instant>,
    is_dropping: bool,
    drop_next: Instant,
    /// Drops since the dropping state was entered, and what it began with then.
    count: u32,
    last_count: u32,
}

impl Control {
    /// Hands out the packet to be sent at `now`; those dropped before it are added to `dropped`.
    pub(super) fn dequeue<P>(
        &mut self,
        now: Instant,
        (target, interval): (Duration, Duration),
        fifo: &mut Fifo<P>,
        dropped: &mut VecDeque<Packet<P>>,
    ) -> Option<Queued<P>> {
        let (mut head, mut may_drop) = self.look(now, (target, interval), fifo);
        if self.is_dropping {
            self.is_dropping = may_drop;
            while self.is_dropping && now >= self.drop_next {
                dropped.extend(head.map(|queued| queued.packet));
                self.count += 1;
                (head, may_drop) = self.look(now, (target, interval), fifo);
                self.is_dropping = may_drop;
                if may_drop {
                    self.drop_next = control_law(self.drop_next, interval, self.count);
                }
            }
        } else if may_drop {
            dropped.extend(head.map(|queued| queued.packet));
            (head, _) = self.look(now, (target, interval), fifo);
            self.is_dropping = true;
            // Left not long ago: goes on at about the drop rate that controlled the queue then.
            let delta = self.count - self.last_count;
            let is_recent = now - self.drop_next < interval * 16;
            self.count = if delta > 1 && is_recent { delta } else { 1 };
            self.drop_next = control_law(now, interval, self.count);
            self.last_count = self.count;
        }
        head
    }

    /// Takes the head, and says whether the queue has been too long for an interval (`dodequeue` in RFC 8289, 5.6).
    fn look<P>(
        &mut self,
        now: Instant,
        (target, interval): (Duration, Duration),
        fifo: &mut Fifo<P>,
    ) -> (Option<Queued<P>>, bool) {
        let Some(head) = fifo.pop() else {
            self.first_above = None;
            return (None, false);
        };
        if now - head.since < target || fifo.bytes <= PACKET_BYTES_MAX {
            self.first_above = None;
            return (Some(head), false);
        }
        let first_above = *self.first_above.get_or_insert(now + interval);
        (Some(head), now >= first_above)
    }
}

/// The next drop: drops come an interval apart, divided by the square root of their count (RFC 8289, 5.3).
fn control_law(at: Instant, interval: Duration, count: u32) -> Instant {
    at + interval.div_f64(f64::from(count.max(1)).sqrt())
}

/// One queue under CoDel.
#[derive(Clone, Debug)]
pub struct CoDel<P> {
    config: CoDelConfig,
    fifo: Fifo<P>,
    control: Control,
}

impl<P> CoDel<P> {
    /// An empty queue.
    #[must_use]
    pub fn new(config: CoDelConfig) -> Self {
        Self {
            config,
            fifo: Fifo::new(),
            control: Control::default(),
        }
    }

    /// Takes a packet that arrives at `now`.
    ///
    /// # Errors
    ///
    /// Gives it back when the queue is at its limit: it is dropped.
    pub fn enqueue(&mut self, now: Instant, packet: Packet<P>) -> Result<(), Packet<P>> {
        if self.fifo.packets.len() >= self.config.limit_packets {
            return Err(packet);
        }
        self.fifo.push(now, packet);
        Ok(())
    }

    /// Hands out the packet to be sent at `now`; those dropped before it are added to `dropped`.
    pub fn dequeue(
        &mut self,
        now: Instant,
        dropped: &mut VecDeque<Packet<P>>,
    ) -> Option<Queued<P>> {
        let timing = (self.config.target, self.config.interval);
        self.control.dequeue(now, timing, &mut self.fifo, dropped)
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

    const PACKET_BYTES: u32 = 1_500;

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1_000)
    }

    /// A queue that is dequeued every millisecond and always holds `backlog` packets, each of which therefore stays so many
    /// milliseconds. Returns when it dropped, in ms.
    fn drops_of_a_standing_queue(backlog: u64, until_ms: u64) -> Vec<u64> {
        let mut queue = CoDel::new(CoDelConfig::RFC);
        let mut drops = Vec::new();
        let mut waiting = 0;
        for ms in 0..until_ms {
            while waiting < backlog {
                waiting += 1;
                let packet = Packet {
                    bytes: PACKET_BYTES,
                    flow: 0,
                    payload: (),
                };
                queue.enqueue(at(ms), packet).expect("under the limit");
            }
            let mut dropped = VecDeque::new();
            waiting -= u64::from(queue.dequeue(at(ms), &mut dropped).is_some());
            for _ in &dropped {
                waiting -= 1;
                drops.push(ms);
            }
        }
        drops
    }

    #[test]
    fn a_stay_below_the_target_never_costs_a_packet() {
        assert!(drops_of_a_standing_queue(4, 5_000).is_empty());
    }

    #[test]
    fn the_first_drop_comes_an_interval_after_the_target_was_exceeded() {
        // The stay reaches the target of 5 ms when packets that came at 15 ms leave, at the latest at 20 ms.
        let drops = drops_of_a_standing_queue(20, 5_000);
        assert!((100..=125).contains(&drops[0]), "{drops:?}");
    }

    #[test]
    fn drops_come_an_interval_apart_divided_by_the_square_root_of_their_count() {
        let drops = drops_of_a_standing_queue(20, 3_000);
        assert!(drops.len() > 50, "{drops:?}");
        let mut expected = drops[0] as f64;
        for (count, &drop) in drops.iter().enumerate().take(50) {
            // A dequeue happens only every millisecond.
            assert!(
                (drop as f64 - expected).abs() <= 1.0,
                "drop {count} at {drop} ms, {expected:.1} ms by the law"
            );
            expected += 100.0 / ((count + 1) as f64).sqrt();
        }
    }

    #[test]
    fn a_burst_shorter_than_an_interval_is_not_dropped_from() {
        // 90 packets at once, served one a millisecond: up to 90 ms of stay, but for less than an interval.
        let mut queue = CoDel::new(CoDelConfig::RFC);
        for payload in 0..90 {
            let packet = Packet {
                bytes: PACKET_BYTES,
                flow: 0,
                payload,
            };
            queue.enqueue(at(0), packet).expect("under the limit");
        }
        let mut dropped = VecDeque::new();
        let sent = (0..200)
            .filter(|ms| queue.dequeue(at(*ms), &mut dropped).is_some())
            .count();
        assert_eq!((sent, dropped.len()), (90, 0));
    }

    #[test]
    fn a_dropping_state_entered_again_soon_goes_on_at_about_its_rate() {
        let mut control = Control {
            count: 20,
            last_count: 1,
            drop_next: at(1_000),
            first_above: Some(at(1_100)),
            is_dropping: false,
        };
        let mut later = control;
        let mut fifo = Fifo::new();
        for payload in 0..100 {
            let packet = Packet {
                bytes: PACKET_BYTES,
                flow: 0,
                payload,
            };
            fifo.push(at(1_000), packet);
        }
        let timing = (CoDelConfig::RFC.target, CoDelConfig::RFC.interval);
        let mut dropped = VecDeque::new();
        control.dequeue(at(1_200), timing, &mut fifo, &mut dropped);
        assert_eq!((control.count, dropped.len()), (19, 1));
        // 16 intervals after the last drop was due that rate is forgotten.
        later.dequeue(at(2_600), timing, &mut fifo, &mut dropped);
        assert_eq!((later.count, dropped.len()), (1, 2));
    }

    #[test]
    fn the_limit_drops_on_arrival() {
        let mut queue = CoDel::new(CoDelConfig {
            limit_packets: 2,
            ..CoDelConfig::RFC
        });
        let taken = (0..5)
            .filter(|&payload| {
                let packet = Packet {
                    bytes: PACKET_BYTES,
                    flow: 0,
                    payload,
                };
                queue.enqueue(Instant::ORIGIN, packet).is_ok()
            })
            .count();
        assert_eq!(taken, 2);
    }
}
