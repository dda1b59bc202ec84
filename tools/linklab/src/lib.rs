//! An access line between two network namespaces, for real programs: rates, queues, delay, jitter and losses that are
//! known exactly, and the true queueing delay of every packet.
//!
//! ```no_run
//! use linklab::{DirectionSpec, Line, LineSpec};
//!
//! let line = Line::create(&LineSpec {
//!     name: "cable".into(),
//!     down: DirectionSpec::drop_tail(50.0, 200.0),
//!     up: DirectionSpec::drop_tail(10.0, 200.0),
//!     ..LineSpec::default()
//! })?;
//! let mark = line.mark()?;
//! line.at_home("ping").args(["-c", "10", linklab::NODE_ADDRESS]).status()?;
//! println!("{:?}", line.since(&mark)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The link itself is `protocol::simulate::link`: what is here carries packets to it and from it, on time. It refuses to
//! know what the programs at the two ends do.

mod arguments;
pub mod check;
mod device;
pub mod ending;
mod error;
mod flow;
mod line;
mod namespace;
mod priority;
mod pump;
mod record;
mod spec;
mod statistics;

pub use arguments::{LineArguments, RecordArguments};
pub use error::{Error, Result};
pub use line::{
    HOME_ADDRESS, HOME_ADDRESS_V6, Line, Mark, NODE_ADDRESS, NODE_ADDRESS_V6, obstacle,
};
pub use spec::{DirectionSpec, LineSpec, QueueSpec, RateStep};
pub use statistics::{DirectionStatistics, QueueStatistics};
