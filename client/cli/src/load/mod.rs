//! The load of a test: how many flows, when, and what they carried. `loops` has the sockets; the rest is pure.

pub mod flow_count;
pub mod goodput_bins;
pub mod stretch;

mod link;
mod loops;
mod plan;

pub use link::LoadLink;
pub(crate) use loops::set_congestion_control;
pub(crate) use plan::OTHER_CONGESTION_CONTROL;
pub use plan::{LoadNotice, LoadPlan};
