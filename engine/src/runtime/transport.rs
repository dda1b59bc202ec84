//! How bytes reach the peer: plain TCP. Says nothing about what the bytes mean, and moves bulk bytes without looking at them.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use mio::net::TcpStream;
use protocol::connection::Filler;
use protocol::time::Instant;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::payload::Payload;
use super::sys::{bulk, receive};

/// A connected socket.
#[derive(Debug)]
pub struct Transport {
    stream: TcpStream,
    stamps_arrivals: bool,
}

impl Transport {
    /// Takes over a connected, non-blocking stream.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        // A small answer must not wait for the acknowledgement of the one before it.
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            stamps_arrivals: false,
        }
    }

    /// Begins to connect to `peer`, from the address `local` if one is given. Whether it came about is to be asked of
    /// [`Transport::take_error`] once the socket is writable.
    ///
    /// # Errors
    /// As `socket(2)`, `bind(2)` and `connect(2)`.
    pub fn connect(peer: SocketAddr, local: Option<IpAddr>) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(peer), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        if let Some(local) = local {
            socket.bind(&SocketAddr::new(local, 0).into())?;
        }
        match socket.connect(&peer.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        Ok(Self::new(TcpStream::from_std(socket.into())))
    }

    /// Why the socket failed, if it did.
    #[must_use]
    pub fn take_error(&self) -> Option<io::Error> {
        self.stream.take_error().unwrap_or_else(Some)
    }

    /// The socket, to register with a poll.
    pub fn source(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// From now on [`Transport::read`] says when the kernel received what it reads.
    ///
    /// # Errors
    /// As `setsockopt(2)`.
    pub fn stamp_arrivals(&mut self) -> io::Result<()> {
        receive::enable_timestamps(self.stream.as_fd())?;
        self.stamps_arrivals = true;
        Ok(())
    }

    /// Reads into `buffer`; zero at the end of the stream. The time is that of the kernel's reception of the last byte, where
    /// it was asked for.
    ///
    /// # Errors
    /// As `recv(2)`.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Option<Instant>)> {
        if self.stamps_arrivals {
            receive::receive_stamped(self.stream.as_fd(), buffer)
        } else {
            self.stream.read(buffer).map(|length| (length, None))
        }
    }

    /// Throws away up to `length` bytes; zero at the end of the stream.
    ///
    /// # Errors
    /// As `recv(2)`.
    pub fn discard(&mut self, length: usize) -> io::Result<usize> {
        bulk::discard(self.stream.as_fd(), length)
    }

    /// Writes a part of `bytes`.
    ///
    /// # Errors
    /// As `send(2)`.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    /// Sends a part of `filler`, at most `length` bytes of it.
    ///
    /// # Errors
    /// As `sendfile(2)`; `Unsupported` when the loop was given no payload.
    pub fn send_filler(
        &mut self,
        payload: Option<&Payload>,
        filler: &Filler,
        length: usize,
    ) -> io::Result<usize> {
        let payload = payload.ok_or(io::ErrorKind::Unsupported)?;
        let (position, left) = Payload::locate(filler.layout, filler.offset);
        let length = (length as u64).min(filler.remaining).min(left) as usize;
        bulk::send_file(self.stream.as_fd(), payload.file(), position, length)
    }

    /// Closing will drop what waits to be sent and reset the connection.
    pub fn reset_on_close(&mut self) {
        // Where it fails the connection closes in the ordinary way.
        let _ = SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO));
    }

    /// Tells the peer that nothing more comes; what it sends can still be read.
    pub fn shutdown_write(&mut self) {
        // A peer that is gone already has no use for the news.
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}

impl AsFd for Transport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
