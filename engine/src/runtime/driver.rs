//! A driver pumps one transport against one connection: input in, events to the application, output out, until the
//! socket has no more to give or to take, or the budget is used up.

mod ahead;
mod announced;
mod encrypted;
mod gathering;
mod streams;

use std::io;
use std::net::SocketAddr;

use protocol::connection::{
    CloseReason, Connection, Event, Filler, FillerLayout, Patience, Receive,
};
use protocol::limits::{BUFFER_RELEASE_TIMEOUT, TLS_HANDSHAKE_TIMEOUT};
use protocol::proxy::HeaderReader;
use protocol::time::Instant;

use super::application::{Application, Context};
use super::frames::FrameBlock;
use super::payload::Payload;
use super::tls::RecordBuffers;
use super::transport::Transport;
use ahead::{Foreseen, Sight};
use gathering::Gathering;
use streams::Exchange;

/// Most bytes that one connection moves before the others get their turn, each way. It bounds how long whatever else is ready
/// on the same loop waits behind a bulk flow. A smaller one costs more: 64 downloads took 0.077 CPU-s/GB with 128 KiB, 0.070
/// with 256 KiB and 0.067 with 1 MiB, at which the probes' 99th percentile was 202 µs and not 143. By these costs one turn of
/// 512 KiB is estimated at 35 to 40 µs; TLS adds 56 µs to the estimate at the speed of its cipher (`tls`).
pub const DRIVE_BUDGET_BYTES: usize = 512 * 1024;
/// The same for what a server sends without TLS, where a byte costs least: 64 downloads under cubic cost 0.042 CPU-s/GB with it
/// and 0.044 with half of it, and the probes' 99th percentile was no other.
const DOWNLOAD_BUDGET_BYTES: usize = 1024 * 1024;
/// A transmit buffer that grew beyond this is given back once it's empty.
const TRANSMIT_BYTES_KEPT: usize = 4 * 1024;

/// Names a driver for as long as it lives: a slot and the generation of its use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DriverKey {
    /// The slot.
    pub index: u32,
    /// Told apart from earlier drivers in the same slot.
    pub generation: u32,
}

/// What the loop lends to every drive.
pub(super) struct Workspace<'a> {
    pub(super) payload: Option<&'a Payload>,
    pub(super) read_buffer: &'a mut [u8],
    pub(super) scratch: &'a mut Vec<u8>,
    pub(super) frames: &'a mut Option<FrameBlock>,
    pub(super) records: &'a mut RecordBuffers,
}

/// How a drive ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing more can be done until the socket or a deadline says so.
    Waiting,
    /// Stopped on the budget: there is more to do.
    Unfinished,
    /// The connection is over.
    Closed(CloseReason),
}

/// What has come about so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The connection is being made.
    Connecting,
    /// The connection stands, and it's a proxy's that has not said yet whose it is.
    Announcing { deadline: Instant },
    /// The connection stands; TLS does not yet.
    Handshaking { deadline: Instant },
    /// The application is served.
    Open,
}

/// Whether a connection stands.
#[derive(Debug)]
pub(super) enum Established {
    /// It does.
    Yes,
    /// The peer has not answered yet.
    NotYet,
    /// The peer, or something on the way, refused.
    Failed(io::Error),
    /// The peer connected, and did not say whose connection it is.
    Unannounced(CloseReason),
}

/// One connection on one socket.
#[derive(Debug)]
pub(super) struct Driver<S> {
    pub(super) generation: u32,
    pub(super) peer: SocketAddr,
    pub(super) transport: Transport,
    pub(super) connection: Connection,
    pub(super) session: S,
    /// The streams of a connection that has any.
    exchanges: Vec<Exchange<S>>,
    /// Whether it waits on the ready list.
    pub(super) is_queued: bool,
    /// The socket's readiness: set by the poll, cleared by `WouldBlock`. The poll is edge-triggered and registered for both
    /// directions once; whether to read or write at all is asked of the connection each time.
    pub(super) is_readable: bool,
    pub(super) is_writable: bool,
    /// Whether more of the same is likely to wait behind what is thrown away.
    sight: Sight,
    gathering: Gathering,
    stage: Stage,
    /// What a proxy says before anything else, as far as it has arrived.
    announcement: Option<Box<HeaderReader>>,
    /// Of the server's connections; `None` on one that was opened from here.
    patience: Option<Patience>,
    /// All is said, and the rest of it has to be written by then.
    close_deadline: Option<Instant>,
    /// When the peer was accepted, until the first byte has gone out to it.
    awaits_first_byte_since: Option<Instant>,
    pub(super) received_bytes: u64,
    pub(super) sent_bytes: u64,
    received_at: Option<Instant>,
    transmit: Vec<u8>,
    transmitted: usize,
    transmit_used_at: Instant,
    has_shut_write: bool,
    close_reason: Option<CloseReason>,
    is_aborted: bool,
}

