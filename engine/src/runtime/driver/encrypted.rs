//! What a driver does beyond the ordinary when its transport speaks TLS: the handshake first, records instead of reads,
//! and a last flush before the end.

use std::io;

use protocol::connection::{CloseReason, Connection, Patience, Receive};
use protocol::limits::WRITE_STALL_TIMEOUT;
use protocol::time::Instant;

use super::{Driver, Established, Outcome, Progress, Stage, retry};
use crate::runtime::application::Application;
use crate::runtime::tls::{HandshakeStep, RecordBuffers};

impl<S> Driver<S> {
    pub(super) fn shake_hands<A>(
        &mut self,
        application: &mut A,
        now: Instant,
        deadline: Instant,
    ) -> Established
    where
        A: Application<Session = S>,
    {
        if now >= deadline {
            return Established::Failed(io::ErrorKind::TimedOut.into());
        }
        let (protocol, early) = match self.transport.drive_handshake() {
            Ok(HandshakeStep::Done { protocol, early }) => (protocol, early),
            Ok(HandshakeStep::Waiting) => return Established::NotYet,
            Err(error) => return Established::Failed(error),
        };
        self.stage = Stage::Open;
        // The handshake asked the socket by itself.
        self.is_readable = true;
        self.is_writable = true;
        match self.patience {
            Some(patience) => {
                self.connection = server_connection(protocol.as_deref(), now, patience);
            }
            None => self.tell_connected(application, now),
        }
        if !early.is_empty() {
            self.connection.handle_input(now, &early);
        }
        Established::Yes
    }

    /// Whether it costs a handshake's work to drive it, now or behind a proxy's announcement.
    pub(in crate::runtime) const fn is_handshaking(&self) -> bool {
        match self.stage {
            Stage::Handshaking { .. } => true,
            Stage::Announcing { .. } => self.transport.is_encrypted(),
            Stage::Connecting | Stage::Open => false,
        }
    }

    /// Whether the peer connected, and not we to it.
    pub(in crate::runtime) const fn is_accepted(&self) -> bool {
        self.patience.is_some()
    }

    /// When the transport itself has waited long enough.
    pub(in crate::runtime) fn deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::Announcing { deadline } | Stage::Handshaking { deadline } => Some(deadline),
            Stage::Connecting | Stage::Open => {
                let gathered = self.gathering.deadline();
                [self.close_deadline, gathered].into_iter().flatten().min()
            }
        }
    }

    /// One read's records, until the connection has enough.
    pub(super) fn receive_records(
        &mut self,
        now: Instant,
        records: &mut RecordBuffers,
        budget: &mut usize,
    ) -> io::Result<Progress> {
        let connection = &mut self.connection;
        let received = self
            .transport
            .receive_records(self.is_readable, records, |payload| {
                take_payload(connection, now, payload);
                connection.receive() != Receive::Paused
            })?;
        if received.bytes > 0 {
            self.received_at = received.received_at;
        }
        self.received_bytes += received.bytes as u64;
        *budget = budget.saturating_sub(received.bytes.max(received.opened_bytes));
        if received.is_end {
            self.is_readable = false;
            self.connection.handle_eof(now);
            return Ok(Progress::Moved);
        }
        if received.would_block {
            self.is_readable = false;
            return Ok(Progress::Idle);
        }
        Ok(Progress::Moved)
    }

    /// What TLS has sealed counts as sent, so it is written before the end, and the end is told.
    pub(super) fn close(
        &mut self,
        now: Instant,
        reason: CloseReason,
        records: &mut RecordBuffers,
    ) -> Outcome {
        if !self.transport.is_encrypted() {
            return Outcome::Closed(reason);
        }
        if !self.has_shut_write {
            self.has_shut_write = true;
            self.transport.shutdown_write();
        }
        let deadline = *self.close_deadline.get_or_insert(now + WRITE_STALL_TIMEOUT);
        let is_hopeless = now >= deadline || reason == CloseReason::WriteStalled;
        match retry(|| self.transport.flush(records)) {
            Ok(None) if !is_hopeless => {
                self.is_writable = false;
                Outcome::Waiting
            }
            Ok(_) | Err(_) => Outcome::Closed(reason),
        }
    }
}

/// The connection that speaks what the peers agreed on; HTTP/1.1 where they agreed on nothing.
fn server_connection(protocol: Option<&[u8]>, now: Instant, patience: Patience) -> Connection {
    match protocol {
        Some(b"h2") => Connection::http2_server(now, patience),
        Some(_) | None => Connection::patient_server(now, patience),
    }
}

/// Gives a payload to the connection as it wants it.
fn take_payload(connection: &mut Connection, now: Instant, payload: &[u8]) {
    let discarded = match connection.receive() {
        Receive::Discard { remaining } => remaining.min(payload.len() as u64),
        Receive::Bytes | Receive::Header { .. } | Receive::Paused => 0,
    };
    if discarded > 0 {
        connection.handle_discarded(now, discarded);
    }
    let rest = &payload[discarded as usize..];
    if !rest.is_empty() {
        connection.handle_input(now, rest);
    }
}
