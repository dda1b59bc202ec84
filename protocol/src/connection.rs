//! What a driver pumps, whatever is spoken on it: bytes and `now` in; bytes, filler, events and deadlines out.
//!
//! Owns the vocabulary that drivers and connections share, and the change from HTTP to WebSocket. Refuses to know
//! sockets and endpoints. A driver derives how to read from [`Connection::receive`], and after every other call
//! drains [`Connection::poll_transmit`], [`Connection::poll_filler`] and [`Connection::poll_event`] until none yields.

pub(crate) mod buffers;
pub(crate) mod end;
mod foresight;
mod streams;

pub use streams::StreamId;

use std::time::Duration;

use crate::http1::{self, Request, RequestHead, Response, ResponseHead};
use crate::http2;
use crate::limits::{INACTIVITY_TIMEOUT, WRITE_STALL_TIMEOUT};
use crate::proxy;
use crate::time::Instant;
use crate::websocket::{self, WebSocket};

/// How the driver should read now. Derived from state, to be asked before every read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receive {
    /// Read up to the loop's buffer and call [`Connection::handle_input`].
    Bytes,
    /// The same, but payload that nobody looks at seems to follow in a moment: read no more than `most` bytes, lest it be
    /// copied. Reading more is as correct.
    Header {
        /// How many complete what is awaited; never zero.
        most: usize,
    },
    /// The next `remaining` bytes are payload that nobody looks at: throw up to that many away in the cheapest way
    /// the transport has, and call [`Connection::handle_discarded`]. Reading them as bytes is as correct.
    Discard {
        /// How many; `u64::MAX` while a connection lingers before its close.
        remaining: u64,
    },
    /// Do not read: back-pressure, or nothing more is expected.
    Paused,
}

/// Payload that is described, not carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filler {
    /// What the bytes must look like.
    pub layout: FillerLayout,
    /// Position in the layout's endless cycle; the driver takes it modulo the length of its payload file, which must
    /// be a multiple of [`FillerLayout::stride_bytes`].
    pub offset: u64,
    /// Most bytes to send before asking again; headers included.
    pub remaining: u64,
}

/// What filler looks like on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FillerLayout {
    /// Any bytes.
    Raw,
    /// Unmasked binary frames of `FILLER_FRAME_PAYLOAD_BYTES`, each with its header.
    WebSocketFrames,
    /// The same as a client sends them: masked.
    MaskedWebSocketFrames,
    /// HTTP/2's DATA frames of `HTTP2_FRAME_PAYLOAD_BYTES`, each with its header, which names a stream: a file can't
    /// hold them. [`http2::stamp_http2_frames`] writes the headers into a block of memory.
    Http2Frames {
        /// The stream that they belong to.
        stream: u32,
    },
}

/// What happened on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Server: a request head is complete. The application must answer with [`Connection::respond`],
    /// [`Connection::receive_body`] or [`Connection::accept_websocket`]; until then nothing more is parsed.
    Request(Request),
    /// Client: a response head is complete. Interim responses are skipped; 101 gives [`Event::Upgraded`].
    Response(Response),
    /// The body has arrived. With [`BodySink::Collect`] its bytes are in the scratch buffer, else only counted.
    BodyComplete {
        /// Payload bytes of the body.
        bytes: u64,
        /// From the end of the head to the last byte.
        elapsed: Duration,
    },
    /// Server: the response, filler included, was handed over whole.
    ResponseSent,
    /// Client: the WebSocket is open.
    Upgraded,
    /// A whole message; its payload is in the scratch buffer.
    Message(MessageKind),
    /// A pong; its payload is in the scratch buffer.
    Pong,
    /// Filler of a WebSocket or of a client's request body is out: it was finite, or it was stopped.
    FillerSent,
    /// The connection is over and nothing will follow. What could be sent was reported as sent: close the transport
    /// now, without waiting for anything.
    Closed(CloseReason),
}

/// Text or binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// UTF-8, checked.
    Text,
    /// Bytes.
    Binary,
}