impl<S> Driver<S> {
    /// A peer that has connected.
    pub(super) fn accepted(
        transport: Transport,
        session: S,
        peer: SocketAddr,
        now: Instant,
        patience: Patience,
    ) -> Self {
        let stage = Self::stage_of(&transport, now);
        // After a handshake it's made anew, for what was agreed to be spoken.
        let connection = Connection::patient_server(now, patience);
        Self {
            patience: Some(patience),
            awaits_first_byte_since: Some(now),
            ..Self::new(transport, connection, session, peer, stage)
        }
    }

    /// A peer that is being connected to.
    pub(super) fn connecting(
        transport: Transport,
        session: S,
        peer: SocketAddr,
        now: Instant,
    ) -> Self {
        let connection = Connection::client(now);
        Self::new(transport, connection, session, peer, Stage::Connecting)
    }

    /// Once the connection stands.
    fn stage_of(transport: &Transport, now: Instant) -> Stage {
        if transport.is_encrypted() {
            Stage::Handshaking {
                deadline: now + TLS_HANDSHAKE_TIMEOUT,
            }
        } else {
            Stage::Open
        }
    }

    fn new(
        transport: Transport,
        connection: Connection,
        session: S,
        peer: SocketAddr,
        stage: Stage,
    ) -> Self {
        let is_connecting = stage == Stage::Connecting;
        Self {
            generation: 0,
            peer,
            transport,
            connection,
            session,
            exchanges: Vec::new(),
            is_queued: false,
            is_readable: !is_connecting,
            is_writable: !is_connecting,
            sight: Sight::default(),
            gathering: Gathering::default(),
            stage,
            announcement: None,
            patience: None,
            close_deadline: None,
            awaits_first_byte_since: None,
            received_bytes: 0,
            sent_bytes: 0,
            received_at: None,
            transmit: Vec::new(),
            transmitted: 0,
            transmit_used_at: Instant::ORIGIN,
            has_shut_write: false,
            close_reason: None,
            is_aborted: false,
        }
    }

    /// Whether the connection stands; the application is told when it has come about.
    pub(super) fn establish<A>(&mut self, application: &mut A, now: Instant) -> Established
    where
        A: Application<Session = S>,
    {
        if self.stage != Stage::Open && self.is_aborted {
            // Whoever is being connected to may never answer.
            return Established::Failed(io::ErrorKind::ConnectionAborted.into());
        }
        if self.stage == Stage::Connecting {
            if !self.is_writable {
                return Established::NotYet;
            }
            if let Some(error) = self.transport.take_error() {
                return Established::Failed(error);
            }
            self.stage = Self::stage_of(&self.transport, now);
            if self.stage == Stage::Open {
                self.tell_connected(application, now);
            }
        }
        if let Stage::Announcing { deadline } = self.stage {
            match self.hear_proxy(now, deadline) {
                Ok(true) => application.handle_proxied(&mut self.session, self.peer),
                Ok(false) => return Established::NotYet,
                Err(reason) => return Established::Unannounced(reason),
            }
            self.stage = Self::stage_of(&self.transport, now);
        }
        match self.stage {
            Stage::Handshaking { deadline } => self.shake_hands(application, now, deadline),
            Stage::Connecting | Stage::Announcing { .. } | Stage::Open => Established::Yes,
        }
    }

    fn tell_connected<A>(&mut self, application: &mut A, now: Instant)
    where
        A: Application<Session = S>,
    {
        let (mut context, session) = self.context(now);
        application.handle_connected(&mut context, session);
    }

    /// The application's view, and its session beside it.
    pub(super) fn context(&mut self, now: Instant) -> (Context<'_>, &mut S) {
        let context = Context {
            now,
            received_at: self.received_at,
            peer: self.peer,
            connection: &mut self.connection,
            transport: &mut self.transport,
            is_aborted: &mut self.is_aborted,
        };
        (context, &mut self.session)
    }

    /// When the peer was accepted, once: when the first byte has gone out to it.
    pub(super) fn take_first_byte(&mut self) -> Option<Instant> {
        self.awaits_first_byte_since
            .take_if(|_| self.sent_bytes > 0)
    }

