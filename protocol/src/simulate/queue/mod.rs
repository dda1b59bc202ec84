//! What a link does with packets that it cannot send yet.
//!
//! Three disciplines: drop-tail, which most modems have, CoDel and FQ-CoDel. A discipline is asked with the time at both
//! ends, because two of them decide by how long a packet stayed. Nothing here knows the rate.

mod codel;
mod drop_tail;
mod fq_codel;

use std::collections::VecDeque;
use std::time::Duration;

pub use codel::{CoDel, CoDelConfig};
pub use drop_tail::DropTail;
pub use fq_codel::{FqCoDel, FqCoDelConfig};

use crate::time::Instant;

/// A packet: its size on the wire, whose it is, and what the caller wants to have back at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet<P> {
    /// Bytes on the wire, all headers included.
    pub bytes: u32,
    /// The same number for every packet of a flow; only FQ-CoDel looks at it.
    pub flow: u64,
    /// Whatever it carries.
    pub payload: P,
}

/// A packet that waits, or has waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued<P> {
    /// When it came.
    pub since: Instant,
    /// The packet itself.
    pub packet: Packet<P>,
}

/// Which discipline, and how it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueConfig {
    /// First in, first out; what does not fit is dropped on arrival.
    DropTail {
        /// The longest wait at the link's first rate. It becomes a number of bytes, as in a modem: when the rate falls, the
        /// wait grows.
        depth: Duration,
    },
    /// RFC 8289.
    CoDel(CoDelConfig),
    /// RFC 8290.
    FqCoDel(FqCoDelConfig),
}

/// A queue of one of the disciplines.
#[derive(Clone, Debug)]
pub enum Queue<P> {
    /// See [`QueueConfig::DropTail`].
    DropTail(DropTail<P>),
    /// See [`QueueConfig::CoDel`].
    CoDel(CoDel<P>),
    /// See [`QueueConfig::FqCoDel`].
    FqCoDel(Box<FqCoDel<P>>),
}

impl<P> Queue<P> {
    /// An empty queue before a link that begins with `rate_bps`, in bits a second. `seed` perturbs the hash of FQ-CoDel.
    #[must_use]
    pub fn new(config: QueueConfig, rate_bps: u64, seed: u64) -> Self {
        match config {
            QueueConfig::DropTail { depth } => {
                Self::DropTail(DropTail::new(drop_tail::depth_bytes(depth, rate_bps)))
            }
            QueueConfig::CoDel(config) => Self::CoDel(CoDel::new(config)),
            QueueConfig::FqCoDel(config) => Self::FqCoDel(Box::new(FqCoDel::new(config, seed))),
        }
    }

    /// Takes a packet that arrives at `now`. Packets that have to go for its sake are added to `dropped`.
    ///
    /// # Errors
    ///
    /// Gives it back when it is dropped itself.
    pub fn enqueue(
        &mut self,
        now: Instant,
        packet: Packet<P>,
        dropped: &mut VecDeque<Packet<P>>,
    ) -> Result<(), Packet<P>> {
        match self {
            Self::DropTail(queue) => queue.enqueue(now, packet),
            Self::CoDel(queue) => queue.enqueue(now, packet),
            Self::FqCoDel(queue) => {
                queue.enqueue(now, packet, dropped);
                Ok(())
            }
        }
    }

    /// Hands out the packet to be sent at `now`. Packets that the discipline drops instead are added to `dropped`.
    pub fn dequeue(
        &mut self,
        now: Instant,
        dropped: &mut VecDeque<Packet<P>>,
    ) -> Option<Queued<P>> {
        match self {
            Self::DropTail(queue) => queue.dequeue(),
            Self::CoDel(queue) => queue.dequeue(now, dropped),
            Self::FqCoDel(queue) => queue.dequeue(now, dropped),
        }
    }

    /// Bytes waiting.
    #[must_use]
    pub const fn queued_bytes(&self) -> u64 {
        match self {
            Self::DropTail(queue) => queue.queued_bytes(),
            Self::CoDel(queue) => queue.queued_bytes(),
            Self::FqCoDel(queue) => queue.queued_bytes(),
        }
    }
}

/// Packets in their order, with the time that each one came and the sum of their bytes.
#[derive(Clone, Debug)]
struct Fifo<P> {
    packets: VecDeque<Queued<P>>,
    bytes: u64,
}

impl<P> Fifo<P> {
    const fn new() -> Self {
        Self {
            packets: VecDeque::new(),
            bytes: 0,
        }
    }

    fn push(&mut self, now: Instant, packet: Packet<P>) {
        self.bytes += u64::from(packet.bytes);
        self.packets.push_back(Queued { since: now, packet });
    }

    fn pop(&mut self) -> Option<Queued<P>> {
        let queued = self.packets.pop_front()?;
        self.bytes -= u64::from(queued.packet.bytes);
        Some(queued)
    }
}
