//! A WebSocket client that may misbehave: blocking, by hand, byte for byte what its caller wants.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// The example of RFC 6455, section 1.3; a node takes any.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// More than a welcome is never waited for.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// A connection.
#[derive(Debug)]
pub(crate) struct RawSocket {
    stream: TcpStream,
    read: Vec<u8>,
}

impl RawSocket {
    /// Connects, from another address of this machine if one is given; no call takes longer than `patience`.
    pub(crate) fn connect(
        peer: SocketAddr,
        from: Option<Ipv4Addr>,
        patience: Duration,
    ) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(peer), Type::STREAM, Some(Protocol::TCP))?;
        if let Some(from) = from {
            socket.bind(&SocketAddr::from((from, 0)).into())?;
        }
        socket.connect_timeout(&peer.into(), patience)?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self {
            stream,
            read: Vec::new(),
        })
    }

    /// Another patience for the calls to come.
    pub(crate) fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(patience))?;
        self.stream.set_write_timeout(Some(patience))
    }

    /// Sends these bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Asks for a WebSocket; the status of the answer.
    pub(crate) fn open(&mut self, target: &str) -> io::Result<u16> {
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: node\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
        );
        self.ask(&request)
    }

    /// Sends a request head; the status of the answer.
    pub(crate) fn ask(&mut self, request: &str) -> io::Result<u16> {
        self.send(request.as_bytes())?;
        self.wait_for(b"\r\n\r\n")?;
        status(&self.read).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    /// Reads until these bytes have come.
    pub(crate) fn wait_for(&mut self, what: &[u8]) -> io::Result<()> {
        let mut buffer = [0; 4096];
        while !self.read.windows(what.len()).any(|window| window == what) {
            if self.read.len() > KEPT_BYTES_MAX {
                return Err(io::Error::from(io::ErrorKind::InvalidData));
            }
            match self.stream.read(&mut buffer)? {
                0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                length => self.read.extend_from_slice(&buffer[..length]),
            }
        }
        Ok(())
    }

    /// Sends a text message of at most 125 bytes. A mask of zeros is as good as any (RFC 6455, section 5.3, asks for an
    /// unpredictable one against caches that are not here).
    pub(crate) fn say(&mut self, text: &str) -> io::Result<()> {
        self.send_frame(0x81, text.as_bytes())
    }

    /// Sends a ping.
    pub(crate) fn ping(&mut self) -> io::Result<()> {
        self.send_frame(0x89, b"")
    }

    fn send_frame(&mut self, first: u8, payload: &[u8]) -> io::Result<()> {
        let length = u8::try_from(payload.len())
            .ok()
            .filter(|length| *length < 126)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut frame = vec![first, 0x80 | length, 0, 0, 0, 0];
        frame.extend_from_slice(payload);
        self.send(&frame)
    }
}

/// The status of an answer's first line.
fn status(answer: &[u8]) -> Option<u16> {
    let digits = answer.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_from_the_first_line() {
        assert_eq!(status(b"HTTP/1.1 101 Switching"), Some(101));
        assert_eq!(status(b"HTTP/1.1 5"), None);
        assert_eq!(status(b"garbage"), None);
    }
}
