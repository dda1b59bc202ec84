//! A role at work: an event loop for each of its seats, each on a thread and a core of its own, until the node drains.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use super::context::{LoopSeat, RoleContext, RoleEnd};
use super::node::Node;
use super::roles::{EndpointGroup, Role};
use crate::runtime::event_loop::EventLoop;
use crate::runtime::payload::Payload;
use crate::runtime::pin;

/// Runs every loop of the role, calls `started` when all have their threads, and returns when all have ended. Bulk bytes
/// are sent from `payloads`, of which each loop has one for itself where there are enough: a page's reference count is changed
/// at each sending, and two cores that do that to the same pages made 64 downloads a fifth dearer.
#[must_use]
pub fn run(context: RoleContext, payloads: &[Arc<Payload>], started: impl FnOnce()) -> RoleEnd {
    match start(context, payloads) {
        Ok(threads) => {
            started();
            threads
                .into_iter()
                .map(end_of)
                .fold(RoleEnd::Drained, worse)
        }
        Err(error) => RoleEnd::Failed(format!("an event loop can't be started: {error}")),
    }
}

fn start(
    context: RoleContext,
    payloads: &[Arc<Payload>],
) -> io::Result<Vec<JoinHandle<io::Result<()>>>> {
    let RoleContext {
        role,
        config,
        loops,
        scoreboard,
        drain,
        acceptor,
        ..
    } = context;
    let acceptor = acceptor.filter(|_| role.speaks_tls());
    // Beside the page and the API a role serves one WebSocket or one probe, which HTTP/2 has nothing to give.
    let offers_http2 = config.reader().current().http2;
    let acceptor = if offers_http2 && role.endpoints.contains(EndpointGroup::Page) {
        acceptor.map(|acceptor| Arc::new(acceptor.with_protocols(&[b"h2", b"http/1.1"])))
    } else {
        acceptor
    };
    let is_pinned = role.is_pinned;
    let payloads = if sends_bulk(&role) { payloads } else { &[] };
    let mut own_payloads = payloads.iter().cycle();
    let mut threads = Vec::with_capacity(loops.len());
    for (number, LoopSeat { slot, listeners }) in loops.into_iter().enumerate() {
        let node = Node::new(
            role.clone(),
            config.clone(),
            scoreboard.clone(),
            drain.clone(),
            slot,
            acceptor.clone(),
        )?;
        let mut event_loop = EventLoop::new(node, listeners, own_payloads.next().cloned())?;
        let thread = Builder::new()
            .name(format!("{}-{number}", role.name))
            .spawn(move || {
                // A probe, or a session's release, must be able to go where there is room.
                if is_pinned {
                    pin::pin_current_thread(number);
                }
                event_loop.run()
            })?;
        threads.push(thread);
    }
    Ok(threads)
}

/// Whether the role needs payload files.
#[must_use]
pub fn sends_bulk(role: &Role) -> bool {
    role.endpoints.contains(EndpointGroup::Bulk)
}

fn end_of(thread: JoinHandle<io::Result<()>>) -> RoleEnd {
    match thread.join() {
        Ok(Ok(())) => RoleEnd::Drained,
        Ok(Err(error)) => RoleEnd::Failed(format!("an event loop's poll failed: {error}")),
        Err(_) => RoleEnd::Failed("an event loop panicked".to_owned()),
    }
}

fn worse(one: RoleEnd, other: RoleEnd) -> RoleEnd {
    if one == RoleEnd::Drained { other } else { one }
}
