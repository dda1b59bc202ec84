//! What the records say: arithmetic on samples, without sockets, clocks or text.

pub(crate) mod bins;
pub(crate) mod pacing;
pub(crate) mod rate;
pub(crate) mod spread;
