//! When which message leaves: flows of a profile as schedules in virtual time.
//!
//! Owns the token bucket and the patterns' timing. Refuses to know sockets, buffers and clocks: a worker asks
//! [`FlowPacer::poll_release`] what may leave now, and sleeps until [`FlowPacer::next_deadline`]. A stall (of the
//! process, or of a peer that does not read) is never made up for in one burst.

mod bucket;
mod flow;
mod metered;
mod metronome;
mod numbered;

#[cfg(test)]
mod golden_tests;

pub use bucket::TokenBucket;
pub use flow::{FlowPacer, Release};
pub use numbered::NumberedFlow;
