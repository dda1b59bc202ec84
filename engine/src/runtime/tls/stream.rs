//! An encrypted connection after its handshake: payloads out of records, records out of payloads, and the few messages
//! that TLS still has of its own (alerts, new keys, session tickets).
//!
//! Owns the two keys, the beginning of a record that has not arrived whole, and what was sealed and not written. A record
//! that was sealed counts as sent: it cannot be taken back, for its number is used.

use std::io::{self, Write};

use mio::net::TcpStream;
use protocol::limits::TLS_KEY_UPDATES_MAX;
use protocol::time::Instant;
use rustls::ProtocolVersion;

use super::buffers::{RecordBuffers, SEALED_BYTES_MAX};
use super::handshake::Keys;
use super::record::{
    ContentType, OVERHEAD_BYTES_MAX, PLAINTEXT_BYTES_MAX, RecordFault, RecordKey, record_length,
};

const CLOSE_NOTIFY: [u8; 2] = [1, 0];
const KEY_UPDATE: u8 = 24;
const NEW_SESSION_TICKET: u8 = 4;
/// A ticket that is told in parts is thrown away beyond this.
const POST_HANDSHAKE_BYTES_MAX: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct TlsStream {
    version: ProtocolVersion,
    sealing: RecordKey,
    opening: RecordKey,
    keys: Keys,
    /// Records that have arrived and were not opened: at least a part of one, and more where the reader had enough.
    unopened: Vec<u8>,
    /// Records that were sealed and not written, from `written` on.
    unwritten: Vec<u8>,
    written: usize,
    /// A handshake message that has not arrived whole.
    message: Vec<u8>,
    key_updates: u32,
    has_said_goodbye: bool,
    has_peer_closed: bool,
}

/// What came of receiving.
#[derive(Clone, Copy, Debug, Default)]
pub struct Received {
    /// Bytes read from the socket.
    pub bytes: usize,
    /// Bytes of the records that were opened, whenever they were read.
    pub opened_bytes: usize,
    /// The socket has no more.
    pub would_block: bool,
    /// The peer has closed its side.
    pub is_end: bool,
    /// When the kernel received the newest of these bytes, where it was asked to say.
    pub received_at: Option<Instant>,
}

/// The peer broke TLS: the alert that tells it (RFC 8446, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    UnexpectedMessage,
    BadRecordMac,
    RecordOverflow,
    Decode,
    Internal,
    /// It told us first.
    AlertReceived,
}

impl Fault {
    const fn alert(self) -> Option<u8> {
        match self {
            Self::UnexpectedMessage => Some(10),
            Self::BadRecordMac => Some(20),
            Self::RecordOverflow => Some(22),
            Self::Decode => Some(50),
            Self::Internal => Some(80),
            Self::AlertReceived => None,
        }
    }
}

impl From<RecordFault> for Fault {
    fn from(fault: RecordFault) -> Self {
        match fault {
            RecordFault::BadRecordMac => Self::BadRecordMac,
            RecordFault::RecordOverflow => Self::RecordOverflow,
            RecordFault::UnexpectedMessage => Self::UnexpectedMessage,
        }
    }
}

impl TlsStream {
    /// Takes over from a handshake, with what it read and wrote too much.
    pub(super) fn new(
        version: ProtocolVersion,
        (sealing, opening): (RecordKey, RecordKey),
        keys: Keys,
        unopened: Vec<u8>,
        unwritten: Vec<u8>,
    ) -> Self {
        // A handshake's buffers have room for its longest flight, which an idle connection must not keep.
        let fitted = |mut bytes: Vec<u8>| {
            bytes.shrink_to_fit();
            bytes
        };
        Self {
            version,
            sealing,
            opening,
            keys,
            unopened: fitted(unopened),
            unwritten: fitted(unwritten),
            written: 0,
            message: Vec::new(),
            key_updates: 0,
            has_said_goodbye: false,
            has_peer_closed: false,
        }
    }

    /// Whether sealed records wait for the socket.
    pub(super) fn has_unwritten(&self) -> bool {
        !self.unwritten.is_empty()
    }

    /// Whether records wait to be opened that no readiness of the socket will announce.
    pub(super) fn has_unopened(&self) -> bool {
        matches!(record_length(&self.unopened), Some(Ok(length)) if length <= self.unopened.len())
    }

