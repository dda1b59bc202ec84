//! A role at work: one thread for each of its loops, until the node drains.

use std::time::Duration;

use super::context::{DrainSignal, LoopSeat, RoleContext, RoleEnd};
use super::scoreboard::Scoreboard;
use crate::runtime::sys::clock::monotonic_now;

/// How often an idle loop beats and looks whether it is to stop.
const HEARTBEAT_PERIOD: Duration = Duration::from_millis(250);

/// Runs every loop of the role; returns when all have ended.
#[must_use]
pub fn run(context: RoleContext) -> RoleEnd {
    let (drain, scoreboard) = (context.drain, context.scoreboard);
    let threads: Result<Vec<_>, _> = context
        .loops
        .into_iter()
        .map(|seat| {
            let (drain, scoreboard) = (drain.clone(), scoreboard.clone());
            std::thread::Builder::new()
                .name(format!("{}-{}", context.role.name, seat.slot))
                .spawn(move || beat(&seat, &drain, &scoreboard))
        })
        .collect();
    match threads {
        Ok(threads) => threads
            .into_iter()
            .map(|thread| match thread.join() {
                Ok(()) => RoleEnd::Drained,
                Err(_) => RoleEnd::Failed("an event loop panicked".to_owned()),
            })
            .find(|end| *end != RoleEnd::Drained)
            .unwrap_or(RoleEnd::Drained),
        Err(error) => RoleEnd::Failed(format!("cannot start a thread: {error}")),
    }
}

fn beat(seat: &LoopSeat, drain: &DrainSignal, scoreboard: &Scoreboard) {
    let slot = &scoreboard.loops()[seat.slot];
    while !drain.is_draining() {
        slot.beat(monotonic_now());
        std::thread::park_timeout(HEARTBEAT_PERIOD);
    }
}
