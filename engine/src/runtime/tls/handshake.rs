//! The handshake, which is rustls's: bytes in, bytes out, until both sides have keys. Then the keys leave it, and the
//! stream takes over.

use std::io::{self, Read, Write};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::kernel::KernelConnection;
use rustls::pki_types::ServerName;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use rustls::{
    ClientConfig, ConnectionTrafficSecrets, ExtractedSecrets, ProtocolVersion, ServerConfig,
};

use super::record::RecordKey;
use super::stream::TlsStream;

/// Most input that waits for more of it: a certificate chain is a few KiB, one handshake message at most 64.
const INPUT_BYTES_MAX: usize = 96 * 1024;
/// One read; most handshakes send less in each direction.
const READ_BYTES: usize = 4 * 1024;

/// A handshake under way.
#[derive(Debug)]
pub(super) struct Handshake {
    side: Option<Side>,
    input: Vec<u8>,
    output: Vec<u8>,
    written: usize,
    /// Application data that came in one piece with the peer's last handshake message.
    early: Vec<u8>,
}

enum Side {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

/// What still belongs to rustls once the records are ours: the secrets of later keys, and a client's session tickets.
pub(super) enum Keys {
    Server(KernelConnection<ServerConnectionData>),
    Client(KernelConnection<ClientConnectionData>),
}

impl Keys {
    /// The next key of one direction (RFC 8446, section 7.2).
    pub(super) fn next(&mut self, is_ours: bool) -> Option<RecordKey> {
        let next = match (self, is_ours) {
            (Self::Server(keys), true) => keys.update_tx_secret(),
            (Self::Server(keys), false) => keys.update_rx_secret(),
            (Self::Client(keys), true) => keys.update_tx_secret(),
            (Self::Client(keys), false) => keys.update_rx_secret(),
        };
        let (sequence, secrets) = next.ok()?;
        RecordKey::new(ProtocolVersion::TLSv1_3, sequence, &secrets)
    }

    /// A server offers to resume the session later.
    pub(super) fn take_ticket(&mut self, ticket: &[u8]) -> bool {
        match self {
            Self::Client(keys) => keys.handle_new_session_ticket(ticket).is_ok(),
            Self::Server(_) => false,
        }
    }
}

/// A handshake that is done.
pub(super) struct Established {
    pub(super) stream: TlsStream,
    pub(super) alpn: Option<Vec<u8>>,
    pub(super) early: Vec<u8>,
}

/// Where a handshake stands.
pub(super) enum Step {
    /// The socket has no more to give, or takes no more.
    Waiting,
    Done(Box<Established>),
}

/// What the machine wants next.
enum Wish {
    Input,
    Established,
    Closed,
}

/// Advances `connection` as far as its input goes. The two sides' types share no trait.
macro_rules! advance {
    ($connection:expr, $input:expr, $output:expr, $early:expr) => {
        loop {
            let UnbufferedStatus { discard, state } = $connection.process_tls_records($input);
            let wish = match state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    encode($output, |output| data.encode(output))?;
                    None
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    None
                }
                Ok(ConnectionState::ReadTraffic(mut data)) => {
                    while let Some(record) = data.next_record() {
                        $early.extend_from_slice(record.map_err(io::Error::other)?.payload);
                    }
                    None
                }
                Ok(ConnectionState::BlockedHandshake) => Some(Wish::Input),
                Ok(ConnectionState::WriteTraffic(_)) => Some(Wish::Established),
                // Early data is not offered.
                Ok(_) => Some(Wish::Closed),
                Err(error) => {
                    $input.drain(..discard);
                    // The alert is waiting behind the error. The input stays with it: rustls may still point into it.
                    loop {
                        let UnbufferedStatus { discard, state } =
                            $connection.process_tls_records($input);
                        let Ok(ConnectionState::EncodeTlsData(mut data)) = state else {
                            break;
                        };
                        encode($output, |output| data.encode(output))?;
                        $input.drain(..discard);
                    }
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            };
            $input.drain(..discard);
            if let Some(wish) = wish {
                break wish;
            }
        }
    };
}