    /// Seals and writes a part of `plaintext`: how much of it counts as sent.
    ///
    /// # Errors
    /// As `send(2)`; `WouldBlock` when nothing was sealed.
    pub(super) fn write(
        &mut self,
        socket: &mut TcpStream,
        plaintext: &[u8],
        buffers: &mut RecordBuffers,
    ) -> io::Result<usize> {
        self.flush(socket, buffers)?;
        buffers.prepare();
        let plaintext = &plaintext[..plaintext.len().min(SEALED_BYTES_MAX)];
        if self.sealing.is_exhausted() {
            self.renew_key()?;
        }
        let mut sealed = 0;
        for piece in plaintext.chunks(PLAINTEXT_BYTES_MAX) {
            sealed += self
                .sealing
                .seal(
                    ContentType::ApplicationData,
                    piece,
                    &mut buffers.output[sealed..],
                )
                .map_err(|_| io::Error::other("the key of a TLS connection is used up"))?;
        }
        let output = std::mem::take(&mut buffers.output);
        let written = self.write_or_keep(socket, &output[..sealed], buffers);
        buffers.output = output;
        written.map(|()| plaintext.len())
    }

    /// Writes what was sealed before.
    ///
    /// # Errors
    /// As `send(2)`; `WouldBlock` when something is left.
    pub(super) fn flush(
        &mut self,
        socket: &mut TcpStream,
        buffers: &mut RecordBuffers,
    ) -> io::Result<()> {
        while self.written < self.unwritten.len() {
            self.written += socket.write(&self.unwritten[self.written..])?;
        }
        self.written = 0;
        buffers.give_back(std::mem::take(&mut self.unwritten));
        Ok(())
    }

