//! The PROXY protocol, version 2: the binary header with which a proxy begins a connection, to say whose it is
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>, section 2.2).
//!
//! Reads exactly the header and not one byte more, so that whatever follows (TLS, HTTP) is untouched. Refuses to know whether
//! the proxy may be believed. Version 1, the text, is not spoken.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::limits::PROXY_HEADER_BYTES_MAX;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const FIXED_BYTES: usize = 16;
/// The longest address part that is looked at: two IPv6 addresses and two ports.
const ADDRESSES_BYTES_MAX: usize = 36;
const BUFFER_BYTES: usize = 256;

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The proxy's own (a health check), or of a kind that it cannot name.
    Proxy,
    /// This client's.
    Client(SocketAddr),
}

/// Why it's no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not begin with the signature.
    Signature,
    /// Another version than 2, or a command that is unknown.
    Version,
    /// Longer than [`PROXY_HEADER_BYTES_MAX`], or too short for its addresses.
    Length,
    /// The proxy closed the connection, or fell silent, before the header was whole.
    Truncated,
}

/// A header as it arrives.
#[derive(Clone, Debug)]
pub struct HeaderReader {
    buffer: [u8; BUFFER_BYTES],
    /// Bytes of the header that have arrived.
    received: usize,
    /// Bytes of the header, as far as they are known.
    total: usize,
}

impl Default for HeaderReader {
    fn default() -> Self {
        Self {
            buffer: [0; BUFFER_BYTES],
            received: 0,
            total: FIXED_BYTES,
        }
    }
}

impl HeaderReader {
    /// Where the next bytes go; never empty, and never room for more than the header.
    pub fn room(&mut self) -> &mut [u8] {
        // What follows the addresses (the vector of extensions) is overwritten: nobody looks at it.
        let start = self.received.min(FIXED_BYTES + ADDRESSES_BYTES_MAX);
        let end = (start + self.total - self.received).min(BUFFER_BYTES);
        &mut self.buffer[start..end]
    }

    /// `count` bytes have come into [`HeaderReader::room`]. The source, once the header is whole.
    ///
    /// # Errors
    /// It's no header of this version.
    pub fn advance(&mut self, count: usize) -> Result<Option<Source>, Fault> {
        if count == 0 {
            return Err(Fault::Truncated);
        }
        self.received += count.min(self.total - self.received);
        let signed = self.received.min(SIGNATURE.len());
        if self.buffer[..signed] != SIGNATURE[..signed] {
            return Err(Fault::Signature);
        }
        if self.received < FIXED_BYTES {
            return Ok(None);
        }
        if self.received == FIXED_BYTES {
            let length = usize::from(u16::from_be_bytes([self.buffer[14], self.buffer[15]]));
            self.total = FIXED_BYTES + length;
            if self.total > PROXY_HEADER_BYTES_MAX {
                return Err(Fault::Length);
            }
        }
        if self.received < self.total {
            return Ok(None);
        }
        self.source().map(Some)
    }

