//! One direction of a line: a rate, a queue before it, losses, and the time light takes.

use std::collections::VecDeque;
use std::time::Duration;

use super::jitter::Jitter;
use super::queue::{Packet, Queue, QueueConfig};
use super::random::Random;
use super::rate::{RateSchedule, work_of};
use crate::time::Instant;

/// What a link is like.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkConfig {
    /// Bits a second on the wire, over time.
    pub rate: RateSchedule,
    /// Time from the last bit sent to the packet's arrival, at least.
    pub propagation: Duration,
    /// How much longer it can take at most; the packets' order is kept, and the mean is half of it.
    pub jitter: Duration,
    /// Share of the packets that the link loses at random after they were sent, 0 to 1.
    pub loss_ratio: f64,
    /// What happens to packets that can't be sent yet.
    pub queue: QueueConfig,
    /// The same seed gives the same losses and the same jitter.
    pub seed: u64,
}

impl LinkConfig {
    /// A drop-tail link of one rate, without losses or jitter.
    #[must_use]
    pub fn drop_tail(rate_bps: u64, propagation: Duration, depth: Duration) -> Self {
        Self {
            rate: RateSchedule::constant(rate_bps),
            propagation,
            jitter: Duration::ZERO,
            loss_ratio: 0.0,
            queue: QueueConfig::DropTail { depth },
            seed: 0,
        }
    }
}

/// A packet that left the queue: the truth about its wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    /// When its first bit was sent.
    pub at: Instant,
    /// How long it had waited since it came.
    pub queueing_delay: Duration,
    /// Bytes on the wire.
    pub bytes: u32,
}

/// A packet that is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss<P> {
    /// The queue dropped it.
    Dropped(P),
    /// It was sent, and the link lost it.
    Lost(P),
}

impl<P> Loss<P> {
    /// What it carried.
    #[must_use]
    pub fn into_payload(self) -> P {
        match self {
            Self::Dropped(payload) | Self::Lost(payload) => payload,
        }
    }
}

/// The packet whose bits are leaving.
#[derive(Clone, Debug)]
struct Sending<P> {
    start: Instant,
    end: Instant,
    /// What is to be done from `start` on, in the units of the schedule.
    work: u128,
    packet: Packet<P>,
}

/// A link: packets in by [`Link::send`], packets out by [`Link::poll`] when [`Link::poll_timeout`] says.
#[derive(Clone, Debug)]
pub struct Link<P> {
    config: LinkConfig,
    queue: Queue<P>,
    jitter: Jitter,
    random: Random,
    /// When the schedule of the rate began.
    schedule_start: Instant,
    sending: Option<Sending<P>>,
    /// What a packet's time on the wire is above whole nanoseconds; carried to the next, so that the rate is exact in the
    /// long run.
    remainder: u128,
    /// Packets on their way, with their arrival.
    travelling: VecDeque<(Instant, P)>,
    dropped: VecDeque<Packet<P>>,
    lost: VecDeque<P>,
    /// The queue's departures, when somebody wants to know them.
    departures: Option<VecDeque<Departure>>,
}

impl<P> Link<P> {
    /// An empty link.
    #[must_use]
    pub fn new(config: LinkConfig) -> Self {
        Self {
            queue: Queue::new(config.queue, config.rate.initial_bps(), config.seed),
            jitter: Jitter::new(config.jitter, !config.seed),
            random: Random::new(config.seed),
            config,
            schedule_start: Instant::ORIGIN,
            sending: None,
            remainder: 0,
            travelling: VecDeque::new(),
            dropped: VecDeque::new(),
            lost: VecDeque::new(),
            departures: None,
        }
    }

    /// From now on keeps each departure until [`Link::poll_departure`] takes it.
    pub fn keep_departures(&mut self) {
        self.departures.get_or_insert_default();
    }

    /// Takes a packet at `now`, which must not be before any earlier call's.
    ///
    /// # Errors
    ///
    /// Gives the packet back when the queue dropped it. Others that it drops, at once or later, come by
    /// [`Link::poll_loss`].
    pub fn send(&mut self, now: Instant, packet: Packet<P>) -> Result<(), Packet<P>> {
        self.advance(now);
        self.queue.enqueue(now, packet, &mut self.dropped)?;
        if self.sending.is_none() {
            self.start_next(now);
        }
        Ok(())
    }

    /// The next packet that has arrived by `now`.
    pub fn poll(&mut self, now: Instant) -> Option<P> {
        self.poll_arrival(now).map(|(_, payload)| payload)
    }

    /// The next packet that has arrived by `now`, and when it did.
    pub fn poll_arrival(&mut self, now: Instant) -> Option<(Instant, P)> {
        self.advance(now);
        self.travelling.pop_front_if(|(arrival, _)| *arrival <= now)
    }

    /// The next packet that was lost after the link had taken it.
    pub fn poll_loss(&mut self) -> Option<Loss<P>> {
        let dropped = self.dropped.pop_front();
        dropped
            .map(|packet| Loss::Dropped(packet.payload))
            .or_else(|| self.lost.pop_front().map(Loss::Lost))
    }

    /// The next departure from the queue, once [`Link::keep_departures`] was called.
    pub fn poll_departure(&mut self) -> Option<Departure> {
        self.departures.as_mut()?.pop_front()
    }

