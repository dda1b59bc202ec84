//! The first words on a connection: the question where a session is, and the handshake.

use std::net::SocketAddr;

use engine::runtime::application::Context;
use protocol::connection::{BinarySink, BodySink, RequestBody, WrongState};
use protocol::http1::{Method, RequestHead};

/// A redirect is a few hundred bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Asks for a resource on a connection that has just come about.
pub(crate) fn ask(
    context: &mut Context<'_>,
    target: &str,
    host: SocketAddr,
) -> Result<(), WrongState> {
    let head = RequestHead::new(Method::Get, target, host.to_string());
    let sink = BodySink::Collect {
        limit_bytes: ANSWER_BYTES_MAX,
    };
    context
        .connection
        .request(context.now, head, RequestBody::Empty, sink)
}

/// Opens a WebSocket on a connection that has just come about, and has the kernel stamp what arrives on it.
pub(crate) fn open_websocket(
    context: &mut Context<'_>,
    target: &str,
    host: SocketAddr,
    binary: BinarySink,
) -> Result<(), WrongState> {
    // Where the kernel can't, the loop's own time serves.
    let _ = context.stamp_arrivals();
    context.open_websocket(target, &host.to_string(), binary)
}
