//! Latency probes: on a thread, a loop and a connection of their own, sent on schedule and stamped where the kernel receives
//! their echoes. `schedule` is pure; `loops` has the socket.

pub mod schedule;

mod loops;

pub use loops::{
    AnsweredProbe, LATE_ANSWER_LIMIT, ProbeBatch, ProbeNotice, ProbeOrder, ProbeRoutes, SentProbe,
    spawn,
};
