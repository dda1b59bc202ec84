//! A line in virtual time: links with real queues, loss-based flows, and a test run through them.
//!
//! Owns the truth that `measure` is tested against: the queue's delay is known here to the nanosecond, because this is
//! where it is made. Refuses to know how anything is computed from the samples. `link`, `queue` and `rate` stand alone,
//! packets and times in, packets and times out: the link emulator in `tools/linklab` drives real packets through them.

pub mod flow;
pub mod household;
mod jitter;
pub mod line;
pub mod link;
pub mod queue;
pub mod random;
pub mod rate;
