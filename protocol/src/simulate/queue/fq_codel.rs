//! FQ-CoDel: a queue for each flow, each under CoDel, served in turn with new flows first.
//!
//! RFC 8290, section 4. Flows share a fixed number of queues by hash, so two may meet in one. A flow that sends less than
//! its share finds its queue empty and goes ahead of those that fill theirs.

use std::collections::VecDeque;
use std::time::Duration;

use super::codel::Control;
use super::{Fifo, Packet, Queued};
use crate::time::Instant;

/// Packets that go at most when the whole is over its limit: dropping one at a time would cost a search for each (RFC
/// 8290, 4.1.2 has 64).
const BATCH_PACKETS: usize = 64;

/// FQ-CoDel's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FqCoDelConfig {
    /// The stay that is acceptable for long, in each queue.
    pub target: Duration,
    /// How long a stay above the target is a burst.
    pub interval: Duration,
    /// Bytes that a queue may send in its turn.
    pub quantum_bytes: u32,
    /// How many queues there are.
    pub flows: usize,
    /// Packets that all queues hold together at most.
    pub limit_packets: usize,
}

impl FqCoDelConfig {
    /// RFC 8290, 5.2: 5 ms, 100 ms, 1514 bytes, 1024 queues, 10 240 packets.
    pub const RFC: Self = Self {
        target: Duration::from_millis(5),
        interval: Duration::from_millis(100),
        quantum_bytes: 1_514,
        flows: 1_024,
        limit_packets: 10_240,
    };
}

/// One flow's queue.
#[derive(Clone, Debug)]
struct FlowQueue<P> {
    fifo: Fifo<P>,
    control: Control,
    /// What it may still send in its turn, bytes.
    credit_bytes: i64,
    /// Whether it is in one of the two lists.
    is_listed: bool,
}

/// All the queues.
#[derive(Clone, Debug)]
pub struct FqCoDel<P> {
    config: FqCoDelConfig,
    /// Keeps outsiders from choosing flows that meet (RFC 8290, 4.1.1).
    perturbation: u64,
    queues: Vec<FlowQueue<P>>,
    /// Queues of flows that have just begun, and the others, in the order of their turns.
    new_flows: VecDeque<usize>,
    old_flows: VecDeque<usize>,
    queued_packets: usize,
    queued_bytes: u64,
}

impl<P> FqCoDel<P> {
    /// Empty queues; at least one.
    #[must_use]
    pub fn new(config: FqCoDelConfig, perturbation: u64) -> Self {
        let queues = std::iter::repeat_with(|| FlowQueue {
            fifo: Fifo::new(),
            control: Control::default(),
            credit_bytes: 0,
            is_listed: false,
        });
        Self {
            queues: queues.take(config.flows.max(1)).collect(),
            config,
            perturbation,
            new_flows: VecDeque::new(),
            old_flows: VecDeque::new(),
            queued_packets: 0,
            queued_bytes: 0,
        }
    }

    /// Takes a packet that arrives at `now`. When that is one too many, half of the longest queue (64 packets at most) goes
    /// from its head to `dropped`.
    pub fn enqueue(&mut self, now: Instant, packet: Packet<P>, dropped: &mut VecDeque<Packet<P>>) {
        let index = self.queue_of(packet.flow);
        let queue = &mut self.queues[index];
        self.queued_packets += 1;
        self.queued_bytes += u64::from(packet.bytes);
        queue.fifo.push(now, packet);
        if !queue.is_listed {
            queue.is_listed = true;
            queue.credit_bytes = i64::from(self.config.quantum_bytes);
            self.new_flows.push_back(index);
        }
        if self.queued_packets > self.config.limit_packets {
            self.drop_from_longest(dropped);
        }
    }

    /// Hands out the packet to be sent at `now`; those that CoDel drops are added to `dropped` (RFC 8290, 4.2).
    pub fn dequeue(
        &mut self,
        now: Instant,
        dropped: &mut VecDeque<Packet<P>>,
    ) -> Option<Queued<P>> {
        let timing = (self.config.target, self.config.interval);
        loop {
            let is_new = !self.new_flows.is_empty();
            let list = if is_new {
                &mut self.new_flows
            } else {
                &mut self.old_flows
            };
            let index = *list.front()?;
            let queue = &mut self.queues[index];
            if queue.credit_bytes <= 0 {
                queue.credit_bytes += i64::from(self.config.quantum_bytes.max(1));
                list.pop_front();
                self.old_flows.push_back(index);
                continue;
            }
            let (packets, bytes) = (queue.fifo.packets.len(), queue.fifo.bytes);
            let head = queue.control.dequeue(now, timing, &mut queue.fifo, dropped);
            self.queued_packets -= packets - queue.fifo.packets.len();
            self.queued_bytes -= bytes - queue.fifo.bytes;
            if let Some(head) = head {
                queue.credit_bytes -= i64::from(head.packet.bytes);
                return Some(head);
            }
            list.pop_front();
            if is_new && !self.old_flows.is_empty() {
                // Not off the lists yet, or a flow could come back as a new one at once and starve the others.
                self.old_flows.push_back(index);
            } else {
                queue.is_listed = false;
            }
        }
    }

    /// Bytes waiting in all queues.
    #[must_use]
    pub const fn queued_bytes(&self) -> u64 {
        self.queued_bytes
    }

    /// The queue of a flow: the finalizer of MurmurHash3 over its number, as good a hash as one of 64 bits needs.
    fn queue_of(&self, flow: u64) -> usize {
        let mut hash = flow ^ self.perturbation;
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
        hash ^= hash >> 33;
        let queues = self.queues.len() as u64;
        usize::try_from(hash % queues).unwrap_or(0)
    }

    fn drop_from_longest(&mut self, dropped: &mut VecDeque<Packet<P>>) {
        let Some(longest) = self.queues.iter_mut().max_by_key(|queue| queue.fifo.bytes) else {
            return;
        };
        let half = longest.fifo.packets.len().div_ceil(2);
        for queued in std::iter::from_fn(|| longest.fifo.pop()).take(half.min(BATCH_PACKETS)) {
            self.queued_packets -= 1;
            self.queued_bytes -= u64::from(queued.packet.bytes);
            dropped.push_back(queued.packet);
        }
    }
}
