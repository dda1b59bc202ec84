//! Latency probes: on a thread, a loop and a connection of their own, sent on schedule and stamped where the kernel receives
//! their echoes. `schedule` is pure; `loops` has the socket; `link` is what an owner holds of it.

pub mod schedule;

mod link;
mod loops;

pub use link::{LOOK_INTERVAL, ProbeLink, TELL_LIMIT};
pub use loops::{
    AnsweredProbe, LATE_ANSWER_LIMIT, ProbeBatch, ProbeNotice, ProbeOrder, ProbeRoutes, SentProbe,
};