    /// When the next packet arrives or leaves; `None` when the link is empty.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let leaves = self.sending.as_ref().map(|sending| sending.end);
        let arrives = self.travelling.front().map(|(arrival, _)| *arrival);
        leaves.into_iter().chain(arrives).min()
    }

    /// How long a packet that came at `now` would wait before its first bit is sent if it were the last one sent.
    #[must_use]
    pub fn queueing_delay(&self, now: Instant) -> Duration {
        let free = self.sending.as_ref().map_or(now, |sending| sending.end);
        let work = work_of(self.queue.queued_bytes());
        let start = free - self.schedule_start;
        let (end, _) = self.config.rate.finish(start, work);
        (free - now) + (end - start)
    }

    /// Bytes waiting in the queue.
    #[must_use]
    pub const fn queued_bytes(&self) -> u64 {
        self.queue.queued_bytes()
    }

    /// Begins the schedule of the rate anew at `now`.
    pub fn restart_schedule(&mut self, now: Instant) {
        self.advance(now);
        let start = self.schedule_start;
        self.schedule_start = now;
        if let Some(sending) = &mut self.sending {
            let done = self
                .config
                .rate
                .work_between(sending.start - start, now - start);
            sending.work = sending.work.saturating_sub(done);
            sending.start = now;
            let (took, remainder) = self.config.rate.finish(Duration::ZERO, sending.work);
            sending.end = now + took;
            self.remainder = remainder;
        }
    }

    /// Lets every packet leave whose last bit was sent by `now`.
    fn advance(&mut self, now: Instant) {
        while let Some(sent) = self.sending.take_if(|sending| sending.end <= now) {
            if self.is_lost() {
                self.lost.push_back(sent.packet.payload);
            } else {
                let arrival = sent.end + self.config.propagation + self.jitter.at(sent.end);
                self.travelling.push_back((arrival, sent.packet.payload));
            }
            self.start_next(sent.end);
        }
    }

    fn is_lost(&mut self) -> bool {
        const PARTS: u64 = 1_000_000_000;
        self.config.loss_ratio > 0.0
            && (self.random.below(PARTS) as f64) < self.config.loss_ratio * PARTS as f64
    }

    fn start_next(&mut self, at: Instant) {
        let Some(queued) = self.queue.dequeue(at, &mut self.dropped) else {
            return;
        };
        if let Some(departures) = &mut self.departures {
            departures.push_back(Departure {
                at,
                queueing_delay: at - queued.since,
                bytes: queued.packet.bytes,
            });
        }
        let work = work_of(u64::from(queued.packet.bytes)) + self.remainder;
        let start = at - self.schedule_start;
        let (end, remainder) = self.config.rate.finish(start, work);
        self.remainder = remainder;
        self.sending = Some(Sending {
            start: at,
            end: at + (end - start),
            work,
            packet: queued.packet,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::rate::RateStep;

    fn link(rate_bps: u64, queue_ms: u64) -> Link<u32> {
        Link::new(LinkConfig::drop_tail(
            rate_bps,
            Duration::from_millis(10),
            Duration::from_millis(queue_ms),
        ))
    }

    fn packet(payload: u32) -> Packet<u32> {
        Packet {
            bytes: 1_500,
            flow: 0,
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
        link.keep_departures();
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
        while link.poll(Instant::from_micros(200_000)).is_some() {}
        for number in 0..101 {
            let departure = link.poll_departure().expect("one for each packet");
            assert_eq!(departure.queueing_delay, Duration::from_millis(number));
        }
        assert_eq!(link.poll_departure(), None);
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

    #[test]
    fn a_rate_that_falls_lengthens_the_wait_until_the_schedule_begins_anew() {
        let steps = [(0, 12_000_000), (100, 1_200_000)].map(|(ms, rate_bps)| RateStep {
            at: Duration::from_millis(ms),
            rate_bps,
        });
        let mut link = Link::new(LinkConfig {
            rate: RateSchedule::new(steps.into(), None).expect("a schedule"),
            ..LinkConfig::drop_tail(1, Duration::ZERO, Duration::from_millis(50))
        });
        let wait_ms = |link: &Link<u32>, at_ms: u64| {
            let wait = link.queueing_delay(Instant::from_micros(at_ms * 1_000));
            wait.as_secs_f64() * 1e3
        };
        for number in 0..60 {
            let _ = link.send(Instant::ORIGIN, packet(number));
        }
        assert_eq!(wait_ms(&link, 0), 51.0);
        while link.poll(Instant::from_micros(100_000)).is_some() {}
        for number in 0..60 {
            let _ = link.send(Instant::from_micros(100_000), packet(number));
        }
        assert_eq!(wait_ms(&link, 100), 510.0, "ten times as slow");
        // Half of the first packet is out; the rest goes at the first rate.
        link.restart_schedule(Instant::from_micros(105_000));
        assert_eq!(wait_ms(&link, 105), 50.5);
    }

    #[test]
    fn losses_come_at_their_ratio_and_are_handed_back() {
        let mut link = Link::new(LinkConfig {
            loss_ratio: 0.05,
            seed: 9,
            ..LinkConfig::drop_tail(1_200_000_000, Duration::ZERO, Duration::from_secs(10))
        });
        let (mut arrived, mut lost) = (0, 0);
        for number in 0..100_000 {
            let now = Instant::from_micros(u64::from(number) * 100);
            link.send(now, packet(number)).expect("fits");
            while link.poll(now).is_some() {
                arrived += 1;
            }
            while let Some(loss) = link.poll_loss() {
                assert!(matches!(loss, Loss::Lost(_)));
                lost += 1;
            }
        }
        assert_eq!(arrived + lost, 99_999, "all but the last");
        assert!((4_700..5_300).contains(&lost), "{lost} of 100 000 at 5 %");
    }
}