/// How long a connection waits for its peer, where that is for an operator to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// A transfer or a WebSocket on which nothing moves is ended after this long.
    pub inactivity: Duration,
    /// A peer that does not read what waits for it is ended after this long.
    pub write_stall: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            inactivity: INACTIVITY_TIMEOUT,
            write_stall: WRITE_STALL_TIMEOUT,
        }
    }
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// HTTP: the last response is out and the connection was not to be kept.
    Finished,
    /// The peer closed in good order: between two HTTP messages, or with a WebSocket close of this code.
    PeerClosed {
        /// The code of the peer's close frame, if it had one.
        code: Option<u16>,
    },
    /// The peer closed its sending side in the middle of something.
    PeerVanished,
    /// A kept HTTP connection was not used.
    IdleTimeout,
    /// Not a byte of a request, or of the rest of its head, came in time.
    HeadTimeout,
    /// The transport's handshake failed, or was not done in time. A connection never says this itself.
    HandshakeFailed,
    /// The peer moved no byte for [`Patience::inactivity`].
    InactivityTimeout,
    /// The peer did not read what was waiting for it.
    WriteStalled,
    /// The peer did not answer a close frame in time.
    CloseTimeout,
    /// The peer broke the protocol.
    ProtocolError(ProtocolError),
    /// Server: the peer's request was answered with this fault's error, and the connection ended with it.
    Refused(http1::Fault),
    /// The application closed the WebSocket with this code and the peer agreed.
    Local(u16),
}

/// How the peer broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// In HTTP, as a server (a client's faults are [`CloseReason::Refused`]).
    Http(http1::Fault),
    /// In HTTP/2.
    Http2(http2::Fault),
    /// In a WebSocket.
    WebSocket(websocket::Fault),
    /// In the header with which a proxy was to begin.
    Proxy(proxy::Fault),
}

/// What becomes of a body that is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodySink {
    /// Counted and thrown away.
    Discard,
    /// Kept for [`Event::BodyComplete`].
    Collect {
        /// The most that is kept; beyond it a server answers 413 and a client gives the connection up.
        limit_bytes: usize,
    },
}

/// The body of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseBody {
    /// None.
    Empty,
    /// Bytes that live as long as the program.
    Static(&'static [u8]),
    /// Bytes made for this response.
    Owned(Vec<u8>),
    /// Filler.
    Filler {
        /// Its Content-Length; `None` sends until [`Connection::stop_filler`], and ends with the connection.
        length: Option<u64>,
    },
}

/// The body of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestBody {
    /// None.
    Empty,
    /// Bytes.
    Bytes(Vec<u8>),
    /// Filler.
    Filler {
        /// Its Content-Length.
        length: u64,
    },
}

/// What becomes of binary messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinarySink {
    /// Each becomes an [`Event::Message`]; at most `WEBSOCKET_MESSAGE_BYTES_MAX`.
    Deliver,
    /// Their payload is counted and never looked at. Text is delivered all the same.
    Discard,
    /// Each becomes an [`Event::Message`] of its first so many bytes; the rest is counted and never looked at.
    Head {
        /// How many.
        bytes: usize,
    },
}

/// How to open a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketOptions {
    /// What becomes of binary messages.
    pub binary: BinarySink,
    /// Further fields of the handshake.
    pub extra_fields: Vec<http1::Field>,
}

/// The connection is not in a state in which that call has a meaning; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongState;

/// Why a message was not accepted for sending; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// `TRANSMIT_BUFFER_BYTES_MAX` are waiting already: the peer reads too slowly.
    Full,
    /// It is no open WebSocket, or it is closing.
    Closed,
    /// Filler is being sent already.
    Busy,
    /// A ping holds at most 125 bytes.
    TooLong,
}

/// One connection, server or client, HTTP or WebSocket; or one stream of an HTTP/2 connection.
///
/// An HTTP/2 connection carries many requests at a time. Its own events are [`Event::Closed`] alone; all others come
/// from [`Connection::poll_stream_event`], and are answered on the `Connection` that [`Connection::stream_mut`] gives
/// for the stream. To an application that is a server's connection with one request; a driver has no use for it.
#[derive(Debug)]
pub struct Connection(Inner);

