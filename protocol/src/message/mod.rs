//! What travels on the wire: JSON messages (types here, TypeScript generated from them) and the binary probe.
//!
//! All times are integers of microseconds unless a field's name says otherwise. Unknown JSON fields are ignored,
//! absent values are `null`, never zero. Client times count from the start of the test on the client's own clock;
//! node times count on the node's monotonic clock; the two are never compared, only their differences are.

pub mod branding;
pub mod error;
pub mod household;
pub mod node_status;
pub mod probe;
pub mod profile;
pub mod report;
pub mod samples;
pub mod socket;
pub mod test;

#[cfg(test)]
mod typescript;