    /// Takes the driver apart for its last call.
    pub(super) fn into_closed<A>(mut self, application: &mut A, now: Instant, reason: CloseReason)
    where
        A: Application<Session = S>,
    {
        self.close_exchanges(application, now, reason);
        let mut context = Context {
            now,
            received_at: self.received_at,
            peer: self.peer,
            connection: &mut self.connection,
            transport: &mut self.transport,
            is_aborted: &mut self.is_aborted,
        };
        application.handle_closed(&mut context, self.session, reason);
    }

    /// Moves what can be moved, within the budget.
    pub(super) fn drive<A>(
        &mut self,
        application: &mut A,
        now: Instant,
        workspace: &mut Workspace<'_>,
    ) -> Outcome
    where
        A: Application<Session = S>,
    {
        let mut budget = Budget {
            receive: DRIVE_BUDGET_BYTES,
            send: if self.is_accepted() && !self.transport.is_encrypted() {
                DOWNLOAD_BUDGET_BYTES
            } else {
                DRIVE_BUDGET_BYTES
            },
        };
        loop {
            self.deliver_events(application, now, workspace.scratch);
            if let Some(outcome) = self.finish(now, workspace.records) {
                return outcome;
            }
            let sent = match self.send(now, workspace, &mut budget.send) {
                Ok(progress) => progress,
                Err(_) => return self.outcome_of_failure(application, now, workspace.scratch),
            };
            let received = match self.receive(now, workspace, &mut budget.receive) {
                Ok(progress) => progress,
                Err(_) => return self.outcome_of_failure(application, now, workspace.scratch),
            };
            match (sent, received) {
                (Progress::Exhausted, _) | (_, Progress::Exhausted) => return Outcome::Unfinished,
                (Progress::Idle, Progress::Idle) => {
                    if !self.deliver_events(application, now, workspace.scratch) {
                        return Outcome::Waiting;
                    }
                }
                (Progress::Moved, _) | (_, Progress::Moved) => {}
            }
        }
    }

    /// Whether there were any.
    fn deliver_events<A>(
        &mut self,
        application: &mut A,
        now: Instant,
        scratch: &mut Vec<u8>,
    ) -> bool
    where
        A: Application<Session = S>,
    {
        let mut has_delivered = self.deliver_stream_events(application, now, scratch);
        while let Some(event) = self.connection.poll_event(scratch) {
            if let Event::Closed(reason) = event {
                self.close_reason = Some(reason);
            } else {
                let (mut context, session) = self.context(now);
                application.handle_event(&mut context, session, event, scratch);
            }
            has_delivered = true;
        }
        has_delivered
    }

    fn send(
        &mut self,
        now: Instant,
        workspace: &mut Workspace<'_>,
        budget: &mut usize,
    ) -> io::Result<Progress> {
        let mut progress = Progress::Idle;
        while self.is_writable {
            if self.transport.has_unwritten()
                && retry(|| self.transport.flush(workspace.records))?.is_none()
            {
                self.is_writable = false;
                break;
            }
            if self.transmitted == self.transmit.len() {
                self.recycle_transmit_buffer(now);
                self.connection.poll_transmit(now, &mut self.transmit);
            }
            let moved = if self.transmitted < self.transmit.len() {
                let moved = retry(|| {
                    self.transport
                        .write(&self.transmit[self.transmitted..], workspace.records)
                })?;
                if let Some(moved) = moved {
                    self.transmitted += moved;
                    self.transmit_used_at = now;
                    self.connection.handle_transmitted(now, moved as u64);
                }
                moved
            } else if let Some(filler) = self.connection.poll_filler() {
                if *budget == 0 {
                    return Ok(Progress::Exhausted);
                }
                // Not a client's: with it, and the budget of a download, an upload under BBR carried half as much.
                self.transport.set_cork(self.is_accepted());
                let moved = retry(|| self.send_filler(workspace, &filler, *budget))?;
                if let Some(moved) = moved {
                    self.connection.handle_filler_sent(now, moved as u64);
                }
                moved
            } else {
                self.transport.set_cork(false);
                break;
            };
            match moved {
                Some(moved) => {
                    progress = Progress::Moved;
                    self.sent_bytes += moved as u64;
                    *budget = budget.saturating_sub(moved);
                }
                None => self.is_writable = false,
            }
        }
        Ok(progress)
    }

