//! TLS on one connection, from the first byte to the last: the handshake, then the stream.

use std::io;

use mio::net::TcpStream;
use protocol::time::Instant;

use super::acceptor::Acceptor;
use super::buffers::RecordBuffers;
use super::connector::Connector;
use super::handshake::{Handshake, Step};
use super::stream::{Received, TlsStream};

/// See the module. Bytes of the application can be moved once the handshake is done.
#[derive(Debug)]
pub struct TlsSession(State);

#[derive(Debug)]
enum State {
    Handshake(Box<Handshake>),
    Stream(Box<TlsStream>),
}

/// Where a handshake stands.
#[derive(Debug)]
pub enum HandshakeStep {
    /// The socket has no more to give, or takes no more.
    Waiting,
    /// Both sides have keys.
    Done {
        /// What the two agreed to speak, if the client offered anything.
        protocol: Option<Vec<u8>>,
        /// What the peer said at once: input that came before any other.
        early: Vec<u8>,
    },
}

impl TlsSession {
    /// A peer has connected.
    ///
    /// # Errors
    /// When the library refuses its own configuration.
    pub fn accept(acceptor: &Acceptor) -> io::Result<Self> {
        let handshake = Handshake::accept(acceptor.config.clone()).map_err(io::Error::other)?;
        Ok(Self(State::Handshake(Box::new(handshake))))
    }

    /// We have connected.
    ///
    /// # Errors
    /// When the library refuses its own configuration.
    pub fn connect(connector: &Connector) -> io::Result<Self> {
        let handshake = Handshake::connect(connector.config.clone(), connector.name.clone())
            .map_err(io::Error::other)?;
        Ok(Self(State::Handshake(Box::new(handshake))))
    }

    /// Goes on with the handshake as far as the socket allows.
    ///
    /// # Errors
    /// The socket's, or `InvalidData` with the reason; the peer has been told by an alert where it could be.
    pub fn drive_handshake(&mut self, socket: &mut TcpStream) -> io::Result<HandshakeStep> {
        let State::Handshake(handshake) = &mut self.0 else {
            return Err(io::ErrorKind::AlreadyExists.into());
        };
        match handshake.drive(socket)? {
            Step::Waiting => Ok(HandshakeStep::Waiting),
            Step::Done(established) => {
                self.0 = State::Stream(Box::new(established.stream));
                Ok(HandshakeStep::Done {
                    protocol: established.alpn,
                    early: established.early,
                })
            }
        }
    }

    /// Whether sealed records wait for the socket.
    #[must_use]
    pub fn has_unwritten(&self) -> bool {
        match &self.0 {
            State::Handshake(_) => false,
            State::Stream(stream) => stream.has_unwritten(),
        }
    }

    /// Whether records wait to be opened that no readiness of the socket will announce.
    #[must_use]
    pub fn has_unopened(&self) -> bool {
        match &self.0 {
            State::Handshake(_) => false,
            State::Stream(stream) => stream.has_unopened(),
        }
    }

    /// Seals and writes a part of `plaintext`: how much of it counts as sent.
    ///
    /// # Errors
    /// As `send(2)`; `WouldBlock` when nothing was sealed.
    pub fn write(
        &mut self,
        socket: &mut TcpStream,
        plaintext: &[u8],
        buffers: &mut RecordBuffers,
    ) -> io::Result<usize> {
        self.stream()?.write(socket, plaintext, buffers)
    }

    /// Writes what was sealed before.
    ///
    /// # Errors
    /// As `send(2)`; `WouldBlock` when something is left.
    pub fn flush(&mut self, socket: &mut TcpStream, buffers: &mut RecordBuffers) -> io::Result<()> {
        self.stream()?.flush(socket, buffers)
    }

    /// Says once that nothing more will come, behind everything that was said.
    pub fn say_goodbye(&mut self) {
        if let State::Stream(stream) = &mut self.0 {
            stream.say_goodbye();
        }
    }

    /// Opens what arrived before, or reads more if `read` is there to be asked. `take` gets each payload and says whether it
    /// wants another.
    ///
    /// # Errors
    /// As `recv(2)`; `InvalidData` when the peer broke TLS. It was told by an alert where that could be sent.
    pub fn receive(
        &mut self,
        socket: &mut TcpStream,
        read: Option<
            impl FnOnce(&mut TcpStream, &mut [u8]) -> io::Result<(usize, Option<Instant>)>,
        >,
        buffers: &mut RecordBuffers,
        take: impl FnMut(&[u8]) -> bool,
    ) -> io::Result<Received> {
        self.stream()?.receive(socket, read, buffers, take)
    }

    fn stream(&mut self) -> io::Result<&mut TlsStream> {
        match &mut self.0 {
            State::Stream(stream) => Ok(stream),
            State::Handshake(_) => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}
