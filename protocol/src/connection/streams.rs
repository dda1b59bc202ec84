//! A connection that carries many requests at a time (HTTP/2), and one of its streams as a connection of its own.

use super::{Connection, Event, Inner, Patience};
use crate::http2;
use crate::time::Instant;

/// Names one stream of an HTTP/2 connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamId(pub(crate) u32);

impl Connection {
    /// A server's connection that was just accepted, and on which HTTP/2 was agreed (ALPN `h2`).
    #[must_use]
    pub fn http2_server(now: Instant, patience: Patience) -> Self {
        Self(Inner::Http2(Box::new(http2::Server::new(now, patience))))
    }

    pub(crate) fn of_stream(stream: http2::Stream) -> Self {
        Self(Inner::Stream(Box::new(stream)))
    }

    pub(crate) fn as_stream(&self) -> Option<&http2::Stream> {
        match &self.0 {
            Inner::Stream(stream) => Some(stream),
            Inner::Server(_) | Inner::Client(_) | Inner::WebSocket(_) | Inner::Http2(_) => None,
        }
    }

    pub(crate) fn as_stream_mut(&mut self) -> Option<&mut http2::Stream> {
        match &mut self.0 {
            Inner::Stream(stream) => Some(stream),
            Inner::Server(_) | Inner::Client(_) | Inner::WebSocket(_) | Inner::Http2(_) => None,
        }
    }

    /// HTTP/2: the next event of any stream; `None` on all other connections. A stream's first is [`Event::Request`],
    /// its last [`Event::Closed`], after which it can be asked about until the next call of this.
    pub fn poll_stream_event(&mut self, scratch: &mut Vec<u8>) -> Option<(StreamId, Event)> {
        match &mut self.0 {
            Inner::Http2(server) => server.poll_stream_event(scratch),
            Inner::Server(_) | Inner::Client(_) | Inner::WebSocket(_) | Inner::Stream(_) => None,
        }
    }

    /// HTTP/2: the stream, for the application.
    pub fn stream_mut(&mut self, id: StreamId) -> Option<&mut Self> {
        match &mut self.0 {
            Inner::Http2(server) => server.stream_mut(id),
            Inner::Server(_) | Inner::Client(_) | Inner::WebSocket(_) | Inner::Stream(_) => None,
        }
    }

    /// HTTP/2: ends a stream at once; the peer sees it cancelled.
    pub fn abort_stream(&mut self, now: Instant, id: StreamId) {
        if let Inner::Http2(server) = &mut self.0 {
            server.abort_stream(now, id);
        }
    }
}