#[derive(Debug)]
enum Inner {
    Server(http1::Server),
    Client(http1::Client),
    WebSocket(WebSocket),
    Http2(Box<http2::Server>),
    Stream(Box<http2::Stream>),
}

/// Calls the same method of whatever is spoken. A stream is not driven by itself: it gives `$idle`.
macro_rules! each {
    ($self:expr, $inner:ident => $call:expr, else $idle:expr) => {
        match $self {
            Inner::Server($inner) => $call,
            Inner::Client($inner) => $call,
            Inner::WebSocket($inner) => $call,
            Inner::Http2($inner) => $call,
            Inner::Stream(_) => $idle,
        }
    };
}

impl Connection {
    /// A server's connection that was just accepted.
    #[must_use]
    pub fn server(now: Instant) -> Self {
        Self::patient_server(now, Patience::default())
    }

    /// The same with a patience of its own.
    #[must_use]
    pub fn patient_server(now: Instant, patience: Patience) -> Self {
        Self(Inner::Server(http1::Server::new(now, patience)))
    }

    /// A client's connection that was just opened; [`Connection::request`] comes next.
    #[must_use]
    pub fn client(now: Instant) -> Self {
        Self(Inner::Client(http1::Client::new(now, Patience::default())))
    }

    /// Takes all of `bytes`, which arrived in this order.
    pub fn handle_input(&mut self, now: Instant, bytes: &[u8]) {
        each!(&mut self.0, inner => inner.handle_input(now, bytes), else ());
        self.upgrade_client(now);
    }

    /// `count` bytes were thrown away as [`Receive::Discard`] allows.
    pub fn handle_discarded(&mut self, now: Instant, count: u64) {
        each!(&mut self.0, inner => inner.handle_discarded(now, count), else ());
    }

    /// The peer closed its sending side.
    pub fn handle_eof(&mut self, now: Instant) {
        each!(&mut self.0, inner => inner.handle_eof(now), else ());
    }

