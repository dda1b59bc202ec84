//! The load of a single-user test: how many flows, when, and what they carried. `loops` has the sockets; the rest is pure.

pub mod flow_count;
pub mod goodput_bins;
pub mod stretch;

mod loops;
mod plan;

pub use loops::spawn;
pub use plan::{LoadNotice, LoadOrder, LoadPlan};
