//! How bytes reach the peer: plain TCP, or TLS on it. Says nothing about what the bytes mean, and moves bulk bytes without
//! looking at them.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use mio::net::TcpStream;
use protocol::connection::Filler;
use protocol::time::Instant;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::payload::Payload;
use super::sys::{bulk, receive};
use super::tls::{Acceptor, Connector, HandshakeStep, Received, RecordBuffers, TlsSession};

/// A connected socket.
#[derive(Debug)]
pub struct Transport {
    stream: TcpStream,
    stamps_arrivals: bool,
    tls: Option<TlsSession>,
    is_corked: bool,
    /// The sending side is to be shut down behind what still waits to be written.
    ends_after_flush: bool,
}

impl Transport {
    /// Takes over a connected, non-blocking stream.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        // A small answer must not wait for the acknowledgement of the one before it.
        let _ = stream.set_nodelay(true);
        // Neither TCP_NOTSENT_LOWAT nor a fixed send buffer: 64 downloads cost 0.33 CPU-s/GB with 128 KiB not sent at most,
        // 0.24 with 512 KiB and 0.08 without, and a buffer of 2 MiB only tripled the probes' 99th percentile.
        Self {
            stream,
            stamps_arrivals: false,
            tls: None,
            is_corked: false,
            ends_after_flush: false,
        }
    }

    /// The peer that connected is to be spoken to in TLS; a handshake comes first.
    ///
    /// # Errors
    /// As [`TlsSession::accept`].
    pub fn accept_tls(&mut self, acceptor: &Acceptor) -> io::Result<()> {
        self.tls = Some(TlsSession::accept(acceptor)?);
        Ok(())
    }

    /// The peer that is being connected to is to be spoken to in TLS; a handshake comes first, once the connection stands.
    ///
    /// # Errors
    /// As [`TlsSession::connect`].
    pub fn connect_tls(&mut self, connector: &Connector) -> io::Result<()> {
        self.tls = Some(TlsSession::connect(connector)?);
        Ok(())
    }

    /// Whether what is said goes through TLS.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Goes on with the handshake as far as the socket allows.
    ///
    /// # Errors
    /// As [`TlsSession::drive_handshake`].
    pub fn drive_handshake(&mut self) -> io::Result<HandshakeStep> {
        match &mut self.tls {
            Some(tls) => tls.drive_handshake(&mut self.stream),
            None => Err(io::ErrorKind::Unsupported.into()),
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
        read_from(&mut self.stream, self.stamps_arrivals, buffer)
    }

    /// Opens records that have arrived, and gives the payload of each to `take`, which says whether it wants another. The
    /// socket is read only where `may_read` says so; it stamps arrivals as for [`Transport::read`].
    ///
    /// # Errors
    /// As [`TlsSession::receive`]; `Unsupported` without TLS.
    pub fn receive_records(
        &mut self,
        may_read: bool,
        buffers: &mut RecordBuffers,
        take: impl FnMut(&[u8]) -> bool,
    ) -> io::Result<Received> {
        let tls = self.tls.as_mut().ok_or(io::ErrorKind::Unsupported)?;
        let stamps_arrivals = self.stamps_arrivals;
        let read = may_read.then_some(|stream: &mut TcpStream, buffer: &mut [u8]| {
            read_from(stream, stamps_arrivals, buffer)
        });
        tls.receive(&mut self.stream, read, buffers, take)
    }

    /// Whether records wait to be opened that no readiness of the socket will announce.
    #[must_use]
    pub fn has_unopened(&self) -> bool {
        self.tls.as_ref().is_some_and(TlsSession::has_unopened)
    }

    /// Throws away up to `length` bytes; zero at the end of the stream. Not for TLS, whose records have to be opened.
    ///
    /// # Errors
    /// As `recv(2)`.
    pub fn discard(&mut self, length: usize) -> io::Result<usize> {
        bulk::discard(self.stream.as_fd(), length)
    }

    /// Copies what waits behind `offset` other bytes, and reads none of it. Not for TLS.
    ///
    /// # Errors
    /// As [`bulk::peek`].
    pub fn peek(&self, offset: usize, buffer: &mut [u8]) -> io::Result<usize> {
        bulk::peek(self.stream.as_fd(), offset, buffer)
    }

    /// Writes a part of `bytes`. With TLS what was sealed counts as written: see [`Transport::has_unwritten`].
    ///
    /// # Errors
    /// As `send(2)`.
    pub fn write(&mut self, bytes: &[u8], buffers: &mut RecordBuffers) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => tls.write(&mut self.stream, bytes, buffers),
            None => self.stream.write(bytes),
        }
    }

    /// Whether sealed records, or the end of what we say, wait for the socket; [`Transport::flush`] is due when it takes more.
    #[must_use]
    pub fn has_unwritten(&self) -> bool {
        self.ends_after_flush || self.tls.as_ref().is_some_and(TlsSession::has_unwritten)
    }

    /// Writes what was sealed before.
    ///
    /// # Errors
    /// As `send(2)`; `WouldBlock` when something is left.
    pub fn flush(&mut self, buffers: &mut RecordBuffers) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.flush(&mut self.stream, buffers)?;
        }
        if self.ends_after_flush {
            self.ends_after_flush = false;
            // A peer that is gone already has no use for the news.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
        Ok(())
    }

    /// Sends a part of `filler`, at most `length` bytes of it.
    ///
    /// # Errors
    /// As `sendfile(2)`, or as [`Transport::write`]; `Unsupported` when the loop was given no payload.
    pub fn send_filler(
        &mut self,
        payload: Option<&Payload>,
        filler: &Filler,
        length: usize,
        buffers: &mut RecordBuffers,
    ) -> io::Result<usize> {
        let payload = payload.ok_or(io::ErrorKind::Unsupported)?;
        if let Some(tls) = &mut self.tls {
            let bytes = payload.bytes(filler.layout, filler.offset)?;
            let length = (length as u64)
                .min(filler.remaining)
                .min(bytes.len() as u64) as usize;
            return tls.write(&mut self.stream, &bytes[..length], buffers);
        }
        let (position, left) = Payload::locate(filler.layout, filler.offset);
        let length = (length as u64).min(filler.remaining).min(left) as usize;
        bulk::send_file(self.stream.as_fd(), payload.file(), position, length)
    }

    /// While it is corked only full segments go out (`TCP_CORK`): the end of one call waits for the beginning of the next. 64
    /// downloads under cubic cost 0.044 CPU-s/GB and not 0.047. Not for TLS, whose records end anywhere.
    pub fn set_cork(&mut self, is_corked: bool) {
        if self.is_corked != is_corked && self.tls.is_none() {
            // Where it fails small segments go out, as they would without.
            let _ = SockRef::from(&self.stream).set_tcp_cork(is_corked);
            self.is_corked = is_corked;
        }
    }

    /// Closing will drop what waits to be sent and reset the connection.
    pub fn reset_on_close(&mut self) {
        // Where it fails the connection closes in the ordinary way.
        let _ = SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO));
    }

    /// Tells the peer that nothing more comes; what it sends can still be read. With TLS the news waits behind what was sealed
    /// before: [`Transport::flush`] is due.
    pub fn shutdown_write(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.say_goodbye();
            self.ends_after_flush = true;
        } else {
            // A peer that is gone already has no use for the news.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }
}

fn read_from(
    stream: &mut TcpStream,
    stamps_arrivals: bool,
    buffer: &mut [u8],
) -> io::Result<(usize, Option<Instant>)> {
    if stamps_arrivals {
        receive::receive_stamped(stream.as_fd(), buffer)
    } else {
        stream.read(buffer).map(|length| (length, None))
    }
}

impl AsFd for Transport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
