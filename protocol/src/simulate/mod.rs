//! A line in virtual time: links with real queues, loss-based flows, and a test run through them.
//!
//! Owns the truth that `measure` is tested against: the queue's delay is known here to the nanosecond, because this is
//! where it is made. Refuses to know how anything is computed from the samples. `link` and `queue` stand alone, packets
//! and times in, packets and times out, so that a link emulator can drive real packets through them.

pub mod flow;
pub mod household;
pub mod line;
pub mod link;
pub mod queue;
pub mod random;
