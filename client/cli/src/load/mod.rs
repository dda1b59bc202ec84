//! The load of a test: how many flows, when, and what they carried. `loops` has the sockets; the rest is pure.

pub mod flow_count;
pub mod goodput_bins;
pub mod stretch;

mod congestion_control;
mod link;
mod loops;
mod plan;

pub(crate) use congestion_control::{OTHER_CONGESTION_CONTROL, set_congestion_control};
pub use link::LoadLink;

pub use plan::{LoadNotice, LoadPlan};