    fn write_or_keep(
        &mut self,
        socket: &mut TcpStream,
        sealed: &[u8],
        buffers: &mut RecordBuffers,
    ) -> io::Result<()> {
        let written = if self.has_unwritten() {
            0
        } else {
            match socket.write(sealed) {
                Ok(written) => written,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                    ) =>
                {
                    0
                }
                Err(error) => return Err(error),
            }
        };
        if written < sealed.len() {
            buffers.keep_unwritten(&mut self.unwritten, &sealed[written..]);
        }
        Ok(())
    }

    /// Says once that nothing more will come (RFC 8446, section 6.1).
    pub(super) fn say_goodbye(&mut self) {
        if !self.has_said_goodbye {
            self.has_said_goodbye = true;
            self.queue(ContentType::Alert, &CLOSE_NOTIFY);
        }
    }

    /// Opens what arrived before, and reads more where `read` may be asked. `take` gets each payload and says whether it
    /// wants another.
    ///
    /// # Errors
    /// As `recv(2)`; `InvalidData` when the peer broke TLS. It was told by an alert where that could be sent.
    pub(super) fn receive(
        &mut self,
        socket: &mut TcpStream,
        read: Option<
            impl FnOnce(&mut TcpStream, &mut [u8]) -> io::Result<(usize, Option<Instant>)>,
        >,
        buffers: &mut RecordBuffers,
        take: impl FnMut(&[u8]) -> bool,
    ) -> io::Result<Received> {
        buffers.prepare();
        let mut input = std::mem::take(&mut buffers.input);
        let received = self.receive_into(socket, &mut input, read, buffers, take);
        buffers.input = input;
        received
    }

    fn receive_into(
        &mut self,
        socket: &mut TcpStream,
        input: &mut [u8],
        read: Option<
            impl FnOnce(&mut TcpStream, &mut [u8]) -> io::Result<(usize, Option<Instant>)>,
        >,
        buffers: &mut RecordBuffers,
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> io::Result<Received> {
        let mut received = Received::default();
        let before = self.unopened.len();
        input[..before].copy_from_slice(&self.unopened);
        let mut end = before;
        // What has arrived whole is opened before more is read, so that what is kept stays within its bound.
        if let (false, Some(read)) = (self.has_unopened(), read) {
            // One unopened record and a full read fit.
            match read(socket, &mut input[before..]) {
                Ok((0, _)) => received.is_end = true,
                Ok((length, stamp)) => {
                    end += length;
                    received.bytes = length;
                    received.received_at = stamp;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    received.would_block = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let mut start = 0;
        let mut wants_more = true;
        while wants_more && !self.has_peer_closed {
            let length = match record_length(&input[start..end]) {
                Some(Ok(length)) if start + length <= end => length,
                Some(Ok(_)) | None => break,
                Some(Err(fault)) => return Err(self.fail(socket, buffers, fault.into())),
            };
            let record = &mut input[start..start + length];
            start += length;
            match self.open(record) {
                Ok(Some(payload)) => wants_more = take(payload),
                Ok(None) => {}
                Err(fault) => return Err(self.fail(socket, buffers, fault)),
            }
        }
        received.is_end |= self.has_peer_closed;
        received.opened_bytes = start;
        let rest = if self.has_peer_closed { end } else { start };
        buffers.give_back(std::mem::take(&mut self.unopened));
        if rest < end {
            self.unopened = buffers.keep_unopened(&input[rest..end]);
        }
        Ok(received)
    }

    /// The payload of a record, if it holds one for the reader.
    fn open<'a>(&mut self, record: &'a mut [u8]) -> Result<Option<&'a [u8]>, Fault> {
        let (content, range) = self.opening.open(record)?;
        let payload = &record[range];
        match content {
            ContentType::ApplicationData if self.message.is_empty() => Ok(Some(payload)),
            // A handshake message may not be interrupted (RFC 8446, section 5.1).
            ContentType::ApplicationData => Err(Fault::UnexpectedMessage),
            ContentType::Alert => self.handle_alert(payload).map(|()| None),
            ContentType::Handshake => self.handle_messages(payload).map(|()| None),
        }
    }

    fn handle_alert(&mut self, alert: &[u8]) -> Result<(), Fault> {
        match alert {
            [_, 0] => {
                self.has_peer_closed = true;
                Ok(())
            }
            // "user_canceled" goes before a close_notify; TLS 1.2 has warnings that end nothing.
            [1, 90] => Ok(()),
            [1, _] if self.version == ProtocolVersion::TLSv1_2 => Ok(()),
            [_, _] => Err(Fault::AlertReceived),
            _ => Err(Fault::Decode),
        }
    }

    fn handle_messages(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        // In TLS 1.2 only renegotiation would come here, and is not to be had.
        if self.version != ProtocolVersion::TLSv1_3 || bytes.is_empty() {
            return Err(Fault::UnexpectedMessage);
        }
        let mut message = std::mem::take(&mut self.message);
        message.extend_from_slice(bytes);
        let mut rest = message.as_slice();
        while let [kind, a, b, c, body @ ..] = rest {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            if length > POST_HANDSHAKE_BYTES_MAX {
                return Err(Fault::Decode);
            }
            let Some((body, after)) = body.split_at_checked(length) else {
                break;
            };
            rest = after;
            self.handle_message(*kind, body, after.is_empty())?;
        }
        if !rest.is_empty() {
            self.message = rest.to_vec();
        }
        Ok(())
    }

    fn handle_message(&mut self, kind: u8, body: &[u8], is_last: bool) -> Result<(), Fault> {
        match (kind, body) {
            // A key changes at the end of a record (RFC 8446, section 5.1).
            (KEY_UPDATE, [0 | 1]) if is_last => {
                self.key_updates += 1;
                if self.key_updates > TLS_KEY_UPDATES_MAX {
                    return Err(Fault::UnexpectedMessage);
                }
                self.opening = self.keys.next(false).ok_or(Fault::Internal)?;
                if body == [1] {
                    self.queue_key_update().ok_or(Fault::Internal)?;
                }
                Ok(())
            }
            (NEW_SESSION_TICKET, ticket) if self.keys.take_ticket(ticket) => Ok(()),
            _ => Err(Fault::UnexpectedMessage),
        }
    }

    /// Goes on with a new key before the old one is used up.
    fn renew_key(&mut self) -> io::Result<()> {
        if self.version == ProtocolVersion::TLSv1_3 && self.queue_key_update().is_some() {
            return Ok(());
        }
        Err(io::Error::other("the key of a TLS connection is used up"))
    }

    /// Tells the peer that our next record has a new key, and takes it.
    fn queue_key_update(&mut self) -> Option<()> {
        self.queue(ContentType::Handshake, &[KEY_UPDATE, 0, 0, 1, 0]);
        self.sealing = self.keys.next(true)?;
        Some(())
    }

    /// Seals a small message behind everything that waits.
    fn queue(&mut self, content: ContentType, message: &[u8]) {
        let mut record = [0; 64 + OVERHEAD_BYTES_MAX];
        // A key that is used up has nothing more to say.
        if let Ok(length) = self.sealing.seal(content, message, &mut record) {
            self.unwritten.extend_from_slice(&record[..length]);
        }
    }

    /// Tells the peer what it did wrong, if it can still be told at once.
    fn fail(
        &mut self,
        socket: &mut TcpStream,
        buffers: &mut RecordBuffers,
        fault: Fault,
    ) -> io::Error {
        if let Some(alert) = fault.alert() {
            self.has_said_goodbye = true;
            self.queue(ContentType::Alert, &[2, alert]);
            // The connection ends in any case.
            let _ = self.flush(socket, buffers);
        }
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("the peer broke TLS: {fault:?}"),
        )
    }
}
