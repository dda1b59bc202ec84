//! The terminal client as a library: runs the page's tests without a browser, on the runtime that the node is built on.
//!
//! Owns the client's half of a test: the probes, the load, the timeline and the samples. Statistics and grades are
//! `protocol`'s, computed by the node, or in process where it can't be asked any more. `output` shows them.

pub mod address;
pub mod api;
pub mod fault;
pub mod household;
pub mod interrupt;
pub mod line;
pub mod load;
pub mod outcome;
pub mod ping;
pub mod probe;
pub mod sample_log;
pub mod single;

mod harmless;
mod request;
