//! A connection that a proxy begins by saying whose it is: the PROXY protocol's header, before TLS and everything else.

use std::io::Read as _;

use protocol::connection::{CloseReason, ProtocolError};
use protocol::limits::PROXY_HEADER_TIMEOUT;
use protocol::proxy::Source;
use protocol::time::Instant;

use super::{Driver, Stage, retry};

impl<S> Driver<S> {
    /// The peer is a proxy, which begins by saying whose connection it is.
    pub(in crate::runtime) fn expect_announcement(&mut self, now: Instant) {
        self.announcement = Some(Box::default());
        self.stage = Stage::Announcing {
            deadline: now + PROXY_HEADER_TIMEOUT,
        };
    }

    /// Whether the proxy has said whose connection it is. Reads nothing beyond that.
    pub(super) fn hear_proxy(
        &mut self,
        now: Instant,
        deadline: Instant,
    ) -> Result<bool, CloseReason> {
        let Some(reader) = &mut self.announcement else {
            return Ok(true);
        };
        if now >= deadline {
            return Err(CloseReason::HeadTimeout);
        }
        loop {
            let stream = self.transport.source();
            let read = retry(|| stream.read(reader.room()));
            let Some(count) = read.map_err(|_| CloseReason::PeerVanished)? else {
                self.is_readable = false;
                return Ok(false);
            };
            self.received_bytes += count as u64;
            let heard = reader.advance(count);
            match heard.map_err(|fault| CloseReason::ProtocolError(ProtocolError::Proxy(fault)))? {
                None => {}
                Some(source) => {
                    if let Source::Client(client) = source {
                        self.peer = client;
                    }
                    self.announcement = None;
                    return Ok(true);
                }
            }
        }
    }
}
