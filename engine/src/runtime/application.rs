//! What a program puts on a loop: it answers events and deadlines; the loop moves the bytes.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use protocol::connection::{
    BinarySink, CloseReason, Connection, Event, Patience, WebSocketOptions, WrongState,
};
use protocol::time::Instant;

use super::sys::tcp::{self, TcpInfo};
use super::tls::{Acceptor, Connector};
use super::transport::Transport;

/// A program on a loop: the node, or a client.
///
/// All calls come from the loop's own thread. None may block.
pub trait Application {
    /// What the program keeps for each connection.
    type Session;

    /// A peer connected to listener number `listener`; `None` closes the connection at once.
    fn handle_accept(
        &mut self,
        _now: Instant,
        _listener: usize,
        _peer: SocketAddr,
    ) -> Option<Self::Session> {
        None
    }

    /// Whether this peer is a proxy, which begins each connection with a PROXY protocol header.
    fn expects_proxy_header(&self, _: SocketAddr) -> bool {
        false
    }

    /// The proxy that connected has said whose connection it is; `peer` is the client's address from now on, or still the
    /// proxy's where the connection is its own.
    fn handle_proxied(&mut self, _: &mut Self::Session, _peer: SocketAddr) {}

    /// A connection could not be accepted for want of descriptors or memory; it waits in the backlog.
    fn handle_accept_failed(&mut self, _: Instant, _: &io::Error) {}

    /// The first byte has gone out to a peer that connected, so long after it was accepted.
    fn observe_first_byte(&mut self, _: Duration) {}

    /// How long the connections of peers that connected wait for them.
    fn patience(&self) -> Patience {
        Patience::default()
    }

    /// With what the peers of listener number `listener` are to make a TLS handshake; `None` speaks plain.
    fn acceptor(&self, _: usize) -> Option<&Acceptor> {
        None
    }

    /// With what a TLS handshake is to be made on the connection that `session` was asked for with; `None` speaks plain.
    fn connector(&self, _: &Self::Session) -> Option<&Connector> {
        None
    }

    /// The next connection to open, if one is wanted now. Asked in every turn.
    fn poll_connect(&mut self) -> Option<Connect<Self::Session>> {
        None
    }

    /// A connection that [`Application::poll_connect`] asked for stands.
    fn handle_connected(&mut self, _: &mut Context<'_>, _: &mut Self::Session) {}

    /// A connection that [`Application::poll_connect`] asked for did not come about.
    fn handle_connect_failed(&mut self, _: Instant, _: Self::Session, _: &io::Error) {}

    /// Something happened on a connection; `payload` is the event's, if it has one.
    fn handle_event(
        &mut self,
        context: &mut Context<'_>,
        session: &mut Self::Session,
        event: Event,
        payload: &[u8],
    );

    /// When `session` wants [`Application::handle_timeout`].
    fn poll_timeout(&self, session: &Self::Session) -> Option<Instant>;

    /// The time that `session` asked for has come.
    fn handle_timeout(&mut self, context: &mut Context<'_>, session: &mut Self::Session);

    /// The loop looks at every session after [`Application::handle_tick`] asked for it, and when it drains.
    fn handle_sweep(
        &mut self,
        context: &mut Context<'_>,
        session: &mut Self::Session,
        sweep: Sweep,
    );

    /// A connection is over and its session with it. The socket is still open, to be asked about.
    fn handle_closed(
        &mut self,
        context: &mut Context<'_>,
        session: Self::Session,
        reason: CloseReason,
    );

    /// A peer makes a request on a connection that carries many at a time (HTTP/2), whose session is given. Returns what to keep
    /// for it: from here to [`Application::handle_stream_closed`] the stream is like a connection of its own. `None` refuses.
    fn handle_stream(&mut self, _: Instant, _: &mut Self::Session) -> Option<Self::Session> {
        None
    }

    /// A stream is over and its session with it; its connection may go on.
    fn handle_stream_closed(&mut self, _: &mut Context<'_>, _: Self::Session, _: CloseReason) {}

    /// Every [`TICK`].
    fn handle_tick(&mut self, now: Instant, counters: &Counters) -> Directive;

    /// How late the loop was: the lateness of a timer, or the length of a turn, during which whatever became ready waited.
    fn observe_lag(&mut self, _now: Instant, _lag: Duration) {}
}

/// A connection that the application wants.
#[derive(Clone, Copy, Debug)]
pub struct Connect<S> {
    /// Whom to connect to.
    pub peer: SocketAddr,
    /// From which of the machine's addresses; `None` leaves it to the kernel.
    pub local: Option<IpAddr>,
    /// What to keep with it.
    pub session: S,
}

/// The loop's own heartbeat.
pub const TICK: Duration = Duration::from_millis(100);

/// What a loop is to do after a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directive {
    /// What it does.
    GoOn,
    /// Show every session to [`Application::handle_sweep`].
    Sweep,
    /// Stop accepting, tell the sessions, and end once they have, or after 5 s.
    Drain,
}

/// Why every session is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// [`Application::handle_tick`] asked for it.
    Asked,
    /// The loop ends: sessions are told, and have a short time to finish.
    Drain,
}

/// What a loop has done since it started, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections open now.
    pub connections: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Bytes read from sockets.
    pub received_bytes: u64,
    /// Bytes written to sockets.
    pub sent_bytes: u64,
    /// Turns of the loop.
    pub turns: u64,
}

/// One connection, as its application sees it during a call.
#[derive(Debug)]
pub struct Context<'a> {
    /// The time of this call.
    pub now: Instant,
    /// When the kernel received the newest input, where the application asked for it with [`Context::stamp_arrivals`].
    pub received_at: Option<Instant>,
    /// The peer's address, as the socket has it.
    pub peer: SocketAddr,
    /// The connection's state machine, for answers.
    pub connection: &'a mut Connection,
    pub(super) transport: &'a mut Transport,
    pub(super) is_aborted: &'a mut bool,
}

impl Context<'_> {
    /// Asks the kernel to stamp what arrives from now on; see [`Context::received_at`].
    ///
    /// # Errors
    /// As `setsockopt(2)`.
    pub fn stamp_arrivals(&mut self) -> io::Result<()> {
        self.transport.stamp_arrivals()
    }

    /// Opens a WebSocket on a connection that has just come about.
    ///
    /// # Errors
    /// The connection has begun with something else.
    pub fn open_websocket(
        &mut self,
        target: &str,
        host: &str,
        binary: BinarySink,
    ) -> Result<(), WrongState> {
        let mut nonce = [0; 16];
        // A server takes any key; a machine without randomness only loses the masks' unpredictability.
        let _ = getrandom::fill(&mut nonce);
        let options = WebSocketOptions {
            binary,
            extra_fields: Vec::new(),
        };
        self.connection
            .request_websocket(self.now, target, host, nonce, options)
    }

    /// Ends the connection at once: what waits to be sent is dropped, and the peer sees a reset. A stream ends alone.
    pub fn abort(&mut self) {
        *self.is_aborted = true;
    }

    /// What the kernel knows of the connection.
    ///
    /// # Errors
    /// As `getsockopt(2)`.
    pub fn tcp_info(&self) -> io::Result<TcpInfo> {
        tcp::info(self.transport.as_fd())
    }

    /// The socket, for its options.
    #[must_use]
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.transport.as_fd()
    }
}
