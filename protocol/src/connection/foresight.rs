//! Looking ahead: a driver that can see what waits behind payload that nobody looks at throws away more of it at a time.

use super::{Connection, Inner};

impl Connection {
    /// While [`super::Receive::Discard`] holds: so many of the bytes behind those it names would tell whether as much may be
    /// thrown away again. To be ignored by whoever can't see them without reading what is before them.
    #[must_use]
    pub fn foresight_bytes(&self) -> Option<usize> {
        match &self.0 {
            Inner::WebSocket(socket) => socket.foresight_bytes(),
            Inner::Server(_) | Inner::Client(_) | Inner::Http2(_) | Inner::Stream(_) => None,
        }
    }

    /// Shows the bytes that [`Connection::foresight_bytes`] asks for. They stay where they are; where this is true,
    /// [`super::Receive::Discard`] names more from now on, and they are a part of it.
    pub fn foresee(&mut self, bytes: &[u8]) -> bool {
        match &mut self.0 {
            Inner::WebSocket(socket) => socket.foresee(bytes),
            Inner::Server(_) | Inner::Client(_) | Inner::Http2(_) | Inner::Stream(_) => false,
        }
    }
}