    /// The deadline of [`Connection::poll_timeout`] may have passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        each!(&mut self.0, inner => inner.handle_timeout(now), else ());
    }

    /// `count` bytes of what [`Connection::poll_transmit`] gave left the process.
    pub fn handle_transmitted(&mut self, now: Instant, count: u64) {
        each!(&mut self.0, inner => inner.handle_transmitted(now, count), else ());
    }

    /// `count` bytes of the last [`Connection::poll_filler`] left the process.
    pub fn handle_filler_sent(&mut self, now: Instant, count: u64) {
        each!(&mut self.0, inner => inner.handle_filler_sent(now, count), else ());
    }

    /// Appends bytes to be written, filling `buffer` up to about `TRANSMIT_PIECE_BYTES`; whether it appended any.
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut Vec<u8>) -> bool {
        each!(&mut self.0, inner => inner.poll_transmit(now, buffer), else false)
    }

    /// Filler to be sent next. Only once all bytes of [`Connection::poll_transmit`] were reported as transmitted.
    pub fn poll_filler(&mut self) -> Option<Filler> {
        match &mut self.0 {
            Inner::Server(server) => server.poll_filler(),
            Inner::Client(client) => client.poll_filler(),
            Inner::WebSocket(socket) => socket.poll_filler(),
            Inner::Http2(server) => server.poll_filler(),
            Inner::Stream(_) => None,
        }
    }

    /// The next event. `scratch` is cleared, and filled with the event's payload if it has one.
    pub fn poll_event(&mut self, scratch: &mut Vec<u8>) -> Option<Event> {
        each!(&mut self.0, inner => inner.poll_event(scratch), else None)
    }

    /// When [`Connection::handle_timeout`] should be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        each!(&self.0, inner => inner.poll_timeout(), else None)
    }

    /// How to read now.
    #[must_use]
    pub fn receive(&self) -> Receive {
        each!(&self.0, inner => inner.receive(), else Receive::Paused)
    }

    /// All is said, or given up: close the transport. [`Event::Closed`] says why.
    #[must_use]
    pub fn wants_close(&self) -> bool {
        each!(&self.0, inner => inner.wants_close(), else false)
    }

    /// Nothing more will be sent although input is still thrown away: the driver may shut down its sending side, so
    /// that the peer sees the end at once. Doing nothing is as correct.
    #[must_use]
    pub fn wants_shutdown(&self) -> bool {
        match &self.0 {
            Inner::Server(server) => server.wants_shutdown(),
            Inner::WebSocket(socket) => socket.wants_shutdown(),
            Inner::Http2(server) => server.wants_shutdown(),
            Inner::Client(_) | Inner::Stream(_) => false,
        }
    }

    /// Server: answers the pending request. A body that was not read yet is drained if its rest is at most
    /// `HTTP_DRAINED_BODY_BYTES_MAX`, else the connection ends with the answer.
    ///
    /// # Errors
    /// No request is pending.
    pub fn respond(
        &mut self,
        now: Instant,
        head: ResponseHead,
        body: ResponseBody,
    ) -> Result<(), WrongState> {
        match &mut self.0 {
            Inner::Server(server) => server.respond(now, &head, body),
            Inner::Stream(stream) => stream.respond(now, &head, body),
            Inner::Client(_) | Inner::WebSocket(_) | Inner::Http2(_) => Err(WrongState),
        }
    }

    /// Server: takes the pending request's body, after 100 if the client waits for it. [`Event::BodyComplete`]
    /// follows, and then [`Connection::respond`] is due. POST, PUT and PATCH without a length are answered 411 by the
    /// connection itself, and bodies beyond the sink's limit 413: then [`CloseReason::Refused`] follows.
    ///
    /// # Errors
    /// No request is pending, or its body was taken already.
    pub fn receive_body(&mut self, now: Instant, sink: BodySink) -> Result<(), WrongState> {
        match &mut self.0 {
            Inner::Server(server) => server.receive_body(now, sink),
            Inner::Stream(stream) => stream.receive_body(now, sink),
            Inner::Client(_) | Inner::WebSocket(_) | Inner::Http2(_) => Err(WrongState),
        }
    }

    /// Server: answers the pending request, whose [`Request::websocket_upgrade`] must be `Ok`, with 101; from then on
    /// this is a WebSocket.
    ///
    /// # Errors
    /// No request is pending, or it is no valid upgrade.
    pub fn accept_websocket(
        &mut self,
        now: Instant,
        options: WebSocketOptions,
    ) -> Result<(), WrongState> {
        let Inner::Server(server) = &mut self.0 else {
            return Err(WrongState);
        };
        let parts = server.upgrade(now, &options)?;
        self.0 = Inner::WebSocket(WebSocket::server(now, parts));
        Ok(())
    }

    /// Client: sends a request; [`Event::Response`] and [`Event::BodyComplete`] follow.
    ///
    /// # Errors
    /// The last response is not complete, or the connection does not take another request.
    pub fn request(
        &mut self,
        now: Instant,
        head: RequestHead,
        body: RequestBody,
        sink: BodySink,
    ) -> Result<(), WrongState> {
        match &mut self.0 {
            Inner::Client(client) => client.request(now, &head, body, sink),
            Inner::Server(_) | Inner::WebSocket(_) | Inner::Http2(_) | Inner::Stream(_) => {
                Err(WrongState)
            }
        }
    }

    /// Client: asks for a WebSocket; [`Event::Upgraded`] follows, or [`Event::Response`] and its body if the server
    /// refuses. `nonce` must be random: it makes the key and seeds the masks.
    ///
    /// # Errors
    /// As for [`Connection::request`].
    pub fn request_websocket(
        &mut self,
        now: Instant,
        target: &str,
        host: &str,
        nonce: [u8; 16],
        options: WebSocketOptions,
    ) -> Result<(), WrongState> {
        match &mut self.0 {
            Inner::Client(client) => client.request_websocket(now, target, host, nonce, &options),
            Inner::Server(_) | Inner::WebSocket(_) | Inner::Http2(_) | Inner::Stream(_) => {
                Err(WrongState)
            }
        }
    }

    /// WebSocket: sends a text message.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_text(&mut self, now: Instant, text: &str) -> Result<(), SendError> {
        self.websocket()?
            .send(now, MessageKind::Text, text.as_bytes())
    }

    /// WebSocket: sends a binary message.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_binary(&mut self, now: Instant, payload: &[u8]) -> Result<(), SendError> {
        self.websocket()?.send(now, MessageKind::Binary, payload)
    }

    /// WebSocket: sends a ping of at most 125 bytes; [`Event::Pong`] should follow.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_ping(&mut self, now: Instant, payload: &[u8]) -> Result<(), SendError> {
        self.websocket()?.send_ping(now, payload)
    }

    /// WebSocket: sends binary frames of filler, that many payload bytes in all or without end; messages and control
    /// frames go between them. [`Event::FillerSent`] follows when it is out.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_filler(
        &mut self,
        now: Instant,
        payload_bytes: Option<u64>,
    ) -> Result<(), SendError> {
        self.websocket()?.send_filler(now, payload_bytes)
    }

    /// Ends filler without an end: on a WebSocket at the next frame's start, in HTTP here and with the connection.
    pub fn stop_filler(&mut self, now: Instant) {
        match &mut self.0 {
            Inner::Server(server) => server.stop_filler(now),
            Inner::WebSocket(socket) => socket.stop_filler(now),
            Inner::Stream(stream) => stream.stop_filler(now),
            Inner::Client(_) | Inner::Http2(_) => {}
        }
    }

    /// WebSocket: sends a close frame once the current filler frame is out, and waits for the peer's. HTTP: ends the
    /// connection when the current response is out (filler without an end is stopped); code and reason are not used.
    /// HTTP/2: lets no more streams in and ends the connection after the last; on a stream, stops filler without an end.
    pub fn close(&mut self, now: Instant, code: u16, reason: &str) {
        match &mut self.0 {
            Inner::Server(server) => server.close(now),
            Inner::Client(client) => client.close(now),
            Inner::WebSocket(socket) => socket.close(now, code, reason),
            Inner::Http2(server) => server.close(now),
            Inner::Stream(stream) => stream.stop_filler(now),
        }
    }

    /// Payload bytes received on this connection, to the byte, in the middle of a body or frame too: of HTTP bodies,
    /// or of binary messages once it is a WebSocket.
    #[must_use]
    pub fn received_payload_bytes(&self) -> u64 {
        match &self.0 {
            Inner::Stream(stream) => stream.received_bytes(),
            inner => each!(inner, inner => inner.received_bytes(), else 0),
        }
    }

    /// Filler payload bytes that were handed to the transport on this connection.
    #[must_use]
    pub fn sent_payload_bytes(&self) -> u64 {
        match &self.0 {
            Inner::Stream(stream) => stream.sent_bytes(),
            inner => each!(inner, inner => inner.sent_bytes(), else 0),
        }
    }

    /// Bytes that wait to be written: not handed over yet, or not reported as transmitted. Filler is not counted.
    #[must_use]
    pub fn queued_transmit_bytes(&self) -> usize {
        match &self.0 {
            Inner::Stream(stream) => stream.queued_bytes(),
            inner => each!(inner, inner => inner.queued_bytes(), else 0),
        }
    }

    /// Whether this is a WebSocket by now.
    #[must_use]
    pub fn is_websocket(&self) -> bool {
        matches!(self.0, Inner::WebSocket(_))
    }

    fn websocket(&mut self) -> Result<&mut WebSocket, SendError> {
        match &mut self.0 {
            Inner::WebSocket(socket) => Ok(socket),
            Inner::Server(_) | Inner::Client(_) | Inner::Http2(_) | Inner::Stream(_) => {
                Err(SendError::Closed)
            }
        }
    }

    /// Goes on as a WebSocket once a client's handshake succeeded.
    fn upgrade_client(&mut self, now: Instant) {
        if let Inner::Client(client) = &mut self.0
            && let Some(parts) = client.take_upgrade()
        {
            self.0 = Inner::WebSocket(WebSocket::client(now, parts));
        }
    }
}