    fn source(&self) -> Result<Source, Fault> {
        let length = self.total - FIXED_BYTES;
        let addresses = &self.buffer[FIXED_BYTES..FIXED_BYTES + length.min(ADDRESSES_BYTES_MAX)];
        match (self.buffer[12], self.buffer[13]) {
            (0x20, _) => Ok(Source::Proxy),
            // TCP over IPv4: source and destination address, source and destination port.
            (0x21, 0x11) => {
                let fields: &[u8; 12] = addresses.first_chunk().ok_or(Fault::Length)?;
                let address = Ipv4Addr::new(fields[0], fields[1], fields[2], fields[3]);
                let port = u16::from_be_bytes([fields[8], fields[9]]);
                Ok(Source::Client((address, port).into()))
            }
            (0x21, 0x21) => {
                let fields: &[u8; 36] = addresses.first_chunk().ok_or(Fault::Length)?;
                let (address, _) = fields.split_first_chunk::<16>().ok_or(Fault::Length)?;
                let port = u16::from_be_bytes([fields[32], fields[33]]);
                let address = SocketAddrV6::new(Ipv6Addr::from(*address), port, 0, 0);
                Ok(Source::Client(address.into()))
            }
            // A receiver must take other families for unknown and go by the socket.
            (0x21, _) => Ok(Source::Proxy),
            _ => Err(Fault::Version),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    /// Feeds `bytes` in pieces of at most `piece`; how it ended, and how many bytes were taken.
    fn read(bytes: &[u8], piece: usize) -> (Result<Option<Source>, Fault>, usize) {
        let mut reader = HeaderReader::default();
        let mut taken = 0;
        loop {
            let room = reader.room();
            assert!(!room.is_empty());
            let count = room.len().min(piece).min(bytes.len() - taken);
            room[..count].copy_from_slice(&bytes[taken..taken + count]);
            taken += count;
            match reader.advance(count) {
                Ok(None) => {}
                end => return (end, taken),
            }
        }
    }

    fn ipv4(extensions: usize) -> Vec<u8> {
        let addresses = [192, 0, 2, 7, 203, 0, 113, 1, 0xc3, 0x50, 0x1f, 0x40];
        header(
            0x21,
            0x11,
            &[&addresses[..], &vec![0x04; extensions]].concat(),
        )
    }

    #[test]
    fn exactly_the_header_is_read_whatever_its_pieces_and_extensions() {
        let client = Source::Client("192.0.2.7:50000".parse().unwrap());
        for extensions in [0, 1, 23, 24, 25, 204, 205, 1_000] {
            let bytes = ipv4(extensions);
            let stream = [&bytes[..], b"GET / HTTP/1.1\r\n"].concat();
            for piece in [1, 7, 16, 64, usize::MAX] {
                assert_eq!(read(&stream, piece), (Ok(Some(client)), bytes.len()));
            }
        }
    }

    #[test]
    fn an_ipv6_client_is_told() {
        let mut addresses = [0; 36];
        addresses[..16].copy_from_slice(&"2001:db8::7".parse::<Ipv6Addr>().unwrap().octets());
        addresses[32..34].copy_from_slice(&443_u16.to_be_bytes());
        let expected = Source::Client("[2001:db8::7]:443".parse().unwrap());
        assert_eq!(
            read(&header(0x21, 0x21, &addresses), 9).0,
            Ok(Some(expected))
        );
    }

    #[test]
    fn a_health_check_and_an_unknown_family_are_the_proxys_own() {
        for (command, family) in [(0x20, 0x00), (0x20, 0x11), (0x21, 0x00), (0x21, 0x31)] {
            let bytes = header(command, family, &[0; 216]);
            assert_eq!(read(&bytes, usize::MAX).0, Ok(Some(Source::Proxy)));
        }
    }

    #[test]
    fn what_is_no_header_is_refused_at_once() {
        assert_eq!(
            read(b"GET / HTTP/1.1\r\n\r\n", 1),
            (Err(Fault::Signature), 1)
        );
        assert_eq!(read(b"PROXY TCP4 192.0.2.1", 16).0, Err(Fault::Signature));
        assert_eq!(
            read(&header(0x11, 0x11, &[0; 12]), 99).0,
            Err(Fault::Version)
        );
        assert_eq!(
            read(&header(0x22, 0x11, &[0; 12]), 99).0,
            Err(Fault::Version)
        );
        assert_eq!(
            read(&header(0x21, 0x11, &[0; 11]), 99).0,
            Err(Fault::Length)
        );
        assert_eq!(
            read(&header(0x21, 0x21, &[0; 35]), 99).0,
            Err(Fault::Length)
        );
        let long = header(0x21, 0x11, &[0; PROXY_HEADER_BYTES_MAX]);
        assert_eq!(read(&long, 99), (Err(Fault::Length), FIXED_BYTES));
        assert_eq!(read(&ipv4(0)[..20], 99), (Err(Fault::Truncated), 20));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), piece in 1_usize..40) {
            let _ = read(&bytes, piece);
            let _ = read(&[&SIGNATURE[..], &bytes].concat(), piece);
        }
    }
}