    /// Sends a part of `filler`, at most `most` bytes of it.
    fn send_filler(
        &mut self,
        workspace: &mut Workspace<'_>,
        filler: &Filler,
        most: usize,
    ) -> io::Result<usize> {
        let FillerLayout::Http2Frames { stream } = filler.layout else {
            let payload = workspace.payload;
            return (self.transport).send_filler(payload, filler, most, workspace.records);
        };
        let block = match &mut *workspace.frames {
            Some(block) => block,
            none => none.insert(FrameBlock::create()?),
        };
        let length = filler.remaining.min(most as u64);
        let frames = block.frames(stream, filler.offset, length);
        self.transport.write(frames, workspace.records)
    }

    /// A WebSocket that sends long messages sends more of them: its buffer stays until the connection's own buffers go, whose
    /// deadline has this looked at too. What an HTTP response needed is given back at once.
    fn recycle_transmit_buffer(&mut self, now: Instant) {
        self.transmitted = 0;
        self.transmit.clear();
        let is_in_use =
            self.connection.is_websocket() && now - self.transmit_used_at < BUFFER_RELEASE_TIMEOUT;
        if self.transmit.capacity() > TRANSMIT_BYTES_KEPT && !is_in_use {
            self.transmit.shrink_to(TRANSMIT_BYTES_KEPT);
        }
    }

    /// One read, or discards up to the budget.
    fn receive(
        &mut self,
        now: Instant,
        workspace: &mut Workspace<'_>,
        budget: &mut usize,
    ) -> io::Result<Progress> {
        if !self.is_readable && !self.transport.has_unopened() {
            return Ok(Progress::Idle);
        }
        let mode = self.connection.receive();
        if mode != Receive::Paused && *budget == 0 {
            return Ok(Progress::Exhausted);
        }
        if mode != Receive::Paused && self.transport.is_encrypted() {
            return self.receive_records(now, workspace.records, budget);
        }
        let buffer = &mut *workspace.read_buffer;
        let moved = match mode {
            Receive::Paused => return Ok(Progress::Idle),
            Receive::Bytes => self.read(now, buffer)?,
            Receive::Header { most } => {
                let most = most.min(buffer.len());
                self.read(now, &mut buffer[..most])?
            }
            Receive::Discard { remaining } => {
                let Foreseen { remaining, is_all } = self.look_ahead(remaining, *budget);
                let length = remaining.min(*budget as u64) as usize;
                let discarded = retry(|| self.transport.discard(length))?;
                if let Some(discarded) = discarded {
                    self.connection.handle_discarded(now, discarded as u64);
                    if discarded < length || is_all {
                        self.leave_to_gather();
                    }
                }
                discarded
            }
        };
        match moved {
            None => {
                self.is_readable = false;
                Ok(Progress::Idle)
            }
            Some(0) => {
                self.is_readable = false;
                self.connection.handle_eof(now);
                Ok(Progress::Moved)
            }
            Some(length) => {
                self.received_bytes += length as u64;
                *budget = budget.saturating_sub(length);
                self.begin_to_gather(now);
                Ok(Progress::Moved)
            }
        }
    }

    /// `None` when nothing has arrived.
    fn read(&mut self, now: Instant, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let read = retry(|| self.transport.read(buffer))?;
        Ok(read.map(|(length, received_at)| {
            self.received_at = received_at;
            self.connection.handle_input(now, &buffer[..length]);
            length
        }))
    }

    /// Ends the driver when all is said, or only its sending side while the peer may still be talking.
    fn finish(&mut self, now: Instant, records: &mut RecordBuffers) -> Option<Outcome> {
        if self.is_aborted {
            self.transport.reset_on_close();
            return Some(Outcome::Closed(CloseReason::Finished));
        }
        if let Some(reason) = self.close_reason {
            return Some(self.close(now, reason, records));
        }
        if self.connection.wants_shutdown() && !self.has_shut_write {
            self.has_shut_write = true;
            self.transport.shutdown_write();
        }
        None
    }

    fn outcome_of_failure<A>(
        &mut self,
        application: &mut A,
        now: Instant,
        scratch: &mut Vec<u8>,
    ) -> Outcome
    where
        A: Application<Session = S>,
    {
        self.connection.handle_eof(now);
        self.deliver_events(application, now, scratch);
        Outcome::Closed(self.close_reason.unwrap_or(CloseReason::PeerVanished))
    }
}

struct Budget {
    receive: usize,
    send: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Idle,
    Moved,
    Exhausted,
}

/// `None` when the call would block; interrupted calls are made again.
fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<Option<T>> {
    loop {
        match call() {
            Ok(value) => return Ok(Some(value)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