impl Handshake {
    pub(super) fn accept(config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        UnbufferedServerConnection::new(config).map(|side| Self::new(Side::Server(side)))
    }

    pub(super) fn connect(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, rustls::Error> {
        UnbufferedClientConnection::new(config, name).map(|side| Self::new(Side::Client(side)))
    }

    fn new(side: Side) -> Self {
        Self {
            side: Some(side),
            input: Vec::new(),
            output: Vec::new(),
            written: 0,
            early: Vec::new(),
        }
    }

    /// Goes on as far as the socket allows.
    ///
    /// # Errors
    /// The socket's, or `InvalidData` with rustls's reason; the peer has been told by an alert where it could be.
    pub(super) fn drive(&mut self, socket: &mut TcpStream) -> io::Result<Step> {
        loop {
            let advanced = self.advance();
            let is_written = self.flush(socket);
            let wish = advanced?;
            let is_written = is_written?;
            match wish {
                // What is not written yet is the stream's to write.
                Wish::Established => {
                    return self.finish().map(|done| Step::Done(Box::new(done)));
                }
                Wish::Closed => return Err(io::ErrorKind::UnexpectedEof.into()),
                Wish::Input if !is_written => return Ok(Step::Waiting),
                Wish::Input => {}
            }
            if !self.read(socket)? {
                return Ok(Step::Waiting);
            }
        }
    }

    fn advance(&mut self) -> io::Result<Wish> {
        let Self {
            side,
            input,
            output,
            early,
            ..
        } = self;
        Ok(match side {
            Some(Side::Server(connection)) => advance!(connection, input, output, early),
            Some(Side::Client(connection)) => advance!(connection, input, output, early),
            None => Wish::Closed,
        })
    }

    /// Whether all that there is to say was said.
    fn flush(&mut self, socket: &mut TcpStream) -> io::Result<bool> {
        while self.written < self.output.len() {
            match socket.write(&self.output[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => self.written += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(true)
    }

    /// Whether there was anything to read.
    fn read(&mut self, socket: &mut TcpStream) -> io::Result<bool> {
        if self.input.len() >= INPUT_BYTES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the peer's handshake is longer than any that is known",
            ));
        }
        let start = self.input.len();
        self.input.resize(start + READ_BYTES, 0);
        let read = loop {
            match socket.read(&mut self.input[start..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.input.truncate(start + read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn finish(&mut self) -> io::Result<Established> {
        let (alpn, secrets, keys) = match self.side.take() {
            Some(Side::Server(connection)) => {
                let alpn = connection.alpn_protocol().map(<[u8]>::to_vec);
                let (secrets, keys) = connection
                    .dangerous_into_kernel_connection()
                    .map_err(io::Error::other)?;
                (alpn, secrets, Keys::Server(keys))
            }
            Some(Side::Client(connection)) => {
                let alpn = connection.alpn_protocol().map(<[u8]>::to_vec);
                let (secrets, keys) = connection
                    .dangerous_into_kernel_connection()
                    .map_err(io::Error::other)?;
                (alpn, secrets, Keys::Client(keys))
            }
            None => return Err(io::ErrorKind::NotConnected.into()),
        };
        let version = match &keys {
            Keys::Server(keys) => keys.protocol_version(),
            Keys::Client(keys) => keys.protocol_version(),
        };
        let ExtractedSecrets { tx, rx } = secrets;
        let key = |(sequence, secrets): (u64, ConnectionTrafficSecrets)| {
            RecordKey::new(version, sequence, &secrets).ok_or(io::ErrorKind::Unsupported)
        };
        self.output.drain(..self.written);
        let stream = TlsStream::new(
            version,
            (key(tx)?, key(rx)?),
            keys,
            std::mem::take(&mut self.input),
            std::mem::take(&mut self.output),
        );
        Ok(Established {
            stream,
            alpn,
            early: std::mem::take(&mut self.early),
        })
    }
}

/// Appends what `write` has to say.
fn encode(
    output: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>,
) -> io::Result<()> {
    let start = output.len();
    let mut room = READ_BYTES;
    loop {
        output.resize(start + room, 0);
        match write(&mut output[start..]) {
            Ok(length) => {
                output.truncate(start + length);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(fault)) => room = fault.required_size,
            Err(EncodeError::AlreadyEncoded) => {
                output.truncate(start);
                return Ok(());
            }
        }
    }
}

impl std::fmt::Debug for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Server(_) => "Side::Server",
            Self::Client(_) => "Side::Client",
        })
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Server(_) => "Keys::Server",
            Self::Client(_) => "Keys::Client",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;
    use crate::runtime::tls::{Acceptor, Connector, Credentials, MinVersion, Trust};

    fn acceptor() -> (Acceptor, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".to_owned()]).expect("randomness");
        let (chain, key) = (cert.pem(), signing_key.serialize_pem());
        let credentials =
            Credentials::new(chain.as_bytes(), key.as_bytes(), Vec::new(), Vec::new())
                .expect("a pair");
        let acceptor = Acceptor::new(MinVersion::Tls12, &[b"http/1.1"], credentials);
        (acceptor.expect("ciphers"), chain)
    }

    fn sockets() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("bound");
        let near = std::net::TcpStream::connect(address).expect("a listener");
        let (far, _) = listener.accept().expect("a connection");
        let unblocked = |stream: std::net::TcpStream| {
            stream.set_nonblocking(true).expect("an open socket");
            TcpStream::from_std(stream)
        };
        (unblocked(near), unblocked(far))
    }

    /// Drives both sides until one of them ends; how the client and the server did.
    fn shake(trust: Trust<'_>, acceptor: &Acceptor) -> [Option<io::Result<()>>; 2] {
        let connector = Connector::new("localhost", trust, &[b"http/1.1"]).expect("a name");
        let (mut near, mut far) = sockets();
        let mut client =
            Handshake::connect(connector.config.clone(), connector.name.clone()).expect("a side");
        let mut server = Handshake::accept(acceptor.config.clone()).expect("a side");
        let mut ends = [None, None];
        while ends.iter().any(Option::is_none) {
            let sides = [(&mut client, &mut near), (&mut server, &mut far)];
            for ((side, socket), end) in sides.into_iter().zip(&mut ends) {
                if end.is_some() {
                    continue;
                }
                match side.drive(socket) {
                    Ok(Step::Waiting) => {}
                    Ok(Step::Done(done)) => {
                        assert_eq!(done.alpn.as_deref(), Some(&b"http/1.1"[..]));
                        *end = Some(Ok(()));
                    }
                    Err(error) => *end = Some(Err(error)),
                }
            }
        }
        ends
    }

    #[test]
    fn a_client_that_does_not_trust_says_so_and_both_sides_end() {
        let (acceptor, chain) = acceptor();
        for trust in [Trust::Anybody, Trust::Authorities(chain.as_bytes())] {
            assert!(shake(trust, &acceptor).iter().flatten().all(Result::is_ok));
        }
        let (_, other) = self::acceptor();
        let [client, server] = shake(Trust::Authorities(other.as_bytes()), &acceptor);
        let told = client.expect("ended").expect_err("no trust");
        assert!(super::super::certificate_fault(&told).is_some(), "{told}");
        let told = server.expect("ended").expect_err("an alert").to_string();
        assert!(told.contains("alert"), "{told}");
    }

    #[test]
    fn messages_that_wait_behind_a_wrong_one_are_answered_by_an_alert() {
        let (acceptor, _) = acceptor();
        let (mut near, mut far) = sockets();
        // Three client hellos of two bytes, which none can be, in one record.
        let record = [&[22, 3, 1, 0, 18][..], &[1, 0, 0, 2, 0, 0].repeat(3)].concat();
        near.write_all(&record).expect("an open socket");
        let mut server = Handshake::accept(acceptor.config.clone()).expect("a side");
        let fault = loop {
            match server.drive(&mut far) {
                Ok(Step::Waiting) => {}
                Ok(Step::Done(_)) => panic!("a handshake"),
                Err(fault) => break fault,
            }
        };
        assert_eq!(fault.kind(), io::ErrorKind::InvalidData, "{fault}");
        let mut alert = [0; 7];
        near.read_exact(&mut alert).expect("an alert");
        assert_eq!(alert[0], 21);
    }
}
