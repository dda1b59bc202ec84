//! From raw samples to the report: phases, statistics, grades and the confidence in them.
//!
//! Owns every number that a result shows; nothing else in the system computes one. Pure: the samples and what the
//! node counted go in, the report comes out. Refuses to know who collected the samples, or how. Inside, times are
//! microseconds as `f64` (whole microseconds below 2^53 are exact in it); milliseconds appear only in the report.

pub mod confidence;
pub mod fault;
pub mod grade;
pub mod phases;
pub mod receiver;
pub mod report;
pub mod statistics;

mod check;
mod check_household;
mod direction;
mod experience;
mod goodput;
mod household;
mod impact;
mod latency;
mod node_view;
mod single_user;

pub use latency::round_trip_us;

#[cfg(test)]
mod simulated_tests;
